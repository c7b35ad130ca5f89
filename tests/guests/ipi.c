/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest that times interrupts between two CPUs: prints "bench: NAME min N
 * median N mean N of COUNT" in ticks. A round trip is an IPI and the one that answers
 * it, each from the write to the ICR to the first line of the handler. Then it idles.
 */
#include "tests/guests/smp.h"

#define V_PING	0x61
#define V_PONG	0x62
#define V_SELF	0x63
#define SAMPLES 500

static uint32_t samples[SAMPLES];
static uint32_t taken;
static volatile bool stop;

void smp_vector(struct cpu *c, unsigned vector)
{
	if (vector == V_PING)
		ipi(0, ICR_FIXED | V_PONG);
}

static void report(const char *name)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < taken; i++) {
		uint32_t v = samples[i], j = i;

		for (; j && samples[j - 1] > v; j--)
			samples[j] = samples[j - 1];
		samples[j] = v;
	}
	for (uint32_t i = 0; i < taken; i++)
		sum += samples[i];
	print("bench: ");
	print(name);
	print_number(" min ", samples[0]);
	print_number(" median ", samples[taken / 2]);
	print_number(" mean ", sum / taken);
	print_number(" of ", taken);
	print("\n");
}

static void round_trips(const char *name)
{
	struct cpu *c = this_cpu();

	for (taken = 0; taken < SAMPLES; taken++) {
		uint32_t before = c->count[V_PONG];
		uint64_t t = tsc_read(), until = t + 2000 * tsc_per_ms;

		ipi(1, ICR_FIXED | V_PING);
		while (c->count[V_PONG] == before && tsc_read() < until)
			;
		samples[taken] = (uint32_t)(tsc_read() - t);
		if (c->count[V_PONG] == before)
			bad(name, 0, taken);
		until = tsc_read() + tsc_per_ms / 5; /* let the other one fall asleep */
		while (tsc_read() < until)
			;
	}
	report(name);
}

static void spin_job(struct cpu *c)
{
	while (!stop)
		;
}

static void to_itself(const char *name)
{
	struct cpu *c = this_cpu();

	for (taken = 0; taken < SAMPLES; taken++) {
		uint32_t before = c->count[V_SELF];
		uint64_t t = tsc_read();

		if (c->x2apic)
			apic_write(APIC_SELF_IPI, V_SELF);
		else
			ipi(0, ICR_SELF | ICR_FIXED | V_SELF);
		while (c->count[V_SELF] == before)
			;
		samples[taken] = (uint32_t)(tsc_read() - t);
	}
	report(name);
}

static void x2apic_job(struct cpu *c)
{
	irq_off();
	wrmsr(0x1b, rdmsr(0x1b) | 0x400);
	c->x2apic = true;
	irq_on();
}

static void round_trips_spinning(const char *name)
{
	stop = false;
	run_on(1, spin_job);
	round_trips(name);
	stop = true;
	wait_idle(1);
}

void smp_run(const char *cmd)
{
	irq_on();
	smp_start_others();
	round_trips_spinning("ipi-xapic");
	round_trips("ipi-xapic-halted");
	to_itself("ipi-xapic-self");
	run_everywhere(x2apic_job);
	round_trips_spinning("ipi-x2apic");
	round_trips("ipi-x2apic-halted");
	to_itself("ipi-x2apic-self");
	print("guest: ready\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

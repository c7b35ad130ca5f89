/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest that sends interrupts between many CPUs and counts them: every kind
 * of destination, in xAPIC and then x2APIC mode; priorities; level-triggered lines;
 * timers; TLB shootdown. A wrong count is a line "work: CORRUPT". Command line:
 *   cpus=N   as many as the VM has    loop   go on for ever, with a tick a second
 */
#include "tests/guests/smp.h"

#define V_ONE	0x51 /* a plain message */
#define V_PING	0x61 /* answered with V_PONG to the number in ping_from */
#define V_PONG	0x62
#define V_TIMER 0x71
#define V_LINE	0x81 /* the UART's line, level-triggered */
#define V_ERROR 0x91
#define V_PIT	0x20
#define NMI	2

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define IOAPIC		 0xfec00000ul
#define UART_PIN	 4
#define ROUNDS		 3

static volatile uint8_t ping_from[MAX_CPUS];

void shootdown_flush(struct cpu *c);
void shootdown_init(void);
void shootdown_job(struct cpu *c);

void smp_vector(struct cpu *c, unsigned vector)
{
	if (vector == V_PING)
		ipi(ping_from[c->id], ICR_FIXED | V_PONG);
	else if (vector == V_LINE)
		outb(COM1 + 1, 0); /* IER: the line goes down */
	else if (vector == 0xd1)
		shootdown_flush(c);
}

/* ---- who receives what ------------------------------------------------------------- */

static uint32_t wanted[MAX_CPUS];

static void expect_start(unsigned vector)
{
	for (unsigned i = 0; i < cpu_count; i++)
		wanted[i] = cpus[i].count[vector];
}

/* What was added to `wanted` has come, and nothing else. */
static void expect_end(const char *what, unsigned vector)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (!wait_count(&cpus[i].count[vector], wanted[i]))
			bad(what, i, cpus[i].count[vector]);
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].count[vector] != wanted[i])
			bad(what, i, cpus[i].count[vector]);
}

static void expect_send(const char *what, uint32_t dest, uint32_t icr, uint32_t who)
{
	unsigned vector = (icr & 0x700) == 0x400 ? NMI : icr & 0xff;

	for (unsigned round = 0; round < ROUNDS; round++) {
		expect_start(vector);
		for (unsigned i = 0; i < cpu_count; i++)
			wanted[i] += who >> i & 1;
		ipi(dest, icr);
		expect_end(what, vector);
	}
}

static void test_physical_and_shorthands(void)
{
	uint32_t everybody = (1u << cpu_count) - 1, all = cpus[0].x2apic ? 0xffffffff : 0xff;

	for (unsigned i = 0; i < cpu_count; i++) {
		expect_send("physical", i, ICR_FIXED | V_ONE, 1u << i);
		if (i)
			expect_send("physical NMI", i, ICR_NMI, 1u << i);
	}
	expect_send("physical, nobody", 0x77, ICR_FIXED | V_ONE, 0);
	expect_send("physical, all", all, ICR_FIXED | V_ONE, everybody);
	expect_send("self", 0, ICR_SELF | ICR_FIXED | V_ONE, 1);
	expect_send("all", 0, ICR_ALL | ICR_FIXED | V_ONE, everybody);
	expect_send("all but self", 0, ICR_OTHERS | ICR_FIXED | V_ONE, everybody & ~1u);
	expect_send("NMI, all but self", 0, ICR_OTHERS | ICR_NMI, everybody & ~1u);
}

/* One of the CPUs in `who` takes it each time. */
static void lowest(const char *what, uint32_t dest, uint32_t who)
{
	uint32_t before[MAX_CPUS], sum = 0;
	uint64_t until = tsc_read() + 30000 * tsc_per_ms;

	for (unsigned i = 0; i < cpu_count; i++)
		before[i] = cpus[i].count[V_ONE];
	ipi(dest, ICR_LOWEST | ICR_LOGICAL | V_ONE);
	while (!sum && tsc_read() < until)
		for (unsigned i = 0; i < cpu_count; i++)
			sum += cpus[i].count[V_ONE] - before[i];
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].count[V_ONE] != before[i] && !(who >> i & 1))
			bad(what, i, cpus[i].count[V_ONE]);
	if (sum != 1)
		bad(what, 99, sum);
}

static void flat_job(struct cpu *c)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, c->id < 8 ? 0x01000000u << c->id : 0);
}

static void cluster_job(struct cpu *c)
{
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, ((c->id / 4) << 4 | 1u << c->id % 4) << 24);
}

static void test_logical_xapic(void)
{
	uint32_t everybody = (1u << cpu_count) - 1;

	run_everywhere(flat_job);
	expect_send("flat", 0x05, ICR_LOGICAL | ICR_FIXED | V_ONE, 0x05 & everybody);
	expect_send("flat, all", 0xff, ICR_LOGICAL | ICR_FIXED | V_ONE, everybody);
	expect_send("flat NMI", 0x06, ICR_LOGICAL | ICR_NMI, 0x06 & everybody);
	lowest("flat, lowest priority", 0x06, 0x06 & everybody);
	run_everywhere(cluster_job);
	for (unsigned n = 0; n < (cpu_count + 3) / 4; n++)
		expect_send("cluster", n << 4 | 0xd, ICR_LOGICAL | ICR_FIXED | V_ONE,
			    0xdu << 4 * n & everybody);
	expect_send("cluster, all clusters", 0xf1, ICR_LOGICAL | ICR_FIXED | V_ONE,
		    0x1111 & everybody);
	lowest("cluster, lowest priority", 0x03, 0x03 & everybody);
}

static void test_logical_x2apic(void)
{
	uint32_t everybody = (1u << cpu_count) - 1;

	expect_send("x2APIC logical", 0xa5a5, ICR_LOGICAL | ICR_FIXED | V_ONE, 0xa5a5 & everybody);
	expect_send("x2APIC, other cluster", 0x1ffff, ICR_LOGICAL | ICR_FIXED | V_ONE, 0);
	lowest("x2APIC, lowest priority", 0x6, 0x6 & everybody);
	for (unsigned round = 0; round < ROUNDS; round++) {
		expect_start(V_ONE);
		wanted[0]++;
		apic_write(APIC_SELF_IPI, V_ONE);
		expect_end("self IPI register", V_ONE);
	}
}

/* ---- all at once -------------------------------------------------------------------- */

/* Each to its neighbour, which answers; so each also answers all the time. */
static void ring_job(struct cpu *c)
{
	unsigned next = (c->id + 1) % cpu_count;

	for (unsigned n = 0; n < 4 * ROUNDS; n++) {
		uint32_t before = c->count[V_PONG];

		ping_from[next] = (uint8_t)c->id;
		ipi(next, ICR_FIXED | V_PING);
		if (!wait_count(&c->count[V_PONG], before + 1))
			bad("ring", c->id, n);
	}
}

static void test_ring(void)
{
	uint32_t pings = 0;

	for (unsigned i = 0; i < cpu_count; i++)
		pings -= cpus[i].count[V_PING];
	run_everywhere(ring_job);
	for (unsigned i = 0; i < cpu_count; i++)
		pings += cpus[i].count[V_PING];
	if (pings != cpu_count * 4 * ROUNDS)
		bad("pings of a ring", 99, pings);
}

/* ---- one CPU's APIC ----------------------------------------------------------------- */

static void order_check(struct cpu *c, const char *what, const uint8_t *order, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (c->order[(c->ordered - n + i) % 16] != order[i])
			bad(what, c->id, c->order[(c->ordered - n + i) % 16]);
}

static void settle(void)
{
	irq_on();
	for (unsigned i = 0; i < 20; i++)
		pause();
}

/*
 * On each CPU: higher vectors first, none at or below the task priority. The task priority holds
 * them back, not IF, which Bochs 2.7 does not always heed (docs/smp.md); faithful tests IF.
 */
static void priority_job(struct cpu *c)
{
	static const uint8_t sent[] = {0x41, 0xa2, 0x63, 0xc4}, order[] = {0xc4, 0xa2, 0x63, 0x41};
	unsigned before = c->ordered;

	apic_write(APIC_TPR, 0xff);
	for (unsigned i = 0; i < 4; i++)
		ipi(c->id, ICR_FIXED | sent[i]);
	settle();
	if (c->ordered != before)
		bad("TPR holds back all", c->id, c->ordered - before);
	apic_write(APIC_TPR, 0);
	settle();
	if (c->ordered != before + 4)
		bad("interrupts below the TPR", c->id, c->ordered - before);
	order_check(c, "order", order, 4);

	apic_write(APIC_TPR, 0xff);
	for (unsigned i = 0; i < 4; i++)
		ipi(c->id, ICR_FIXED | sent[i]);
	apic_write(APIC_TPR, 0x8f);
	if (apic_read(APIC_PPR) != 0x8f)
		bad("PPR", c->id, apic_read(APIC_PPR));
	settle();
	order_check(c, "order above TPR", order, 2);
	if (c->ordered != before + 6)
		bad("TPR holds back", c->id, c->ordered - before);
	if (apic_read(APIC_IRR + 0x20) != 2 || apic_read(APIC_IRR + 0x30) != 8)
		bad("IRR", c->id, apic_read(APIC_IRR + 0x20));
	__asm__ volatile("mov %0, %%cr8" : : "r"(5ul));
	settle();
	if (apic_read(APIC_TPR) != 0x50 || c->ordered != before + 7)
		bad("CR8", c->id, apic_read(APIC_TPR));
	apic_write(APIC_TPR, 0);
	settle();
	if (c->ordered != before + 8)
		bad("TPR lets go", c->id, c->ordered - before);
	order_check(c, "order at last", order, 4);
}

/* A line that stays up until the handler serves it, to each CPU in turn. */
static void test_level(void)
{
	volatile uint32_t *select = (volatile uint32_t *)IOAPIC,
			  *data = (volatile uint32_t *)(IOAPIC + 0x10);

	outb(COM1 + 4, 8); /* MCR: OUT2 lets interrupts through */
	for (unsigned i = 0; i < cpu_count; i++) {
		uint32_t before = cpus[i].count[V_LINE];

		*select = 0x11 + 2 * UART_PIN;
		*data = i << 24;
		*select = 0x10 + 2 * UART_PIN;
		*data = 0x8000 | V_LINE;
		for (unsigned n = 1; n <= ROUNDS; n++) {
			uint64_t until = tsc_read() + 1000 * tsc_per_ms;

			while (!(inb(COM1 + 5) & 0x20))
				;
			outb(COM1 + 1, 2); /* transmitter empty: the line rises */
			if (!wait_count(&cpus[i].count[V_LINE], before + n))
				bad("level", i, n);
			while ((*data & 0x4000) && tsc_read() < until)
				pause(); /* the EOI is on its way */
			if ((*data & 0x4000) || cpus[i].count[V_LINE] != before + n)
				bad("remote IRR or count after EOI", i, *data);
		}
		*data = 0x10000;
	}
}

static void timer_job(struct cpu *c)
{
	uint32_t before = c->count[V_TIMER];

	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVT_TIMER, V_TIMER);
	apic_write(APIC_TMICT, 20000);
	while (c->count[V_TIMER] == before)
		__asm__ volatile("sti; hlt" : : : "memory");
	apic_write(APIC_LVT_TIMER, 0x40000 | V_TIMER);
	wrmsr(MSR_TSC_DEADLINE, tsc_read() + tsc_per_ms);
	if (!wait_count(&c->count[V_TIMER], before + 2) || c->count[V_TIMER] != before + 2)
		bad("timer", c->id, c->count[V_TIMER] - before);
	apic_write(APIC_LVT_TIMER, 0x10000);
}

static void error_job(struct cpu *c)
{
	uint32_t before = c->count[V_ERROR];

	apic_write(APIC_LVT_ERROR, V_ERROR);
	apic_write(APIC_ESR, 0);
	ipi(c->id, ICR_FIXED | 3);
	apic_write(APIC_ESR, 0);
	if (apic_read(APIC_ESR) != 0x20 || !wait_count(&c->count[V_ERROR], before + 1))
		bad("ESR after an illegal vector", c->id, apic_read(APIC_ESR));
	apic_write(APIC_LVT_ERROR, 0x10000);
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
}

/* The 8259s through LINT0, as firmware leaves it on the boot CPU. */
static void test_virtual_wire(void)
{
	uint16_t count = 11932; /* 100 a second */

	outb(0x20, 0x11);
	outb(0x21, V_PIT);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x43, 0x34);
	outb(0x40, (uint8_t)count);
	outb(0x40, count >> 8);
	outb(0x21, 0xfe);
	irq_on();
	if (!wait_count(&cpus[0].count[V_PIT], 3))
		bad("8259 through LINT0", 0, cpus[0].count[V_PIT]);
	outb(0x21, 0xff);
}

static void x2apic_job(struct cpu *c)
{
	irq_off();
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	c->x2apic = true;
	irq_on();
}

/* ---- */

static void test_all(bool say)
{
	static const struct {
		const char *name;
		void (*fn)(struct cpu *c);
	} jobs[] = {{"priority", priority_job},
		    {"timer", timer_job},
		    {"error", error_job},
		    {"shootdown", shootdown_job}};

	test_physical_and_shorthands();
	if (cpus[0].x2apic)
		test_logical_x2apic();
	else
		test_logical_xapic();
	test_level();
	test_ring();
	for (unsigned i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		run_everywhere(jobs[i].fn);
		if (say) {
			print("smp: done ");
			print(jobs[i].name);
			print("\n");
		}
	}
}

static void tick(uint64_t rounds, uint64_t start, uint64_t *tick_no)
{
	uint64_t ms = (tsc_read() - start) / tsc_per_ms;

	*tick_no = ms / 1000 > *tick_no ? ms / 1000 : *tick_no + 1;
	print_number("work: tick ", *tick_no);
	print_number(" mem ok ", rounds);
	print_number(" pages disk ok 0 blocks t=", ms);
	print_number(" ms gap=0 ms corrupt ", corrupt);
	print("\n");
}

void smp_run(const char *cmd)
{
	uint64_t start = tsc_read(), tick_no = 0;

	test_virtual_wire();
	shootdown_init();
	smp_start_others();
	print_number("smp: cpus ", cpu_count);
	print("\n");
	test_all(true);
	print("smp: xAPIC done\n");
	if (option(cmd, "x2apic", 1)) {
		run_everywhere(x2apic_job);
		test_all(true);
		print("smp: x2APIC done\n");
	}
	print_number("guest: ready, corrupt ", corrupt);
	print("\n");
	for (uint64_t rounds = 1; option(cmd, "loop", 0); rounds++) {
		test_all(false);
		tick(rounds, start, &tick_no);
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

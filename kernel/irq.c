/* SPDX-License-Identifier: BSD-2-Clause */
/* Device interrupts: a small table of handlers by I/O APIC pin. */
#include "kernel/irq.h"
#include "kernel/irq_init.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "kernel/log.h"
#include "kernel/sched.h"
#include "kernel/time.h"

#define MAX_HANDLERS 16

struct irq_handler {
	unsigned gsi;
	void (*fn)(void *arg);
	void *arg;
};

static struct irq_handler handlers[MAX_HANDLERS];
static unsigned handler_count, pin_count;

void irq_init(hpa_t ioapic_base)
{
	pic_disable();
	pin_count = ioapic_init(ioapic_base);
	if (!pin_count)
		log_warn("irq: no I/O APIC at %#lx, devices are polled", ioapic_base);
}

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	bool routed = false;

	if (gsi >= pin_count)
		return -E_NOTSUP;
	if (handler_count == MAX_HANDLERS)
		return -E_NOSPC;
	for (unsigned i = 0; i < handler_count; i++)
		routed |= handlers[i].gsi == gsi;
	handlers[handler_count++] = (struct irq_handler){gsi, fn, arg};
	if (!routed)
		ioapic_route(gsi, level, cpus[0].apic_id);
	return 0;
}

void irq_handle_locked(unsigned vector)
{
	/* Timer and kick vectors only had to make the CPU look: the scheduler does the rest. */
	if (vector >= VECTOR_IRQ_BASE && vector < VECTOR_IRQ_BASE + IOAPIC_MAX_PINS)
		for (unsigned i = 0; i < handler_count; i++)
			if (handlers[i].gsi == vector - VECTOR_IRQ_BASE)
				handlers[i].fn(handlers[i].arg);
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
}

void irq_interrupt(unsigned vector)
{
	uint64_t start;

	host_lock();
	start = time_ns();
	irq_handle_locked(vector);
	sched_count_irq(time_ns() - start);
	host_unlock();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's processors: descriptor tables, traps, start-up of all CPUs. What
 * this room needs from above is handed down once in struct arch_ops.
 */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "kernel/lib/base.h"

#define MAX_CPUS 64

struct arch_ops {
	void *(*page_alloc)(void); /* a zeroed page, NULL when out of memory */
	void (*page_free)(void *page);
	/* A hardware interrupt arrived (interrupts are off; the host lock is not held). */
	void (*interrupt)(unsigned vector);
	void (*log)(const char *fmt, ...) printf_like(1, 2);
	void (*panic)(const char *fmt, ...) printf_like(1, 2) __attribute__((noreturn));
};
extern struct arch_ops arch;

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap_base;
} __attribute__((packed));

struct cpu {
	struct cpu *self; /* first: %gs:0 */
	uint32_t index;	  /* 0 is the boot CPU */
	uint32_t apic_id;
	volatile bool online;
	struct tss tss __attribute__((aligned(16)));
	uint64_t gdt[5];
	uint8_t *stack_top; /* for the idle loop */
	void *vmxon_page;   /* VMX root operation, when on */
	void *guest_owner;  /* whose FPU and MSR state the CPU holds: struct hw_vcpu */
};

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;
	asm volatile("movq %%gs:0, %0" : "=r"(c));
	return c;
}

extern struct cpu cpus[MAX_CPUS];
extern unsigned cpu_count; /* online */

/* Boot CPU: GDT, TSS, IDT, GS base. Before anything can trap. */
void cpu_init_boot(uint32_t apic_id);

/*
 * Start the CPUs with these APIC ids; each calls entry on its own stack with
 * interrupts off, after cpu->online is set. Returns how many came up.
 * low_page: a free 4 KiB page below 640 KiB for the real-mode trampoline.
 */
unsigned cpu_start_aps(const uint32_t *apic_ids, unsigned count, hpa_t low_page,
		       void (*entry)(void));

/* Let interrupts in for a moment (the host lock must not be held). */
static inline void cpu_take_interrupts(void)
{
	asm volatile("sti; nop; cli" ::: "memory");
}
/* Sleep until an interrupt; returns with interrupts off. */
static inline void cpu_wait_interrupt(void)
{
	asm volatile("sti; hlt; cli" ::: "memory");
}

_Noreturn void cpu_halt_forever(void);

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
void trap_dispatch(struct trap_frame *f);
void traps_init(void); /* build the IDT */
void traps_load(void); /* load it on this CPU */

/* Busy-wait on the PIT-calibrated TSC. Before calibration: on port 0x80 writes. */
void delay_us(unsigned us);

void context_switch(uint64_t *save_rsp, uint64_t load_rsp);
extern char task_trampoline[];
/* Called when a task's function returns. */
extern void (*task_exit_hook)(void);

#endif

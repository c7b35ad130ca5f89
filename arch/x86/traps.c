/* SPDX-License-Identifier: BSD-2-Clause */
/* The IDT, and what happens on an exception in the hypervisor: a full report, then stop. */
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/layout.h"

#define VECTOR_NMI	 2
#define VECTOR_DOUBLE	 8
#define VECTOR_MACHINE	 18
#define VECTOR_FIRST_IRQ 32
#define GATE_INTERRUPT	 0x8e

struct idt_gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
} __attribute__((packed));

static struct idt_gate idt[256];
extern uint8_t trap_stubs[];

void traps_init(void)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t stub = (uint64_t)trap_stubs + v * 16;

		idt[v] = (struct idt_gate){
		    .offset_low = stub,
		    .selector = SEL_CODE,
		    .type = GATE_INTERRUPT,
		    .offset_mid = stub >> 16,
		    .offset_high = stub >> 32,
		};
	}
	idt[VECTOR_DOUBLE].ist = 1;
	idt[VECTOR_NMI].ist = 2;
	idt[VECTOR_MACHINE].ist = 3;
}

void traps_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};

	asm volatile("lidt %0" ::"m"(idtr));
}

static const char *const exception_names[32] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no FPU",
    "double fault",
    "coprocessor",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization",
    "control protection",
};

static uint64_t read_cr2(void)
{
	uint64_t v;
	asm volatile("movq %%cr2, %0" : "=r"(v));
	return v;
}

static void report_stack(uint64_t rbp)
{
	for (int depth = 0; depth < 16 && rbp >= DIRECT_MAP && !(rbp & 7); depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		arch.log("  called from %016lx", (unsigned long)frame[1]);
		if (frame[0] <= rbp)
			return;
		rbp = frame[0];
	}
}

static _Noreturn void report_exception(const struct trap_frame *f)
{
	const char *name = f->vector < 32 ? exception_names[f->vector] : NULL;

	arch.log("rip %016lx cs %04lx rflags %08lx rsp %016lx", f->rip, f->cs, f->rflags, f->rsp);
	arch.log("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	arch.log("rsi %016lx rdi %016lx rbp %016lx cr2 %016lx", f->rsi, f->rdi, f->rbp, read_cr2());
	arch.log("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
	arch.log("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
	report_stack(f->rbp);
	arch.panic("exception %lu (%s) in the hypervisor, error code %lx, at %016lx", f->vector,
		   name ? name : "reserved", f->error, f->rip);
}

void trap_dispatch(struct trap_frame *f)
{
	if (f->vector >= VECTOR_FIRST_IRQ) {
		arch.interrupt(f->vector);
		return;
	}
	if (f->vector == VECTOR_NMI)
		return; /* a kick that found us outside the guest: nothing to do */
	report_exception(f);
}

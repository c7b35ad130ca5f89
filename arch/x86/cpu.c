/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptor tables of each CPU and the start-up of all of them. */
#include "arch/x86/cpu.h"
#include "arch/x86/apic.h"
#include "arch/x86/io.h"
#include "arch/x86/layout.h"
#include "arch/x86/paging.h"
#include "arch/x86/tsc.h"
#include "kernel/lib/string.h"

#define MSR_GS_BASE 0xc0000101

#define CPU_STACK_PAGES 4

struct arch_ops arch;
struct cpu cpus[MAX_CPUS];
unsigned cpu_count = 1;
void (*task_exit_hook)(void);

/* Interrupt stacks for double fault, NMI and machine check (IST 1..3). */
#define IST_COUNT 3
static uint8_t boot_ist[IST_COUNT][4096] __attribute__((aligned(16)));
extern uint8_t boot_stack_top[];

/* A 64-bit TSS descriptor is two GDT slots (SDM vol. 3, "TSS Descriptor in 64-bit mode"). */
static void gdt_fill(struct cpu *c)
{
	uint64_t base = (uint64_t)&c->tss;

	c->gdt[0] = 0;
	c->gdt[1] = 0x00af9b000000ffffull; /* code, 64-bit, ring 0 */
	c->gdt[2] = 0x00cf93000000ffffull; /* data, ring 0 */
	c->gdt[3] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
		    (base >> 24 & 0xff) << 56;
	c->gdt[4] = base >> 32;
}

static void cpu_load_tables(struct cpu *c)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr = {sizeof(c->gdt) - 1, (uint64_t)c->gdt};

	gdt_fill(c);
	asm volatile("lgdt %0\n\t"
		     "pushq %1\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "lretq\n"
		     "1:\tmovl %2, %%eax\n\t"
		     "movl %%eax, %%ds\n\t"
		     "movl %%eax, %%es\n\t"
		     "movl %%eax, %%ss\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "movl %%eax, %%fs\n\t"
		     "movl %%eax, %%gs\n\t"
		     "ltr %w3"
		     :
		     : "m"(gdtr), "i"((uint64_t)SEL_CODE), "i"(SEL_DATA), "r"(SEL_TSS)
		     : "rax", "memory");
	wrmsr(MSR_GS_BASE, (uint64_t)c);
	traps_load();
}

void cpu_init_boot(uint32_t apic_id)
{
	struct cpu *c = &cpus[0];

	c->self = c;
	c->apic_id = apic_id;
	c->online = true;
	c->stack_top = boot_stack_top;
	for (unsigned i = 0; i < IST_COUNT; i++)
		c->tss.ist[i] = (uint64_t)boot_ist[i] + sizeof(boot_ist[i]);
	c->tss.iomap_base = sizeof(struct tss);
	traps_init();
	cpu_load_tables(c);
}

/* ---- application processors ------------------------------------------- */

/* In trampoline.S; parameters are patched into the copy in low memory. */
extern uint8_t trampoline_start[], trampoline_end[];
extern uint8_t trampoline_cr3[], trampoline_stack[], trampoline_entry[];

static void (*ap_entry)(void);
static struct cpu *volatile ap_starting;

static void ap_main(void)
{
	struct cpu *c = ap_starting;

	paging_enable_features();
	cpu_load_tables(c);
	apic_init_cpu();
	c->online = true;
	ap_entry();
}

static int ap_alloc(struct cpu *c)
{
	uint8_t *ist;

	/* For the idle loop, and interrupts and timers while it runs; tasks have their own. */
	c->stack_top = paging_map_stack(CPU_STACK_PAGES);
	if (!c->stack_top)
		return -E_NOMEM;
	for (unsigned i = 0; i < IST_COUNT; i++) {
		ist = arch.page_alloc();
		if (!ist)
			return -E_NOMEM;
		c->tss.ist[i] = (uint64_t)ist + PAGE_SIZE;
	}
	c->tss.iomap_base = sizeof(struct tss);
	return 0;
}

static void trampoline_patch(uint8_t *low, const uint8_t *field, uint64_t value)
{
	memcpy(low + (field - trampoline_start), &value, sizeof(value));
}

/* INIT, then SIPI; a second SIPI only when the first got no answer (MP start-up algorithm). */
static bool ap_start(struct cpu *c, hpa_t low_page)
{
	apic_send_init(c->apic_id);
	delay_us(10000);
	for (int attempt = 0; attempt < 2; attempt++) {
		apic_send_sipi(c->apic_id, low_page >> PAGE_SHIFT);
		for (int i = 0; i < 1000 && !c->online; i++)
			delay_us(100);
		if (c->online)
			return true;
	}
	return false;
}

unsigned cpu_start_aps(const uint32_t *apic_ids, unsigned count, hpa_t low_page,
		       void (*entry)(void))
{
	uint8_t *low = (uint8_t *)(DIRECT_MAP + low_page);
	unsigned started = 0;
	hpa_t cr3 = paging_root();

	if (cr3 >= 4 * GiB) {
		arch.log("cpu: page tables lie above 4 GiB, other CPUs cannot start");
		return 0;
	}
	ap_entry = entry;
	paging_map_low(true);
	memcpy(low, trampoline_start, trampoline_end - trampoline_start);
	trampoline_patch(low, trampoline_cr3, cr3);
	trampoline_patch(low, trampoline_entry, (uint64_t)ap_main);
	for (unsigned i = 0; i < count && cpu_count < MAX_CPUS; i++) {
		struct cpu *c = &cpus[cpu_count];

		if (apic_ids[i] == cpus[0].apic_id)
			continue;
		c->self = c;
		c->index = cpu_count;
		c->apic_id = apic_ids[i];
		if (ap_alloc(c) != 0) {
			arch.log("cpu: no memory for another CPU's stack");
			break;
		}
		trampoline_patch(low, trampoline_stack, (uint64_t)c->stack_top);
		ap_starting = c;
		if (!ap_start(c, low_page)) {
			arch.log("cpu: CPU with APIC id %u does not answer, left out", c->apic_id);
			continue;
		}
		cpu_count++;
		started++;
	}
	paging_map_low(false);
	return started;
}

_Noreturn void cpu_halt_forever(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables, GDT and register state for a kernel that is entered in 64-bit or
 * in 32-bit mode. What the kernel is and where it lies is the loaders' affair.
 */
#include "vmm/boot_cpu.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"

#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20

#define BOOT_CS32 0x08
#define BOOT_DS32 0x10

#define CR0_PE BIT(0)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_PG BIT(31)

#define CR4_PAE BIT(5)

#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)

#define PTE_PRESENT  BIT(0)
#define PTE_WRITE    BIT(1)
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY    BIT(6)
#define PDE_LARGE    BIT(7)

/* Access rights in the VMCS format: SDM vol. 3, "Guest Register State" */
#define ACCESS_CODE64	0xa09bu /* G, L, present, execute/read, accessed */
#define ACCESS_CODE32	0xc09bu /* G, D, present, execute/read, accessed */
#define ACCESS_DATA	0xc093u /* G, D, present, read/write, accessed */
#define ACCESS_TSS	0x008bu /* present, busy TSS of the mode's size */
#define ACCESS_UNUSABLE 0x10000u

static int write_page_tables(struct vm *vm)
{
	uint64_t *table = kzalloc(PAGE_SIZE);

	if (!table)
		return -E_NOMEM;
	table[0] = GUEST_BOOT_PDPT | PTE_PRESENT | PTE_WRITE;
	int err = guest_mem_write(vm, GUEST_BOOT_PML4, table, PAGE_SIZE);

	for (unsigned i = 0; i < 4; i++)
		table[i] = (GUEST_BOOT_PD + i * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	if (!err)
		err = guest_mem_write(vm, GUEST_BOOT_PDPT, table, PAGE_SIZE);
	for (unsigned pd = 0; pd < 4 && !err; pd++) {
		for (unsigned i = 0; i < 512; i++)
			table[i] = (pd * SIZE_1G + i * SIZE_2M) | PTE_PRESENT | PTE_WRITE |
				   PTE_ACCESSED | PTE_DIRTY | PDE_LARGE;
		err = guest_mem_write(vm, GUEST_BOOT_PD + pd * PAGE_SIZE, table, PAGE_SIZE);
	}
	kfree(table);
	return err;
}

/* A flat descriptor (base 0, limit all) from access rights: SDM vol. 3, "Segment Descriptors" */
static uint64_t flat_descriptor(uint32_t access)
{
	return 0x000f00000000ffffull | (uint64_t)(access & 0xf0ff) << 40;
}

static struct cpu_segment segment(uint16_t selector, uint32_t limit, uint32_t access)
{
	return (struct cpu_segment){.selector = selector, .limit = limit, .access = access};
}

/* What both modes have in common; no segment is a system segment in use. */
static void set_tables(struct cpu_state *cs, uint64_t rip, gpa_t gdt, size_t gdt_size)
{
	memset(cs->gpr, 0, sizeof(cs->gpr));
	cs->rip = rip;
	cs->rflags = 2; /* bit 1 is always set; IF clear */
	cs->cr2 = 0;
	cs->cr8 = 0;
	cs->seg[SEG_LDTR] = segment(0, 0, ACCESS_UNUSABLE);
	/* never used, but a VM entry demands a usable TSS */
	cs->seg[SEG_TR] = segment(BOOT_TR, 0x67, ACCESS_TSS);
	cs->gdtr_base = gdt;
	cs->gdtr_limit = gdt_size - 1;
	cs->idtr_base = 0;
	cs->idtr_limit = 0;
	cs->activity = CPU_ACTIVE;
	cs->blocking = 0;
}

int boot_cpu_long_mode(struct vm *vm, uint64_t rip, uint64_t rsi, struct cpu_state *cs)
{
	const uint64_t gdt[] = {0, 0, flat_descriptor(ACCESS_CODE64), flat_descriptor(ACCESS_DATA)};
	int err = write_page_tables(vm);

	if (!err)
		err = guest_mem_write(vm, GUEST_BOOT_GDT, gdt, sizeof(gdt));
	if (err)
		return err;

	set_tables(cs, rip, GUEST_BOOT_GDT, sizeof(gdt));
	cs->gpr[RSI] = rsi;
	cs->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	cs->cr3 = GUEST_BOOT_PML4;
	cs->cr4 = CR4_PAE;
	cs->efer = EFER_LME | EFER_LMA;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		cs->seg[i] = segment(BOOT_DS, UINT32_MAX, ACCESS_DATA);
	cs->seg[SEG_CS] = segment(BOOT_CS, UINT32_MAX, ACCESS_CODE64);
	return 0;
}

int boot_cpu_protected_mode(struct vm *vm, gpa_t gdt, uint32_t eip, uint32_t eax, uint32_t ebx,
			    struct cpu_state *cs)
{
	const uint64_t table[] = {0, flat_descriptor(ACCESS_CODE32), flat_descriptor(ACCESS_DATA)};
	int err = guest_mem_write(vm, gdt, table, sizeof(table));

	if (err)
		return err;
	set_tables(cs, eip, gdt, sizeof(table));
	cs->gpr[RAX] = eax;
	cs->gpr[RBX] = ebx;
	cs->cr0 = CR0_PE | CR0_ET;
	cs->cr3 = 0;
	cs->cr4 = 0;
	cs->efer = 0;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		cs->seg[i] = segment(BOOT_DS32, UINT32_MAX, ACCESS_DATA);
	cs->seg[SEG_CS] = segment(BOOT_CS32, UINT32_MAX, ACCESS_CODE32);
	return 0;
}

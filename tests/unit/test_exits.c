/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What vmm does about an exit: port and string I/O, CPUID, MSRs, faults, and that
 * RIP advances exactly when the instruction is done. The backend is faked.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "kernel/irq_init.h"
#include "kernel/sched.h"
#include "vmm/cpu_policy_limits.h"
#include "vmm/dev/vlapic.h"
#include "vmm/exits.h"
#include "vmm/task_switch.h"

#define RFLAGS_DF 0x400ull

static struct vm vm;
static struct cpu_state state_of;
static struct vcpu cpu = {.vm = &vm, .state = &state_of};

/* ---- the backend ---- */

static uint64_t gpr[16], rflags, cr2, xcr0;
static unsigned skipped, skips;
static int injected; /* vector, -1 for none */
static uint32_t injected_error;
static struct cpu_paging paging;

uint64_t hw_vcpu_gpr(const struct hw_vcpu *h, enum cpu_gpr r)
{
	return gpr[r];
}

void hw_vcpu_set_gpr(struct hw_vcpu *h, enum cpu_gpr r, uint64_t v)
{
	gpr[r] = v;
}

uint64_t hw_vcpu_rip(struct hw_vcpu *h)
{
	return 0x1000;
}

uint64_t hw_vcpu_rflags(struct hw_vcpu *h)
{
	return rflags;
}

void hw_vcpu_set_rflags(struct hw_vcpu *h, uint64_t v)
{
	rflags = v;
}

void hw_vcpu_set_cr2(struct hw_vcpu *h, uint64_t v)
{
	cr2 = v;
}

void hw_vcpu_skip(struct hw_vcpu *h, unsigned insn_len)
{
	skipped += insn_len;
	skips++;
}

void hw_vcpu_paging(struct hw_vcpu *h, struct cpu_paging *out)
{
	*out = paging;
}

void hw_vcpu_inject_exception(struct hw_vcpu *h, uint8_t vector, bool has_error, uint32_t error)
{
	injected = vector;
	injected_error = has_error ? error : 0xffffffff;
}

int hw_vcpu_read_msr(struct hw_vcpu *h, uint32_t msr, uint64_t *out)
{
	*out = 0xd01;
	return msr == 0xc0000080 ? 0 : -E_NOTSUP;
}

int hw_vcpu_write_msr(struct hw_vcpu *h, uint32_t msr, uint64_t v)
{
	return msr == 0xc0000080 && v == 0xd01 ? 0 : -E_INVAL;
}

uint64_t hw_vcpu_xcr0(const struct hw_vcpu *h)
{
	return xcr0;
}

int hw_vcpu_xsetbv(struct hw_vcpu *h, uint32_t index, uint64_t v)
{
	xcr0 = v;
	return index ? -E_INVAL : 0;
}

static uint64_t accessed_at;
static bool accessed_write;

void hw_vcpu_data_access(struct hw_vcpu *h, uint64_t linear, unsigned size, bool write)
{
	accessed_at = linear;
	accessed_write = write;
}

void hw_vcpu_dump(struct hw_vcpu *h, void (*line)(const char *fmt, ...))
{
}

/* ---- the rest of the VM ---- */

static unsigned crashes;

void vm_crash(struct vm *v, const char *fmt, ...)
{
	crashes++;
}

uint64_t vm_guest_tsc(const struct vm *v)
{
	return 1000;
}

uint64_t vcpu_guest_tsc(const struct vcpu *v)
{
	return 1000 + state_of.msrs[CPU_MSR_TSC_ADJUST];
}

void dirty_log_mark(struct vm *v, gfn_t gfn)
{
}

static unsigned switches;

void task_switch(struct vcpu *v, const struct vcpu_exit *e)
{
	switches = e->task.selector;
}

static unsigned handled;

void irq_handle_locked(unsigned vector)
{
	handled = vector;
}

void sched_take_interrupts(void)
{
	handled = 1;
}

static uint8_t cr8;

uint64_t vlapic_get_cr8(const struct vlapic *v)
{
	return cr8;
}

void vlapic_set_cr8(struct vlapic *v, uint64_t value)
{
	cr8 = value;
}

static bool apic_on = true;

bool vlapic_is_on(const struct vlapic *v)
{
	return apic_on;
}

gpa_t vlapic_mmio_gpa(const struct vlapic *v)
{
	return 0xfee00000;
}

uint64_t vlapic_mmio_read(struct vlapic *v, uint64_t offset, unsigned size)
{
	return 0;
}

void vlapic_mmio_write(struct vlapic *v, uint64_t offset, unsigned size, uint64_t value)
{
}

int vlapic_msr_read(struct vlapic *v, uint32_t msr, uint64_t *value)
{
	*value = 0xfee00900;
	return 0;
}

int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value)
{
	return value == 0xfee00900 ? 0 : -E_INVAL;
}

static unsigned hw_reg, hw_eoi;
static uint32_t hw_value;

void vlapic_hw_write(struct vlapic *v, unsigned reg, uint32_t value)
{
	hw_reg = reg;
	hw_value = value;
}

void vlapic_hw_eoi(struct vlapic *v, uint8_t vector)
{
	hw_eoi = vector;
}

void vlapic_tsc_changed(struct vlapic *v)
{
}

void cpuid_policy_answer(const struct cpuid_policy *p, uint32_t id, uint32_t count, uint32_t leaf,
			 uint32_t subleaf, struct cpuid_entry *out)
{
	*out = (struct cpuid_entry){.eax = leaf, .ebx = subleaf, .ecx = 3, .edx = 0x305};
}

const struct cpuid_entry *cpuid_policy_find(const struct cpuid_policy *p, uint32_t leaf,
					    uint32_t subleaf)
{
	for (unsigned i = 0; i < 3; i++)
		if (p->entries[i].leaf == leaf)
			return &p->entries[i];
	return NULL;
}

uint32_t cpuid_policy_xsave_size(const struct cpuid_policy *p, uint64_t v, bool compacted)
{
	return v == 7 ? 832 : 576;
}

/* A port that counts what it is asked. */
static unsigned reads, writes;
static uint64_t last_write;

static uint64_t port_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return 0x8877665544332211ull + reads++;
}

static void port_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	writes++;
	last_write = value;
}

static const struct io_ops port_ops = {port_read, port_write};
static struct io_region port = {
    .name = "test", .base = 0x100, .len = 4, .enabled = true, .ops = &port_ops};

static int set_up(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	memset(&state_of, 0, sizeof(state_of));
	vm.cpuid.phys_bits = 40;
	iobus_init(&vm.ports);
	iobus_init(&vm.mmio);
	assert_int_equal(guest_mem_create(&vm.mem, SIZE_2M), 0);
	assert_int_equal(iobus_add(&vm.ports, &port), 0);
	memset(gpr, 0, sizeof(gpr));
	paging = (struct cpu_paging){.cr0 = 1, .mode_bits = 32};
	rflags = 2;
	skipped = skips = reads = writes = crashes = handled = 0;
	injected = -1;
	cr2 = xcr0 = 0;
	return 0;
}

static int tear_down(void **state)
{
	guest_mem_destroy(&vm.mem);
	return fake_alloc_live;
}

static void handle(struct vcpu_exit e)
{
	skips = skipped = 0;
	injected = -1;
	e.insn_len = 2;
	exits_handle(&cpu, &e);
}

static void test_ports(void **state)
{
	gpr[RAX] = 0xaaaaaaaabbbbbbbb;
	handle(
	    (struct vcpu_exit){.kind = VCPU_EXIT_IO, .io = {.port = 0x100, .size = 1, .in = true}});
	assert_int_equal(gpr[RAX], 0xaaaaaaaabbbbbb11);
	assert_int_equal(skipped, 2);
	handle(
	    (struct vcpu_exit){.kind = VCPU_EXIT_IO, .io = {.port = 0x100, .size = 2, .in = true}});
	assert_int_equal(gpr[RAX], 0xaaaaaaaabbbb2212);
	handle(
	    (struct vcpu_exit){.kind = VCPU_EXIT_IO, .io = {.port = 0x100, .size = 4, .in = true}});
	assert_int_equal(gpr[RAX], 0x44332213); /* 32 bits clear the rest */
	gpr[RAX] = 0xaaaaaaaabbbbbbbb;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_IO, .io = {.port = 0x100, .size = 2}});
	assert_int_equal(last_write, 0xbbbb);
	assert_int_equal(skipped, 2);
}

static struct vcpu_exit string_io(bool in, bool rep, uint64_t linear)
{
	return (struct vcpu_exit){.kind = VCPU_EXIT_IO,
				  .io = {.port = 0x100,
					 .size = 4,
					 .in = in,
					 .string = true,
					 .rep = rep,
					 .addr_size = 4,
					 .linear = linear}};
}

static void test_string_io(void **state)
{
	uint32_t data = 0;

	gpr[RDI] = 0x1ffe;
	handle(string_io(true, false, 0x1ffe)); /* across a page */
	assert_int_equal(skips, 1);
	assert_int_equal(gpr[RDI], 0x2002);
	assert_int_equal(guest_mem_read(&vm, 0x1ffe, &data, 4), 0);
	assert_int_equal(data, 0x44332211);
	/* REP: one element an exit, the instruction is done with the last */
	gpr[RCX] = 2;
	gpr[RSI] = 0x1ffe;
	rflags |= RFLAGS_DF;
	handle(string_io(false, true, 0x1ffe));
	assert_int_equal(skips, 0);
	assert_int_equal(gpr[RCX], 1);
	assert_int_equal(gpr[RSI], 0x1ffa);
	assert_int_equal(last_write, 0x44332211);
	handle(string_io(false, true, 0x1ffa));
	assert_int_equal(skips, 1);
	assert_int_equal(gpr[RCX], 0);
	/* none left: nothing happens */
	handle(string_io(false, true, 0x1ff6));
	assert_int_equal(skips, 1);
	assert_int_equal(writes, 2);
	assert_int_equal(gpr[RSI], 0x1ff6);
	/* only 32 bits of the registers count, and they wrap */
	gpr[RCX] = 0x500000001;
	gpr[RSI] = 0;
	handle(string_io(false, true, 0));
	assert_int_equal(skips, 1);
	assert_int_equal(gpr[RSI], 0xfffffffc);
}

static void test_string_outside(void **state)
{
	struct vcpu_exit e = string_io(true, true, 0x1000);

	e.io.outside = true;
	handle(e); /* RCX is 0: nothing is accessed */
	assert_int_equal(injected, -1);
	gpr[RCX] = 1;
	handle(e);
	assert_int_equal(injected, VECTOR_GP);
	e.io.stack = true;
	handle(e);
	assert_int_equal(injected, VECTOR_SS);
	assert_int_equal(reads + skips, 0);
}

/* A faulting INS must not have read the port: the element would be lost. */
static void test_string_fault(void **state)
{
	paging = (struct cpu_paging){.cr0 = 0x80000001, .cr3 = 0x3000, .mode_bits = 32};
	gpr[RDI] = 0x1ffe;
	handle(string_io(true, false, 0x1ffe));
	assert_int_equal(reads, 0);
	assert_int_equal(injected, VECTOR_PF);
	assert_int_equal(injected_error, 2);
	assert_int_equal(cr2, 0x1ffe);
	assert_int_equal(skips, 0);
	assert_int_equal(gpr[RDI], 0x1ffe);
	/* only the second page is missing */
	const uint32_t table = 0x4003, entry = 0x5003;

	assert_int_equal(guest_mem_write(&vm, 0x3000, &table, 4), 0);
	assert_int_equal(guest_mem_write(&vm, 0x4004, &entry, 4), 0);
	handle(string_io(true, false, 0x1ffe));
	assert_int_equal(reads, 0);
	assert_int_equal(cr2, 0x2000);
	handle(string_io(false, false, 0x1ffe));
	assert_int_equal(writes, 0);
	assert_int_equal(injected_error, 0);
}

/* Code where no memory is: FF FF FF ... */
static void test_fetch_from_nowhere(void **state)
{
	handle(
	    (struct vcpu_exit){.kind = VCPU_EXIT_MMIO, .mmio = {.gpa = 0xd0000000, .fetch = true}});
	assert_int_equal(injected, VECTOR_UD);
	assert_int_equal(skips + crashes, 0);
}

/* An access across pages: half in RAM, half at a device, which sees bytes. */
static uint8_t device[8];

static uint64_t device_read(struct io_region *r, uint64_t offset, unsigned size)
{
	assert_int_equal(size, 1);
	return device[offset];
}

static void device_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	assert_int_equal(size, 1);
	device[offset] = value;
}

static const struct io_ops device_ops = {device_read, device_write};

static void test_mmio_crossing(void **state)
{
	struct io_region r = {.base = 0xd0000000, .len = 8, .enabled = true, .ops = &device_ops};
	struct vcpu_exit e = {.kind = VCPU_EXIT_MMIO, .mmio = {.gpa = 0xd0000000}};
	const uint8_t code[] = {0x8b, 0x07, 0x89, 0x07}; /* mov (%edi), %eax; mov %eax, (%edi) */
	uint32_t entries[] = {0x6003, 0xd0000003, 0}, ram = 0x11223344;

	assert_int_equal(iobus_add(&vm.mmio, &r), 0);
	for (unsigned i = 0; i < 8; i++)
		device[i] = 0xa0 + i;
	/* linear 2000h: RAM at 6000h; 3000h: the device; 1000h: the code */
	paging = (struct cpu_paging){.cr0 = 0x80000001, .cr3 = 0x4000, .mode_bits = 32};
	assert_int_equal(guest_mem_write(&vm, 0x4000, &(uint32_t){0x5003}, 4), 0);
	assert_int_equal(guest_mem_write(&vm, 0x5004, &(uint32_t){0x1003}, 4), 0);
	assert_int_equal(guest_mem_write(&vm, 0x5008, entries, sizeof(entries)), 0);
	assert_int_equal(guest_mem_write(&vm, 0x1000, code, 2), 0);
	assert_int_equal(guest_mem_write(&vm, 0x6ffc, &ram, 4), 0);
	gpr[RDI] = 0x2ffe;
	handle(e);
	assert_int_equal(gpr[RAX], 0xa1a01122);
	assert_int_equal(accessed_at, 0x2ffe);
	assert_false(accessed_write);
	assert_int_equal(skipped, 2);
	assert_int_equal(guest_mem_write(&vm, 0x1000, code + 2, 2), 0);
	gpr[RAX] = 0x55667788;
	e.mmio.write = true;
	handle(e);
	assert_int_equal(guest_mem_read(&vm, 0x6ffc, &ram, 4), 0);
	assert_int_equal(ram, 0x77883344);
	assert_true(accessed_write);
	assert_int_equal(device[0] | device[1] << 8, 0x5566);
	/* the page behind the device is missing: nothing of it is done */
	gpr[RDI] = 0x3fff;
	handle(e);
	assert_int_equal(injected, VECTOR_PF);
	assert_int_equal(injected_error, 2);
	assert_int_equal(cr2, 0x4000);
	assert_int_equal(skips, 0);
	iobus_remove(&vm.mmio, &r);
}

/* Firmware's ROM, to an instruction that is emulated because of its other operand. */
static void test_rom_is_read(void **state)
{
	static uint8_t rom[PAGE_SIZE];
	const uint8_t code[] = {0x8b, 0x07}; /* mov (%edi), %eax */

	for (unsigned i = 0; i < 8; i++)
		rom[PAGE_SIZE - 8 + i] = 0xa0 + i;
	vm.rom = rom;
	vm.rom_size = sizeof(rom);
	assert_int_equal(guest_mem_write(&vm, 0x1000, code, 2), 0);
	gpr[RDI] = 0xfffffff9;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_MMIO, .mmio = {.gpa = 0xfffffff9}});
	assert_int_equal(gpr[RAX], 0xa4a3a2a1);
	gpr[RDI] = 0xffffeffe; /* half of it lies below */
	handle((struct vcpu_exit){.kind = VCPU_EXIT_MMIO, .mmio = {.gpa = 0xffffeffe}});
	assert_int_equal(gpr[RAX] & 0xffff, 0xffff);
}

static void test_cpuid(void **state)
{
	gpr[RAX] = 0xffffffff00000001;
	gpr[RCX] = 0xffffffff00000002;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CPUID});
	assert_int_equal(gpr[RAX], 1); /* upper halves are cleared */
	assert_int_equal(gpr[RBX], 2);
	assert_int_equal(gpr[RCX], 3);
	assert_int_equal(skipped, 2);
	paging.cr4 = 1ul << 18;
	gpr[RAX] = 1;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CPUID});
	assert_int_equal(gpr[RCX], 3 | 1u << 27);
	gpr[RAX] = 1;
	apic_on = false;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CPUID});
	assert_int_equal(gpr[RDX], 0x105);
	apic_on = true;
	gpr[RAX] = 1;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CPUID});
	assert_int_equal(gpr[RDX], 0x305);
	xcr0 = 7;
	gpr[RAX] = 0xd;
	gpr[RCX] = 0;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CPUID});
	assert_int_equal(gpr[RBX], 832);
}

static void write_msr(uint32_t msr, uint64_t value)
{
	gpr[RAX] = 0xdead00000000 | (uint32_t)value;
	gpr[RDX] = 0xdead00000000 | value >> 32;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_MSR_WRITE, .msr = msr});
}

static uint64_t read_msr(uint32_t msr)
{
	gpr[RAX] = gpr[RDX] = UINT64_MAX;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_MSR_READ, .msr = msr});
	return injected < 0 ? gpr[RDX] << 32 | gpr[RAX] : UINT64_MAX;
}

static void assert_gp(void)
{
	assert_int_equal(injected, VECTOR_GP);
	assert_int_equal(injected_error, 0);
	assert_int_equal(skips, 0);
}

static void test_msrs(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t good, bad;
	} mtrrs[] = {{0x200, 0x600000006, 0x600000002},
		     {0x20e, 0x1004, 1ull << 40 | 6},
		     {0x201, 0xf00000800, 0xf00000801},
		     {0x20f, 0x1800, 1ull << 40},
		     {0x250, 0x0504010006060606, 2},
		     {0x258, 0x06, 7ull << 56},
		     {0x259, 0x0601, 0x0300},
		     {0x268, 0x060600, 8},
		     {0x26f, 0x05, 0xff},
		     {0x2ff, 0xc06, 0x106}};
	static const uint32_t unknown[] = {0x3a,  0x48,	 0x49,	0x3b,  0x480,
					   0x210, 0x251, 0x25a, 0x270, 0xffffffff};

	for (size_t i = 0; i < ARRAY_SIZE(mtrrs); i++) {
		write_msr(mtrrs[i].msr, mtrrs[i].good);
		assert_int_equal(skipped, 2);
		write_msr(mtrrs[i].msr, mtrrs[i].bad);
		assert_gp();
	}
	for (size_t i = 0; i < ARRAY_SIZE(mtrrs); i++) /* each its own place */
		assert_int_equal(read_msr(mtrrs[i].msr), mtrrs[i].good);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		read_msr(unknown[i]);
		assert_gp();
		write_msr(unknown[i], 0);
		assert_gp();
	}
	assert_int_equal(read_msr(0x1b), 0xfee00900);
	write_msr(0x1b, 1);
	assert_gp();
	assert_int_equal(read_msr(0xc0000080), 0xd01);
	write_msr(0xc0000080, 0xd01); /* no SYSCALL, no 64-bit mode, no NX */
	assert_gp();
	read_msr(0xc0000103); /* no RDTSCP */
	assert_gp();
	read_msr(0x6e0); /* no TSC deadline */
	assert_gp();
	vm.cpuid.entries[1] = (struct cpuid_entry){
	    .leaf = 0x80000001, .edx = 1u << 11 | 1u << 20 | 1u << 27 | 1u << 29};
	vm.cpuid.entries[2] = (struct cpuid_entry){.leaf = 1, .ecx = 1u << 24};
	write_msr(0xc0000080, 0xd01);
	assert_int_equal(skipped, 2);
	assert_int_equal(read_msr(0x6e0), 0xfee00900);
	write_msr(0xc0000080, 0x1000);
	assert_gp();
	write_msr(0x1d9, 4); /* DEBUGCTL: reserved */
	assert_gp();
	write_msr(0x1a0, 0x400c51889);
	assert_int_equal(read_msr(0x1a0), 0x400c51889);
	write_msr(0x1a0, 1);
	assert_int_equal(read_msr(0x1a0), 0x1801); /* no BTS, no PEBS */
	write_msr(0x1a0, 1ull << 40);
	assert_gp();
	write_msr(0xfe, 0); /* read-only */
	assert_gp();
	/* TSC: this CPU's alone, by its adjustment */
	write_msr(0x10, 5);
	assert_int_equal(state_of.msrs[CPU_MSR_TSC_ADJUST], (uint64_t)5 - 1000);
	assert_int_equal(read_msr(0x10), 5);
	write_msr(0x3b, 77);
	assert_gp(); /* CPUID does not show it yet */
	vm.cpuid.entries[0] = (struct cpuid_entry){.leaf = 7, .ebx = 2};
	write_msr(0x3b, 77);
	assert_int_equal(read_msr(0x3b), 77);
	assert_int_equal(read_msr(0x10), 1077);
}

static void test_rest(void **state)
{
	gpr[RBP] = 16;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CR8, .cr8 = {.gpr = RBP, .write = true}});
	assert_gp();
	gpr[RBP] = 9;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CR8, .cr8 = {.gpr = RBP, .write = true}});
	assert_int_equal(cr8, 9);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_CR8, .cr8 = {.gpr = RDX}});
	assert_int_equal(gpr[RDX], 9);
	assert_int_equal(skips, 1);
	gpr[RCX] = 1;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_XSETBV});
	assert_gp();
	gpr[RCX] = 0;
	paging.cpl = 3;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_XSETBV});
	assert_gp();
	paging.cpl = 0;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_HOST, .vector = 0x40});
	assert_int_equal(handled, 0x40);
	assert_int_equal(skips, 0);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_APIC_WRITE, .apic = {0x300, 0x4051}});
	assert_true(hw_reg == 0x300 && hw_value == 0x4051);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_APIC_EOI, .vector = 0x61});
	assert_int_equal(hw_eoi, 0x61);
	assert_int_equal(skips, 0);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_UNDEFINED});
	assert_int_equal(injected, VECTOR_UD);
	assert_int_equal(injected_error, 0xffffffff);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_PAUSE});
	assert_true(cpu.spins);
	assert_int_equal(skips, 1);
	skips = 0;
	handle((struct vcpu_exit){.kind = VCPU_EXIT_HLT});
	assert_true(cpu.halted);
	assert_int_equal(skips, 1);
	rflags |= 0x100; /* a step: #DB is due and ends the halt */
	handle((struct vcpu_exit){.kind = VCPU_EXIT_HLT});
	assert_false(cpu.halted);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_TRIPLE_FAULT});
	handle((struct vcpu_exit){.kind = VCPU_EXIT_TASK_SWITCH, .task = {.selector = 0x28}});
	assert_int_equal(switches, 0x28);
	handle((struct vcpu_exit){.kind = VCPU_EXIT_FAILED});
	assert_int_equal(crashes, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_ports),
	    TEST(test_string_io),
	    TEST(test_string_outside),
	    TEST(test_string_fault),
	    TEST(test_fetch_from_nowhere),
	    TEST(test_mmio_crossing),
	    TEST(test_rom_is_read),
	    TEST(test_cpuid),
	    TEST(test_msrs),
	    TEST(test_rest),
	};

	return cmocka_run_group_tests_name("exits", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor that fake_cpu.h promises: tables of what was set. */
#include <string.h>

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_kernel.h"

#define TABLE_MAX   64
#define VMCS_FIELDS 0x8000

uint64_t fake_direct_map;
uint64_t fake_tsc;
struct arch_ops arch;
struct cpu cpus[MAX_CPUS];
unsigned cpu_count = 1;

static struct {
	uint32_t leaf, subleaf;
	struct cpuid_regs regs;
} leaves[TABLE_MAX];
static struct {
	uint32_t msr;
	uint64_t value;
} msrs[TABLE_MAX];
static unsigned leaf_count, msr_count;
static uint64_t vmcs[VMCS_FIELDS];

static void *one_page(void)
{
	return pages_alloc(0);
}

static void one_page_free(void *page)
{
	pages_free(page, 0);
}

void fake_cpu_reset(void)
{
	arch =
	    (struct arch_ops){.page_alloc = one_page, .page_free = one_page_free, .panic = panic};
	memset(cpus, 0, sizeof(cpus));
	memset(vmcs, 0, sizeof(vmcs));
	leaf_count = msr_count = 0;
	fake_tsc = 0;
}

void fake_cpuid_set(uint32_t leaf, uint32_t subleaf, struct cpuid_regs r)
{
	unsigned i = 0;

	while (i < leaf_count && !(leaves[i].leaf == leaf && leaves[i].subleaf == subleaf))
		i++;
	assert_true(i < TABLE_MAX);
	leaf_count = i == leaf_count ? i + 1 : leaf_count;
	leaves[i].leaf = leaf;
	leaves[i].subleaf = subleaf;
	leaves[i].regs = r;
}

struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < leaf_count; i++)
		if (leaves[i].leaf == leaf && leaves[i].subleaf == subleaf)
			return leaves[i].regs;
	return (struct cpuid_regs){0};
}

void fake_msr_set(uint32_t msr, uint64_t v)
{
	wrmsr(msr, v);
}

uint64_t rdmsr(uint32_t msr)
{
	for (unsigned i = 0; i < msr_count; i++)
		if (msrs[i].msr == msr)
			return msrs[i].value;
	return 0;
}

void wrmsr(uint32_t msr, uint64_t v)
{
	unsigned i = 0;

	while (i < msr_count && msrs[i].msr != msr)
		i++;
	assert_true(i < TABLE_MAX);
	msr_count = i == msr_count ? i + 1 : msr_count;
	msrs[i].msr = msr;
	msrs[i].value = v;
}

uint64_t rdtsc(void)
{
	return fake_tsc;
}

uint64_t vmread(uint64_t field)
{
	assert_true(field < VMCS_FIELDS);
	return vmcs[field];
}

void vmwrite(uint64_t field, uint64_t v)
{
	assert_true(field < VMCS_FIELDS);
	vmcs[field] = v;
}

struct cpu *this_cpu(void)
{
	return &cpus[0];
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID policies: answering from them, judging and comparing them. cpuid_build.c makes them. */
#include "vmm/cpuid_policy.h"
#include "arch/x86/cpu_state.h"
#include "kernel/lib/string.h"
#include "vmm/cpu_features.h"
#include "vmm/cpu_policy_limits.h"

/* Two measurements of one frequency differ by so much; NTP corrects twice that. */
#define TSC_TOLERANCE_PPM 250
/* Not a processor's leaves, by convention. */
#define CPUID_HYPERVISOR      0x40000000u
#define CPUID_HYPERVISOR_LAST 0x400000ffu

#define CR4_ALWAYS 0x107ul /* VME, PVI, TSD, PCE: no feature bit of ours stands for them alone */

const struct cpuid_entry *cpuid_policy_find(const struct cpuid_policy *p, uint32_t leaf,
					    uint32_t subleaf)
{
	for (uint32_t i = 0; i < p->count && i < CPUID_MAX_ENTRIES; i++)
		if (p->entries[i].leaf == leaf &&
		    (p->entries[i].subleaf == subleaf || p->entries[i].subleaf == CPUID_NO_SUBLEAF))
			return &p->entries[i];
	return NULL;
}

bool cpu_policy_has(const struct cpuid_policy *p, const struct cpu_feature *f)
{
	const struct cpuid_entry *e = cpuid_policy_find(p, f->leaf, f->subleaf);

	return e && ((&e->eax)[f->reg] & BIT(f->bit));
}

bool cpuid_policy_shows(const struct cpuid_policy *p, const char *name)
{
	for (unsigned i = 0; i < cpu_feature_count; i++)
		if (strcmp(cpu_features[i].name, name) == 0)
			return cpu_policy_has(p, &cpu_features[i]);
	return false;
}

/* ---- answering ---------------------------------------------------------------------- */

static unsigned bits_for(uint32_t count)
{
	unsigned bits = 0;

	while (BIT(bits) < count)
		bits++;
	return bits;
}

/* SDM vol. 2, "CPUID": beyond the last leaf the processor answers with the last basic one. */
static uint32_t leaf_in_range(const struct cpuid_policy *p, uint32_t leaf)
{
	if (leaf & 0x80000000)
		return leaf > p->max_extended ? p->max_basic : leaf;
	if (leaf >= CPUID_HYPERVISOR && leaf <= CPUID_HYPERVISOR_LAST)
		return leaf;
	return leaf > p->max_basic ? p->max_basic : leaf;
}

void cpuid_policy_answer(const struct cpuid_policy *p, uint32_t id, uint32_t count, uint32_t leaf,
			 uint32_t subleaf, struct cpuid_entry *out)
{
	const struct cpuid_entry *e;

	*out = (struct cpuid_entry){0};
	leaf = leaf_in_range(p, leaf);
	if (leaf == 0xb) { /* flat topology: cores of one package */
		out->ecx = subleaf & 0xff;
		out->edx = id;
		if (subleaf == 0) {
			out->ebx = 1;
			out->ecx |= 1u << 8;
		} else if (subleaf == 1) {
			out->eax = bits_for(count);
			out->ebx = count;
			out->ecx |= 2u << 8;
		}
		return;
	}
	e = cpuid_policy_find(p, leaf, subleaf);
	if (!e)
		return;
	*out = *e;
	if (leaf == 1) {
		out->ebx |= id << 24 | count << 16;
		out->edx |= count > 1 ? BIT(28) : 0;
	}
	if (leaf == 4)
		out->eax |= (count - 1) << 26;
}

uint32_t cpuid_policy_xsave_size(const struct cpuid_policy *p, uint64_t xcr0, bool compacted)
{
	uint32_t end = XSAVE_LEGACY;

	for (uint32_t i = 2; i < 63; i++) {
		const struct cpuid_entry *e = xcr0 & BIT(i) ? cpuid_policy_find(p, 0xd, i) : NULL;

		if (!e)
			continue;
		if (compacted) /* ECX bit 1: this component starts on a 64-byte border */
			end = (e->ecx & 2 ? ALIGN_UP(end, 64u) : end) + e->eax;
		else
			end = MAX(end, e->eax + e->ebx);
	}
	return end;
}

uint64_t cpu_policy_cr4(const struct cpuid_policy *p)
{
	uint64_t cr4 = CR4_ALWAYS;

	for (unsigned i = 0; i < cpu_feature_count; i++)
		if (cpu_features[i].cr4_bit && cpu_policy_has(p, &cpu_features[i]))
			cr4 |= BIT(cpu_features[i].cr4_bit);
	return cr4;
}

bool cpuid_policy_is_sane(const struct cpuid_policy *p)
{
	return p->count <= CPUID_MAX_ENTRIES && p->phys_bits >= 32 && p->phys_bits <= 52 &&
	       xcr0_is_valid(p->xcr0) && !(p->xcr0 & ~XCR0_CARRIED) && p->tsc_khz >= 1000 &&
	       p->tsc_khz < 100000000;
}

bool cpuid_policy_same_tsc(uint64_t a_khz, uint64_t b_khz)
{
	uint64_t apart = a_khz > b_khz ? a_khz - b_khz : b_khz - a_khz;

	return apart * 1000000 <= a_khz * TSC_TOLERANCE_PPM;
}

/* ---- comparing ---------------------------------------------------------------------- */

unsigned cpuid_policy_compare(const struct cpuid_policy *guest, const struct cpuid_policy *host,
			      void (*differ)(void *ctx, const char *what, uint64_t guest_value,
					     uint64_t host_value),
			      void *ctx)
{
	unsigned differences = 0;

	for (unsigned i = 0; i < cpu_feature_count; i++) {
		if (!cpu_policy_has(guest, &cpu_features[i]) ||
		    cpu_policy_has(host, &cpu_features[i]))
			continue;
		differ(ctx, cpu_features[i].name, 1, 0);
		differences++;
	}
	if (guest->xcr0 & ~host->xcr0) {
		differ(ctx, "XSAVE state components", guest->xcr0, host->xcr0);
		differences++;
	}
	if (guest->phys_bits > host->phys_bits) {
		differ(ctx, "physical address width", guest->phys_bits, host->phys_bits);
		differences++;
	}
	if (!cpuid_policy_same_tsc(guest->tsc_khz, host->tsc_khz) && !host->tsc_scaling) {
		differ(ctx, "TSC frequency in kHz", guest->tsc_khz, host->tsc_khz);
		differences++;
	}
	return differences;
}

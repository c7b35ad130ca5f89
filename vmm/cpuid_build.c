/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a CPUID policy from the processor. Everything starts from zero: only
 * listed features and the leaves named here are ever shown.
 */
#include "vmm/cpuid_policy.h"
#include "arch/x86/io.h"
#include "arch/x86/virt.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "vmm/cpu_features.h"
#include "vmm/cpu_policy_limits.h"

#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_TSC	0x15
#define MAX_BASIC	0x15
#define MAX_EXTENDED	0x80000008u
#define APIC_BUS_HZ	25000000u /* as VLAPIC_BUS_HZ */

static struct cpuid_entry *entry_add(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_entry *e = &p->entries[p->count++];

	*e = (struct cpuid_entry){.leaf = leaf, .subleaf = subleaf};
	return e;
}

static uint32_t *entry_reg(struct cpuid_entry *e, unsigned reg)
{
	return &e->eax + reg;
}

static struct cpuid_entry *entry_of(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	return (struct cpuid_entry *)cpuid_policy_find(p, leaf, subleaf);
}

static void copy_leaf(struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = cpuid(leaf, subleaf == CPUID_NO_SUBLEAF ? 0 : subleaf);
	struct cpuid_entry *e = entry_add(p, leaf, subleaf);

	e->eax = r.eax;
	e->ebx = r.ebx;
	e->ecx = r.ecx;
	e->edx = r.edx;
}

static bool host_has_leaf(uint32_t leaf)
{
	return cpuid(leaf & 0x80000000u, 0).eax >= leaf;
}

static void add_features(struct cpuid_policy *p)
{
	for (unsigned i = 0; i < cpu_feature_count; i++) {
		const struct cpu_feature *f = &cpu_features[i];
		struct cpuid_entry *e = entry_of(p, f->leaf, f->subleaf);
		struct cpuid_regs r;
		const uint32_t *host = &r.eax;

		if (!host_has_leaf(f->leaf))
			continue;
		r = cpuid(f->leaf, f->subleaf == CPUID_NO_SUBLEAF ? 0 : f->subleaf);
		if (!e)
			e = entry_add(p, f->leaf, f->subleaf);
		*entry_reg(e, f->reg) |= host[f->reg] & BIT(f->bit);
	}
}

/* Family, model; logical CPU counts; caches described as private to each CPU. */
static void add_identity(struct cpuid_policy *p)
{
	struct cpuid_regs id = cpuid(1, 0);
	struct cpuid_entry *e;

	copy_leaf(p, 0, CPUID_NO_SUBLEAF);
	entry_of(p, 0, 0)->eax = MAX_BASIC;
	e = entry_of(p, 1, 0);
	e->eax = id.eax;
	e->ebx = id.ebx & 0xff00; /* CLFLUSH line size */
	e->ecx |= BIT(31);	  /* "a hypervisor is present" */
	if (host_has_leaf(2))
		copy_leaf(p, 2, CPUID_NO_SUBLEAF);
	for (uint32_t i = 0; host_has_leaf(4) && i < 4; i++) {
		copy_leaf(p, 4, i);
		entry_of(p, 4, i)->eax &= 0x3fff;
	}
	entry_add(p, 6, CPUID_NO_SUBLEAF)->eax = BIT(2); /* the APIC timer never stops */
}

static void add_extended(struct cpuid_policy *p)
{
	copy_leaf(p, 0x80000000, CPUID_NO_SUBLEAF);
	entry_of(p, 0x80000000, 0)->eax = MAX_EXTENDED;
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
		if (host_has_leaf(leaf))
			copy_leaf(p, leaf, CPUID_NO_SUBLEAF);
	copy_leaf(p, 0x80000008, CPUID_NO_SUBLEAF);
	entry_of(p, 0x80000008, 0)->ebx = 0;
	entry_of(p, 0x80000008, 0)->ecx = 0;
	entry_of(p, 0x80000008, 0)->edx = 0;
	p->phys_bits = entry_of(p, 0x80000008, 0)->eax & 0xff;
}

static void add_hypervisor(struct cpuid_policy *p)
{
	struct cpuid_entry *e = entry_add(p, LEAF_HYPERVISOR, CPUID_NO_SUBLEAF);

	e->eax = LEAF_HYPERVISOR;
	memcpy(&e->ebx, "Pagu", 4); /* "PagurusHost " */
	memcpy(&e->ecx, "rusH", 4);
	memcpy(&e->edx, "ost ", 4);
}

/* TSC and APIC timer frequency, so that a guest need not calibrate and agrees after a move. */
static void add_clock(struct cpuid_policy *p)
{
	struct cpuid_entry *e = entry_add(p, LEAF_TSC, CPUID_NO_SUBLEAF);

	p->tsc_khz = time_tsc_khz();
	p->tsc_scaling = virt_detect()->tsc_scaling;
	e->eax = APIC_BUS_HZ / 1000;
	e->ebx = p->tsc_khz;
	e->ecx = APIC_BUS_HZ;
}

static int hide_feature(struct cpuid_policy *p, const char *name, size_t len)
{
	for (unsigned i = 0; i < cpu_feature_count; i++) {
		const struct cpu_feature *f = &cpu_features[i];
		struct cpuid_entry *e;

		if (strlen(f->name) != len || strncmp(f->name, name, len) != 0)
			continue;
		e = entry_of(p, f->leaf, f->subleaf);
		if (e)
			*entry_reg(e, f->reg) &= ~(uint32_t)BIT(f->bit);
		return 0;
	}
	return -E_INVAL;
}

/* A feature goes when what it builds on is not offered; in an order that one pass settles. */
static const struct {
	const char *name, *needs;
} dependents[] = {
    {"xsaveopt", "xsave"}, {"xsavec", "xsave"},	    {"xgetbv1", "xsave"},
    {"avx", "xsave"},	   {"fma", "avx"},	    {"f16c", "avx"},
    {"avx2", "avx"},	   {"vaes", "avx"},	    {"vpclmulqdq", "avx"},
    {"avx512f", "avx"},	   {"avx512dq", "avx512f"}, {"avx512cd", "avx512f"},
    {"invpcid", "pcid"},   {"avx512bw", "avx512f"}, {"avx512vl", "avx512f"},
    {"rdpid", "rdtscp"},
};

static void drop_dependents(struct cpuid_policy *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(dependents); i++)
		if (!cpuid_policy_shows(p, dependents[i].needs))
			(void)!hide_feature(p, dependents[i].name, strlen(dependents[i].name));
}

/* What the processor has but guests only by a control of the backend, or not rightly. */
static void drop_unbacked(struct cpuid_policy *p)
{
	const struct virt_caps *caps = virt_detect();

	if (!caps->rdtscp)
		(void)!hide_feature(p, "rdtscp", 6);
	if (!caps->invpcid)
		(void)!hide_feature(p, "invpcid", 7);
	if (!caps->xsavec)
		(void)!hide_feature(p, "xsavec", 6);
}

/* XCR0 from the features; leaf 0Dh from the processor, cut to it. */
static void set_xsave(struct cpuid_policy *p)
{
	struct cpuid_entry *e;

	p->xcr0 = 1;
	e = entry_of(p, 0xd, 0);
	if (e) /* made before "xsave" was hidden, perhaps */
		e->eax = e->ecx = e->edx = 0;
	if (!cpuid_policy_shows(p, "xsave"))
		return;
	p->xcr0 = XCR0_CARRIED & (cpuid(0xd, 0).eax | (uint64_t)cpuid(0xd, 0).edx << 32);
	if (!cpuid_policy_shows(p, "avx"))
		p->xcr0 &= 3;
	if (!cpuid_policy_shows(p, "avx512f") || (p->xcr0 & XCR0_AVX512) != XCR0_AVX512)
		p->xcr0 &= ~XCR0_AVX512;
	if (!e)
		e = entry_add(p, 0xd, 0);
	e->eax = p->xcr0;
	e->edx = p->xcr0 >> 32;
	e->ecx = XSAVE_LEGACY;
	for (uint32_t i = 2; i < 63; i++) {
		if (!(p->xcr0 & BIT(i)))
			continue;
		if (!entry_of(p, 0xd, i))
			copy_leaf(p, 0xd, i);
		e->ecx = MAX(e->ecx, entry_of(p, 0xd, i)->eax + entry_of(p, 0xd, i)->ebx);
	}
}

void cpuid_policy_host(struct cpuid_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->max_basic = MAX_BASIC;
	p->max_extended = MAX_EXTENDED;
	add_features(p);
	add_identity(p);
	add_extended(p);
	add_hypervisor(p);
	add_clock(p);
	drop_unbacked(p);
	drop_dependents(p);
	set_xsave(p);
}

int cpuid_policy_build(const char *hide, struct cpuid_policy *out, const char **bad)
{
	cpuid_policy_host(out);
	while (*hide) {
		size_t len = 0;

		if (*hide == ' ') {
			hide++;
			continue;
		}
		while (hide[len] && hide[len] != ' ')
			len++;
		if (hide_feature(out, hide, len) != 0) {
			*bad = hide;
			return -E_INVAL;
		}
		hide += len;
	}
	drop_dependents(out);
	set_xsave(out);
	return 0;
}

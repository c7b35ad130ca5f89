/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building, answering and comparing CPUID policies. Everything starts from zero:
 * only listed features and the leaves named here are ever shown.
 */
#include "vmm/cpuid_policy.h"
#include "arch/x86/cpu_state.h"
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
#define XCR0_CARRIED	0xe7ul	  /* x87, SSE, AVX, AVX-512 */
#define XCR0_AVX512	0xe0ul
/* Two measurements of one frequency differ by so much; NTP corrects twice that. */
#define TSC_TOLERANCE_PPM 250
#define XSAVE_LEGACY	  576 /* legacy area and header */

#define CR4_ALWAYS 0x7ul /* VME, PVI, TSD: no feature bit of ours stands for them alone */

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

const struct cpuid_entry *cpuid_policy_find(const struct cpuid_policy *p, uint32_t leaf,
					    uint32_t subleaf)
{
	for (uint32_t i = 0; i < p->count && i < CPUID_MAX_ENTRIES; i++)
		if (p->entries[i].leaf == leaf &&
		    (p->entries[i].subleaf == subleaf || p->entries[i].subleaf == CPUID_NO_SUBLEAF))
			return &p->entries[i];
	return NULL;
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

static bool has_feature(const struct cpuid_policy *p, const struct cpu_feature *f)
{
	struct cpuid_entry *e = entry_of((struct cpuid_policy *)p, f->leaf, f->subleaf);

	return e && (*entry_reg(e, f->reg) & BIT(f->bit));
}

/* ---- building ----------------------------------------------------------------------- */

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

static bool offers(const struct cpuid_policy *p, const char *name)
{
	for (unsigned i = 0; i < cpu_feature_count; i++)
		if (strcmp(cpu_features[i].name, name) == 0)
			return has_feature(p, &cpu_features[i]);
	return false;
}

/* XCR0 from the features; leaf 0Dh from the processor, cut to it. */
static void set_xsave(struct cpuid_policy *p)
{
	struct cpuid_entry *e;

	p->xcr0 = 1;
	if (!offers(p, "xsave"))
		return;
	p->xcr0 = XCR0_CARRIED & (cpuid(0xd, 0).eax | (uint64_t)cpuid(0xd, 0).edx << 32);
	if (!offers(p, "avx"))
		p->xcr0 &= 3;
	if (!offers(p, "avx512f") || (p->xcr0 & XCR0_AVX512) != XCR0_AVX512)
		p->xcr0 &= ~XCR0_AVX512;
	e = entry_of(p, 0xd, 0);
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
	set_xsave(p);
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
	set_xsave(out);
	return 0;
}

/* ---- answering
 * ------------------------------------------------------------------------------------ */

static unsigned bits_for(uint32_t count)
{
	unsigned bits = 0;

	while (BIT(bits) < count)
		bits++;
	return bits;
}

void cpuid_policy_answer(const struct cpuid_policy *p, uint32_t id, uint32_t count, uint32_t leaf,
			 uint32_t subleaf, struct cpuid_entry *out)
{
	const struct cpuid_entry *e;

	*out = (struct cpuid_entry){0};
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
		if (cpu_features[i].cr4_bit && has_feature(p, &cpu_features[i]))
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

/* ---- comparing
 * ------------------------------------------------------------------------------------- */

unsigned cpuid_policy_compare(const struct cpuid_policy *guest, const struct cpuid_policy *host,
			      void (*differ)(void *ctx, const char *what, uint64_t guest_value,
					     uint64_t host_value),
			      void *ctx)
{
	unsigned differences = 0;

	for (unsigned i = 0; i < cpu_feature_count; i++) {
		if (!has_feature(guest, &cpu_features[i]) || has_feature(host, &cpu_features[i]))
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM's CPUs look like: a fixed list of CPUID results, made once when the
 * VM starts and carried along in moves, so that the guest never sees its CPU
 * change; and the comparison that a target makes before it accepts the VM.
 */
#ifndef VMM_CPUID_POLICY_H
#define VMM_CPUID_POLICY_H

#include "kernel/lib/base.h"

#define CPUID_MAX_ENTRIES 64
#define CPUID_NO_SUBLEAF  0xffffffffu /* the leaf ignores ECX */

struct cpuid_entry {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

/* Fixed-width, no pointers: travels as it is. */
struct cpuid_policy {
	uint32_t count;
	uint32_t max_basic, max_extended;
	uint32_t phys_bits; /* physical-address width that the guest sees */
	uint64_t xcr0;	    /* XSAVE features that the guest may enable */
	uint64_t tsc_khz;
	uint32_t tsc_scaling; /* this host can show another TSC frequency (host facts only) */
	uint32_t pad;
	struct cpuid_entry entries[CPUID_MAX_ENTRIES];
};

/*
 * The widest policy that this host can offer: its CPUID less what guests may not
 * use. Also what a target answers with when it is asked whether it can take a VM.
 */
void cpuid_policy_host(struct cpuid_policy *out);
/* As host, less the named features ("avx2 rdrand ..."). -E_INVAL names the unknown word in *bad. */
int must_check cpuid_policy_build(const char *hide, struct cpuid_policy *out, const char **bad);
/* NULL for a leaf that reads as zero. */
const struct cpuid_entry *cpuid_policy_find(const struct cpuid_policy *p, uint32_t leaf,
					    uint32_t subleaf);
/*
 * What CPUID returns on vCPU id of count, less the bits that follow CR4. Holes
 * read as zero, leaves beyond the last one as the last basic one.
 */
void cpuid_policy_answer(const struct cpuid_policy *p, uint32_t id, uint32_t count, uint32_t leaf,
			 uint32_t subleaf, struct cpuid_entry *out);
/*
 * Bytes that XSAVE (or, compacted, XSAVEC) needs with this XCR0: leaf 0Dh EBX of
 * subleaves 0 and 1. SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions".
 */
uint32_t cpuid_policy_xsave_size(const struct cpuid_policy *p, uint64_t xcr0, bool compacted);
/* The same frequency, as far as measuring it at boot can tell? */
bool cpuid_policy_same_tsc(uint64_t a_khz, uint64_t b_khz);
/* Could a host of ours have made this policy? For hostile input. */
bool cpuid_policy_is_sane(const struct cpuid_policy *p);
/*
 * Can a host that offers `host` run a guest that was shown `guest`? Calls
 * differ for each thing that it lacks, with words ("avx2", "physical address width")
 * and both values. Returns the number of differences.
 */
unsigned cpuid_policy_compare(const struct cpuid_policy *guest, const struct cpuid_policy *host,
			      void (*differ)(void *ctx, const char *what, uint64_t guest_value,
					     uint64_t host_value),
			      void *ctx);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID policies: what a guest is shown, what a target lacks, what a stream may not claim. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/virt.h"
#include "vmm/cpu_policy_limits.h"

#define ALL 0xffffffffu

static struct virt_caps caps;
static struct cpuid_policy host, guest;

const struct virt_caps *virt_detect(void)
{
	return &caps;
}

/* A processor with every bit of every leaf set, and plausible sizes. */
static void everything(void)
{
	fake_kernel_reset();
	fake_cpu_reset();
	caps = (struct virt_caps){.rdtscp = true, .invpcid = true, .xsavec = true};
	fake_tsc_khz = 2000000;
	fake_cpuid_set(0, 0, (struct cpuid_regs){0x20, 1, 2, 3});
	fake_cpuid_set(1, 0, (struct cpuid_regs){0x50654, ALL, ALL, ALL});
	fake_cpuid_set(4, 0, (struct cpuid_regs){ALL, 1, 2, 3});
	fake_cpuid_set(6, 0, (struct cpuid_regs){ALL, ALL, ALL, ALL});
	fake_cpuid_set(7, 0, (struct cpuid_regs){2, ALL, ALL, ALL});
	fake_cpuid_set(0xa, 0, (struct cpuid_regs){ALL, ALL, ALL, ALL});
	fake_cpuid_set(0xd, 0, (struct cpuid_regs){ALL, 4096, 8192, ALL});
	fake_cpuid_set(0xd, 1, (struct cpuid_regs){ALL, ALL, ALL, ALL});
	fake_cpuid_set(0xd, 2, (struct cpuid_regs){256, 576, 0, 0});
	fake_cpuid_set(0xd, 5, (struct cpuid_regs){64, 1088, 0, 0});
	fake_cpuid_set(0xd, 6, (struct cpuid_regs){512, 1152, 2, 0});
	fake_cpuid_set(0xd, 7, (struct cpuid_regs){1024, 1664, 2, 0});
	fake_cpuid_set(0x80000000, 0, (struct cpuid_regs){0x80000008, 0, 0, 0});
	fake_cpuid_set(0x80000001, 0, (struct cpuid_regs){0, 0, ALL, ALL});
	fake_cpuid_set(0x80000007, 0, (struct cpuid_regs){ALL, ALL, ALL, ALL});
	fake_cpuid_set(0x80000008, 0, (struct cpuid_regs){0x302e, ALL, ALL, ALL});
	cpuid_policy_host(&host);
}

static struct cpuid_entry ask(const struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_entry e;

	cpuid_policy_answer(p, 2, 4, leaf, subleaf, &e);
	return e;
}

static void hide(const char *words)
{
	const char *bad = NULL;

	assert_int_equal(cpuid_policy_build(words, &guest, &bad), 0);
	assert_true(cpuid_policy_is_sane(&guest));
}

/* What a guest could not be moved with, or that reaches the host, is never shown. */
static void test_never_shown(void **state)
{
	everything();
	assert_true(cpuid_policy_is_sane(&host));
	assert_false(ask(&host, 1, 0).ecx & (1u << 5 | 1u << 3)); /* VMX, MONITOR */
	assert_false(ask(&host, 1, 0).ecx & (1u << 27));	  /* OSXSAVE follows CR4 */
	assert_true(ask(&host, 1, 0).ecx & 1u << 31);		  /* hypervisor */
	assert_false(ask(&host, 7, 0).ebx & (1u << 2 | 1u << 14 | 1u << 4));   /* SGX, MPX, HLE */
	assert_false(ask(&host, 7, 0).ecx & (1u << 3 | 1u << 16));	       /* PKU, LA57 */
	assert_false(ask(&host, 7, 0).edx & (1u << 26 | 1u << 27 | 1u << 31)); /* SPEC_CTRL ... */
	assert_int_equal(ask(&host, 7, 0).eax, 0);
	assert_int_equal(ask(&host, 0xa, 0).eax, 0); /* no PMU */
	assert_int_equal(ask(&host, 6, 0).eax, 4);
	assert_false(ask(&host, 0xd, 1).eax & 8); /* XSAVES */
	assert_int_equal(ask(&host, 0x80000008, 0).ebx, 0);
	assert_int_equal(host.phys_bits, 46);
	assert_int_equal(host.xcr0, 0xe7);
	assert_false(cpu_policy_cr4(&host) & (1u << 13 | 1u << 14 | 1u << 22 | 1u << 12));
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(ask(&host, 0x12, i).eax | ask(&host, 0x14, i).eax, 0);
}

static void test_answers(void **state)
{
	everything();
	assert_int_equal(ask(&host, 1, 0).ebx >> 16, 2 << 8 | 4);
	assert_true(ask(&host, 1, 0).edx & 1u << 28);
	assert_int_equal(ask(&host, 4, 0).eax >> 26, 3);
	assert_int_equal(ask(&host, 4, 0).eax & 0x03ffc000, 0); /* caches are private */
	assert_int_equal(ask(&host, 0xb, 0).ebx, 1);
	assert_int_equal(ask(&host, 0xb, 0).eax, 0);
	assert_int_equal(ask(&host, 0xb, 0).ecx, 0x100);
	assert_int_equal(ask(&host, 0xb, 1).eax, 2);
	assert_int_equal(ask(&host, 0xb, 1).ebx, 4);
	assert_int_equal(ask(&host, 0xb, 1).ecx, 0x201);
	assert_int_equal(ask(&host, 0xb, 1).edx, 2);
	assert_int_equal(ask(&host, 0xb, 2).ebx, 0);
	assert_int_equal(ask(&host, 0xb, 2).ecx, 2);
	/* TSC by crystal: ECX * EBX / EAX */
	assert_int_equal((uint64_t)ask(&host, 0x15, 0).ecx * ask(&host, 0x15, 0).ebx /
			     ask(&host, 0x15, 0).eax,
			 2000000000);
	/* beyond the last leaves: the last basic one */
	assert_int_equal(ask(&host, 0x16, 0).ebx, ask(&host, 0x15, 0).ebx);
	assert_int_equal(ask(&host, 0xffffffff, 0).ebx, ask(&host, 0x15, 0).ebx);
	assert_int_equal(ask(&host, 0x40000100, 0).ebx, ask(&host, 0x15, 0).ebx);
	assert_int_equal(ask(&host, 0x40000001, 0).ebx, 0);
	assert_int_equal(ask(&host, 0x40000000, 0).eax, 0x40000000);
}

static void test_xsave_sizes(void **state)
{
	everything();
	assert_int_equal(ask(&host, 0xd, 0).eax, 0xe7);
	assert_int_equal(ask(&host, 0xd, 0).ecx, 2688);
	assert_int_equal(cpuid_policy_xsave_size(&host, 1, false), 576);
	assert_int_equal(cpuid_policy_xsave_size(&host, 7, false), 832);
	assert_int_equal(cpuid_policy_xsave_size(&host, 0xe7, false), 2688);
	/* compacted: 576 + 256 + 64 + 512 from 896 up + 1024 from 1408 up */
	assert_int_equal(cpuid_policy_xsave_size(&host, 0xe7, true), 2432);
	assert_int_equal(cpuid_policy_xsave_size(&host, 0xe5, true), 2432);
	assert_int_equal(ask(&host, 0xd, 3).eax, 0);
}

static void test_hide(void **state)
{
	const char *bad = NULL;

	everything();
	hide("");
	assert_memory_equal(&guest, &host, sizeof(host));
	hide("  rdrand   avx512f ");
	assert_false(ask(&guest, 1, 0).ecx & 1u << 30);
	assert_false(ask(&guest, 7, 0).ebx & 1u << 16);
	assert_false(ask(&guest, 7, 0).ebx & (1u << 17 | 1u << 28 | 1u << 30 | 1u << 31));
	assert_int_equal(guest.xcr0, 7);
	assert_int_equal(ask(&guest, 0xd, 0).ecx, 832);
	hide("avx");
	assert_int_equal(guest.xcr0, 3);
	assert_false(ask(&guest, 7, 0).ebx & (1u << 5 | 1u << 16));  /* AVX2, AVX-512 */
	assert_false(ask(&guest, 1, 0).ecx & (1u << 12 | 1u << 29)); /* FMA, F16C */
	hide("xsave");
	assert_int_equal(guest.xcr0, 1);
	assert_int_equal(ask(&guest, 0xd, 0).eax | ask(&guest, 0xd, 1).eax, 0);
	assert_false(cpu_policy_cr4(&guest) & 1u << 18);
	assert_true(cpu_policy_cr4(&host) & 1u << 18);
	hide("smep");
	assert_false(cpu_policy_cr4(&guest) & 1u << 20);
	assert_true(cpu_policy_cr4(&guest) & 1u << 21);
	assert_int_equal(cpuid_policy_build("aes nonsense sha", &guest, &bad), -E_INVAL);
	assert_int_equal(strncmp(bad, "nonsense", 8), 0);
	assert_int_equal(cpuid_policy_build("ae", &guest, &bad), -E_INVAL); /* no abbreviations */
}

/* Instructions that fault in a guest unless the backend allows them. */
static void test_unbacked(void **state)
{
	everything();
	assert_true(ask(&host, 0x80000001, 0).edx & 1u << 27);
	assert_true(ask(&host, 0xd, 1).eax & 1u << 1);
	caps.rdtscp = caps.invpcid = caps.xsavec = false;
	cpuid_policy_host(&host);
	assert_false(ask(&host, 0x80000001, 0).edx & 1u << 27);
	assert_false(ask(&host, 7, 0).ecx & 1u << 22); /* RDPID */
	assert_false(ask(&host, 7, 0).ebx & 1u << 10);
	assert_false(ask(&host, 0xd, 1).eax & 1u << 1);
}

/* An old processor: leaves that it does not have read as zero, or as rubbish. */
static void test_small_host(void **state)
{
	everything();
	fake_cpuid_set(0, 0, (struct cpuid_regs){2, 1, 2, 3});
	fake_cpuid_set(1, 0, (struct cpuid_regs){0x6f0, 0, 1u << 13, ALL});
	cpuid_policy_host(&host);
	assert_int_equal(ask(&host, 7, 0).ebx | ask(&host, 4, 0).eax | ask(&host, 0xd, 0).eax, 0);
	assert_int_equal(host.xcr0, 1);
	assert_true(cpuid_policy_is_sane(&host));
	assert_true(host.count < CPUID_MAX_ENTRIES / 2);
}

static char words[4096];

static void note(void *ctx, const char *what, uint64_t a, uint64_t b)
{
	assert_ptr_equal(ctx, words);
	strcat(strcat(words, what), ";");
}

static unsigned compare(void)
{
	words[0] = 0;
	return cpuid_policy_compare(&guest, &host, note, words);
}

/* Each feature on its own: a target that lacks it is told so by name, and only that. */
static void test_compare_each(void **state)
{
	everything();
	for (unsigned i = 0; i < cpu_feature_count; i++) {
		const struct cpu_feature *f = &cpu_features[i];
		struct cpuid_entry *e;
		char expect[64];

		cpuid_policy_host(&host);
		guest = host;
		assert_int_equal(compare(), 0);
		assert_true(cpu_policy_has(&host, f));
		e = (struct cpuid_entry *)cpuid_policy_find(&host, f->leaf, f->subleaf);
		(&e->eax)[f->reg] &= ~(1u << f->bit);
		assert_int_equal(compare(), 1);
		strcat(strcpy(expect, f->name), ";");
		assert_string_equal(words, expect);
		/* the other way round nothing is missing */
		cpuid_policy_host(&guest);
		e = (struct cpuid_entry *)cpuid_policy_find(&guest, f->leaf, f->subleaf);
		(&e->eax)[f->reg] &= ~(1u << f->bit);
		cpuid_policy_host(&host);
		assert_int_equal(compare(), 0);
	}
}

static void test_compare_rest(void **state)
{
	everything();
	guest = host;
	host.xcr0 = 7;
	host.phys_bits = 39;
	host.tsc_khz = 2100000;
	assert_int_equal(compare(), 3);
	assert_non_null(strstr(words, "XSAVE"));
	assert_non_null(strstr(words, "address width"));
	assert_non_null(strstr(words, "TSC"));
	host.tsc_scaling = 1;
	assert_int_equal(compare(), 2);
	host = guest;
	host.tsc_khz += 100; /* 50 ppm: measuring */
	assert_int_equal(compare(), 0);
	assert_false(cpuid_policy_same_tsc(2000000, 2001000));
}

static void insane(void)
{
	assert_false(cpuid_policy_is_sane(&guest));
	guest = host;
}

static void test_hostile(void **state)
{
	static const uint64_t bad_xcr0[] = {0, 2, 5, 0x27, 0x67, 0xe3, 0xe5, 1 | 1ull << 63, 0x207};

	everything();
	guest = host;
	guest.count = CPUID_MAX_ENTRIES + 1;
	/* looked at before it was judged: no read beyond the array */
	assert_null(cpuid_policy_find(&guest, 0x77777777, 0));
	compare();
	insane();
	guest.count = ALL;
	insane();
	guest.phys_bits = 31;
	insane();
	guest.phys_bits = 53;
	insane();
	guest.tsc_khz = 0;
	insane();
	guest.tsc_khz = UINT64_MAX;
	insane();
	for (size_t i = 0; i < ARRAY_SIZE(bad_xcr0); i++) {
		guest.xcr0 = bad_xcr0[i];
		insane();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_never_shown),	 cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_xsave_sizes),	 cmocka_unit_test(test_hide),
	    cmocka_unit_test(test_unbacked),	 cmocka_unit_test(test_small_host),
	    cmocka_unit_test(test_compare_each), cmocka_unit_test(test_compare_rest),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("cpuid_policy", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-x detection: control adjustment, and the words for everything that may be missing. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/vmx/caps.h"

#define MAY_ALL (0xffffffffull << 32)

static void test_adjust(void **state)
{
	uint32_t out = 0, missing = 0;

	/* must-be-1 bits come along, wanted bits only where they may be 1 */
	assert_int_equal(vmx_adjust(1, 2 | 4, (0x1full & ~4ull) << 32 | 0x10, &out, &missing), 0);
	assert_int_equal(out, 1 | 2 | 0x10);
	assert_int_equal(missing, 0);
	assert_int_equal(vmx_adjust(1 | 8, 2, 0x7ull << 32, &out, &missing), -E_NOTSUP);
	assert_int_equal(missing, 8);
	assert_int_equal(vmx_adjust(0, 0, MAY_ALL, &out, &missing), 0);
	assert_int_equal(out, 0);
	assert_int_equal(vmx_adjust(0x80000000u, 0, MAY_ALL, &out, &missing), 0);
	assert_int_equal(out, 0x80000000u);
}

/* A processor with everything. */
static void whole(void)
{
	fake_cpu_reset();
	memset(&vmx_caps, 0, sizeof(vmx_caps));
	fake_cpuid_set(0, 0, (struct cpuid_regs){.eax = 7});
	fake_cpuid_set(1, 0, (struct cpuid_regs){.ecx = 1u << 5 | 1u << 26});
	fake_msr_set(MSR_FEATURE_CONTROL, 5);
	fake_msr_set(MSR_VMX_BASIC, 1ull << 55 | 0x12);
	fake_msr_set(MSR_VMX_TRUE_PIN_CTLS, MAY_ALL | 0x16);
	fake_msr_set(MSR_VMX_TRUE_CPU_CTLS, MAY_ALL | 0x4006172);
	fake_msr_set(MSR_VMX_TRUE_EXIT_CTLS, MAY_ALL | 0x36dfb);
	fake_msr_set(MSR_VMX_TRUE_ENTRY_CTLS, MAY_ALL | 0x11fb);
	fake_msr_set(MSR_VMX_CPU_CTLS2, MAY_ALL);
	fake_msr_set(MSR_VMX_EPT_VPID_CAP, 0xf0106734141ull);
	fake_msr_set(MSR_VMX_MISC, 5);
}

static void without(uint32_t msr, uint32_t bit)
{
	fake_msr_set(msr, rdmsr(msr) & ~((uint64_t)bit << 32));
}

static void test_whole(void **state)
{
	const struct vmx_controls *c = &vmx_caps.controls;

	whole();
	assert_null(vmx_detect());
	assert_true(vmx_caps.virt.pml && vmx_caps.virt.ad_bits && vmx_caps.virt.page_1g);
	assert_true(vmx_caps.virt.preemption_timer && vmx_caps.virt.tsc_scaling);
	assert_true(vmx_caps.virt.apic && vmx_caps.virt.apic_sound);
	assert_int_equal(vmx_caps.virt.revision, 0x12);
	assert_int_equal(vmx_caps.timer_shift, 5);
	/* Host interrupts, the host's TPR and caches are never the guest's. */
	assert_true(c->pin & PIN_EXTERNAL_INTR && c->pin & PIN_NMI);
	assert_true(c->cpu & CPU_CR8_LOAD && c->cpu & CPU_CR8_STORE);
	assert_true(c->cpu & CPU_MSR_BITMAPS && c->cpu & CPU_IO_BITMAPS);
	assert_true(c->cpu2 & CPU2_EPT && c->cpu2 & CPU2_WBINVD);
	assert_false(c->cpu2 & CPU2_PML); /* only while a log is on */
	assert_true(c->exit & EXIT_HOST_64 && c->exit & EXIT_ACK_INTR);
}

/* Virtual interrupts without posted ones: there is one such, and it is wrong. */
static void test_apic_is_not_sound(void **state)
{
	whole();
	without(MSR_VMX_PIN_CTLS, PIN_POSTED_INTR);
	without(MSR_VMX_TRUE_PIN_CTLS, PIN_POSTED_INTR);
	assert_null(vmx_detect());
	assert_true(vmx_caps.virt.apic && !vmx_caps.virt.apic_sound);
}

static void test_words(void **state)
{
	static const struct {
		uint32_t msr, bit;
		const char *word;
	} rows[] = {
	    {MSR_VMX_TRUE_PIN_CTLS, PIN_EXTERNAL_INTR, "interrupt exiting"},
	    {MSR_VMX_TRUE_PIN_CTLS, PIN_VIRTUAL_NMI, "virtual NMIs"},
	    {MSR_VMX_TRUE_CPU_CTLS, CPU_SECONDARY, "secondary controls"},
	    {MSR_VMX_TRUE_EXIT_CTLS, EXIT_LOAD_EFER, "EFER"},
	    {MSR_VMX_TRUE_ENTRY_CTLS, ENTRY_LOAD_PAT, "PAT"},
	    {MSR_VMX_CPU_CTLS2, CPU2_EPT, "no EPT"},
	    {MSR_VMX_CPU_CTLS2, CPU2_UNRESTRICTED, "unrestricted"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *why;

		whole();
		without(rows[i].msr, rows[i].bit);
		why = vmx_detect();
		assert_non_null(why);
		assert_non_null(strstr(why, rows[i].word));
	}
	whole();
	fake_cpuid_set(1, 0, (struct cpuid_regs){0});
	assert_non_null(strstr(vmx_detect(), "no VT-x"));
	whole();
	fake_msr_set(MSR_FEATURE_CONTROL, 1);
	assert_non_null(strstr(vmx_detect(), "locked off"));
	whole();
	fake_msr_set(MSR_FEATURE_CONTROL, 0); /* open: we may switch it on */
	assert_null(vmx_detect());
	whole();
	fake_msr_set(MSR_VMX_EPT_VPID_CAP, 0);
	assert_non_null(strstr(vmx_detect(), "EPT lacks"));
}

/* Old processors force CR3 and INVLPG exits where there are no TRUE capability MSRs. */
static void test_forced_exits(void **state)
{
	whole();
	fake_msr_set(MSR_VMX_TRUE_CPU_CTLS, MAY_ALL | CPU_CR3_LOAD);
	assert_non_null(strstr(vmx_detect(), "CR3"));
}

static void test_optional(void **state)
{
	whole();
	without(MSR_VMX_TRUE_PIN_CTLS, PIN_PREEMPTION_TIMER);
	without(MSR_VMX_CPU_CTLS2, CPU2_VPID | CPU2_TSC_SCALING | CPU2_PML);
	fake_msr_set(MSR_VMX_EPT_VPID_CAP, 0xf0106114141ull);
	assert_null(vmx_detect());
	assert_false(vmx_caps.virt.preemption_timer || vmx_caps.virt.vpid || vmx_caps.virt.pml ||
		     vmx_caps.virt.tsc_scaling);
	/* PML rests on the dirty flags */
	whole();
	fake_msr_set(MSR_VMX_EPT_VPID_CAP, 0xf0106734141ull & ~(1ull << 21));
	assert_null(vmx_detect());
	assert_false(vmx_caps.virt.ad_bits || vmx_caps.virt.pml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_adjust),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_apic_is_not_sound),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_forced_exits),
	    cmocka_unit_test(test_optional),
	};

	return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}

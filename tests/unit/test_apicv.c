/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in hardware, on a VMCS that is a table of numbers: controls by mode,
 * what exits, guest interrupt status, the page in EPT and the dirty log.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/vmx/hw_vcpu.h"

#define HW (CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTR)

struct vmx_caps vmx_caps;

static struct hw_vcpu cpu[2];
static struct slat *slat;
static uint8_t msr_bitmap[PAGE_SIZE];

static int set_up(void **state)
{
	fake_kernel_reset();
	fake_cpu_reset();
	memset(&vmx_caps, 0, sizeof(vmx_caps));
	memset(cpu, 0, sizeof(cpu));
	memset(msr_bitmap, 0xff, sizeof(msr_bitmap));
	vmx_caps.virt.apic = true;
	slat = slat_create();
	for (int i = 0; i < 2; i++) {
		cpu[i].setup.slat = slat;
		cpu[i].cpu_controls = CPU_CR8_LOAD | CPU_CR8_STORE | CPU_HLT;
		assert_int_equal(apicv_create(&cpu[i], msr_bitmap), 0);
		apicv_write_controls(&cpu[i], msr_bitmap);
	}
	return 0;
}

static int tear_down(void **state)
{
	for (int i = 0; i < 2; i++)
		apicv_destroy(&cpu[i]);
	slat_destroy(slat);
	return fake_alloc_live;
}

/* The MSR bitmap that all guests share stays. */
static int set_up_once(void **state)
{
	set_up(state);
	return tear_down(state) - 1;
}

/* SDM vol. 3, "Guest-execution control checks": what excludes what. */
static void controls_are_allowed(const struct hw_vcpu *h)
{
	bool shadow = h->cpu_controls & CPU_TPR_SHADOW;

	assert_int_equal(vmread(VMCS_CPU_CONTROLS2), h->cpu2_controls);
	if (!shadow)
		assert_int_equal(h->cpu2_controls & (HW | CPU2_X2APIC), 0);
	assert_false((h->cpu2_controls & CPU2_X2APIC) && (h->cpu2_controls & CPU2_APIC_ACCESSES));
	assert_int_equal(shadow, !(h->cpu_controls & CPU_CR8_LOAD));
	assert_int_equal(shadow, !(h->cpu_controls & CPU_CR8_STORE));
	assert_true(h->cpu_controls & CPU_HLT);
}

static bool exits(unsigned msr, bool write)
{
	const uint8_t *map = (const uint8_t *)vmread(VMCS_MSR_BITMAP);

	return map[(write ? 2048 : 0) + msr / 8] >> msr % 8 & 1;
}

static void test_modes(void **state)
{
	struct hw_vcpu *h = &cpu[0];

	controls_are_allowed(h);
	assert_true(h->cpu2_controls & CPU2_APIC_ACCESSES);
	hw_vcpu_apic_mode(h, HW_APIC_XAPIC);
	controls_are_allowed(h);
	assert_int_equal(h->cpu2_controls, HW | CPU2_APIC_ACCESSES);
	assert_true(exits(0x808, false));
	hw_vcpu_apic_mode(h, HW_APIC_X2APIC);
	controls_are_allowed(h);
	assert_int_equal(h->cpu2_controls, HW | CPU2_X2APIC);
	hw_vcpu_apic_mode(h, HW_APIC_OFF);
	controls_are_allowed(h);
	assert_int_equal(h->cpu2_controls, CPU2_APIC_ACCESSES);
	assert_ptr_equal(vmread(VMCS_MSR_BITMAP), msr_bitmap);
}

/* A write that did not exit and is not virtualized would be one to the host's APIC. */
static void test_x2apic_msrs(void **state)
{
	hw_vcpu_apic_mode(&cpu[0], HW_APIC_X2APIC);
	for (unsigned msr = 0; msr < 0x2000; msr++)
		assert_int_equal(exits(msr, true), msr != 0x808 && msr != 0x80b && msr != 0x83f);
	assert_false(exits(0x802, false) || exits(0x808, false) || exits(0x827, false));
	/* end of interrupt is write-only; the count moves; the ICR has 64 bits; no CMCI, no DFR */
	assert_true(exits(0x80b, false) && exits(0x839, false) && exits(0x830, false));
	assert_true(exits(0x82f, false) && exits(0x80e, false) && exits(0x83f, false));
	assert_true(exits(0x7ff, false) && exits(0x840, false) && exits(0x10, false));
}

static void test_page_in_ept(void **state)
{
	uint32_t before = slat->generation;
	bool writable;
	int level;

	assert_int_equal(slat_lookup(slat, EPT_APIC_GPA, &level, &writable), UINT64_MAX);
	hw_vcpu_apic_mode(&cpu[0], HW_APIC_XAPIC);
	hw_vcpu_apic_mode(&cpu[1], HW_APIC_XAPIC);
	assert_ptr_equal(slat_lookup(slat, EPT_APIC_GPA, &level, &writable), slat->apic_page);
	assert_true(writable && level == 0);
	hw_vcpu_apic_mode(&cpu[0], HW_APIC_X2APIC);
	assert_true(slat_lookup(slat, EPT_APIC_GPA, &level, &writable) != UINT64_MAX);
	before = slat->generation;
	hw_vcpu_apic_mode(&cpu[1], HW_APIC_OFF);
	assert_int_equal(slat_lookup(slat, EPT_APIC_GPA, &level, &writable), UINT64_MAX);
	assert_int_not_equal(slat->generation, before);
}

static void no_page(void *ctx, gpa_t gpa)
{
	fail();
}

/* It is not RAM: no log protects it, takes its dirty flag or lets a write through. */
static void test_dirty_log(void **state)
{
	static const enum slat_log how[] = {SLAT_LOG_WP, SLAT_LOG_AD, SLAT_LOG_PML};
	bool writable;

	vmx_caps.virt.ad_bits = true;
	hw_vcpu_apic_mode(&cpu[0], HW_APIC_XAPIC);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(slat_log_start(slat, how[i]), 0);
		*slat->apic_entry |= EPT_A | EPT_D;
		assert_true(slat_lookup(slat, EPT_APIC_GPA, NULL, &writable) != UINT64_MAX);
		assert_true(writable);
		assert_false(slat_log_fault(slat, EPT_APIC_GPA));
		slat_log_rearm(slat, EPT_APIC_GPA);
		slat_log_scan(slat, no_page, NULL);
		assert_true(*slat->apic_entry & EPT_W);
		slat_log_stop(slat);
		assert_ptr_equal(slat_lookup(slat, EPT_APIC_GPA, NULL, NULL), slat->apic_page);
		assert_false(*slat->apic_entry & EPT_X);
	}
}

static void test_give_and_take(void **state)
{
	struct hw_vcpu *h = &cpu[0];
	uint32_t irr[8] = {0}, isr[8] = {0}, tmr[8] = {0}, irr2[8] = {0}, isr2[8] = {0};
	struct hw_apic a = {0x5000000000084051ull, 0x32, irr, isr}, b = {0, 0, irr2, isr2};

	hw_vcpu_apic_mode(h, HW_APIC_XAPIC);
	hw_vcpu_apic_give(h, &a);
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATUS), 0);
	isr[1] = 1u << 5;
	isr[2] = 1u << 3; /* 43h */
	irr[6] = 1u << 31;
	irr[7] = 1u << 2; /* e2h */
	tmr[7] = 1u << 2;
	hw_vcpu_apic_tmr(h, tmr);
	hw_vcpu_apic_give(h, &a);
	assert_int_equal(irr[6] | irr[7], 0); /* room for what is requested meanwhile */
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATUS), 0x43e2);
	assert_int_equal(h->apic_page[0x80 / 4], 0x32);
	assert_int_equal(h->apic_page[0x120 / 4], 1u << 3);
	assert_int_equal(h->apic_page[0x270 / 4], 1u << 2);
	assert_int_equal(h->apic_page[0x1f0 / 4], 1u << 2);
	assert_int_equal(h->apic_page[0x310 / 4], 0x50000000);
	assert_int_equal(vmread(VMCS_EOI_EXIT0 + 6), 1ull << 34);
	assert_int_equal(vmread(VMCS_EOI_EXIT0), 0);
	irr2[6] = 1; /* requested meanwhile */
	hw_vcpu_apic_take(h, &b);
	assert_int_equal(irr2[6], 1u << 31 | 1);
	assert_int_equal(irr2[7], 1u << 2);
	assert_memory_equal(isr, isr2, sizeof(isr));
	assert_int_equal(b.tpr, 0x32);
	assert_true(b.icr == a.icr);
	/* what the processor changes meanwhile must be written again */
	vmwrite(VMCS_GUEST_INTR_STATUS, 0xe200);
	hw_vcpu_apic_take(h, &b);
	hw_vcpu_apic_give(h, &b);
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATUS), 0x43e2);
}

static void test_exits(void **state)
{
	struct hw_vcpu *h = &cpu[0];
	struct vcpu_exit e = {0};

	hw_vcpu_apic_register(h, 0x320, 0x20051);
	vmwrite(VMCS_EXIT_QUALIFICATION, 0x320);
	assert_int_equal(apicv_decode_write(h, &e), VCPU_EXIT_APIC_WRITE);
	assert_int_equal(e.apic.reg, 0x320);
	assert_int_equal(e.apic.value, 0x20051);
	vmwrite(VMCS_EXIT_QUALIFICATION, 0x61);
	assert_int_equal(apicv_decode_eoi(h, &e), VCPU_EXIT_APIC_EOI);
	assert_int_equal(e.vector, 0x61);
	for (unsigned type = 0; type < 3; type++) {
		vmwrite(VMCS_EXIT_QUALIFICATION, 0x390 | type << 12);
		assert_int_equal(apicv_decode_access(h, &e), VCPU_EXIT_MMIO);
		assert_true(e.mmio.gpa == 0xfee00390);
		assert_int_equal(e.mmio.write, type == 1);
		assert_int_equal(e.mmio.fetch, type == 2);
	}
	for (unsigned type = 3; type < 16; type++) { /* no instruction's own access */
		e.why = NULL;
		vmwrite(VMCS_EXIT_QUALIFICATION, 0x390 | type << 12);
		assert_int_equal(apicv_decode_access(h, &e), VCPU_EXIT_FAILED);
		assert_non_null(e.why);
	}
}

static void test_processor_without(void **state)
{
	struct hw_vcpu plain = {.setup.slat = slat, .cpu_controls = CPU_CR8_LOAD};

	virt_forgo_apic();
	assert_int_equal(apicv_create(&plain, msr_bitmap), 0);
	assert_null(plain.apic_page);
	apicv_write_controls(&plain, msr_bitmap);
	hw_vcpu_apic_mode(&plain, HW_APIC_XAPIC);
	assert_int_equal(plain.cpu_controls, CPU_CR8_LOAD);
	assert_int_equal(plain.cpu2_controls, 0);
	apicv_destroy(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_x2apic_msrs, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_page_in_ept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_dirty_log, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_give_and_take, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_exits, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_processor_without, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up_once, NULL);
}

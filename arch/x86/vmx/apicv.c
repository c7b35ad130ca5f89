/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC carried out by the processor (SDM vol. 3, "APIC Virtualization and
 * Virtual Interrupts"): TPR shadow, APIC-register virtualization and virtual-interrupt
 * delivery, by MMIO or by MSR. The virtual-APIC page is the processor's copy while
 * the guest runs; vmm gives the registers before an entry and takes them after.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "kernel/lib/string.h"

#define APIC_TPR      0x080
#define APIC_ISR      0x100
#define APIC_TMR      0x180
#define APIC_IRR      0x200
#define APIC_ICR_LOW  0x300
#define APIC_ICR_HIGH 0x310

#define APIC_CPU2 (CPU2_X2APIC | CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTR)

static uint8_t *msr_bitmap_x2apic; /* shared by all guests */

void virt_forgo_apic(void)
{
	vmx_caps.virt.apic = false;
}

static hpa_t hpa_of(const void *p)
{
	return (uint64_t)p - DIRECT_MAP;
}

/* ---- x2APIC: which MSRs the processor answers itself ---------------------------------- */

static void let(unsigned first, unsigned last, unsigned in_bitmap)
{
	for (unsigned n = first; n <= last; n++)
		msr_bitmap_x2apic[in_bitmap + n / 8] &= ~(1u << n % 8);
}

/*
 * Reads of what is in the page; the rest exits: the ICR (64 bits), the current count,
 * what may not be read or does not exist. Writes: TPR, EOI and SELF IPI are virtualized,
 * any other would reach the host's own APIC.
 */
static void x2apic_bitmap_fill(void)
{
	static const uint16_t reads[][2] = {{0x802, 0x803}, {0x808, 0x808}, {0x80a, 0x80a},
					    {0x80d, 0x80d}, {0x80f, 0x828}, {0x832, 0x838},
					    {0x83e, 0x83e}};

	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		let(reads[i][0], reads[i][1], 0);
	let(0x808, 0x808, 2048);
	let(0x80b, 0x80b, 2048);
	let(0x83f, 0x83f, 2048);
}

static int x2apic_bitmap_make(const uint8_t *plain)
{
	if (msr_bitmap_x2apic)
		return 0;
	msr_bitmap_x2apic = arch.page_alloc();
	if (!msr_bitmap_x2apic)
		return -E_NOMEM;
	memcpy(msr_bitmap_x2apic, plain, PAGE_SIZE);
	x2apic_bitmap_fill();
	return 0;
}

/* ---- life ----------------------------------------------------------------------------- */

int apicv_create(struct hw_vcpu *h, const uint8_t *msr_bitmap)
{
	int err;

	if (!vmx_caps.virt.apic)
		return 0;
	err = x2apic_bitmap_make(msr_bitmap);
	if (err)
		return err;
	err = ept_apic_prepare(h->setup.slat);
	if (err)
		return err;
	h->apic_page = arch.page_alloc();
	return h->apic_page ? 0 : -E_NOMEM;
}

void apicv_destroy(struct hw_vcpu *h)
{
	if (!h->apic_page)
		return;
	if (h->apic_mode == HW_APIC_XAPIC)
		ept_apic_use(h->setup.slat, -1);
	arch.page_free(h->apic_page);
	h->apic_page = NULL;
}

/* With the VMCS new and current. */
void apicv_write_controls(struct hw_vcpu *h, const uint8_t *msr_bitmap)
{
	if (!h->apic_page)
		return;
	h->msr_bitmap = msr_bitmap;
	vmwrite(VMCS_VIRTUAL_APIC, hpa_of(h->apic_page));
	vmwrite(VMCS_APIC_ACCESS, hpa_of(h->setup.slat->apic_page));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT0 + 2 * i, 0);
	h->cpu2_controls |= CPU2_APIC_ACCESSES; /* HW_APIC_OFF: see hw_vcpu_apic_mode */
	vmwrite(VMCS_CPU_CONTROLS2, h->cpu2_controls);
}

/*
 * Without a TPR shadow CR8 exits and so do the MSRs. Accesses to the page exit even
 * then (as plain MMIO), because another vCPU of the VM may need the page mapped. By
 * x2APIC there is no page to access: the two controls exclude each other.
 */
void hw_vcpu_apic_mode(struct hw_vcpu *h, enum hw_apic_mode mode)
{
	uint32_t cpu = h->cpu_controls & ~(CPU_TPR_SHADOW | CPU_CR8_LOAD | CPU_CR8_STORE);
	uint32_t cpu2 = h->cpu2_controls & ~(APIC_CPU2 | CPU2_APIC_ACCESSES);

	if (!h->apic_page || mode == h->apic_mode)
		return;
	cpu |= mode == HW_APIC_OFF ? CPU_CR8_LOAD | CPU_CR8_STORE : CPU_TPR_SHADOW;
	cpu2 |= mode == HW_APIC_X2APIC ? CPU2_X2APIC : CPU2_APIC_ACCESSES;
	if (mode != HW_APIC_OFF)
		cpu2 |= CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTR;
	ept_apic_use(h->setup.slat, (mode == HW_APIC_XAPIC) - (h->apic_mode == HW_APIC_XAPIC));
	h->apic_mode = mode;
	h->cpu_controls = cpu;
	h->cpu2_controls = cpu2;
	vmwrite(VMCS_CPU_CONTROLS, cpu);
	vmwrite(VMCS_CPU_CONTROLS2, cpu2);
	/* An INIT comes this way, and what the processor made of the old status is nobody's. */
	h->intr_status = 0;
	vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	vmwrite(VMCS_MSR_BITMAP,
		hpa_of(mode == HW_APIC_X2APIC ? msr_bitmap_x2apic : h->msr_bitmap));
	hw_vcpu_flush(h); /* "the processor may cache that a translation is the APIC's page" */
}

/* ---- the registers ---------------------------------------------------------------------- */

static void put(struct hw_vcpu *h, unsigned reg, uint32_t value)
{
	h->apic_page[reg / 4] = value;
}

static uint32_t get(const struct hw_vcpu *h, unsigned reg)
{
	return h->apic_page[reg / 4];
}

void hw_vcpu_apic_register(struct hw_vcpu *h, unsigned reg, uint32_t value)
{
	put(h, reg, value);
}

void hw_vcpu_apic_tmr(struct hw_vcpu *h, const uint32_t tmr[8])
{
	for (unsigned i = 0; i < 8; i++)
		put(h, APIC_TMR + 16 * i, tmr[i]);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT0 + 2 * i, tmr[2 * i] | (uint64_t)tmr[2 * i + 1] << 32);
}

static unsigned highest(unsigned word, uint32_t bits)
{
	return word * 32 + 31 - (unsigned)__builtin_clz(bits);
}

/*
 * Guest interrupt status: SVI is the highest vector in service, RVI the highest
 * requested; VM entry computes PPR from SVI and delivers RVI when it may (SDM,
 * "Virtual-Interrupt Delivery"). Each entry goes through here: one pass.
 */
void hw_vcpu_apic_give(struct hw_vcpu *h, const struct hw_apic *a)
{
	unsigned svi = 0, rvi = 0;

	put(h, APIC_TPR, a->tpr);
	put(h, APIC_ICR_LOW, (uint32_t)a->icr);
	put(h, APIC_ICR_HIGH, a->icr >> 32);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t isr = a->isr[i], irr = a->irr[i];

		put(h, APIC_ISR + 16 * i, isr);
		put(h, APIC_IRR + 16 * i, irr);
		a->irr[i] = 0;
		if (isr)
			svi = highest(i, isr);
		if (irr)
			rvi = highest(i, irr);
	}
	if ((svi << 8 | rvi) == h->intr_status)
		return;
	h->intr_status = (uint16_t)(svi << 8 | rvi);
	vmwrite(VMCS_GUEST_INTR_STATUS, h->intr_status);
}

void hw_vcpu_apic_take(struct hw_vcpu *h, struct hw_apic *a)
{
	h->intr_status = (uint16_t)vmread(VMCS_GUEST_INTR_STATUS);
	a->tpr = get(h, APIC_TPR);
	a->icr = (uint64_t)get(h, APIC_ICR_HIGH) << 32 | get(h, APIC_ICR_LOW);
	for (unsigned i = 0; i < 8; i++) {
		a->isr[i] = get(h, APIC_ISR + 16 * i);
		a->irr[i] |= get(h, APIC_IRR + 16 * i);
	}
}

/* ---- exits -------------------------------------------------------------------------------- */

/*
 * SDM table "Exit Qualification for APIC-Access VM Exits". The instruction did
 * nothing yet: it is carried out as any other access to a device.
 */
enum vcpu_exit_kind apicv_decode_access(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	unsigned type = q >> 12 & 15;

	e->mmio.gpa = EPT_APIC_GPA + (q & 0xfff);
	e->mmio.write = type == 1;
	e->mmio.fetch = type == 2;
	e->insn_len = 0;
	if (type <= 2)
		return VCPU_EXIT_MMIO;
	e->why = type == 15
		     ? "its page tables lie where the local APIC is"
		     : "an interrupt or exception needs its IDT, GDT, TSS or stack where the "
		       "local APIC is";
	return VCPU_EXIT_FAILED;
}

/* The write is done, in the page: vmm does what a write of that register does. */
enum vcpu_exit_kind apicv_decode_write(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->apic.reg = vmread(VMCS_EXIT_QUALIFICATION) & 0xff0;
	e->apic.value = get(h, e->apic.reg);
	return VCPU_EXIT_APIC_WRITE;
}

enum vcpu_exit_kind apicv_decode_eoi(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->vector = vmread(VMCS_EXIT_QUALIFICATION) & 0xff;
	return VCPU_EXIT_APIC_EOI;
}

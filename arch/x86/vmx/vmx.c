/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX operation on each CPU, and the life of a VMCS (SDM vol. 3, "VMCS Initialization"). */
#include "arch/x86/cpu.h"
#include "arch/x86/errata.h"
#include "arch/x86/io.h"
#include "arch/x86/layout.h"
#include "arch/x86/paging.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "kernel/lib/string.h"

/*
 * A loop of PAUSEs, less than GAP ticks apart, that lasts WINDOW ticks waits for another
 * vCPU, which may wait for this CPU. Longer than any lock is held by one that runs.
 */
#define PAUSE_GAP    128
#define PAUSE_WINDOW 4096

#define CR0_NE	       BIT(5)
#define CR4_VMXE       BIT(13)
#define CR4_MCE	       BIT(6)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXSAVE    BIT(18)
#define FEATURE_LOCKED BIT(0)
#define FEATURE_VMXON  BIT(2)
#define MSR_PAT	       0x277
#define MSR_EFER       0xc0000080

#define MSR_FS_BASE	   0xc0000100
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

extern uint8_t vmx_exit_landing[];

static struct hw_vcpu *current_on[MAX_CPUS]; /* whose VMCS is current there */
/* Shared by all guests: every port exits; these MSRs do not. */
static uint8_t *io_bitmaps[2], *msr_bitmap;

static hpa_t hpa_of(const void *p)
{
	return (uint64_t)p - DIRECT_MAP;
}

int virt_enable_cpu(void)
{
	uint64_t cr0, cr4, feature = rdmsr(MSR_FEATURE_CONTROL);
	struct cpu *c = this_cpu();
	hpa_t region;
	uint8_t failed;

	if (!(feature & FEATURE_LOCKED)) /* firmware left it open: lock it on */
		wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCKED | FEATURE_VMXON);
	else if (!(feature & FEATURE_VMXON))
		return -E_NOTSUP;
	c->vmxon_page = arch.page_alloc();
	if (!c->vmxon_page)
		return -E_NOMEM;
	*(uint32_t *)c->vmxon_page = vmx_caps.virt.revision;
	asm volatile("movq %%cr0, %0" : "=r"(cr0));
	cr0 = (cr0 | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1;
	asm volatile("movq %0, %%cr0" ::"r"(cr0));
	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	/* A CPU that we started has none of these: SSE state, machine-check reports. */
	cr4 |= CR4_VMXE | CR4_MCE | CR4_OSFXSR | (vmx_caps.xsave ? CR4_OSXSAVE : 0);
	cr4 = (cr4 | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1;
	asm volatile("movq %0, %%cr4" ::"r"(cr4));
	region = hpa_of(c->vmxon_page);
	asm volatile("vmxon %1; setna %0" : "=rm"(failed) : "m"(region) : "cc", "memory");
	if (!failed) {
		if (c->index == 0)
			vmx_caps.virt.xsavec = cpu_xsavec_is_sound();
		return 0;
	}
	arch.page_free(c->vmxon_page);
	c->vmxon_page = NULL;
	if (c->index == 0) {
		vmx_caps.virt.usable = false;
		vmx_caps.virt.why_not = "VT-x could not be switched on by this CPU";
	}
	return -E_NOTSUP;
}

void hw_vcpu_use(struct hw_vcpu *h)
{
	hpa_t region = hpa_of(h->vmcs);

	if (current_on[this_cpu()->index] == h)
		return;
	asm volatile("vmptrld %0" ::"m"(region) : "cc", "memory");
	current_on[this_cpu()->index] = h;
}

static void vmcs_clear(struct hw_vcpu *h)
{
	hpa_t region = hpa_of(h->vmcs);

	asm volatile("vmclear %0" ::"m"(region) : "cc", "memory");
	if (current_on[this_cpu()->index] == h)
		current_on[this_cpu()->index] = NULL;
}

void ept_invalidate(const struct slat *s)
{
	struct {
		uint64_t eptp, reserved;
	} descriptor = {ept_pointer(s), 0};
	uint64_t type = vmx_caps.invept_single ? 1 : 2;

	asm volatile("invept %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}

/* In the bitmap: reads at byte 0 (low MSRs) and 1024 (C000_xxxx), writes 2048 further. */
static void msr_pass_through(uint32_t msr)
{
	uint32_t n = msr & 0x1fff, base = msr >= 0xc0000000 ? 1024 : 0;

	msr_bitmap[base + n / 8] &= ~(1u << n % 8);
	msr_bitmap[base + 2048 + n / 8] &= ~(1u << n % 8);
}

static int bitmaps_make(void)
{
	/* What SYSCALL, SYSENTER, SWAPGS and context switches touch; all are saved. */
	static const uint32_t pass[] = {
	    0x174,	0x175,	    0x176,	 0x277,	      0xc0000081,	  0xc0000082,
	    0xc0000083, 0xc0000084, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	};

	if (msr_bitmap)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!io_bitmaps[i])
			io_bitmaps[i] = arch.page_alloc();
		if (!io_bitmaps[i])
			return -E_NOMEM;
		memset(io_bitmaps[i], 0xff, PAGE_SIZE);
	}
	msr_bitmap = arch.page_alloc();
	if (!msr_bitmap)
		return -E_NOMEM;
	memset(msr_bitmap, 0xff, PAGE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(pass); i++)
		msr_pass_through(pass[i]);
	return 0;
}

static void vmcs_write_host(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr;
	struct cpu *c = this_cpu();
	uint64_t cr0, cr4;

	asm volatile("movq %%cr0, %0" : "=r"(cr0));
	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("sidt %0" : "=m"(idtr));
	vmwrite(VMCS_HOST_CR0, cr0);
	vmwrite(VMCS_HOST_CR3, paging_root());
	vmwrite(VMCS_HOST_CR4, cr4);
	vmwrite(VMCS_HOST_CS_SEL, SEL_CODE);
	vmwrite(VMCS_HOST_SS_SEL, SEL_DATA);
	vmwrite(VMCS_HOST_DS_SEL, SEL_DATA);
	vmwrite(VMCS_HOST_ES_SEL, SEL_DATA);
	vmwrite(VMCS_HOST_FS_SEL, 0);
	vmwrite(VMCS_HOST_GS_SEL, 0);
	vmwrite(VMCS_HOST_TR_SEL, SEL_TSS);
	vmwrite(VMCS_HOST_FS_BASE, 0);
	vmwrite(VMCS_HOST_GS_BASE, (uint64_t)c);
	vmwrite(VMCS_HOST_TR_BASE, (uint64_t)&c->tss);
	vmwrite(VMCS_HOST_GDTR_BASE, (uint64_t)c->gdt);
	vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
	vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit_landing);
}

static void vmcs_write_controls(struct hw_vcpu *h)
{
	vmwrite(VMCS_PIN_CONTROLS, vmx_caps.controls.pin);
	vmwrite(VMCS_CPU_CONTROLS, h->cpu_controls);
	vmwrite(VMCS_CPU_CONTROLS2, h->cpu2_controls);
	vmwrite(VMCS_EXIT_CONTROLS, vmx_caps.controls.exit);
	vmwrite(VMCS_ENTRY_CONTROLS, vmx_caps.controls.entry);
	/* The first is the host's; the others would hang it, see exceptions.c. */
	vmwrite(VMCS_EXCEPTION_BITMAP,
		BIT(VECTOR_MACHINE_CHECK) | BIT(VECTOR_ALIGNMENT) | BIT(VECTOR_DEBUG));
	vmwrite(VMCS_PF_ERROR_MASK, 0);
	vmwrite(VMCS_PF_ERROR_MATCH, 0);
	vmwrite(VMCS_CR3_TARGETS, 0);
	vmwrite(VMCS_EXIT_MSR_STORES, 0);
	vmwrite(VMCS_EXIT_MSR_LOADS, 0);
	vmwrite(VMCS_ENTRY_MSR_LOADS, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	vmwrite(VMCS_IO_BITMAP_A, hpa_of(io_bitmaps[0]));
	vmwrite(VMCS_IO_BITMAP_B, hpa_of(io_bitmaps[1]));
	vmwrite(VMCS_MSR_BITMAP, hpa_of(msr_bitmap));
	vmwrite(VMCS_EPT_POINTER, ept_pointer(h->setup.slat));
	if (h->cpu2_controls & CPU2_VPID)
		vmwrite(VMCS_VPID, h->setup.asid);
	if (vmx_caps.virt.pml) {
		vmwrite(VMCS_PML_ADDRESS, hpa_of(h->pml));
		vmwrite(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);
	}
	if (h->cpu2_controls & CPU2_PAUSE_LOOP) {
		vmwrite(VMCS_PLE_GAP, PAUSE_GAP);
		vmwrite(VMCS_PLE_WINDOW, PAUSE_WINDOW);
	}
	vmwrite(VMCS_TSC_OFFSET, 0);
	if (h->cpu2_controls & CPU2_TSC_SCALING)
		vmwrite(VMCS_TSC_MULTIPLIER, BIT(48));
	vmwrite(VMCS_LINK_POINTER, UINT64_MAX);
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
}

/* The struct and the XSAVE area take a few pages: arch has only pages to allocate. */
#define HW_VCPU_PAGES 1
_Static_assert(sizeof(struct hw_vcpu) <= HW_VCPU_PAGES * PAGE_SIZE,
	       "struct hw_vcpu outgrew its page");

int hw_vcpu_create(const struct hw_vcpu_setup *setup, struct hw_vcpu **out)
{
	struct hw_vcpu *h = arch.page_alloc();
	int err;

	if (!h)
		return -E_NOMEM;
	err = bitmaps_make();
	if (err)
		goto undo_struct;
	h->setup = *setup;
	h->vmcs = arch.page_alloc();
	h->pml = arch.page_alloc();
	h->xsave = arch.page_alloc();
	if (!h->vmcs || !h->pml || !h->xsave) {
		err = -E_NOMEM;
		goto undo_pages;
	}
	err = apicv_create(h, msr_bitmap);
	if (err)
		goto undo_pages;
	*(uint32_t *)h->vmcs = vmx_caps.virt.revision;
	h->cpu_controls = vmx_caps.controls.cpu;
	h->cpu2_controls = vmx_caps.controls.cpu2;
	h->xcr0 = 1;
	hw_vcpu_flush(h); /* the VPID and the tables' pages may have served another VM */
	vmcs_clear(h);
	hw_vcpu_use(h);
	vmcs_write_host();
	vmcs_write_controls(h);
	apicv_write_controls(h, msr_bitmap);
	*out = h;
	return 0;

undo_pages:
	if (h->vmcs)
		arch.page_free(h->vmcs);
	if (h->pml)
		arch.page_free(h->pml);
	if (h->xsave)
		arch.page_free(h->xsave);
undo_struct:
	arch.page_free(h);
	return err;
}

void hw_vcpu_destroy(struct hw_vcpu *h)
{
	guest_regs_disown(h);
	vmcs_clear(h);
	apicv_destroy(h);
	arch.page_free(h->vmcs);
	arch.page_free(h->pml);
	arch.page_free(h->xsave);
	arch.page_free(h);
}

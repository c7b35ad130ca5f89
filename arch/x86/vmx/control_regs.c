/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0, CR4 and EFER of the guest. VMX fixes some bits (NE, VMXE); the guest sees
 * its own value through the read shadows and exits only when it changes a bit
 * that we hold (SDM vol. 3, "Guest/Host Masks and Read Shadows").
 */
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/io.h"
#include "kernel/lib/string.h"

#define CR0_PE	  BIT(0)
#define CR0_ET	  BIT(4)
#define CR0_NE	  BIT(5)
#define CR0_NW	  BIT(29)
#define CR0_CD	  BIT(30)
#define CR0_PG	  BIT(31)
#define CR0_KNOWN 0xe005003full
#define CR0_HELD  (CR0_NE | CR0_NW | CR0_CD)

#define CR4_PAE	  BIT(5)
#define CR4_MCE	  BIT(6)
#define CR4_PCIDE BIT(17)

#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)

uint64_t cr0_read(void)
{
	uint64_t shadow = vmread(VMCS_CR0_SHADOW);

	return (vmread(VMCS_GUEST_CR0) & ~CR0_HELD) | (shadow & CR0_HELD);
}

uint64_t cr4_read(void)
{
	uint64_t mask = vmread(VMCS_CR4_MASK);

	return (vmread(VMCS_GUEST_CR4) & ~mask) | (vmread(VMCS_CR4_SHADOW) & mask);
}

void efer_write(struct hw_vcpu *h, uint64_t v)
{
	uint64_t entry = vmread(VMCS_ENTRY_CONTROLS);
	bool lma = (v & EFER_LME) && (cr0_read() & CR0_PG);

	v = lma ? v | EFER_LMA : v & ~EFER_LMA;
	vmwrite(VMCS_GUEST_EFER, v);
	vmwrite(VMCS_ENTRY_CONTROLS,
		lma ? entry | ENTRY_GUEST_64 : entry & ~(uint64_t)ENTRY_GUEST_64);
}

/* PAE paging caches four entries at MOV CR: load them as the processor would. */
static bool pdptes_load(struct hw_vcpu *h, uint64_t cr0, uint64_t cr4)
{
	uint64_t cr3 = vmread(VMCS_GUEST_CR3), pdpte[4];
	const uint8_t *page;

	if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || (vmread(VMCS_GUEST_EFER) & EFER_LME))
		return true;
	page = h->setup.guest_page(h->setup.ctx, cr3 & 0xfffff000);
	if (!page)
		return false;
	memcpy(pdpte, page + (cr3 & 0xfe0), sizeof(pdpte));
	for (int i = 0; i < 4; i++) {
		/* reserved: bits 1, 2, 5-8 and above the physical address width */
		if ((pdpte[i] & 1) && (pdpte[i] & (0x1e6 | ~(BIT(vmx_caps.phys_bits) - 1))))
			return false;
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	}
	return true;
}

static void cr0_load(struct hw_vcpu *h, uint64_t v)
{
	/* Unrestricted guest: PE and PG are free. The caches stay on: memory is real. */
	uint64_t must = vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG);

	vmwrite(VMCS_CR0_MASK, CR0_HELD);
	vmwrite(VMCS_CR0_SHADOW, v);
	vmwrite(VMCS_GUEST_CR0, (v & ~(CR0_NW | CR0_CD)) | must);
}

static void cr4_load(struct hw_vcpu *h, uint64_t v)
{
	/* Without MCE a machine check shuts the processor down before it can exit. */
	uint64_t must = vmx_caps.cr4_fixed0 | CR4_MCE;

	vmwrite(VMCS_CR4_MASK, ~h->cr4_allowed | must);
	vmwrite(VMCS_CR4_SHADOW, v);
	vmwrite(VMCS_GUEST_CR4, v | must);
}

static bool in_64_bit_code(void)
{
	return (vmread(VMCS_GUEST_EFER) & EFER_LMA) &&
	       (vmread(VMCS_GUEST_CS_ACCESS) & SEG_ACCESS_L);
}

bool cr0_write(struct hw_vcpu *h, uint64_t v)
{
	uint64_t old = cr0_read();

	if ((v >> 32) || (v & ~CR0_KNOWN & 0xffffffff))
		v &= CR0_KNOWN; /* reserved low bits are ignored by the processor */
	if (((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
		return false;
	if ((v & CR0_PG) && !(old & CR0_PG) && (vmread(VMCS_GUEST_EFER) & EFER_LME) &&
	    !(cr4_read() & CR4_PAE))
		return false;
	if (!(v & CR0_PG) && (old & CR0_PG) && ((cr4_read() & CR4_PCIDE) || in_64_bit_code()))
		return false;
	if (((old ^ v) & (CR0_PG | CR0_CD | CR0_NW)) && !pdptes_load(h, v, cr4_read()))
		return false;
	cr0_load(h, v | CR0_ET);
	if ((old ^ v) & CR0_PG) {
		efer_write(h, vmread(VMCS_GUEST_EFER));
		hw_vcpu_flush(h);
	}
	return true;
}

bool cr4_write(struct hw_vcpu *h, uint64_t v)
{
	uint64_t efer = vmread(VMCS_GUEST_EFER);

	if (v & ~h->cr4_allowed)
		return false;
	if ((efer & EFER_LMA) && !(v & CR4_PAE))
		return false;
	if ((v & CR4_PCIDE) && !(cr4_read() & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (vmread(VMCS_GUEST_CR3) & 0xfff)))
		return false;
	if (!pdptes_load(h, cr0_read(), v))
		return false;
	cr4_load(h, v);
	/* MOV to CR4 drops translations for some bits (SDM vol. 3, "Operations that
	 * Invalidate TLBs"): with a VPID the entry would keep them. */
	hw_vcpu_flush(h);
	return true;
}

void cr_load(struct hw_vcpu *h, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	cr0_load(h, cr0 | CR0_ET);
	cr4_load(h, cr4);
	efer_write(h, efer);
}

/* Exit qualification for control-register accesses: SDM table of that name. */
bool cr_access(struct hw_vcpu *h, uint64_t q)
{
	unsigned cr = q & 15, type = q >> 4 & 3, reg = q >> 8 & 15;
	uint64_t value = reg == RSP ? vmread(VMCS_GUEST_RSP) : h->gpr[reg];
	uint64_t cr0 = cr0_read();

	if (!(vmread(VMCS_GUEST_EFER) & EFER_LMA))
		value &= 0xffffffff;
	switch (type) {
	case 0: /* MOV to CR */
		if (cr == 0)
			return !(value >> 32) && cr0_write(h, value);
		return cr == 4 && cr4_write(h, value);
	case 2: /* CLTS: TS is not held, so this does not exit; be right anyway */
		return cr0_write(h, cr0 & ~BIT(3));
	case 3: /* LMSW: only PE (set), MP, EM, TS */
		value = q >> 16 & 0xf;
		return cr0_write(h, (cr0 & ~0xeull) | value);
	default:
		return false;
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detects VT-x and EPT and adjusts the controls. Everything missing is put into
 * words for the operator, because "no VT-x" has several causes.
 */
#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/io.h"

#define CPUID1_ECX_VMX	 BIT(5)
#define CPUID1_ECX_XSAVE BIT(26)
#define FEATURE_LOCKED	 BIT(0)
#define FEATURE_VMXON	 BIT(2)
#define BASIC_TRUE_CTLS	 BIT(55)

#define EPT_CAP_WALK4	 BIT(6)
#define EPT_CAP_WB	 BIT(14)
#define EPT_CAP_2M	 BIT(16)
#define EPT_CAP_1G	 BIT(17)
#define EPT_CAP_INVEPT	 BIT(20)
#define EPT_CAP_AD	 BIT(21)
#define EPT_CAP_INVEPT_1 BIT(25)

struct vmx_caps vmx_caps;

int vmx_adjust(uint32_t need, uint32_t want, uint64_t cap, uint32_t *out, uint32_t *missing)
{
	uint32_t must_be_1 = (uint32_t)cap, may_be_1 = (uint32_t)(cap >> 32);

	*missing = need & ~may_be_1;
	if (*missing)
		return -E_NOTSUP;
	*out = ((need | want) & may_be_1) | must_be_1;
	return 0;
}

static const char *adjust_primary(void)
{
	struct vmx_controls *c = &vmx_caps.controls;
	bool true_ctls = rdmsr(MSR_VMX_BASIC) & BASIC_TRUE_CTLS;
	uint32_t missing;
	int err;

	err = vmx_adjust(PIN_EXTERNAL_INTR | PIN_NMI | PIN_VIRTUAL_NMI, PIN_PREEMPTION_TIMER,
			 rdmsr(true_ctls ? MSR_VMX_TRUE_PIN_CTLS : MSR_VMX_PIN_CTLS), &c->pin,
			 &missing);
	if (err)
		return "the CPU's VT-x lacks interrupt exiting or virtual NMIs";
	/* CR8 exits because without a TPR shadow the guest would write the host's own TPR. */
	err = vmx_adjust(
	    CPU_TSC_OFFSET | CPU_HLT | CPU_IO_BITMAPS | CPU_MSR_BITMAPS | CPU_SECONDARY |
		CPU_MWAIT | CPU_MONITOR | CPU_RDPMC | CPU_CR8_LOAD | CPU_CR8_STORE,
	    0, rdmsr(true_ctls ? MSR_VMX_TRUE_CPU_CTLS : MSR_VMX_CPU_CTLS), &c->cpu, &missing);
	if (err)
		return "the CPU's VT-x lacks secondary controls (too old)";
	/* Without the TRUE MSRs these are forced on; they would cost an exit each. */
	if (c->cpu & (CPU_CR3_LOAD | CPU_CR3_STORE | CPU_INVLPG | CPU_RDTSC))
		return "the CPU's VT-x cannot leave CR3, INVLPG and RDTSC to the guest";
	err = vmx_adjust(EXIT_HOST_64 | EXIT_ACK_INTR | EXIT_SAVE_EFER | EXIT_LOAD_EFER |
			     EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_DEBUG,
			 EXIT_SAVE_TIMER,
			 rdmsr(true_ctls ? MSR_VMX_TRUE_EXIT_CTLS : MSR_VMX_EXIT_CTLS), &c->exit,
			 &missing);
	if (err)
		return "the CPU's VT-x cannot switch EFER and PAT";
	err = vmx_adjust(ENTRY_LOAD_EFER | ENTRY_LOAD_PAT | ENTRY_LOAD_DEBUG, 0,
			 rdmsr(true_ctls ? MSR_VMX_TRUE_ENTRY_CTLS : MSR_VMX_ENTRY_CTLS), &c->entry,
			 &missing);
	if (err)
		return "the CPU's VT-x cannot switch EFER and PAT";
	return NULL;
}

/*
 * All of it or nothing: parts alone would need a third way between the two. Processors
 * that deliver virtual interrupts also post them; the one that does not, Bochs 2.7, lets
 * an EOI deliver the next one although the guest's IF is 0.
 */
static void apic_detect(void)
{
	bool true_ctls = rdmsr(MSR_VMX_BASIC) & BASIC_TRUE_CTLS;
	uint32_t got, missing;

	vmx_caps.virt.apic =
	    vmx_adjust(CPU_TPR_SHADOW, 0,
		       rdmsr(true_ctls ? MSR_VMX_TRUE_CPU_CTLS : MSR_VMX_CPU_CTLS), &got,
		       &missing) == 0 &&
	    vmx_adjust(CPU2_APIC_ACCESSES | CPU2_X2APIC | CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTR,
		       0, rdmsr(MSR_VMX_CPU_CTLS2), &got, &missing) == 0;
	vmx_caps.virt.apic_sound =
	    vmx_adjust(PIN_POSTED_INTR, 0,
		       rdmsr(true_ctls ? MSR_VMX_TRUE_PIN_CTLS : MSR_VMX_PIN_CTLS), &got,
		       &missing) == 0;
}

static const char *adjust_secondary(void)
{
	struct vmx_controls *c = &vmx_caps.controls;
	uint32_t missing;
	uint64_t ept;
	int err;

	err = vmx_adjust(CPU2_EPT | CPU2_UNRESTRICTED,
			 CPU2_VPID | CPU2_RDTSCP | CPU2_WBINVD | CPU2_INVPCID | CPU2_TSC_SCALING |
			     CPU2_PML | CPU2_PAUSE_LOOP,
			 rdmsr(MSR_VMX_CPU_CTLS2), &c->cpu2, &missing);
	if (err)
		return missing & CPU2_EPT ? "the CPU has VT-x but no EPT (extended page tables)"
					  : "the CPU has EPT but no unrestricted guest mode";
	ept = rdmsr(MSR_VMX_EPT_VPID_CAP);
	if ((ept & (EPT_CAP_WALK4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_INVEPT)) !=
	    (EPT_CAP_WALK4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_INVEPT))
		return "the CPU's EPT lacks 4-level walks, write-back, 2 MiB pages or INVEPT";
	vmx_caps.virt.page_1g = ept & EPT_CAP_1G;
	vmx_caps.virt.ad_bits = ept & EPT_CAP_AD;
	vmx_caps.invept_single = ept & EPT_CAP_INVEPT_1;
	if (!vmx_caps.virt.ad_bits)
		c->cpu2 &= ~CPU2_PML; /* PML needs the dirty flags */
	vmx_caps.virt.pml = c->cpu2 & CPU2_PML;
	vmx_caps.virt.vpid = c->cpu2 & CPU2_VPID;
	vmx_caps.virt.tsc_scaling = c->cpu2 & CPU2_TSC_SCALING;
	vmx_caps.virt.rdtscp = c->cpu2 & CPU2_RDTSCP;
	vmx_caps.virt.invpcid = c->cpu2 & CPU2_INVPCID;
	/* Switched on per VM, when its dirty log is on. */
	c->cpu2 &= ~CPU2_PML;
	return NULL;
}

const char *vmx_detect(void)
{
	uint64_t feature;
	const char *why;

	if (!(cpuid(1, 0).ecx & CPUID1_ECX_VMX))
		return "this CPU has no VT-x (or an outer hypervisor hides it)";
	feature = rdmsr(MSR_FEATURE_CONTROL);
	if ((feature & FEATURE_LOCKED) && !(feature & FEATURE_VMXON))
		return "VT-x is locked off by the firmware: enable it in the firmware's set-up";
	why = adjust_primary();
	if (why)
		return why;
	why = adjust_secondary();
	if (why)
		return why;
	apic_detect();
	vmx_caps.virt.preemption_timer = vmx_caps.controls.pin & PIN_PREEMPTION_TIMER;
	vmx_caps.virt.revision = rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	vmx_caps.timer_shift = rdmsr(MSR_VMX_MISC) & 31;
	vmx_caps.cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	vmx_caps.cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	vmx_caps.cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	vmx_caps.cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	vmx_caps.phys_bits = cpuid(0x80000008, 0).eax & 0x3f;
	vmx_caps.xsave = cpuid(1, 0).ecx & CPUID1_ECX_XSAVE;
	return NULL;
}

const struct virt_caps *virt_detect(void)
{
	static bool detected;

	if (!detected) {
		vmx_caps.virt.why_not = vmx_detect();
		vmx_caps.virt.usable = !vmx_caps.virt.why_not;
		detected = true;
	}
	return &vmx_caps.virt;
}

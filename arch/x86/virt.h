/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtualization backend offers to vmm: run a guest CPU and say in plain
 * terms why it stopped; read and write its state; second-level address translation
 * with dirty tracking. arch/x86/vmx is the backend for Intel VT-x; another
 * vendor's must be able to stand beside it, so nothing VMX-specific is here.
 */
#ifndef ARCH_X86_VIRT_H
#define ARCH_X86_VIRT_H

#include "arch/x86/cpu_state.h"
#include "kernel/lib/base.h"

/* ---- the host's abilities --------------------------------------------------- */

struct virt_caps {
	bool usable;
	const char *why_not; /* words for the operator when not usable */
	bool pml, ad_bits, page_1g, vpid, preemption_timer, tsc_scaling;
	bool apic;	      /* local APICs of guests in hardware, interrupts delivered by it */
	bool apic_sound;      /* and nothing says that it does so wrongly (docs/smp.md) */
	bool rdtscp, invpcid; /* instructions that a guest has only with the backend's help */
	bool xsavec;	      /* what the processor has of it is right (arch/x86/errata.h) */
	uint32_t revision;
};
/* Read once on the boot CPU; never traps, on any processor. */
const struct virt_caps *virt_detect(void);
/* The operator wants local APICs in software, whatever the processor offers. Before any guest. */
void virt_forgo_apic(void);
/* On each CPU, after virt_detect said usable. 0, -E_NOTSUP (locked off), -E_NOMEM. */
int must_check virt_enable_cpu(void);

/* ---- second-level address translation (SLAT) ----------------------------------- */

struct slat;

enum slat_log { SLAT_LOG_OFF, SLAT_LOG_WP, SLAT_LOG_AD, SLAT_LOG_PML };

/* NULL when out of memory. */
struct slat *must_check slat_create(void);
void slat_destroy(struct slat *s);
/* Map size bytes of RAM, largest pages that fit; all 4 KiB aligned. -E_NOMEM, -E_EXIST. */
int must_check slat_map(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size);
/* The same for memory that the guest cannot write: a write exits as VCPU_EXIT_MMIO. */
int must_check slat_map_rom(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size);
bool slat_is_rom(const struct slat *s, gpa_t gpa);
/*
 * Switch dirty logging. Starting splits to 4 KiB pages and marks all of them
 * clean; stopping restores large pages. -E_NOMEM leaves it as it was (with splits).
 */
int must_check slat_log_start(struct slat *s, enum slat_log how);
void slat_log_stop(struct slat *s);
/* This page was harvested: notice its next write. Takes effect at each CPU's next entry. */
void slat_log_rearm(struct slat *s, gpa_t gpa);
/* A write fault on a logged page: let the write through from now on. False: not such a page. */
bool slat_log_fault(struct slat *s, gpa_t gpa);
/* For SLAT_LOG_AD: report and rearm each page with its dirty bit set. */
void slat_log_scan(struct slat *s, void (*dirty)(void *ctx, gpa_t gpa), void *ctx);
/* Walk as the processor does. UINT64_MAX when not mapped. *level 0..2 for 4K, 2M, 1G. */
hpa_t slat_lookup(const struct slat *s, gpa_t gpa, int *level, bool *writable);
uint64_t slat_table_pages(const struct slat *s);

/* ---- guest CPUs ------------------------------------------------------------------- */

enum vcpu_exit_kind {
	VCPU_EXIT_HOST, /* an interrupt of the host, or the deadline: nothing of the guest's */
	VCPU_EXIT_CPUID,
	VCPU_EXIT_IO,
	VCPU_EXIT_MMIO,	    /* access to a guest-physical address without RAM */
	VCPU_EXIT_DIRTY,    /* first write to a logged page */
	VCPU_EXIT_LOG_FULL, /* dirty log buffer to be drained */
	VCPU_EXIT_MSR_READ,
	VCPU_EXIT_MSR_WRITE,
	VCPU_EXIT_HLT,
	VCPU_EXIT_INTR_WINDOW, /* interrupts can be injected now */
	VCPU_EXIT_NMI_WINDOW,
	VCPU_EXIT_XSETBV,
	VCPU_EXIT_CR8,	      /* task-priority access */
	VCPU_EXIT_APIC_WRITE, /* a write to a register was done in hardware: do what it causes */
	VCPU_EXIT_APIC_EOI,   /* end of a level-triggered interrupt: tell the I/O APIC */
	VCPU_EXIT_PAUSE,      /* it spins: others may have the CPU */
	VCPU_EXIT_CACHE,      /* WBINVD, INVD: nothing to do */
	VCPU_EXIT_UNDEFINED,  /* an instruction that this guest does not have: #UD */
	VCPU_EXIT_PROTECTED,  /* a control-register write that must raise #GP */
	VCPU_EXIT_RESOLVED,   /* handled in the backend, just go on */
	VCPU_EXIT_TRIPLE_FAULT,
	VCPU_EXIT_TASK_SWITCH,
	VCPU_EXIT_FAILED, /* the processor refused to enter, or an exit nobody knows */
	VCPU_EXIT_KINDS
};
const char *vcpu_exit_name(enum vcpu_exit_kind k);

enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

struct vcpu_exit {
	enum vcpu_exit_kind kind;
	unsigned insn_len; /* of the instruction that exited; 0 when it is not known */
	const char *why; /* FAILED: words, when there are better ones than the reason; else NULL */
	union {
		unsigned vector; /* HOST: interrupt to be handled, 0 for none; APIC_EOI */
		struct {
			uint16_t port;
			uint8_t size; /* 1, 2, 4 */
			bool in, string, rep;
			uint8_t addr_size;   /* string: width of RSI, RDI, RCX: 2, 4, 8 */
			uint64_t linear;     /* string: address of the memory operand */
			bool outside, stack; /* string: it is outside its segment, which is SS */
		} io;
		struct {
			gpa_t gpa;
			bool write, fetch;
		} mmio; /* also DIRTY */
		uint32_t msr;
		struct {
			uint8_t gpr;
			bool write;
		} cr8;
		struct {
			uint16_t selector; /* of the new TSS */
			uint8_t source;	   /* enum task_source */
		} task; /* an event through a task gate is queued, as after any exit in delivery */
		struct {
			uint32_t reg, value; /* offset in the page */
		} apic;
		struct {
			uint32_t reason, detail;
		} failed;
	};
};

struct hw_vcpu;

struct hw_vcpu_setup {
	struct slat *slat;
	uint16_t asid; /* VPID; unique per vCPU on the host, not 0 */
	/* RAM behind a guest-physical address, for the processor structures that the
	 * backend must read itself (PDPTEs). NULL when there is none. */
	void *(*guest_page)(void *ctx, gpa_t gpa);
	void *ctx;
};

/* On the CPU where it will run, always. -E_NOMEM. */
int must_check hw_vcpu_create(const struct hw_vcpu_setup *setup, struct hw_vcpu **out);
void hw_vcpu_destroy(struct hw_vcpu *h);
/* Make h the guest CPU that the single-register functions below speak of, on this CPU. */
void hw_vcpu_use(struct hw_vcpu *h);

/* Whole state, for reset, loaders and moves. */
void hw_vcpu_get_state(struct hw_vcpu *h, struct cpu_state *out);
void hw_vcpu_set_state(struct hw_vcpu *h, const struct cpu_state *in);

/*
 * Answers that the backend may give to CPUID without asking vmm: leaf -> result,
 * for leaves that do not depend on ECX. regs[4] = eax ebx ecx edx; OSXSAVE and
 * OSPKE follow CR4 by themselves.
 */
void hw_vcpu_set_cpuid(struct hw_vcpu *h, uint32_t leaf, const uint32_t regs[4]);
/* CPUID does not show a local APIC that the guest switched off. */
void hw_vcpu_show_apic(struct hw_vcpu *h, bool on);
/* What CR4 bits and XCR0 bits the guest may set. */
void hw_vcpu_set_limits(struct hw_vcpu *h, uint64_t cr4_allowed, uint64_t xcr0_allowed);
/* guest TSC = host TSC * ratio + offset; ratio in 16.48 fixed point, 0 for 1:1. */
void hw_vcpu_set_tsc(struct hw_vcpu *h, uint64_t offset, uint64_t ratio);

/*
 * Enter the guest until something happens, at latest at host TSC value
 * deadline. Called without the host lock, interrupts off. *in_guest is true
 * exactly while the guest may be running.
 */
void hw_vcpu_enter(struct hw_vcpu *h, uint64_t deadline, volatile bool *in_guest);
/* Why it stopped. With the host lock. */
void hw_vcpu_decode(struct hw_vcpu *h, struct vcpu_exit *out);
/* Make a running fast path give up its CPU at the next exit; any CPU may call. */
void hw_vcpu_request_exit(struct hw_vcpu *h);

uint64_t hw_vcpu_gpr(const struct hw_vcpu *h, enum cpu_gpr r);
void hw_vcpu_set_gpr(struct hw_vcpu *h, enum cpu_gpr r, uint64_t v);
uint64_t hw_vcpu_rip(struct hw_vcpu *h);
uint64_t hw_vcpu_rflags(struct hw_vcpu *h);
void hw_vcpu_set_rflags(struct hw_vcpu *h, uint64_t v);
/* For an injected page fault. */
void hw_vcpu_set_cr2(struct hw_vcpu *h, uint64_t v);
/* The one place that advances RIP: past the instruction that exited. */
void hw_vcpu_skip(struct hw_vcpu *h, unsigned insn_len);

/* For address translation and instruction fetch. */
struct cpu_paging {
	uint64_t cr0, cr3, cr4, efer, rflags, pdpte[4];
	uint64_t cs_base, ss_base, ds_base, es_base, fs_base, gs_base;
	uint8_t mode_bits; /* 16, 32 or 64: how CS makes instructions decode */
	uint8_t cpl;
};
void hw_vcpu_paging(struct hw_vcpu *h, struct cpu_paging *out);

bool hw_vcpu_can_inject_irq(struct hw_vcpu *h);
bool hw_vcpu_can_inject_nmi(struct hw_vcpu *h);
void hw_vcpu_inject_irq(struct hw_vcpu *h, uint8_t vector);
void hw_vcpu_inject_nmi(struct hw_vcpu *h);
void hw_vcpu_inject_exception(struct hw_vcpu *h, uint8_t vector, bool has_error, uint32_t error);
/* #DB for these causes, which DR6 then has. */
void hw_vcpu_inject_debug(struct hw_vcpu *h, uint64_t causes);
/* The guest's instruction accessed this and does not trap by itself: its data breakpoints. */
void hw_vcpu_data_access(struct hw_vcpu *h, uint64_t linear, unsigned size, bool write);
/* Ask for an exit as soon as an interrupt or NMI can be injected. */
void hw_vcpu_want_irq_window(struct hw_vcpu *h, bool want);
void hw_vcpu_want_nmi_window(struct hw_vcpu *h, bool want);

/*
 * The local APIC in hardware (virt_caps.apic; without it none of these does anything).
 * Before an entry vmm gives the registers that the processor changes by itself, and
 * after the exit it takes them back: in between they are the processor's. Vectors
 * are delivered, TPR and EOI carried out without exits; hw_vcpu_inject_irq remains for
 * what comes from elsewhere. By MMIO only at the default address.
 */
enum hw_apic_mode { HW_APIC_OFF, HW_APIC_XAPIC, HW_APIC_X2APIC };
struct hw_apic {
	uint64_t icr;
	uint32_t tpr;
	uint32_t *irr, *isr; /* 8 words each; give empties irr, take adds what is left to it */
};
void hw_vcpu_apic_mode(struct hw_vcpu *h, enum hw_apic_mode mode);
void hw_vcpu_apic_give(struct hw_vcpu *h, const struct hw_apic *a);
void hw_vcpu_apic_take(struct hw_vcpu *h, struct hw_apic *a);
/* Which vectors' EOI exits, when that changed: the level-triggered ones. */
void hw_vcpu_apic_tmr(struct hw_vcpu *h, const uint32_t tmr[8]);
/* What the guest reads of another register, by its offset in the page. */
void hw_vcpu_apic_register(struct hw_vcpu *h, unsigned reg, uint32_t value);

/* MSRs that live in the processor or the VMCS but are written under vmm's eye.
 * -E_NOTSUP: not one of these; -E_INVAL: value refused (#GP). */
int must_check hw_vcpu_read_msr(struct hw_vcpu *h, uint32_t msr, uint64_t *out);
int must_check hw_vcpu_write_msr(struct hw_vcpu *h, uint32_t msr, uint64_t v);
uint64_t hw_vcpu_xcr0(const struct hw_vcpu *h);
/* -E_INVAL when XSETBV must raise #GP. */
int must_check hw_vcpu_xsetbv(struct hw_vcpu *h, uint32_t index, uint64_t v);

/* Hand over the addresses in the hardware's dirty buffer (SLAT_LOG_PML). */
void hw_vcpu_drain_log(struct hw_vcpu *h, void (*dirty)(void *ctx, gpa_t gpa), void *ctx);

/* The guest's state and the last exit in readable form, line by line. */
void hw_vcpu_dump(struct hw_vcpu *h, void (*line)(const char *fmt, ...));

#endif

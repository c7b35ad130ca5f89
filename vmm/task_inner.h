/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two files of task switching share. */
#ifndef VMM_TASK_INNER_H
#define VMM_TASK_INNER_H

#include "arch/x86/virt.h"
#include "vmm/exits.h"

/* Access rights in the VMCS format. */
#define DESC_TYPE(access) ((access)&15)
#define DESC_DPL(access)  ((access) >> 5 & 3)
#define DESC_S		  BIT(4)
#define DESC_P		  BIT(7)
#define DESC_DB		  BIT(14)
#define DESC_G		  BIT(15)
#define DESC_UNUSABLE	  BIT(16)

struct task_change {
	struct vcpu *v;
	struct cpu_state *s; /* of the old task, then of the new one */
	uint16_t selector;   /* of the new TSS */
	enum task_source source;
	uint32_t event;	  /* that goes through a task gate, as in cpu_state; 0 for none */
	bool external;	  /* no instruction's: EXT in error codes */
	bool wide;	  /* the new TSS is a 32-bit one */
	uint64_t next_ip; /* where the old task goes on */
	struct cpu_segment tss;
	struct cpu_paging paging;
	uint32_t image[26]; /* the new TSS */
	/* what is wrong, when a function returned an error */
	uint8_t vector;
	uint32_t error;
	uint64_t cr2;
};

/* These return 0, or -E_INVAL with the exception in t. */

int must_check task_fault(struct task_change *t, uint8_t vector, uint32_t error);
int must_check task_fault_selector(struct task_change *t, uint8_t vector, uint16_t selector);
int must_check task_read(struct task_change *t, uint64_t linear, void *buf, size_t len);
int must_check task_write(struct task_change *t, uint64_t linear, const void *buf, size_t len);
/* The descriptor of a selector in GDT or LDT; `vector` when there is none. */
int must_check task_descriptor(struct task_change *t, uint16_t selector, struct cpu_segment *out,
			       uint8_t vector);
/* ES CS SS DS FS GS and LDTR of the new task, into t->s. */
int must_check task_segments_load(struct task_change *t, const uint16_t seg[6], uint16_t ldt);

#endif

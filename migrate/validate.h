/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a VM well at the host where it is? Asked after a move, by itself and by
 * `validate`. What was seen is gathered by validate_look.c; judging it is a pure
 * function, one line a question (docs/audit.md).
 */
#ifndef MIGRATE_VALIDATE_H
#define MIGRATE_VALIDATE_H

#include "migrate/checks.h"
#include "vmm/vm.h"

#define VALIDATE_LINES_MAX 24
#define VALIDATE_QUOTE_LEN 96

struct validate_disk {
	char name[8];
	int err; /* shared: why its target could not be asked; else: not open */
	bool shared, owned, listed;
	unsigned count;		   /* hosts' MACs in its reservation list */
	uint64_t requests, errors; /* since this host opened it */
};

struct validate_nic {
	char name[8];
	bool attached, announced, announcing;
	uint64_t to_guest, from_guest; /* frames since the VM came to this host */
	uint64_t found, elsewhere;     /* from the wire: to its MAC; from its MAC */
};

struct validate_cpu {
	bool halted, waits_sipi;
	uint64_t exits, exits_now; /* since it came to this host; during the look */
};

struct validate_facts {
	enum vm_state state;
	bool moved, verified; /* it came by a move that is remembered, with --verify */
	uint64_t look_ns;     /* how long the look lasted */
	unsigned disk_count, nic_count, cpu_count;
	struct validate_disk disks[VM_MAX_DISKS];
	struct validate_nic nics[VM_MAX_NICS];
	struct validate_cpu cpus[VM_MAX_VCPUS];
	uint64_t timer_irqs, timer_irqs_now; /* as exits */
	uint64_t overdue_ns;		     /* the guest's most overdue timer, guest time */
	uint64_t console_bytes, console_kept;
	enum check_result console;
	char quote[VALIDATE_QUOTE_LEN]; /* the line of its console that is worst */
};

struct validate_line {
	char name[24], words[VALIDATE_QUOTE_LEN + 64];
	enum check_result result;
};

struct validate_list {
	struct validate_line list[VALIDATE_LINES_MAX];
	unsigned count, failed, notes;
};

/*
 * The first of the worst lines of a guest's output, as far as it is printable, into quote;
 * CHECK_PASSED and an empty one when nothing in it is a sign of trouble.
 */
enum check_result validate_scan(const char *text, size_t n, char quote[VALIDATE_QUOTE_LEN]);
void validate_judge(const struct validate_facts *f, struct validate_list *out);
/* In one line: "pass, 7 checks" or "FAIL console: ...". */
void validate_summary(const struct validate_list *l, char *buf, size_t size);

/* ---- validate_look.c ---- */

/*
 * Look at the VM of that name for some seconds, and judge. Blocks; the VM may change or go
 * meanwhile. Sets vm->validated. 0, -E_NOENT (it is not, or not any more, here), -E_STATE (it
 * is off), -E_NOMEM. What is found goes to the log, and so to the VM's.
 */
int must_check validate_vm(const char *name, struct validate_list *out);
/* Do so a few seconds from now, in a task of its own. */
void validate_later(const struct vm *vm);

#endif

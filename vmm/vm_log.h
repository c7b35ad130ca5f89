/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log for each VM, in the default datastore (object log/VM), which survives restarts of
 * the host: the lines of the host's log that begin "vm VM:", "migrate: VM:" and so on.
 */
#ifndef VMM_VM_LOG_H
#define VMM_VM_LOG_H

#include "kernel/console.h"
#include "vmm/vm_config.h"

/* The task that copies lines there, some seconds after they were logged. -E_NOMEM. */
int must_check vm_log_start(void);
/* The end of VM's log. Blocks. -E_NOENT: there is none. */
int must_check vm_log_print(struct console *con, const char *vm);
/* Put text, whole lines, at the end of VM's log. Blocks. -E_NOENT: no store is open. */
int must_check vm_log_add(const char *vm, const void *text, size_t len);
/* The last whole lines of it that fit, at most size bytes; 0 bytes when there is none. Blocks. */
int must_check vm_log_tail(const char *vm, char *buf, size_t size, size_t *len);
/* Does a line concern a VM? Its name into name. */
bool vm_log_names(const char *text, char name[VM_NAME_LEN]);

#endif

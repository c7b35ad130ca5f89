/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a Linux bzImage by the 64-bit boot protocol. */
#ifndef VMM_LOAD_LINUX_H
#define VMM_LOAD_LINUX_H

#include "arch/x86/cpu_state.h"
#include "kernel/files.h"

struct vm;

bool load_linux_is_bzimage(const struct file *f);

/*
 * Put kernel, initrd (NULL: none), command line, zero page, page tables and GDT
 * into the VM's memory and the boot CPU (cs: in power-on state, changed) at the
 * kernel's 64-bit entry. ACPI tables are acpi_tables_write's. 0; -E_INVAL (not
 * a kernel that can be started this way), -E_RANGE, -E_NOSPC, -E_NOMEM; each
 * logged in words. Source: Linux Documentation/arch/x86/boot.rst.
 */
int must_check load_linux(struct vm *vm, const struct file *kernel, const struct file *initrd,
			  const char *cmdline, struct cpu_state *cs);

#endif

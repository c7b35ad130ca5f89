/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a kernel by the Multiboot specification, version 0.6.96 ("Multiboot 1"). */
#ifndef VMM_LOAD_MULTIBOOT_H
#define VMM_LOAD_MULTIBOOT_H

#include "arch/x86/cpu_state.h"
#include "kernel/files.h"
#include "vmm/guest_mem.h"
#include "vmm/vm_config.h"

struct vm;

#define MULTIBOOT_MAX_MODULES (1 + VM_MAX_MODULES) /* the initrd is the first */

struct multiboot_module {
	const struct file *file;
	const char *args; /* follow the file's name in the module's string */
};

/* Is there a Multiboot header in the first 8 KiB? (3.1, "OS image format") */
bool load_multiboot_is_multiboot(const struct file *f);

/*
 * Put kernel (ELF32, ELF64 entered in 32-bit mode, or as the header's address
 * fields say), modules and boot information into the VM's memory and the boot CPU
 * (cs: in power-on state, changed) at the entry. The kernel's command line is its
 * path, a space, cmdline. 0; -E_INVAL (damaged, or wants what we do not give),
 * -E_RANGE (outside the VM's memory, texts too long), -E_NOSPC, -E_NOMEM; each
 * logged in words.
 */
int must_check load_multiboot(struct vm *vm, const struct file *kernel,
			      const struct multiboot_module *modules, unsigned count,
			      const char *cmdline, struct cpu_state *cs);

/*
 * multiboot_info.c: modules from first_free on (page-aligned), and the boot
 * information in the page at info, whose last bytes are left for the GDT. Errors as above.
 */
#define MULTIBOOT_INFO_GDT (PAGE_SIZE - 32)
int must_check multiboot_info_write(struct vm *vm, gpa_t info, const struct file *kernel,
				    gpa_t first_free, const struct multiboot_module *modules,
				    unsigned count, const char *cmdline);

#endif

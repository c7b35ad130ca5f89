/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts an uncompressed ELF64 Linux kernel (vmlinux). Multiboot images will be told apart here. */
#ifndef VMM_LOAD_ELF_H
#define VMM_LOAD_ELF_H

#include "arch/x86/cpu_state.h"
#include "kernel/files.h"

struct vm;

/* Does the file begin like an ELF? Decides between load_elf and load_linux. */
bool load_elf_is_elf(const struct file *f);

/*
 * Load the PT_LOAD segments at their physical addresses and enter at e_entry in
 * 64-bit mode like load_linux does (RSI: zero page). Parameters and errors as
 * load_linux. Source: System V ABI (ELF-64 object file format).
 */
int must_check load_elf(struct vm *vm, const struct file *kernel, const struct file *initrd,
			const char *cmdline, struct cpu_state *cs);

#endif

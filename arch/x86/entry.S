/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the loader jumps to: take a stack of our own and call kernel_main with
 * the handoff through the direct map. Also the interrupt stubs and the task switch.
 */
#include "arch/x86/layout.h"

	.code64
	.section .text.entry, "ax"
	.globl _start
_start:
	cli
	cld
	leaq	boot_stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	movabsq	$DIRECT_MAP, %rax
	addq	%rax, %rdi
	pushq	$0
	movq	$kernel_main, %rax
	callq	*%rax
1:	hlt
	jmp	1b

	.text
/*
 * void context_switch(uint64_t *save_rsp, uint64_t load_rsp)
 * Only callee-saved registers: the compiler saved the others around the call.
 */
	.globl context_switch
context_switch:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* A new task's first return lands here: entry function in rbx, argument in r12. */
	.globl task_trampoline
task_trampoline:
	movq	%r12, %rdi
	xorl	%ebp, %ebp
	callq	*%rbx
	callq	*task_exit_hook(%rip)
	ud2

/* One stub a vector, 16 bytes apart; those without a hardware error code push 0. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

trap_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbp
	andq	$-16, %rsp
	callq	trap_dispatch
	movq	%rbp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.bss
	.balign	4096
	.globl boot_stack_top
	.skip	32768
boot_stack_top:
	.section .note.GNU-stack, "", @progbits

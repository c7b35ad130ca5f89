/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void vector_hold_WIDTH(const void *pattern, void *found, const struct timespec *ts)
 *
 * Loads all vector registers of one width from pattern, sleeps with them in place
 * (the kernel gives the CPU to others meanwhile) and stores what came back.
 */
#define NR_nanosleep 35

	.macro hold name, move, reg, width, registers:vararg
	.globl \name
\name:
	pushq	%rsi
	.irp	n, \registers
	\move	\n * \width(%rdi), %\reg\n
	.endr
	movq	%rdx, %rdi
	xorl	%esi, %esi
	movl	$NR_nanosleep, %eax
	syscall
	popq	%rsi
	.irp	n, \registers
	\move	%\reg\n, \n * \width(%rsi)
	.endr
	ret
	.endm

	.text
	hold	vector_hold_16, movups, xmm, 16, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	hold	vector_hold_32, vmovups, ymm, 32, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	hold	vector_hold_64, vmovups, zmm, 64, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15, \
		16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.section .note.GNU-stack, "", @progbits

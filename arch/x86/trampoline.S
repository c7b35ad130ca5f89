/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First instructions of an application processor: copied to a page below
 * 640 KiB, entered in real mode with CS:IP = page:0, goes straight to long mode on
 * the kernel's page tables (which map this page identically for the while).
 */
	.section .rodata
	.balign 16
	.globl trampoline_start, trampoline_end
	.globl trampoline_cr3, trampoline_stack, trampoline_entry
	.code16
trampoline_start:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	xorl	%ebx, %ebx
	movw	%ax, %bx
	shll	$4, %ebx			/* physical address of this page */
	leal	(tramp_gdt - trampoline_start)(%ebx), %eax
	movl	%eax, (tramp_gdtr + 2 - trampoline_start)
	leal	(tramp_long - trampoline_start)(%ebx), %eax
	movl	%eax, (tramp_far - trampoline_start)
	lgdtl	(tramp_gdtr - trampoline_start)
	movl	%cr4, %eax
	orl	$0x20, %eax			/* CR4.PAE */
	movl	%eax, %cr4
	movl	(trampoline_cr3 - trampoline_start), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* IA32_EFER */
	rdmsr
	orl	$0x900, %eax			/* LME, NXE */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax		/* CD, NW off: INIT leaves caches disabled */
	orl	$0x80010001, %eax		/* PG, WP, PE */
	movl	%eax, %cr0
	ljmpl	*(tramp_far - trampoline_start)

	.code64
tramp_long:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movq	trampoline_stack(%rip), %rsp
	movq	trampoline_entry(%rip), %rax
	xorl	%ebp, %ebp
	pushq	$0
	jmpq	*%rax

	.balign 8
tramp_gdt:
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
tramp_gdtr:
	.word	23
	.long	0
tramp_far:
	.long	0
	.word	0x08
	.balign 8
trampoline_cr3:
	.quad	0
trampoline_stack:
	.quad	0
trampoline_entry:
	.quad	0
trampoline_end:
	.section .note.GNU-stack, "", @progbits

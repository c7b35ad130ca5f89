/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real mode: what leaves the guest there, string I/O at the end of a segment, steps, and
 * exceptions without error codes. Results lie at RESULTS for tasks.c. The 16-bit code is
 * copied to REAL, below 64 KiB.
 */
#define REAL	0x7000
#define RESULTS 0x7e00
#define CODE	0x08
#define DATA	0x10
#define CODE16	0x48
#define DATA16	0x50

	.text
	.code32
	.globl	real_run
real_run:
	pusha
	mov	%esp, real_esp
	lidt	real_idt
	ljmp	$CODE16, $REAL

real_back:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	mov	real_esp, %esp
	popa
	ret

#define AT(label) (label - real_code + REAL)

	.globl	real_code, real_code_end
	.code16
real_code:
	mov	$DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	%cr0, %eax
	and	$~1, %eax
	mov	%eax, %cr0
	ljmp	$0, $AT(1f)
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x6f00, %sp
	cld
	movw	$AT(on_gp), 4 * 13
	movw	%ax, 4 * 13 + 2
	movw	$AT(on_step), 4 * 1
	movw	%ax, 4 * 1 + 2
	mov	%ax, RESULTS		/* 0: #GPs */
	mov	%ax, RESULTS + 6	/* 6: steps */
	/* a word that does not fit behind the last byte of the segment */
	movw	$1, RESULTS + 10	/* length of what faults */
	mov	$0x3ff, %dx
	mov	$0xffff, %si
	outsw
	/* a byte does, and DI wraps */
	mov	$0x5a, %al
	out	%al, %dx
	mov	$0xffff, %di
	insb
	mov	%di, RESULTS + 2
	mov	0xffff, %al
	mov	%al, RESULTS + 4
	/* no error code is pushed */
	movw	$2, RESULTS + 10
	mov	$0x12345678, %ecx
	rdmsr
	mov	%sp, RESULTS + 12
	/* steps */
	mov	$0x3ff, %dx
	pushf
	pop	%ax
	or	$0x100, %ax
	push	%ax
	popf
	in	%dx, %al
	nop
	pushf
	pop	%ax
	and	$~0x100, %ax
	push	%ax
	popf
	xor	%eax, %eax
	cpuid
	mov	%ax, RESULTS + 8
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$CODE, $real_back

on_gp:	incw	RESULTS
	push	%bp
	push	%ax
	mov	%sp, %bp
	mov	RESULTS + 10, %ax
	add	%ax, 4(%bp)
	pop	%ax
	pop	%bp
	iret
on_step:
	incw	RESULTS + 6
	iret
real_code_end:

	.data
	.balign	4
real_esp:
	.long	0
real_idt:
	.word	0x3ff
	.long	0
	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry and interrupt stubs of the bare guest. Entered like Linux's 64-bit
 * entry point: long mode, low memory mapped identically, RSI = zero page,
 * interrupts off. Everything with sense in it is in ticker.c.
 */
	.section .text.start, "ax"
	.code64
	.globl	_start
_start:
	cli
	cld
	lgdt	gdt_pointer(%rip)
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	lea	stack_top(%rip), %rsp
	pushq	$0x10
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	/* The loader need not clear our .bss twice, but a reboot might. */
	lea	__bss_start(%rip), %rdi
	lea	__bss_end(%rip), %rcx
	sub	%rdi, %rcx
	xor	%eax, %eax
	rep stosb
	mov	%rsi, %rdi
	xor	%ebp, %ebp
	call	ticker_main
2:	hlt
	jmp	2b

/* 32 exceptions and 16 interrupts, 16 bytes each; the vector is pushed. */
	.text
	.globl	isr_stubs
	.balign	16
isr_stubs:
	.set	vec, 0
	.rept	48
	.balign	16
	.if	!(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21)
	pushq	$0
	.endif
	pushq	$vec
	jmp	isr_common
	.set	vec, vec + 1
	.endr

	.balign	16
isr_common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	cld
	mov	72(%rsp), %rdi		/* vector */
	mov	80(%rsp), %rsi		/* error code */
	mov	88(%rsp), %rdx		/* RIP */
	call	ticker_interrupt
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	.section .rodata
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code, the selectors of Linux's boot protocol */
	.quad	0x00cf93000000ffff	/* 0x18: data */
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt

	.bss
	.balign	16
	.skip	16384
stack_top:
	.section .note.GNU-stack, "", @progbits

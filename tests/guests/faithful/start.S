/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry and exception stubs of the guest that examines its processor. Entered like
 * Linux's 64-bit entry point. Each stub saves all registers and hands a struct frame
 * to faithful_trap, which may change any of them.
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
1:	lea	__bss_start(%rip), %rdi
	lea	__bss_end(%rip), %rcx
	sub	%rdi, %rcx
	xor	%eax, %eax
	rep stosb
	xor	%ebp, %ebp
	call	faithful_main
2:	hlt
	jmp	2b

	.text
	.globl	isr_stubs
	.balign	16
isr_stubs:
	.set	vec, 0
	.rept	256
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
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	call	faithful_trap
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

/*
 * void enter_protected(uint32_t entry): leave long mode for good, flat 32-bit code
 * without paging, and jump there.
 */
	.globl	enter_protected
enter_protected:
	cli
	mov	%edi, %ebx
	lea	stack_top(%rip), %rsp
	pushq	$0x20
	lea	1f(%rip), %rax
	push	%rax
	lretq
	.code32
1:	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%cr0, %eax
	btr	$31, %eax
	mov	%eax, %cr0
	mov	$0xc0000080, %ecx
	rdmsr
	btr	$8, %eax
	wrmsr
	mov	%cr4, %eax
	btr	$5, %eax
	mov	%eax, %cr4
	jmp	*%ebx
	.code64

	.globl	blob32, blob32_end
	.section .rodata
	.balign	16
blob32:
	.incbin	BLOB32_FILE
blob32_end:

	.data
	.balign	8
	.globl	gdt
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 10: 64-bit code */
	.quad	0x00cf93000000ffff	/* 18: data */
	.quad	0x00cf9b000000ffff	/* 20: 32-bit code */
	.quad	0x00cff3000000ffff	/* 28: data for ring 3 */
	.quad	0x00affb000000ffff	/* 30: 64-bit code for ring 3 */
	.quad	0, 0			/* 38: TSS */
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt

	.bss
	.balign	16
	.skip	16384
	.globl	stack_top
stack_top:
	.section .note.GNU-stack, "", @progbits

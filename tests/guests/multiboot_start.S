/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot header, entry and two interrupt stubs of the Multiboot test kernel.
 * With -DADDRESSES the header says itself where the image goes (for a flat file).
 */
	.set	FLAGS, 0x3		/* page-aligned modules, memory information */
#ifdef ADDRESSES
	.set	FLAGS, 0x10003
#endif
	.section .text.start, "ax"
	.code32
	.balign	4
header:	.long	0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#ifdef ADDRESSES
	.long	header, header, __data_end, __bss_end, _start
#endif
	.globl	_start
_start:
	mov	$stack_top, %esp
	pushf
	pop	%edx
	push	%edx			/* EFLAGS */
	push	%ebx			/* boot information */
	push	%eax			/* magic */
	cld
	lgdt	gdt_pointer
	ljmp	$0x18, $1f		/* our own selectors: the loader's GDT may be gone */
1:	mov	$0x20, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%ebp, %ebp
	call	kernel_main
2:	hlt
	jmp	2b

	.globl	edge_stub, level_stub
edge_stub:
	pusha
	call	edge_interrupt
	popa
	iret
level_stub:
	pusha
	call	level_interrupt
	popa
	iret

	.section .rodata
	.balign	8
gdt:	.quad	0, 0, 0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.bss
	.balign	16
	.skip	8192
stack_top:
	.section .note.GNU-stack, "", @progbits

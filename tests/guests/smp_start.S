/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry and interrupt stubs of the guests with many CPUs. The boot CPU is entered
 * as Linux's 64-bit entry point is; the others come from real mode through the
 * trampoline, which smp_lib.c copies to a page below 1 MiB, and take over the boot
 * CPU's page tables. Everything with sense in it is in C.
 */
#define TRAMPOLINE 0x8000
#define STACK_SIZE 8192

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
	lea	smp_stacks+STACK_SIZE(%rip), %rsp
	pushq	$0x10
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	lea	__bss_start(%rip), %rdi
	lea	__bss_end(%rip), %rcx
	sub	%rdi, %rcx
	xor	%eax, %eax
	rep stosb
	mov	%rsi, %rdi
	xor	%ebp, %ebp
	mov	%cr3, %rax
	mov	%eax, ap_cr3(%rip)
	call	smp_main
2:	cli
	hlt
	jmp	2b

/* ---- the other CPUs: real mode to long mode at one step -------------------------- */
	.globl	ap_trampoline, ap_trampoline_end
	.code16
ap_trampoline:
	cli
	cs lgdtl ap_gdt_pointer - ap_trampoline
	mov	$0x20, %eax		/* CR4.PAE */
	mov	%eax, %cr4
	cs movl	ap_cr3_here - ap_trampoline, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax		/* EFER.LME */
	wrmsr
	mov	%cr0, %eax
	and	$0x9fffffff, %eax
	or	$0x80000001, %eax
	mov	%eax, %cr0
	ljmpl	$0x10, $(TRAMPOLINE + ap_long - ap_trampoline)
	.code64
ap_long:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	movabs	$ap_enter, %rax
	jmp	*%rax
	.balign	8
ap_gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
ap_gdt_pointer:
	.word	. - ap_gdt - 1
	.long	TRAMPOLINE + (ap_gdt - ap_trampoline)
	.balign	4
	.globl	ap_cr3_here
ap_cr3_here:
	.long	0
ap_trampoline_end:

	.text
ap_enter:
	lgdt	gdt_pointer(%rip)
	mov	$1, %eax
	cpuid
	shr	$24, %ebx		/* the initial APIC id is the CPU's number here */
	mov	%ebx, %edi
	inc	%ebx
	imul	$STACK_SIZE, %ebx, %ebx
	lea	smp_stacks(%rip), %rsp
	add	%rbx, %rsp
	xor	%ebp, %ebp
	call	smp_ap_main
3:	cli
	hlt
	jmp	3b

/* ---- 256 stubs, 16 bytes each; the vector is pushed ------------------------------ */
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
	call	smp_interrupt
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

	.data
	.balign	8
	.globl	ap_cr3
ap_cr3:	.long	0, 0

	.section .rodata
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt

	.bss
	.balign	16
smp_stacks:
	.skip	16 * STACK_SIZE
	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry of the 32-bit part, its exception stubs and the bodies of its tasks. */
	.section .text.start, "ax"
	.code32
	.globl	blob32_start
blob32_start:
	mov	$stack32_top, %esp
	xor	%ebp, %ebp
	cld
	call	tasks_main
1:	hlt
	jmp	1b

	.text
/* Each pushes its vector; on the stack then: vector, error code, EIP, CS, EFLAGS. */
	.globl	stubs32
	.balign	16
stubs32:
	.set	vec, 0
	.rept	32
	.balign	16
	.if	!(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17)
	pushl	$0
	.endif
	pushl	$vec
	jmp	common32
	.set	vec, vec + 1
	.endr
common32:
	pusha
	push	%esp
	call	tasks_trap
	add	$4, %esp
	popa
	add	$8, %esp
	iretl

/*
 * A task: notes what it sees in task_seen, then goes back the way task_back says (0:
 * IRET, else far jump to that TSS), and does it again when it is entered again. With
 * an error code on its stack it takes that first.
 */
	.globl	task_body
task_body:
1:	mov	%eax, task_seen
	mov	%ebx, task_seen + 4
	mov	%esp, task_seen + 8
	pushf
	popl	task_seen + 12
	mov	%cr0, %eax
	mov	%eax, task_seen + 16
	str	%eax
	movzwl	%ax, %eax
	mov	%eax, task_seen + 20
	mov	(%esp), %eax
	mov	%eax, task_seen + 24
	clts
	cmpl	$0, task_takes
	je	2f
	add	$4, %esp
2:	mov	task_resume, %eax
	test	%eax, %eax
	je	4f
	mov	task_resume_at, %ecx
	mov	%ecx, (%eax)
4:	mov	$0x5555aaaa, %ebx
	cmpl	$0, task_back
	je	3f
	ljmp	*task_back_pointer
	jmp	1b
3:	iretl
	jmp	1b

/* The task of an exception in a new task: notes error code and culprit, back to the first. */
	.globl	fault_body
fault_body:
	popl	caught_error
	mov	fault_tss, %eax
	movzwl	%ax, %eax
	mov	%eax, caught_task
	mov	fault_vector, %eax
	mov	%eax, caught
	ljmp	*task_back_pointer

	.bss
	.balign	16
	.skip	8192
	.globl	stack32_top
stack32_top:
	.section .note.GNU-stack, "", @progbits

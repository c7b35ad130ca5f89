/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int vmx_enter_guest(struct hw_vcpu *h (rdi), bool launched (rsi))
 *
 * Loads the guest's general registers (RSP is the VMCS's), enters, and saves them
 * after the exit. gpr[] is the first member of struct hw_vcpu, in the processor's
 * numbering: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. Returns 0 after an exit, 1
 * when VMLAUNCH/VMRESUME failed.
 */
#define VMCS_HOST_RSP 0x6c14

	.text
	.globl vmx_enter_guest
vmx_enter_guest:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	movl	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	testb	%sil, %sil
	movq	0*8(%rdi), %rax
	movq	1*8(%rdi), %rcx
	movq	2*8(%rdi), %rdx
	movq	3*8(%rdi), %rbx
	movq	5*8(%rdi), %rbp
	movq	6*8(%rdi), %rsi
	movq	8*8(%rdi), %r8
	movq	9*8(%rdi), %r9
	movq	10*8(%rdi), %r10
	movq	11*8(%rdi), %r11
	movq	12*8(%rdi), %r12
	movq	13*8(%rdi), %r13
	movq	14*8(%rdi), %r14
	movq	15*8(%rdi), %r15
	movq	7*8(%rdi), %rdi
	jz	1f
	vmresume
	jmp	2f
1:	vmlaunch
2:	movl	$1, %eax		/* refused: nothing of the guest ran */
	popq	%rdi
	jmp	3f

	/* HOST_RIP. HOST_RSP points at the saved hw_vcpu pointer. */
	.globl vmx_exit_landing
vmx_exit_landing:
	xchgq	%rdi, (%rsp)		/* guest's RDI out, hw_vcpu in */
	movq	%rax, 0*8(%rdi)
	movq	%rcx, 1*8(%rdi)
	movq	%rdx, 2*8(%rdi)
	movq	%rbx, 3*8(%rdi)
	movq	%rbp, 5*8(%rdi)
	movq	%rsi, 6*8(%rdi)
	movq	%r8, 8*8(%rdi)
	movq	%r9, 9*8(%rdi)
	movq	%r10, 10*8(%rdi)
	movq	%r11, 11*8(%rdi)
	movq	%r12, 12*8(%rdi)
	movq	%r13, 13*8(%rdi)
	movq	%r14, 14*8(%rdi)
	movq	%r15, 15*8(%rdi)
	popq	%rax
	movq	%rax, 7*8(%rdi)
	xorl	%eax, %eax
3:	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	cld
	ret

/*
 * void vmx_finish_nmi(void): an NMI exit blocks further NMIs until an IRET
 * (SDM vol. 3, "Handling Multiple NMIs"): run one to the next instruction.
 */
	.globl vmx_finish_nmi
vmx_finish_nmi:
	movq	%ss, %rax
	movq	%rsp, %rdx
	pushq	%rax
	pushq	%rdx
	pushfq
	movq	%cs, %rax
	pushq	%rax
	leaq	1f(%rip), %rax
	pushq	%rax
	iretq
1:	ret
	.section .note.GNU-stack, "", @progbits

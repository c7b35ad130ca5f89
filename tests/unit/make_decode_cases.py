#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make decode_cases.h: instructions with the bytes that GNU as gives them.

Each line below is: mode | assembler text (AT&T) | what the decoder must find.
Expectation words: op, size, then any of reg=N/SIZE, high, imm=N, to_reg, sext,
rep, lock, seg=N, asz=N; or the word "notsup".
Run: tests/unit/make_decode_cases.py > tests/unit/decode_cases.h
"""
import os
import subprocess
import tempfile

CASES = """
64 | movb %cl, (%rdi)                 | MOV 1 reg=1/1
64 | movb %ah, (%rdi)                 | MOV 1 reg=0/1 high
64 | movb %bh, 4(%rdi)                | MOV 1 reg=3/1 high
64 | movb %sil, (%rdi)                | MOV 1 reg=6/1
64 | movb %r13b, (%rdi)               | MOV 1 reg=13/1
64 | movw %dx, 0x10(%rdi)             | MOV 2 reg=2/2
64 | movl %eax, (%rdi)                | MOV 4 reg=0/4
64 | movq %rax, (%rdi)                | MOV 8 reg=0/8
64 | movl %r9d, 0x12345678(%r10)      | MOV 4 reg=9/4
64 | movq %r15, (%r12)                | MOV 8 reg=15/8
64 | movq %r15, (%r13)                | MOV 8 reg=15/8
64 | movl (%rdi), %eax                | MOV 4 reg=0/4 to_reg
64 | movl (%rax,%rcx,4), %ebx         | MOV 4 reg=3/4 to_reg
64 | movl 0x80(%rax,%rcx,8), %ebx     | MOV 4 reg=3/4 to_reg
64 | movl 0x1000(%rbp,%r9,2), %r8d    | MOV 4 reg=8/4 to_reg
64 | movl (%rbp,%r9,2), %r8d          | MOV 4 reg=8/4 to_reg
64 | movl 0xfee00020, %eax            | MOV 4 reg=0/4 to_reg
64 | movl 0x1234(%rip), %edx          | MOV 4 reg=2/4 to_reg
64 | movl (,%rcx,8), %edx             | MOV 4 reg=2/4 to_reg
64 | movl (%rsp), %edx                | MOV 4 reg=2/4 to_reg
64 | movl 8(%rsp), %edx               | MOV 4 reg=2/4 to_reg
64 | movl (%r12,%r13,1), %edx         | MOV 4 reg=2/4 to_reg
64 | movl (%ecx), %edx                | MOV 4 reg=2/4 to_reg asz=4
64 | movl %fs:(%rcx), %edx            | MOV 4 reg=2/4 to_reg seg=4
64 | movl %gs:0x10, %edx              | MOV 4 reg=2/4 to_reg seg=5
64 | movb (%rdi), %al                 | MOV 1 reg=0/1 to_reg
64 | movb (%rdi), %dh                 | MOV 1 reg=2/1 to_reg high
64 | movabsb 0x1122334455667788, %al  | MOV 1 reg=0/1 to_reg
64 | movabsl 0x1122334455667788, %eax | MOV 4 reg=0/4 to_reg
64 | movabsq %rax, 0x1122334455667788 | MOV 8 reg=0/8
64 | addr32 movl 0x11223344, %eax     | MOV 4 reg=0/4 to_reg asz=4
64 | movb $0x7f, (%rdi)               | MOV 1 imm=0x7f
64 | movb $0x80, (%rdi)               | MOV 1 imm=-128
64 | movw $0x1234, 4(%rdi)            | MOV 2 imm=0x1234
64 | movl $0x12345678, 4(%rdi)        | MOV 4 imm=0x12345678
64 | movl $0, 0x380(%rip)             | MOV 4 imm=0
64 | movq $-2, (%rdi)                 | MOV 8 imm=-2
64 | movq $0x7fffffff, (%r9,%r8,4)    | MOV 8 imm=0x7fffffff
64 | movzbl (%rdi), %eax              | MOV 1 reg=0/4 to_reg
64 | movzbl (%rdi), %esp              | MOV 1 reg=4/4 to_reg
64 | movzbl (%rdi), %r12d             | MOV 1 reg=12/4 to_reg
64 | movzbw (%rdi), %ax               | MOV 1 reg=0/2 to_reg
64 | movzwl (%rdi), %eax              | MOV 2 reg=0/4 to_reg
64 | movzwq (%rdi), %rax              | MOV 2 reg=0/8 to_reg
64 | movsbl (%rdi), %eax              | MOV 1 reg=0/4 to_reg sext
64 | movsbq (%rdi), %rsi              | MOV 1 reg=6/8 to_reg sext
64 | movswl (%rdi), %ecx              | MOV 2 reg=1/4 to_reg sext
64 | movslq (%rdi), %rcx              | MOV 4 reg=1/8 to_reg sext
64 | movnti %ecx, (%rdi)              | MOV 4 reg=1/4
64 | movnti %rcx, (%rdi)              | MOV 8 reg=1/8
64 | stosb                            | STOS 1 reg=0/1
64 | stosl                            | STOS 4 reg=0/4
64 | rep stosl                        | STOS 4 reg=0/4 rep
64 | rep stosq                        | STOS 8 reg=0/8 rep
64 | lodsw                            | LODS 2 reg=0/2 to_reg
64 | rep lodsl                        | LODS 4 reg=0/4 to_reg rep
64 | movsb                            | MOVS 1
64 | rep movsq                        | MOVS 8 rep
64 | rep movsl %fs:(%rsi), %es:(%rdi) | MOVS 4 rep seg=4
64 | rep movsb (%esi), (%edi)         | MOVS 1 rep asz=4
64 | addl %ecx, (%rdi)                | ADD 4 reg=1/4
64 | addb (%rdi), %ch                 | ADD 1 reg=1/1 high to_reg
64 | orl $0x100, (%rdi)               | OR 4 imm=0x100
64 | orb $1, (%rdi)                   | OR 1 imm=1
64 | adcq $-1, (%rdi)                 | ADC 8 imm=-1
64 | sbbl (%rdi), %r8d                | SBB 4 reg=8/4 to_reg
64 | andl $-2, 8(%rdi)                | AND 4 imm=-2
64 | andl $0xfffeffff, 8(%rdi)        | AND 4 imm=-65537
64 | lock andl $-2, 8(%rdi)           | AND 4 imm=-2 lock
64 | subw $0x1234, (%rdi)             | SUB 2 imm=0x1234
64 | xorq %rdx, (%rdi)                | XOR 8 reg=2/8
64 | cmpl $5, (%rdi)                  | CMP 4 imm=5
64 | cmpb %bl, (%rdi)                 | CMP 1 reg=3/1
64 | cmpl (%rdi), %ebx                | CMP 4 reg=3/4 to_reg
64 | testl %ecx, (%rdi)               | TEST 4 reg=1/4
64 | testb $0x40, 5(%rdi)             | TEST 1 imm=0x40
64 | testl $0x80000000, (%rdi)        | TEST 4 imm=-2147483648
64 | notl (%rdi)                      | NOT 4
64 | negb (%rdi)                      | NEG 1
64 | incl (%rdi)                      | INC 4
64 | lock decq (%rdi)                 | DEC 8 lock
64 | xchgl %eax, (%rdi)               | XCHG 4 reg=0/4
64 | xchgb %dh, (%rdi)                | XCHG 1 reg=2/1 high
64 | lock xaddl %ecx, (%rdi)          | XADD 4 reg=1/4 lock
64 | lock cmpxchgl %ecx, (%rdi)       | CMPXCHG 4 reg=1/4 lock
64 | btl %ecx, (%rdi)                 | BT 4 reg=1/4
64 | lock btsl $3, (%rdi)             | BTS 4 imm=3 lock
64 | btrw %cx, (%rdi)                 | BTR 2 reg=1/2
64 | btcq $63, (%rdi)                 | BTC 8 imm=63
64 | movl %eax, %ecx                  | notsup
64 | pushq (%rdi)                     | PUSH 8
64 | pushw (%rdi)                     | PUSH 2
64 | popq 8(%r9)                      | POP 8
64 | movbe (%rdi), %ecx               | MOVBE 4 reg=1/4 to_reg
64 | movbe %r9, (%rdi)                | MOVBE 8 reg=9/8
64 | movbe %ax, (%rdi)                | MOVBE 2 reg=0/2
64 | crc32l (%rdi), %ecx              | notsup
64 | setne (%rdi)                     | SET 1 detail=5
64 | setg 4(%rdi)                     | SET 1 detail=15
64 | cmovsl (%rdi), %ecx              | CMOV 4 reg=1/4 to_reg detail=8
64 | cmovbeq (%rdi), %r10             | CMOV 8 reg=10/8 to_reg detail=6
64 | imull (%rdi), %ecx               | IMUL 4 reg=1/4 to_reg
64 | imulq $1000, (%rdi), %rcx        | IMUL 8 reg=1/8 to_reg imm=1000
64 | imull $-3, (%rdi), %ecx          | IMUL 4 reg=1/4 to_reg imm=-3
64 | roll $4, (%rdi)                  | SHIFT 4 imm=4 detail=0
64 | rorb (%rdi)                      | SHIFT 1 imm=1 detail=1
64 | shrq %cl, (%rdi)                 | SHIFT 8 detail=5
64 | sarw $15, (%rdi)                 | SHIFT 2 imm=15 detail=7
64 | rcll $1, (%rdi)                  | notsup
64 | cmpsb                            | CMPS 1
64 | repe cmpsl                       | CMPS 4 rep
64 | repne scasb                      | SCAS 1 reg=0/1 rep repne
64 | repe scasq                       | SCAS 8 reg=0/8 rep
64 | movl 0x1234(%r13,%r12,8), %ecx   | MOV 4 reg=1/4 to_reg
64 | movl (%r13d,%r9d), %ecx          | MOV 4 reg=1/4 to_reg asz=4
64 | movl %ss:(%rdi), %ecx            | MOV 4 reg=1/4 to_reg
64 | movw $0x1234, 0x11223344(%r12,%r13,8) | MOV 2 imm=0x1234
64 | lock cmpxchg16b (%rdi)           | notsup
64 | movss (%rdi), %xmm1              | notsup
64 | movntdqa (%rdi), %xmm1           | notsup
64 | vmovaps %zmm1, (%rdi)            | notsup
64 | fldl (%rdi)                      | notsup
64 | fxsave (%rdi)                    | notsup
64 | jmp *(%rdi)                      | notsup
64 | lgdt (%rdi)                      | notsup
64 | call *(%rdi)                     | notsup
64 | movaps (%rdi), %xmm0             | notsup
64 | movdqu %xmm0, (%rdi)             | notsup
64 | vmovdqu (%rdi), %ymm0            | notsup
64 | mull (%rdi)                      | notsup
64 | shll $1, (%rdi)                  | SHIFT 4 imm=1 detail=4
64 | cmpxchg8b (%rdi)                 | notsup
64 | nop                              | notsup
64 | addl $1, %eax                    | notsup
32 | movl %eax, (%edi)                | MOV 4 reg=0/4 asz=4
32 | movw %ax, 4(%ebp)                | MOV 2 reg=0/2 asz=4
32 | movb %dh, (%esp)                 | MOV 1 reg=2/1 high asz=4
32 | movl 0xfee00020, %ecx            | MOV 4 reg=1/4 to_reg asz=4
32 | movl 0xfee00020, %eax            | MOV 4 reg=0/4 to_reg asz=4
32 | movl %es:(%ecx), %edx            | MOV 4 reg=2/4 to_reg seg=0 asz=4
32 | movl 6(%bp), %edx                | MOV 4 reg=2/4 to_reg asz=2
32 | pushl (%ecx)                     | notsup
32 | sarl %cl, 8(%esi)                | SHIFT 4 detail=7 asz=4
32 | sete (%eax,%ebx,2)               | SET 1 detail=4 asz=4
32 | rep movsl                        | MOVS 4 rep asz=4
32 | arpl %ax, (%ecx)                 | notsup
32 | orl $1, 0xf0(%ebx,%ecx,4)        | OR 4 imm=1 asz=4
16 | movw %ax, (%di)                  | MOV 2 reg=0/2 asz=2
16 | movw %ax, (%bx,%si)              | MOV 2 reg=0/2 asz=2
16 | movw 0x1234, %bx                 | MOV 2 reg=3/2 to_reg asz=2
16 | movl 0x1234, %ebx                | MOV 4 reg=3/4 to_reg asz=2
16 | movl 0x10(%bp), %ebx             | MOV 4 reg=3/4 to_reg asz=2
16 | movl 0x1000(%bp,%di), %ebx       | MOV 4 reg=3/4 to_reg asz=2
16 | movl (%eax), %ebx                | MOV 4 reg=3/4 to_reg asz=4
16 | movl $0x11223344, (%esi)         | MOV 4 imm=0x11223344 asz=4
16 | movb %cs:(%bx), %al              | MOV 1 reg=0/1 to_reg seg=1 asz=2
16 | rep stosw                        | STOS 2 reg=0/2 rep asz=2
16 | rep stosl (%edi)                 | STOS 4 reg=0/4 rep asz=4
"""


def assemble(mode, text):
    with tempfile.TemporaryDirectory() as tmp:
        obj, raw = os.path.join(tmp, "a.o"), os.path.join(tmp, "a.bin")
        subprocess.run(["as", "--64", "-o", obj], check=True, text=True,
                       input=f".code{mode}\n{text}\n")
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", obj, raw], check=True)
        with open(raw, "rb") as f:
            return f.read()


def fields(words):
    if words == ["notsup"]:
        return ".err = -E_NOTSUP"
    out = {"seg": "3", "addr_size": "8", "op": "MMIO_" + words[0], "size": words[1]}
    for w in words[2:]:
        key, _, value = w.partition("=")
        if key == "reg":
            out["reg"], out["reg_size"] = value.split("/")
            out["has_reg"] = "1"
        elif key == "imm":
            out["imm"], out["has_imm"] = f"(uint64_t){value}ll", "1"
        else:
            name = {"high": "reg_high", "sext": "sign_extend", "asz": "addr_size"}.get(key, key)
            out[name] = value or "1"
    return ".want = {" + ", ".join(f".{k} = {v}" for k, v in out.items()) + "}"


print("/* SPDX-License-Identifier: BSD-2-Clause */")
print("/* Made by tests/unit/make_decode_cases.py with GNU as: do not edit. */")
print("/* clang-format off */")
for line in CASES.strip().splitlines():
    mode, text, want = (part.strip() for part in line.split("|"))
    code = assemble(mode, text)
    data = "".join(f"\\x{b:02x}" for b in code)
    print(f'{{{mode}, "{text}", "{data}", {len(code)}, {fields(want.split())}}},')

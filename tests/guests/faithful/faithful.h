/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest that examines its processor: does it do what the SDM says for the CPUID
 * that it shows? One function a subject; each check prints a line PASS or FAIL.
 */
#ifndef TESTS_GUESTS_FAITHFUL_H
#define TESTS_GUESTS_FAITHFUL_H

#include <stdbool.h>
#include <stdint.h>

#define NONE	(-1) /* no exception */
#define DB	1
#define UD	6
#define GP	13
#define PF	14
#define AC	17
#define SCRATCH 0x3ff /* COM1's scratch register: holds a byte */
#define PAGE	4096ul
#define BIT(n)	(1ul << (n))

/* The first: subjects. */
void test_cpuid(void);
void test_msrs(void);
void test_control_registers(void);
void test_instructions(void);
void test_debug(void);
void test_lapic(void);
void test_ioapic(void);
void test_string_io(void);
void test_mmio(void);
void test_modes(void);

/* Print a line: what holds, or does not and then both values. */
void check(const char *what, bool good);
void check_equal(const char *what, uint64_t is, uint64_t should);
void print(const char *s);
void print_hex(uint64_t v);

/* ---- exceptions ---- */

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* What the latest exception or interrupt was. */
struct caught {
	int vector;
	uint64_t error, rip, rflags, cr2, dr6, rcx, rsi, rdi;
	unsigned count; /* since it was last set to 0 */
};
extern volatile struct caught caught;
extern volatile uint64_t resume; /* where an exception goes on; 0: it is the end */
/* An interrupt (vectors from 32) or, when `resume` is 0, #DB: called in the handler. */
extern void (*volatile on_trap)(struct frame *f);

/*
 * Run instructions that may fault: the vector, or NONE. caught.error says more. All
 * registers are what they were at the fault; rax is lost.
 */
#define TRY(code, ...)                                                                             \
	({                                                                                         \
		caught.vector = NONE;                                                              \
		__asm__ volatile("movq $9f, resume\n\t" code "\n9:\tmovq $0, resume" __VA_ARGS__); \
		caught.vector;                                                                     \
	})

int try_rdmsr(uint32_t msr, uint64_t *value);
int try_wrmsr(uint32_t msr, uint64_t value);
uint64_t rdmsr(uint32_t msr);
int try_cr0(uint64_t v);
int try_cr3(uint64_t v);
int try_cr4(uint64_t v);

struct cpuid {
	uint32_t a, b, c, d;
};
struct cpuid cpuid(uint32_t leaf, uint32_t subleaf);

/* Page at a linear address of ours: maps va, 4 KiB, to pa; 0 unmaps. */
#define WINDOW 0x8000000000ul /* 512 GiB: nothing else is there */
void map(uint64_t va, uint64_t entry);

static inline uint64_t read_cr0(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_cr3(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_cr4(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* 64-bit scaling with a 128-bit intermediate, for clocks: no library call, no overflow. */
#ifndef KERNEL_LIB_MULDIV_H
#define KERNEL_LIB_MULDIV_H

#include "kernel/lib/base.h"

/* a * b / c, rounded down; UINT64_MAX when it does not fit. c is not 0. */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t lo, hi, quotient;

	asm("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "r"(b) : "cc");
	if (hi >= c)
		return UINT64_MAX;
	asm("divq %3" : "=a"(quotient), "+d"(hi) : "a"(lo), "r"(c) : "cc");
	return quotient;
}

/* (a * b) >> shift, low 64 bits; shift 1..63. */
static inline uint64_t mul_shift(uint64_t a, uint64_t b, unsigned shift)
{
	uint64_t lo, hi;

	asm("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "r"(b) : "cc");
	return lo >> shift | hi << (64 - shift);
}

#endif

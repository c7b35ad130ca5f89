/* SPDX-License-Identifier: BSD-2-Clause */
/* Device registers in memory. Unit tests put a fake device behind these calls. */
#ifndef KERNEL_DRIVERS_MMIO_H
#define KERNEL_DRIVERS_MMIO_H

#include "kernel/lib/base.h"

#ifdef UNIT_TEST
uint32_t mmio_read32(volatile void *base, unsigned reg);
void mmio_write32(volatile void *base, unsigned reg, uint32_t value);
uint8_t mmio_read8(volatile void *base, unsigned reg);
void mmio_write8(volatile void *base, unsigned reg, uint8_t value);
uint16_t mmio_read16(volatile void *base, unsigned reg);
void mmio_write16(volatile void *base, unsigned reg, uint16_t value);
#else
static inline uint32_t mmio_read32(volatile void *base, unsigned reg)
{
	return *(volatile uint32_t *)((volatile uint8_t *)base + reg);
}

/* What was written to memory before is visible to the device (x86 store order). */
static inline void mmio_write32(volatile void *base, unsigned reg, uint32_t value)
{
	asm volatile("" ::: "memory");
	*(volatile uint32_t *)((volatile uint8_t *)base + reg) = value;
}

static inline uint8_t mmio_read8(volatile void *base, unsigned reg)
{
	return *((volatile uint8_t *)base + reg);
}

static inline void mmio_write8(volatile void *base, unsigned reg, uint8_t value)
{
	asm volatile("" ::: "memory");
	*((volatile uint8_t *)base + reg) = value;
}

static inline uint16_t mmio_read16(volatile void *base, unsigned reg)
{
	return *(volatile uint16_t *)((volatile uint8_t *)base + reg);
}

static inline void mmio_write16(volatile void *base, unsigned reg, uint16_t value)
{
	asm volatile("" ::: "memory");
	*(volatile uint16_t *)((volatile uint8_t *)base + reg) = value;
}
#endif

/*
 * Task context, blocks until (register & mask) == want. 0, -E_TIMEDOUT after limit_ns,
 * -E_NOENT when all bits read as ones: nothing answers there any more.
 */
int must_check mmio_wait32(volatile void *base, unsigned reg, uint32_t mask, uint32_t want,
			   uint64_t limit_ns);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the rude guest: ports, words, and the mode that needs a driver. */
#ifndef TESTS_GUESTS_RUDE_H
#define TESTS_GUESTS_RUDE_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

void print(const char *s);
void print_number(const char *before, uint64_t v);

/* tests/guests/rude_disk.c: does not return. */
void disk_flood(void);

#endif

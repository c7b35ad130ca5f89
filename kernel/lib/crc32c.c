/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C by the crc32 instruction where the CPU has SSE4.2 (it works on general
 * registers, so the guest's SSE state is left alone), else by table.
 */
#include "kernel/lib/crc32c.h"

#define CRC32C_POLY_REFLECTED 0x82f63b78u /* RFC 3720: 0x11edc6f41 */
#define CPUID_1_ECX_SSE42     BIT(20)

static uint32_t table[256];

static void table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? CRC32C_POLY_REFLECTED : 0);
		table[i] = v;
	}
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (!table[1])
		table_fill();
	crc = ~crc;
	for (; len; len--, p++)
		crc = crc >> 8 ^ table[(uint8_t)(crc ^ *p)];
	return ~crc;
}

uint32_t crc32c_by_cpu(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = (uint32_t)~crc;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		__builtin_memcpy(&word, p, 8);
		asm("crc32q %1, %0" : "+r"(c) : "rm"(word));
	}
	for (; len; len--, p++)
		asm("crc32b %1, %k0" : "+r"(c) : "rm"(*p));
	return ~(uint32_t)c;
}

bool crc32c_cpu_can(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & CPUID_1_ECX_SSE42;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	static uint32_t (*best)(uint32_t, const void *, size_t);

	if (!best)
		best = crc32c_cpu_can() ? crc32c_by_cpu : crc32c_by_table;
	return best(crc, data, len);
}

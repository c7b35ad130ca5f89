/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bochs 2.7's XSAVEC stores the upper halves of YMM 160 bytes too low, across the
 * area's header: a guest that believes its CPUID loses vector registers whenever it
 * switches tasks. Asked of the processor itself, so that a mended emulator is believed.
 */
#include "arch/x86/errata.h"
#include "arch/x86/io.h"
#include "kernel/lib/base.h"
#include "kernel/lib/string.h"

#define CPUID1_ECX_XSAVE BIT(26)
#define CPUID1_ECX_AVX	 BIT(28)
#define CPUIDD_XSAVEC	 BIT(1)
#define XCR0_AVX	 7ull /* x87, SSE, AVX */
#define AREA_SSE	 160  /* SDM vol. 1, "Legacy Region of an XSAVE Area" */
#define AREA_EXTENDED	 576  /* SDM vol. 1, "Extended Region of an XSAVE Area" */
#define AREA_SIZE	 (AREA_EXTENDED + 256)

bool cpu_xsavec_is_sound(void)
{
	static uint8_t area[AREA_SIZE] __attribute__((aligned(64)));
	static const uint8_t pattern[32] = "low half of YMM0high half of it";
	const uint32_t avx = CPUID1_ECX_XSAVE | CPUID1_ECX_AVX;
	uint64_t before;

	if ((cpuid(1, 0).ecx & avx) != avx || !(cpuid(0xd, 1).eax & CPUIDD_XSAVEC))
		return true;
	before = xcr0_read();
	xcr0_write(XCR0_AVX);
	memset(area, 0, sizeof(area));
	asm volatile("vmovups %1, %%ymm0\n\txsavec64 %0\n\tvzeroall"
		     : "+m"(area)
		     : "m"(pattern), "a"((uint32_t)XCR0_AVX), "d"(0));
	xcr0_write(before);
	return !memcmp(area + AREA_SSE, pattern, 16) &&
	       !memcmp(area + AREA_EXTENDED, pattern + 16, 16);
}

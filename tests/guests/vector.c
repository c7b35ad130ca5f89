/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The third worker: vector registers keep their content while others run and while
 * the guest moves. Widest first: what the kernel saves decides (XCR0).
 */
#include "tests/guests/work.h"

#define HOLD_NS	  25000000
#define MAX_BYTES (32 * 64)
#define XCR0_AVX  0x06u /* SSE and the upper halves of YMM */
#define XCR0_ZMM  0xe6u /* and opmask, upper halves of ZMM, ZMM16 to 31 */
#define OSXSAVE	  (1u << 27)

void vector_hold_16(const void *pattern, void *found, const struct timespec *ts);
void vector_hold_32(const void *pattern, void *found, const struct timespec *ts);
void vector_hold_64(const void *pattern, void *found, const struct timespec *ts);

static uint32_t xcr0_read(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (!(ecx & OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return eax;
}

/* One of several processes, told apart by number. Does not return. */
void work_vector(struct work *w, uint64_t number)
{
	static uint64_t pattern[MAX_BYTES / 8], found[MAX_BYTES / 8];
	static const struct timespec ts = {0, HOLD_NS};
	uint32_t xcr0 = xcr0_read();
	unsigned width = (xcr0 & XCR0_ZMM) == XCR0_ZMM	 ? 64
			 : (xcr0 & XCR0_AVX) == XCR0_AVX ? 32
							 : 16;
	unsigned words = (width == 64 ? 32 : 16) * width / 8;

	say("work: registers of %d bytes held by %lu\n", (int)width, number);
	for (uint64_t gen = 1;; gen++) {
		for (unsigned i = 0; i < words; i++)
			pattern[i] = work_word(number, gen, i);
		if (width == 64)
			vector_hold_64(pattern, found, &ts);
		else if (width == 32)
			vector_hold_32(pattern, found, &ts);
		else
			vector_hold_16(pattern, found, &ts);
		for (unsigned i = 0; i < words; i++) {
			if (found[i] == pattern[i])
				continue;
			w->corrupt++;
			say("work: CORRUPT vector register %d word %d: expected %lx found %lx\n",
			    (int)(i / (width / 8)), (int)(i % (width / 8)), pattern[i], found[i]);
			break;
		}
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sources and their tests. What is made of the words is entropy.c's: they are
 * stirred in beside the loader's seed, so that a bad source takes nothing away.
 * Limits: SP 800-90B, 4.4, for one false alarm in 2^20 windows or runs.
 */
#include "kernel/entropy_source.h"

#include "arch/x86/io.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define CPUID_1_ECX_RDRAND BIT(30)
#define CPUID_7_EBX_RDSEED BIT(18)
#define TRIES		   100 /* RDSEED may wait for its conditioner: SDM vol. 1, 7.3.17 */

/* 64 bits of full entropy each: 1 + 20/64 rounded up, and the table's row for a byte. */
#define FULL_REPEATS	2
#define FULL_PROPORTION 13
/* Half a bit each is claimed for jitter. */
#define JITTER_REPEATS	  41
#define JITTER_PROPORTION 410
#define JITTER_PER_WORD	  128

bool entropy_health_pass(struct entropy_health *h, uint64_t sample)
{
	bool first_ever = !h->repeats;

	if (!first_ever && sample == h->last)
		h->repeats++;
	else
		h->repeats = 1;
	h->last = sample;
	if (h->seen == 0) {
		h->first = (uint8_t)sample;
		h->equal = 0;
	}
	h->equal += (uint8_t)sample == h->first;
	h->seen = (h->seen + 1) % ENTROPY_WINDOW;
	return h->repeats < h->repeats_max && h->equal < h->proportion_max;
}

/* All zero and all one are what broken generators were seen to return for good. */
static bool is_plausible(uint64_t v)
{
	return v && ~v;
}

static bool sample_rdseed(uint64_t *v)
{
	bool ok;

	if (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ebx & CPUID_7_EBX_RDSEED))
		return false;
	for (unsigned i = 0; i < TRIES; i++) {
		asm volatile("rdseed %0" : "=r"(*v), "=@ccc"(ok));
		if (ok)
			return is_plausible(*v);
		cpu_pause();
	}
	return false;
}

static bool sample_rdrand(uint64_t *v)
{
	bool ok;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND))
		return false;
	for (unsigned i = 0; i < TRIES; i++) {
		asm volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
		if (ok)
			return is_plausible(*v);
	}
	return false;
}

/* How long a walk through some cache lines takes, in TSC ticks. */
static bool sample_jitter(uint64_t *v)
{
	static volatile uint8_t memory[4096];
	uint64_t before = rdtsc();

	for (unsigned i = 0, at = (unsigned)before; i < 32; i++) {
		at = at * 1103515245u + 12345u;
		memory[at >> 16 & 4095]++;
	}
	*v = rdtsc() - before;
	return true;
}

static const struct entropy_source sources[] = {
    {"RDSEED", sample_rdseed, 1, FULL_REPEATS, FULL_PROPORTION},
    {"RDRAND", sample_rdrand, 1, FULL_REPEATS, FULL_PROPORTION},
    {"time jitter", sample_jitter, JITTER_PER_WORD, JITTER_REPEATS, JITTER_PROPORTION},
};

static const struct entropy_source *list;
static unsigned list_count, current; /* current == list_count: none is left */
static struct entropy_health health;
static bool log_is_up;

static bool next_sample(uint64_t *v)
{
	return list[current].sample(v) && entropy_health_pass(&health, *v);
}

static bool passes_startup(void)
{
	const struct entropy_source *s = &list[current];
	uint64_t v;

	health = (struct entropy_health){.repeats_max = s->repeats_max,
					 .proportion_max = s->proportion_max};
	for (unsigned i = 0; i < ENTROPY_STARTUP; i++) {
		if (!next_sample(&v))
			return false;
	}
	return true;
}

/* From `current` on, the first that is fit. */
static void choose(void)
{
	while (current < list_count && !passes_startup())
		current++;
}

static void report(void)
{
	if (current == list_count)
		log_warn("entropy: no source on this CPU passes its tests: random numbers rest "
			 "on the firmware's seed and the time alone");
	else if (current == 0)
		log_info("entropy: from %s", list[0].name);
	else
		log_warn("entropy: %s is missing or failed its tests, random numbers come from %s",
			 list[current - 1].name, list[current].name);
}

void entropy_source_use(const struct entropy_source *new_list, unsigned count)
{
	list = new_list;
	list_count = count;
	current = 0;
	choose();
}

void entropy_source_start(void)
{
	entropy_source_use(sources, ARRAY_SIZE(sources));
}

void entropy_source_report(void)
{
	log_is_up = true;
	report();
}

bool entropy_source_word(uint64_t *v)
{
	uint64_t word = 0, sample;

	while (current < list_count) {
		unsigned i;

		for (i = 0; i < list[current].per_word && next_sample(&sample); i++)
			word = (word << 7 | word >> 57) ^ sample;
		if (i == list[current].per_word) {
			*v = word;
			return true;
		}
		current++; /* for good: what failed once is not trusted again */
		choose();
		if (log_is_up)
			report();
	}
	*v = 0;
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two workers of the test guest. Each writes items in rounds and checks
 * what it wrote before against what it must be: memory pages, and blocks of
 * /dev/vda past the page cache. Any difference is printed as "work: CORRUPT".
 */
#include "tests/guests/work.h"

#define NS_PER_S 1000000000ull
#define SLICE_NS 20000000ull

/* How many of rate items a second are due, elapsed_ns after the start? */
static uint64_t items_due(uint64_t rate, uint64_t elapsed_ns)
{
	return elapsed_ns / NS_PER_S * rate + elapsed_ns % NS_PER_S * rate / NS_PER_S;
}

static void page_fill(uint64_t *page, uint64_t n, uint64_t gen)
{
	for (uint64_t i = 0; i < WORK_WORDS; i++)
		page[i] = work_word(n, gen, i);
}

static bool page_check(struct work *w, const volatile uint64_t *page, uint64_t n, uint64_t gen)
{
	for (uint64_t i = 0; i < WORK_WORDS; i++) {
		uint64_t found = page[i], expected = work_word(n, gen, i);

		if (found == expected)
			continue;
		w->corrupt++;
		say("work: CORRUPT memory page %lu word %lu generation %lu: expected %lx found "
		    "%lx\n",
		    n, i, gen, expected, found);
		return false;
	}
	return true;
}

void work_memory(struct work *w)
{
	uint64_t count = w->mem_pages;
	uint8_t *base = pages_alloc(count * WORK_PAGE);
	uint64_t written, verify = 0, start;

	if (!base) {
		w->corrupt++;
		say("work: CORRUPT no memory for %lu pages\n", count);
		SYS1(NR_exit, 1);
	}
	for (uint64_t n = 0; n < count; n++)
		page_fill((uint64_t *)(base + n * WORK_PAGE), n, 1);
	written = count;
	say("work: memory %lu pages filled\n", count);
	start = clock_monotonic_ns();
	for (;;) {
		uint64_t due = count + items_due(w->mem_rate, clock_monotonic_ns() - start);
		uint64_t checks = count / 50 + 1; /* every page about once a second */

		/* After a pause there may be a lot due: at most one round at a time. */
		for (uint64_t n = 0; written < due && n < count; n++) {
			uint64_t item = written % count;

			page_fill((uint64_t *)(base + item * WORK_PAGE), item,
				  work_generation(item, count, written) + 1);
			written++;
		}
		while (checks--) {
			uint64_t gen = work_generation(verify, count, written);

			if (page_check(w, (uint64_t *)(base + verify * WORK_PAGE), verify, gen))
				w->mem_ok++;
			verify = (verify + 1) % count;
		}
		sleep_ns(SLICE_NS);
	}
}

static uint64_t block_sum(const uint64_t *words)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DISK_BLOCK / 8; i++)
		if (i != 3)
			sum = (sum << 7 | sum >> 57) ^ words[i];
	return sum;
}

/* A block: magic, number, generation, checksum of the other words, pattern. */
static bool block_write(struct work *w, int fd, uint64_t *buf, uint64_t n, uint64_t gen)
{
	long done;

	buf[0] = DISK_MAGIC;
	buf[1] = n;
	buf[2] = gen;
	for (uint64_t i = 4; i < DISK_BLOCK / 8; i++)
		buf[i] = work_word(n, gen, i);
	buf[3] = block_sum(buf);
	done = syscall6(NR_pwrite64, fd, (long)buf, DISK_BLOCK, (long)(n * DISK_BLOCK), 0, 0);
	if (done == DISK_BLOCK)
		return true;
	w->corrupt++;
	say("work: CORRUPT disk block %lu: write returned %ld\n", n, done);
	return false;
}

static bool block_check(struct work *w, int fd, uint64_t *buf, uint64_t n, uint64_t gen)
{
	long done = syscall6(NR_pread64, fd, (long)buf, DISK_BLOCK, (long)(n * DISK_BLOCK), 0, 0);

	if (done == DISK_BLOCK && buf[0] == DISK_MAGIC && buf[1] == n && buf[2] == gen &&
	    buf[3] == block_sum(buf))
		return true;
	w->corrupt++;
	say("work: CORRUPT disk block %lu: expected generation %lu, read returned %ld with magic "
	    "%lx block %lu generation %lu\n",
	    n, gen, done, buf[0], buf[1], buf[2]);
	return false;
}

void work_disk(struct work *w, const char *path)
{
	uint64_t count = w->disk_blocks, written = 0, verify = 0, start, size = 0;
	uint64_t *buf = pages_alloc(DISK_BLOCK);
	int fd = (int)SYS2(NR_open, path, O_RDWR | O_DIRECT);

	if (fd < 0 || !buf || SYS3(NR_ioctl, fd, BLKGETSIZE64, &size) < 0) {
		w->corrupt++;
		say("work: CORRUPT %s: cannot be opened (%d)\n", path, fd);
		SYS1(NR_exit, 1);
	}
	if (count > size / DISK_BLOCK)
		count = size / DISK_BLOCK;
	while (written < count)
		block_write(w, fd, buf, written++, 1);
	SYS1(NR_fdatasync, fd);
	say("work: disk %s %lu bytes, %lu blocks written\n", path, size, count);
	start = clock_monotonic_ns();
	for (;;) {
		uint64_t due = count + items_due(w->disk_rate, clock_monotonic_ns() - start);

		if (written < due) {
			uint64_t item = written % count;

			block_write(w, fd, buf, item, written / count + 1);
			if (++written % 16 == 0 && SYS1(NR_fdatasync, fd) == 0)
				w->disk_syncs++;
		} else {
			sleep_ns(SLICE_NS);
		}
		if (block_check(w, fd, buf, verify, work_generation(verify, count, written)))
			w->disk_ok++;
		/* Not the order of writing, so that fresh and old blocks are both read. */
		verify = (verify + 7) % count;
	}
}

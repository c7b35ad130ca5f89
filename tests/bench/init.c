/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /init of the boot measurement: the first thing that happens in user space is
 * RDTSC; then the numbers go out and nothing else happens. The console is open
 * already: the kernel finds /dev/console in the initramfs.
 */
#include "tests/guests/sys.h"

static uint64_t tsc_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static char line[256], cmdline[1024];
static size_t used;

static void put_text(const char *s)
{
	while (*s)
		line[used++] = *s++;
}

static void put_number(uint64_t v)
{
	char tmp[24];
	unsigned n = 0;

	do {
		tmp[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		line[used++] = tmp[--n];
}

/* The 16 digits that tests/bench/bare.c left; in a guest they are zeroes. */
static void put_entry(void)
{
	static const char word[] = "bench.entry=";
	long fd, n;

	SYS2(NR_mkdir, "/proc", 0755);
	syscall6(NR_mount, (long)"proc", (long)"/proc", (long)"proc", 0, 0, 0);
	fd = SYS2(NR_open, "/proc/cmdline", O_RDONLY);
	n = SYS3(NR_read, fd, cmdline, sizeof(cmdline) - 1);
	for (long i = 0; i + 28 <= n; i++) {
		long k = 0;

		while (k < 12 && cmdline[i + k] == word[k])
			k++;
		if (k < 12)
			continue;
		cmdline[i + 28] = '\0';
		put_text(cmdline + i + 12);
		return;
	}
	put_text("none");
}

__attribute__((used)) void init_main(void)
{
	uint64_t tsc = tsc_read(), ns = clock_monotonic_ns();

	put_text("\nbench: init at tsc ");
	put_number(tsc);
	put_text(" entry ");
	put_entry();
	put_text(" kernel time ");
	put_number(ns / 1000);
	put_text(" us\n");
	SYS3(NR_write, 1, line, used);
	for (;;)
		sleep_ns(1000000000);
}

/* The kernel enters with RSP 16-byte aligned; a function expects it off by 8. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall init_main\n\thlt\n");

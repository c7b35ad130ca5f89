/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few Linux system calls that the test guest's programs need, without a C
 * library: an initramfs of some kilobytes boots sooner and moves faster.
 * Numbers and structures: Linux x86-64 system call ABI.
 */
#ifndef TESTS_GUESTS_SYS_H
#define TESTS_GUESTS_SYS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define SYS0(n)		 syscall6(n, 0, 0, 0, 0, 0, 0)
#define SYS1(n, a)	 syscall6(n, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(n, a, b)	 syscall6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(n, a, b, c) syscall6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)

enum {
	NR_read = 0,
	NR_write = 1,
	NR_open = 2,
	NR_close = 3,
	NR_mmap = 9,
	NR_ioctl = 16,
	NR_pread64 = 17,
	NR_pwrite64 = 18,
	NR_dup2 = 33,
	NR_nanosleep = 35,
	NR_fork = 57,
	NR_execve = 59,
	NR_exit = 60,
	NR_wait4 = 61,
	NR_kill = 62,
	NR_fdatasync = 75,
	NR_mkdir = 83,
	NR_setsid = 112,
	NR_mount = 165,
	NR_reboot = 169,
	NR_clock_gettime = 228,
	NR_finit_module = 313,
};

#define O_RDONLY     0
#define O_RDWR	     2
#define O_NONBLOCK   04000
#define O_DIRECT     040000
#define EEXIST	     17
#define BLKGETSIZE64 0x80081272ul

struct timespec {
	int64_t sec, nsec;
};

static inline uint64_t clock_monotonic_ns(void)
{
	struct timespec ts = {0, 0};

	SYS2(NR_clock_gettime, 1, &ts);
	return (uint64_t)ts.sec * 1000000000ull + (uint64_t)ts.nsec;
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec ts = {(int64_t)(ns / 1000000000ull), (int64_t)(ns % 1000000000ull)};

	SYS2(NR_nanosleep, &ts, 0);
}

/* Shared memory that stays mapped across fork; NULL when there is none left. */
static inline void *pages_alloc(size_t bytes)
{
	/* PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_POPULATE */
	long p = syscall6(NR_mmap, 0, (long)bytes, 3, 0x8021, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

static inline size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* In guest.c: "%s %d %lu %x" to the console in one write. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vocabulary that every room shares: address kinds, error codes, small
 * macros. kernel/lib is below everything else and includes nothing but itself.
 */
#ifndef KERNEL_LIB_BASE_H
#define KERNEL_LIB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mixing address kinds is the classic hypervisor bug: name the kind always. */
typedef uint64_t gpa_t; /* guest-physical address, bytes */
typedef uint64_t hpa_t; /* host-physical address, bytes */
typedef uint64_t gfn_t; /* guest frame number: gpa >> PAGE_SHIFT */

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define KiB	   1024ul
#define MiB	   (1024ul * 1024)
#define GiB	   (1024ul * 1024 * 1024)
#define SIZE_2M	   (2 * MiB)
#define SIZE_1G	   GiB

#define NS_PER_US 1000ul
#define NS_PER_MS 1000000ul
#define NS_PER_S  1000000000ul

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))
/* n must be a power of two */
#define ALIGN_UP(x, n)	 (((x) + ((n)-1)) & ~((__typeof__(x))(n)-1))
#define ALIGN_DOWN(x, n) ((x) & ~((__typeof__(x))(n)-1))
#define BIT(n)		 (1ul << (n))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define must_check	  __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/*
 * Marks each function on the path of a migrated page, so that
 * `grep -rn PAGE_JOURNEY` prints the journey in order of its hop number.
 */
#define PAGE_JOURNEY(hop)

/* Functions return 0 or one of these negated: `return -E_NOMEM;` */
enum err {
	E_NOMEM = 1, /* out of memory */
	E_INVAL,     /* an argument or input is not acceptable */
	E_RANGE,     /* a number is outside its limits */
	E_NOENT,     /* no such thing */
	E_EXIST,     /* it is there already */
	E_BUSY,	     /* in use, try later */
	E_NOTSUP,    /* this machine or peer cannot do that */
	E_TIMEDOUT,  /* no answer in time */
	E_IO,	     /* the device reported an error */
	E_NOSPC,     /* no room */
	E_PROTO,     /* the peer broke the protocol */
	E_VERSION,   /* the peer speaks another version */
	E_CHECKSUM,  /* data arrived damaged */
	E_CLOSED,    /* the other side closed the channel */
	E_CANCELLED, /* the operator cancelled */
	E_FENCED,    /* the storage refuses us: another host owns the disk */
	E_MISMATCH,  /* source and target differ in something that must match */
	E_STATE,     /* not possible in the present state */
	E_AGAIN,     /* nothing now, ask again */
	E_MAX,
};

/* Words for an error code (0, or negative as returned); never NULL. */
const char *err_text(int err);

#endif

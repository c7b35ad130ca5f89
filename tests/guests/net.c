/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network worker of the test guest: gives eth0 an address and serves an endless
 * TCP stream on port 8000, to one client at a time. Each block says its number and
 * the sum of all before it, so that the client misses nothing and trusts nothing.
 */
#include "tests/guests/work.h"

#define NS_PER_S 1000000000ull

enum {
	NR_socket = 41,
	NR_accept = 43,
	NR_sendto = 44,
	NR_bind = 49,
	NR_listen = 50,
	NR_setsockopt = 54,
};

/* Linux socket ABI */
#define AF_INET	     2
#define SOCK_STREAM  1
#define SOCK_DGRAM   2
#define SOL_SOCKET   1
#define SO_REUSEADDR 2
#define MSG_NOSIGNAL 0x4000
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define SIOCSIFADDR  0x8916
#define IFF_UP	     1

struct sockaddr_in {
	uint16_t family, port; /* port and address big endian */
	uint8_t addr[4];
	uint8_t zero[8];
};

struct ifreq {
	char name[16];
	union {
		struct sockaddr_in addr;
		int16_t flags;
		uint8_t pad[24];
	};
};

static bool interface_up(const uint8_t ip[4])
{
	struct ifreq r = {.name = "eth0", .addr = {.family = AF_INET}};
	long fd = SYS3(NR_socket, AF_INET, SOCK_DGRAM, 0), err;

	for (unsigned i = 0; i < 4; i++)
		r.addr.addr[i] = ip[i];
	err = SYS3(NR_ioctl, fd, SIOCSIFADDR, &r);
	if (!err)
		err = SYS3(NR_ioctl, fd, SIOCGIFFLAGS, &r);
	r.flags |= IFF_UP;
	if (!err)
		err = SYS3(NR_ioctl, fd, SIOCSIFFLAGS, &r);
	SYS1(NR_close, fd);
	if (err)
		say("work: no network: eth0: error %ld\n", err);
	return !err;
}

static long listen_on(uint16_t port)
{
	struct sockaddr_in a = {.family = AF_INET, .port = (uint16_t)(port << 8 | port >> 8)};
	long fd = SYS3(NR_socket, AF_INET, SOCK_STREAM, 0), one = 1;

	syscall6(NR_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, (long)&one, 4, 0);
	if (SYS3(NR_bind, fd, &a, sizeof(a)) || SYS2(NR_listen, fd, 4))
		say("work: no network: cannot listen on port %d\n", port);
	return fd;
}

static bool send_all(long fd, const uint8_t *data, size_t len)
{
	while (len) {
		long n = syscall6(NR_sendto, fd, (long)data, (long)len, MSG_NOSIGNAL, 0, 0);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Words: number, sum of all words before this block, then the number's pattern. */
static void block_make(uint64_t *words, uint64_t number, uint64_t *sum)
{
	words[0] = number;
	words[1] = *sum;
	for (uint64_t i = 2; i < WORK_WORDS; i++)
		words[i] = work_word(number, 0, i);
	for (uint64_t i = 0; i < WORK_WORDS; i++)
		*sum += words[i];
}

/* rate blocks a second until the client goes. */
static void serve(struct work *w, long fd)
{
	static uint64_t block[WORK_WORDS];
	uint64_t sum = 0, number = 0, start = clock_monotonic_ns();

	for (;;) {
		uint64_t elapsed = clock_monotonic_ns() - start;

		if (number * NS_PER_S > elapsed * w->net_rate) {
			sleep_ns(10000000);
			continue;
		}
		block_make(block, number++, &sum);
		if (!send_all(fd, (uint8_t *)block, sizeof(block)))
			return;
		w->net_ok++;
	}
}

void work_net(struct work *w, const uint8_t ip[4])
{
	long server, client;

	if (!interface_up(ip))
		SYS1(NR_exit, 1);
	server = listen_on(8000);
	say("work: network %d.%d.%d.%d port 8000\n", ip[0], ip[1], ip[2], ip[3]);
	for (;;) {
		client = SYS3(NR_accept, server, 0, 0);
		if (client < 0)
			continue;
		serve(w, client);
		say("work: network client gone after %lu blocks\n", w->net_ok);
		SYS1(NR_close, client);
	}
}

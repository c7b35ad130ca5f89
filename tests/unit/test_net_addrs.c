/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses a guest's frames tell, and which frames tell nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/net/net_addrs.h"

#define MAC "\x52\x54\0\0\0\x0a"

static struct net_addrs addrs;

static int setup(void **state)
{
	memset(&addrs, 0, sizeof(addrs));
	return 0;
}

/* The frame in memory of exactly its length, so that ASan sees a read beyond. */
static void learn(const uint8_t *frame, size_t len)
{
	uint8_t *copy = malloc(len + !len);

	memcpy(copy, frame, len);
	net_addrs_learn(&addrs, (const uint8_t *)MAC, copy, len);
	free(copy);
}

static const uint8_t arp_form[] = "\xff\xff\xff\xff\xff\xff" MAC "\x08\x06"
				  "\0\x01\x08\0\x06\x04\0\x01" MAC "\x0a\0\0\x01"
				  "\0\0\0\0\0\0\x0a\0\0\xfe";
#define ARP_LEN 42

static void arp(const char *ip)
{
	uint8_t f[ARP_LEN];

	memcpy(f, arp_form, ARP_LEN);
	memcpy(f + 28, ip, 4);
	learn(f, ARP_LEN);
}

static void ip4(const char *ip)
{
	uint8_t f[34] = "\x52\x54\0\0\0\x0b" MAC "\x08\0\x45";

	memcpy(f + 26, ip, 4);
	learn(f, sizeof(f));
}

/* ICMPv6 of the type with the flags; NULL target: too short for one. */
static void ip6(const char *src, uint8_t hops, uint8_t type, uint8_t flags, const char *target)
{
	uint8_t f[78] = "\x33\x33\0\0\0\x01" MAC "\x86\xdd\x60\0\0\0\0\x18\x3a";

	f[21] = hops;
	memcpy(f + 22, src, 16);
	memcpy(f + 38, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	f[54] = type;
	f[58] = flags;
	if (target)
		memcpy(f + 62, target, 16);
	learn(f, target ? 78 : 62);
}

#define assert_ip4(i, text) assert_memory_equal(addrs.ip4[i], text, 4)
#define assert_ip6(i, text) assert_memory_equal(addrs.ip6[i], text, 16)
#define NONE		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LINK_LOCAL	    "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a"
#define GLOBAL(n)	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" n

static void test_has_no_holes(void **state)
{
	assert_int_equal(sizeof(struct net_addrs), 4 * 4 + 4 * 16 + 4);
}

static void test_arp(void **state)
{
	arp("\x0a\0\0\x01");
	assert_ip4(0, "\x0a\0\0\x01");
	assert_ip4(1, NONE);
	arp("\x0a\0\0\x01");
	assert_ip4(1, NONE);
}

static void test_addresses_that_are_nobodys(void **state)
{
	static const char *const ips[] = {"\0\0\0\0", "\x7f\0\0\x01", "\xe0\0\0\x01",
					  "\xff\xff\xff\xff"};

	for (unsigned i = 0; i < 4; i++) {
		arp(ips[i]);
		ip4(ips[i]);
	}
	assert_ip4(0, NONE);
	ip6(NONE, 255, 135, 0, GLOBAL("\x01")); /* duplicate address detection: not its own yet */
	ip6("\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 255, 136, 0, NONE);
	ip6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 255, 136, 0, NONE);
	assert_ip6(0, NONE);
}

/* Neither a frame of another MAC, nor an ARP in another's name, nor half a frame. */
static void test_what_says_nothing(void **state)
{
	static const uint8_t at[] = {11, 14, 15, 16, 17, 18, 19, 27};
	uint8_t f[ARP_LEN];

	for (unsigned i = 0; i < sizeof(at); i++) {
		memcpy(f, arp_form, ARP_LEN);
		f[at[i]] ^= 0x40;
		learn(f, ARP_LEN);
	}
	for (unsigned len = 0; len < ARP_LEN; len++)
		learn(arp_form, len);
	assert_ip4(0, NONE);
	learn(arp_form, ARP_LEN);
	assert_ip4(0, "\x0a\0\0\x01");
}

static void test_truncated(void **state)
{
	uint8_t f[78] = "\x33\x33\0\0\0\x01" MAC "\x86\xdd\x60\0\0\0\0\x18\x3a\xff" GLOBAL("\x01");
	uint8_t v4[34] = "\x52\x54\0\0\0\x0b" MAC "\x08\0\x45";

	for (unsigned len = 0; len < 54; len++)
		learn(f, len);
	assert_ip6(0, NONE);
	f[54] = 136;
	memcpy(f + 62, GLOBAL("\x02"), 16);
	for (unsigned len = 54; len < 78; len++)
		learn(f, len);
	assert_ip6(0, GLOBAL("\x01"));
	assert_ip6(1, NONE);
	learn(f, 78);
	assert_ip6(0, GLOBAL("\x02"));
	v4[26] = 10;
	for (unsigned len = 0; len < 34; len++)
		learn(v4, len);
	assert_ip4(0, NONE);
	v4[14] = 0x65; /* another version */
	learn(v4, 34);
	assert_ip4(0, NONE);
}

static void test_unused_for_longest_gives_way(void **state)
{
	arp("\x0a\0\0\x01");
	arp("\x0a\0\0\x02");
	arp("\x0a\0\0\x03");
	arp("\x0a\0\0\x04");
	arp("\x0a\0\0\x01"); /* used again */
	arp("\x0a\0\0\x05"); /* drives 2 out */
	assert_ip4(0, "\x0a\0\0\x05");
	assert_ip4(1, "\x0a\0\0\x01");
	assert_ip4(2, "\x0a\0\0\x04");
	assert_ip4(3, "\x0a\0\0\x03");
}

/* A guest that routes sends packets of others: they fill free places only. */
static void test_sources_drive_nobody_out(void **state)
{
	arp("\x0a\0\0\x01");
	for (unsigned i = 0; i < 9; i++)
		ip4((const char[]){0x0b, 0, 0, (char)i});
	arp("\x0a\0\0\x02");
	ip4("\x0b\0\0\x09");
	assert_ip4(0, "\x0a\0\0\x02");
	for (unsigned i = 0; i < 4; i++)
		assert_memory_not_equal(addrs.ip4[i], "\x0b\0\0\x09", 4);
	ip6(GLOBAL("\x01"), 64, 128, 0, NONE);
	ip6(GLOBAL("\x02"), 64, 136, 0, GLOBAL("\x09")); /* has come over a router */
	ip6(GLOBAL("\x03"), 64, 128, 0, NONE);
	ip6(GLOBAL("\x04"), 64, 128, 0, NONE);
	ip6(GLOBAL("\x05"), 64, 128, 0, NONE);
	assert_ip6(0, GLOBAL("\x04"));
	assert_ip6(3, GLOBAL("\x01"));
	ip6(LINK_LOCAL, 255, 135, 0, GLOBAL("\x09")); /* asks for 9: that is another's */
	assert_ip6(0, LINK_LOCAL);
	assert_ip6(1, GLOBAL("\x04"));
	assert_ip6(3, GLOBAL("\x02"));
}

static void test_advertisement(void **state)
{
	ip6(LINK_LOCAL, 255, 136, 0x60, GLOBAL("\x01"));
	assert_ip6(0, GLOBAL("\x01"));
	assert_ip6(1, LINK_LOCAL);
	assert_int_equal(addrs.router6, 0);
	ip6(LINK_LOCAL, 255, 136, 0xe0, GLOBAL("\x01"));
	assert_int_equal(addrs.router6, 1);
	ip6(LINK_LOCAL, 255, 136, 0x60, GLOBAL("\x01"));
	assert_int_equal(addrs.router6, 0);
	ip6(LINK_LOCAL, 255, 134, 0, NULL);
	assert_int_equal(addrs.router6, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_has_no_holes, setup),
	    cmocka_unit_test_setup(test_arp, setup),
	    cmocka_unit_test_setup(test_addresses_that_are_nobodys, setup),
	    cmocka_unit_test_setup(test_what_says_nothing, setup),
	    cmocka_unit_test_setup(test_truncated, setup),
	    cmocka_unit_test_setup(test_unused_for_longest_gives_way, setup),
	    cmocka_unit_test_setup(test_sources_drive_nobody_out, setup),
	    cmocka_unit_test_setup(test_advertisement, setup),
	};

	return cmocka_run_group_tests_name("net_addrs", tests, NULL, NULL);
}

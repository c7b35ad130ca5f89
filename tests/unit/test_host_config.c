/* SPDX-License-Identifier: BSD-2-Clause */
/* host.conf: what is accepted, and which words refuse the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/host_config.h"
#include "kernel/log.h"

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return names[level];
}

static struct host_config cfg;
static struct host_config_error why;

/* The text in memory of exactly its length, so that ASan sees a read beyond. */
static int parse(const char *text, size_t len)
{
	char *copy = malloc(len + !len);
	int err;

	memcpy(copy, text, len);
	memset(&why, 0, sizeof(why));
	err = host_config_parse(copy, len, &cfg, &why);
	free(copy);
	return err;
}

static void test_all_keys(void **state)
{
	static const char text[] = "# a host\r\n"
				   "name   alpha-1\t # trailing words\n"
				   "\n"
				   "pool lab\nnic 00:03.0\nmtu 9000\n  console\tcom2   9600  \n"
				   "loglevel debug\nescape ^A\napicv off";

	assert_int_equal(parse(text, strlen(text)), 0);
	assert_string_equal(cfg.name, "alpha-1");
	assert_string_equal(cfg.pool, "lab");
	assert_string_equal(cfg.nic, "00:03.0");
	assert_int_equal(cfg.mtu, 9000);
	assert_int_equal(cfg.console_port, 0x2f8);
	assert_int_equal(cfg.console_baud, 9600);
	assert_int_equal(cfg.loglevel, LOG_DEBUG);
	assert_int_equal(cfg.escape, 1);
	assert_int_equal(cfg.apicv, APICV_OFF);
}

static void test_defaults(void **state)
{
	assert_int_equal(parse("name a", 6), 0);
	assert_string_equal(cfg.pool, "default");
	assert_string_equal(cfg.nic, "auto");
	assert_int_equal(cfg.mtu, 1500);
	assert_int_equal(cfg.console_port, 0x3f8);
	assert_int_equal(cfg.console_baud, 115200);
	assert_int_equal(cfg.loglevel, LOG_INFO);
	assert_int_equal(cfg.escape, 0x1d);
	assert_int_equal(cfg.apicv, APICV_AUTO);
}

static void test_nets(void **state)
{
	static const char text[] =
	    "net lan nic0\nname a\nnet dmz \t nic0 vlan  4094\nnet x none\n"
	    "net y none # two\nnet one nic0 mtu 1400 vlan 1\nnet z none mtu 9000";

	assert_int_equal(parse("name a", 6), 0);
	assert_int_equal(cfg.net_count, 1);
	assert_string_equal(cfg.nets[0].name, "lan");
	assert_true(cfg.nets[0].uplink);
	assert_int_equal(cfg.nets[0].vlan, 0);
	assert_int_equal(parse("name a\nnet x none", 17), 0); /* then there is no lan */
	assert_int_equal(cfg.net_count, 1);
	assert_string_equal(cfg.nets[0].name, "x");
	assert_false(cfg.nets[0].uplink);
	assert_int_equal(parse(text, strlen(text)), 0);
	assert_int_equal(cfg.net_count, 6);
	assert_string_equal(cfg.nets[1].name, "dmz");
	assert_int_equal(cfg.nets[1].vlan, 4094);
	assert_true(cfg.nets[1].uplink);
	assert_false(cfg.nets[3].uplink);
	assert_int_equal(cfg.nets[4].vlan, 1);
	assert_int_equal(cfg.nets[4].mtu, 1400);
	assert_int_equal(cfg.nets[3].mtu, 0);
	assert_int_equal(cfg.nets[5].mtu, 9000);
}

static const struct {
	const char *text;
	unsigned line;
	const char *words;
} refused[] = {
    {"", 1, "name"},
    {"\n\n# nothing\n", 4, "obligatory"},
    {"name\n", 1, "name '': expected letters"},
    {"name al pha", 1, "name 'al pha': expected letters, digits"},
    {"name abcdefghijklmnopqrstuvwxyz0123456", 1, "at most 31"},
    {"name a\nname b", 2, "key 'name': expected once"},
    {"name a\ncolour red", 2, "key 'colour': expected name, pool"},
    {"name a\nnet", 2, "net '': expected NAME NIC"},
    {"name a\nnet a_b nic0", 2, "letters, digits"},
    {"name a\nnet lan", 2, "nic0"},
    {"name a\nnet lan nic1", 2, "net 'lan nic1': expected NAME and nic0"},
    {"name a\nnet lan nic0 20", 2, "'vlan NUMBER'"},
    {"name a\nnet lan nic0 vlan", 2, "1 to 4094"},
    {"name a\nnet lan nic0 vlan 0", 2, "1 to 4094"},
    {"name a\nnet lan nic0 vlan 4095", 2, "1 to 4094"},
    {"name a\nnet lan nic0 vlan 2 3", 2, "nothing"},
    {"name a\nnet lan nic0 vlan 2 vlan 3", 2, "nothing"},
    {"name a\nnet lan nic0 mtu 1279", 2, "1280 to 9000"},
    {"name a\nnet lan nic0 mtu 9001", 2, "1280 to 9000"},
    {"name a\nnet lan none vlan 2", 2, "reaches no wire"},
    {"name a\nnet x nic0\nnet y nic0", 3, "one network without vlan"},
    {"name a\nnet x nic0 vlan 2\nnet y nic0 vlan 2", 3, "one network for each VLAN"},
    {"name a\nnet x nic0\nnet x none", 3, "each name once"},
    {"name a\nnet 1 none\nnet 2 none\nnet 3 none\nnet 4 none\nnet 5 none\nnet 6 none\n"
     "net 7 none\nnet 8 none\nnet 9 none",
     10, "at most 8 networks"},
    {"name a\nnic eth0", 2, "PCI address"},
    {"name a\nnic 00:23.0", 2, "PCI address"},
    {"name a\nmtu 1499", 2, "from 1500 to 9000"},
    {"name a\nmtu 9001", 2, "from 1500 to 9000"},
    {"name a\nmtu big", 2, "mtu 'big'"},
    {"name a\nconsole com3", 2, "com1 or com2"},
    {"name a\nconsole com12", 2, "com1 or com2"},
    {"name a\nconsole com1 115000", 2, "com1 or com2"},
    {"name a\nconsole com1 0", 2, "com1 or com2"},
    {"name a\nloglevel loud", 2, "error, warn, info or debug"},
    {"name a\napicv yes", 2, "auto, on or off"},
    {"name a\nescape ^C", 2, "'^' and a letter"},
    {"name a\nescape ]", 2, "'^' and a letter"},
    {"name a\nescape ^", 2, "'^' and a letter"},
    {"name \033[2J", 1, "name '?[2J'"},
    {"name a\n0123456789012345678901234567890123456789012345678901234567890123456789", 2,
     "at most 63"},
};

static void test_stores(void **state)
{
	struct host_config_error e;
	struct host_config c;
	static const char text[] = "name a\nstore p1 aoe 5.0\nstore p2 aoe 65534.254\n"
				   "default_store p2\n";
	static const char *const bad[] = {"store",
					  "store p",
					  "store p aoe",
					  "store p aoe 5",
					  "store p nfs 5.0",
					  "store p aoe 65535.0",
					  "store p aoe 5.255",
					  "store p aoe 5.0 x",
					  "store a/b aoe 5.0",
					  "store p aoe 5.0\nstore p aoe 6.0",
					  "default_store a b"};

	assert_int_equal(host_config_parse(text, strlen(text), &c, &e), 0);
	assert_int_equal(c.store_count, 2);
	assert_string_equal(c.stores[0].name, "p1");
	assert_int_equal(c.stores[1].shelf, 65534);
	assert_int_equal(c.stores[1].slot, 254);
	assert_string_equal(c.default_store, "p2");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char all[100];

		snprintf(all, sizeof(all), "name a\n%s\n", bad[i]);
		assert_int_equal(host_config_parse(all, strlen(all), &c, &e), -E_INVAL);
		assert_non_null(strstr(e.text, "expected"));
	}
}

static void test_refused_with_words(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
		memset(&cfg, 0x77, sizeof(cfg));
		assert_int_equal(parse(refused[i].text, strlen(refused[i].text)), -E_INVAL);
		if (!strstr(why.text, refused[i].words))
			fail_msg("'%s' says '%s'", refused[i].text, why.text);
		assert_int_equal(why.line, refused[i].line);
		assert_int_equal((uint8_t)cfg.name[0], 0x77); /* untouched */
	}
	assert_int_equal(parse("name a\0b", 8), -E_INVAL);
}

static void test_noise(void **state)
{
	char noise[64];

	srand(2);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % sizeof(noise);

		strcpy(noise, "name a\nconsole com1 9600\nescape ^]\nnic auto");
		for (unsigned k = 0; k < 3; k++)
			noise[rand() % 44] = (char)rand();
		if (parse(noise, n) != 0)
			assert_true(why.text[0] && why.line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_keys),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_nets),
	    cmocka_unit_test(test_stores),
	    cmocka_unit_test(test_refused_with_words),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("host_config", tests, NULL, NULL);
}

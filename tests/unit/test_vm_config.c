/* SPDX-License-Identifier: BSD-2-Clause */
/* vm.conf: what is accepted, and the words for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vmm/vm_config.h"

static struct vm_config cfg;
static struct config_error err;

#define BASE "memory 256M\nkernel vmlinuz\n"

/* From a heap block without terminator: ASan sees a step beyond. */
static int parse_len(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	int ret = vm_config_parse("web", copy, len, &cfg, &err);

	free(copy);
	return ret;
}

static int parse(const char *text)
{
	return parse_len(text, strlen(text));
}

static void full_example(void **state)
{
	assert_int_equal(parse("# a web server\r\n"
			       "memory 256M\n"
			       "vcpus\t2\n"
			       "\n"
			       "  kernel vmlinuz\n"
			       "initrd shared/initrd.img\n"
			       "cmdline console=ttyS0  panic=1 # not a comment\n"
			       "disk vda aoe 1.0\n"
			       "disk vdb local ata0 readonly\n"
			       "autostart yes\n"
			       "uuid 00112233-4455-6677-8899-AABBccddeeff\n"
			       "cpu_hide avx2 rdrand  \n"
			       "weight 200"),
			 0);
	assert_string_equal(cfg.name, "web");
	assert_int_equal(cfg.memory, 256 * MiB);
	assert_int_equal(cfg.vcpus, 2);
	assert_string_equal(cfg.kernel, "vms/web/vmlinuz");
	assert_string_equal(cfg.initrd, "shared/initrd.img");
	assert_string_equal(cfg.cmdline, "console=ttyS0  panic=1 # not a comment");
	assert_string_equal(cfg.cpu_hide, "avx2 rdrand");
	assert_int_equal(cfg.weight, 200);
	assert_int_equal(cfg.autostart, 1);
	assert_int_equal(cfg.uuid[0], 0);
	assert_int_equal(cfg.uuid[10], 0xaa);
	assert_int_equal(cfg.uuid[15], 0xff);
	assert_int_equal(cfg.disk_count, 2);
	assert_string_equal(cfg.disks[0].name, "vda");
	assert_int_equal(cfg.disks[0].shared, 1);
	assert_int_equal(cfg.disks[0].shelf, 1);
	assert_int_equal(cfg.disks[0].slot, 0);
	assert_int_equal(cfg.disks[0].readonly, 0);
	assert_int_equal(cfg.disks[1].shared, 0);
	assert_int_equal(cfg.disks[1].readonly, 1);
	assert_string_equal(cfg.disks[1].local, "ata0");
}

static void modules_and_testdev(void **state)
{
	assert_int_equal(parse(BASE "module env.txt NR_CPUS=2  x=y \n"
				    "testdev=on\n"
				    "module\tshared/rd+x\n"
				    "cmdline=a=b c\n"),
			 0);
	assert_int_equal(cfg.testdev, 1);
	assert_int_equal(cfg.module_count, 2);
	assert_string_equal(cfg.modules[0].path, "vms/web/env.txt");
	assert_string_equal(cfg.modules[0].args, "NR_CPUS=2  x=y");
	assert_string_equal(cfg.modules[1].path, "shared/rd+x");
	assert_string_equal(cfg.modules[1].args, "");
	assert_string_equal(cfg.cmdline, "a=b c");
	assert_int_equal(parse(BASE "testdev off\n"), 0);
	assert_int_equal(cfg.testdev, 0);
	assert_int_equal(parse(BASE "testdev yes\n"), 0);
	assert_int_equal(cfg.testdev, 1);
}

/* In the kernel's place, and never beside one: what follows would not be used. */
static void firmware_instead_of_a_kernel(void **state)
{
	assert_int_equal(parse("memory 256M\nfirmware bios-256k.bin\n"), 0);
	assert_int_equal(cfg.firmware, 1);
	assert_string_equal(cfg.kernel, "vms/web/bios-256k.bin");
	assert_int_equal(parse(BASE), 0);
	assert_int_equal(cfg.firmware, 0);
	assert_int_equal(parse(BASE "firmware b\n"), -E_INVAL);
	assert_int_equal(err.line, 3);
	assert_int_equal(parse("memory 256M\nfirmware b\nkernel k\n"), -E_INVAL);
	assert_int_equal(err.line, 3);
	assert_int_equal(parse("memory 256M\nfirmware b\ninitrd k\n"), -E_INVAL);
	assert_int_equal(parse("memory 256M\nfirmware b\ncmdline k\n"), -E_INVAL);
	assert_int_equal(parse("memory 256M\nfirmware b\nmodule m\n"), -E_INVAL);
	assert_int_equal(parse(BASE), 0);
	cfg.firmware = 2;
	assert_int_equal(vm_config_check(&cfg, &err), -E_INVAL);
}

/* A MAC is given, or made: always the same for the same VM, never the same for two cards. */
static void network_cards(void **state)
{
	static const uint8_t given[6] = {0x52, 0x54, 0x00, 0x12, 0xab, 0xcd};
	uint8_t made[6];

	assert_int_equal(parse(BASE "nic eth0 lan\n"
				    "nic eth1 dmz 52:54:00:12:AB:cd unfiltered\n"),
			 0);
	assert_int_equal(cfg.nic_count, 2);
	assert_string_equal(cfg.nics[0].name, "eth0");
	assert_string_equal(cfg.nics[0].network, "lan");
	assert_int_equal(cfg.nics[0].unfiltered, 0);
	assert_string_equal(cfg.nics[1].network, "dmz");
	assert_memory_equal(cfg.nics[1].mac, given, 6);
	assert_int_equal(cfg.nics[1].unfiltered, 1);
	memcpy(made, cfg.nics[0].mac, 6);
	assert_int_equal(made[0] & 3, 2); /* locally administered, one station's */
	assert_int_equal(parse(BASE "nic eth0 lan\nnic eth1 lan\n"), 0);
	assert_memory_equal(cfg.nics[0].mac, made, 6);
	assert_memory_not_equal(cfg.nics[1].mac, made, 6);
	assert_int_equal(parse(BASE "nic eth0 lan\nuuid 00112233-4455-6677-8899-aabbccddeeff\n"),
			 0);
	assert_memory_not_equal(cfg.nics[0].mac, made, 6);
}

static void defaults(void **state)
{
	assert_int_equal(parse(BASE), 0);
	assert_int_equal(cfg.vcpus, 1);
	assert_int_equal(cfg.weight, 100);
	assert_int_equal(cfg.autostart, 0);
	assert_int_equal(cfg.initrd[0], 0);
}

static void errors_name_line_and_expectation(void **state)
{
	static const struct {
		const char *text, *words;
		unsigned line;
	} bad[] = {
	    {"", "memory is missing", 0},
	    {"memory 256M\n", "kernel is missing", 1},
	    {BASE "ram 5\n", "unknown key 'ram'", 3},
	    {"memory 3M\n", "multiple of 2M", 1},
	    {"memory 0\n", "multiple of 2M", 1},
	    {"memory 2048G\n", "multiple of 2M", 1},
	    {"memory lots\n", "found 'lots'", 1},
	    {"memory\n", "memory: a value is missing", 1},
	    {"memory 2M 4M\n", "found '2M 4M'", 1},
	    {BASE "vcpus 0\n", "from 1 to 16, found '0'", 3},
	    {BASE "vcpus 17\n", "from 1 to 16, found '17'", 3},
	    {BASE "vcpus -1\n", "found '-1'", 3},
	    {BASE "weight 10001\n", "weight: expected", 3},
	    {BASE "autostart maybe\n", "on or off (or yes, no), found 'maybe'", 3},
	    {BASE "testdev 1\n", "on or off (or yes, no), found '1'", 3},
	    {BASE "module ../x\n", "module: expected", 3},
	    {BASE "module\n", "module: a value is missing", 3},
	    {BASE "module=\n", "module: a value is missing", 3},
	    {BASE "=\n", "unknown key ''", 3},
	    {BASE "module a\nmodule a\nmodule a\nmodule a\nmodule a\n", "at most 4", 7},
	    {BASE "memory 2M\n", "memory: was given before", 3},
	    {BASE "initrd ../secret\n", "initrd: expected", 3},
	    {BASE "initrd /abs\n", "initrd: expected", 3},
	    {BASE "initrd a//b\n", "initrd: expected", 3},
	    {BASE "initrd a/\n", "initrd: expected", 3},
	    {BASE "initrd .hidden\n", "initrd: expected", 3},
	    {BASE "uuid 0011\n", "uuid: expected 8-4-4-4-12", 3},
	    {BASE "uuid 00112233x4455-6677-8899-aabbccddeeff\n", "uuid: expected", 3},
	    {BASE "uuid 0011223g-4455-6677-8899-aabbccddeeff\n", "uuid: expected", 3},
	    {BASE "disk vda\n", "expected 'disk NAME aoe", 3},
	    {BASE "nic eth0\n", "expected 'nic NAME NETWORK", 3},
	    {BASE "nic toolongname lan\n", "up to 7", 3},
	    {BASE "nic eth0 a/b\n", "name of a network", 3},
	    {BASE "nic eth0 lan 52:54:00:12:34\n", "expected a MAC", 3},
	    {BASE "nic eth0 lan 52:54:00:12:34:567\n", "expected a MAC", 3},
	    {BASE "nic eth0 lan 53:54:00:12:34:56\n", "no group", 3},
	    {BASE "nic eth0 lan fast\n", "found 'fast'", 3},
	    {BASE "nic a l 52:54:00:00:00:01\nnic b l 52:54:00:00:00:01\n", "has the MAC of a", 0},
	    {BASE "nic a l\nnic a l\n", "nic a: this name was given before", 0},
	    {BASE "nic a l\nnic b l\nnic c l\nnic d l\nnic e l\n", "at most 4 network", 7},
	    {BASE "disk vda aoe 1.0 rw\n", "expected 'disk NAME aoe", 3},
	    {BASE "disk vda aoe 1.0 readonly x\n", "expected 'disk NAME aoe", 3},
	    {BASE "disk vda nfs 1.0\n", "aoe, local or store, found 'nfs'", 3},
	    {BASE "disk vda store\n", "expected 'disk NAME aoe", 3},
	    {BASE "disk vda store a/b\n", "name of a datastore", 3},
	    {BASE "disk vda store main a//b\n", "an object like", 3},
	    {BASE "disk vda store main disk/a rw\n", "and perhaps readonly", 3},
	    {BASE "disk vda aoe 1\n", "SHELF.SLOT", 3},
	    {BASE "disk vda aoe 65535.0\n", "SHELF.SLOT", 3},
	    {BASE "disk vda aoe 1.255\n", "SHELF.SLOT", 3},
	    {BASE "disk vda aoe 1.0.0\n", "SHELF.SLOT", 3},
	    {BASE "disk toolongname aoe 1.0\n", "up to 7", 3},
	    {BASE "disk vda aoe 1.0\ndisk vda aoe 1.1\n", "vda: this name was given before", 4},
	    {BASE "disk vda local /dev/sda\n", "name of a local disk", 3},
	    {BASE "cmdline caf\xc3\xa9\n", "found byte 0xc3", 3},
	    {BASE "cmdline a\rb\n", "found byte 0x0d", 3},
	    {BASE "\n\n\x01\n", "found byte 0x01", 5},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].text) != -E_INVAL || err.line != bad[i].line ||
		    !strstr(err.text, bad[i].words))
			fail_msg("'%s': line %u '%s'", bad[i].text, err.line, err.text);
		if (strlen(err.text) == sizeof(err.text) - 1)
			fail_msg("cut: '%s'", err.text);
	}
	assert_int_equal(parse_len(BASE "cmdline a\0b", sizeof(BASE) + 10), -E_INVAL);
	assert_int_equal(vm_config_parse("../x", BASE, sizeof(BASE) - 1, &cfg, &err), -E_INVAL);
	assert_int_equal(vm_config_parse("", BASE, sizeof(BASE) - 1, &cfg, &err), -E_INVAL);
}

static void limits_of_length(void **state)
{
	char text[3000];

	for (int n = 1020; n < 1100; n++) {
		int len = snprintf(text, sizeof(text), BASE "cmdline %0*d\n", n, 0);

		assert_int_equal(parse_len(text, len), n <= 1023 ? 0 : -E_INVAL);
	}
	snprintf(text, sizeof(text), BASE);
	for (int i = 0; i < 9; i++)
		snprintf(text + strlen(text), 40, "disk vd%c aoe 1.%d\n", 'a' + i, i);
	assert_int_equal(parse(text), -E_INVAL);
	assert_non_null(strstr(err.text, "at most 8 disks"));
	assert_int_equal(err.line, 11);
}

static void every_prefix_is_handled(void **state)
{
	static const char text[] = BASE "cmdline a b\ndisk vda aoe 1.0 readonly\n"
					"uuid 00112233-4455-6677-8899-aabbccddeeff\nweight 7\n";

	for (size_t len = 0; len < sizeof(text); len++)
		(void)!parse_len(text, len);
}

static void random_damage(void **state)
{
	char text[] = BASE "vcpus 2\ncmdline a b\ndisk vda aoe 1.0 readonly\nweight 7\n";

	srand(3);
	for (int i = 0; i < 50000; i++) {
		size_t at = rand() % (sizeof(text) - 1);
		char was = text[at];

		text[at] = rand();
		if (!parse_len(text, sizeof(text) - 1))
			assert_int_equal(vm_config_check(&cfg, &err), 0);
		else
			assert_true(err.text[0]);
		text[at] = was;
	}
}

static void configs_of_peers_are_checked(void **state)
{
	struct vm_config good, c;

	assert_int_equal(parse(BASE "disk vda aoe 1.0\ndisk vdb local ata0\n"), 0);
	good = cfg;
	for (unsigned i = 0; i < VM_MAX_MODULES; i++)
		strcpy(good.modules[i].path, "a"); /* so that a wrong count is all that is wrong */
	assert_int_equal(vm_config_check(&good, &err), 0);
#define DAMAGE(statement)                                                                          \
	c = good;                                                                                  \
	statement;                                                                                 \
	assert_int_equal(vm_config_check(&c, &err), -E_INVAL)
	DAMAGE(memset(c.name, 'a', sizeof(c.name)));
	DAMAGE(c.name[0] = 0);
	DAMAGE(c.memory++);
	DAMAGE(c.memory = 0);
	DAMAGE(c.memory = UINT64_MAX & ~(SIZE_2M - 1));
	DAMAGE(c.vcpus = 0);
	DAMAGE(c.vcpus = 17);
	DAMAGE(c.weight = 0);
	DAMAGE(c.autostart = 2);
	DAMAGE(c.kernel[0] = 0);
	DAMAGE(memset(c.kernel, 'a', sizeof(c.kernel)));
	DAMAGE(strcpy(c.initrd, "../x"));
	DAMAGE(memset(c.cmdline, 'a', sizeof(c.cmdline)));
	DAMAGE(c.cmdline[0] = 1);
	DAMAGE(memset(c.cpu_hide, 'a', sizeof(c.cpu_hide)));
	DAMAGE(c.disk_count = 9);
	DAMAGE(c.disk_count = 3);
	DAMAGE(strcpy(c.disks[1].name, "vda"));
	DAMAGE(memset(c.disks[0].name, 'a', 8));
	DAMAGE(c.disks[0].used = 0);
	DAMAGE(c.disks[0].readonly = 2);
	DAMAGE(c.disks[0].shelf = 65535);
	DAMAGE(c.disks[1].local[0] = 0);
	DAMAGE(c.testdev = 2);
	DAMAGE(c.module_count = 5);
	DAMAGE(c.module_count = UINT32_MAX);
	DAMAGE((c.module_count = 1, c.modules[0].path[0] = 0));
	DAMAGE((c.module_count = 1, strcpy(c.modules[0].path, "a/../b")));
	DAMAGE((c.module_count = 1, strcpy(c.modules[0].path, "a"),
		memset(c.modules[0].args, 'a', VM_ARGS_LEN)));
	DAMAGE(memset(c.disks[0].local, 'a', sizeof(c.disks[0].local)));
	DAMAGE(c.disks[0].in_store = 1); /* and shared */
	DAMAGE(c.disks[1].in_store = 2);
	DAMAGE((c.disks[1].in_store = 1, c.disks[1].object[0] = 0));
	DAMAGE((c.disks[1].in_store = 1, strcpy(c.disks[1].object, "/x")));
	DAMAGE(memset(c.disks[1].object, 'a', sizeof(c.disks[1].object)));
}

static void disks_in_stores(void **state)
{
	assert_int_equal(parse(BASE "disk vda store main\ndisk vdb store pool2 disk/old readonly\n"
				    "disk vdc store main readonly\n"),
			 0);
	assert_int_equal(cfg.disks[0].in_store, 1);
	assert_int_equal(cfg.disks[0].shared, 0);
	assert_string_equal(cfg.disks[0].local, "main");
	assert_string_equal(cfg.disks[0].object, "disk/web/vda");
	assert_string_equal(cfg.disks[1].object, "disk/old");
	assert_int_equal(cfg.disks[1].readonly, 1);
	assert_string_equal(cfg.disks[2].object, "disk/web/vdc");
	assert_int_equal(cfg.disks[2].readonly, 1);
	assert_int_equal(vm_config_check(&cfg, &err), 0);
}

/* What is written is read as the same configuration. */
static void text_and_back(void **state)
{
	static char text[16384];
	struct vm_config first;
	int len;

	assert_int_equal(
	    parse("memory 256M\nvcpus 2\nkernel vmlinuz\ninitrd a/b\ncmdline a  b=c #d\n"
		  "disk vda aoe 1.0\ndisk vdb local ata0 readonly\ndisk vdc store main\n"
		  "autostart yes\nuuid 00112233-4455-6677-8899-AABBccddeeff\n"
		  "cpu_hide avx2 rdrand\nweight 200\ntestdev on\nnic eth0 lan unfiltered\n"
		  "nic eth1 dmz\nmodule m1 some words\nmodule x/m2\n"),
	    0);
	first = cfg;
	len = vm_config_text(&cfg, text, sizeof(text));
	assert_true(len > 0);
	assert_int_equal(parse_len(text, (size_t)len), 0);
	assert_memory_equal(&cfg, &first, sizeof(cfg));
	assert_int_equal(parse(BASE), 0);
	first = cfg;
	len = vm_config_text(&cfg, text, sizeof(text));
	assert_int_equal(parse_len(text, (size_t)len), 0);
	assert_memory_equal(&cfg, &first, sizeof(cfg));
	assert_int_equal(parse("memory 256M\nfirmware bios.bin\ndisk vda aoe 1.0\n"), 0);
	first = cfg;
	for (int room = 0; room < 40; room++)
		assert_int_equal(vm_config_text(&cfg, text, (size_t)room), -E_NOSPC);
	len = vm_config_text(&cfg, text, sizeof(text));
	assert_int_equal(parse_len(text, (size_t)len), 0);
	assert_memory_equal(&cfg, &first, sizeof(cfg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(full_example),
	    cmocka_unit_test(modules_and_testdev),
	    cmocka_unit_test(firmware_instead_of_a_kernel),
	    cmocka_unit_test(network_cards),
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(errors_name_line_and_expectation),
	    cmocka_unit_test(limits_of_length),
	    cmocka_unit_test(every_prefix_is_handled),
	    cmocka_unit_test(random_damage),
	    cmocka_unit_test(configs_of_peers_are_checked),
	    cmocka_unit_test(disks_in_stores),
	    cmocka_unit_test(text_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

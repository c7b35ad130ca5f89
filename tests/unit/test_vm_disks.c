/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving a shared disk back: the token of the last move goes first, and a reservation
 * is not given up when that is not certain. A storage with one list and one string.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "kernel/store/aoe.h"
#include "vmm/vm_build.h"

static char config[80], order[256];
static unsigned listed;
static int force_err, read_err;
static bool force_is_lost;

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	*out = (struct aoe_disk *)config;
	return 0;
}
void aoe_close(struct aoe_disk *d)
{
}
struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return NULL;
}
void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	memset(mac, 2, ETH_ALEN);
}
struct blkdev *blkdev_find(const char *name)
{
	return NULL;
}

int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	memset(out, 0, sizeof(*out));
	out->count = (uint16_t)listed;
	return 0;
}
int aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		    uint64_t deadline_ns)
{
	strcat(order, count ? "own " : "release ");
	listed = count;
	return 0;
}
int aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		      uint64_t deadline_ns)
{
	return aoe_reserve_set(d, macs, count, deadline_ns);
}
int aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len, uint64_t deadline_ns)
{
	*len = strlen(config);
	memcpy(buf, config, MIN(room, *len));
	return read_err;
}
int aoe_config_force(struct aoe_disk *d, const void *text, size_t len, uint64_t deadline_ns)
{
	strcat(order, "string ");
	if (!force_err && !force_is_lost) {
		memcpy(config, text, len);
		config[len] = 0;
	}
	return force_err;
}

static struct vm vm;

/* A VM with two disks on the same storage, of which the first decides. */
static int own(void **state)
{
	memset(&vm, 0, sizeof(vm));
	vm.cfg.disk_count = 2;
	vm.cfg.disks[0].shared = vm.cfg.disks[1].shared = true;
	listed = 0;
	force_err = read_err = 0;
	force_is_lost = false;
	assert_int_equal(vm_open_disks(&vm), 0);
	vm.disks[0].owned = vm.disks[1].owned = true;
	strcpy(config, "pagurus:0123456789abcdef");
	order[0] = 0;
	return 0;
}

static void test_token_goes_first(void **state)
{
	vm_release_disks(&vm);
	assert_string_equal(order, "string release release ");
	assert_string_equal(config, "");
}

static void test_not_certain_not_released(void **state)
{
	for (unsigned how = 0; how < 3; how++) {
		own(state);
		force_err = how == 0 ? -E_TIMEDOUT : 0;
		read_err = how == 1 ? -E_TIMEDOUT : 0;
		force_is_lost = how == 2;
		vm_release_disks(&vm);
		/* the other disk does not decide: it can go */
		assert_string_equal(order, how == 1 ? "release " : "string release ");
		assert_false(vm.disks[0].owned);
	}
}

static void test_strings_of_others_stay(void **state)
{
	strcpy(config, "somebody's");
	vm_release_disks(&vm);
	assert_string_equal(order, "release release ");
	assert_string_equal(config, "somebody's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_token_goes_first, own),
	    cmocka_unit_test_setup(test_not_certain_not_released, own),
	    cmocka_unit_test_setup(test_strings_of_others_stay, own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

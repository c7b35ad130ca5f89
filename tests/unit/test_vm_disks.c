/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving a shared disk back: the token of the last move goes first, and a reservation
 * is not given up when that is not certain. A storage with one list and one string.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "kernel/store/aoe.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
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
static struct blkdev local_disk = {.name = "ata1"}, store_disk;
static bool disk_is_store;
static int store_err;
static unsigned store_opened, store_closed;

struct blkdev *blkdev_find(const char *name)
{
	return strcmp(name, local_disk.name) ? NULL : &local_disk;
}
bool stores_use_disk(const struct blkdev *bd)
{
	return disk_is_store;
}
struct datastore *stores_find(const char *name)
{
	return strcmp(name, "main") ? NULL : (struct datastore *)&store_disk;
}
int ds_disk_receive(struct ds_object *o, struct blkdev **out)
{
	*out = &store_disk;
	return 0;
}
int ds_disk_open(struct datastore *ds, const char *object, bool readonly, struct blkdev **out)
{
	assert_string_equal(object, "disk/web/vdb");
	assert_true(readonly);
	*out = &store_disk;
	store_opened += !store_err;
	return store_err;
}
void ds_disk_close(struct blkdev *bd)
{
	assert_ptr_equal(bd, &store_disk);
	store_closed++;
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

static int open_disks(const char *store)
{
	memset(&vm, 0, sizeof(vm));
	vm.cfg.disk_count = 2;
	strcpy(vm.cfg.disks[0].local, "ata1");
	strcpy(vm.cfg.disks[1].local, store);
	strcpy(vm.cfg.disks[1].object, "disk/web/vdb");
	vm.cfg.disks[1].in_store = vm.cfg.disks[1].readonly = 1;
	return vm_open_disks(&vm);
}

/* Disks that nobody reserves: a plain one, and one in a datastore. */
static void test_disks_of_this_host(void **state)
{
	assert_int_equal(open_disks("main"), 0);
	assert_ptr_equal(vm.disks[0].blk, &local_disk);
	assert_ptr_equal(vm.disks[1].blk, &store_disk);
	assert_false(vm.disks[0].deciding || vm.disks[1].deciding);
	vm_close_disks(&vm);
	assert_int_equal(store_opened, 1);
	assert_int_equal(store_closed, 1);
	assert_int_equal(open_disks("other"), -E_NOENT);
	store_err = -E_BUSY;
	assert_int_equal(open_disks("main"), -E_BUSY);
	store_err = 0;
	disk_is_store = true;
	assert_int_equal(open_disks("main"), -E_BUSY);
	disk_is_store = false;
	assert_int_equal(store_closed, store_opened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_token_goes_first, own),
	    cmocka_unit_test_setup(test_not_certain_not_released, own),
	    cmocka_unit_test_setup(test_strings_of_others_stay, own),
	    cmocka_unit_test(test_disks_of_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

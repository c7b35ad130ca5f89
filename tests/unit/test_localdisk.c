/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves that take a disk along, between two hosts in one process (fake_pair.h, fake_ds.h),
 * while the guest writes to it: the copy is equal, and whatever fails, one host has the VM with
 * its disk whole, and the other one has nothing left of it.
 */
#include <stdlib.h>
#include <string.h>

#include "migrate/disks.h"
#include "migrate/receive.h"
#include "tests/unit/fake_ds.h"

#define MEMORY SIZE_2M
#define NAME   "disk/web/vdb"

static struct vm *vm;
static uint32_t id;
static uint8_t stood[FAKE_DS_SIZE]; /* the disk when the guest stood still */

static void begin(bool shared, bool from_store)
{
	fake_pair_reset();
	fake_ds_reset();
	fake_ds_from_store = from_store;
	if (from_store)
		fake_ds_fill(fake_ds_make(0, NAME));
	srand(1);
	vm = fake_pair_vm(MEMORY, shared);
}

static const uint8_t *here(void)
{
	return fake_ds_from_store ? fake_ds_content(0, NAME) : fake_ds_plain;
}

static void start(struct migrate_options opt)
{
	struct peer to = *peers_find("beta");

	assert_int_equal(migrate_start(vm, &to, &opt, &id), 0);
}

static const struct move_progress *progress(void)
{
	return migrate_progress(id);
}

static bool runs(int host)
{
	struct vm *v = fake_pair_find(host, "web");

	return v && v->state == VM_RUNNING;
}

/* Run to the end; what the disk holds once the guest stands still goes into stood. */
static void run(uint64_t seconds)
{
	uint64_t end = time_ns() + seconds * NS_PER_S;

	while (time_ns() < end && fake_fibers_alive()) {
		if (runs(0))
			memcpy(stood, here(), FAKE_DS_SIZE);
		fake_fibers_run(MIN(end, time_ns() + NS_PER_MS));
		if (vm == fake_pair_find(0, "web") && vm->state == VM_PAUSED)
			memcpy(stood, here(), FAKE_DS_SIZE);
	}
}

static void finish(void)
{
	fake_fibers_reset();
	fake_pair_free();
	assert_int_equal(fake_alloc_live, 0);
}

static void assert_moved(void)
{
	const struct vm_disk_config *c;
	struct vm *there = fake_pair_find(1, "web");

	assert_int_equal(progress()->err, 0);
	assert_true(runs(1));
	assert_null(fake_pair_find(0, "web"));
	c = &there->disks[there->disk_count - 1].cfg;
	assert_true(c->in_store && !c->shared);
	assert_string_equal(c->local, "main");
	assert_string_equal(c->object, NAME);
	assert_memory_equal(&there->cfg.disks[there->disk_count - 1], c, sizeof(*c));
	assert_false(there->disks[there->disk_count - 1].log.on);
	assert_non_null(fake_ds_content(1, NAME));
	assert_int_equal(fake_ds_objects(1), 1);
	assert_int_equal(fake_ds_objects(0), 0); /* given up; a plain disk never was one */
}

static void assert_unmoved(void)
{
	assert_true(runs(0));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(fake_ds_objects(1), 0);
	assert_int_equal(fake_ds_objects(0), fake_ds_from_store);
	assert_false(vm->disks[vm->disk_count - 1].log.on);
	assert_false(vm->dirty.on);
	assert_true(progress()->err < 0);
	assert_true(progress()->reason[0]);
	assert_int_equal(fake_fibers_alive(), 0);
}

/* ---- it works ---- */

static void moves(bool shared, bool from_store, unsigned writes)
{
	begin(shared, from_store);
	fake_faults.rate = 20 * MiB;
	fake_ds_guest_writes = writes;
	start((struct migrate_options){.verify = true});
	run(120);
	assert_moved();
	assert_true(progress()->verified);
	assert_memory_equal(fake_ds_content(1, NAME), stood, FAKE_DS_SIZE);
	finish();
}

static void test_moves(void **state)
{
	for (unsigned how = 0; how < 8; how++)
		moves(how & 1, how & 2, how & 4 ? 20 : 0);
}

/* Without writes each block with content goes once; the rest are holes that nobody read. */
static void test_sparse_stays_sparse(void **state)
{
	for (int from_store = 0; from_store < 2; from_store++) {
		char text[600];

		begin(false, from_store);
		start((struct migrate_options){0});
		run(60);
		assert_moved();
		assert_int_equal(progress()->disk_total, FAKE_DS_SIZE);
		assert_int_equal(progress()->disk_sent, 6 * DS_CLUSTER + 3 * SECTOR_SIZE);
		assert_int_equal(progress()->disk_holes, 14 * DS_CLUSTER);
		assert_int_equal(fake_ds_data_reads, from_store ? 7 : 21);
		move_summary_text(progress(), text, sizeof(text));
		assert_non_null(strstr(text, "394752 bytes sent, 917504 as holes"));
		finish();
	}
}

/* A block that is cleared again while it is copied must become zero there. */
static void test_cleared_again(void **state)
{
	begin(false, false);
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.verify = true});
	while (progress()->round < 1)
		fake_fibers_run(time_ns() + NS_PER_MS);
	memset(fake_ds_plain + 2 * DS_CLUSTER, 0, DS_CLUSTER);
	disk_log_mark(&vm->disks[0].log, 2 * DISK_LOG_SECTORS, DISK_LOG_SECTORS);
	run(60);
	assert_moved();
	assert_true(disk_zeros(fake_ds_content(1, NAME) + 2 * DS_CLUSTER, DS_CLUSTER));
	finish();
}

static void test_paused_guest(void **state)
{
	begin(false, true);
	vm->state = VM_PAUSED;
	memcpy(stood, here(), FAKE_DS_SIZE);
	start((struct migrate_options){0});
	run(60);
	assert_int_equal(fake_pair_find(1, "web")->state, VM_PAUSED);
	assert_memory_equal(fake_ds_content(1, NAME), stood, FAKE_DS_SIZE);
	finish();
}

static void test_suspend(void **state)
{
	begin(false, true);
	fake_ds_guest_writes = 20;
	fake_faults.rate = 20 * MiB;
	start((struct migrate_options){.suspend = true, .verify = true});
	run(60);
	assert_moved();
	assert_memory_equal(fake_ds_content(1, NAME), stood, FAKE_DS_SIZE);
	finish();
}

/* A guest that writes to its disk faster than the link carries: given up, with words. */
static void test_gives_up(void **state)
{
	begin(false, false);
	fake_ds_guest_writes = 200;
	fake_faults.rate = MiB / 4;
	start((struct migrate_options){.max_downtime_ns = 100 * NS_PER_MS});
	run(2000);
	assert_unmoved();
	assert_int_equal(progress()->err, -E_TIMEDOUT);
	assert_non_null(strstr(progress()->reason, "--max-downtime"));
	finish();
}

/* ---- it is refused ---- */

static void refused(const char *words, struct migrate_options opt)
{
	start(opt);
	run(60);
	assert_unmoved();
	if (!strstr(progress()->reason, words))
		fail_msg("'%s' instead of '%s'", progress()->reason, words);
	finish();
}

static void test_refused(void **state)
{
	struct migrate_options opt = {0};

	begin(false, false);
	fake_ds_faults.no_store = true;
	refused("disk vdb datastore", opt);
	begin(false, false);
	fake_ds_faults.free = FAKE_DS_SIZE - 1;
	refused("disk vdb room", opt);
	begin(false, false);
	strcpy(opt.disks[0].disk, "vdb");
	strcpy(opt.disks[0].store, "other");
	opt.disk_count = 1;
	refused("disk vdb datastore", opt);
	begin(false, false);
	strcpy(opt.disks[0].disk, "vdx");
	refused("no disk 'vdx'", opt);
	begin(true, false);
	strcpy(opt.disks[0].disk, "vda");
	refused("vda is shared", opt);
	begin(false, false);
	fake_ds_faults.create = -E_NOSPC;
	refused("disk vdb: making disk/web/vdb", (struct migrate_options){0});
}

static void test_name_is_taken(void **state)
{
	begin(false, false);
	fake_ds_make(1, NAME);
	start((struct migrate_options){0});
	run(60);
	assert_true(runs(0));
	assert_non_null(strstr(progress()->reason, "disk vdb name free"));
	assert_int_equal(fake_ds_objects(1), 1);
	finish();
}

/* ---- it fails ---- */

static void test_storage_fails(void **state)
{
	unsigned failed = 0;

	for (int at = 0; at < 30; at++) {
		begin(false, false);
		fake_ds_faults.write_after = at;
		start((struct migrate_options){0});
		run(60);
		if (!progress()->err) {
			finish();
			break;
		}
		assert_unmoved();
		assert_non_null(strstr(progress()->reason, "is full"));
		failed++;
		finish();
	}
	assert_int_equal(failed, 7);
	for (int at = 0; at < 21; at++) {
		begin(false, false);
		fake_ds_faults.read_after = at;
		refused("reading it here", (struct migrate_options){0});
	}
	begin(false, true);
	fake_ds_faults.keep = -E_IO;
	refused("writing to datastore main", (struct migrate_options){0});
}

/* Committed already: the VM is there, and so is its disk, under the name of what is not whole. */
static void test_commit_fails(void **state)
{
	begin(false, true);
	fake_ds_faults.commit = -E_IO;
	start((struct migrate_options){0});
	run(60);
	assert_true(runs(1));
	assert_null(fake_pair_find(0, "web"));
	assert_int_equal(fake_ds_objects(1), 1);
	assert_null(fake_ds_content(1, NAME));
	finish();
}

/* Where the source's records end: COMMIT's is the last one counted, SETTLED's comes after it. */
static unsigned learn(bool shared, uint64_t *ends, unsigned room)
{
	unsigned n;

	begin(shared, true);
	start((struct migrate_options){.verify = true});
	run(60);
	n = MIN(fake_record_count, room);
	memcpy(ends, fake_record_ends, n * sizeof(*ends));
	finish();
	return n - 1;
}

/* Exactly one VM runs, with its disk whole; the other host has nothing, or what it need not have.
 */
static void one_copy(void)
{
	assert_int_equal(runs(0) + runs(1), 1);
	if (runs(0)) {
		assert_unmoved();
		return;
	}
	assert_null(fake_pair_find(0, "web"));
	assert_non_null(fake_ds_content(1, NAME));
	assert_memory_equal(fake_ds_content(1, NAME), stood, FAKE_DS_SIZE);
}

static void cut_everywhere(bool shared, bool partition)
{
	static uint64_t ends[4096];
	unsigned n = learn(shared, ends, ARRAY_SIZE(ends)), moved = 0;

	for (unsigned i = 0; i < 2 * (n + 1); i++) {
		begin(shared, true);
		memcpy(stood, here(), FAKE_DS_SIZE);
		fake_faults.cut_at = ends[i / 2] + (i & 1) * 5;
		fake_faults.cut_parts = partition;
		start((struct migrate_options){.verify = true});
		fake_fibers_run(120 * NS_PER_S);
		if (fake_pair_find(0, "web") && fake_pair_find(0, "web")->state == VM_IN_DOUBT) {
			assert_true(partition && !shared);
			assert_non_null(fake_ds_content(0, NAME)); /* nothing is given up yet */
			fake_faults.partition = false;
			fake_fibers_run(240 * NS_PER_S);
		}
		one_copy();
		moved += runs(1);
		finish();
	}
	assert_true(moved > 0 && moved < n);
}

static void test_cut_everywhere(void **state)
{
	for (unsigned how = 0; how < 4; how++)
		cut_everywhere(how & 1, how & 2);
}

/* In doubt, and the operator gives it up here: its disk stays, since nobody said that it went. */
static void test_given_up_in_doubt(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(false, ends, ARRAY_SIZE(ends));

	begin(false, true);
	fake_faults.cut_at = ends[n - 1];
	fake_faults.cut_parts = true;
	start((struct migrate_options){.verify = true});
	fake_fibers_run(120 * NS_PER_S);
	assert_int_equal(vm->state, VM_IN_DOUBT);
	assert_int_equal(migrate_decide(vm, false), 0);
	fake_fibers_run(240 * NS_PER_S);
	assert_null(fake_pair_find(0, "web"));
	assert_non_null(fake_ds_content(0, NAME));
	finish();
}

static void test_damage_everywhere(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(false, ends, ARRAY_SIZE(ends));

	for (unsigned i = 0; i + 1 < n; i++) {
		begin(false, true);
		fake_faults.flip_at = (ends[i] + ends[i + 1]) / 2;
		start((struct migrate_options){.verify = true});
		fake_fibers_run(120 * NS_PER_S);
		if (ends[i + 1] == ends[n - 1])
			assert_int_equal(runs(0) + runs(1), 1);
		else
			assert_unmoved();
		finish();
	}
}

static void test_verify_finds_a_difference(void **state)
{
	begin(false, false);
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.verify = true});
	while (progress()->round < 1)
		fake_fibers_run(time_ns() + NS_PER_MS);
	fake_ds_plain[0] = 7; /* a write that was never marked */
	run(60);
	assert_unmoved();
	assert_non_null(strstr(progress()->reason, "disks differ: vdb"));
	finish();
}

/* ---- hostile records ---- */

static struct receiver rx;
static struct move m;
static uint8_t payload[STREAM_PAYLOAD_MAX];

static int put_data(uint32_t disk, uint64_t offset, uint32_t length)
{
	struct stream_disk_data head = {.disk = disk, .offset = offset};
	struct stream_record r = {STREAM_DISK_DATA, (uint32_t)sizeof(head) + length, payload};

	memcpy(payload, &head, sizeof(head));
	return receive_disk_data(&m, &r);
}

static int put_holes(uint32_t disk, uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	struct stream_disk_holes head = {.disk = disk};
	struct stream_hole h[2] = {{a, an}, {b, bn}};
	struct stream_record r = {STREAM_DISK_HOLES, sizeof(head) + (bn ? 32 : 16), payload};

	memcpy(payload, &head, sizeof(head));
	memcpy(payload + sizeof(head), h, sizeof(h));
	return receive_disk_holes(&m, &r);
}

static int put_place(uint32_t disk, uint64_t sectors, const char *store)
{
	struct stream_disk_place p = {.disk = disk, .sectors = sectors};
	struct stream_record r = {STREAM_DISK, sizeof(p), payload};

	strncpy(p.store, store, sizeof(p.store));
	memcpy(payload, &p, sizeof(p));
	return receive_disk_place(&rx, &r);
}

static void hostile_task(void *arg)
{
	static struct stream_offer offer;
	uint64_t sectors = FAKE_DS_SIZE / SECTOR_SIZE;

	memset(&offer, 0, sizeof(offer));
	strcpy(offer.cfg.name, "web");
	offer.cfg.disk_count = 2;
	strcpy(offer.cfg.disks[0].name, "vda");
	offer.cfg.disks[0].shared = 1;
	strcpy(offer.cfg.disks[1].name, "vdb");
	offer.disks[1].sectors = sectors;
	memset(&m, 0, sizeof(m));
	memset(&rx, 0, sizeof(rx));
	rx.m = &m;
	m.offer = &offer;
	assert_int_equal(receive_disks_placed(&rx), -E_PROTO);
	assert_int_equal(put_place(0, sectors, "main"), -E_PROTO);
	assert_int_equal(put_place(2, sectors, "main"), -E_PROTO);
	assert_int_equal(put_place(UINT32_MAX, sectors, "main"), -E_PROTO);
	assert_int_equal(put_place(1, sectors - 1, "main"), -E_RANGE);
	offer.disks[1].sectors = DS_SIZE_MAX;
	assert_int_equal(put_place(1, DS_SIZE_MAX, "main"), -E_RANGE);
	offer.disks[1].sectors = sectors;
	assert_int_equal(put_place(1, sectors, "0123456789012345678901234567890123456789"),
			 -E_PROTO);
	assert_int_equal(put_place(1, sectors, "other"), -E_NOENT);
	m.from_store = true;
	assert_int_equal(put_place(1, sectors, "main"), -E_PROTO);
	m.from_store = false;
	assert_int_equal(put_place(1, sectors, "main"), 0);
	assert_int_equal(put_place(1, sectors, "main"), -E_PROTO);
	assert_int_equal(receive_disks_placed(&rx), 0);
	assert_int_equal(fake_ds_objects(1), 1);
	receive_disks_undo(&rx);
	assert_int_equal(fake_ds_objects(1), 0);

	/* contents, of the VM that begin() made: its disk 0 is the one */
	m.vm = vm;
	assert_int_equal(put_data(0, 0, 512), -E_PROTO); /* not one that was placed */
	m.copied = 1;
	assert_int_equal(put_data(1, 0, 512), -E_PROTO);
	assert_int_equal(put_data(UINT32_MAX, 0, 512), -E_PROTO);
	assert_int_equal(put_data(0, FAKE_DS_SIZE, 512), -E_PROTO);
	assert_int_equal(put_data(0, FAKE_DS_SIZE - 512, 1024), -E_PROTO);
	assert_int_equal(put_data(0, UINT64_MAX - 511, 1024), -E_PROTO);
	assert_int_equal(put_data(0, 1, 512), -E_PROTO);
	assert_int_equal(put_data(0, 0, 513), -E_PROTO);
	assert_int_equal(put_data(0, FAKE_DS_SIZE - 512, 512), 0);
	assert_int_equal(put_holes(1, 0, DS_CLUSTER, 0, 0), -E_RANGE);
	assert_int_equal(put_holes(0, 512, DS_CLUSTER, 0, 0), -E_PROTO);
	assert_int_equal(put_holes(0, 0, 512, 0, 0), -E_PROTO);
	assert_int_equal(put_holes(0, 0, 0, 0, 0), -E_RANGE);
	assert_int_equal(put_holes(0, 0, FAKE_DS_SIZE + 512, 0, 0), -E_RANGE);
	assert_int_equal(put_holes(0, DS_CLUSTER, UINT64_MAX - 511, 0, 0), -E_RANGE);
	assert_int_equal(put_holes(0, 0, FAKE_DS_SIZE, 0, DS_CLUSTER), -E_RANGE);
	assert_int_equal(put_holes(0, 0, DS_CLUSTER, 20 * DS_CLUSTER, 3 * SECTOR_SIZE), 0);
}

static void test_hostile_records(void **state)
{
	begin(false, true);
	fake_host = 1;
	assert_non_null(task_create("hostile", hostile_task, NULL));
	fake_host = 0;
	fake_fibers_run(time_ns() + NS_PER_S);
	assert_int_equal(fake_fibers_alive(), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moves),
	    cmocka_unit_test(test_sparse_stays_sparse),
	    cmocka_unit_test(test_cleared_again),
	    cmocka_unit_test(test_paused_guest),
	    cmocka_unit_test(test_suspend),
	    cmocka_unit_test(test_gives_up),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_name_is_taken),
	    cmocka_unit_test(test_storage_fails),
	    cmocka_unit_test(test_commit_fails),
	    cmocka_unit_test(test_cut_everywhere),
	    cmocka_unit_test(test_given_up_in_doubt),
	    cmocka_unit_test(test_damage_everywhere),
	    cmocka_unit_test(test_verify_finds_a_difference),
	    cmocka_unit_test(test_hostile_records),
	};

	return cmocka_run_group_tests_name("localdisk", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding a host's datastores on whole disks, in partitions and on shared storage with one
 * holder; guests' disks in them. Two RAM disks behind the real block layer and datastore.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/store/aoe.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/partition.h"
#include "kernel/store/stores.h"
#include "tests/unit/fake_fiber.h"

#define SECTORS 8192
#define FIRST	2048 /* of the partition */

static uint8_t ata_data[SECTORS][SECTOR_SIZE], aoe_data[SECTORS][SECTOR_SIZE];

/* ---- disks ---- */

static int ram_submit(uint8_t data[][SECTOR_SIZE], struct blkdev *bd, struct blk_request *rq)
{
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	if (rq->op == BLK_READ)
		blk_frags_write(rq, 0, data[rq->sector], rq->sectors * SECTOR_SIZE);
	else if (rq->op == BLK_WRITE)
		blk_frags_read(rq, 0, data[rq->sector], rq->sectors * SECTOR_SIZE);
	blkdev_end(bd, rq, 0);
	return 0;
}

/* Is the store to be found while its device is written to? */
static unsigned found_meanwhile, writes;

static int ata_submit(struct blkdev *bd, struct blk_request *rq)
{
	writes += rq->op == BLK_WRITE;
	found_meanwhile += rq->op == BLK_WRITE && stores_find("main");
	return ram_submit(ata_data, bd, rq);
}

static const struct blkdev_ops ata_ops = {.submit = ata_submit};
static struct blkdev ata = {.ops = &ata_ops, .name = "ata1", .sectors = SECTORS};

/* ---- an AoE target: list, string, and data for whoever is on the list ---- */

struct aoe_disk {
	struct blkdev bd;
	uint8_t mac[ETH_ALEN];
};

static struct aoe_reservation list;
static char string[AOE_CONFIG_SHORT + 1];
static int open_err;
static unsigned aoe_opened;

static bool may(const struct aoe_disk *d)
{
	return !list.count || !memcmp(list.macs[0], d->mac, ETH_ALEN);
}

static int aoe_submit(struct blkdev *bd, struct blk_request *rq)
{
	if (!may(container_of(bd, struct aoe_disk, bd)))
		return -E_FENCED;
	return ram_submit(aoe_data, bd, rq);
}

static const struct blkdev_ops aoe_ops = {.submit = aoe_submit};

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	static uint8_t n;

	memset(mac, 2, ETH_ALEN);
	mac[5] = ++n;
}

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	if (open_err)
		return open_err;
	*out = calloc(1, sizeof(**out));
	(*out)->bd = (struct blkdev){.ops = &aoe_ops, .name = "e5.0", .sectors = SECTORS};
	memcpy((*out)->mac, mac, ETH_ALEN);
	aoe_opened++;
	return 0;
}

void aoe_close(struct aoe_disk *d)
{
	aoe_opened--;
	free(d);
}

struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return &d->bd;
}

const uint8_t *aoe_mac(const struct aoe_disk *d)
{
	return d->mac;
}

int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	*out = list;
	return 0;
}

int aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		      uint64_t deadline_ns)
{
	list.count = (uint16_t)count;
	if (count)
		memcpy(list.macs, macs, count * ETH_ALEN);
	return 0;
}

int aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		    uint64_t deadline_ns)
{
	return may(d) ? aoe_reserve_force(d, macs, count, deadline_ns) : -E_FENCED;
}

int aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len, uint64_t deadline_ns)
{
	*len = strlen(string);
	memcpy(buf, string, MIN(*len, room));
	return 0;
}

int aoe_config_force(struct aoe_disk *d, const void *text, size_t len, uint64_t deadline_ns)
{
	memset(string, 0, sizeof(string));
	memcpy(string, text, len);
	return 0;
}

/* ---- the host ---- */

void entropy_fill(void *buf, size_t len)
{
	memset(buf, 7, len);
}

static struct host_config config;
static void (*job)(void);
static bool job_done;

static void job_task(void *arg)
{
	job();
	job_done = true;
}

static void in_task(void (*fn)(void))
{
	job = fn;
	job_done = false;
	assert_non_null(task_create("test", job_task, NULL));
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_true(job_done);
}

static void init(void)
{
	stores_init(&config);
}

static void close_all(void)
{
	const struct store *s;
	char why[160];

	for (unsigned i = 0; (s = stores_at(i)); i++)
		if (s->ds)
			assert_int_equal(stores_close(s->name, why, sizeof(why)), 0);
}

static void format(struct blkdev *bd, const char *name)
{
	static const uint8_t uuid[16] = {7};

	assert_int_equal(ds_format(bd, name, uuid), 0);
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_fibers_reset();
	memset(ata_data, 0, sizeof(ata_data));
	memset(aoe_data, 0, sizeof(aoe_data));
	memset(&list, 0, sizeof(list));
	memset(string, 0, sizeof(string));
	memset(&config, 0, sizeof(config));
	open_err = 0;
	strcpy(config.name, "alpha");
	if (!blkdev_find("ata1"))
		assert_int_equal(blkdev_register(&ata), 0);
	return 0;
}

static int teardown(void **state)
{
	in_task(close_all);
	stores_forget();
	assert_int_equal(aoe_opened, 0);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

/* ---- local disks ---- */

static void format_ata(void)
{
	format(&ata, "main");
}

static void test_whole_disk(void **state)
{
	in_task(format_ata);
	in_task(init);
	assert_non_null(stores_find("main"));
	assert_ptr_equal(stores_default(), stores_find("main"));
	assert_true(stores_use_disk(&ata));
	assert_string_equal(stores_name(stores_default()), "main");
	assert_null(stores_find("other"));
}

static void test_none(void **state)
{
	in_task(init);
	assert_null(stores_at(0));
	assert_null(stores_default());
	assert_null(stores_saved("web"));
	assert_false(stores_reverting("web"));
	assert_false(stores_use_disk(&ata));
}

static uint32_t crc32_ieee(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void seal(void)
{
	uint8_t *h = ata_data[1];

	put(h + 88, crc32_ieee(ata_data[2], 128 * 128), 4);
	put(h + 16, 0, 4);
	put(h + 16, crc32_ieee(h, 92), 4);
}

/* Entry 2 is ours, as UEFI 2.9, 5.3 lays it out. */
static void make_table(uint64_t first, uint64_t last)
{
	static const uint8_t type[16] = {0x55, 0x47, 0x41, 0x50, 0x55, 0x52, 0x44, 0x53,
					 0xa7, 0x5c, 0x6d, 0x6f, 0x76, 0x65, 0x73, 0x21};
	uint8_t *h = ata_data[1], *e = ata_data[2] + 128;

	memcpy(h, "EFI PART", 8);
	put(h + 8, 0x10000, 4);
	put(h + 12, 92, 4);
	put(h + 72, 2, 8);
	put(h + 80, 128, 4);
	put(h + 84, 128, 4);
	memset(ata_data[2], 1, 16); /* somebody else's */
	memcpy(e, type, 16);
	put(e + 32, first, 8);
	put(e + 40, last, 8);
	seal();
}

static struct blkdev *part;
static int part_err;

static void find_part(void)
{
	part = NULL;
	part_err = partition_find(&ata, &part);
}

static void format_part(void)
{
	find_part();
	assert_int_equal(part_err, 0);
	assert_string_equal(part->name, "ata1p2");
	assert_int_equal(part->sectors, SECTORS - FIRST);
	format(part, "main");
	partition_free(part);
}

static void test_partition(void **state)
{
	static uint8_t table[34][SECTOR_SIZE];

	make_table(FIRST, SECTORS - 1);
	memcpy(table, ata_data, sizeof(table));
	in_task(format_part);
	assert_memory_equal(table, ata_data, sizeof(table)); /* nothing before it was touched */
	in_task(init);
	assert_non_null(stores_find("main"));
	assert_true(stores_use_disk(&ata));
}

static void read_past(void)
{
	uint8_t sector[SECTOR_SIZE];

	find_part();
	assert_int_equal(blkdev_read(part, part->sectors - 1, 1, sector), 0);
	assert_int_equal(blkdev_read(part, part->sectors, 1, sector), -E_RANGE);
	assert_int_equal(blkdev_read(part, UINT64_MAX - 1, 1, sector), -E_RANGE);
	partition_free(part);
}

static void test_partition_is_bounded(void **state)
{
	make_table(100, 200);
	in_task(read_past);
}

static void expect(int err)
{
	in_task(find_part);
	assert_int_equal(part_err, err);
}

static void test_bad_tables(void **state)
{
	expect(-E_NOENT);
	make_table(FIRST, SECTORS);
	expect(-E_RANGE);
	make_table(FIRST, FIRST - 1);
	expect(-E_RANGE);
	make_table(UINT64_MAX, UINT64_MAX);
	expect(-E_RANGE);
	make_table(FIRST, SECTORS - 1);
	ata_data[1][90] ^= 1; /* the table's CRC, under the header's */
	expect(-E_CHECKSUM);
	make_table(FIRST, SECTORS - 1);
	ata_data[1][60] ^= 1; /* what only the header's CRC covers */
	expect(-E_CHECKSUM);
	make_table(FIRST, SECTORS - 1);
	ata_data[5][0] ^= 1;
	expect(-E_CHECKSUM);
	make_table(FIRST, SECTORS - 1);
	put(ata_data[1] + 80, 129, 4); /* more entries than there is room for */
	seal();
	expect(-E_CHECKSUM);
	make_table(FIRST, SECTORS - 1);
	put(ata_data[1] + 72, SECTORS - 3, 8);
	seal();
	expect(-E_CHECKSUM);
	make_table(FIRST, SECTORS - 1);
	memset(ata_data[2] + 128, 0, 16); /* no datastore in it */
	seal();
	expect(-E_NOENT);
}

/* ---- shared storage ---- */

static void format_shared(void)
{
	static const uint8_t mac[ETH_ALEN] = {2};
	struct aoe_disk *d;

	assert_int_equal(aoe_open(5, 0, mac, &d), 0);
	format(aoe_blkdev(d), "pool1");
	aoe_close(d);
}

static void name_shared(const char *name)
{
	in_task(format_shared);
	config.store_count = 1;
	config.stores[0].shelf = 5;
	strcpy(config.stores[0].name, name);
}

static const char *open_name;
static bool open_force;
static int result;
static char words[160];

static void open_again(void)
{
	words[0] = 0;
	result = stores_open(open_name, open_force, words, sizeof(words));
}

static int open_store(const char *name, bool force)
{
	open_name = name;
	open_force = force;
	in_task(open_again);
	return result;
}

static void test_shared(void **state)
{
	name_shared("pool1");
	in_task(init);
	assert_non_null(stores_find("pool1"));
	assert_int_equal(list.count, 1);
	assert_string_equal(string, "pagurus-store:alpha");
	assert_int_equal(open_store("pool1", false), -E_EXIST);
	in_task(close_all);
	assert_int_equal(list.count, 0);
	assert_string_equal(string, "");
}

/* Who has it is said; only --force takes it away. */
static void test_held_by_another(void **state)
{
	name_shared("pool1");
	list.count = 1;
	list.macs[0][0] = 0x22;
	strcpy(string, "pagurus-store:beta");
	in_task(init);
	assert_null(stores_find("pool1"));
	assert_non_null(strstr(stores_at(0)->why, "reserved by beta"));
	assert_int_equal(list.macs[0][0], 0x22);
	assert_int_equal(open_store("pool1", false), -E_FENCED);
	assert_non_null(strstr(words, "'store-close pool1' there"));
	strcpy(string, "somebody's \x1b");
	assert_int_equal(open_store("pool1", false), -E_FENCED);
	assert_non_null(strstr(words, "reserved by another host"));
	assert_int_equal(open_store("pool1", true), 0);
	assert_int_equal(list.macs[0][0], 2);
	assert_string_equal(string, "pagurus-store:alpha");
}

static void test_own_reservation_from_before(void **state)
{
	name_shared("pool1");
	list.count = 1;
	list.macs[0][0] = 0x22;
	strcpy(string, "pagurus-store:alpha");
	in_task(init);
	assert_non_null(stores_find("pool1"));
	assert_int_equal(list.macs[0][0], 2);
}

static void test_other_name_on_it(void **state)
{
	name_shared("pool2");
	in_task(init);
	assert_null(stores_find("pool2"));
	assert_non_null(strstr(stores_at(0)->why, "holds a datastore named pool1"));
	assert_int_equal(list.count, 0);
	assert_string_equal(string, "");
}

static void test_not_formatted_or_away(void **state)
{
	name_shared("pool1");
	memset(aoe_data, 0, sizeof(aoe_data));
	in_task(init);
	assert_null(stores_find("pool1"));
	assert_true(stores_at(0)->why[0]);
	assert_int_equal(list.count, 0);
	open_err = -E_TIMEDOUT;
	assert_int_equal(open_store("pool1", false), -E_TIMEDOUT);
	assert_non_null(strstr(words, "AoE target e5.0"));
	assert_int_equal(open_store("nobody", false), -E_NOENT);
}

static const char *format_disk;

static void format_again(void)
{
	words[0] = 0;
	result = stores_format(open_name, format_disk, words, sizeof(words));
}

static int format_store(const char *name, const char *disk)
{
	open_name = name;
	format_disk = disk;
	in_task(format_again);
	return result;
}

static void test_format(void **state)
{
	uint8_t first[SECTOR_SIZE];

	config.store_count = 1;
	config.stores[0].shelf = 5;
	strcpy(config.stores[0].name, "pool1");
	in_task(init);
	assert_null(stores_find("pool1"));
	assert_int_equal(format_store("pool1", NULL), 0);
	assert_non_null(stores_find("pool1"));
	assert_int_equal(format_store("pool1", NULL), -E_BUSY);
	assert_int_equal(format_store("nobody", NULL), -E_NOENT);
	assert_int_equal(format_store("main", "ata9"), -E_NOENT);
	assert_int_equal(format_store("no/name", "ata1"), -E_INVAL);
	make_table(FIRST, SECTORS - 1); /* its partition, not the table before it */
	memcpy(first, ata_data[1], sizeof(first));
	assert_int_equal(format_store("main", "ata1"), 0);
	assert_non_null(stores_find("main"));
	assert_memory_equal(first, ata_data[1], sizeof(first));
	assert_int_equal(format_store("other", "ata1"), -E_BUSY);
}

/* One that another host has is not made anew. */
static void test_format_held(void **state)
{
	name_shared("pool1");
	list.count = 1;
	list.macs[0][0] = 0x22;
	in_task(init);
	assert_int_equal(format_store("pool1", NULL), -E_FENCED);
	list.count = 0;
	assert_int_equal(open_store("pool1", false), 0);
}

static void test_default(void **state)
{
	name_shared("pool1");
	in_task(format_ata);
	in_task(init);
	assert_ptr_equal(stores_default(), stores_find("main")); /* the local one */
	strcpy(config.default_store, "pool1");
	assert_ptr_equal(stores_default(), stores_find("pool1"));
	strcpy(config.default_store, "away");
	assert_null(stores_default()); /* not another one in its place */
}

static void close_held(void)
{
	char why[160];

	stores_hold(stores_find("main"));
	assert_int_equal(stores_close("main", why, sizeof(why)), -E_BUSY);
	stores_release(stores_find("main"));
}

static void test_held_is_not_closed(void **state)
{
	in_task(format_ata);
	in_task(init);
	in_task(close_held);
	assert_non_null(stores_find("main"));
}

/* ---- guests' disks ---- */

static void make_object(void)
{
	struct ds_object *o;

	assert_int_equal(ds_create(stores_find("main"), "disk/web/vda", DS_DISK, 1 * MiB, &o), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	assert_int_equal(ds_create(stores_find("main"), "vm/web/vm.conf", DS_FILE, 0, &o), 0);
	assert_int_equal(ds_write(o, 0, ata_data[0], SECTOR_SIZE), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void close_main(void)
{
	char why[160];

	assert_int_equal(stores_close("main", why, sizeof(why)), 0);
}

/* Whoever found it then would wait for the lock of what is freed. */
static void test_not_found_while_it_closes(void **state)
{
	in_task(format_ata);
	in_task(init);
	in_task(make_object);
	writes = found_meanwhile = 0;
	in_task(close_main);
	assert_int_not_equal(writes, 0);
	assert_int_equal(found_meanwhile, 0);
	assert_null(stores_find("main"));
}

static void pieces_done(struct blk_request *rq, int err)
{
	*(int *)rq->ctx = err;
}

/* One request whose sector lies in three pieces of memory. */
static void write_pieces(struct blkdev *bd)
{
	static uint8_t a[100], b[200], c[212], whole[SECTOR_SIZE];
	struct blk_request rq = {.op = BLK_WRITE, .sector = 9, .sectors = 1, .frag_count = 3};
	int err = 1;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memset(c, 'c', sizeof(c));
	rq.frags[0] = (struct blk_frag){a, sizeof(a)};
	rq.frags[1] = (struct blk_frag){b, sizeof(b)};
	rq.frags[2] = (struct blk_frag){c, sizeof(c)};
	rq.done = pieces_done;
	rq.ctx = &err;
	assert_int_equal(bd->ops->submit(bd, &rq), 0);
	assert_int_equal(err, 1); /* never from inside submit */
	task_yield();
	assert_int_equal(err, 0);
	assert_int_equal(blkdev_read(bd, 9, 1, whole), 0);
	assert_memory_equal(whole, a, 100);
	assert_memory_equal(whole + 100, b, 200);
	assert_memory_equal(whole + 300, c, 212);
}

static void use_disk(void)
{
	uint8_t out[2 * SECTOR_SIZE], in[2 * SECTOR_SIZE];
	struct blkdev *bd, *second;
	char why[160];

	memset(out, 0x5a, sizeof(out));
	assert_int_equal(ds_disk_open(stores_find("main"), "disk/web/vdb", false, &bd), -E_NOENT);
	assert_int_equal(ds_disk_open(stores_find("main"), "vm/web/vm.conf", true, &bd), -E_INVAL);
	assert_int_equal(ds_disk_open(stores_find("main"), "disk/web/vda", false, &bd), 0);
	assert_int_equal(ds_disk_open(stores_find("main"), "disk/web/vda", true, &second), -E_BUSY);
	assert_int_equal(bd->sectors, 2048);
	assert_int_equal(blkdev_write(bd, 2046, 2, out), 0);
	assert_int_equal(blkdev_write(bd, 2047, 2, out), -E_RANGE);
	assert_int_equal(blkdev_flush(bd), 0);
	assert_int_equal(blkdev_read(bd, 2046, 2, in), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(blkdev_read(bd, 0, 1, in), 0); /* a hole */
	assert_int_equal(in[0], 0);
	write_pieces(bd);
	assert_int_equal(stores_close("main", why, sizeof(why)), -E_BUSY);
	ds_disk_close(bd);
	task_yield();
	assert_int_equal(ds_disk_open(stores_find("main"), "disk/web/vda", true, &bd), 0);
	assert_int_equal(ds_disk_open(stores_find("main"), "disk/web/vda", true, &second), 0);
	assert_int_equal(blkdev_read(bd, 2047, 1, in), 0);
	assert_int_equal(in[0], 0x5a);
	assert_int_equal(blkdev_write(bd, 0, 1, out), -E_INVAL);
	ds_disk_close(bd);
	ds_disk_close(second);
}

static void test_disk_in_store(void **state)
{
	in_task(format_ata);
	in_task(init);
	in_task(make_object);
	in_task(use_disk);
	assert_int_equal(fake_fibers_alive(), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_whole_disk),
	    T(test_none),
	    T(test_partition),
	    T(test_partition_is_bounded),
	    T(test_bad_tables),
	    T(test_shared),
	    T(test_held_by_another),
	    T(test_own_reservation_from_before),
	    T(test_other_name_on_it),
	    T(test_not_formatted_or_away),
	    T(test_format),
	    T(test_format_held),
	    T(test_default),
	    T(test_held_is_not_closed),
	    T(test_not_found_while_it_closes),
	    T(test_disk_in_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DISK_DIGESTS at the source of a cold move: a target says which blocks it has. Whatever it
 * says, no block may be left out that differs, and nothing outside the disk is looked at. The
 * input is a list of such records, right, spoilt or of any bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "migrate/cold.h"
#include "kernel/store/stores.h"
#include "migrate/disks.h"
#include "migrate/page_digest.h"
#include "tests/unit/fake_kernel.h"
#include "vmm/vm_build.h"
#include "vmm/vm_log.h"

#define DISKS  3
#define BLOCKS 70 /* most of a disk: more than one word of its log */

#define HOW_LENGTH 0x20 /* cut anywhere */
#define HOW_STOP   0x40
#define HOW_FAIL   0x80 /* the disk */

struct payload {
	struct stream_disk_digests head;
	uint64_t digests[STREAM_BLOCKS_MAX];
};

static struct move move;
static struct vm vm;
static struct blkdev disks[DISKS];
static const uint64_t sectors[DISKS] = {(BLOCKS - 1) * 128 + 3, 128, 1};
static bool disk_fails;

/* ---- what cold_take_digests uses ---- */

static void fill(uint64_t block, void *buf, uint64_t len)
{
	memset(buf, (int)(block % 5), len);
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	assert_true(sector % 128 == 0 && count && count <= 128);
	assert_true(sector < bd->sectors && count <= bd->sectors - sector);
	fill(sector / 128, buf, (uint64_t)count * SECTOR_SIZE);
	return disk_fails ? -E_IO : 0;
}

/* ---- what the rest of a cold move's source uses: not reached ---- */

#define UNREACHED(type, name, ...)                                                                 \
	type name(__VA_ARGS__)                                                                     \
	{                                                                                          \
		abort();                                                                           \
	}

UNREACHED(int, cold_commit_source, struct move *m)
UNREACHED(int, cold_gone, struct move *m)
UNREACHED(int, cpuid_policy_build, const char *hide, struct cpuid_policy *out, const char **bad)
UNREACHED(void, move_end, struct move *m, int err)
UNREACHED(void, move_send_error, struct move *m, int err)
UNREACHED(void, move_set_stage, struct move *m, enum move_stage s)
UNREACHED(void, move_set_vm_state, struct vm *v, enum vm_state s)
UNREACHED(int, send_disks_digests, struct move *m, uint64_t digests[VM_MAX_DISKS])
UNREACHED(int, send_disks_round, struct move *m)
UNREACHED(void, send_disks_stop, struct move *m)
UNREACHED(int, send_disks_watch, struct move *m)
UNREACHED(int, send_expect_verified, struct move *m)
UNREACHED(int, send_last_words, struct move *m, int err)
UNREACHED(void, send_log_summary, const struct move *m)
UNREACHED(int, send_pre_migration, struct move *m)
UNREACHED(int, send_reservation, struct move *m)
UNREACHED(struct datastore *, stores_default, void)
UNREACHED(void, stores_hold, struct datastore *ds)
UNREACHED(void, stores_release, struct datastore *ds)
UNREACHED(struct datastore *, stores_saved, const char *name)
UNREACHED(void, vm_close_disks, struct vm *v)
UNREACHED(struct vm *, vm_find, const char *name)
UNREACHED(int, vm_log_tail, const char *name, char *buf, size_t size, size_t *len)
UNREACHED(int, vm_open_disks, struct vm *v)
UNREACHED(int, vm_own_disks, struct vm *v)
UNREACHED(void, vm_release_disks, struct vm *v)

/* ---- records ---- */

static uint64_t block_length(unsigned disk, uint64_t block)
{
	return MIN(sectors[disk] * SECTOR_SIZE - block * STREAM_BLOCK, STREAM_BLOCK);
}

static uint64_t right_digest(unsigned disk, uint64_t block)
{
	static uint64_t buf[STREAM_BLOCK / sizeof(uint64_t)];

	if (disk >= DISKS || block >= vm.disks[disk].log.blocks)
		return 7;
	fill(block, buf, STREAM_BLOCK);
	return digest_words(buf, block_length(disk, block));
}

static uint32_t make_record(struct fuzz *in, uint8_t how, struct payload *p)
{
	uint32_t count = 1 + fuzz_u8(in) % STREAM_BLOCKS_MAX, length;

	p->head = (struct stream_disk_digests){.disk = how % 4, .first = fuzz_u8(in)};
	for (uint32_t i = 0; i < count; i++) {
		uint8_t what = fuzz_u8(in);

		p->digests[i] = what % 3 == 2 ? right_digest(how % 4, p->head.first + i) : what % 3;
	}
	length = sizeof(p->head) + count * 8;
	fuzz_spoil(in, p, length);
	return how & HOW_LENGTH ? sizeof(p->head) + 8 + fuzz_u16(in) % (length - 23) : length;
}

static bool is_marked(const struct disk_log *log, uint64_t block)
{
	return log->bits[block / 64] >> block % 64 & 1;
}

static bool is_told(const struct payload *p, uint32_t length, unsigned disk, uint64_t block)
{
	uint64_t at = block - p->head.first;

	return p->head.disk == disk && block >= p->head.first &&
	       at < (length - sizeof(p->head)) / 8 && p->digests[at] == right_digest(disk, block);
}

/* A block need not go when it was told rightly, by this record or an earlier one. */
static void check(const struct payload *p, uint32_t length, bool needed[DISKS][BLOCKS], bool whole)
{
	for (unsigned d = 0; d < DISKS; d++) {
		const struct disk_log *log = &vm.disks[d].log;
		uint64_t marked = 0;

		for (uint64_t b = 0; b < log->blocks; b++) {
			bool told = is_told(p, length, d, b);

			marked += is_marked(log, b);
			if (needed[d][b] && !is_marked(log, b))
				assert_true(told);
			if (whole && told)
				assert_false(is_marked(log, b));
			needed[d][b] = is_marked(log, b);
		}
		assert_int_equal(marked, log->marked);
	}
}

static void take(struct fuzz *in, bool needed[DISKS][BLOCKS])
{
	struct payload *p = calloc(1, sizeof(*p));
	struct stream_record r = {.type = STREAM_DISK_DIGESTS};
	uint8_t how = fuzz_u8(in), *wire;
	int err;

	disk_fails = how & HOW_FAIL;
	move.stop = how & HOW_STOP;
	move.st.reason[0] = 0;
	r.length = make_record(in, how, p);
	wire = malloc(r.length); /* so that ASan sees its end */
	memcpy(wire, p, r.length);
	r.payload = wire;
	err = cold_take_digests(&move, &r);
	assert_true(!err || move.st.reason[0]);
	check(p, r.length, needed, !err);
	free(wire);
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz in = {data, size};
	bool needed[DISKS][BLOCKS];

	memset(&move, 0, sizeof(move));
	memset(&vm, 0, sizeof(vm));
	memset(needed, true, sizeof(needed));
	fake_alloc_live = 0;
	move.vm = &vm;
	vm.disk_count = DISKS;
	for (unsigned i = 0; i < DISKS; i++) {
		disks[i].sectors = sectors[i];
		vm.disks[i].blk = &disks[i];
		if (i != 2 || size % 2) /* else that one is not copied */
			assert_int_equal(disk_log_start(&vm.disks[i].log, sectors[i]), 0);
	}
	while (in.left)
		take(&in, needed);
	for (unsigned i = 0; i < DISKS; i++)
		disk_log_stop(&vm.disks[i].log);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio disk as a driver sees it, through PCI configuration and BAR, on a
 * block device whose requests the test completes when it likes.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vblk.h"

#define SLOT	4
#define GSI	20
#define SECTORS 4096
#define QSIZE	64
#define DESC	0x10000
#define AVAIL	0x20000
#define USED	0x30000
#define HEADERS 0x40000 /* 16 bytes and a status byte for each head */
#define DATA	0x100000

/* ---- the block device ---- */

static struct blk_request *pending[64];
static unsigned pending_count;
static int submit_err;
static uint8_t disk_data[SECTORS * SECTOR_SIZE];

static int fake_submit(struct blkdev *bd, struct blk_request *rq)
{
	uint32_t bytes = 0;

	if (submit_err)
		return submit_err;
	for (unsigned i = 0; i < rq->frag_count; i++)
		bytes += rq->frags[i].len;
	assert_int_equal(bytes, rq->sectors * SECTOR_SIZE);
	assert_true(rq->sector + rq->sectors <= SECTORS);
	pending[pending_count++] = rq;
	return 0;
}

static const struct blkdev_ops blk_ops = {fake_submit};
static struct blkdev blk = {.ops = &blk_ops, .name = "fake", .sectors = SECTORS};
static struct vm_disk disk = {.cfg = {.name = "vda", .used = 1}, .blk = &blk};

/* Finish the i-th pending request, moving data as a disk would. */
static void complete(unsigned i, int err)
{
	struct blk_request *rq = pending[i];
	uint8_t *at = disk_data + rq->sector * SECTOR_SIZE;

	memmove(&pending[i], &pending[i + 1], (--pending_count - i) * sizeof(pending[0]));
	for (unsigned k = 0; !err && k < rq->frag_count; at += rq->frags[k++].len) {
		if (rq->op == BLK_READ)
			memcpy(rq->frags[k].data, at, rq->frags[k].len);
		else
			memcpy(at, rq->frags[k].data, rq->frags[k].len);
	}
	rq->done(rq, err);
}

/* ---- the driver ---- */

static struct vm *vm;
static struct vblk *d;
static struct {
	gpa_t common, notify, isr, device;
	unsigned pci_cap;
} regs;

static uint32_t cfg(unsigned reg, unsigned size)
{
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | (reg & 0xfc));
	return iobus_read(&vm->ports, 0xcfc + (reg & 3), size);
}

static void cfg_set(unsigned reg, unsigned size, uint32_t value)
{
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | (reg & 0xfc));
	iobus_write(&vm->ports, 0xcfc + (reg & 3), size, value);
}

static uint64_t in(gpa_t gpa, unsigned size)
{
	return iobus_read(&vm->mmio, gpa, size);
}

static void out(gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static void find_structures(void)
{
	gpa_t bar = cfg(0x10, 4);

	for (unsigned at = cfg(0x34, 1); at; at = cfg(at + 1, 1)) {
		gpa_t where = bar + cfg(at + 8, 4);

		if (cfg(at, 1) != 9)
			continue;
		switch (cfg(at + 3, 1)) {
		case 1:
			regs.common = where;
			break;
		case 2:
			regs.notify = where;
			assert_int_equal(cfg(at + 16, 4), 4);
			break;
		case 3:
			regs.isr = where;
			break;
		case 4:
			regs.device = where;
			break;
		case 5:
			regs.pci_cap = at;
			break;
		}
	}
	assert_true(regs.common && regs.notify && regs.isr && regs.device && regs.pci_cap);
}

static uint64_t offered(void)
{
	out(regs.common, 4, 0);
	uint64_t f = in(regs.common + 4, 4);

	out(regs.common, 4, 1);
	return f | in(regs.common + 4, 4) << 32;
}

static void accept(uint64_t features)
{
	out(regs.common + 8, 4, 0);
	out(regs.common + 12, 4, features);
	out(regs.common + 8, 4, 1);
	out(regs.common + 12, 4, features >> 32);
}

static void start_driver(uint64_t features)
{
	uint64_t zero = 0;

	fake_guest_put(vm, AVAIL, &zero, 4);
	fake_guest_put(vm, USED, &zero, 4);
	out(regs.common + 20, 1, 0);
	assert_int_equal(in(regs.common + 20, 1), 0);
	out(regs.common + 20, 1, 1);
	out(regs.common + 20, 1, 3);
	accept(features);
	out(regs.common + 20, 1, 11);
	assert_int_equal(in(regs.common + 20, 1), 11);
	out(regs.common + 22, 2, 0);
	assert_int_equal(in(regs.common + 24, 2), 256);
	out(regs.common + 24, 2, QSIZE);
	out(regs.common + 32, 4, DESC);
	out(regs.common + 36, 4, 0);
	out(regs.common + 40, 8, AVAIL);
	out(regs.common + 48, 8, USED);
	out(regs.common + 28, 2, 1);
	out(regs.common + 20, 1, 15);
	assert_int_equal(in(regs.common + 20, 1), 15);
}

static void put(gpa_t gpa, uint64_t value, size_t size)
{
	fake_guest_put(vm, gpa, &value, size);
}

static uint64_t get(gpa_t gpa, size_t size)
{
	uint64_t v = 0;

	fake_guest_get(vm, gpa, &v, size);
	return v;
}

static void desc(unsigned i, gpa_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put(DESC + 16 * i, addr, 8);
	put(DESC + 16 * i + 8, len, 4);
	put(DESC + 16 * i + 12, flags, 2);
	put(DESC + 16 * i + 14, next, 2);
}

static gpa_t status_at(unsigned head)
{
	return HEADERS + 32 * head + 16;
}

static void header(unsigned head, uint32_t type, uint64_t sector)
{
	put(HEADERS + 32 * head, type, 8);
	put(HEADERS + 32 * head + 8, sector, 8);
	put(status_at(head), 0xee, 1);
}

static void offer(uint16_t head)
{
	uint16_t idx = get(AVAIL + 2, 2);

	put(AVAIL + 4 + 2 * (idx % QSIZE), head, 2);
	put(AVAIL + 2, (uint16_t)(idx + 1), 2);
}

static void kick(void)
{
	out(regs.notify, 2, 0);
}

/* Three descriptors from head on: header, data, status. */
static void request(unsigned head, uint32_t type, uint64_t sector, gpa_t data, uint32_t len)
{
	header(head, type, sector);
	desc(head, HEADERS + 32 * head, 16, 1, head + 1);
	desc(head + 1, data, len, 1 | (type == 1 ? 0 : 2), head + 2);
	desc(head + 2, status_at(head), 1, 2, 0);
	offer(head);
	kick();
}

static unsigned used_count(void)
{
	return get(USED + 2, 2);
}

static uint64_t used(unsigned i) /* id in the low half, len in the high one */
{
	return get(USED + 4 + 8 * (i % QSIZE), 8);
}

static struct vm *machine(struct vblk **out_d)
{
	struct vm *m = fake_vm_create(8 * MiB, 1);

	fake_guest_create(m);
	assert_int_equal(vpci_create(m), 0);
	assert_int_equal(vblk_create(m, SLOT, &disk, out_d), 0);
	vpci_assign(m->vpci);
	return m;
}

static int setup(void **state)
{
	pending_count = 0;
	submit_err = 0;
	disk.cfg.readonly = 0;
	blk.sectors = SECTORS;
	for (unsigned i = 0; i < sizeof(disk_data); i++)
		disk_data[i] = i / SECTOR_SIZE * 3 + i;
	vm = machine(&d);
	find_structures();
	start_driver(BIT(32) | BIT(28) | BIT(9));
	return 0;
}

static void destroy(struct vm *m)
{
	struct guest_mem mem = m->mem;

	fake_vm_destroy(m);
	for (unsigned i = 0; i < mem.block_count; i++)
		free(mem.blocks[i]);
	free(mem.blocks);
}

static int teardown(void **state)
{
	while (pending_count)
		complete(0, 0);
	destroy(vm);
	return 0;
}

/* ---- tests ---- */

static void identity_and_configuration(void **state)
{
	assert_int_equal(cfg(0, 4), 0x10421af4);
	assert_int_equal(cfg(8, 1), 1);
	assert_int_equal(offered(),
			 BIT(32) | BIT(29) | BIT(28) | BIT(9) | BIT(6) | BIT(2) | BIT(1));
	assert_int_equal(in(regs.common + 18, 2), 1);
	assert_int_equal(in(regs.common + 16, 2), 0xffff);
	assert_int_equal(in(regs.device, 8), SECTORS);
	assert_int_equal(in(regs.device + 4, 4), 0);
	assert_int_equal(in(regs.device + 8, 4), 32768);
	assert_int_equal(in(regs.device + 12, 4), 32);
	assert_int_equal(in(regs.device + 20, 4), 512);
	assert_int_equal(in(regs.device + 23, 1), 0);
	assert_int_equal(in(regs.device + 0xffc, 4), 0);
}

static void features_are_negotiated(void **state)
{
	out(regs.common + 20, 1, 0);
	out(regs.common + 20, 1, 3);
	accept(BIT(9)); /* without VERSION_1 */
	out(regs.common + 20, 1, 11);
	assert_int_equal(in(regs.common + 20, 1), 3);
	accept(BIT(32) | BIT(12)); /* one that was not offered */
	out(regs.common + 20, 1, 11);
	assert_int_equal(in(regs.common + 20, 1), 3);
	out(regs.common + 20, 1, 7); /* DRIVER_OK without FEATURES_OK */
	assert_int_equal(in(regs.common + 20, 1), 3);
	accept(BIT(32));
	out(regs.common + 20, 1, 11);
	assert_int_equal(in(regs.common + 20, 1), 11);
	accept(BIT(32) | BIT(9)); /* too late */
	out(regs.common + 8, 4, 0);
	assert_int_equal(in(regs.common + 12, 4), 0);
}

static void read_across_host_blocks(void **state)
{
	gpa_t data = 2 * MiB - 700; /* no sector border, and in two blocks */
	uint8_t got[1024];

	fake_guest_clean();
	request(0, 0, 10, data, 1024);
	assert_int_equal(pending_count, 1);
	assert_int_equal(pending[0]->frag_count, 2);
	assert_int_equal(used_count(), 0);
	assert_false(fake_irq_level[GSI]);
	complete(0, 0);
	assert_int_equal(used_count(), 1);
	assert_int_equal(used(0), 1025ull << 32 | 0);
	assert_int_equal(get(status_at(0), 1), 0);
	fake_guest_get(vm, data, got, 1024);
	assert_memory_equal(got, disk_data + 10 * SECTOR_SIZE, 1024);
	assert_true(fake_guest_is_dirty(data));
	assert_true(fake_guest_is_dirty(2 * MiB));
	assert_true(fake_guest_is_dirty(status_at(0)));
	assert_true(fake_guest_is_dirty(USED));
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(in(regs.isr, 1), 1);
	assert_false(fake_irq_level[GSI]);
	assert_int_equal(in(regs.isr, 1), 0);
}

static void write_flush_and_id(void **state)
{
	char id[21] = {0};

	put(DATA, 0x1122334455667788, 8);
	request(0, 1, 7, DATA, 512);
	complete(0, 0);
	assert_int_equal(*(uint64_t *)(disk_data + 7 * 512), 0x1122334455667788);
	assert_int_equal(used(0), 1ull << 32);
	request(3, 4, 0, DATA, 0);
	assert_int_equal(pending[0]->op, BLK_FLUSH);
	complete(0, 0);
	assert_int_equal(get(status_at(3), 1), 0);
	request(6, 8, 0, DATA, 20);
	assert_int_equal(pending_count, 0);
	assert_int_equal(get(status_at(6), 1), 0);
	fake_guest_get(vm, DATA, id, 20);
	assert_string_equal(id, "vda");
	assert_int_equal(used(2), 21ull << 32 | 6);
}

static void any_framing_is_served(void **state)
{
	/* header in three pieces, data and status in one buffer */
	header(0, 0, 5);
	desc(0, HEADERS, 1, 1, 1);
	desc(1, HEADERS + 1, 8, 1, 2);
	desc(2, HEADERS + 9, 7, 1, 3);
	desc(3, DATA, 513, 2, 0);
	offer(0);
	kick();
	complete(0, 0);
	assert_int_equal(get(DATA, 8), *(uint64_t *)(disk_data + 5 * 512));
	assert_int_equal(get(DATA + 512, 1), 0);
	/* a write whose header and data share a buffer */
	header(5, 1, 9);
	put(HEADERS + 0x1000 - 16, 1, 8);
	put(HEADERS + 0x1000 - 8, 9, 8);
	put(HEADERS + 0x1000, 0x77, 8);
	desc(5, HEADERS + 0x1000 - 16, 16 + 512, 1, 6);
	desc(6, status_at(5), 1, 2, 0);
	offer(5);
	kick();
	complete(0, 0);
	assert_int_equal(disk_data[9 * 512], 0x77);
}

static void bad_requests_get_an_error(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		uint8_t status;
	} bad[] = {
	    {0, SECTORS, 512, 1},
	    {0, SECTORS - 1, 1024, 1},
	    {1, UINT64_MAX, 512, 1},
	    {0, 0, 511, 1},
	    {1, 0, 0, 1},
	    {0, 0, 1024 * 1024 + 512, 1},
	    {77, 0, 512, 2},
	    {2, 0, 512, 2},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		request(0, bad[i].type, bad[i].sector, DATA, bad[i].len);
		assert_int_equal(pending_count, 0);
		assert_int_equal(get(status_at(0), 1), bad[i].status);
		assert_int_equal(used_count(), i + 1);
	}
	request(0, 0, 0, DATA, 1024 * 1024); /* the largest */
	assert_int_equal(pending_count, 1);
	complete(0, -E_IO);
	assert_int_equal(get(status_at(0), 1), 1);
	submit_err = -E_NOMEM;
	request(0, 0, 0, DATA, 512);
	assert_int_equal(get(status_at(0), 1), 1);
	assert_int_equal(vblk_inflight(d), 0);
}

static void assert_broken(void)
{
	assert_int_equal(in(regs.common + 20, 1) & 64, 64);
	assert_int_equal(in(regs.isr, 1) & 2, 2);
	assert_int_equal(pending_count, 0);
	unsigned n = used_count();

	desc(0, HEADERS, 16, 1, 1);
	request(0, 4, 0, DATA, 0); /* nothing works until a reset */
	assert_int_equal(used_count(), n);
	assert_int_equal(pending_count, 0);
	start_driver(BIT(32) | BIT(28));
	request(0, 4, 0, DATA, 0);
	assert_int_equal(pending_count, 1);
	complete(0, 0);
}

static void broken_queues_need_a_reset(void **state)
{
	header(0, 0, 0);
	desc(0, HEADERS, 15, 1, 1); /* header too short */
	desc(1, status_at(0), 1, 2, 0);
	offer(0);
	kick();
	assert_broken();

	header(0, 0, 0);
	desc(0, HEADERS, 16, 0, 0); /* no room for a status */
	offer(0);
	kick();
	assert_broken();

	request(0, 0, 0, 8 * MiB - 256, 512); /* half outside of memory */
	assert_broken();

	header(0, 4, 0);
	desc(0, HEADERS, 16, 1, 1);
	desc(1, UINT64_MAX - 1, 1, 2, 0); /* status nowhere */
	offer(0);
	kick();
	assert_broken();

	put(AVAIL + 2, (uint16_t)(get(AVAIL + 2, 2) + QSIZE + 1), 2);
	kick();
	assert_broken();
}

static void queue_setup_is_checked(void **state)
{
	out(regs.common + 20, 1, 0);
	out(regs.common + 20, 1, 3);
	accept(BIT(32));
	out(regs.common + 20, 1, 11);
	out(regs.common + 22, 2, 1); /* no such queue */
	assert_int_equal(in(regs.common + 24, 2), 0);
	out(regs.common + 28, 2, 1);
	assert_int_equal(in(regs.common + 28, 2), 0);
	out(regs.common + 22, 2, 0xffff);
	out(regs.common + 24, 2, 8);
	out(regs.common + 22, 2, 0);
	out(regs.common + 24, 2, 3);
	assert_int_equal(in(regs.common + 24, 2), 256);
	out(regs.common + 24, 2, 512);
	assert_int_equal(in(regs.common + 24, 2), 256);
	out(regs.common + 32, 4, 8); /* misaligned */
	out(regs.common + 28, 2, 1);
	assert_int_equal(in(regs.common + 28, 2), 0);
	assert_int_equal(in(regs.common + 20, 1) & 64, 64);
	start_driver(BIT(32));
	out(regs.common + 32, 4, 0x5000); /* an enabled queue does not move */
	assert_int_equal(in(regs.common + 32, 4), DESC);
}

static void many_in_flight_complete_in_any_order(void **state)
{
	for (unsigned i = 0; i < 40; i++) {
		unsigned head = i;

		/* one shared data descriptor, chains of three in a ring of 64 */
		header(head, 0, i);
		desc(head, HEADERS + 32 * head, 16, 1, 63);
		offer(head);
	}
	desc(63, DATA, 513, 2, 0);
	kick();
	assert_int_equal(vblk_inflight(d), 32);
	srand(5);
	for (unsigned i = 0; i < 40; i++) {
		complete(rand() % pending_count, 0);
		assert_int_equal(used_count(), i + 1);
		assert_int_equal(pending_count, MIN(32u, 39 - i));
	}
	uint64_t seen = 0;

	for (unsigned i = 0; i < 40; i++)
		seen |= BIT(used(i) & 63);
	assert_int_equal(seen, BIT(40) - 1);
}

static void driver_reset_waits_for_requests(void **state)
{
	request(0, 0, 0, DATA, 512);
	out(regs.common + 20, 1, 0);
	assert_int_not_equal(in(regs.common + 20, 1), 0);
	out(regs.common + 20, 1, 1); /* ignored until then */
	put(status_at(0), 0xee, 1);
	complete(0, 0);
	assert_int_equal(in(regs.common + 20, 1), 0);
	assert_int_equal(used_count(), 0);
	assert_int_equal(get(status_at(0), 1), 0xee);
	assert_false(fake_irq_level[GSI]);
	start_driver(BIT(32));
	request(0, 0, 0, DATA, 512);
	complete(0, 0);
	assert_int_equal(used_count(), 1);
}

static void complete_all(void)
{
	complete(0, 0);
}

static void complete_fenced(void)
{
	complete(0, -E_FENCED);
}

static void quiesce_waits(void **state)
{
	request(0, 0, 0, DATA, 512);
	request(3, 0, 1, DATA, 512);
	fake_wait_hook = complete_all;
	d->v.vdev.ops->quiesce(&d->v.vdev);
	assert_int_equal(vblk_inflight(d), 0);
	assert_int_equal(used_count(), 2);
	request(6, 0, 2, DATA, 512); /* a late notification */
	assert_int_equal(pending_count, 0);
	d->v.vdev.ops->resume(&d->v.vdev);
	assert_int_equal(pending_count, 1);
}

static void fenced_requests_are_issued_anew(void **state)
{
	put(DATA, 0x55, 8);
	request(0, 1, 20, DATA, 512);
	request(3, 0, 21, DATA + 0x1000, 512);
	complete(0, -E_FENCED); /* while the VM runs: the disk hangs, no error */
	assert_int_equal(used_count(), 0);
	assert_int_equal(get(status_at(0), 1), 0xee);
	request(6, 4, 0, DATA, 0);
	assert_int_equal(pending_count, 1); /* nothing new meanwhile */
	fake_wait_hook = complete_fenced;
	d->v.vdev.ops->quiesce(&d->v.vdev);
	assert_int_equal(vblk_kept(d), 2);
	submit_err = -E_FENCED; /* still not ours */
	d->v.vdev.ops->resume(&d->v.vdev);
	assert_int_equal(vblk_kept(d), 2);
	submit_err = 0;
	d->v.vdev.ops->quiesce(&d->v.vdev);
	d->v.vdev.ops->resume(&d->v.vdev);
	assert_int_equal(vblk_kept(d), 0);
	assert_int_equal(pending_count, 3);
	while (pending_count)
		complete(0, 0);
	assert_int_equal(used_count(), 3);
	assert_int_equal(disk_data[20 * 512], 0x55);
	assert_int_equal(get(status_at(0), 1) | get(status_at(3), 1) | get(status_at(6), 1), 0);
}

/* A copier must look again at a block when a write to it has ended, however it ended. */
static void writes_are_logged_when_they_end(void **state)
{
	static const int ends[] = {0, -E_IO, -E_FENCED};
	uint64_t bits[1];

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		assert_int_equal(disk_log_start(&disk.log, SECTORS), 0);
		disk_log_harvest(&disk.log, bits);
		request(0, 1, 5, DATA, 512);
		request(3, 0, 600, DATA + 0x1000, 512);
		complete(1, 0); /* a read */
		assert_int_equal(disk.log.marked, 0);
		if (i == 1)
			d->v.vdev.ops->reset(&d->v.vdev); /* nobody waits for it any more */
		complete(0, ends[i]);
		assert_int_equal(disk.log.marked, 1);
		disk_log_stop(&disk.log);
		teardown(state);
		setup(state);
	}
}

static void cancelled_requests_move(void **state)
{
	struct vm *src = vm;
	struct vblk *src_d = d;

	request(0, 0, 3, DATA, 512);
	request(3, 0, 4, DATA + 512, 512);
	complete(1, 0);
	complete(0, -E_CANCELLED);
	src_d->v.vdev.ops->quiesce(&src_d->v.vdev);

	vm = machine(&d); /* the target host, with the source's memory */
	for (unsigned i = 0; i < vm->mem.block_count; i++)
		memcpy(vm->mem.blocks[i], src->mem.blocks[i], SIZE_2M);
	fake_move(&src_d->v.vdev, &d->v.vdev);
	assert_int_equal(vblk_kept(d), 0);
	assert_int_equal(pending_count, 1);
	complete(0, 0);
	assert_int_equal(used_count(), 2);
	assert_int_equal(get(DATA, 8), *(uint64_t *)(disk_data + 3 * 512));
	request(6, 0, 5, DATA, 512); /* and it goes on there */
	complete(0, 0);
	assert_int_equal(used_count(), 3);
	fake_alloc_live += 2; /* of the source: its fake_vm_create came first */
	destroy(src);
	fake_alloc_live = 2;
}

static void damaged_states_are_refused(void **state)
{
	struct vdev *vd = &d->v.vdev;
	struct vblk_state s, good = d->s;

	assert_int_equal(state_table_gap(vd->ops->table), 0);
	assert_int_equal(vd->ops->check(vd, &good), 0);
#define DAMAGE(statement)                                                                          \
	s = good;                                                                                  \
	statement;                                                                                 \
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL)
	DAMAGE(s.capacity++);
	DAMAGE(s.readonly = 1);
	DAMAGE(s.kept_count = 33);
	DAMAGE((s.kept_count = 1, s.kept[0] = QSIZE));
	DAMAGE((s.kept_count = 1, s.v.queue[0].enabled = 0));
	DAMAGE(s.v.queue[0].size = 100);
	DAMAGE(s.v.queue[0].size = 0);
	DAMAGE(s.v.queue[0].enabled = 2);
	DAMAGE(s.v.queue[1].enabled = 1);
	DAMAGE(s.v.queue[0].desc = 1);
	DAMAGE(s.v.driver_features |= BIT(40));
	DAMAGE(s.v.status = 4);
	DAMAGE(s.v.isr = 4);
	DAMAGE(s.v.reset_pending = 1);
	DAMAGE(s.v.pci.bar[0] |= 1);
}

static void readonly_disk(void **state)
{
	disk.cfg.readonly = 1;
	d->v.vdev.ops->reset(&d->v.vdev);
	d->v.features |= BIT(5);
	vpci_assign(vm->vpci);
	start_driver(BIT(32) | BIT(5));
	request(0, 1, 0, DATA, 512);
	assert_int_equal(pending_count, 0);
	assert_int_equal(get(status_at(0), 1), 1);
	request(0, 0, 0, DATA, 512);
	assert_int_equal(pending_count, 1);
}

static void pci_configuration_window(void **state)
{
	cfg_set(regs.pci_cap + 4, 1, 0);
	cfg_set(regs.pci_cap + 8, 4, 20); /* device_status */
	cfg_set(regs.pci_cap + 12, 4, 1);
	assert_int_equal(cfg(regs.pci_cap + 16, 1), 15);
	cfg_set(regs.pci_cap + 12, 4, 3); /* no such width */
	assert_int_equal(cfg(regs.pci_cap + 16, 4), 0xffffffff);
	cfg_set(regs.pci_cap + 12, 4, 4);
	cfg_set(regs.pci_cap + 8, 4, 0x4000); /* beyond the BAR */
	assert_int_equal(cfg(regs.pci_cap + 16, 4), 0xffffffff);
	cfg_set(regs.pci_cap + 8, 4, 0xfffffffc);
	cfg_set(regs.pci_cap + 16, 4, 0);
	cfg_set(regs.pci_cap + 8, 4, 0x3000);
	cfg_set(regs.pci_cap + 12, 4, 2);
	header(0, 4, 0);
	desc(0, HEADERS, 16, 1, 1);
	desc(1, status_at(0), 1, 2, 0);
	offer(0);
	cfg_set(regs.pci_cap + 16, 2, 0); /* a notification this way */
	assert_int_equal(pending_count, 1);
}

static void random_registers_and_memory(void **state)
{
	srand(6);
	for (unsigned i = 0; i < 60000; i++) {
		gpa_t at = regs.common + (rand() % 4 ? rand() % 64 : rand() % 0x4000);
		unsigned size = 1u << rand() % 4;

		if (rand() & 1)
			in(at, size);
		else
			out(at, size, rand() % 4 ? (uint64_t)rand() % 300 : (uint64_t)rand() << 33);
		if (!(rand() % 8))
			desc(rand() % QSIZE, rand() % 3 ? HEADERS + rand() % 4096 : rand(),
			     rand() % 1100, rand() & 7, rand() % QSIZE);
		if (!(rand() % 8))
			header(rand() % QSIZE, rand() % 10, rand() % 5000);
		if (!(rand() % 8))
			offer(rand() % QSIZE);
		if (pending_count && rand() & 1)
			complete(rand() % pending_count, rand() % 5 ? 0 : -E_IO);
		if (!(rand() % 500)) {
			while (pending_count)
				complete(0, 0);
			start_driver(BIT(32) | BIT(28) | (rand() & BIT(29)));
		}
		if (fake_timers_armed())
			fake_run(1);
	}
	d->v.vdev.ops->reset(&d->v.vdev);
}

static void creation_fails_cleanly(void **state)
{
	struct vblk *second;
	struct vm_disk closed = {.blk = NULL};

	assert_int_equal(vblk_create(vm, SLOT, &disk, &second), -E_EXIST);
	assert_int_equal(vblk_create(vm, 32, &disk, &second), -E_RANGE);
	assert_int_equal(vblk_create(vm, 5, &closed, &second), -E_STATE);
	fake_alloc_countdown = 0;
	assert_int_equal(vblk_create(vm, 5, &disk, &second), -E_NOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(identity_and_configuration),
	    TEST(features_are_negotiated),
	    TEST(read_across_host_blocks),
	    TEST(write_flush_and_id),
	    TEST(any_framing_is_served),
	    TEST(bad_requests_get_an_error),
	    TEST(broken_queues_need_a_reset),
	    TEST(queue_setup_is_checked),
	    TEST(many_in_flight_complete_in_any_order),
	    TEST(driver_reset_waits_for_requests),
	    TEST(quiesce_waits),
	    TEST(fenced_requests_are_issued_anew),
	    TEST(writes_are_logged_when_they_end),
	    TEST(cancelled_requests_move),
	    TEST(damaged_states_are_refused),
	    TEST(readonly_disk),
	    TEST(pci_configuration_window),
	    TEST(random_registers_and_memory),
	    TEST(creation_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

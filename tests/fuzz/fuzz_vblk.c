/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI bus and virtio disk under a hostile driver: configuration space, BARs moved
 * about, the common configuration, rings, and a disk that finishes requests late,
 * with errors, or in another order. States travel and are spoilt on the way.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/device.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/vblk.h"

#define SLOT	4
#define SECTORS 4096
#define QSIZE	16
#define RING	0x10000 /* descriptors, then the rings, then data, all in one piece */
#define AVAIL	(RING + 0x1000)
#define USED	(RING + 0x2000)
#define DATA	(RING + 0x3000)
#define COMMON	0 /* offset in the BAR, as the device lays it out */

static struct blk_request *pending[VBLK_MAX_REQUESTS * 2];
static unsigned pending_count;
static uint8_t submit_err;
static struct vblk *vblk;
static gpa_t common, notify;

static int fake_submit(struct blkdev *bd, struct blk_request *rq)
{
	uint64_t bytes = 0;

	if (submit_err && submit_err-- == 1)
		return -E_FENCED;
	for (unsigned i = 0; i < rq->frag_count; i++)
		bytes += rq->frags[i].len;
	assert_int_equal(bytes, (uint64_t)rq->sectors * SECTOR_SIZE);
	assert_true(rq->sector <= SECTORS && rq->sectors <= SECTORS - rq->sector);
	assert_true(pending_count < ARRAY_SIZE(pending));
	pending[pending_count++] = rq;
	return 0;
}

static const struct blkdev_ops blk_ops = {fake_submit};
static struct blkdev blk = {.ops = &blk_ops, .name = "fake", .sectors = SECTORS};
static struct vm_disk disk = {.cfg = {.name = "vda", .used = 1}, .blk = &blk};

static void finish(unsigned i, int err)
{
	struct blk_request *rq = pending[i];

	memmove(&pending[i], &pending[i + 1], (--pending_count - i) * sizeof(pending[0]));
	for (unsigned k = 0; !err && rq->op == BLK_READ && k < rq->frag_count; k++)
		memset(rq->frags[k].data, 0x77, rq->frags[k].len);
	rq->done(rq, err);
}

/* quiesce waits for its requests. */
static void finish_one(void)
{
	if (!pending_count)
		fail_msg("a device waits for requests that nobody has");
	finish(0, fake_time_ns & 1 ? -E_CANCELLED : 0);
}

static void out(struct vm *vm, gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static uint32_t config(struct vm *vm, unsigned reg)
{
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | reg);
	return (uint32_t)iobus_read(&vm->ports, 0xcfc, 4);
}

/* As a driver starts: the features of virtio 1 with indirect and flush, one queue. */
static void start(struct vm *vm, uint8_t how)
{
	for (unsigned s = 0; s <= 3; s += s ? 2 : 1)
		out(vm, common + 20, 1, s);
	out(vm, common + 8, 4, 0);
	out(vm, common + 12, 4, (how & 1 ? BIT(28) : 0) | (how & 2 ? BIT(29) : 0) | BIT(9));
	out(vm, common + 8, 4, 1);
	out(vm, common + 12, 4, 1);
	out(vm, common + 20, 1, 11);
	out(vm, common + 22, 2, 0);
	out(vm, common + 24, 2, QSIZE);
	out(vm, common + 32, 8, RING);
	out(vm, common + 40, 8, AVAIL);
	out(vm, common + 48, 8, USED);
	out(vm, common + 28, 2, 1);
	out(vm, common + 20, 1, 15);
}

static void create(struct vm *vm)
{
	fake_guest_create(vm);
	fake_wait_hook = finish_one;
	assert_int_equal(vpci_create(vm), 0);
	assert_int_equal(vblk_create(vm, SLOT, &disk, &vblk), 0);
	vpci_assign(vm->vpci);
	common = notify = config(vm, 0x10) & ~0xful;
	for (unsigned at = config(vm, 0x34) & 0xff; at; at = config(vm, at) >> 8 & 0xff)
		if (config(vm, at) >> 24 == 2)
			notify += config(vm, at + 8);
}

/* Header, data, status, as a good driver would, with sizes and places from the input. */
static void request(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f), head = how % (QSIZE - 2);
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = {.type = fuzz_u8(f) % 16, .sector = how & 0x80 ? fuzz_u64(f) : fuzz_u8(f)};
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d[3] = {
	    {DATA, 16, 1, head + 1},
	    {DATA + 0x1000 + fuzz_u16(f), fuzz_u8(f) * 256u, header.type == 1 ? 1 : 3, head + 2},
	    {DATA + 16, 1, 2, 0}};
	uint16_t idx, ring_head = head;

	fuzz_spoil(f, d, sizeof(d));
	fake_guest_put(vm, DATA, &header, sizeof(header));
	fake_guest_put(vm, RING + 16 * head, d, sizeof(d));
	fake_guest_get(vm, AVAIL + 2, &idx, 2);
	fake_guest_put(vm, AVAIL + 4 + 2 * (idx % QSIZE), &ring_head, 2);
	idx++;
	fake_guest_put(vm, AVAIL + 2, &idx, 2);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f), bytes[16];

	switch (how % 8) {
	case 0:
		start(vm, how >> 3);
		break;
	case 1:
		out(vm, notify, 2, how >> 7);
		break;
	case 2:
		if (pending_count)
			finish(fuzz_u8(f) % pending_count,
			       how & 0x80 ? -(int)(how >> 3 & 15) - 1 : 0);
		break;
	case 3:
		fuzz_bytes(f, bytes, sizeof(bytes));
		fake_guest_put(vm, RING + fuzz_u16(f) % 0x4000, bytes, how >> 4);
		break;
	case 4:
		submit_err = how >> 3;
		break;
	case 5:
		(void)iobus_read(&vm->mmio, common + fuzz_u16(f) % 0x4000, 1u << (how >> 6));
		break;
	case 6:
		out(vm, common + fuzz_u8(f) % 64, 1u << (how >> 6), fuzz_u32(f));
		break;
	default:
		request(vm, f);
		break;
	}
}

static void settle(void)
{
	while (pending_count)
		finish(0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, 0xcf8, 8}, {true, 0xc0000000, 0x5000}};
	static const struct fuzz_device fd = {windows, 2, 1, create, other, settle};

	pending_count = submit_err = 0;
	return fuzz_device_run(&fd, data, size);
}

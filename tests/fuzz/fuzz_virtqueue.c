/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings and descriptor tables that a hostile driver writes; chains stay within their promises. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/virtqueue.h"

#define DESC  0x1000
#define AVAIL 0x2000
#define USED  0x3000
#define TABLE 0x4000

static struct vm vm;

static void check_chain(const struct virtq_chain *c, unsigned size)
{
	bool writable = false;

	assert_in_range(c->count, 0, VIRTQ_MAX_SEGS);
	assert_in_range(c->head, 0, size - 1);
	for (unsigned i = 0; i < c->count; i++) {
		assert_int_not_equal(c->seg[i].len, 0);
		assert_true(c->seg[i].gpa + c->seg[i].len >= c->seg[i].gpa);
		assert_true(!writable || c->seg[i].writable);
		writable |= c->seg[i].writable;
	}
}

/* A descriptor somewhere in one of the tables, or any bytes anywhere near. */
static void driver_writes(struct fuzz *f, unsigned size)
{
	uint8_t how = fuzz_u8(f), bytes[16];
	gpa_t table = how & 1 ? TABLE : DESC;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d = {.addr = how & 2 ? fuzz_u64(f) : TABLE + fuzz_u8(f) * 16ull,
	       .len = how & 4 ? fuzz_u32(f) : fuzz_u8(f) * 16u,
	       .flags = fuzz_u8(f) & 7,
	       .next = fuzz_u8(f)};

	if (how & 8) {
		fuzz_bytes(f, bytes, sizeof(bytes));
		fake_guest_put(&vm, AVAIL + fuzz_u16(f) % 0x2000, bytes, how >> 4);
	} else {
		fake_guest_put(&vm, table + 16 * (fuzz_u8(f) % (2 * size)), &d, sizeof(d));
	}
}

static void offer(struct fuzz *f, const struct virtq_state *s)
{
	uint16_t head = fuzz_u8(f), idx = s->avail_idx;

	fake_guest_put(&vm, AVAIL + 4 + 2 * (idx & (s->size - 1)), &head, 2);
	idx += fuzz_u8(f) % 4;
	fake_guest_put(&vm, AVAIL + 2, &idx, 2);
}

static struct virtq_state first_state(struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);
	struct virtq_state s = {
	    .desc = DESC, .driver = AVAIL, .device = USED, .size = 1u << how % 9, .enabled = 1};

	if (how & 0x80) {
		fuzz_spoil(f, &s, sizeof(s));
		if (!virtq_state_valid(&s))
			s.size = 0;
	}
	s.used_idx = s.avail_idx = how & 0x40 ? 0xfffe : 0;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct virtq_state s;
	struct virtq_chain chain;
	struct virtq q = {.vm = &vm, .s = &s};

	if (!vm.mem.size) {
		vm.mem.size = SIZE_2M;
		fake_guest_create(&vm);
	}
	memset(vm.mem.blocks[0], 0, 0x8000);
	s = first_state(&f);
	q.event_idx = fuzz_u8(&f) & 1;
	q.indirect = fuzz_u8(&f) & 1;
	for (unsigned i = 0; s.size && i < 64 && f.left; i++) {
		switch (fuzz_u8(&f) % 5) {
		case 0:
			if (virtq_pop(&q, &chain) == 1) {
				check_chain(&chain, s.size);
				(void)!virtq_push(&q, chain.head, fuzz_u8(&f));
			}
			break;
		case 1:
			(void)!virtq_push(&q, fuzz_u16(&f), fuzz_u32(&f));
			break;
		case 2:
			offer(&f, &s);
			break;
		default:
			driver_writes(&f, s.size);
			break;
		}
	}
	return 0;
}

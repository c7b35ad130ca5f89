/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream format byte for byte, and its reader against hostile bytes: every
 * truncation is refused, every flipped bit is noticed, nothing crashes.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/crc32c.h"
#include "kernel/time.h"
#include "migrate/stream.h"
#include "tests/unit/fake_kernel.h"

struct pipe {
	uint8_t data[1 << 20];
	size_t len, at;
	bool open; /* a read past the end waits, instead of finding it closed */
};
static struct pipe wire;

static int pipe_write(void *ctx, const void *data, size_t len)
{
	struct pipe *p = ctx;

	assert_true(p->len + len <= sizeof(p->data));
	memcpy(p->data + p->len, data, len);
	p->len += len;
	return 0;
}

static int pipe_push(void *ctx)
{
	return 0;
}

static int pipe_read(void *ctx, void *buf, size_t len, uint64_t deadline_ns)
{
	struct pipe *p = ctx;

	if (p->len - p->at < len && p->open) {
		assert_true(deadline_ns < time_ns() + 60 * NS_PER_S); /* it would wait that long */
		return -E_TIMEDOUT;
	}
	if (p->len - p->at < len)
		return -E_CLOSED;
	memcpy(buf, p->data + p->at, len);
	p->at += len;
	return 0;
}

static size_t pipe_ready(void *ctx)
{
	struct pipe *p = ctx;

	return p->len - p->at;
}

static struct stream_io io = {pipe_write, pipe_push, pipe_read, pipe_ready, &wire};

static void begin(struct stream *s)
{
	fake_kernel_reset();
	wire.len = wire.at = 0;
	wire.open = false;
	assert_int_equal(stream_open(s, &io), 0);
}

static void test_golden_run(void **state)
{
	static const uint8_t golden[] = {
	    9,	  0,	0,    0,    16, 0, 0, 0,
	    0x34, 0x50, 0x6c, 0x97, 0,	0, 0, 0, /* type, length, crc, seq */
	    0x10, 0,	0,    0,    0,	0, 0, 0,
	    3,	  0,	0,    0,    0,	0, 0, 0,
	};
	struct stream_run run = {.gfn = 0x10, .count = 3};
	uint8_t again[sizeof(golden)];
	uint32_t crc;
	struct stream s;

	begin(&s);
	assert_int_equal(stream_send(&s, STREAM_ZERO_RUNS, &run, sizeof(run)), 0);
	assert_int_equal(wire.len, sizeof(golden));
	/* the CRC is that of the record with crc 0: computed here apart */
	memcpy(again, golden, sizeof(golden));
	memset(again + 8, 0, 4);
	crc = crc32c(0, again, sizeof(again));
	assert_memory_equal(golden + 8, &crc, 4);
	assert_memory_equal(wire.data, golden, sizeof(golden));
	stream_close(&s);
	assert_int_equal(fake_alloc_live, 0);
}

static void test_padding_and_sequence(void **state)
{
	struct stream_record r;
	struct stream s;

	begin(&s);
	assert_int_equal(stream_send(&s, STREAM_FILE_DATA, "abc", 3), 0);
	assert_int_equal(wire.len, 24);
	assert_memory_equal(wire.data + 16, "abc\0\0\0\0\0", 8);
	assert_int_equal(stream_send(&s, STREAM_READY, NULL, 0), 0);
	assert_int_equal(wire.data[24 + 12], 1);
	assert_int_equal(stream_read(&s, &r, 0), 0);
	assert_int_equal(r.type, STREAM_FILE_DATA);
	assert_int_equal(r.length, 3);
	assert_memory_equal(r.payload, "abc", 3);
	assert_int_equal(stream_expect(&s, STREAM_READY, &r, 0), 0);
	stream_close(&s);
}

static void put(uint32_t type, uint32_t length, uint32_t seq, const void *payload)
{
	struct stream_header h = {type, length, 0, seq};
	uint32_t padded = ALIGN_UP(length, 8u);
	uint8_t *at = wire.data + wire.len;

	memset(at, 0, sizeof(h) + padded);
	memcpy(at, &h, sizeof(h));
	if (payload)
		memcpy(at + sizeof(h), payload, length);
	h.crc = crc32c(0, at, sizeof(h) + padded);
	memcpy(at, &h, sizeof(h));
	wire.len += sizeof(h) + padded;
}

static void test_unknown_records(void **state)
{
	struct stream_record r;
	struct stream s;

	begin(&s);
	put(200 | STREAM_OPTIONAL, 5, 0, "later");
	put(STREAM_READY, 0, 1, NULL);
	assert_int_equal(stream_read(&s, &r, 0), 0); /* the optional one was skipped */
	assert_int_equal(r.type, STREAM_READY);
	put(200, 5, 2, "later");
	assert_int_equal(stream_read(&s, &r, 0), -E_PROTO);
	assert_non_null(strstr(s.reason, "unknown mandatory record type 200"));
	stream_close(&s);
}

static void expect_refused(uint32_t type, uint32_t length, uint32_t seq)
{
	static uint8_t zeros[STREAM_PAYLOAD_MAX + 64];
	struct stream_record r;
	struct stream s;

	begin(&s);
	put(type, length, seq, zeros);
	assert_int_equal(stream_read(&s, &r, 0), -E_PROTO);
	assert_true(s.reason[0]);
	stream_close(&s);
}

#define LENGTHS(name, number, least, most, from)                                                   \
	if (least)                                                                                 \
		expect_refused(number, (uint32_t)(least)-1, 0);                                    \
	expect_refused(number, (uint32_t)(most) + 1, 0);                                           \
	expect_refused(number, most, 1);

static void test_lengths_of_all_records(void **state)
{
	STREAM_RECORDS(LENGTHS)
	expect_refused(0, 0, 0);
	expect_refused(STREAM_TYPES, 8, 0);
	/* unknown but optional: skipped, and yet no longer than the buffer */
	expect_refused(200 | STREAM_OPTIONAL, STREAM_PAYLOAD_MAX + 1, 0);
}

static void test_huge_length_reads_nothing(void **state)
{
	struct stream_header h = {STREAM_PAGES, 0xffffffff, 0, 0};
	struct stream_record r;
	struct stream s;

	begin(&s);
	pipe_write(&wire, &h, sizeof(h));
	assert_int_equal(stream_read(&s, &r, 0), -E_PROTO);
	assert_int_equal(wire.at, sizeof(h));
	stream_close(&s);
}

/* A PAGES record with one page, in wire. */
static void one_page(struct stream *s)
{
	uint64_t gfn = 5;
	uint8_t page[PAGE_SIZE];

	begin(s);
	memset(page, 0x5a, sizeof(page));
	stream_begin(s, STREAM_PAGES);
	stream_add(s, &gfn, sizeof(gfn));
	stream_add(s, page, sizeof(page));
	assert_int_equal(stream_end(s), 0);
}

static void test_every_truncation(void **state)
{
	struct stream_record r;
	struct stream s;
	size_t whole;

	one_page(&s);
	whole = wire.len;
	for (size_t len = 0; len < whole; len++) {
		wire.len = len;
		wire.at = 0;
		s.rx_seq = 0;
		assert_int_equal(stream_read(&s, &r, 0), -E_CLOSED);
	}
	wire.len = whole;
	wire.at = 0;
	assert_int_equal(stream_read(&s, &r, 0), 0);
	stream_close(&s);
}

static void test_every_flipped_bit(void **state)
{
	struct stream_record r;
	struct stream s;

	one_page(&s);
	for (size_t bit = 0; bit < wire.len * 8; bit++) {
		int err;

		if (bit > 300 && bit % 61) /* all of the header, some of the page */
			continue;
		wire.data[bit / 8] ^= 1 << bit % 8;
		wire.at = 0;
		s.rx_seq = 0;
		err = stream_read(&s, &r, 0);
		assert_true(err == -E_PROTO || err == -E_CHECKSUM || err == -E_CLOSED);
		wire.data[bit / 8] ^= 1 << bit % 8;
	}
	stream_close(&s);
}

static void test_random_bytes(void **state)
{
	struct stream_record r;
	struct stream s;

	srand(1);
	for (unsigned n = 0; n < 2000; n++) {
		begin(&s);
		for (wire.len = 0; wire.len < 200; wire.len++)
			wire.data[wire.len] = (uint8_t)(wire.len % 16 < 12 ? rand() % 30 : 0);
		assert_true(stream_read(&s, &r, 0) < 0);
		stream_close(&s);
	}
}

static void test_error_record_is_made_safe(void **state)
{
	struct stream_error e = {.err = 12345};
	struct stream_record r;
	struct stream s;

	begin(&s);
	memset(e.text, 'x', sizeof(e.text));
	e.text[1] = '\x1b'; /* would reach the operator's terminal */
	assert_int_equal(stream_send(&s, STREAM_ERROR, &e, sizeof(e)), 0);
	assert_int_equal(stream_expect(&s, STREAM_READY, &r, 0), -E_PROTO);
	assert_int_equal(strlen(s.reason), STREAM_TEXT_MAX - 1);
	assert_int_equal(s.reason[1], '?');
	e.err = -E_CANCELLED;
	assert_int_equal(stream_send(&s, STREAM_ERROR, &e, sizeof(e)), 0);
	assert_int_equal(stream_expect(&s, STREAM_READY, &r, 0), -E_CANCELLED);
	stream_close(&s);
}

static void test_stop_flag_ends_a_wait(void **state)
{
	bool stop = true;
	struct stream_record r;
	struct stream s;

	begin(&s);
	s.stop = &stop;
	assert_int_equal(stream_read(&s, &r, TIME_NEVER), -E_CANCELLED);
	stream_close(&s);
}

/* A peer that keeps the link alive and stops anywhere inside a record. */
static void test_half_a_record_ends_a_wait(void **state)
{
	struct stream_run run = {.gfn = 0x10, .count = 3};
	struct stream_record r;
	struct stream s;

	for (size_t have = 1; have < sizeof(struct stream_header) + sizeof(run); have++) {
		begin(&s);
		assert_int_equal(stream_send(&s, STREAM_ZERO_RUNS, &run, sizeof(run)), 0);
		wire.len = have;
		wire.open = true;
		assert_int_equal(stream_read(&s, &r, TIME_NEVER), -E_TIMEDOUT);
		stream_close(&s);
	}
}

static void test_no_memory(void **state)
{
	struct stream s;

	for (int i = 0; i < 2; i++) {
		fake_kernel_reset();
		fake_alloc_countdown = i;
		assert_int_equal(stream_open(&s, &io), -E_NOMEM);
		assert_int_equal(fake_alloc_live, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_run),
	    cmocka_unit_test(test_padding_and_sequence),
	    cmocka_unit_test(test_unknown_records),
	    cmocka_unit_test(test_lengths_of_all_records),
	    cmocka_unit_test(test_huge_length_reads_nothing),
	    cmocka_unit_test(test_every_truncation),
	    cmocka_unit_test(test_every_flipped_bit),
	    cmocka_unit_test(test_random_bytes),
	    cmocka_unit_test(test_error_record_is_made_safe),
	    cmocka_unit_test(test_stop_flag_ends_a_wait),
	    cmocka_unit_test(test_half_a_record_ends_a_wait),
	    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

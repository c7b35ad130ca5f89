/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream's codec alone: any bytes as a stream (with their CRCs and numbers put
 * right when the input asks for it), read in pieces by an io that is late or ends.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "kernel/lib/crc32c.h"
#include "migrate/stream.h"

static struct fuzz in;
static uint8_t how;

/* Bytes that are a whole record get the CRC and number that they should have. */
static void mend(uint8_t *data, size_t size)
{
	struct stream_header h;
	uint32_t seq = 0;

	for (size_t at = 0; size - at >= sizeof(h);) {
		size_t whole;

		memcpy(&h, data + at, sizeof(h));
		h.length %= 512;
		whole = sizeof(h) + ALIGN_UP(h.length, 8u);
		if (whole > size - at)
			return;
		h.seq = seq++;
		h.crc = 0;
		memcpy(data + at, &h, sizeof(h));
		h.crc = crc32c(0, data + at, whole);
		memcpy(data + at, &h, sizeof(h));
		at += whole;
	}
}

static int io_read(void *ctx, void *buf, size_t len, uint64_t deadline_ns)
{
	size_t got;
	const uint8_t *from;

	if (how & 2 && in.left % 5 == 1 && deadline_ns != TIME_NEVER &&
	    fake_time_ns < deadline_ns) {
		fake_time_ns = deadline_ns;
		return -E_TIMEDOUT;
	}
	from = fuzz_take(&in, len, &got);
	memcpy(buf, from, got);
	return got == len ? 0 : -E_CLOSED;
}

static size_t io_ready(void *ctx)
{
	return in.left;
}

static void use(struct stream *s, const struct stream_record *r)
{
	static uint8_t copy[STREAM_PAYLOAD_MAX];

	assert_in_range(r->length, 0, STREAM_PAYLOAD_MAX);
	memcpy(copy, r->payload, r->length);
	assert_string_not_equal(stream_type_name(r->type), "unknown");
	if (r->type == STREAM_ERROR)
		assert_in_range(-stream_error_take(s, r), 1, E_MAX - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct stream_io io = {.read = io_read, .ready = io_ready};
	static uint8_t bytes[8192];
	struct stream_record r;
	struct stream s;
	int err;

	in = (struct fuzz){data, size};
	how = fuzz_u8(&in);
	in.left = MIN(in.left, sizeof(bytes));
	memcpy(bytes, in.at, in.left);
	if (how & 1)
		mend(bytes, in.left);
	in.at = bytes;
	fake_kernel_reset();
	assert_int_equal(stream_open(&s, &io), 0);
	for (;;) {
		err = stream_read(&s, &r, fake_time_ns + NS_PER_S);
		if (err)
			break;
		use(&s, &r);
	}
	assert_true(strnlen(s.reason, sizeof(s.reason)) < sizeof(s.reason));
	assert_int_not_equal(s.reason[0], 0);
	stream_close(&s);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The codec of migrate/stream.h: frames records, checks everything about them that
 * can be checked without knowing their meaning. One buffer each way, so a record
 * is whole and its CRC is good before anybody looks inside.
 */
#include "migrate/stream.h"

#include <stdarg.h>

#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/time.h"

#define BUFFER_SIZE (sizeof(struct stream_header) + ALIGN_UP(STREAM_PAYLOAD_MAX, 8))
#define POLL_NS	    (100 * NS_PER_MS) /* how soon a waiting reader sees *stop */
#define REST_NS	    (30 * NS_PER_S)   /* a peer that stops inside a record must not hold a guest */

struct record_limits {
	const char *name;
	uint32_t least, most;
};

#define LIMITS(label, number, min, max, from) [number] = {#label, (min), (max)},
static const struct record_limits limits[STREAM_TYPES] = {STREAM_RECORDS(LIMITS)};

#define FITS(label, number, min, max, from)                                                        \
	_Static_assert((max) <= STREAM_PAYLOAD_MAX && (min) <= (max), "record " #label);
STREAM_RECORDS(FITS)

const char *stream_type_name(uint32_t type)
{
	return type < ARRAY_SIZE(limits) && limits[type].name ? limits[type].name : "unknown";
}

int stream_fail(struct stream *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	return err;
}

int stream_open(struct stream *s, const struct stream_io *io)
{
	memset(s, 0, sizeof(*s));
	s->io = *io;
	s->tx = kzalloc(BUFFER_SIZE);
	s->rx = kzalloc(BUFFER_SIZE);
	if (s->tx && s->rx)
		return 0;
	stream_close(s);
	return -E_NOMEM;
}

void stream_close(struct stream *s)
{
	kfree(s->tx);
	kfree(s->rx);
	s->tx = s->rx = NULL;
}

void stream_begin(struct stream *s, enum stream_type type)
{
	struct stream_header h = {.type = type};

	memcpy(s->tx, &h, sizeof(h));
	s->tx_len = 0;
}

void *stream_grow(struct stream *s, size_t len)
{
	uint8_t *at = s->tx + sizeof(struct stream_header) + s->tx_len;

	s->tx_len += (uint32_t)len;
	return at;
}

void stream_add(struct stream *s, const void *data, size_t len)
{
	memcpy(stream_grow(s, len), data, len);
}

PAGE_JOURNEY(3)
int stream_end(struct stream *s)
{
	struct stream_header h;
	uint32_t padded = ALIGN_UP(s->tx_len, 8u);
	int err;

	memset(s->tx + sizeof(h) + s->tx_len, 0, padded - s->tx_len);
	memcpy(&h, s->tx, sizeof(h));
	h.length = s->tx_len;
	h.seq = s->tx_seq++;
	memcpy(s->tx, &h, sizeof(h));
	h.crc = crc32c(0, s->tx, sizeof(h) + padded);
	memcpy(s->tx, &h, sizeof(h));
	err = s->io.write(s->io.ctx, s->tx, sizeof(h) + padded);
	if (err)
		return stream_fail(s, err, "sending %s: %s", stream_type_name(h.type),
				   err_text(err));
	return 0;
}

int stream_send(struct stream *s, enum stream_type type, const void *data, size_t len)
{
	int err;

	stream_begin(s, type);
	if (len)
		stream_add(s, data, len);
	err = stream_end(s);
	if (err)
		return err;
	err = s->io.push(s->io.ctx);
	if (err)
		return stream_fail(s, err, "sending %s: %s", stream_type_name(type), err_text(err));
	return 0;
}

/*
 * Wait for one byte in slices, so that a wait can be ended from outside; a slice that
 * runs out has taken nothing from the stream.
 */
static int wait_first_byte(struct stream *s, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = time_ns();
		int err;

		if (s->stop && *s->stop)
			return stream_fail(s, -E_CANCELLED, "cancelled by the operator");
		err = s->io.read(s->io.ctx, s->rx, 1, MIN(deadline_ns, now + POLL_NS));
		if (err != -E_TIMEDOUT || (now >= deadline_ns && !s->io.ready(s->io.ctx))) {
			if (err)
				stream_fail(s, err, "waiting for the peer: %s", err_text(err));
			return err;
		}
		/* the link's own silence is also -E_TIMEDOUT, and comes before its time */
		if (time_ns() < MIN(deadline_ns, now + POLL_NS))
			return stream_fail(s, err, "the peer is silent");
	}
}

/* Bounds first: nothing is read into the buffer before its length is known to fit. */
static int check_header(struct stream *s, const struct stream_header *h)
{
	uint32_t type = h->type & ~STREAM_OPTIONAL;

	if (h->length > STREAM_PAYLOAD_MAX)
		return stream_fail(s, -E_PROTO, "record type %u is %u bytes long, at most %u", type,
				   h->length, (unsigned)STREAM_PAYLOAD_MAX);
	if (h->seq != s->rx_seq)
		return stream_fail(s, -E_PROTO, "record number %u came, expected %u", h->seq,
				   s->rx_seq);
	if (type >= ARRAY_SIZE(limits) || !limits[type].name) {
		if (h->type & STREAM_OPTIONAL)
			return 0;
		return stream_fail(s, -E_PROTO, "unknown mandatory record type %u", type);
	}
	if (h->length < limits[type].least || h->length > limits[type].most)
		return stream_fail(s, -E_PROTO, "record %s is %u bytes long, expected %u to %u",
				   limits[type].name, h->length, limits[type].least,
				   limits[type].most);
	return 0;
}

static int check_crc(struct stream *s, const struct stream_header *h, size_t size)
{
	struct stream_header blank = *h;

	blank.crc = 0;
	memcpy(s->rx, &blank, sizeof(blank));
	if (crc32c(0, s->rx, size) == h->crc)
		return 0;
	return stream_fail(s, -E_CHECKSUM, "record %s arrived damaged (CRC)",
			   stream_type_name(h->type & ~STREAM_OPTIONAL));
}

static int read_one(struct stream *s, struct stream_header *h, uint64_t deadline_ns)
{
	size_t size;
	int err;

	err = wait_first_byte(s, deadline_ns);
	if (err)
		return err;
	err = s->io.read(s->io.ctx, s->rx + 1, sizeof(*h) - 1, time_ns() + REST_NS);
	if (err)
		return stream_fail(s, err, "in a record's header: %s", err_text(err));
	memcpy(h, s->rx, sizeof(*h));
	err = check_header(s, h);
	if (err)
		return err;
	size = ALIGN_UP(h->length, 8u);
	err = s->io.read(s->io.ctx, s->rx + sizeof(*h), size, time_ns() + REST_NS);
	if (err)
		return stream_fail(s, err, "in a record's payload: %s", err_text(err));
	err = check_crc(s, h, sizeof(*h) + size);
	if (err)
		return err;
	s->rx_seq++;
	return 0;
}

PAGE_JOURNEY(8)
int stream_read(struct stream *s, struct stream_record *out, uint64_t deadline_ns)
{
	struct stream_header h;
	int err;

	for (;;) {
		err = read_one(s, &h, deadline_ns);
		if (err)
			return err;
		out->type = h.type & ~STREAM_OPTIONAL;
		out->length = h.length;
		out->payload = s->rx + sizeof(h);
		if (out->type < ARRAY_SIZE(limits) && limits[out->type].name)
			return 0;
	}
}

int stream_error_take(struct stream *s, const struct stream_record *r)
{
	struct stream_error e;

	memcpy(&e, r->payload, sizeof(e));
	e.text[sizeof(e.text) - 1] = 0;
	for (char *p = e.text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	memcpy(s->reason, e.text, sizeof(s->reason));
	return e.err < 0 && e.err > -E_MAX ? e.err : -E_PROTO;
}

int stream_expect(struct stream *s, enum stream_type wanted, struct stream_record *out,
		  uint64_t deadline_ns)
{
	int err = stream_read(s, out, deadline_ns);

	if (err)
		return err;
	if (out->type == wanted)
		return 0;
	if (out->type == STREAM_ERROR)
		return stream_error_take(s, out);
	return stream_fail(s, -E_PROTO, "record %s came, expected %s", stream_type_name(out->type),
			   stream_type_name(wanted));
}

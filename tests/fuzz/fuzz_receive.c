/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole receiver of a move, from accepting the link to running the VM or
 * giving up. The input is a list of records: a good one of some kind with bytes
 * changed, or any bytes; the harness gives them their CRC and number (also wrong
 * ones), so that the search gets past these.
 */
#include <string.h>

#include "tests/fuzz/receive_world.h"
#include "kernel/lib/crc32c.h"

#define LINKS_MAX 3

struct link {
	uint32_t seq;
	size_t have, at;
	uint8_t wire[sizeof(struct stream_header) + STREAM_PAYLOAD_MAX];
};

static struct fuzz in;
static struct link links[LINKS_MAX];
static unsigned link_count, links_open;

/* ---- the link ---- */

#define WITH_RAW      0x20 /* payload from the input alone */
#define WITH_OPTIONAL 0x40
#define WITH_DAMAGE   0x80 /* header spoilt after the CRC was made */

/* false: the input is used up. */
static bool next_record(struct link *l)
{
	uint8_t how = fuzz_u8(&in), *payload = l->wire + sizeof(struct stream_header);
	struct stream_header h = {.type = how & 0x1f, .seq = l->seq++};
	size_t padded;

	if (!in.left || h.type == 0)
		return false;
	memset(l->wire, 0, sizeof(l->wire));
	if (how & WITH_RAW) {
		h.length = fuzz_u16(&in) % STREAM_PAYLOAD_MAX;
		fuzz_bytes(&in, payload, h.length);
	} else {
		h.length = good_record(&in, h.type, payload);
		fuzz_spoil(&in, payload, h.length);
		h.type = good_record_type(h.type);
	}
	if (how & WITH_OPTIONAL)
		h.type |= STREAM_OPTIONAL;
	padded = sizeof(h) + ALIGN_UP(h.length, 8u);
	memcpy(l->wire, &h, sizeof(h));
	h.crc = crc32c(0, l->wire, padded);
	memcpy(l->wire, &h, sizeof(h));
	if (how & WITH_DAMAGE)
		fuzz_spoil(&in, l->wire, sizeof(h));
	if (h.type % STREAM_OPTIONAL == STREAM_COMMIT && !memcmp(l->wire, &h, sizeof(h))) {
		world.commit_came = true;
		memcpy(world.commit_id, payload, sizeof(world.commit_id));
	}
	l->at = 0;
	l->have = padded;
	return true;
}

int link_recv(struct link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	uint8_t *to = buf;

	while (len) {
		size_t n = MIN(len, l->have - l->at);

		memcpy(to, l->wire + l->at, n);
		l->at += n;
		to += n;
		len -= n;
		if (len && !next_record(l))
			return -E_CLOSED;
	}
	return 0;
}

size_t link_recv_ready(const struct link *l)
{
	return l->have - l->at;
}

/* A source that hears NEVER starts the VM. */
static void check_answer(const struct link *l, const uint8_t *wire)
{
	struct stream_header h;
	struct stream_answer a;
	struct stream_query q;

	memcpy(&h, wire, sizeof(h));
	if (h.type != STREAM_ANSWER)
		return;
	memcpy(&a, wire + sizeof(h), sizeof(a));
	memcpy(&q, l->wire + sizeof(h), sizeof(q));
	if (a.verdict == ANSWER_NEVER && world.must_know)
		assert_true(memcmp(q.move_id, world.arrived_id, sizeof(q.move_id)));
}

int link_send(struct link *l, const void *data, size_t len)
{
	check_answer(l, data);
	assert_in_range(len, sizeof(struct stream_header), sizeof(l->wire));
	return world_ask() > 250 ? -E_CLOSED : 0;
}

int link_push(struct link *l)
{
	return 0;
}

void link_close(struct link *l)
{
	assert_true(l >= links && l < links + link_count);
	links_open--;
}

void link_abort(struct link *l)
{
	link_close(l);
}

void link_get_stats(const struct link *l, struct link_stats *out)
{
	memset(out, 0, sizeof(*out));
}

static struct link *new_link(void)
{
	struct link *l = &links[link_count++];

	l->seq = 0;
	l->have = l->at = 0;
	links_open++;
	return l;
}

/* The receiver asks the source how it ended. */
int link_connect(const struct peer *to, struct link **out)
{
	if (link_count == LINKS_MAX || world_ask() & 1)
		return -E_TIMEDOUT;
	*out = new_link();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct fuzz){data, size};
	world_reset(&in);
	link_count = links_open = 0;
	while (in.left && link_count < LINKS_MAX) {
		world.commit_came = false;
		assert_true(receive_accept(new_link(), NULL));
	}
	assert_int_equal(links_open, 0);
	world_check_and_free();
	return 0;
}

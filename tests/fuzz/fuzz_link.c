/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A link between two hosts on a wire, while somebody (or a bad peer) sends frames
 * into it: good ones with fields changed, of every type, from the peer's MAC or
 * another. The machine must neither crash nor leak, whatever happens.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_wire.h"
#include "kernel/lib/crc32c.h"

#define BUFFERS 1024

static struct link_host hosts[2];
static struct link *end[2];

static bool accept_it(struct link *l, void *ctx)
{
	if (end[1])
		return false;
	end[1] = l;
	return true;
}

static void run(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

static void setup(void)
{
	static bool pool_ready;

	if (!pool_ready)
		assert_int_equal(netbuf_pool_init(1514, BUFFERS), 0);
	pool_ready = true;
	fake_kernel_reset();
	fake_wire_reset(7);
	memset(end, 0, sizeof(end));
	for (unsigned i = 0; i < 2; i++)
		link_host_init(&hosts[i], &fake_switch[i], fake_mac[i], 100 + i, 1514);
	hosts[1].accept = accept_it;
}

/* A frame to host 1 that names its connection and plausible numbers, and is then changed. */
static void hit(struct fuzz *f)
{
	uint8_t stranger[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 3};
	uint8_t how = fuzz_u8(f), body[256];
	size_t len = how & 0x10 ? fuzz_u8(f) % 64 : 0;
	struct link_open_body open = {.version_min = 1,
				      .version_max = 1,
				      .src_id = fuzz_u8(f),
				      .boot_id = 100,
				      .peer_boot_id = 101,
				      .frame_max = 1514,
				      .window = 64};
	struct link_hdr h = {.type = how % 8, .window = 256};
	struct netbuf *nb = netbuf_alloc();

	if (!nb)
		return;
	if (end[1] && h.type != LINK_SYN) {
		h.dst_id = end[1]->local_id;
		h.seq = end[1]->rx.next + (int8_t)fuzz_u8(f);
		h.ack = end[1]->tx.una + (int8_t)fuzz_u8(f);
	}
	fuzz_bytes(f, body, len);
	if (h.type == LINK_SYN || h.type == LINK_SYN_ACK) { /* then extensions */
		memmove(body + sizeof(open), body, len);
		memcpy(body, &open, sizeof(open));
		len += sizeof(open);
	}
	fuzz_spoil(f, body, len);
	h.len = len;
	if (how & 0x20)
		fuzz_spoil(f, &h, sizeof(h));
	memset(nb->data, 0, nb->room);
	memcpy(link_frame_body(nb), body, len);
	stranger[5] += h.type == LINK_SYN ? fuzz_u8(f) : 0;
	link_frame_address(nb, fake_mac[1], how & 0x40 ? stranger : fake_mac[0], len);
	link_frame_seal(nb, &h, crc32c(0, link_frame_body(nb), MIN(h.len, nb->room - LINK_HLEN)));
	if (how & 0x80)
		fuzz_spoil(f, nb->data, nb->len);
	fake_wire_inject(1, nb);
}

/* What the two owners do meanwhile. */
static void use(struct fuzz *f)
{
	static const uint8_t zeros[4096];
	uint8_t how = fuzz_u8(f), sink[4096];
	struct link *l = end[how & 1];

	if (!l)
		return;
	switch (how >> 1 & 7) {
	case 0:
	case 1:
		link_tx_write(l, zeros, fuzz_u16(f) % sizeof(zeros));
		break;
	case 2:
		link_tx_push(l);
		break;
	case 3:
	case 4:
		link_rx_read(l, sink, MIN(link_recv_ready(l), fuzz_u16(f) % sizeof(sink)));
		break;
	case 5:
		if (l->state == LINK_OPEN)
			link_set_rate(l, fuzz_u32(f));
		break;
	case 6:
		if (how & 0x80) {
			end[how & 1] = NULL;
			link_close(l);
		}
		return;
	default:
		if (how & 0x80) {
			end[how & 1] = NULL;
			link_abort(l);
		}
		return;
	}
	link_settle(l);
}

static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (end[i])
			link_abort(end[i]);
	run(90 * NS_PER_S);
	fake_wire_flush();
	assert_int_equal(hosts[0].count + hosts[1].count, 0);
	assert_int_equal(hosts[0].half_open + hosts[1].half_open, 0);
	assert_int_equal(netbuf_free_count(), BUFFERS);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake_alloc_live, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	uint8_t start;

	setup();
	start = fuzz_u8(&f);
	if (start & 1) {
		end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
		run((start & 2 ? 1 : 100) * NS_PER_MS);
	}
	wire.loss = start & 4 ? 20 : 0;
	wire.reordered = wire.doubled = start & 8 ? 20 : 0;
	for (unsigned i = 0; f.left && i < 200; i++) {
		uint8_t what = fuzz_u8(&f);

		if (what % 4 == 0)
			use(&f);
		else if (what % 4 == 1)
			run((what >> 2) * 2 * NS_PER_MS);
		else
			hit(&f);
	}
	teardown();
	return 0;
}

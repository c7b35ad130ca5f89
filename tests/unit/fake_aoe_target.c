/* SPDX-License-Identifier: BSD-2-Clause */
/* A wire and an AoE target; see fake_aoe_target.h. */
#include <stdlib.h>
#include <string.h>

#include "kernel/drivers/ata_identify.h"
#include "kernel/entropy.h"
#include "tests/unit/fake_aoe_target.h"
#include "tests/unit/fake_kernel.h"

struct wire_frame {
	struct timer timer;
	bool to_target;
	size_t len;
	uint8_t data[2048];
};

struct fake_target target;
struct net_switch wire_switch;
void (*wire_rule)(const uint8_t *frame, size_t len, bool to_target, struct wire_fate *fate);

static struct netdev wire;
static unsigned frames;
static uint32_t entropy_state = 1;

void entropy_fill(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len--) {
		entropy_state = entropy_state * 1103515245u + 12345u;
		*p++ = (uint8_t)(entropy_state >> 16);
	}
}

static void target_receive(const uint8_t *frame, size_t len);

static void wire_arrived(struct timer *t)
{
	struct wire_frame *f = container_of(t, struct wire_frame, timer);
	struct netbuf *nb;

	frames--;
	if (f->to_target) {
		target_receive(f->data, f->len);
	} else if ((nb = netbuf_alloc())) {
		memcpy(nb->data, f->data, f->len);
		nb->len = (uint16_t)f->len;
		wire.receive(&wire, nb);
	}
	free(f);
}

static void wire_put(const uint8_t *frame, size_t len, bool to_target, uint64_t delay_ns)
{
	struct wire_frame *f = calloc(1, sizeof(*f));

	memcpy(f->data, frame, len);
	f->len = len;
	f->to_target = to_target;
	timer_init(&f->timer, wire_arrived);
	timer_arm(&f->timer, fake_time_ns + delay_ns);
	frames++;
}

static void wire_send(const uint8_t *frame, size_t len, bool to_target)
{
	struct wire_fate fate = {.copies = 1, .delay_ns = {WIRE_DELAY_NS}};

	if (wire_rule)
		wire_rule(frame, len, to_target, &fate);
	for (unsigned i = 0; i < fate.copies; i++)
		wire_put(frame, len, to_target, fate.delay_ns[i]);
}

void fake_wire_inject(const uint8_t *frame, size_t len, uint64_t delay_ns)
{
	wire_put(frame, len, false, delay_ns);
}

unsigned fake_wire_frames(void)
{
	return frames;
}

static int wire_dev_send(struct netdev *nd, struct netbuf *nb)
{
	assert_true(nb->len >= ETH_MIN_LEN && nb->len <= netbuf_frame_max());
	wire_send(nb->data, nb->len, true);
	netbuf_put(nb);
	return 0;
}

static unsigned wire_dev_room(struct netdev *nd)
{
	return 256;
}

static const struct netdev_ops wire_ops = {.send = wire_dev_send, .send_room = wire_dev_room};

static void set_word(uint8_t *d, unsigned i, uint64_t v)
{
	d[2 * i] = (uint8_t)v;
	d[2 * i + 1] = (uint8_t)(v >> 8);
}

static void target_identify(uint8_t *d)
{
	memset(d, 0, 512);
	set_word(d, 49, 0x0200);
	set_word(d, 60, TARGET_SECTORS);
	set_word(d, 83, 0x5400 | (target.flush_ext ? 0x2000 : 0));
	set_word(d, 100, TARGET_SECTORS);
	memcpy(d + 54, "afekt raeg t", 12);
}

static bool target_listed(const uint8_t *mac)
{
	for (unsigned i = 0; i < target.list_count; i++)
		if (!memcmp(target.list[i], mac, ETH_ALEN))
			return true;
	return !target.list_count;
}

static size_t target_data(const struct aoe_message *m, uint8_t *out, struct aoe_header *h)
{
	struct aoe_ata a = m->ata;
	size_t len, bytes = (size_t)a.count * 512;

	a.cmd_status = ATA_STATUS_RDY | target.status;
	a.count = 0;
	switch (m->ata.cmd_status) {
	case ATA_READ_SECTORS_EXT:
		assert_true(a.lba + m->ata.count <= TARGET_SECTORS);
		target.reads++;
		len = aoe_encode_ata(out, h, &a);
		memcpy(out + len, target.sectors[a.lba], bytes);
		return len + bytes - target.cut_data;
	case ATA_WRITE_SECTORS_EXT:
		assert_true(a.lba + m->ata.count <= TARGET_SECTORS && m->data_len >= bytes);
		assert_int_equal(m->ata.aflags, AOE_AFLAG_EXT | AOE_AFLAG_WRITE);
		target.writes++;
		memcpy(target.sectors[a.lba], m->data, bytes);
		return aoe_encode_ata(out, h, &a);
	default:
		target.flushes++;
		target.last_flush = m->ata.cmd_status;
		return aoe_encode_ata(out, h, &a);
	}
}

static size_t target_ata(const struct aoe_message *m, uint8_t *out, struct aoe_header *h)
{
	struct aoe_ata a = {.cmd_status = ATA_STATUS_RDY};
	size_t len;

	if (m->ata.cmd_status == ATA_IDENTIFY_DEVICE) {
		len = aoe_encode_ata(out, h, &a);
		target_identify(out + len);
		return len + 512;
	}
	h->error = target_listed(m->h.src) ? target.error : AOE_ERR_RESERVED;
	if (!h->error)
		return target_data(m, out, h);
	target.refused += h->error == AOE_ERR_RESERVED;
	h->flags |= AOE_FLAG_ERROR;
	return aoe_encode_ata(out, h, &m->ata);
}

static size_t target_reserve(const struct aoe_message *m, uint8_t *out, struct aoe_header *h)
{
	struct aoe_reserve r = m->reserve;
	size_t len;

	if (r.rcmd == AOE_RESERVE_SET && !target_listed(m->h.src)) {
		h->flags |= AOE_FLAG_ERROR;
		h->error = AOE_ERR_RESERVED;
		target.refused++;
	} else if (r.rcmd != AOE_RESERVE_READ) {
		target.list_count = r.count;
		memcpy(target.list, m->data, (size_t)r.count * ETH_ALEN);
	}
	r.count = (uint8_t)target.list_count;
	len = aoe_encode_reserve(out, h, &r);
	memcpy(out + len, target.list, (size_t)r.count * ETH_ALEN);
	return len + (size_t)r.count * ETH_ALEN;
}

static size_t target_config(uint8_t *out, const struct aoe_header *h)
{
	struct aoe_config c = {.buffers = target.buffers, .sectors = target.max_sectors};

	return aoe_encode_config(out, h, &c);
}

static void target_receive(const uint8_t *frame, size_t len)
{
	uint8_t out[2048];
	struct aoe_message m;
	struct aoe_header h;

	assert_int_equal(aoe_decode(frame, len, &m), 0);
	if (target.silent || m.h.flags & AOE_FLAG_RESPONSE)
		return;
	if (m.h.shelf != TARGET_SHELF && m.h.shelf != AOE_SHELF_BROADCAST)
		return;
	if (m.h.slot != TARGET_SLOT && m.h.slot != AOE_SLOT_BROADCAST)
		return;
	h = m.h;
	memcpy(h.dst, m.h.src, ETH_ALEN);
	memcpy(h.src, target.mac, ETH_ALEN);
	h.flags = AOE_FLAG_RESPONSE;
	h.shelf = TARGET_SHELF;
	h.slot = TARGET_SLOT;
	switch (m.h.command) {
	case AOE_CMD_ATA:
		len = target_ata(&m, out, &h);
		break;
	case AOE_CMD_RESERVE:
		len = target_reserve(&m, out, &h);
		break;
	default:
		target.configs++;
		len = target_config(out, &h);
		break;
	}
	wire_send(out, len < ETH_MIN_LEN ? ETH_MIN_LEN : len, false);
}

void fake_target_restart(bool announce)
{
	struct aoe_header h = {
	    .flags = AOE_FLAG_RESPONSE, .shelf = TARGET_SHELF, .slot = TARGET_SLOT};
	uint8_t out[ETH_MIN_LEN];

	target.list_count = 0;
	if (!announce)
		return;
	memset(h.dst, 0xff, ETH_ALEN);
	memcpy(h.src, target.mac, ETH_ALEN);
	target_config(out, &h);
	out[14] = AOE_FLAG_RESPONSE; /* without a version, as vblade */
	wire_send(out, sizeof(out), false);
}

void fake_target_reset(void)
{
	static bool pool_ready;

	if (!pool_ready)
		assert_int_equal(netbuf_pool_init(1514, 256), 0);
	pool_ready = true;
	memset(&target, 0, sizeof(target));
	memcpy(target.mac, "\x02\x00\x00\x00\x00\x99", ETH_ALEN);
	target.buffers = 16;
	target.max_sectors = 2;
	target.flush_ext = true;
	wire_rule = NULL;
	frames = 0;
	memset(&wire, 0, sizeof(wire));
	wire.ops = &wire_ops;
	wire.frame_max = netbuf_frame_max();
	switch_init(&wire_switch, &wire);
}

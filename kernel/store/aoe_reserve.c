/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reservation list of a target (AoEr11 section 3.4, command 3): read, set,
 * force. And keeping it: a disk whose last list was just its own MAC looks again
 * before sending more data to a target that may have restarted, and takes an
 * empty list again. Who may own a disk when is decided above (migrate).
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

static size_t reserve_encode(struct aoe_control *c, uint8_t *frame, const struct aoe_header *h)
{
	struct aoe_reserve_control *rc = container_of(c, struct aoe_reserve_control, control);
	struct aoe_reserve r = {.rcmd = rc->rcmd, .count = (uint8_t)rc->count};
	size_t len = aoe_encode_reserve(frame, h, &r);

	for (unsigned i = 0; i < rc->count; i++, len += ETH_ALEN)
		memcpy(frame + len, rc->macs[i], ETH_ALEN);
	return len;
}

/* The target answers with the list as it is now. */
static int reserve_answer(struct aoe_control *c, const struct aoe_message *m)
{
	struct aoe_reserve_control *rc = container_of(c, struct aoe_reserve_control, control);
	unsigned n = MIN(m->reserve.count, ARRAY_SIZE(rc->out->macs));

	if (m->reserve.rcmd != rc->rcmd)
		return -E_AGAIN;
	if (!rc->out)
		return 0;
	memset(rc->out, 0, sizeof(*rc->out));
	rc->out->count = m->reserve.count;
	memcpy(rc->out->macs, m->data, (size_t)n * ETH_ALEN);
	return 0;
}

static void reserve_control_init(struct aoe_reserve_control *rc, uint8_t rcmd)
{
	memset(rc, 0, sizeof(*rc));
	rc->control.command = AOE_CMD_RESERVE;
	rc->control.encode = reserve_encode;
	rc->control.answer = reserve_answer;
	rc->rcmd = rcmd;
}

int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	struct aoe_reserve_control rc;

	reserve_control_init(&rc, AOE_RESERVE_READ);
	rc.out = out;
	return aoe_control_run(d, &rc.control, deadline_ns);
}

void aoe_keep_forget(struct aoe_disk *d)
{
	aoe_control_abandon(d, &d->keep.rc.control);
	d->keep.valid = false;
	d->keep.busy = false;
}

/* While the outcome is unknown the disk keeps nothing: it must not undo a hand-over. */
static int reserve_change(struct aoe_disk *d, uint8_t rcmd, const uint8_t macs[][ETH_ALEN],
			  unsigned count, uint64_t deadline_ns)
{
	struct aoe_reserve_control rc;
	int err;

	if (count > AOE_MAX_RESERVE ||
	    AOE_RESERVE_LIST + (size_t)count * ETH_ALEN > switch_frame_max(d->sw))
		return -E_RANGE;
	if (d->closed)
		return -E_CANCELLED;
	aoe_keep_forget(d);
	reserve_control_init(&rc, rcmd);
	rc.count = count;
	rc.macs = macs;
	aoe_wait_begin(d);
	err = aoe_control_run(d, &rc.control, deadline_ns);
	if (!err && count == 1) {
		memcpy(d->keep.mac, macs[0], ETH_ALEN);
		d->keep.valid = true;
	}
	if (!d->closed)
		aoe_pump(d);
	aoe_wait_end(d);
	return err;
}

int aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		    uint64_t deadline_ns)
{
	return reserve_change(d, AOE_RESERVE_SET, macs, count, deadline_ns);
}

int aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		      uint64_t deadline_ns)
{
	return reserve_change(d, AOE_RESERVE_FORCE, macs, count, deadline_ns);
}

/*
 * Whatever came out, data flows again: when the list is not ours now, the target
 * refuses the next command with "reserved", which is the answer that counts.
 */
static void keep_release(struct aoe_disk *d)
{
	d->keep.busy = false;
	aoe_pump(d);
}

static void keep_set_done(struct aoe_disk *d, struct aoe_control *c)
{
	if (c->err)
		log_warn("aoe: %s: taking the reservation again failed: %s", d->bd.name,
			 err_text(c->err));
	else
		log_info("aoe: %s forgot its reservation, taken again", d->bd.name);
	keep_release(d);
}

static void keep_read_done(struct aoe_disk *d, struct aoe_control *c)
{
	if (c->err || d->keep.list.count) {
		keep_release(d);
		return;
	}
	reserve_control_init(&d->keep.rc, AOE_RESERVE_SET);
	d->keep.rc.control.finish = keep_set_done;
	d->keep.rc.count = 1;
	d->keep.rc.macs = (const uint8_t(*)[ETH_ALEN]) & d->keep.mac;
	if (aoe_control_start(d, &d->keep.rc.control))
		keep_release(d);
}

void aoe_keep_suspect(struct aoe_disk *d)
{
	struct aoe_keep *k = &d->keep;

	if (k->busy || !k->valid || memcmp(k->mac, d->port.mac, ETH_ALEN))
		return;
	reserve_control_init(&k->rc, AOE_RESERVE_READ);
	k->rc.out = &k->list;
	k->rc.control.finish = keep_read_done;
	k->busy = aoe_control_start(d, &k->rc.control) == 0;
}

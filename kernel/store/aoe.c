/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AoE disk from open to close, and its life between two owners. The parts
 * that do the work are listed in aoe_disk.h.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/store/aoe_targets.h"
#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define AOE_OPEN_NS (5 * NS_PER_S)

static struct net_switch *aoe_switch;

static const struct blkdev_ops aoe_blkdev_ops = {.submit = aoe_io_submit};

int aoe_init(struct net_switch *sw)
{
	aoe_switch = sw;
	aoe_targets_init(sw);
	return 0;
}

static void aoe_attach(struct aoe_disk *d, const uint8_t mac[ETH_ALEN])
{
	memcpy(d->port.mac, mac, ETH_ALEN);
	switch_attach(d->sw, &d->port);
}

static struct aoe_disk *aoe_create(uint16_t shelf, uint8_t slot)
{
	struct aoe_disk *d = kzalloc(sizeof(*d));

	if (!d)
		return NULL;
	d->sw = aoe_switch;
	d->shelf = shelf;
	d->slot = slot;
	waitq_init(&d->wq);
	aoe_cmds_init(d);
	ksnprintf(d->bd.name, sizeof(d->bd.name), "e%u.%u", shelf, slot);
	d->bd.ops = &aoe_blkdev_ops;
	d->port.name = d->bd.name;
	d->port.ethertype = ETH_TYPE_AOE;
	d->port.group = true; /* announcements of targets that start */
	d->port.receive = aoe_receive;
	d->heard_ns = time_ns();
	return d;
}

/* What target and wire agree on. A sector count of 0 is an old target's: 2 fit any frame. */
static void aoe_size_frames(struct aoe_disk *d, const struct aoe_config *c)
{
	/* Of a card for less than a sector nothing comes: its driver drops and counts. */
	unsigned frame = MAX(switch_frame_max(d->sw), AOE_ATA_DATA + SECTOR_SIZE);
	unsigned fit = (frame - AOE_ATA_DATA) / SECTOR_SIZE;
	unsigned sectors = c->sectors ? c->sectors : 2;

	d->frame_sectors = (uint8_t)MIN(sectors, MIN(fit, UINT8_MAX));
	d->window_max = MAX(MIN(c->buffers, AOE_WINDOW_MAX), 1);
	d->window = MIN(d->window, d->window_max);
}

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	uint64_t deadline = time_ns() + AOE_OPEN_NS;
	struct aoe_config config;
	struct aoe_disk *d;
	int err;

	if (shelf == AOE_SHELF_BROADCAST || slot == AOE_SLOT_BROADCAST || mac[0] & 1)
		return -E_INVAL;
	d = aoe_create(shelf, slot);
	if (!d)
		return -E_NOMEM;
	aoe_attach(d, mac);
	err = aoe_find_target(d, &config, deadline);
	if (err)
		goto undo_create;
	err = aoe_identify(d, deadline);
	if (err)
		goto undo_create;
	aoe_size_frames(d, &config);
	d->bd.sectors = d->id.sectors;
	d->bd.model = d->id.model;
	log_info("aoe: %s: %s, %llu sectors, %u per frame, window %u", d->bd.name, d->id.model,
		 (unsigned long long)d->bd.sectors, d->frame_sectors, d->window_max);
	*out = d;
	return 0;

undo_create:
	log_warn("aoe: %s: open failed: %s", d->bd.name, err_text(err));
	aoe_close(d);
	/* A target that answers with an error or nonsense is a broken disk to the caller. */
	return err == -E_TIMEDOUT ? err : -E_IO;
}

void aoe_cancel(struct aoe_disk *d)
{
	aoe_io_cancel_all(d);
	waitq_wake_all(&d->wq);
}

void aoe_close(struct aoe_disk *d)
{
	d->closed = true;
	aoe_wait_begin(d);
	aoe_keep_forget(d);
	aoe_control_cancel_all(d);
	aoe_io_cancel_all(d);
	timer_cancel(&d->timer);
	switch_detach(&d->port);
	waitq_wake_all(&d->wq);
	aoe_wait_end(d);
}

struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return &d->bd;
}

const uint8_t *aoe_mac(const struct aoe_disk *d)
{
	return d->port.mac;
}

void aoe_set_mac(struct aoe_disk *d, const uint8_t mac[ETH_ALEN])
{
	ASSERT(list_empty(&d->requests));
	ASSERT(!(mac[0] & 1));
	/* A command of the old period must not be sent again under the new name. */
	d->keep.busy = false;
	aoe_control_cancel_all(d);
	switch_detach(&d->port);
	aoe_attach(d, mac);
}

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	entropy_fill(mac, ETH_ALEN);
	/* IEEE 802: individual (bit 0 clear), locally administered (bit 1 set). */
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

int aoe_drain(struct aoe_disk *d, uint64_t deadline_ns)
{
	int err = 0;

	aoe_wait_begin(d);
	while (!d->closed && !list_empty(&d->requests)) {
		err = waitq_wait(&d->wq, deadline_ns);
		if (err)
			break;
	}
	if (d->closed)
		err = -E_CANCELLED;
	else if (list_empty(&d->requests))
		err = 0;
	aoe_wait_end(d);
	return err;
}

static void flush_done(struct blk_request *rq, int err)
{
	*(int *)rq->ctx = err;
}

int aoe_flush(struct aoe_disk *d, uint64_t deadline_ns)
{
	int result = -E_CANCELLED, err;
	struct blk_request rq;

	memset(&rq, 0, sizeof(rq));
	rq.op = BLK_FLUSH;
	rq.done = flush_done;
	rq.ctx = &result;
	err = d->bd.ops->submit(&d->bd, &rq);
	if (err)
		return err;
	if (aoe_drain(d, deadline_ns) == -E_TIMEDOUT)
		aoe_cancel(d);
	return result;
}

void aoe_get_stats(const struct aoe_disk *d, struct aoe_stats *out)
{
	*out = d->stats;
	out->srtt_ns = d->rtt.srtt_ns;
}

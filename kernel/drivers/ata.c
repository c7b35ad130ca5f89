/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATA disks as blkdevs: a queue and a task per channel, because PIO needs a
 * processor all along and submit must not wait. The registers are ata_pio.c's.
 */
#include "kernel/drivers/ata.h"
#include "kernel/drivers/ata_pio.h"
#include "kernel/lib/format.h"
#include "kernel/log.h"
#include "kernel/task.h"
#include "kernel/time.h"

#define CHANNELS 2
#define UNITS	 2

struct ata_disk {
	struct blkdev bd;
	struct ata_identity id;
	struct ata_host *host;
	unsigned unit;
};

/* A channel with its queue. */
struct ata_host {
	struct ata_channel ch;
	struct list queue; /* of blk_request; rq->driver_next is the unit */
	struct waitq wq;
	struct ata_disk disks[UNITS];
	uint64_t logged_ns;
};

/* The addresses of a PC: ATA8-APT leaves them to the host, PCI IDE "compatibility mode" fixes them.
 */
static struct ata_host hosts[CHANNELS] = {
    {.ch = {.io = 0x1f0, .control = 0x3f6}},
    {.ch = {.io = 0x170, .control = 0x376}},
};

static int ata_submit(struct blkdev *bd, struct blk_request *rq)
{
	struct ata_disk *disk = container_of(bd, struct ata_disk, bd);
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	rq->driver_next = disk->unit;
	list_append(&disk->host->queue, &rq->node);
	waitq_wake_all(&disk->host->wq);
	return 0;
}

static const struct blkdev_ops ata_ops = {.submit = ata_submit};

static int ata_run_once(struct ata_disk *disk, struct blk_request *rq)
{
	struct ata_channel *ch = &disk->host->ch;

	if (rq->op == BLK_FLUSH)
		return ata_drive_flush(ch, disk->unit, &disk->id);
	for (uint32_t first = 0; first < rq->sectors; first += ATA_PIECE_SECTORS) {
		uint32_t count = MIN(rq->sectors - first, ATA_PIECE_SECTORS);
		int err = ata_drive_transfer(ch, disk->unit, &disk->id, rq, first, count);

		if (err)
			return err;
	}
	return 0;
}

static void ata_log_failure(struct ata_disk *disk, const struct blk_request *rq, int err)
{
	struct ata_host *h = disk->host;
	uint64_t now = time_ns();

	if (h->logged_ns && now - h->logged_ns < NS_PER_S)
		return;
	h->logged_ns = MAX(now, 1);
	log_warn("ata: %s: %u sectors at %llu: %s, status 0x%02x error 0x%02x", disk->bd.name,
		 rq->sectors, (unsigned long long)rq->sector, err_text(err), h->ch.status,
		 h->ch.error);
}

/* A drive that hung is reset and asked once more; what it reports itself is final. */
static int ata_run(struct ata_disk *disk, struct blk_request *rq)
{
	int err = ata_run_once(disk, rq);

	if (!err)
		return 0;
	ata_log_failure(disk, rq, err);
	if (err != -E_TIMEDOUT)
		return -E_IO;
	if (ata_channel_reset(&disk->host->ch))
		return -E_IO;
	return ata_run_once(disk, rq) ? -E_IO : 0;
}

static void ata_task(void *arg)
{
	struct ata_host *h = arg;

	for (;;) {
		while (!list_empty(&h->queue)) {
			struct blk_request *rq =
			    list_entry(h->queue.next, struct blk_request, node);
			struct ata_disk *disk = &h->disks[rq->driver_next];
			int err;

			list_remove(&rq->node);
			err = ata_run(disk, rq);
			blkdev_end(&disk->bd, rq, err);
		}
		(void)waitq_wait(&h->wq, TIME_NEVER);
	}
}

/* 0: there is a usable disk. */
static int ata_probe(struct ata_host *h, unsigned unit, unsigned number)
{
	struct ata_disk *disk = &h->disks[unit];
	int err = ata_drive_identify(&h->ch, unit, &disk->id);

	if (err == -E_NOENT)
		return err;
	if (err) {
		log_info("ata: ata%u is skipped: %s", number,
			 err == -E_NOTSUP ? "a packet device, or not addressed by 512-byte sectors"
					  : err_text(err));
		return err;
	}
	disk->host = h;
	disk->unit = unit;
	disk->bd.ops = &ata_ops;
	disk->bd.model = disk->id.model;
	disk->bd.sectors = disk->id.sectors;
	ksnprintf(disk->bd.name, sizeof(disk->bd.name), "ata%u", number);
	log_info("ata: %s: %s, %llu sectors", disk->bd.name, disk->id.model,
		 (unsigned long long)disk->bd.sectors);
	return 0;
}

static int ata_host_init(struct ata_host *h, unsigned first_number)
{
	bool found[UNITS];
	int err;

	list_init(&h->queue);
	waitq_init(&h->wq);
	err = ata_channel_reset(&h->ch);
	if (err) {
		if (err != -E_NOENT)
			log_warn("ata: channel 0x%x is skipped: %s", h->ch.io, err_text(err));
		return 0;
	}
	for (unsigned u = 0; u < UNITS; u++)
		found[u] = ata_probe(h, u, first_number + u) == 0;
	if (!found[0] && !found[1])
		return 0;
	if (!task_create(first_number ? "ata2" : "ata0", ata_task, h))
		return -E_NOMEM;
	for (unsigned u = 0; u < UNITS; u++) {
		err = found[u] ? blkdev_register(&h->disks[u].bd) : 0;
		if (err)
			return err;
	}
	return 0;
}

int ata_init(void)
{
	for (unsigned i = 0; i < CHANNELS; i++) {
		int err = ata_host_init(&hosts[i], i * UNITS);

		if (err)
			return err;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Measuring disks for an audit: see measure.h. Nothing is written. */
#include "migrate/measure.h"

#include "kernel/lib/muldiv.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"

#define SMALL	   4096
#define SMALL_MANY 8 /* all over the disk */
#define LARGE	   (64 * 1024)
#define LARGE_NS   (50 * NS_PER_MS) /* enough to see a rate */
#define LARGE_MAX  MiB		    /* of a disk so fast that this is no load */

static int measure_latency(struct blkdev *bd, void *buf, struct stream_speed *out)
{
	uint64_t apart = bd->sectors / SMALL_MANY, begin = time_ns();
	int err;

	if (apart < SMALL / SECTOR_SIZE)
		return -E_RANGE;
	for (unsigned i = 0; i < SMALL_MANY; i++) {
		err = blkdev_read(bd, i * apart, SMALL / SECTOR_SIZE, buf);
		if (err)
			return err;
	}
	out->read_ns = MAX((time_ns() - begin) / SMALL_MANY, 1ull);
	return 0;
}

static int measure_rate(struct blkdev *bd, void *buf, struct stream_speed *out)
{
	uint64_t begin = time_ns(), bytes = 0, end = MIN(bd->sectors * SECTOR_SIZE, LARGE_MAX);
	int err;

	while (bytes + LARGE <= end && time_ns() - begin < LARGE_NS) {
		err = blkdev_read(bd, bytes / SECTOR_SIZE, LARGE / SECTOR_SIZE, buf);
		if (err)
			return err;
		bytes += LARGE;
	}
	out->rate = mul_div(bytes, NS_PER_S, MAX(time_ns() - begin, 1ull));
	return 0;
}

static int measure_flush(struct blkdev *bd, struct stream_speed *out)
{
	uint64_t begin = time_ns();
	int err = blkdev_flush(bd);

	if (!err)
		out->flush_ns = MAX(time_ns() - begin, 1ull);
	return err;
}

void measure_disk(struct blkdev *bd, struct stream_speed *out)
{
	void *buf = kzalloc(LARGE);

	/* the first that fails is the last: a disk in trouble is left alone */
	if (buf && !measure_latency(bd, buf, out) && !measure_rate(bd, buf, out))
		(void)!measure_flush(bd, out);
	kfree(buf);
}

void measure_store(struct datastore *ds, struct stream_speed *out)
{
	struct blkdev *bd = stores_disk(ds);

	if (!bd)
		return;
	stores_hold(ds);
	measure_disk(bd, out);
	stores_release(ds);
}

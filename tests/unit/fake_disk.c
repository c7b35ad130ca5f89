/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk in memory that can lose power; see fake_disk.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_disk.h"

#define TRACE_MAX 200000

struct blkdev fake_disk = {.name = "ram0"};
uint8_t fake_disk_data[FAKE_DISK_MAX][SECTOR_SIZE];
int fake_disk_fail = -1;
int fake_disk_fail_keeps;
unsigned fake_disk_calls;
unsigned fake_disk_low_call;
struct fake_event *fake_trace;
unsigned fake_trace_count;

static bool tracing;
static uint8_t (*start)[SECTOR_SIZE]; /* the medium when the trace began */

void fake_trace_stop(void)
{
	for (unsigned i = 0; i < fake_trace_count; i++)
		free(fake_trace[i].data);
	free(fake_trace);
	free(start);
	fake_trace = NULL;
	start = NULL;
	fake_trace_count = 0;
	tracing = false;
}

void fake_disk_reset(uint64_t sectors)
{
	assert_in_range(sectors, 0, FAKE_DISK_MAX);
	fake_trace_stop();
	memset(fake_disk_data, 0, sizeof(fake_disk_data));
	fake_disk.sectors = sectors;
	fake_disk_fail = -1;
	fake_disk_fail_keeps = 0;
	fake_disk_calls = 0;
}

void fake_trace_start(void)
{
	fake_trace_stop();
	start = malloc(sizeof(fake_disk_data));
	memcpy(start, fake_disk_data, sizeof(fake_disk_data));
	fake_trace = calloc(TRACE_MAX, sizeof(*fake_trace));
	tracing = true;
}

static void trace(uint64_t sector, const void *data)
{
	if (!tracing)
		return;
	assert_in_range(fake_trace_count, 0, TRACE_MAX - 1);
	fake_trace[fake_trace_count].sector = sector;
	if (data) {
		fake_trace[fake_trace_count].data = malloc(SECTOR_SIZE);
		memcpy(fake_trace[fake_trace_count].data, data, SECTOR_SIZE);
	}
	fake_trace_count++;
}

/* xorshift: which of the unflushed writes are there. */
static bool kept(unsigned *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed & 1;
}

/* Of a write that no flush followed: is it on the medium? */
static bool survives(unsigned event, unsigned count, unsigned keep, unsigned *seed)
{
	if (keep == FAKE_KEEP_LAST)
		return event + 1 == count;
	return !keep || (keep > 1 && kept(seed));
}

void fake_disk_crash(unsigned count, unsigned keep, unsigned torn)
{
	unsigned flushed = 0, seed = keep * 2654435761u + count;
	uint64_t last = 0;
	uint8_t *last_data = NULL, before[SECTOR_SIZE];

	tracing = false;
	memcpy(fake_disk_data, start, fake_disk.sectors * SECTOR_SIZE);
	for (unsigned i = 0; i < count; i++)
		if (!fake_trace[i].data)
			flushed = i;
	for (unsigned i = 0; i < count; i++) {
		const struct fake_event *e = &fake_trace[i];

		if (!e->data || (i > flushed && !survives(i, count, keep, &seed)))
			continue;
		if (i > flushed) {
			last = e->sector;
			last_data = e->data;
			memcpy(before, fake_disk_data[last], SECTOR_SIZE);
		}
		memcpy(fake_disk_data[e->sector], e->data, SECTOR_SIZE);
	}
	if (torn && last_data)
		memcpy(fake_disk_data[last] + torn, before + torn, SECTOR_SIZE - torn);
}

static bool fails(void)
{
	fake_disk_calls++;
	return fake_disk_fail >= 0 && fake_disk_fail-- == 0;
}

static int range(struct blkdev *bd, uint64_t sector, uint32_t count)
{
	assert_int_not_equal(count, 0);
	return sector < bd->sectors && count <= bd->sectors - sector ? 0 : -E_RANGE;
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	int err = range(bd, sector, count);

	if (!err)
		memcpy(buf, fake_disk_data[sector], (size_t)count * SECTOR_SIZE);
	return err;
}

int blkdev_write(struct blkdev *bd, uint64_t sector, uint32_t count, const void *buf)
{
	const uint8_t *from = buf;
	int err = range(bd, sector, count);

	if (err)
		return err;
	if (sector < 64 * KiB / SECTOR_SIZE)
		fake_disk_low_call = fake_disk_calls;
	if (fails()) {
		if (fake_disk_fail_keeps)
			memcpy(fake_disk_data[sector], buf,
			       (size_t)count * SECTOR_SIZE / (unsigned)fake_disk_fail_keeps);
		return -E_IO;
	}
	for (uint32_t i = 0; i < count; i++)
		trace(sector + i, from + (size_t)i * SECTOR_SIZE);
	memcpy(fake_disk_data[sector], buf, (size_t)count * SECTOR_SIZE);
	return 0;
}

int blkdev_flush(struct blkdev *bd)
{
	if (fails())
		return -E_IO;
	trace(0, NULL);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream over an object of a datastore, a cluster at a time, so that whole clusters
 * are written and none is read and written again.
 */
#include "migrate/stream_store.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

int object_io_open(struct object_io *io, struct ds_object *object, uint64_t *count)
{
	struct ds_info info;

	memset(io, 0, sizeof(*io));
	io->buf = kzalloc(DS_CLUSTER);
	if (!io->buf)
		return -E_NOMEM;
	ds_object_info(object, &info);
	io->object = object;
	io->size = info.size;
	io->count = count;
	return 0;
}

void object_io_close(struct object_io *io)
{
	kfree(io->buf);
	io->buf = NULL;
}

int object_io_flush(struct object_io *io)
{
	int err;

	if (!io->have)
		return 0;
	err = ds_write(io->object, io->offset, io->buf, io->have);
	if (err)
		return err;
	io->offset += io->have;
	io->have = 0;
	return 0;
}

static int object_write(void *ctx, const void *data, size_t len)
{
	struct object_io *io = ctx;
	const uint8_t *p = data;
	int err;

	*io->count += len;
	while (len) {
		size_t n = MIN(len, DS_CLUSTER - io->have);

		memcpy(io->buf + io->have, p, n);
		io->have += n;
		p += n;
		len -= n;
		if (io->have < DS_CLUSTER)
			continue;
		err = object_io_flush(io);
		if (err)
			return err;
	}
	return 0;
}

static int object_fill(struct object_io *io)
{
	int err;

	io->offset += io->have;
	io->have = io->at = 0;
	if (io->offset >= io->size)
		return -E_CLOSED;
	io->have = MIN(io->size - io->offset, (uint64_t)DS_CLUSTER);
	err = ds_read(io->object, io->offset, io->buf, io->have);
	if (err)
		io->have = 0;
	return err;
}

static int object_read(void *ctx, void *buf, size_t len, uint64_t deadline_ns)
{
	struct object_io *io = ctx;
	uint8_t *p = buf;
	int err;

	*io->count += len;
	while (len) {
		size_t n = MIN(len, io->have - io->at);

		memcpy(p, io->buf + io->at, n);
		io->at += n;
		p += n;
		len -= n;
		if (!len)
			break;
		err = object_fill(io);
		if (err)
			return err;
	}
	return 0;
}

static int swallow(void *ctx, const void *data, size_t len)
{
	return 0;
}

static int nothing_to_read(void *ctx, void *buf, size_t len, uint64_t deadline_ns)
{
	return -E_CLOSED;
}

static int push(void *ctx)
{
	return 0;
}

static size_t nobody_speaks(void *ctx)
{
	return 0;
}

struct stream_io stream_to_object(struct object_io *io)
{
	return (struct stream_io){.write = object_write,
				  .push = push,
				  .read = nothing_to_read,
				  .ready = nobody_speaks,
				  .ctx = io};
}

struct stream_io stream_from_object(struct object_io *io)
{
	return (struct stream_io){
	    .write = swallow, .push = push, .read = object_read, .ready = nobody_speaks, .ctx = io};
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream in an object of a datastore: written once by a save, read once by a restore. */
#ifndef MIGRATE_STREAM_STORE_H
#define MIGRATE_STREAM_STORE_H

#include "kernel/store/datastore.h"
#include "migrate/stream.h"

struct object_io {
	struct ds_object *object;
	uint8_t *buf;	 /* one cluster */
	size_t have, at; /* bytes in buf; of these, read */
	uint64_t offset; /* in the object, of buf's first byte */
	uint64_t size;	 /* reading: of the object */
	uint64_t *count; /* bytes through here, for progress */
};

/* object stays the caller's. -E_NOMEM. */
int must_check object_io_open(struct object_io *io, struct ds_object *object, uint64_t *count);
void object_io_close(struct object_io *io);
/* Writing: what is still buffered. Blocks. As ds_write. */
int must_check object_io_flush(struct object_io *io);

/* What is read past the end is -E_CLOSED. */
struct stream_io stream_to_object(struct object_io *io);
/* What the reader says to its source goes nowhere. */
struct stream_io stream_from_object(struct object_io *io);

#endif

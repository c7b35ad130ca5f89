/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of build/pgstore, the datastore as a Linux program. */
#ifndef TOOLS_PGSTORE_H
#define TOOLS_PGSTORE_H

#include "kernel/store/datastore.h"

/* Words on stderr, "pgstore: " before them. Returns err. */
int complain(int err, const char *fmt, ...) printf_like(2, 3);

/* ---- pgstore_host.c: an image file or block device as struct blkdev ---- */

struct host_file {
	struct blkdev bd;
	int fd;
	uint64_t first; /* sector of the file where the device begins */
};
/*
 * length 0: up to the end. Takes a lock on the file: 0, or negative with words printed, when
 * another program writes it, it cannot be opened, or it does not reach that far.
 */
int must_check host_open(struct host_file *f, const char *path, bool writable, uint64_t offset,
			 uint64_t length);
void host_close(struct host_file *f);

/* ---- pgstore_image.c: objects from and to files ---- */

/* "qcow2" by the end of the path, NULL for raw. */
const char *image_format(const char *path);
/* Contents of the file at path, in format (NULL: raw), into the object; holes stay holes. */
int must_check image_put(struct datastore *ds, const char *name, enum ds_kind kind,
			 const char *path, const char *format);
/* path "-": standard output, raw. */
int must_check image_get(struct ds_object *o, const char *path, const char *format);

#endif

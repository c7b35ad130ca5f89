/* SPDX-License-Identifier: BSD-2-Clause */
/* Small objects, written and read as a whole: configurations, notes, boot files. */
#include "kernel/store/datastore.h"

int ds_write_whole(struct datastore *ds, const char *name, const void *data, uint64_t len)
{
	struct ds_object *o;
	int err;

	err = ds_create(ds, name, DS_FILE, 0, &o);
	if (err)
		return err;
	if (len)
		err = ds_write(o, 0, data, len);
	if (!err)
		err = ds_commit(o);
	ds_put(o);
	return err;
}

int ds_read_whole(struct datastore *ds, const char *name, void *buf, size_t room, size_t *len)
{
	struct ds_object *o;
	struct ds_info info;
	int err;

	err = ds_get(ds, name, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	*len = info.size;
	err = info.size <= room ? ds_read(o, 0, buf, info.size) : -E_RANGE;
	ds_put(o);
	return err;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the state of a guest that stands still into an object of a datastore: the
 * records that a move would send, in its order. What becomes of the guest and of
 * the object then is the caller's business (save.c, snapshot.c).
 */
#include "kernel/lib/format.h"
#include "migrate/save.h"

int save_object_open(struct move *m, struct save_object *o, struct datastore *ds, const char *name)
{
	struct stream_io io;
	int err;

	o->ds = ds;
	err = ds_create(ds, name, DS_SAVED, 0, &o->object);
	if (err)
		return move_fail(m, err, "making the saved state's object");
	err = object_io_open(&o->io, o->object, &m->p.bytes);
	if (err)
		return err;
	io = stream_to_object(&o->io);
	err = stream_open(&m->st, &io);
	if (err)
		return err;
	m->st.stop = &m->stop;
	return 0;
}

void save_object_close(struct save_object *o)
{
	ds_put(o->object);
	object_io_close(&o->io);
	o->object = NULL;
}

/* Who saves what: the records that a move sends before memory. */
static int write_head(struct move *m, bool digests)
{
	struct stream_hello hello;
	int err;

	facts_hello(m, STREAM_FOR_SAVE, &hello);
	err = stream_send(&m->st, STREAM_HELLO, &hello, sizeof(hello));
	if (err)
		return err;
	err = facts_offer(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "describing the VM");
	err = save_describe_disks(m->vm, m->offer, digests);
	if (err)
		return move_fail(m, err, "describing the VM's disks");
	err = stream_send(&m->st, STREAM_OFFER, m->offer, sizeof(*m->offer));
	for (unsigned i = 0; !err && i < m->offer->file_count; i++)
		err = send_file(m, &m->offer->files[i]);
	if (err)
		return err;
	err = stream_send(&m->st, STREAM_RESERVE, NULL, 0);
	if (err)
		return err;
	return stream_send(&m->st, STREAM_STOP, NULL, 0);
}

int save_worded(struct move *m, struct datastore *ds, int err)
{
	struct ds_stat st;
	char free[16];

	if (err != -E_NOSPC)
		return err;
	ds_status(ds, &st);
	return stream_fail(&m->st, err, "store %s has no room for it (%s free)", stores_name(ds),
			   format_size(free, st.free));
}

int save_object_write(struct move *m, struct save_object *o, bool digests)
{
	int err;

	move_set_stage(m, STAGE_STOP_AND_COPY);
	err = write_head(m, digests);
	if (err)
		return err;
	err = send_round(m, send_mark_all(m));
	if (err)
		return err;
	err = send_state(m);
	if (err)
		return err;
	return object_io_flush(&o->io);
}

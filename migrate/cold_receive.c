/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target of a cold move. The VM's name is taken by a definition that cannot be started;
 * its disks grow as NAME.part, which an interrupted move leaves behind and the next one goes
 * on with. receive.c feeds records; every number in them is checked as a hot move's.
 */
#include "migrate/cold.h"

#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "migrate/page_digest.h"
#include "vmm/vm_build.h"
#include "vmm/vm_log.h"
#include "vmm/vm_store.h"

_Static_assert(STREAM_BLOCK == DS_CLUSTER, "a block is stored or not, as a whole");

/* ---- what is there already ------------------------------------------------------------ */

struct ds_object *cold_find_part(struct datastore *ds, const char *object, uint64_t size)
{
	char part[DS_NAME_LEN + sizeof(DS_PART_SUFFIX)];
	struct ds_object *o;
	struct ds_info info;

	str_copy(part, object, sizeof(part));
	str_copy(part + strlen(part), DS_PART_SUFFIX, sizeof(DS_PART_SUFFIX));
	if (ds_get(ds, part, &o))
		return NULL;
	ds_object_info(o, &info);
	if (info.kind == DS_DISK && info.size == size)
		return o;
	ds_put(o); /* of another disk: the new one replaces it */
	return NULL;
}

struct digests {
	struct stream_disk_digests head;
	uint32_t count;
	uint64_t value[STREAM_BLOCKS_MAX];
	uint64_t block[STREAM_BLOCK / sizeof(uint64_t)];
};

static int flush_digests(struct move *m, struct digests *d)
{
	if (!d->count)
		return 0;
	stream_begin(&m->st, STREAM_DISK_DIGESTS);
	stream_add(&m->st, &d->head, sizeof(d->head));
	stream_add(&m->st, d->value, d->count * sizeof(d->value[0]));
	d->count = 0;
	return stream_end(&m->st);
}

static int add_block(struct move *m, struct digests *d, struct ds_object *o, uint64_t index,
		     uint64_t len)
{
	int err = 0;

	if (m->stop)
		return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
	/* a short gap costs less than a record */
	while (d->count && d->count < STREAM_BLOCKS_MAX && d->head.first + d->count < index)
		d->value[d->count++] = 0;
	if (d->count == STREAM_BLOCKS_MAX)
		err = flush_digests(m, d);
	if (err)
		return err;
	err = ds_read(o, index * STREAM_BLOCK, d->block, len);
	if (err)
		return move_fail(m, err, "reading what an earlier attempt left here");
	if (!d->count)
		d->head.first = index;
	d->value[d->count++] = digest_words(d->block, len);
	task_yield();
	return 0;
}

static int send_digests_of(struct move *m, uint32_t disk, struct digests *d)
{
	struct blkdev *blk = m->vm->disks[disk].blk;
	uint64_t size = blk->sectors * SECTOR_SIZE, at = 0, start, len;
	struct ds_object *o = ds_disk_object(blk);
	int err = 0;

	d->head.disk = disk;
	while (!err && !ds_next_data(o, at, &start, &len)) {
		for (at = start; !err && at < start + len; at += STREAM_BLOCK)
			err = add_block(m, d, o, at / STREAM_BLOCK, MIN(size - at, STREAM_BLOCK));
	}
	return err ? err : flush_digests(m, d);
}

/* ---- reservation ---------------------------------------------------------------------- */

/* Listed, so that nobody else takes the name; off for whoever asks, and not to be started. */
static int define(struct move *m)
{
	int err = vm_define(&m->offer->cfg, &m->vm);

	if (err) {
		m->vm = NULL;
		return move_fail(m, err, "defining the VM here");
	}
	m->vm->state = VM_INCOMING;
	m->vm->move = m;
	m->vm->move_under_way = true;
	return 0;
}

/* From now on they survive whatever ends this move, for the next one. */
static int keep_parts(struct move *m)
{
	int err = receive_disks_keep(m);

	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (m->copied & (1u << i))
			ds_disk_leave(m->vm->disks[i].blk);
	return err;
}

static int answer(struct receiver *rx)
{
	struct stream_reserved mine = {.macs = {{0}}};
	struct digests *d = kzalloc(sizeof(*d));
	struct move *m = rx->m;
	int err = 0;

	if (!d)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	for (uint32_t i = 0; !err && i < m->vm->disk_count; i++)
		if (rx->resumed & (1u << i))
			err = send_digests_of(m, i, d);
	kfree(d);
	return err ? err : stream_send(&m->st, STREAM_RESERVED, &mine, sizeof(mine));
}

/* The source will ask the datastore that our facts named; and nobody's definition is written over.
 */
static int check_home(struct receiver *rx)
{
	const char *name = rx->m->offer->cfg.name;
	struct move *m = rx->m;
	struct ds_stat st;
	char first;

	ds_status(rx->ds, &st);
	if (memcmp(st.uuid, m->facts->store, sizeof(st.uuid)))
		return stream_fail(&m->st, -E_STATE,
				   "another datastore became the default one here meanwhile");
	if (!vm_store_head(rx->ds, name, &first, 1) && !vm_store_undefined(name))
		return stream_fail(&m->st, -E_EXIST,
				   "the datastore here keeps a VM of that name; 'define' or 'log' "
				   "tells why it is not listed");
	return 0;
}

int cold_reserve(struct receiver *rx)
{
	struct move *m = rx->m;
	int err;

	err = receive_may_reserve(rx);
	if (err)
		return err;
	rx->ds = stores_default();
	if (!rx->ds)
		return stream_fail(&m->st, -E_NOENT, "no datastore is open here to keep the VM in");
	stores_hold(rx->ds);
	err = check_home(rx);
	if (err)
		return err;
	move_set_stage(m, STAGE_RESERVATION);
	received_files_rename(m);
	err = define(m);
	if (err)
		return err;
	err = vm_open_received(m->vm, rx->disks);
	if (err)
		return move_fail(m, err, "opening the disks that come");
	err = keep_parts(m);
	if (err)
		return err;
	rx->phase = PHASE_COLD;
	return answer(rx);
}

/* ---- contents -------------------------------------------------------------------------- */

int cold_disk_data(struct receiver *rx, const struct stream_record *r)
{
	int err = receive_disk_data(rx->m, r);

	rx->unsynced += r->length;
	if (err || rx->unsynced < COLD_SYNC_BYTES)
		return err;
	rx->unsynced = 0;
	return keep_parts(rx->m);
}

/* A console will show it: nothing that a terminal obeys. */
int cold_log(struct receiver *rx, const struct stream_record *r)
{
	struct move *m = rx->m;

	if (!rx->log)
		rx->log = kzalloc(STREAM_LOG_MAX);
	if (!rx->log)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the VM's log");
	if (r->length > STREAM_LOG_MAX - rx->log_len)
		return stream_fail(&m->st, -E_RANGE, "more than %u bytes of a VM's log came",
				   STREAM_LOG_MAX);
	for (uint32_t i = 0; i < r->length; i++) {
		char c = (char)r->payload[i];

		rx->log[rx->log_len++] = c == '\n' || (c >= ' ' && c < 0x7f) ? c : '.';
	}
	return 0;
}

/* ---- the end --------------------------------------------------------------------------- */

/* All but the definition is in the datastore: what is promised by READY. */
static int prepare(struct receiver *rx)
{
	struct move *m = rx->m;
	int err;

	err = keep_parts(m);
	if (err)
		return err;
	rx->kept = kzalloc(sizeof(*rx->kept));
	if (!rx->kept)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	*rx->kept = m->vm->cfg;
	err = vm_store_take_files(rx->ds, rx->kept);
	return err ? move_fail(m, err, "writing boot files into the datastore here") : 0;
}

/* It is ours. */
static void take_over(struct receiver *rx)
{
	struct stream_commit c = {.ns = 0};
	struct move *m = rx->m;
	struct stream_record r;
	char id[COLD_ID_LEN];
	int err;

	move_set_stage(m, STAGE_ACTIVATION);
	cold_put_id(id, m->uuid);
	receive_disks_commit(m);
	cold_finish_surely(m, rx->ds, rx->kept, id);
	err = rx->log_len ? vm_log_add(m->p.vm, rx->log, rx->log_len) : 0;
	if (err)
		log_warn("migrate: %s: its log stays at %s: %s", m->p.vm, m->p.peer, err_text(err));
	vm_close_disks(m->vm);
	move_set_vm_state(m->vm, VM_OFF);
	memcpy(c.move_id, m->uuid, sizeof(c.move_id));
	err = stream_send(&m->st, STREAM_COMMITTED, &c, sizeof(c));
	if (!err)
		err = stream_expect(&m->st, STREAM_SETTLED, &r, time_ns() + MOVE_ANSWER_NS);
	if (!err)
		cold_settled(rx->ds, rx->kept, id);
	m->p.reason[0] = 0;
}

/* It blocks: the move may be forgotten meanwhile. */
static void start_it(const struct move *m)
{
	char name[VM_NAME_LEN];
	struct vm *vm;
	int err;

	str_copy(name, m->p.vm, sizeof(name));
	vm = vm_find(name);
	err = vm && vm->state == VM_OFF && !vm->move_under_way ? vm_start(vm) : -E_STATE;
	if (err)
		log_error("migrate: %s: it came, but could not be started: %s", name,
			  err_text(err));
}

void cold_receive_end(struct receiver *rx, int err)
{
	struct move *m = rx->m;
	bool start = m->offer && m->offer->flags & OFFER_START;

	if (!err)
		err = prepare(rx);
	if (!err && !cold_commit_target(rx))
		err = m->stop && !m->abdicated ? -E_CANCELLED : -E_FENCED;
	if (!err) {
		take_over(rx);
	} else {
		if (m->vm)
			vm_close_disks(m->vm);
		receive_failed(rx, err);
	}
	if (rx->ds)
		stores_release(rx->ds);
	kfree(rx->kept);
	kfree(rx->log);
	move_end(m, err);
	if (!err && start)
		start_it(m);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source of a cold move, top to bottom: open the disks as a start would, so that nobody
 * else has them; checks; what the target lacks; digests; commitment. Until that any error
 * leaves the VM here as it was, and what the target got stays there for the next attempt.
 */
#include "migrate/cold.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "migrate/page_digest.h"
#include "vmm/vm_build.h"
#include "vmm/vm_log.h"

#define SLOW_DISK_RATE (1 * MiB) /* bytes per second that a slow disk takes at least */

int cold_open_disks(struct move *m)
{
	char copy[VM_NAME_LEN];
	struct vm *vm = m->vm;
	const char *bad;
	int err;

	if (stores_saved(vm->cfg.name))
		return stream_fail(&m->st, -E_STATE,
				   "a saved state of it waits: 'restore %.31s' or 'saved-delete "
				   "%.31s' first",
				   vm->cfg.name, vm->cfg.name);
	ksnprintf(copy, sizeof(copy), COLD_COPY_NAME, vm->cfg.name);
	if (m->opt.keep && vm_find(copy))
		return stream_fail(&m->st, -E_EXIST,
				   "--keep would leave a copy %s, and there is a VM of that name",
				   copy);
	/* what a start here would show it: what would differ there is worth a note */
	if (cpuid_policy_build(vm->cfg.cpu_hide, &vm->cpuid, &bad))
		return stream_fail(&m->st, -E_INVAL, "cpu_hide: unknown feature '%.20s'", bad);
	err = vm_open_disks(vm);
	if (err)
		return stream_fail(&m->st, err, "opening its disks: %s; 'log' says which",
				   err_text(err));
	err = vm_own_disks(vm);
	if (err)
		return stream_fail(&m->st, err,
				   "reserving its shared disks: %s; 'log' says who has them",
				   err_text(err));
	return 0;
}

/* ---- what the target has --------------------------------------------------------------- */

static int compare_blocks(struct move *m, struct vm_disk *d, uint64_t first,
			  const struct stream_record *r, uint64_t *buf)
{
	uint64_t count = (r->length - sizeof(struct stream_disk_digests)) / sizeof(uint64_t);
	uint64_t size = d->blk->sectors * SECTOR_SIZE;
	int err;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = (first + i) * STREAM_BLOCK, len = MIN(size - at, STREAM_BLOCK);
		uint64_t theirs;

		memcpy(&theirs,
		       r->payload + sizeof(struct stream_disk_digests) + i * sizeof(theirs),
		       sizeof(theirs));
		if (!theirs)
			continue;
		err = blkdev_read(d->blk, at / SECTOR_SIZE, (uint32_t)(len / SECTOR_SIZE), buf);
		if (err)
			return stream_fail(&m->st, err, "disk %.7s: reading it here: %s",
					   d->cfg.name, err_text(err));
		if (digest_words(buf, len) == theirs) {
			disk_log_unmark(&d->log, first + i);
			m->p.disk_there += len;
		}
		/* not send_look_up: what is ready to be read may be the next of these records */
		if (m->stop)
			return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
		task_yield();
	}
	return 0;
}

int cold_take_digests(struct move *m, const struct stream_record *r)
{
	uint64_t count = (r->length - sizeof(struct stream_disk_digests)) / sizeof(uint64_t);
	struct stream_disk_digests head;
	struct vm_disk *d;
	uint64_t *buf;
	int err;

	memcpy(&head, r->payload, sizeof(head));
	d = head.disk < m->vm->disk_count ? &m->vm->disks[head.disk] : NULL;
	if (!d || !d->log.on || r->length % sizeof(uint64_t) || head.first >= d->log.blocks ||
	    count > d->log.blocks - head.first)
		return stream_fail(&m->st, -E_PROTO,
				   "DISK_DIGESTS names blocks that disk %u has not", head.disk);
	buf = kzalloc(STREAM_BLOCK);
	if (!buf)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	err = compare_blocks(m, d, head.first, r, buf);
	kfree(buf);
	return err;
}

/* ---- the move -------------------------------------------------------------------------- */

static int send_log(struct move *m)
{
	char *text = kzalloc(STREAM_LOG_MAX);
	size_t len = 0;
	int err;

	if (!text)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the VM's log");
	err = vm_log_tail(m->p.vm, text, STREAM_LOG_MAX, &len);
	if (err)
		log_warn("migrate: %s: its log stays here: %s", m->p.vm, err_text(err));
	err = 0;
	for (size_t at = 0; !err && at < len; at += STREAM_CHUNK)
		err = stream_send(&m->st, STREAM_LOG, text + at, MIN(len - at, STREAM_CHUNK));
	kfree(text);
	return err;
}

static int send_digests_and_end(struct move *m)
{
	uint64_t boot_files = 0, patience;
	struct stream_state_end end = {.flags = STATE_VERIFIED};
	struct stream_record r;
	int err;

	for (unsigned i = 0; i < m->offer->file_count; i++)
		boot_files += m->offer->files[i].size;
	patience = MOVE_ANSWER_NS + boot_files / SLOW_DISK_RATE * NS_PER_S;
	err = send_disks_digests(m, end.disk_digests);
	if (!err)
		err = stream_send(&m->st, STREAM_STATE_END, &end, sizeof(end));
	if (!err)
		err = send_expect_verified(m);
	return err ? err : stream_expect(&m->st, STREAM_READY, &r, time_ns() + patience);
}

static int copy(struct move *m)
{
	int err;

	move_set_stage(m, STAGE_PRE_COPY);
	m->p.copying_since_ns = time_ns();
	m->p.bytes_before = m->p.bytes;
	err = send_disks_round(m);
	if (!err)
		err = send_log(m);
	return err ? err : send_digests_and_end(m);
}

/* 0: the target has it; 1: a dry run; negative: error, and we have. */
static int send_cold(struct move *m)
{
	int err;

	err = cold_open_disks(m);
	if (!err)
		err = send_pre_migration(m);
	if (err)
		return err;
	if (m->opt.dry_run)
		return 1;
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (disk_is_copied(&m->vm->disks[i]))
			m->copied |= 1u << i;
	err = send_disks_watch(m);
	if (!err)
		err = send_reservation(m);
	if (!err)
		err = copy(m);
	if (err)
		return err;
	return cold_commit_source(m) ? 0 : -E_FENCED;
}

static void stays_here(struct move *m, int err)
{
	send_disks_stop(m);
	vm_release_disks(m->vm);
	vm_close_disks(m->vm);
	move_set_vm_state(m->vm, VM_OFF);
	if (err > 0)
		return;
	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	log_warn("migrate: %s: not moved, stays here: %s", m->p.vm, m->p.reason);
	move_send_error(m, err);
}

static void went(struct move *m)
{
	int err;

	move_set_stage(m, STAGE_ACTIVATION);
	send_disks_stop(m);
	err = cold_gone(m);
	m->p.finished_ns = time_ns();
	/* not all is gone: we may ask again; not confirmed, by the operator's word: nobody listens
	 */
	if (err || !m->confirmed)
		return;
	err = stream_send(&m->st, STREAM_SETTLED, NULL, 0);
	if (err)
		log_debug("migrate: %s: SETTLED was not sent: %s", m->p.vm, err_text(err));
}

void cold_task(void *arg)
{
	struct datastore *home = stores_default(); /* what is noted there must be found again */
	struct move *m = arg;
	int err;

	stores_hold(home);
	err = send_cold(m);
	if (err < 0)
		err = send_last_words(m, err);
	if (err)
		stays_here(m, err);
	else
		went(m);
	stores_release(home);
	move_end(m, err < 0 ? err : 0);
	if (err >= 0)
		send_log_summary(m);
}

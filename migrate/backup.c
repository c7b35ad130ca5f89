/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `migrate --backup`: a snapshot in the task and under the name of the move that it
 * comes before, so that one Ctrl-C ends both. A move that could not be backed up is
 * not made.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "migrate/snapshot.h"

#define BACKUP_NAME "before-move-"
#define BACKUPS_MAX 1000

/* The move begins as if it had not been used. */
static void rewind(struct move *m, const struct move_progress *before)
{
	move_free_tables(m);
	kfree(m->checks);
	m->checks = NULL;
	memset(&m->st, 0, sizeof(m->st));
	m->round_pages = m->paused_ns = m->stopped_wall_s = m->work_before = m->stop_before = 0;
	m->was_running = m->unhurried = false;
	m->p = *before;
}

static int free_name(const char *vm, char name[SNAPSHOT_NAME_LEN])
{
	for (unsigned n = 1; n < BACKUPS_MAX; n++) {
		ksnprintf(name, SNAPSHOT_NAME_LEN, BACKUP_NAME "%u", n);
		if (!snapshot_home(vm, name))
			return 0;
	}
	return -E_EXIST;
}

static int back_up(struct taking *t, char why[160])
{
	char name[SNAPSHOT_NAME_LEN];
	struct move *m = t->m;
	int err;

	err = free_name(m->p.vm, name);
	if (err) {
		ksnprintf(why, 160, "%u of them are there: 'snapshot-delete'", BACKUPS_MAX - 1);
		return err;
	}
	err = snapshot_describe(t, m->vm, name, true, why, 160);
	if (err)
		return err;
	m->p.kind = MOVE_SNAPSHOT;
	m->unhurried = true;
	str_copy(m->p.peer, stores_name(t->s->home), sizeof(m->p.peer));
	err = snapshot_take(t);
	ksnprintf(why, 160, "%s", m->st.reason[0] ? m->st.reason : err_text(err));
	return err;
}

static int back_up_first(struct move *m)
{
	struct move_progress before = m->p;
	struct taking *t = taking_create();
	char why[160] = "out of memory";
	int err = -E_NOMEM;

	if (t) {
		t->m = m;
		err = back_up(t, why);
		rewind(m, &before);
	}
	taking_free(t);
	if (err)
		ksnprintf(m->p.reason, sizeof(m->p.reason),
			  "not backed up, so not moved: %s; without --backup it goes", why);
	return err;
}

int snapshot_before_move(struct move *m)
{
	if (m->cold && stores_reverting(m->p.vm)) {
		ksnprintf(m->p.reason, sizeof(m->p.reason),
			  "its disks are of several moments: a revert was cut off, 'revert' again");
		return -E_STATE;
	}
	return m->opt.backup && !m->opt.dry_run ? back_up_first(m) : 0;
}

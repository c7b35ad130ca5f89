/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of a VM: clones of its disks, each in the disk's own datastore, its state if
 * it is not off, and its configuration, which comes last and makes it complete
 * (docs/snapshots.md). Taking and reverting are moves to the console, as in save.h.
 */
#ifndef MIGRATE_SNAPSHOT_H
#define MIGRATE_SNAPSHOT_H

#include "kernel/store/stores.h"
#include "migrate/move.h"

#define SNAPSHOT_NAME_LEN 32
#define SNAPSHOT_CONF	  "vm.conf"	/* complete: written last */
#define SNAPSHOT_HALF	  "vm.conf.new" /* being made, or being removed */
#define SNAPSHOT_STATE	  "vm.state"	/* longer than any disk's name */

/* One that is there, as far as its configuration tells. */
struct snapshot {
	char vm[VM_NAME_LEN], name[SNAPSHOT_NAME_LEN];
	struct datastore *home; /* of configuration and state */
	uint64_t taken_s;	/* seconds since 1970 by the clock of host; 0: not told */
	char host[32];
	struct vm_config cfg;
};

/* For `snapshots`. */
struct snapshot_size {
	unsigned disks;
	bool state;	 /* it has one: the guest was running or paused */
	bool lacking;	 /* a disk of it is not in an open store */
	uint64_t stored; /* bytes, with what is shared with others */
	uint64_t own;	 /* bytes that nothing shares: what its removal frees */
};

/*
 * Begin to take one of vm (off, running or paused) into its disks' stores and the default one. A
 * guest stands still meanwhile and goes on. skip_disks: leave out disks that are in no datastore;
 * then there is no state. why is filled on every error: -E_INVAL (name), -E_EXIST, -E_NOENT (no
 * store), -E_NOTSUP (a disk in no datastore), -E_STATE, -E_BUSY, -E_NOMEM. Does not block.
 */
int must_check snapshot_start(struct vm *vm, const char *name, bool skip_disks, uint32_t *id,
			      char *why, size_t why_size);
/*
 * Begin to put the VM of that name back. force: one that is not off is destroyed, one that is not
 * defined here is defined. why is filled on every error: -E_NOENT (no such snapshot, or VM),
 * -E_STATE (not off), -E_BUSY, -E_NOMEM, and what its store says. Blocks.
 */
int must_check revert_start(const char *vm, const char *name, bool force, uint32_t *id, char *why,
			    size_t why_size);
/* It is gone from the list at once, then from the stores. Blocks. why: as above. */
int must_check snapshot_remove(const char *vm, const char *name, char *why, size_t why_size);
/*
 * The next complete one in this store; -E_NOENT past the end. *cursor is 0 at first. Blocks. One
 * whose configuration cannot be read has cfg.name "".
 */
int must_check snapshot_next(struct datastore *ds, unsigned *cursor, struct snapshot *out);
void snapshot_measure(const struct snapshot *s, struct snapshot_size *out); /* does not block */
/* The same, names only. Does not block. */
int must_check snapshot_next_name(struct datastore *ds, unsigned *cursor, char vm[VM_NAME_LEN],
				  char name[SNAPSHOT_NAME_LEN]);
/*
 * What was left behind by power lost while one was taken or removed goes, unless one is being
 * taken or removed now. Blocks.
 */
void snapshots_clean_if_idle(void);

/* For a move, in its task: `--backup` takes one, before-move-1 and so on. -E_STATE: the VM's disks
 * are not of one moment. m->p.reason says why. Blocks. */
int must_check snapshot_before_move(struct move *m);
/* The VM of that name went: the log says that its snapshots did not. Does not block. */
void snapshots_stay(const char *vm);

/* ---- between snapshot*.c, backup.c and revert.c ---- */

/* One that is being taken, in the task of a move. */
struct taking {
	struct move *m;
	struct snapshot *s;
	bool skipped; /* a disk is left out: memory without it would be worth nothing */
};
struct taking *taking_create(void); /* NULL: no memory */
void taking_free(struct taking *t); /* NULL is fine */
/* What it is to be. why is filled on every error: as snapshot_start. Does not block. */
int must_check snapshot_describe(struct taking *t, const struct vm *vm, const char *name,
				 bool skip_disks, char *why, size_t why_size);
/* The guest of t->m goes on afterwards, whatever happens. Blocks. Words are in t->m->st. */
int must_check snapshot_take(struct taking *t);

/* One at a time makes or removes snapshots here. snapshot_lock blocks. */
void snapshot_lock(void);
bool snapshot_trylock(void);
void snapshot_unlock(void);
void snapshot_object(char out[DS_NAME_LEN], const char *vm, const char *name, const char *part);
/* Its store on this host, or NULL: none is complete. Does not block. */
struct datastore *snapshot_home(const char *vm, const char *name);
/* Does it have a copy of such a disk? What no guest may write needs none. */
bool snapshot_has_disk(const struct vm_disk_config *d);
/* vm and name are not those of out. why is filled on every error. Blocks. */
int must_check snapshot_read(struct datastore *home, const char *vm, const char *name,
			     const char *part, struct snapshot *out, char *why, size_t why_size);
/* Its configuration, as one that is not complete; then it is. Block. */
int must_check snapshot_begin(const struct snapshot *s);
int must_check snapshot_complete(const struct snapshot *s);
void snapshots_clean(void); /* with the lock held: see snapshots_clean_if_idle */
/* All of one that is not complete. Blocks. */
int must_check snapshot_discard(const struct snapshot *s);
/* The stores of its disks and its own stay open. False: one of them is not. */
bool snapshot_hold(const struct snapshot *s, char *why, size_t why_size);
void snapshot_release(const struct snapshot *s);

#endif

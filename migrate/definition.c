/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hot move takes the VM's definition along: what the guest runs from does not depend on
 * it, so it is written after the guest runs. The source forgets its own only when the
 * target says that it has it, so that no fault leaves it nowhere (docs/handover.md).
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "vmm/vm_store.h"

#define KEEP_NS (60 * NS_PER_S) /* boot files of any size, on a slow disk */

static bool takes_disks(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (disk_is_copied(&vm->disks[i]))
			return true;
	return false;
}

void definition_note_leaving(struct move *m, bool leaving)
{
	int err;

	if ((handover_disk(m->vm) && !takes_disks(m->vm)) || vm_store_undefined(m->p.vm) == leaving)
		return;
	err = vm_store_mark(m->p.vm, leaving);
	if (err)
		log_warn(
		    "migrate: %s: this host's datastore does not take the note that it %s: %s; "
		    "after a restart of this host '%s %s'",
		    m->p.vm, leaving ? "leaves" : "is here", err_text(err),
		    leaving ? "undefine" : "define", m->p.vm);
}

/* Nobody's definition is written over: one of that name, but another VM's. */
static int check_kept(const struct vm *vm, char *why, size_t why_size)
{
	struct vm_config *kept = kzalloc(sizeof(*kept));
	struct datastore *ds = stores_default();
	int err = -E_NOMEM;

	if (kept) {
		stores_hold(ds);
		err = vm_store_read(ds, vm->cfg.name, kept, why, why_size);
		stores_release(ds);
	}
	if (err == -E_NOENT || vm_store_undefined(vm->cfg.name))
		err = 0;
	else if (!err && memcmp(kept->uuid, vm->cfg.uuid, sizeof(kept->uuid))) {
		err = -E_EXIST;
		ksnprintf(why, why_size, "another VM of that name is kept here");
	}
	kfree(kept);
	return err;
}

int definition_keep(struct move *m)
{
	char why[160] = "";
	int err;

	if (!stores_default()) { /* the checks had a note about that */
		log_info("migrate: %s: no datastore here keeps its definition", m->p.vm);
		return -E_NOENT;
	}
	err = check_kept(m->vm, why, sizeof(why));
	if (!err)
		err = vm_store_keep(m->vm, why, sizeof(why));
	if (err)
		log_warn("migrate: %s: its definition is not kept here: %s; when that is mended, "
			 "'keep %s', else a restart of this host forgets it",
			 m->p.vm, why[0] ? why : err_text(err), m->p.vm);
	else
		log_info("migrate: %s: its definition is kept in datastore %s", m->p.vm,
			 stores_name(stores_default()));
	return err;
}

void definition_arrived(struct move *m)
{
	int err = definition_keep(m);

	if (err)
		return;
	err = stream_send(&m->st, STREAM_SETTLED, NULL, 0);
	if (err)
		log_warn("migrate: %s: %s was not told that its definition is here: %s", m->p.vm,
			 m->p.peer, err_text(err));
}

/* Frames end with our SETTLED. The target's comes when the definition is in its datastore. */
static int settle(struct move *m)
{
	struct stream_record r;
	int err;

	if (!m->confirmed) /* nobody listens any more */
		return -E_CLOSED;
	m->st.stop = NULL;
	err = stream_send(&m->st, STREAM_SETTLED, NULL, 0);
	if (err && err != -E_CLOSED) /* one that closed may have said its own before */
		return err;
	return stream_expect(&m->st, STREAM_SETTLED, &r, time_ns() + KEEP_NS);
}

void definition_gone(struct move *m)
{
	int err = settle(m);

	if (!stores_default())
		return;
	if (err) {
		log_warn("migrate: %s: its definition stays here too: %s did not say that it "
			 "keeps it: when it lists the VM after a restart, 'undefine %s' here",
			 m->p.vm, m->p.peer, m->p.vm);
		return;
	}
	err = vm_store_gone(m->p.vm);
	if (err)
		log_warn("migrate: %s: its definition could not be removed here: %s; after a "
			 "restart of this host 'undefine %s'",
			 m->p.vm, err_text(err), m->p.vm);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a saved VM's object: the receiver of a move takes its records, and this host
 * judges by the checks of a move. A VM of that name that is off is replaced.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/restore_inner.h"

/* The same list as a move's; what a saved state cannot know anew is said there. */
static int judge_by_checks(struct restore *r)
{
	struct stream_hello here;
	struct move *m = r->m;
	struct checks_input in = {.source = &r->hello,
				  .target = &here,
				  .offer = m->offer,
				  .facts = m->facts,
				  .saved = true,
				  .reverted = r->reverted,
				  .force = r->opt.force};

	facts_hello(m, STREAM_FOR_SAVE, &here);
	checks_hello(m->checks, &in);
	if (!m->checks->failed)
		checks_run(m->checks, &in);
	m->checked = true;
	if (!m->checks->failed)
		return 0;
	check_reason(m->checks, m->st.reason, sizeof(m->st.reason));
	return -E_MISMATCH;
}

/* It is replaced by what it was when it was saved. */
static int replace_vm(struct restore *r)
{
	struct move *m = r->m;
	struct vm *vm = vm_find(m->p.vm);
	int err;

	if (!vm)
		return 0;
	if (r->reverted)
		vm->serving = false; /* for us: see revert.c */
	if (vm->state != VM_OFF || vm->move_under_way || vm->serving)
		return stream_fail(&m->st, -E_STATE, "a VM of that name is here and not off");
	r->old = kzalloc(sizeof(*r->old));
	if (!r->old)
		return -E_NOMEM;
	*r->old = vm->cfg;
	err = vm_undefine(vm);
	return err ? move_fail(m, err, "replacing the VM that is off") : 0;
}

int restore_judge(struct receiver *rx)
{
	struct restore *r = rx->ctx;
	struct move *m = r->m;
	const struct vm *here = vm_find(m->p.vm);
	int err;

	if (strcmp(m->p.vm, r->vm))
		return stream_fail(&m->st, -E_MISMATCH, "%s is of another VM, %s", r->name,
				   m->p.vm);
	restore_look_at_disks(m->offer, m->facts, !r->reverted);
	if (here && here->state == VM_OFF)
		m->facts->flags &= ~FACT_NAME_TAKEN;
	err = judge_by_checks(r);
	if (err)
		return err;
	return replace_vm(r);
}

static int read_hello(struct restore *r)
{
	struct stream_hello *h = &r->hello;
	struct move *m = r->m;
	struct stream_record rec;
	int err;

	err = stream_expect(&m->st, STREAM_HELLO, &rec, TIME_NEVER);
	if (err)
		return err;
	memcpy(h, rec.payload, sizeof(*h));
	if (h->purpose != STREAM_FOR_SAVE)
		return stream_fail(&m->st, -E_PROTO, "%s is no saved VM", r->name);
	h->purpose = STREAM_FOR_MOVE; /* the other one that may stand in a HELLO */
	err = facts_check_hello(&m->st, h);
	if (err)
		return err;
	memcpy(m->uuid, h->move_id, sizeof(m->uuid));
	if (h->version != STREAM_VERSION)
		return stream_fail(&m->st, -E_VERSION,
				   "%s was saved by %.31s in stream version %u, this host reads %u",
				   r->name, h->host, h->version, STREAM_VERSION);
	return 0;
}

int restore_read(struct restore *r)
{
	struct move *m = r->m;
	struct stream_io io;
	int err;

	m->checks = kzalloc(sizeof(*m->checks));
	if (!m->checks)
		return -E_NOMEM;
	err = ds_get(r->ds, r->name, &r->object);
	if (err)
		return move_fail(m, err, r->name);
	err = object_io_open(&r->io, r->object, &m->p.bytes);
	if (err)
		return err;
	m->p.bytes_total = r->io.size;
	io = stream_from_object(&r->io);
	err = stream_open(&m->st, &io);
	if (err)
		return err;
	m->st.stop = &m->stop;
	err = read_hello(r);
	if (err)
		return err;
	err = receive_records(&r->rx);
	return err == -E_CLOSED ? stream_fail(&m->st, err, "%s ends too early", r->name) : err;
}

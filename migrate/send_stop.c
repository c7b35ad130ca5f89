/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 3, its order: pause, last pages, state, perhaps digests, READY. Nothing in
 * here grows with the guest's memory but a scan of its dirty bits (and --verify).
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/disks.h"

int send_pause_guest(struct move *m)
{
	int err;

	m->was_running = m->vm->state == VM_RUNNING;
	m->paused_ns = time_ns();
	if (!m->was_running)
		return 0;
	err = vm_pause(m->vm);
	if (err)
		return move_fail(m, err, "pausing the guest");
	return send_look_up(m); /* it may have crashed or switched itself off on the last metre */
}

#define VERIFY_DISK_RATE (1 * MiB) /* bytes per second that a slow disk is read with at least */

int send_expect_verified(struct move *m)
{
	uint64_t patience = MOVE_ANSWER_NS + m->p.disk_total / VERIFY_DISK_RATE * NS_PER_S;
	struct stream_verified v;
	struct stream_record r;
	char names[72];
	int err;

	err = stream_expect(&m->st, STREAM_VERIFIED, &r, time_ns() + patience);
	if (err)
		return err;
	memcpy(&v, r.payload, sizeof(v));
	if (v.disks)
		return stream_fail(&m->st, -E_MISMATCH, "disks differ: %s",
				   disk_names(m->vm, v.disks, names));
	if (v.differing)
		return stream_fail(
		    &m->st, -E_MISMATCH, "%llu pages differ, the first is gfn 0x%llx",
		    (unsigned long long)v.differing, (unsigned long long)v.first_gfn);
	m->p.verified = true;
	return 0;
}

int send_stop_and_copy(struct move *m)
{
	struct stream_record r;
	int err;

	move_set_stage(m, STAGE_STOP_AND_COPY);
	err = send_pause_guest(m);
	if (err)
		return err;
	err = stream_send(&m->st, STREAM_STOP, NULL, 0);
	if (err)
		return err;
	err = send_disks_round(m); /* the guest's requests have ended: nothing lands any more */
	if (err)
		return err;
	err = send_round(m, m->opt.suspend ? send_mark_all(m) : dirty_log_harvest(m->vm, m->bits));
	if (err)
		return err;
	if (m->opt.verify) {
		err = send_digests(m);
		if (err)
			return err;
	}
	err = send_state(m);
	if (err)
		return err;
	if (m->opt.verify) {
		err = send_expect_verified(m);
		if (err)
			return err;
	}
	return stream_expect(&m->st, STREAM_READY, &r, time_ns() + MOVE_ANSWER_NS);
}

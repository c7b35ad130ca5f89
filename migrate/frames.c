/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 5, frames: until the network has learned where the guest is now, frames for
 * it come to the old host, which sends them on over the link. Losing one is no error.
 */
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "migrate/move.h"
#include "vmm/vm_nics.h"

#define FORWARD_NS (3 * NS_PER_S)    /* at most */
#define QUIET_NS   NS_PER_S	     /* or until none came for so long */
#define LOOK_NS	   (5 * NS_PER_MS)   /* between looks */
#define TAKE_NS	   (10 * NS_PER_S)   /* the target waits no longer for a source that is silent */
#define SHORT_NS   (100 * NS_PER_MS) /* how soon it sees that the guest waits */

static int send_frame(struct move *m, unsigned nic, const struct netbuf *nb)
{
	struct stream_frame head = {.nic = nic};

	stream_begin(&m->st, STREAM_FRAME);
	stream_add(&m->st, &head, sizeof(head));
	stream_add(&m->st, nb->data, nb->len);
	return stream_end(&m->st);
}

/*
 * What waits now; false when the link is gone or the time is over. At first all of it,
 * later only what is for the card itself: the guest hears group frames where it is now.
 */
static bool send_waiting(struct move *m, bool first, uint64_t end)
{
	struct netbuf *nb;
	unsigned nic;
	int err = 0;

	while (!err && time_ns() < end && (nb = vm_take_frame(m->vm, &nic))) {
		if (first || !memcmp(nb->data, m->vm->cfg.nics[nic].mac, ETH_ALEN)) {
			err = send_frame(m, nic, nb);
			m->p.frames += !err;
		}
		netbuf_put(nb);
	}
	return !err && !m->st.io.push(m->st.io.ctx);
}

void frames_send(struct move *m)
{
	uint64_t end = time_ns() + FORWARD_NS, quiet = time_ns() + QUIET_NS;
	bool first = true;

	if (!m->vm->nic_count)
		return;
	if (m->vm->state == VM_IN_DOUBT) /* it is settled now: no operator's word any more */
		move_set_vm_state(m->vm, VM_PAUSED);
	while (time_ns() < MIN(end, quiet)) {
		uint64_t before = m->p.frames;

		if (!send_waiting(m, first, end))
			return;
		first = false;
		if (m->p.frames != before)
			quiet = time_ns() + QUIET_NS;
		task_sleep_until(time_ns() + LOOK_NS);
	}
}

/* The guest asked for something that waits for the end of the move. */
static bool guest_waits(const struct vm *vm)
{
	return vm->poweroff_requested || vm->reset_requested || vm->crash_requested;
}

void frames_receive(struct move *m)
{
	uint64_t until = time_ns() + TAKE_NS;
	struct stream_frame head;
	struct stream_record r;

	if (!m->vm->nic_count)
		return;
	m->st.stop = NULL;
	while (time_ns() < until && !guest_waits(m->vm)) {
		uint64_t slice = MIN(until, time_ns() + SHORT_NS);
		int err = stream_read(&m->st, &r, slice);

		if (err == -E_TIMEDOUT && time_ns() >= slice) /* before that: a dead link */
			continue;
		if (err || r.type != STREAM_FRAME)
			return;
		memcpy(&head, r.payload, sizeof(head));
		vm_give_frame(m->vm, head.nic, r.payload + sizeof(head), r.length - sizeof(head));
		m->p.frames++;
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 5, frames: until the network has learned where the guest is now, frames for
 * it come to the old host, which sends them on over the link. Losing one is no error.
 */
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "migrate/move.h"
#include "vmm/vm_nics.h"

#define FORWARD_NS (3 * NS_PER_S)  /* at most */
#define QUIET_NS   NS_PER_S	   /* or until none came for so long */
#define LOOK_NS	   (5 * NS_PER_MS) /* between looks */
#define TAKE_NS	   (10 * NS_PER_S) /* the target waits no longer for a source that is silent */

static int send_frame(struct move *m, unsigned nic, const struct netbuf *nb)
{
	struct stream_frame head = {.nic = nic};

	stream_begin(&m->st, STREAM_FRAME);
	stream_add(&m->st, &head, sizeof(head));
	stream_add(&m->st, nb->data, nb->len);
	return stream_end(&m->st);
}

/* What waits now; false when the link is gone. */
static bool send_waiting(struct move *m)
{
	struct netbuf *nb;
	unsigned nic;
	int err = 0;

	while (!err && (nb = vm_take_frame(m->vm, &nic))) {
		err = send_frame(m, nic, nb);
		netbuf_put(nb);
		m->p.frames += !err;
	}
	return !err && !m->st.io.push(m->st.io.ctx);
}

void frames_send(struct move *m)
{
	uint64_t end = time_ns() + FORWARD_NS, quiet = time_ns() + QUIET_NS;

	if (!m->vm->nic_count)
		return;
	while (time_ns() < MIN(end, quiet)) {
		uint64_t before = m->p.frames;

		if (!send_waiting(m))
			return;
		if (m->p.frames != before)
			quiet = time_ns() + QUIET_NS;
		task_sleep_until(time_ns() + LOOK_NS);
	}
}

void frames_receive(struct move *m)
{
	uint64_t until = time_ns() + TAKE_NS;
	struct stream_frame head;
	struct stream_record r;

	if (!m->vm->nic_count)
		return;
	m->st.stop = NULL;
	while (!stream_read(&m->st, &r, until) && r.type == STREAM_FRAME) {
		memcpy(&head, r.payload, sizeof(head));
		vm_give_frame(m->vm, head.nic, r.payload + sizeof(head), r.length - sizeof(head));
		m->p.frames++;
	}
}

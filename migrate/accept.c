/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Incoming links: who is there, in which version, for a move or for a question. All
 * that follows is in receive.c and query.c.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/receive.h"

#define HELLO_NS (5 * NS_PER_S)

/* From here on the move owns link and stream. */
static void start_move(struct link *l, struct stream *s, const struct stream_hello *h)
{
	bool busy = move_any_active();
	struct move *m = move_create(MOVE_TARGET);
	struct receiver *rx = kzalloc(sizeof(*rx));
	const struct peer *p = peers_find(h->host);

	if (!m || !rx) {
		log_warn("migrate: no host memory to take in a VM");
		stream_close(s);
		link_abort(l);
		if (m)
			move_end(m, -E_NOMEM);
		kfree(rx);
		return;
	}
	m->link = l;
	m->st = *s;
	m->st.stop = &m->stop;
	memcpy(m->uuid, h->move_id, sizeof(m->uuid));
	if (p)
		m->peer = *p;
	str_copy(m->p.peer, h->host, sizeof(m->p.peer));
	rx->m = m;
	rx->busy = busy;
	receive_move(rx);
	kfree(rx);
}

static int greet(struct stream *s, struct stream_hello *theirs)
{
	struct stream_hello mine;
	struct stream_record r;
	int err;

	err = stream_expect(s, STREAM_HELLO, &r, time_ns() + HELLO_NS);
	if (err)
		return err;
	memcpy(theirs, r.payload, sizeof(*theirs));
	err = facts_check_hello(s, theirs);
	if (err)
		return err;
	facts_hello(NULL, theirs->purpose, &mine);
	memcpy(mine.move_id, theirs->move_id, sizeof(mine.move_id));
	err = stream_send(s, STREAM_HELLO, &mine, sizeof(mine));
	if (err)
		return err;
	if (theirs->version != STREAM_VERSION) /* the source compares and words it */
		return stream_fail(s, -E_VERSION, "%.31s speaks stream version %u, we speak %u",
				   theirs->host, theirs->version, STREAM_VERSION);
	return 0;
}

static void serve(struct link *l)
{
	struct stream_io io = stream_over_link(l);
	struct stream_hello theirs;
	struct stream s;
	int err;

	err = stream_open(&s, &io);
	if (err) {
		link_abort(l);
		return;
	}
	err = greet(&s, &theirs);
	if (!err && theirs.purpose == STREAM_FOR_MOVE) {
		start_move(l, &s, &theirs);
		return;
	}
	if (err)
		log_warn("migrate: an incoming link: %s", s.reason);
	else
		query_serve(&s);
	stream_close(&s);
	link_close(l);
}

static void receive_task(void *arg)
{
	serve(arg);
	migrate_state()->incoming--;
}

bool receive_accept(struct link *l, void *ctx)
{
	struct migrate_state *st = migrate_state();

	if (st->incoming >= INCOMING_MAX)
		return false;
	st->incoming++;
	if (task_create("receive", receive_task, l))
		return true;
	st->incoming--;
	return false;
}

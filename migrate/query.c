/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions between hosts about a move's end, over a link of their own, and this
 * host's memory of how moves ended. An answer is a fact that never changes again,
 * so a late or repeated one does no harm.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/cold.h"

#define QUERY_NS (5 * NS_PER_S)

void outcome_note(const struct move *m)
{
	struct migrate_state *st = migrate_state();
	struct outcome *o = NULL;

	for (unsigned i = 0; i < OUTCOMES_KEPT; i++)
		if (st->outcomes[i].role == m->p.role &&
		    !memcmp(st->outcomes[i].uuid, m->uuid, sizeof(m->uuid)))
			o = &st->outcomes[i];
	if (!o)
		o = &st->outcomes[st->next_outcome++ % OUTCOMES_KEPT];
	memcpy(o->uuid, m->uuid, sizeof(o->uuid));
	o->role = m->p.role;
	o->state = m->p.handover;
}

static struct move *find_active(const uint8_t uuid[16], enum move_role role)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		struct move *m = st->moves[i];

		if (m && !m->ended && m->p.role == role && !memcmp(m->uuid, uuid, sizeof(m->uuid)))
			return m;
	}
	return NULL;
}

static enum handover_state find_outcome(const uint8_t uuid[16], enum move_role role)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < OUTCOMES_KEPT; i++)
		if (st->outcomes[i].role == role &&
		    !memcmp(st->outcomes[i].uuid, uuid, sizeof(st->outcomes[i].uuid)))
			return st->outcomes[i].state;
	return HANDOVER_NONE;
}

/*
 * The source asks only when the storage forgot (H_FORGOTTEN), so a target that has
 * not started the guest gives it up here and now; commit_target sees the flag
 * before it decides anything.
 */
static enum handover_answer answer_as_target(const uint8_t uuid[16], const uint8_t store[16])
{
	static const uint8_t none[16];
	struct move *m = find_active(uuid, MOVE_TARGET);
	enum handover_state s = find_outcome(uuid, MOVE_TARGET);

	if (m) /* it knows better than a list that forgets */
		s = m->p.handover;
	if (s == HANDOVER_RUNNING)
		return ANSWER_COMMITTED;
	if (s == HANDOVER_DISCARDED)
		return ANSWER_NEVER;
	if (!m) /* of a cold move the datastore remembers what this boot of the host does not */
		return memcmp(store, none, sizeof(none)) ? cold_answer(uuid, store)
							 : ANSWER_UNKNOWN;
	if (m->cold && s == HANDOVER_TAKING) /* what is being written cannot be taken back */
		return ANSWER_UNDECIDED;
	m->abdicated = true;
	m->stop = true;
	waitq_wake_all(&m->wake);
	return ANSWER_NEVER;
}

static enum handover_answer answer_as_source(const uint8_t uuid[16])
{
	struct move *m = find_active(uuid, MOVE_SOURCE);
	enum handover_state s = find_outcome(uuid, MOVE_SOURCE);

	if (s == HANDOVER_RESUMED)
		return ANSWER_MINE;
	if (s == HANDOVER_GONE)
		return ANSWER_YOURS;
	if (!m)
		return ANSWER_UNKNOWN;
	m->peer_in_doubt = true; /* then waiting for COMMITTED is pointless */
	return ANSWER_UNDECIDED;
}

void query_serve(struct stream *s)
{
	struct stream_answer a = {.verdict = ANSWER_UNKNOWN};
	struct stream_query q;
	struct stream_record r;
	int err;

	err = stream_expect(s, STREAM_QUERY, &r, time_ns() + QUERY_NS);
	if (err) {
		log_warn("migrate: a question about a move: %s", s->reason);
		return;
	}
	memcpy(&q, r.payload, sizeof(q));
	if (q.asker == MOVE_SOURCE)
		a.verdict = answer_as_target(q.move_id, q.store);
	else if (q.asker == MOVE_TARGET)
		a.verdict = answer_as_source(q.move_id);
	err = stream_send(s, STREAM_ANSWER, &a, sizeof(a));
	if (err)
		log_warn("migrate: answering about a move: %s", s->reason);
}

static int ask(struct move *m, struct stream *s, enum handover_answer *out)
{
	struct stream_query q = {.asker = m->p.role};
	struct stream_answer a;
	struct stream_hello h;
	struct stream_record r;
	int err;

	facts_hello(m, STREAM_FOR_QUERY, &h);
	err = stream_send(s, STREAM_HELLO, &h, sizeof(h));
	if (err)
		return err;
	err = stream_expect(s, STREAM_HELLO, &r, time_ns() + QUERY_NS);
	if (err)
		return err;
	memcpy(q.move_id, m->uuid, sizeof(q.move_id));
	if (m->cold)
		memcpy(q.store, m->store, sizeof(q.store));
	err = stream_send(s, STREAM_QUERY, &q, sizeof(q));
	if (err)
		return err;
	err = stream_expect(s, STREAM_ANSWER, &r, time_ns() + QUERY_NS);
	if (err)
		return err;
	memcpy(&a, r.payload, sizeof(a));
	*out = a.verdict;
	return 0;
}

/* ANSWER_UNKNOWN also when the peer cannot be reached, or, hot, is another boot of that host. */
enum handover_answer query_peer(struct move *m)
{
	const struct peer *p = peers_find(m->peer.name);
	enum handover_answer a = ANSWER_UNKNOWN;
	struct stream_io io;
	struct stream s;
	struct link *l;
	int err;

	if (!p || (!m->cold && p->boot_id != m->peer.boot_id))
		return ANSWER_UNKNOWN;
	err = link_connect(p, &l);
	if (err)
		return ANSWER_UNKNOWN;
	io = stream_over_link(l);
	err = stream_open(&s, &io);
	if (!err) {
		err = ask(m, &s, &a);
		stream_close(&s);
	}
	link_close(l);
	if (err)
		log_debug("migrate: %s: asking %s: %s", m->p.vm, m->peer.name, err_text(err));
	return err ? ANSWER_UNKNOWN : a;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-over of a VM from a source to a target host, decided by the shared
 * storage; described in docs/handover.md. State names are those of enum
 * handover_state in migrate/handover.h. Starts when the target said READY and
 * the source is paused and drained; ends when both hosts have settled.
 *
 * Frames in flight are a bag (a count for each kind), so any order and any
 * delay happens; losing and doubling are bounded by LOSS and DUP, time-outs
 * that fire although the answer is on its way by EARLY, crashes of hosts by
 * CRASH, restarts of the storage (which forgets list and token) by RESTART.
 */
#ifndef LOSS
#define LOSS 2
#endif
#ifndef DUP
#define DUP 2
#endif
#ifndef EARLY
#define EARLY 2
#endif
#ifndef CRASH
#define CRASH 2
#endif
#ifndef RESTART
#define RESTART 1
#endif

/* MACs, one a period of ownership; the reservation list is a set of them */
#define A1 1 /* source, now */
#define B2 2 /* target, if it gets the VM */
#define A3 4 /* source, if it takes the VM back */

mtype = { H_PREPARE, H_WAIT_COMMITTED, H_RECLAIM, H_FORGOTTEN, H_RESUMED, H_GONE, /* source */
	  H_READY, H_TAKING, H_TARGET_FORGOTTEN, H_RUNNING, H_DISCARDED,         /* target */
	  H_CRASHED };
mtype s = H_PREPARE;
mtype t = H_READY;

/* the storage */
byte list = A1;
bool token = true; /* the config string that the source put there well before */
bool up = true;

/* blind commands on their way to the storage */
byte c_offer;	/* from A1: set {A1,B2} */
byte c_reclaim; /* from A1: set {A3} */
byte c_take;	/* from B2: set {B2} */
byte c_force_s; /* force {A3} */
byte c_force_t; /* force {B2} */
#ifdef MUT_TOKEN_DUP
byte c_token = 1; /* a doubled token frame, still under way */
#endif

/*
 * A read in flight. Another read by the same host replaces it: answers are
 * matched by tag, so an old answer is never taken for a new one.
 */
mtype = { NONE, LIST, TOKEN, ANSWER };
mtype s_read = NONE;
byte s_val;
mtype t_read = NONE;
byte t_val;
#ifdef MUT_BELIEVE_ANSWER
byte s_refused; /* what the answer to the last c_reclaim said */
#define REFUSED(n) s_refused = n
#else
#define REFUSED(n) skip
#endif

/* the link, both ways; bags too (harsher than the real link within one session) */
byte m_commit, m_query, m_yours, m_mine;
byte m_committed, m_never, m_ask;

byte loss = LOSS, dup = DUP, early = EARLY, crash = CRASH, restart = RESTART, outage = 1;
bool s_crash, t_crash;

/* ghosts, for the properties */
bool committed; /* the commit point was passed while the storage remembered */
bool forgot;	/* the storage restarted */
bool t_ever, s_ever;
bool commit_sent;
bool s_stuck, t_stuck; /* in doubt for good: an operator must decide */

/* once, the VM's new owner switches it off and gives its disk back */
bool off, s_off, t_off;

/* lost at once is the same as lost later; a second copy while one is under way comes from DUP */
#define SEND(m) atomic { if :: m = 1 :: loss > 0 && m == 0 -> loss-- fi }
#define ASK(r, what) atomic { if :: r = what :: loss > 0 -> loss--; r = NONE fi }
/* take a frame out of its bag, or leave a copy there */
#define TAKE(m) if :: m = 0 :: dup > 0 -> dup-- fi
#define HEAR(m) m > 0 -> TAKE(m)

#ifdef NO_ARBITER
#define FENCED_BEHIND skip
#else
/* the source's MAC of the old period is off the list before the target runs */
#define FENCED_BEHIND assert(!(token && list != 0 && (list & A1)))
#endif

#define SOURCE_RUNS                                                        \
	s = H_RESUMED; s_ever = true;                                      \
	assert(!t_ever) /* neither a second copy nor a step back in time */
#define TARGET_RUNS                                                        \
	t = H_RUNNING; t_ever = true;                                      \
	FENCED_BEHIND;                                                     \
	assert(!s_ever)

/*
 * For the proof that every run ends: weak fairness is by process, so without
 * this the storage could answer reads for ever and never get to a command, and a
 * host could ask the other for ever without letting its time-out come first.
 */
#ifdef ENDS
#define MAY_ASK(m) (m == 0)
#define MAY_READ (c_offer + c_reclaim + c_take + c_force_s + c_force_t == 0)
#else
#define MAY_ASK(m) true
#define MAY_READ true
#endif

/*
 * The token goes first, and is seen to be gone: else a host still in doubt would take
 * the empty list for one that the storage remembers, and run what is over.
 */
#ifdef MUT_RELEASE_KEEPS_TOKEN
#define TOKEN_AWAY skip
#else
#define TOKEN_AWAY token = false
#endif

#define ACCEPTS(mac) (list == 0 || (list & mac))

active proctype Storage()
{
end:	do
	:: atomic { c_offer > 0 -> TAKE(c_offer);
		if
		:: up && ACCEPTS(A1) -> list = A1 | B2;
			/* nor would an old disk write be accepted: the same rule guards both */
			assert(!(token && t == H_RUNNING))
		:: else
		fi }
	:: atomic { c_reclaim > 0 -> TAKE(c_reclaim);
		if
		:: up && ACCEPTS(A1) -> list = A3; REFUSED(1)
		:: up && !ACCEPTS(A1) -> REFUSED(2)
		:: !up
		fi }
	:: atomic { c_take > 0 -> TAKE(c_take);
		if
		:: up && ACCEPTS(B2) -> list = B2; if :: token -> committed = true :: else fi
		:: else
		fi }
	:: atomic { c_force_s > 0 -> TAKE(c_force_s); if :: up -> list = A3 :: else fi }
	:: atomic { c_force_t > 0 -> TAKE(c_force_t); if :: up -> list = B2 :: else fi }
#ifdef MUT_TOKEN_DUP
	:: atomic { c_token > 0 -> c_token--; if :: up -> token = true :: else fi }
#endif
	:: atomic { MAY_READ && (s_read == LIST || s_read == TOKEN) ->
		if
		:: up && s_read == LIST -> s_val = list; s_read = ANSWER
		:: up && s_read == TOKEN -> s_val = token; s_read = ANSWER
		:: !up -> s_read = NONE
		fi }
	:: atomic { MAY_READ && (t_read == LIST || t_read == TOKEN) ->
		if
		:: up && t_read == LIST -> t_val = list; t_read = ANSWER
		:: up && t_read == TOKEN -> t_val = token; t_read = ANSWER
		:: !up -> t_read = NONE
		fi }
	od
}

active proctype Faults()
{
	do
	:: atomic { crash > 0 && !s_crash -> crash--; s_crash = true }
	:: atomic { crash > 0 && !t_crash -> crash--; t_crash = true }
	:: atomic { restart > 0 && up -> restart--; up = false; list = 0; token = false; forgot = true }
	:: atomic { outage > 0 && up -> outage--; up = false }
	:: !up -> up = true
	/* from here on everybody answers and nothing is lost */
	:: atomic { up -> loss = 0; dup = 0; early = 0; crash = 0; restart = 0; outage = 0; break }
	od
}

/* `timeout` is true when nothing else in the whole model can move */
#define GIVE_UP(then)                                                      \
	:: atomic { early > 0 -> early--; then }                           \
	:: timeout -> then

active proctype Source()
{
	byte seen;
	bool fresh;

	{
	/* before COMMIT was sent the source owns the VM, whatever the storage says */
#ifndef NO_ARBITER
	SEND(c_offer);
	ASK(s_read, LIST);
	if
	:: atomic { s_read == ANSWER -> seen = s_val; s_val = 0; s_read = NONE }
	:: atomic { m_never > 0 -> TAKE(m_never); seen = 0 }
	GIVE_UP(seen = 0)
	fi;
	if
	:: seen != (A1 | B2) -> goto mine
	:: else
	fi;
	ASK(s_read, TOKEN);
	fresh = false;
	if
	:: atomic { s_read == ANSWER -> fresh = s_val; s_val = 0; s_read = NONE }
	GIVE_UP(skip)
	fi;
	if
	:: !fresh -> goto mine
	:: else
	fi;
#endif

	atomic { seen = 0; fresh = 0; s = H_WAIT_COMMITTED; commit_sent = true; SEND(m_commit) }
	if
	:: atomic { m_committed > 0 -> TAKE(m_committed); goto gone }
	:: atomic { m_never > 0 -> TAKE(m_never); goto told }
	:: atomic { m_ask > 0 -> TAKE(m_ask) } /* the target is in doubt: then so are we */
	GIVE_UP(skip)
	fi;
#ifdef MUT_TIMEOUT_RESUME
	goto mine;
#endif

reclaim: /* in doubt: the storage decides */
#ifdef NO_ARBITER
	goto forgotten;
#endif
	s = H_RECLAIM;
#ifdef MUT_EARLY_QUERY
	SEND(m_query);
#endif
#ifdef MUT_BELIEVE_ANSWER
	SEND(c_reclaim);
	if
	:: atomic { s_refused == 1 -> goto mine }
	:: atomic { s_refused == 2 -> goto gone }
	GIVE_UP(goto reclaim)
	fi;
#endif
	ASK(s_read, LIST);
	if
	:: atomic { s_read == ANSWER -> seen = s_val; s_val = 0; s_read = NONE }
	:: atomic { m_committed > 0 -> TAKE(m_committed); goto gone }
	:: atomic { m_never > 0 -> TAKE(m_never); goto told }
	GIVE_UP(goto reclaim)
	fi;
	ASK(s_read, TOKEN);
	if
	:: atomic { s_read == ANSWER -> fresh = s_val; s_val = 0; s_read = NONE }
	:: atomic { m_committed > 0 -> TAKE(m_committed); goto gone }
	:: atomic { m_never > 0 -> TAKE(m_never); goto told }
	GIVE_UP(goto reclaim)
	fi;
#ifdef MUT_EMPTY_LIST
	fresh = true;
#endif
	if
	:: !fresh -> goto forgotten
	:: fresh && seen == A3 -> goto mine
	:: fresh && seen != A3 && (seen & A1) -> SEND(c_reclaim); goto reclaim
	:: else -> goto gone
	fi;

forgotten: /* the storage restarted and cannot tell: the target must */
	s = H_FORGOTTEN;
	if
	:: t_crash -> s_stuck = true; goto settled
	:: !t_crash && MAY_ASK(m_query) -> SEND(m_query)
	fi;
	if
	:: atomic { m_committed > 0 -> TAKE(m_committed); goto gone }
	:: atomic { m_never > 0 -> TAKE(m_never); goto told }
	GIVE_UP(goto forgotten)
	fi;

told:	/* the target will never run it; whatever it did to the list does not count */
	atomic { SEND(c_force_s); SOURCE_RUNS; goto settled };
mine:
	atomic { SOURCE_RUNS; goto settled };
gone:
	atomic { s = H_GONE; assert(!s_ever) };
settled:
end:	do
	:: atomic { m_ask > 0 && s == H_RESUMED -> TAKE(m_ask); SEND(m_mine) }
	:: atomic { m_ask > 0 && s == H_GONE -> TAKE(m_ask); SEND(m_yours) }
	:: atomic { m_ask > 0 && s == H_FORGOTTEN -> TAKE(m_ask) }
	:: atomic { s == H_RESUMED && !off && up && ACCEPTS(A3) -> off = true; s_off = true; TOKEN_AWAY }
	:: atomic { s_off && up && list == A3 && c_force_s == 0 -> list = 0 }
	:: atomic { m_committed > 0 && s == H_FORGOTTEN -> TAKE(m_committed); s = H_GONE }
	:: atomic { m_never > 0 && s == H_FORGOTTEN -> TAKE(m_never); SOURCE_RUNS }
	:: atomic { m_committed > 0 && s != H_FORGOTTEN -> TAKE(m_committed) }
	:: atomic { m_never > 0 && s != H_FORGOTTEN -> TAKE(m_never) }
	od
	} unless {
		atomic { s_crash -> s = H_CRASHED; s_read = NONE; s_val = 0;
			m_ask = 0; m_committed = 0; m_never = 0 };
	}
endc:	do
	:: m_ask > 0 -> m_ask = 0
	:: m_committed > 0 -> m_committed = 0
	:: m_never > 0 -> m_never = 0
	od
}

active proctype Target()
{
	byte seen;
	bool fresh;

	{
	if
	:: atomic { m_commit > 0 -> TAKE(m_commit) }
	:: atomic { m_query > 0 -> TAKE(m_query); SEND(m_never); goto discarded }
	GIVE_UP(goto discarded)
	fi;
#ifdef NO_ARBITER
	goto running;
#endif
taking:
	t = H_TAKING;
	ASK(t_read, LIST);
	if
	:: atomic { t_read == ANSWER -> seen = t_val; t_val = 0; t_read = NONE }
	:: atomic { m_query > 0 -> TAKE(m_query); SEND(m_never); goto discarded }
	GIVE_UP(goto taking)
	fi;
	ASK(t_read, TOKEN);
	if
	:: atomic { t_read == ANSWER -> fresh = t_val; t_val = 0; t_read = NONE }
	:: atomic { m_query > 0 -> TAKE(m_query); SEND(m_never); goto discarded }
	GIVE_UP(goto taking)
	fi;
#ifdef MUT_TARGET_NO_TOKEN
	fresh = true;
#endif
	if
	:: !fresh -> goto forgotten
	:: fresh && seen == B2 -> goto running
	:: fresh && seen != B2 && (seen & B2) -> SEND(c_take); goto taking
	:: else -> goto discarded
	fi;

forgotten: /* never ran here; only the source can say whether it let go */
	t = H_TARGET_FORGOTTEN;
#ifdef MUT_TARGET_GIVES_UP
	SEND(m_never); goto discarded;
#endif
	if
	:: s_crash -> t_stuck = true; goto settled
	:: !s_crash && MAY_ASK(m_ask) -> SEND(m_ask)
	fi;
	if
	:: atomic { m_yours > 0 -> TAKE(m_yours); goto running }
	:: atomic { m_mine > 0 -> TAKE(m_mine); goto discarded }
	:: atomic { m_query > 0 -> TAKE(m_query); SEND(m_never); goto discarded }
	GIVE_UP(goto forgotten)
	fi;

running:
	atomic { TARGET_RUNS; SEND(m_committed); goto settled };
discarded:
	t = H_DISCARDED;
settled:
end:	do
	:: atomic { (m_commit > 0) && t == H_RUNNING -> TAKE(m_commit); SEND(m_committed) }
	:: atomic { (m_query > 0) && t == H_RUNNING -> TAKE(m_query); SEND(m_committed) }
#ifdef MUT_COMMIT_TWICE
	:: atomic { (m_commit > 0) && t == H_DISCARDED -> TAKE(m_commit); SEND(m_committed) }
#else
	:: atomic { (m_commit > 0) && t == H_DISCARDED -> TAKE(m_commit); SEND(m_never) }
#endif
	:: atomic { (m_query > 0) && t == H_DISCARDED -> TAKE(m_query); SEND(m_never) }
	:: atomic { (m_query > 0) && t == H_TARGET_FORGOTTEN -> TAKE(m_query); SEND(m_never);
			t = H_DISCARDED }
	:: atomic { (m_commit > 0) && t == H_TARGET_FORGOTTEN -> TAKE(m_commit) }
	:: atomic { m_yours > 0 && t == H_TARGET_FORGOTTEN -> TAKE(m_yours); TARGET_RUNS }
	:: atomic { m_mine > 0 && t == H_TARGET_FORGOTTEN -> TAKE(m_mine); t = H_DISCARDED }
	:: atomic { m_yours > 0 && t != H_TARGET_FORGOTTEN -> TAKE(m_yours) }
	:: atomic { m_mine > 0 && t != H_TARGET_FORGOTTEN -> TAKE(m_mine) }
	/* its heart-beat noticed that the storage forgot it */
	:: atomic { t == H_RUNNING && !t_off && up && !token && !(list & B2) && c_force_t == 0 &&
			early > 0 -> early--; c_force_t++ }
	/* switched off here; a storage that does not answer keeps the list */
	:: atomic { t == H_RUNNING && !off && up && ACCEPTS(B2) -> off = true; t_off = true; TOKEN_AWAY }
	:: atomic { t_off && up && list == B2 && c_force_t == 0 -> list = 0 }
	od
	} unless {
		atomic { t_crash -> t = H_CRASHED; t_read = NONE; t_val = 0;
			m_commit = 0; m_query = 0; m_yours = 0; m_mine = 0 };
	}
endc:	do
	:: m_commit > 0 -> m_commit = 0
	:: m_query > 0 -> m_query = 0
	:: m_yours > 0 -> m_yours = 0
	:: m_mine > 0 -> m_mine = 0
	od
}

#define S_DONE (s == H_RESUMED || s == H_GONE || s == H_CRASHED || s_stuck)
#define T_DONE (t == H_RUNNING || t == H_DISCARDED || t == H_CRASHED || t_stuck)
#define QUIET                                                              \
	(crash == 0 && loss == 0 && restart == 0 && m_commit + m_query + m_yours + m_mine == 0 && \
	 m_committed + m_never + m_ask == 0)

#ifdef NO_ARBITER
#define SOURCE_KNOWS (!commit_sent)
#else
#define SOURCE_KNOWS (!forgot)
#endif

active proctype Judge()
{
end:	atomic {
		S_DONE && T_DONE && QUIET ->
		if
		:: !s_crash && !t_crash ->
			assert((s == H_RESUMED) + (t == H_RUNNING) == 1)
		/* the target must go on alone, unless the VM died with its owner */
		:: s_crash && !t_crash && committed && !forgot ->
			assert(t == H_RUNNING)
		:: !s_crash && t_crash && !committed && SOURCE_KNOWS ->
			assert(s == H_RESUMED)
		:: else
		fi
	}
}

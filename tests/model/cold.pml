/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-over of a VM that is off (migrate/cold_commit.c): what the two hosts' datastores say
 * decides, and a host that restarts knows nothing else. Every step below is one commit of a
 * store, or one record. Both hosts keep moving the VM, so it also comes back. The operator who
 * decides against the protocol ("keep", "drop" in doubt) is not here.
 *
 * Bounds: MOVES from source to target, CRASH restarts of a host, BREAK ends of the link, LOSS
 * questions or answers lost, FAIL writes that a store refuses, GO acts of the operator: moves
 * to or from a third host, definitions written anew.
 */
#ifndef MOVES
#define MOVES 2
#endif
#ifndef CRASH
#define CRASH 2
#endif
#ifndef BREAK
#define BREAK 1
#endif
#ifndef LOSS
#define LOSS 1
#endif
#ifndef FAIL
#define FAIL 1
#endif
#ifndef GO
#define GO 2
#endif

#define BIT(id)	     (1 << (id))
#define HAS(set, id) ((set) & BIT(id))

/* the source's datastore: the definition; leaving/NAME, which holds the move's id (0: none) */
bool s_def = true;
byte s_leaving;

/* the target's: the definition, the id in its first line (0: none), and moved/ID, a set */
bool t_def;
byte t_head;
byte moved;

/* some third host, or the operator's drawer */
bool e_def;

/*
 * The source's memory. S_SAVE and S_COMMIT are between READY and the COMMIT record; S_ASK is
 * in doubt; S_KEEP heard NEVER; S_REMOVE, S_FORGET and S_SETTLE heard COMMITTED; in S_STUCK a
 * store refused what follows from COMMITTED, which the next start of the host does again.
 */
mtype = { S_DOWN, S_IDLE, S_COPY, S_SAVE, S_COMMIT, S_WAIT, S_ASK, S_KEEP, S_REMOVE, S_FORGET,
	  S_SETTLE, S_STUCK };
mtype s = S_IDLE;
byte s_id;
byte next = 1;
bool s_kept; /* heard that s_leaving never commits, but could not remove it */

/*
 * The target's memory: the one receiver. R_READY waits for COMMIT, R_TAKING writes the
 * definition, R_FINISH makes moved/ID, R_SETTLE waits for SETTLED, R_HEAD and R_MOVED drop what
 * answered questions. R_DOWN, R_BOOT: no receiver, and no console yet.
 */
mtype = { R_DOWN, R_BOOT, R_STUCK, R_NONE, R_COPY, R_READY, R_TAKING, R_FINISH, R_TELL, R_SETTLE,
	  R_HEAD, R_MOVED };
mtype r = R_NONE;
byte r_id;
bool abdicated;

/* the move's link: both ends, and what is under way; in order, and never two at a time */
mtype = { NOTHING, READY, COMMIT, COMMITTED, ERROR, SETTLED, NEVER, UNDECIDED };
bool s_end, t_end;
mtype to_t = NOTHING;
mtype to_s = NOTHING;

/* a question and its answer, on a link of their own; one that nobody waits for any more */
byte query, stale;
mtype answer = NOTHING;

byte crash = CRASH, brk = BREAK, loss = LOSS, fail = FAIL, go = GO;

/* ghosts, sets of ids */
byte committed; /* the commit point was passed */
byte abandoned;	/* somebody was told that it never will be */
byte settled;	/* the source will not ask again */

#define SOURCE_HAS (s_def && (s_leaving == 0 || s_kept))
#define TARGET_HAS (t_def)
#define DEFINED	   (s_def + t_def + e_def)
#define STARTABLE  (SOURCE_HAS + TARGET_HAS + e_def)

/* a record arrives only as long as neither end has seen the link's end; what waits may get lost */
#define SAY(way, what)                                                     \
	if                                                                 \
	:: s_end && t_end -> assert(way == NOTHING); way = what            \
	:: else                                                            \
	fi
#define S_LINK_ENDS s_end = false; to_s = NOTHING
#define T_LINK_ENDS t_end = false; to_t = NOTHING

/* a store refuses a write: then it happened or not */
#define REFUSED fail > 0 -> fail--

/* ---- source ------------------------------------------------------------------------ */

#ifdef MUT_TIMEOUT_KEEPS
#define UNANSWERED S_KEEP
#else
#define UNANSWERED S_ASK
#endif

/* the name is taken as long as anything here belongs to the VM that left */
#ifdef MUT_NAME_FREE
#define S_NAME_FREE (!s_def && s != S_DOWN)
#else
#define S_NAME_FREE (!s_def && s_leaving == 0 && s != S_DOWN)
#endif
#define R_NAME_FREE (!t_def && r == R_NONE)

active proctype Source()
{
end:	do
	/* the same VM again, under a new id; a link that opens has nothing of an old one */
	:: atomic { s == S_IDLE && SOURCE_HAS && next <= MOVES && R_NAME_FREE ->
		s_id = next; next++; s = S_COPY; r_id = s_id; r = R_COPY; abdicated = false;
		s_end = true; t_end = true; to_t = NOTHING; to_s = NOTHING }
	:: atomic { s == S_COPY && to_s == READY -> to_s = NOTHING;
#ifdef MUT_COMMIT_BEFORE_LEAVING
		SAY(to_t, COMMIT);
#endif
		s = S_SAVE }
	/* an old leaving/NAME may be there, if s_kept */
	:: atomic { s == S_SAVE -> s_leaving = s_id; s_kept = false; s = S_COMMIT }
	:: atomic { s == S_SAVE && REFUSED;
		if :: s_leaving = s_id; s_kept = false :: skip fi; s = S_KEEP }
	:: atomic { s == S_COMMIT ->
#ifndef MUT_COMMIT_BEFORE_LEAVING
		SAY(to_t, COMMIT);
#endif
		s = S_WAIT }
	/* cancelled, ended by the target, or by the link */
	:: atomic { s == S_COPY && to_s != READY -> S_LINK_ENDS; s = S_IDLE }

	:: atomic { s == S_WAIT && to_s == COMMITTED -> to_s = NOTHING; s = S_REMOVE }
	:: atomic { s == S_WAIT && to_s == ERROR -> to_s = NOTHING;
		assert(!HAS(committed, s_id)); s = S_KEEP }
	:: atomic { s == S_WAIT -> s = UNANSWERED } /* a time-out, or the link's end */

	:: atomic { s == S_ASK && query == 0 && answer == NOTHING -> query = s_id }
	:: atomic { s == S_ASK && answer == COMMITTED -> answer = NOTHING; s = S_REMOVE }
	:: atomic { s == S_ASK && answer == NEVER -> answer = NOTHING;
		assert(!HAS(committed, s_id)); s = S_KEEP }
	:: atomic { s == S_ASK && answer == UNDECIDED -> answer = NOTHING }
	:: atomic { s == S_ASK && loss > 0 && (query || answer != NOTHING) -> loss--;
		if :: query -> stale = query :: skip fi;
		query = 0; answer = NOTHING }

	:: atomic { s == S_KEEP -> s_leaving = 0; s_kept = false; S_LINK_ENDS; s = S_IDLE }
	:: atomic { s == S_KEEP && REFUSED; s_kept = true; S_LINK_ENDS; s = S_IDLE }

#ifdef MUT_LEAVING_FIRST
	:: atomic { s == S_REMOVE -> s_leaving = 0; s = S_FORGET }
	:: atomic { s == S_FORGET -> s_def = false; s = S_SETTLE }
#else
	/* disks first, then the definition, then leaving/NAME: a restart finds how far it got */
	:: atomic { s == S_REMOVE -> s_def = false; s = S_FORGET }
	:: atomic { s == S_FORGET -> s_leaving = 0; s = S_SETTLE }
#endif
#ifdef MUT_SETTLED_ANYWAY
	:: atomic { (s == S_REMOVE || s == S_FORGET) && REFUSED; s = S_SETTLE }
#else
	:: atomic { (s == S_REMOVE || s == S_FORGET) && REFUSED; S_LINK_ENDS; s = S_STUCK }
#endif
	:: atomic { s == S_SETTLE -> SAY(to_t, SETTLED); settled = settled | BIT(s_id);
		S_LINK_ENDS; s = S_IDLE }

	/* start of the host */
	:: atomic { s == S_STUCK -> s = S_DOWN }
	:: atomic { s == S_DOWN ->
		s_id = s_leaving;
		if
		:: s_leaving && s_def -> s = S_ASK
		:: s_leaving && !s_def -> s = S_FORGET
#ifdef MUT_MISSING_IS_GONE
		:: s_leaving && s_def -> s = S_REMOVE /* it could not be read, so "it went" */
#endif
		:: !s_leaving -> s = S_IDLE
		fi }
	od
}

/* ---- target ------------------------------------------------------------------------ */

#define SAY_ERROR  SAY(to_s, ERROR)
#define ENDS(then) r_id = 0; abdicated = false; T_LINK_ENDS; r = then
#define COMMIT_POINT                                                       \
	assert(!HAS(abandoned, r_id));                                         \
	committed = committed | BIT(r_id); t_def = true; t_head = r_id

active proctype Receiver()
{
end:	do
	:: atomic { r == R_COPY -> SAY(to_s, READY); r = R_READY }
	:: atomic { r == R_READY && to_t == COMMIT && !abdicated -> to_t = NOTHING;
#ifdef MUT_COMMITTED_EARLY
		SAY(to_s, COMMITTED);
#endif
		r = R_TAKING }
	:: atomic { r == R_READY && abdicated -> SAY_ERROR; ENDS(R_NONE) }
	/* before COMMIT was read: the link's end, the operator, a full disk */
	:: atomic { (r == R_COPY || r == R_READY) && (!s_end || brk > 0) ->
		if :: s_end -> brk-- :: !s_end fi; ENDS(R_NONE) }

	:: atomic { r == R_TAKING -> COMMIT_POINT; r = R_FINISH }
	/* a store that fails: the definition may be there after a restart, it is tried again */
	:: atomic { r == R_TAKING && REFUSED;
		if :: COMMIT_POINT :: skip fi
#ifdef MUT_ERROR_UNSURE
		; abandoned = abandoned | BIT(r_id); SAY_ERROR; ENDS(R_NONE)
#endif
		}
	/* or it took a later write, which says that the definition is not there */
	:: atomic { r == R_TAKING && REFUSED;
		committed = committed & ~BIT(r_id); t_def = false; t_head = 0;
		abandoned = abandoned | BIT(r_id); SAY_ERROR; ENDS(R_NONE) }

#ifdef MUT_NO_MOVED
	:: atomic { r == R_FINISH -> r = R_TELL }
#else
	:: atomic { r == R_FINISH -> moved = moved | BIT(r_id); r = R_TELL }
#endif
#ifdef MUT_UNFINISHED_FREE
	:: atomic { r == R_FINISH && REFUSED; r = R_TELL }
#else
	:: atomic { r == R_FINISH && REFUSED } /* it is tried again */
#endif
#ifdef MUT_COMMITTED_EARLY
	:: atomic { r == R_TELL -> r = R_SETTLE }
#else
	:: atomic { r == R_TELL -> SAY(to_s, COMMITTED); r = R_SETTLE }
#endif
	:: atomic { r == R_SETTLE && to_t == SETTLED -> to_t = NOTHING; r = R_HEAD }
	:: atomic { r == R_SETTLE && to_t != SETTLED -> ENDS(R_NONE) }
#ifdef MUT_SETTLES_BLINDLY
	:: atomic { r == R_HEAD -> t_def = true; t_head = 0; r = R_MOVED }
#else
	:: atomic { r == R_HEAD -> assert(t_def); t_head = 0; r = R_MOVED }
#endif
	:: atomic { r == R_MOVED -> moved = moved & ~BIT(r_id); ENDS(R_NONE) }

	/* start of the host: moved/ID before anybody may let the VM go */
	:: atomic { r == R_DOWN -> r = R_BOOT }
	:: atomic { r == R_BOOT ->
#ifndef MUT_BOOT_FORGETS
		if :: t_head -> moved = moved | BIT(t_head) :: else fi;
#endif
		r = R_NONE }
	:: atomic { r == R_BOOT && t_head && REFUSED; r = R_STUCK }
	:: atomic { r == R_STUCK -> r = R_DOWN }
	od
}

#ifdef MUT_NEVER_WHILE_TAKING
#define DECIDING false
#else
#define DECIDING (r == R_TAKING)
#endif

inline judge(id, a)
{
	if
	:: r_id == id && DECIDING -> a = UNDECIDED
	/* alive, and COMMIT was not read: it gives up here and now */
	:: r_id == id && (r == R_COPY || r == R_READY) -> a = NEVER;
#ifndef MUT_ABORT_ALIVE
		abdicated = true
#endif
	:: else ->
		if
		:: HAS(moved, id) || (t_def && t_head == id) -> a = COMMITTED
#ifdef MUT_NOTHING_KNOWN
		:: else -> a = UNDECIDED
#else
		:: else -> a = NEVER /* nothing is known of it, nor will be */
#endif
		fi
	fi;
	if
	:: a == NEVER -> abandoned = abandoned | BIT(id);
		assert(!HAS(committed, id) || HAS(settled, id))
	:: else
	fi
}

active proctype Server()
{
	mtype unheard = NOTHING;

end:	do
	:: atomic { query && r != R_DOWN -> judge(query, answer); query = 0 }
	:: atomic { stale && r != R_DOWN -> judge(stale, unheard); stale = 0; unheard = NOTHING }
	od
}

/* ---- everybody else ---------------------------------------------------------------- */

#ifdef MUT_SETTLES_BLINDLY
#define T_FREE (r == R_NONE || r == R_SETTLE || r == R_HEAD)
#else
#define T_FREE (r == R_NONE)
#endif

/* a hot move, a cold one by another host's word, or undefined and defined by hand */
active proctype Operator()
{
end:	do
	:: atomic { go > 0 && t_def && T_FREE -> go--; t_def = false; t_head = 0; e_def = true }
	/* 'keep' writes the definition anew, without the move's id */
	:: atomic { go > 0 && t_head && T_FREE -> go--; t_head = 0 }
#ifdef MUT_KEEP_UNLOCKED
	:: atomic { go > 0 && s == S_FORGET -> go--; s_def = true }
#endif
	:: atomic { go > 0 && SOURCE_HAS && s == S_IDLE -> go--; s_def = false; e_def = true }
	:: atomic { go > 0 && e_def && S_NAME_FREE -> go--; e_def = false; s_def = true }
	:: atomic { go > 0 && e_def && R_NAME_FREE -> go--; e_def = false; t_def = true; t_head = 0 }
	od
}

active proctype Faults()
{
	do
	:: atomic { crash > 0 && s != S_DOWN -> crash--;
		s = S_DOWN; s_id = 0; s_kept = false; S_LINK_ENDS;
		if :: query -> stale = query :: skip fi;
		query = 0; answer = NOTHING }
	:: atomic { crash > 0 && r != R_DOWN -> crash--;
		query = 0; stale = 0; ENDS(R_DOWN) }
	/* the other end sees it some time later, and may read until then what was sent before */
	:: atomic { brk > 0 && s_end -> brk--; S_LINK_ENDS }
	:: atomic { brk > 0 && t_end -> brk--; T_LINK_ENDS }
	:: atomic { crash = 0; brk = 0; loss = 0; fail = 0; break }
	od
}

active proctype Judge()
{
end:	do
	:: STARTABLE > 1 -> assert(false) /* at two hosts */
	:: DEFINED == 0 -> assert(false)  /* nowhere */
	/* nothing else can move, and nothing is broken any more: nobody is in doubt */
	:: timeout -> assert(STARTABLE == 1 && s == S_IDLE && r == R_NONE); break
	od
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One move, as the files of migrate/ share it. The move's own task owns it; others
 * read its progress and set the flags at the end of the struct.
 */
#ifndef MIGRATE_MOVE_H
#define MIGRATE_MOVE_H

#include "kernel/net/link.h"
#include "migrate/migrate.h"
#include "migrate/queue.h"

#define MOVES_KEPT     8	       /* active and recently finished */
#define OUTCOMES_KEPT  64	       /* how moves ended, for the other host's questions */
#define INCOMING_MAX   4	       /* links being served at once */
#define MOVE_ANSWER_NS (20 * NS_PER_S) /* a peer that is alive answers within this */

struct disk_copy;
struct audit;

struct move {
	uint32_t id;	  /* for the console */
	uint8_t uuid[16]; /* in the stream */
	struct move_progress p;
	struct check_list *checks; /* source; NULL before the checks */
	bool checked;		   /* all of them were made */
	struct audit *audit;	   /* source, for `audit` only */
	struct migrate_options opt;
	struct peer peer;
	struct vm *vm; /* NULL once this host has it no more */
	struct link *link;
	struct stream st;
	struct handover ho;
	struct waitq wake; /* for sleeps that a flag ends */

	struct stream_offer *offer; /* of the source, at both ends */
	struct stream_facts *facts;

	/* source, while sending */
	uint64_t *bits; /* harvested, being sent */
	struct stream_run *runs;
	uint32_t run_count, batch; /* zero runs gathered; pages in the record being built */
	uint64_t round_pages, paused_ns;
	uint64_t stood_ns;	 /* target: how long the guest had stood still at COMMIT */
	uint64_t work_before;	 /* sched_work_ticks() when stage 2 began, at both ends */
	uint64_t stop_before;	 /* bytes on the wire when stage 3 began */
	uint64_t stopped_wall_s; /* host's clock when the guest of a saved state stopped, at both */
	struct disk_copy *copy;	 /* source: while disks are copied */
	uint32_t copied;	 /* target: bit per disk that is */
	bool confirmed;		 /* source: the target said that it has the VM */
	bool unhurried;		 /* the guest stands still, but let others run */
	bool from_store;	 /* receiving a saved state: nobody answers */
	bool cold;		 /* the VM is off (migrate/cold.h) */
	bool noted;		 /* cold, source: leaving/VM is in the datastore */
	uint8_t store[16];	 /* cold, source: the target's datastore that will know of it */
	bool was_running;

	/* set by others */
	bool stop;	    /* cancelled, or abdicated: see which */
	bool abdicated;	    /* target: promised never to run it */
	bool too_late;	    /* commitment has begun: no cancelling */
	bool peer_in_doubt; /* source: the target asked */
	bool ended;
	uint8_t decided; /* 0, DECIDED_KEEP, DECIDED_DROP */
};
#define DECIDED_KEEP 1
#define DECIDED_DROP 2

struct outcome {
	uint8_t uuid[16];
	enum move_role role;
	enum handover_state state;
};

/* All that this host knows of moves. A function, so that tests can have two hosts. */
struct migrate_state {
	struct move *moves[MOVES_KEPT];
	struct outcome outcomes[OUTCOMES_KEPT];
	unsigned next_outcome;
	uint32_t last_id;
	unsigned incoming;
	bool drained;
	struct move_queue queue;
};
struct migrate_state *migrate_state(void);

/* move.c: life of a struct move */
struct move *must_check move_create(enum move_role role);
/* The move's stream and tables, but for the checks. */
void move_free_tables(struct move *m);
/* Done: frees everything but progress and checks; sets err and reason. */
void move_end(struct move *m, int err);
struct move *move_of_vm(const struct vm *vm); /* active only */
/* Active, and not just waiting in doubt. */
bool move_any_active(void);
void move_set_stage(struct move *m, enum move_stage s);
void move_set_handover(struct move *m, enum handover_state s);
void move_set_vm_state(struct vm *vm, enum vm_state s);
void move_update_bytes(struct move *m);
/* Sleep that a flag (cancel, decide, abdicate) ends early. */
void move_wait(struct move *m, uint64_t ns);
/* Tell the peer why this ends here; failing to is fine. */
void move_send_error(struct move *m, int err);
/* Words for an err that did not come from the stream. Returns err. */
int move_fail(struct move *m, int err, const char *what);
void move_free_vm(struct move *m);

/* facts.c */
int must_check facts_offer(const struct vm *vm, struct stream_offer *out);
void facts_gather(const struct stream_offer *o, struct stream_facts *out);
void facts_hello(const struct move *m, enum stream_purpose why, struct stream_hello *out);
int must_check facts_check_hello(struct stream *s, const struct stream_hello *h);

/* send.c, send_round.c, send_state.c, send_stop.c */
void send_task(void *arg);
int must_check send_pre_migration(struct move *m);
int must_check send_reservation(struct move *m);
int must_check send_expect_verified(struct move *m);
void send_log_summary(const struct move *m);
/* The peer closed while we were sending: its last words say why. Returns the error. */
int send_last_words(struct move *m, int err);
int must_check send_alloc(struct move *m);
int must_check send_file(struct move *m, const struct stream_file *sf);
int must_check send_pause_guest(struct move *m);
/* The guest goes on as if it had not been stopped. */
void send_resume_here(struct move *m);
/* Did anybody (operator, guest, target) end the move? */
int must_check send_look_up(struct move *m);
int must_check send_round(struct move *m, uint64_t pages);
/* Every page of the guest is to be sent. Returns how many. */
uint64_t send_mark_all(struct move *m);
int must_check send_pre_copy(struct move *m);
int must_check send_stop_and_copy(struct move *m);
int must_check send_state(struct move *m);
uint64_t send_state_bytes(const struct vm *vm);
#define SEND_PAGE_COST (STREAM_PAGE_SIZE + 4096 / 16) /* link and Ethernet headers: 6% */
/* What a blackout takes however few pages are left; rate: bytes/s, 0: not known. */
uint64_t send_fixed_ns(const struct move *m, uint64_t rate, uint64_t rtt_ns);
/* What --verify adds to it. */
uint64_t send_verify_ns(uint64_t pages, uint64_t disk_bytes);
int must_check send_digests(struct move *m);

/* receive.c, receive_ram.c, receive_state.c, receive_files.c */
bool receive_accept(struct link *l, void *ctx);
int must_check receive_pages(struct move *m, const struct stream_record *r);
int must_check receive_zero_runs(struct move *m, const struct stream_record *r);
int must_check receive_digests(struct move *m, const struct stream_record *r,
			       struct stream_verified *sum, uint64_t *next);
struct received_state;
int must_check received_state_create(struct vm *vm, struct received_state **out);
void received_state_destroy(struct received_state *rs);
int must_check received_state_vcpu(struct move *m, struct received_state *rs,
				   const struct stream_record *r);
int must_check received_state_device(struct move *m, struct received_state *rs,
				     const struct stream_record *r);
int must_check received_state_clock(struct move *m, struct received_state *rs,
				    const struct stream_record *r);
/* Everything came and was checked? Then load it all. */
int must_check received_state_load(struct move *m, struct received_state *rs,
				   const struct stream_state_end *end);
void received_files_rename(struct move *m);
struct received_file {
	char path[VM_PATH_LEN];
	uint8_t *data;
	uint64_t size, at;
	uint32_t crc;
	uint64_t skip; /* bytes that a saved state has of a file that is here already */
};
int must_check received_file_begin(struct move *m, struct received_file *f,
				   const struct stream_record *r);
int must_check received_file_data(struct move *m, struct received_file *f,
				  const struct stream_record *r);
void received_file_discard(struct received_file *f);

/* frames.c: after the VM went over, the source, then closes; the target */
void frames_send(struct move *m);
void frames_receive(struct move *m);

/*
 * definition.c. A host that restarts defines the VMs that its datastore keeps. One that no shared
 * disk guards, or whose local disks have gone along, must not be among them, since nothing would
 * stop its second start. So the source notes it before COMMIT leaves; its definition stays till
 * definition_gone, and 'define' takes the note away. A store that fails: a warning, no more.
 */
void definition_note_leaving(struct move *m, bool leaving);
/* Target, it is ours: write the definition, say so. Source, it went, and so did its frames: forget
 * ours if the target said so. Both block, and warn. */
void definition_arrived(struct move *m);
void definition_gone(struct move *m);
int must_check definition_keep(struct move *m); /* the first half alone, for a restored VM */

/* commit.c: return 0 when this host has the VM at the end, 1 when the other one has */
int must_check commit_source(struct move *m);
int must_check commit_target(struct move *m);
void commit_enter_doubt(struct move *m, const char *why);
/*
 * Source, in doubt for the reason why: until the target or the operator says who has the VM. NULL:
 * the target has it (m->confirmed: by its own word); else the words why it stays.
 */
const char *commit_ask(struct move *m, const char *why);
/* Target: READY, and wait for COMMIT. 0, or an error: it never will be ours. */
int must_check commit_await(struct move *m);
bool commit_is_for(const struct move *m, const struct stream_record *r);

/* query.c */
void outcome_note(const struct move *m);
enum handover_answer query_peer(struct move *m);
/* A link whose HELLO said "query": answer, from this host's memory. */
void query_serve(struct stream *s);

#endif

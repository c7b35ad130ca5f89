/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of an AoE disk, shared by the aoe_*.c files and nobody else.
 *
 *   aoe.c          open, close, the blkdev, what the header promises
 *   aoe_io.c       requests: order, pieces, completion
 *   aoe_cmd.c      commands in flight: slots, tags, window, retransmission
 *   aoe_receive.c  which command a frame answers, whether it may
 *   aoe_control.c  single commands that a task waits for
 *   aoe_reserve.c  reservation list, and taking it again from a target that forgot it
 */
#ifndef KERNEL_STORE_AOE_DISK_H
#define KERNEL_STORE_AOE_DISK_H

#include "kernel/drivers/ata_identify.h"
#include "kernel/store/aoe.h"
#include "kernel/store/aoe_codec.h"
#include "kernel/store/aoe_rtt.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "kernel/timer.h"

/*
 * A tag is sequence:23 | slot:6 | copy:3. Each copy of a command has its own
 * tag, so a response says which copy the target has executed.
 */
#define AOE_COPY_BITS 3
#define AOE_SLOT_BITS 6
#define AOE_COPIES    (1u << AOE_COPY_BITS)
#define AOE_SLOTS     (1u << AOE_SLOT_BITS)

#define AOE_CONTROL_SLOTS 8 /* never taken by data */
#define AOE_WINDOW_FIRST  8
#define AOE_WINDOW_MAX	  48

/* A frame that is older than this is taken to have left the network. */
#define AOE_FRAME_LIFE_NS  (1000 * NS_PER_MS)
#define AOE_STARVED_NS	   (2 * NS_PER_MS)   /* no frame buffer or no ring space: try again */
#define AOE_CONTROL_RTO_NS (250 * NS_PER_MS) /* most between two copies of a control command */
#define AOE_SILENCE_LOG_NS (3 * NS_PER_S)
#define AOE_SILENT_ROUNDS  2 /* timeouts with nothing heard: the target may have restarted */

enum aoe_kind { AOE_KIND_READ, AOE_KIND_WRITE, AOE_KIND_FLUSH, AOE_KIND_CONTROL };

enum aoe_state {
	AOE_FREE,
	AOE_SENT,   /* a copy is on the wire */
	AOE_LOST,   /* to be sent again when the window allows */
	AOE_LINGER, /* answered, but another copy of this write may still be on the wire */
};

struct aoe_control;

struct aoe_cmd {
	struct list node; /* in free, sent, lost or linger */
	enum aoe_state state;
	enum aoe_kind kind;
	uint32_t tag;	  /* of copy 0 */
	uint32_t copies;  /* sent so far */
	uint8_t answered; /* bit per copy, up to AOE_COPIES */
	uint8_t count;	  /* sectors */
	uint64_t lba;
	uint64_t deadline_ns; /* sent: presumed lost; linger: presumed gone */
	uint64_t sent_ns[AOE_COPIES];
	struct blk_request *rq; /* data */
	uint32_t offset;	/* bytes in rq */
	struct aoe_control *control;
};

/* One command that is not guest data. Lives as long as its command is in a slot. */
struct aoe_control {
	uint8_t command; /* AOE_CMD_* */
	size_t (*encode)(struct aoe_control *c, uint8_t *frame, const struct aoe_header *h);
	/* 0 or the command's error; -E_AGAIN: not a proper answer, wait for another. */
	int (*answer)(struct aoe_control *c, const struct aoe_message *m);
	/* Called once when answered; NULL when a task waits for done. */
	void (*finish)(struct aoe_disk *d, struct aoe_control *c);
	bool done;
	int err;
	struct aoe_cmd *cmd;
};

struct aoe_reserve_control {
	struct aoe_control control;
	uint8_t rcmd;
	unsigned count;
	const uint8_t (*macs)[ETH_ALEN];
	struct aoe_reservation *out;
	bool empty;
};

/* Taking the reservation again from a target that may have restarted. */
struct aoe_keep {
	bool valid; /* the last list that we set holds just mac */
	uint8_t mac[ETH_ALEN];
	bool busy; /* asking or setting now: no data is sent */
	struct aoe_reserve_control rc;
	struct aoe_reservation list;
};

struct aoe_disk {
	struct switch_port port;
	struct net_switch *sw;
	struct blkdev bd;
	struct ata_identity id;
	uint16_t shelf;
	uint8_t slot;
	uint8_t target_mac[ETH_ALEN];
	bool target_known;
	bool closed;
	unsigned waiters; /* tasks inside a blocking call; the last one frees a closed disk */
	struct waitq wq;
	uint8_t frame_sectors; /* most in one command */

	struct list requests; /* accepted, in order of submission */

	struct aoe_cmd cmds[AOE_SLOTS];
	struct list free, sent, lost, linger;
	unsigned free_count;
	unsigned data_sent; /* data commands in sent */
	uint32_t sequence;
	struct timer timer;

	struct aoe_rtt rtt;
	unsigned window, window_max, window_answers;
	uint64_t window_cut_ns;
	uint64_t heard_ns; /* last proper response */
	unsigned silent_rounds;
	uint64_t silent_since_ns;
	bool silence_logged;
	uint64_t error_logged_ns;

	struct aoe_keep keep;
	struct aoe_stats stats;
};

/* aoe_cmd.c */
void aoe_cmds_init(struct aoe_disk *d);
struct aoe_cmd *aoe_cmd_alloc(struct aoe_disk *d, enum aoe_kind kind);
/* Put a new command on the wire; on a full ring it waits in lost. */
void aoe_cmd_start(struct aoe_disk *d, struct aoe_cmd *cmd);
/* Answered or abandoned: out of the slot, or lingering when a copy may still arrive. */
void aoe_cmd_finish(struct aoe_disk *d, struct aoe_cmd *cmd);
struct aoe_cmd *aoe_cmd_find(struct aoe_disk *d, uint32_t tag);
bool aoe_window_open(const struct aoe_disk *d);
void aoe_window_answer(struct aoe_disk *d);
/* Send what may be sent now. */
void aoe_pump(struct aoe_disk *d);

/* aoe_io.c */
int aoe_io_submit(struct blkdev *bd, struct blk_request *rq);
void aoe_io_issue(struct aoe_disk *d);
size_t aoe_io_encode(const struct aoe_disk *d, const struct aoe_cmd *cmd, uint8_t *frame,
		     const struct aoe_header *h);
/* 0, or -E_AGAIN when the message is no proper answer. */
int aoe_io_answer(struct aoe_disk *d, struct aoe_cmd *cmd, const struct aoe_message *m);
void aoe_io_cancel_all(struct aoe_disk *d);

/* aoe_receive.c */
void aoe_receive(struct switch_port *p, struct netbuf *nb);
/* At most one line a second: a hostile target must not flood the log. */
bool aoe_may_log(struct aoe_disk *d);

/* aoe_control.c */
/* Blocks until answered, deadline (-E_TIMEDOUT) or aoe_close (-E_CANCELLED). */
int must_check aoe_control_run(struct aoe_disk *d, struct aoe_control *c, uint64_t deadline_ns);
/* Does not block; c->finish is called later. -E_BUSY: no free slot. */
int must_check aoe_control_start(struct aoe_disk *d, struct aoe_control *c);
void aoe_control_abandon(struct aoe_disk *d, struct aoe_control *c);
void aoe_control_cancel_all(struct aoe_disk *d);
void aoe_wait_begin(struct aoe_disk *d);
void aoe_wait_end(struct aoe_disk *d);
int must_check aoe_find_target(struct aoe_disk *d, struct aoe_config *out, uint64_t deadline_ns);
int must_check aoe_identify(struct aoe_disk *d, uint64_t deadline_ns);

/* aoe_reserve.c */
/* The target may have restarted and forgotten the list: look before more data is sent. */
void aoe_keep_suspect(struct aoe_disk *d);
void aoe_keep_forget(struct aoe_disk *d);

#endif

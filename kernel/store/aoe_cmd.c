/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AoE commands in flight: slots and tags, the window, retransmission after a
 * measured timeout. A command is retransmitted for ever; who wants a deadline
 * abandons it. What a command means is up to aoe_io.c and aoe_control.c.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

static void aoe_timer_fired(struct timer *t);

void aoe_cmds_init(struct aoe_disk *d)
{
	list_init(&d->requests);
	list_init(&d->free);
	list_init(&d->sent);
	list_init(&d->lost);
	list_init(&d->linger);
	for (unsigned i = 0; i < AOE_SLOTS; i++)
		list_append(&d->free, &d->cmds[i].node);
	d->free_count = AOE_SLOTS;
	/* Late answers to an earlier life of this disk should not look like ours. */
	entropy_fill(&d->sequence, sizeof(d->sequence));
	d->window = AOE_WINDOW_FIRST;
	d->window_max = AOE_WINDOW_FIRST;
	timer_init(&d->timer, aoe_timer_fired);
}

static void cmd_move(struct aoe_disk *d, struct aoe_cmd *cmd, enum aoe_state state)
{
	struct list *heads[] = {
	    [AOE_FREE] = &d->free,
	    [AOE_SENT] = &d->sent,
	    [AOE_LOST] = &d->lost,
	    [AOE_LINGER] = &d->linger,
	};
	bool data = cmd->kind != AOE_KIND_CONTROL;

	if (cmd->state == AOE_SENT && data)
		d->data_sent--;
	if (cmd->state == AOE_FREE)
		d->free_count--;
	list_remove(&cmd->node);
	list_append(heads[state], &cmd->node);
	cmd->state = state;
	if (state == AOE_SENT && data)
		d->data_sent++;
	if (state == AOE_FREE)
		d->free_count++;
}

struct aoe_cmd *aoe_cmd_alloc(struct aoe_disk *d, enum aoe_kind kind)
{
	struct aoe_cmd *cmd;
	uint32_t slot;

	if (d->free_count <= (kind == AOE_KIND_CONTROL ? 0 : AOE_CONTROL_SLOTS))
		return NULL;
	/* The slot that was freed longest ago: its old tags are the stalest. */
	cmd = list_entry(d->free.next, struct aoe_cmd, node);
	slot = (uint32_t)(cmd - d->cmds);
	/* Tag 0 is what a target's unasked announcement carries. */
	if (!(++d->sequence << (AOE_SLOT_BITS + AOE_COPY_BITS)))
		d->sequence++;
	cmd->kind = kind;
	cmd->tag = (d->sequence << AOE_SLOT_BITS | slot) << AOE_COPY_BITS;
	cmd->copies = 0;
	cmd->answered = 0;
	cmd->rq = NULL;
	cmd->control = NULL;
	cmd_move(d, cmd, AOE_LOST);
	return cmd;
}

struct aoe_cmd *aoe_cmd_find(struct aoe_disk *d, uint32_t tag)
{
	struct aoe_cmd *cmd = &d->cmds[(tag >> AOE_COPY_BITS) % AOE_SLOTS];
	uint32_t copy = tag % AOE_COPIES;

	if (cmd->state == AOE_FREE || cmd->tag != tag - copy || copy >= cmd->copies)
		return NULL;
	return cmd;
}

static void timer_not_after(struct aoe_disk *d, uint64_t deadline_ns)
{
	if (!timer_is_armed(&d->timer) || d->timer.deadline_ns > deadline_ns)
		timer_arm(&d->timer, deadline_ns);
}

static uint64_t cmd_timeout(const struct aoe_disk *d, const struct aoe_cmd *cmd)
{
	uint64_t rto = aoe_rtt_timeout(&d->rtt);

	return cmd->kind == AOE_KIND_CONTROL ? MIN(rto, AOE_CONTROL_RTO_NS) : rto;
}

/* 0, or -E_AGAIN: no buffer or no room in the ring, nothing was sent. */
static int cmd_send(struct aoe_disk *d, struct aoe_cmd *cmd)
{
	uint32_t copy = MIN(cmd->copies, AOE_COPIES - 1);
	struct aoe_header h = {.shelf = d->shelf, .slot = d->slot, .tag = cmd->tag | copy};
	struct netbuf *nb = netbuf_alloc();
	uint64_t now = time_ns();

	if (!nb)
		return -E_AGAIN;
	memcpy(h.src, d->port.mac, ETH_ALEN);
	if (d->target_known)
		memcpy(h.dst, d->target_mac, ETH_ALEN);
	else
		memset(h.dst, 0xff, ETH_ALEN);
	if (cmd->kind == AOE_KIND_CONTROL)
		nb->len = (uint16_t)cmd->control->encode(cmd->control, nb->data, &h);
	else
		nb->len = (uint16_t)aoe_io_encode(d, cmd, nb->data, &h);
	nb->len = MAX(nb->len, ETH_MIN_LEN);
	if (switch_send(&d->port, nb))
		return -E_AGAIN;
	d->stats.tx_frames++;
	d->stats.retransmits += cmd->copies > 0;
	cmd->sent_ns[copy] = now;
	cmd->copies++;
	cmd->deadline_ns = now + cmd_timeout(d, cmd);
	cmd_move(d, cmd, AOE_SENT);
	timer_not_after(d, cmd->deadline_ns);
	return 0;
}

void aoe_cmd_start(struct aoe_disk *d, struct aoe_cmd *cmd)
{
	if (cmd_send(d, cmd))
		timer_not_after(d, time_ns() + AOE_STARVED_NS);
}

static bool copies_all_answered(const struct aoe_cmd *cmd)
{
	return cmd->copies <= AOE_COPIES && cmd->answered == (1u << cmd->copies) - 1;
}

void aoe_cmd_finish(struct aoe_disk *d, struct aoe_cmd *cmd)
{
	uint32_t last = MIN(cmd->copies, AOE_COPIES);

	cmd->rq = NULL;
	cmd->control = NULL;
	if (cmd->kind != AOE_KIND_WRITE || !last || copies_all_answered(cmd)) {
		cmd_move(d, cmd, AOE_FREE);
		return;
	}
	/*
	 * A copy that is still on the wire would write old data over new: later
	 * requests to these sectors wait until it was answered or is too old.
	 */
	cmd->deadline_ns = cmd->sent_ns[last - 1] + AOE_FRAME_LIFE_NS;
	cmd_move(d, cmd, AOE_LINGER);
	timer_not_after(d, cmd->deadline_ns);
}

bool aoe_window_open(const struct aoe_disk *d)
{
	return d->data_sent < d->window;
}

/* Additive increase: one more after a whole window of answers. */
void aoe_window_answer(struct aoe_disk *d)
{
	if (++d->window_answers < d->window)
		return;
	d->window_answers = 0;
	if (d->window < d->window_max)
		d->window++;
}

/* Multiplicative decrease, once for all frames of the same congestion. */
static void window_cut(struct aoe_disk *d, uint64_t lost_sent_ns)
{
	if (d->window_cut_ns && lost_sent_ns <= d->window_cut_ns)
		return;
	d->window_cut_ns = time_ns();
	d->window = MAX(d->window / 2, 1);
	d->window_answers = 0;
}

static void pump_lost(struct aoe_disk *d)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &d->lost) {
		struct aoe_cmd *cmd = list_entry(n, struct aoe_cmd, node);
		bool data = cmd->kind != AOE_KIND_CONTROL;

		if (data && (d->keep.busy || !aoe_window_open(d)))
			continue;
		if (cmd_send(d, cmd)) {
			timer_not_after(d, time_ns() + AOE_STARVED_NS);
			return;
		}
	}
}

void aoe_pump(struct aoe_disk *d)
{
	pump_lost(d);
	if (!d->keep.busy && list_empty(&d->lost))
		aoe_io_issue(d);
}

/* Nothing was heard since cmd was sent: back off, and at length say so. */
static void note_silence(struct aoe_disk *d, uint64_t now)
{
	aoe_rtt_back_off(&d->rtt);
	if (!d->silent_rounds++)
		d->silent_since_ns = now;
	if (d->target_known && d->silent_rounds >= AOE_SILENT_ROUNDS)
		aoe_keep_suspect(d);
	if (d->silence_logged || !d->target_known ||
	    now - d->silent_since_ns < AOE_SILENCE_LOG_NS || list_empty(&d->requests))
		return;
	d->silence_logged = true;
	log_warn("aoe: %s does not answer; requests to it wait", d->bd.name);
}

/* Move what timed out to lost. True when nothing was heard since some of it was sent. */
static bool expire_sent(struct aoe_disk *d, uint64_t now)
{
	struct list *n, *tmp;
	bool silent = false;

	list_for_each_safe (n, tmp, &d->sent) {
		struct aoe_cmd *cmd = list_entry(n, struct aoe_cmd, node);
		uint64_t sent_ns = cmd->sent_ns[MIN(cmd->copies, AOE_COPIES) - 1];

		if (cmd->deadline_ns > now)
			continue;
		silent |= d->heard_ns < sent_ns;
		if (cmd->kind != AOE_KIND_CONTROL)
			window_cut(d, sent_ns);
		cmd_move(d, cmd, AOE_LOST);
	}
	return silent;
}

static void expire_linger(struct aoe_disk *d, uint64_t now)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &d->linger) {
		struct aoe_cmd *cmd = list_entry(n, struct aoe_cmd, node);

		if (cmd->deadline_ns <= now)
			cmd_move(d, cmd, AOE_FREE);
	}
}

static void timer_next(struct aoe_disk *d, const struct list *head)
{
	const struct list *n;

	for (n = head->next; n != head; n = n->next)
		timer_not_after(d, list_entry(n, struct aoe_cmd, node)->deadline_ns);
}

static void aoe_timer_fired(struct timer *t)
{
	struct aoe_disk *d = container_of(t, struct aoe_disk, timer);
	uint64_t now = time_ns();

	expire_linger(d, now);
	if (expire_sent(d, now))
		note_silence(d, now);
	aoe_pump(d);
	timer_next(d, &d->sent);
	timer_next(d, &d->linger);
}

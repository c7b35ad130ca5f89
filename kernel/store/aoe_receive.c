/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AoE frames that arrive for a disk: which command a response answers and
 * whether it may. Everything else (old tags, other shelves, unknown senders,
 * copies of answers) is counted and dropped here.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

bool aoe_may_log(struct aoe_disk *d)
{
	uint64_t now = time_ns();

	if (d->error_logged_ns && now - d->error_logged_ns < NS_PER_S)
		return false;
	d->error_logged_ns = MAX(now, 1);
	return true;
}

/* The target is alive. */
static void note_heard(struct aoe_disk *d)
{
	uint64_t now = time_ns();

	if (d->silence_logged)
		log_info("aoe: %s answers again after %llu ms", d->bd.name,
			 (unsigned long long)((now - d->silent_since_ns) / NS_PER_MS));
	d->silence_logged = false;
	d->silent_rounds = 0;
	d->heard_ns = now;
}

static void note_copy(struct aoe_disk *d, struct aoe_cmd *cmd, uint32_t copy)
{
	/* The last copy number stands for several copies once there are more: no sample. */
	if (cmd->copies <= AOE_COPIES && !(cmd->answered & 1u << copy))
		aoe_rtt_sample(&d->rtt, time_ns() - cmd->sent_ns[copy]);
	cmd->answered |= (uint8_t)(1u << copy);
}

static void answer_control(struct aoe_disk *d, struct aoe_cmd *cmd, const struct aoe_message *m)
{
	struct aoe_control *c = cmd->control;
	int err;

	if (m->h.flags & AOE_FLAG_ERROR)
		err = aoe_error_code(m->h.error);
	else
		err = c->answer(c, m);
	if (err == -E_AGAIN) {
		d->stats.unexpected++;
		return;
	}
	aoe_cmd_finish(d, cmd);
	c->cmd = NULL;
	c->err = err;
	c->done = true;
	waitq_wake_all(&d->wq);
	if (c->finish)
		c->finish(d, c);
}

static bool command_matches(const struct aoe_cmd *cmd, const struct aoe_message *m)
{
	if (cmd->control)
		return cmd->control->command == m->h.command;
	return m->h.command == AOE_CMD_ATA;
}

/* A target announces itself when it starts, unasked: tag 0. */
static bool is_announcement(const struct aoe_disk *d, const struct aoe_message *m)
{
	return m->h.command == AOE_CMD_CONFIG && !m->h.tag && d->target_known &&
	       !memcmp(m->h.src, d->target_mac, ETH_ALEN);
}

static bool from_our_target(struct aoe_disk *d, const struct aoe_message *m)
{
	char mac[18];

	if (m->h.src[0] & 1 || !memcmp(m->h.src, d->port.mac, ETH_ALEN))
		return false;
	if (!d->target_known || !memcmp(m->h.src, d->target_mac, ETH_ALEN))
		return true;
	if (aoe_may_log(d))
		log_warn("aoe: %s: a second target with this address, %s, is ignored", d->bd.name,
			 format_mac(mac, m->h.src));
	return false;
}

/* false: nothing of ours. */
static bool receive_response(struct aoe_disk *d, const struct aoe_message *m)
{
	struct aoe_cmd *cmd;

	if (m->h.shelf != d->shelf || m->h.slot != d->slot || !from_our_target(d, m))
		return false;
	if (is_announcement(d, m)) {
		aoe_keep_suspect(d);
		return true;
	}
	cmd = aoe_cmd_find(d, m->h.tag);
	if (!cmd || memcmp(m->h.dst, d->port.mac, ETH_ALEN) || !command_matches(cmd, m))
		return false;
	note_heard(d);
	note_copy(d, cmd, m->h.tag % AOE_COPIES);
	if (cmd->state == AOE_LINGER) {
		aoe_cmd_finish(d, cmd);
		return true;
	}
	if (cmd->control) {
		answer_control(d, cmd, m);
		return true;
	}
	aoe_window_answer(d);
	return aoe_io_answer(d, cmd, m) == 0;
}

void aoe_receive(struct switch_port *p, struct netbuf *nb)
{
	struct aoe_disk *d = container_of(p, struct aoe_disk, port);
	struct aoe_message m;
	int err = aoe_decode(nb->data, nb->len, &m);

	/* Other initiators' commands reach us when they are broadcast: not an event. */
	if (err || m.h.flags & AOE_FLAG_RESPONSE) {
		d->stats.rx_frames++;
		if (err || !receive_response(d, &m))
			d->stats.unexpected++;
		aoe_pump(d);
	}
	netbuf_put(nb);
}

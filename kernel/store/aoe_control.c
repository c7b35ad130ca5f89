/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single AoE commands that are not guest data, outside the window: a task waits
 * for them with a deadline, or a callback gets the answer. Here also the two
 * that open a disk: find the target, identify it.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

void aoe_wait_begin(struct aoe_disk *d)
{
	d->waiters++;
}

void aoe_wait_end(struct aoe_disk *d)
{
	if (!--d->waiters && d->closed)
		kfree(d);
}

int aoe_control_start(struct aoe_disk *d, struct aoe_control *c)
{
	struct aoe_cmd *cmd = aoe_cmd_alloc(d, AOE_KIND_CONTROL);

	if (!cmd)
		return -E_BUSY;
	c->done = false;
	c->err = 0;
	c->cmd = cmd;
	cmd->control = c;
	cmd->count = 0;
	cmd->lba = 0;
	aoe_cmd_start(d, cmd);
	return 0;
}

void aoe_control_abandon(struct aoe_disk *d, struct aoe_control *c)
{
	if (c->cmd)
		aoe_cmd_finish(d, c->cmd);
	c->cmd = NULL;
}

/* For aoe_close and aoe_set_mac: nobody waits for these answers any longer. */
void aoe_control_cancel_all(struct aoe_disk *d)
{
	for (unsigned i = 0; i < AOE_SLOTS; i++) {
		struct aoe_control *c = d->cmds[i].control;

		if (!c)
			continue;
		aoe_control_abandon(d, c);
		c->err = -E_CANCELLED;
		c->done = true;
	}
	waitq_wake_all(&d->wq);
}

static int control_wait(struct aoe_disk *d, struct aoe_control *c, uint64_t deadline_ns)
{
	while (!c->done) {
		int err = waitq_wait(&d->wq, deadline_ns);

		if (err && !c->done) {
			aoe_control_abandon(d, c);
			return err;
		}
	}
	return c->err;
}

int aoe_control_run(struct aoe_disk *d, struct aoe_control *c, uint64_t deadline_ns)
{
	int err;

	if (d->closed)
		return -E_CANCELLED;
	err = aoe_control_start(d, c);
	if (err)
		return err;
	aoe_wait_begin(d);
	err = control_wait(d, c, deadline_ns);
	aoe_wait_end(d);
	return err;
}

struct config_control {
	struct aoe_control control;
	struct aoe_config *out;
	struct aoe_disk *d;
};

static size_t config_encode(struct aoe_control *c, uint8_t *frame, const struct aoe_header *h)
{
	struct aoe_config q = {.ccmd = AOE_CONFIG_READ};

	return aoe_encode_config(frame, h, &q);
}

/* Whoever answers first is the target from now on. */
static int config_answer(struct aoe_control *c, const struct aoe_message *m)
{
	struct config_control *cc = container_of(c, struct config_control, control);

	*cc->out = m->config;
	memcpy(cc->d->target_mac, m->h.src, ETH_ALEN);
	cc->d->target_known = true;
	return 0;
}

int aoe_find_target(struct aoe_disk *d, struct aoe_config *out, uint64_t deadline_ns)
{
	struct config_control cc = {
	    .control = {.command = AOE_CMD_CONFIG,
			.encode = config_encode,
			.answer = config_answer},
	    .out = out,
	    .d = d,
	};

	return aoe_control_run(d, &cc.control, deadline_ns);
}

struct identify_control {
	struct aoe_control control;
	struct ata_identity *out;
};

static size_t identify_encode(struct aoe_control *c, uint8_t *frame, const struct aoe_header *h)
{
	struct aoe_ata a = {.count = 1, .cmd_status = ATA_IDENTIFY_DEVICE};

	return aoe_encode_ata(frame, h, &a);
}

static int identify_answer(struct aoe_control *c, const struct aoe_message *m)
{
	struct identify_control *ic = container_of(c, struct identify_control, control);

	if (m->ata.cmd_status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		return -E_IO;
	if (m->data_len < SECTOR_SIZE)
		return -E_AGAIN;
	return ata_identify_decode(m->data, ic->out);
}

int aoe_identify(struct aoe_disk *d, uint64_t deadline_ns)
{
	struct identify_control ic = {
	    .control = {.command = AOE_CMD_ATA,
			.encode = identify_encode,
			.answer = identify_answer},
	    .out = &d->id,
	};
	int err = aoe_control_run(d, &ic.control, deadline_ns);

	if (err)
		return err;
	if (!d->id.lba48) {
		log_warn("aoe: %s has no 48-bit addressing, which this initiator needs",
			 d->bd.name);
		return -E_NOTSUP;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration string of a target (AoEr11 section 3.2): read and force. A
 * target that restarts forgets it, which is how a move (migrate/handover.h) knows
 * whether the reservation list can be believed. What it says is decided above.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/lib/string.h"

struct string_control {
	struct aoe_control control;
	uint8_t ccmd;
	const void *text; /* to force */
	void *out;	  /* to read */
	size_t len, room;
};

static size_t string_encode(struct aoe_control *c, uint8_t *frame, const struct aoe_header *h)
{
	struct string_control *sc = container_of(c, struct string_control, control);
	struct aoe_config q = {.ccmd = sc->ccmd, .string_len = (uint16_t)sc->len};
	size_t at;

	if (sc->ccmd == AOE_CONFIG_READ)
		q.string_len = 0;
	at = aoe_encode_config(frame, h, &q);
	if (q.string_len)
		memcpy(frame + at, sc->text, q.string_len);
	return at + q.string_len;
}

/* The answer carries the string as it is now. */
static int string_answer(struct aoe_control *c, const struct aoe_message *m)
{
	struct string_control *sc = container_of(c, struct string_control, control);

	if ((m->config.ccmd & 0xf) != sc->ccmd)
		return -E_AGAIN;
	if (sc->ccmd != AOE_CONFIG_READ)
		return 0;
	sc->len = m->config.string_len;
	memcpy(sc->out, m->data, MIN(sc->len, sc->room));
	return 0;
}

int aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len, uint64_t deadline_ns)
{
	struct string_control sc = {.control = {.command = AOE_CMD_CONFIG,
						.encode = string_encode,
						.answer = string_answer},
				    .ccmd = AOE_CONFIG_READ,
				    .out = buf,
				    .room = room};
	int err = aoe_control_run(d, &sc.control, deadline_ns);

	if (!err)
		*len = sc.len;
	return err;
}

int aoe_config_force(struct aoe_disk *d, const void *text, size_t len, uint64_t deadline_ns)
{
	struct string_control sc = {.control = {.command = AOE_CMD_CONFIG,
						.encode = string_encode,
						.answer = string_answer},
				    .ccmd = AOE_CONFIG_FORCE,
				    .text = text,
				    .len = len};

	if (len > AOE_CONFIG_SHORT)
		return -E_RANGE;
	return aoe_control_run(d, &sc.control, deadline_ns);
}

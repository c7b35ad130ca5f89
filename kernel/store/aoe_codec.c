/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AoE frames to and from plain structs (AoEr11). Strict on input: a length or
 * version that does not fit is an error here, so that no caller checks again.
 * Whether a response belongs to a command is the caller's question.
 */
#include "kernel/store/aoe_codec.h"
#include "kernel/lib/string.h"

static void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static void decode_header(const uint8_t *f, struct aoe_header *h)
{
	memcpy(h->dst, f, ETH_ALEN);
	memcpy(h->src, f + 6, ETH_ALEN);
	h->flags = f[14] & 0xf;
	h->error = h->flags & AOE_FLAG_ERROR ? f[15] : 0;
	h->shelf = get_be16(f + 16);
	h->slot = f[18];
	h->command = f[19];
	h->tag = get_be32(f + 20);
}

static void encode_header(uint8_t *f, const struct aoe_header *h, uint8_t command)
{
	memset(f, 0, ETH_MIN_LEN);
	memcpy(f, h->dst, ETH_ALEN);
	memcpy(f + 6, h->src, ETH_ALEN);
	put_be16(f + 12, ETH_TYPE_AOE);
	f[14] = (uint8_t)(AOE_VERSION << 4 | (h->flags & 0xf));
	f[15] = h->error;
	put_be16(f + 16, h->shelf);
	f[18] = h->slot;
	f[19] = command;
	put_be32(f + 20, h->tag);
}

/* AoEr11 section 3.1. lba0 is the least significant byte. */
static void decode_ata(const uint8_t *f, struct aoe_ata *a)
{
	a->aflags = f[24];
	a->err_feature = f[25];
	a->count = f[26];
	a->cmd_status = f[27];
	a->lba = 0;
	for (unsigned i = 0; i < 6; i++)
		a->lba |= (uint64_t)f[28 + i] << (8 * i);
}

/* AoEr11 section 3.2. */
static void decode_config(const uint8_t *f, struct aoe_config *c)
{
	c->buffers = get_be16(f + 24);
	c->firmware = get_be16(f + 26);
	c->sectors = f[28];
	c->ccmd = f[29] & 0xf;
	c->string_len = get_be16(f + 30);
}

static size_t argument_len(uint8_t command)
{
	switch (command) {
	case AOE_CMD_ATA:
		return AOE_ATA_DATA;
	case AOE_CMD_CONFIG:
		return AOE_CONFIG_STRING;
	case AOE_CMD_MASK:
		return AOE_MASK_LIST;
	case AOE_CMD_RESERVE:
		return AOE_RESERVE_LIST;
	}
	return 0;
}

static int decode_argument(const uint8_t *f, size_t len, struct aoe_message *out)
{
	size_t fixed = argument_len(out->h.command), list = 0;

	if (len < fixed)
		return -E_INVAL;
	switch (out->h.command) {
	case AOE_CMD_ATA:
		decode_ata(f, &out->ata);
		break;
	case AOE_CMD_CONFIG:
		decode_config(f, &out->config);
		list = out->config.string_len;
		if (list > AOE_CONFIG_MAX)
			return -E_INVAL;
		break;
	case AOE_CMD_MASK:
		out->mask = (struct aoe_mask){.mcmd = f[25], .merror = f[26], .count = f[27]};
		list = (size_t)out->mask.count * AOE_MASK_DIR_LEN;
		break;
	default:
		out->reserve = (struct aoe_reserve){.rcmd = f[24], .count = f[25]};
		list = (size_t)out->reserve.count * ETH_ALEN;
		break;
	}
	if (len - fixed < list)
		return -E_INVAL;
	out->data = f + fixed;
	out->data_len = (uint32_t)(len - fixed);
	return 0;
}

/*
 * What vblade sends when it starts leaves the header's version 0; the config
 * argument does carry the version. Worth taking: it tells of a restart.
 */
static bool is_vblade_announcement(const uint8_t *f, size_t len)
{
	return len >= AOE_CONFIG_STRING && f[14] == AOE_FLAG_RESPONSE && f[19] == AOE_CMD_CONFIG &&
	       !get_be32(f + 20) && f[29] >> 4 == AOE_VERSION;
}

int aoe_decode(const uint8_t *frame, size_t len, struct aoe_message *out)
{
	memset(out, 0, sizeof(*out));
	if (len < AOE_ARG || len > UINT16_MAX || get_be16(frame + 12) != ETH_TYPE_AOE)
		return -E_INVAL;
	if (frame[14] >> 4 != AOE_VERSION && !is_vblade_announcement(frame, len))
		return -E_VERSION;
	decode_header(frame, &out->h);
	if (!argument_len(out->h.command))
		return -E_NOTSUP;
	/* A target may cut the argument of an error response: nothing in it counts. */
	if (out->h.flags & AOE_FLAG_ERROR)
		return 0;
	return decode_argument(frame, len, out);
}

size_t aoe_encode_ata(uint8_t *f, const struct aoe_header *h, const struct aoe_ata *a)
{
	encode_header(f, h, AOE_CMD_ATA);
	f[24] = a->aflags;
	f[25] = a->err_feature;
	f[26] = a->count;
	f[27] = a->cmd_status;
	for (unsigned i = 0; i < 6; i++)
		f[28 + i] = (uint8_t)(a->lba >> (8 * i));
	return AOE_ATA_DATA;
}

size_t aoe_encode_config(uint8_t *f, const struct aoe_header *h, const struct aoe_config *c)
{
	encode_header(f, h, AOE_CMD_CONFIG);
	put_be16(f + 24, c->buffers);
	put_be16(f + 26, c->firmware);
	f[28] = c->sectors;
	f[29] = (uint8_t)(AOE_VERSION << 4 | (c->ccmd & 0xf));
	put_be16(f + 30, c->string_len);
	return AOE_CONFIG_STRING;
}

size_t aoe_encode_mask(uint8_t *f, const struct aoe_header *h, const struct aoe_mask *m)
{
	encode_header(f, h, AOE_CMD_MASK);
	f[25] = m->mcmd;
	f[26] = m->merror;
	f[27] = m->count;
	return AOE_MASK_LIST;
}

size_t aoe_encode_reserve(uint8_t *f, const struct aoe_header *h, const struct aoe_reserve *r)
{
	encode_header(f, h, AOE_CMD_RESERVE);
	f[24] = r->rcmd;
	f[25] = r->count;
	return AOE_RESERVE_LIST;
}

static const struct {
	int code;
	const char *text;
} aoe_errors[] = {
    [AOE_ERR_COMMAND] = {-E_NOTSUP, "unrecognized command code"},
    [AOE_ERR_ARGUMENT] = {-E_INVAL, "bad argument parameter"},
    [AOE_ERR_UNAVAILABLE] = {-E_IO, "device unavailable"},
    [AOE_ERR_CONFIG] = {-E_EXIST, "configuration string present"},
    [AOE_ERR_VERSION] = {-E_VERSION, "unsupported version"},
    [AOE_ERR_RESERVED] = {-E_FENCED, "target is reserved"},
};

int aoe_error_code(uint8_t error)
{
	if (error >= ARRAY_SIZE(aoe_errors) || !aoe_errors[error].code)
		return -E_PROTO;
	return aoe_errors[error].code;
}

const char *aoe_error_text(uint8_t error)
{
	if (error >= ARRAY_SIZE(aoe_errors) || !aoe_errors[error].text)
		return "unknown error";
	return aoe_errors[error].text;
}

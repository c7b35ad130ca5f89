/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AoE frames (AoEr11, protocol version 1) to and from plain structs. Pure: no
 * state, no allocation, no time. Both directions of every command, so that a
 * test can play the target with the same functions.
 */
#ifndef KERNEL_STORE_AOE_CODEC_H
#define KERNEL_STORE_AOE_CODEC_H

#include "kernel/net/netbuf.h"

#define AOE_VERSION	    1
#define AOE_SHELF_BROADCAST 0xffff
#define AOE_SLOT_BROADCAST  0xff

/* AoEr11 section 2: command codes. */
#define AOE_CMD_ATA	0
#define AOE_CMD_CONFIG	1
#define AOE_CMD_MASK	2
#define AOE_CMD_RESERVE 3

/* AoEr11 section 2: flags, the low half of the version byte. */
#define AOE_FLAG_ERROR	  0x4
#define AOE_FLAG_RESPONSE 0x8

/* AoEr11 section 2: error codes, valid when AOE_FLAG_ERROR is set. */
#define AOE_ERR_COMMAND	    1
#define AOE_ERR_ARGUMENT    2
#define AOE_ERR_UNAVAILABLE 3
#define AOE_ERR_CONFIG	    4
#define AOE_ERR_VERSION	    5
#define AOE_ERR_RESERVED    6

/* AoEr11 section 3.1: AFlags. */
#define AOE_AFLAG_WRITE	 0x01
#define AOE_AFLAG_ASYNC	 0x02
#define AOE_AFLAG_DEVICE 0x10
#define AOE_AFLAG_EXT	 0x40

/* AoEr11 section 3.2: CCmd, what to do with the configuration string. */
#define AOE_CONFIG_READ	  0
#define AOE_CONFIG_TEST	  1
#define AOE_CONFIG_PREFIX 2
#define AOE_CONFIG_SET	  3
#define AOE_CONFIG_FORCE  4
#define AOE_CONFIG_MAX	  1024

/* AoEr11 section 3.3: MCmd and DCmd of the MAC mask list. */
#define AOE_MASK_READ	0
#define AOE_MASK_EDIT	1
#define AOE_MASK_NOP	0
#define AOE_MASK_ADD	1
#define AOE_MASK_DELETE 2

/* AoEr11 section 3.4: RCmd. */
#define AOE_RESERVE_READ  0
#define AOE_RESERVE_SET	  1
#define AOE_RESERVE_FORCE 2

/* Offsets in the frame of the argument, and of what follows the fixed argument. */
#define AOE_ARG		  24
#define AOE_ATA_DATA	  36
#define AOE_CONFIG_STRING 32
#define AOE_MASK_LIST	  28
#define AOE_MASK_DIR_LEN  8
#define AOE_RESERVE_LIST  26

struct aoe_header {
	uint8_t dst[ETH_ALEN];
	uint8_t src[ETH_ALEN];
	uint8_t flags; /* AOE_FLAG_* */
	uint8_t error; /* AOE_ERR_*; 0 without AOE_FLAG_ERROR */
	uint16_t shelf;
	uint8_t slot;
	uint8_t command;
	uint32_t tag;
};

struct aoe_ata {
	uint8_t aflags;
	uint8_t err_feature; /* request: feature register; response: error register */
	uint8_t count;
	uint8_t cmd_status; /* request: command register; response: status register */
	uint64_t lba;	    /* 48 bits */
};

struct aoe_config {
	uint16_t buffers; /* commands that the target can queue */
	uint16_t firmware;
	uint8_t sectors; /* most sectors in one ATA command */
	uint8_t ccmd;
	uint16_t string_len;
};

struct aoe_mask {
	uint8_t mcmd;
	uint8_t merror;
	uint8_t count; /* directives of AOE_MASK_DIR_LEN bytes */
};

struct aoe_reserve {
	uint8_t rcmd;
	uint8_t count; /* MACs */
};

/* A decoded frame. Everything was checked against the frame's length. */
struct aoe_message {
	struct aoe_header h;
	/* By h.command; not filled in a response that carries AOE_FLAG_ERROR. */
	union {
		struct aoe_ata ata;
		struct aoe_config config;
		struct aoe_mask mask;
		struct aoe_reserve reserve;
	};
	/* What follows the fixed argument, inside the frame; it includes Ethernet padding. */
	const uint8_t *data;
	uint32_t data_len;
};

/*
 * 0, -E_INVAL (not an AoE frame, too short, or a list longer than the frame),
 * -E_VERSION, -E_NOTSUP (unknown command).
 */
int must_check aoe_decode(const uint8_t *frame, size_t len, struct aoe_message *out);

/*
 * Encoders write header and fixed argument into frame, which has room for
 * ETH_MIN_LEN bytes at least, zeroed up to there, and return the length so far: the
 * offset at which data, string or list goes.
 */
size_t aoe_encode_ata(uint8_t *frame, const struct aoe_header *h, const struct aoe_ata *a);
size_t aoe_encode_config(uint8_t *frame, const struct aoe_header *h, const struct aoe_config *c);
size_t aoe_encode_mask(uint8_t *frame, const struct aoe_header *h, const struct aoe_mask *m);
size_t aoe_encode_reserve(uint8_t *frame, const struct aoe_header *h, const struct aoe_reserve *r);

/* AOE_ERR_* of a response -> our code and words. An unknown code is -E_PROTO. */
int aoe_error_code(uint8_t error);
const char *aoe_error_text(uint8_t error);

#endif

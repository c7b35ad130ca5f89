/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device state as data: a table names each field of a device's state struct
 * once, and one interpreter saves and loads it. The struct holds fixed-width
 * integers only: no pointers, no host time. Fields travel little-endian, in
 * table order, without padding.
 */
#ifndef VMM_DEV_STATE_H
#define VMM_DEV_STATE_H

#include "kernel/lib/base.h"

struct state_field {
	const char *name;
	uint32_t offset; /* in the struct */
	uint16_t size;	 /* of one element: 1, 2, 4 or 8 */
	uint16_t count;	 /* elements; 1 for a scalar */
};

struct state_table {
	const char *name; /* device kind, at most 15 characters: "vuart" */
	uint16_t version;
	uint32_t struct_size;
	const struct state_field *fields;
	uint16_t field_count;
};

/* A scalar member, an array member (of scalars), in struct type. */
#define STATE_FIELD(type, member)                                                                  \
	{                                                                                          \
#member, offsetof(type, member), sizeof(((type *)0)->member), 1                    \
	}
#define STATE_ARRAY(type, member)                                                                  \
	{                                                                                          \
#member, offsetof(type, member), sizeof(((type *)0)->member[0]),                   \
		    sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0])                   \
	}

/* A member of bytes, whatever they mean: an address, an array of addresses. */
#define STATE_BYTES(type, member)                                                                  \
	{                                                                                          \
#member, offsetof(type, member), 1, sizeof(((type *)0)->member)                    \
	}

/* Bytes that the state takes in a stream. */
size_t state_wire_size(const struct state_table *t);
/* Write obj to buf. Returns bytes written, or -E_NOSPC. */
int must_check state_save(const struct state_table *t, const void *obj, void *buf, size_t room);
/* Fill obj from buf. 0, or -E_INVAL when len is not exactly state_wire_size. */
int must_check state_load(const struct state_table *t, void *obj, const void *buf, size_t len);
/*
 * For the unit test: every byte of the struct is in exactly one field.
 * Returns 0 or the offset + 1 of the first byte that is in none or in two.
 */
uint32_t state_table_gap(const struct state_table *t);

#endif

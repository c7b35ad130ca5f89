/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interpreter of state tables: saves and loads any device's state struct,
 * field by field, little-endian. It knows no device; whether the values make
 * sense is each device's check.
 */
#include "vmm/dev/state.h"

#include "kernel/lib/string.h"

/* x86 is little-endian, but the wire format is defined, so say it in code. */
static void element_save(uint8_t *out, const uint8_t *in, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, in, size);
	for (unsigned i = 0; i < size; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static void element_load(uint8_t *out, const uint8_t *in, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)in[i] << (8 * i);
	memcpy(out, &value, size);
}

size_t state_wire_size(const struct state_table *t)
{
	size_t size = 0;

	for (unsigned i = 0; i < t->field_count; i++)
		size += (size_t)t->fields[i].size * t->fields[i].count;
	return size;
}

int state_save(const struct state_table *t, const void *obj, void *buf, size_t room)
{
	const uint8_t *base = obj;
	uint8_t *out = buf;

	if (room < state_wire_size(t))
		return -E_NOSPC;
	for (unsigned i = 0; i < t->field_count; i++) {
		const struct state_field *f = &t->fields[i];

		for (unsigned n = 0; n < f->count; n++) {
			element_save(out, base + f->offset + (size_t)n * f->size, f->size);
			out += f->size;
		}
	}
	return (int)(out - (uint8_t *)buf);
}

int state_load(const struct state_table *t, void *obj, const void *buf, size_t len)
{
	const uint8_t *in = buf;
	uint8_t *base = obj;

	if (len != state_wire_size(t))
		return -E_INVAL;
	for (unsigned i = 0; i < t->field_count; i++) {
		const struct state_field *f = &t->fields[i];

		for (unsigned n = 0; n < f->count; n++) {
			element_load(base + f->offset + (size_t)n * f->size, in, f->size);
			in += f->size;
		}
	}
	return 0;
}

uint32_t state_table_gap(const struct state_table *t)
{
	for (uint32_t byte = 0; byte < t->struct_size; byte++) {
		unsigned owners = 0;

		for (unsigned i = 0; i < t->field_count; i++) {
			const struct state_field *f = &t->fields[i];

			if (byte >= f->offset && byte - f->offset < (uint32_t)f->size * f->count)
				owners++;
		}
		if (owners != 1)
			return byte + 1;
	}
	return 0;
}

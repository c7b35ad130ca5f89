/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one JSON object (RFC 8259) into a buffer: names and values, one level. Text
 * comes out as ASCII, whatever it was. Nothing is read here.
 */
#ifndef KERNEL_LIB_JSON_H
#define KERNEL_LIB_JSON_H

#include "kernel/lib/base.h"

struct json {
	char *buf;
	size_t size, used;
	bool cut; /* did not fit: what is in buf is not JSON */
};

/* size at least 3: "{}" and the end. Names are the program's own and need no escapes. */
void json_begin(struct json *j, char *buf, size_t size);
void json_str(struct json *j, const char *name, const char *text);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);
/* Closes the object and terminates buf. False when it was cut. */
bool must_check json_end(struct json *j);

#endif

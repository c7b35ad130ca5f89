/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON writer. What does not fit sets a flag once; later calls change nothing. */
#include "kernel/lib/json.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

#define CLOSING 2 /* "}" and the end are always kept room for */

static void put(struct json *j, const char *text, size_t n)
{
	if (j->cut || n > j->size - j->used - CLOSING) {
		j->cut = true;
		return;
	}
	memcpy(j->buf + j->used, text, n);
	j->used += n;
}

static void put_text(struct json *j, const char *text)
{
	put(j, text, strlen(text));
}

void json_begin(struct json *j, char *buf, size_t size)
{
	*j = (struct json){.buf = buf, .size = size};
	put(j, "{", 1);
}

static void put_name(struct json *j, const char *name)
{
	put_text(j, j->used > 1 ? ", \"" : "\"");
	put_text(j, name);
	put_text(j, "\": ");
}

void json_str(struct json *j, const char *name, const char *text)
{
	char escape[8];

	put_name(j, name);
	put(j, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(j, "\\", 1);
		if (*text >= ' ' && *text <= '~') {
			put(j, text, 1);
			continue;
		}
		ksnprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)*text);
		put_text(j, escape);
	}
	put(j, "\"", 1);
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
	char text[24];

	ksnprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_name(j, name);
	put_text(j, text);
}

void json_bool(struct json *j, const char *name, bool value)
{
	put_name(j, name);
	put_text(j, value ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
	put_name(j, name);
	put_text(j, "null");
}

bool json_end(struct json *j)
{
	j->buf[j->used] = '}';
	j->buf[j->used + 1] = 0;
	return !j->cut;
}

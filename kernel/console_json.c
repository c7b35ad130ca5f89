/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame around a command's JSON objects; the objects are kernel/lib/json.h's. */
#include "kernel/console_json.h"

#include "kernel/lib/string.h"

#define ROW_MAX 2048

static struct {
	struct json json;
	char text[ROW_MAX];
	bool any;
} out;

bool console_json_wanted(int *argc, char **argv)
{
	if (*argc < 2 || strcmp(argv[*argc - 1], "--json") != 0)
		return false;
	(*argc)--;
	return true;
}

void console_json_begin(struct console *con)
{
	out.any = false;
	console_printf(con, "[\n");
}

struct json *console_json_row(void)
{
	json_begin(&out.json, out.text, sizeof(out.text));
	return &out.json;
}

void console_json_row_end(struct console *con)
{
	const char *text = json_end(&out.json) ? out.text : "{\"error\": \"too long to show\"}";

	if (out.any)
		console_printf(con, ",\n");
	out.any = true;
	console_write_raw(con, text, strlen(text));
}

void console_json_end(struct console *con)
{
	console_printf(con, "%s]\n", out.any ? "\n" : "");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* `store-list` and `store-check`: what is inside a datastore, and whether it is whole. */
#include "kernel/commands_stores.h"

#include "kernel/commands_stores_inner.h"
#include "kernel/lib/format.h"
#include "kernel/store/datastore.h"

static void print_object(struct console *con, const struct ds_info *info)
{
	char size[16], stored[16];

	table_cell(con, "%s", info->name);
	table_cell(con, "%s", ds_kind_text(info->kind));
	table_cell(con, "%s", format_size(size, info->size));
	table_cell(con, "%s", format_size(stored, info->stored));
}

int commands_store_list(struct console *con, int argc, char **argv)
{
	struct datastore *ds = commands_find_store(con, argc > 1 ? argv[1] : NULL);
	unsigned cursor = 0;
	struct ds_info info;
	struct ds_stat st;

	if (!ds)
		return -E_NOENT;
	ds_status(ds, &st);
	console_printf(con, "%u objects in %u runs of clusters\n", st.objects, st.fragments);
	table_begin(con, "OBJECT|KIND|>SIZE|>STORED");
	for (;;) {
		table_row(con);
		/* Printing may have blocked: the store may be closed by now. */
		ds = commands_find_store(con, argc > 1 ? argv[1] : NULL);
		if (!ds || ds_next(ds, &cursor, &info))
			break;
		print_object(con, &info);
	}
	table_end(con);
	return ds ? 0 : -E_NOENT;
}

int commands_store_check(struct console *con, int argc, char **argv)
{
	struct datastore *ds = commands_find_store(con, argc > 1 ? argv[1] : NULL);
	char why[160];
	int err;

	if (!ds)
		return -E_NOENT;
	err = ds_check(ds, why, sizeof(why));
	if (err)
		return console_fail(con, err, "%s", why);
	console_printf(con, "no fault found\n");
	return 0;
}

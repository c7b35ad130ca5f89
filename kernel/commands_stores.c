/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `stores`, `store-format`, `store-open`, `store-close`, `disk-create`: the datastores that this
 * host has open. What is inside one: commands_store_inside.c.
 */
#include "kernel/commands_stores.h"

#include "kernel/commands_stores_inner.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/stores.h"

struct datastore *commands_find_store(struct console *con, const char *name)
{
	struct datastore *ds = name ? stores_find(name) : stores_default();

	if (!ds && name)
		console_fail(con, -E_NOENT,
			     "store '%.31s': not open here; 'stores' shows which are", name);
	else if (!ds)
		console_fail(
		    con, -E_NOENT,
		    "no datastore is open here; 'stores' shows why, 'store-open' opens one");
	return ds;
}

void commands_complete_store(struct completion *c, int argc, char **argv)
{
	const struct store *s;

	for (unsigned i = 0; argc == 1 && (s = stores_at(i)); i++)
		completion_add(c, s->name);
}

static void print_where(struct console *con, const struct store *s)
{
	if (s->shared)
		table_cell(con, "e%u.%u", s->shelf, s->slot);
	else
		table_cell(con, "%s", s->bd ? s->bd->name : "-");
}

static int run_stores(struct console *con, int argc, char **argv)
{
	const struct store *s;
	char size[2][16];

	if (!stores_at(0)) {
		console_printf(con, "no datastores; 'store' shows the disks that could hold one\n");
		return 0;
	}
	table_begin(con, "NAME|ON|>SIZE|>FREE|>OBJECTS|STATE");
	for (unsigned i = 0; (s = stores_at(i)); i++) {
		struct ds_stat st = {.size = 0};

		if (s->ds)
			ds_status(s->ds, &st);
		table_row(con);
		table_cell(con, "%s", s->name);
		print_where(con, s);
		table_cell(con, "%s", s->ds ? format_size(size[0], st.size) : "-");
		table_cell(con, "%s", s->ds ? format_size(size[1], st.free) : "-");
		table_cell(con, "%u", st.objects);
		if (s->ds)
			table_cell(con, "open%s", s->ds == stores_default() ? ", default" : "");
		else
			table_cell(con, "closed");
	}
	table_end(con);
	for (unsigned i = 0; (s = stores_at(i)); i++)
		if (!s->ds)
			console_printf(con, "%s: %s\n", s->name, s->why);
	return 0;
}

static int run_format(struct console *con, int argc, char **argv)
{
	const char *disk = argc > 2 && strcmp(argv[2], "--yes") ? argv[2] : NULL;
	char why[160] = "";
	int err;

	if (strcmp(argv[argc - 1], "--yes"))
		return console_fail(con, -E_INVAL,
				    "this destroys what is there; add --yes when that is meant");
	err = stores_format(argv[1], disk, why, sizeof(why));
	if (err)
		return console_fail(con, err, "store '%.31s': %s", argv[1],
				    why[0] ? why : err_text(err));
	return 0;
}

static int run_open(struct console *con, int argc, char **argv)
{
	char why[160] = "";
	int err;

	if (argc == 3 && strcmp(argv[2], "--force"))
		return console_fail(con, -E_INVAL, "'%.20s': the only option is --force", argv[2]);
	err = stores_open(argv[1], argc == 3, why, sizeof(why));
	if (err)
		return console_fail(con, err, "store '%.31s': %s", argv[1],
				    why[0] ? why : err_text(err));
	return 0;
}

static int run_close(struct console *con, int argc, char **argv)
{
	char why[160] = "";
	int err = stores_close(argv[1], why, sizeof(why));

	if (err)
		return console_fail(con, err, "store '%.31s': %s", argv[1],
				    why[0] ? why : err_text(err));
	return 0;
}

static int run_disk_create(struct console *con, int argc, char **argv)
{
	struct datastore *ds = commands_find_store(con, argv[1]);
	struct ds_object *o;
	struct ds_info info;
	uint64_t size;
	int err;

	if (!ds)
		return -E_NOENT;
	if (str_to_size(argv[3], &size) || !size || size % SECTOR_SIZE || size > DS_SIZE_MAX)
		return console_fail(con, -E_INVAL, "'%.20s': expected a size like 512M or 20G",
				    argv[3]);
	if (!ds_find(ds, argv[2], &info))
		return console_fail(con, -E_EXIST, "'%.60s' is there already", argv[2]);
	err = ds_create(ds, argv[2], DS_DISK, size, &o);
	if (!err) {
		err = ds_commit(o);
		ds_put(o);
	}
	if (err)
		return console_fail(con, err, "disk '%.60s': %s", argv[2], err_text(err));
	return 0;
}

static const struct command commands[] = {
    {
	.name = "stores",
	.args = "",
	.summary = "datastores of this host: where, size, free",
	.help = "Example: stores\n"
		"Those on local disks are found at boot; those on shared storage are named in\n"
		"host.conf. VMs' definitions, logs and saved states go to the default one.\n",
	.run = run_stores,
    },
    {
	.name = "store-list",
	.args = "[STORE]",
	.summary = "objects in a datastore: kind, size, space taken",
	.help = "Example: store-list main\n"
		"STORED is without holes; clones show what they share, too. As many runs as\n"
		"objects: nothing is fragmented.\n",
	.max_args = 1,
	.run = commands_store_list,
	.complete = commands_complete_store,
    },
    {
	.name = "store-check",
	.args = "[STORE]",
	.summary = "verify a datastore: its tables on the disk and against each other",
	.help = "Example: store-check main\n"
		"Reads all its metadata again; the contents of objects have no checksums here.\n",
	.max_args = 1,
	.run = commands_store_check,
	.complete = commands_complete_store,
    },
    {
	.name = "store-format",
	.args = "STORE [DISK] --yes",
	.summary = "make a new datastore: what is on the disk is lost",
	.help = "Example: store-format main ata1 --yes\n"
		"Uses the disk's partition for datastores if it has one, else the whole disk.\n"
		"Without a disk: the AoE target that host.conf names for this store.\n",
	.min_args = 1,
	.max_args = 3,
	.run = run_format,
	.complete = commands_complete_store,
    },
    {
	.name = "store-open",
	.args = "STORE [--force]",
	.summary = "open a datastore that was closed, or that another host had",
	.help = "Example: store-open pool1\n"
		"One host at a time may have a store on shared storage open. --force takes it\n"
		"away: only when you know that the host that has it is off.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_open,
	.complete = commands_complete_store,
    },
    {
	.name = "store-close",
	.args = "STORE",
	.summary = "let go of a datastore, so that another host can open it",
	.help = "Example: store-close pool1\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_close,
	.complete = commands_complete_store,
    },
    {
	.name = "disk-create",
	.args = "STORE OBJECT SIZE",
	.summary = "make an empty disk in a datastore",
	.help = "Example: disk-create main disk/web/vda 20G\n"
		"Takes space only where it is written. In vm.conf: 'disk vda store main'.\n",
	.min_args = 3,
	.max_args = 3,
	.run = run_disk_create,
	.complete = commands_complete_store,
    },
};

const struct command_group commands_stores_group = {"Datastores", commands, ARRAY_SIZE(commands)};

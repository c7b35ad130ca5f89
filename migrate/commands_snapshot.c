/* SPDX-License-Identifier: BSD-2-Clause */
/* `snapshot`, `revert`, `snapshots` and `snapshot-delete`: words for migrate/snapshot.h. */
#include "migrate/commands_move.h"

#include "kernel/console_json.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "migrate/snapshot.h"
#include "vmm/commands_vm.h"

/* Is the word after VM and NAME this option, or is there none? */
static int check_option(struct console *con, int argc, char **argv, const char *option)
{
	if (argc < 4 || !strcmp(argv[3], option))
		return 0;
	return console_fail(con, -E_INVAL, "'%.20s': the only option is %s; nothing was done",
			    argv[3], option);
}

static int run_snapshot(struct console *con, int argc, char **argv)
{
	struct vm *vm = commands_find_vm(con, argv[1]);
	char why[160] = "";
	uint32_t id;
	int err;

	if (!vm)
		return -E_NOENT;
	err = check_option(con, argc, argv, "--skip-disks");
	if (err)
		return err;
	err = snapshot_start(vm, argv[2], argc > 3, &id, why, sizeof(why));
	if (err)
		return console_fail(con, err, "vm '%.31s': no snapshot: %s", argv[1], why);
	return commands_watch_move(con, id);
}

static int run_revert(struct console *con, int argc, char **argv)
{
	char why[160] = "";
	uint32_t id;
	int err;

	err = check_option(con, argc, argv, "--force");
	if (err)
		return err;
	err = revert_start(argv[1], argv[2], argc > 3, &id, why, sizeof(why));
	if (err)
		return console_fail(con, err, "vm '%.31s': not reverted: %s", argv[1], why);
	return commands_watch_move(con, id);
}

static int run_delete(struct console *con, int argc, char **argv)
{
	char why[160] = "";
	int err = snapshot_remove(argv[1], argv[2], why, sizeof(why));

	if (err)
		return console_fail(con, err, "snapshot '%.31s' of vm '%.31s': %s", argv[2],
				    argv[1], why);
	return 0;
}

/* ---- the table ---------------------------------------------------------------------- */

static const char *state_words(const struct snapshot *s, const struct snapshot_size *z)
{
	if (!s->cfg.name[0])
		return "damaged";
	if (z->lacking)
		return "lacks a disk";
	return z->state ? "yes" : "no";
}

static void print_row(struct console *con, const struct snapshot *s)
{
	struct snapshot_size z;
	char date[32] = "-", size[2][16];

	table_row(con);
	snapshot_measure(s, &z);
	if (s->taken_s)
		format_date(date, s->taken_s);
	table_cell(con, "%s", s->vm);
	table_cell(con, "%s", s->name);
	table_cell(con, "%s", date);
	table_cell(con, "%u", z.disks);
	table_cell(con, "%s", format_size(size[0], z.stored));
	table_cell(con, "%s", format_size(size[1], z.own));
	table_cell(con, "%s", state_words(s, &z));
	table_cell(con, "%s", stores_name(s->home));
}

static void print_json(struct console *con, const struct snapshot *s)
{
	struct json *j = console_json_row();
	struct snapshot_size z;

	snapshot_measure(s, &z);
	json_str(j, "vm", s->vm);
	json_str(j, "name", s->name);
	json_u64(j, "taken_s", s->taken_s);
	json_str(j, "host", s->host);
	json_u64(j, "disks", z.disks);
	json_u64(j, "stored_bytes", z.stored);
	json_u64(j, "own_bytes", z.own);
	json_bool(j, "state", z.state);
	json_bool(j, "complete", s->cfg.name[0] && !z.lacking);
	json_str(j, "store", stores_name(s->home));
	console_json_row_end(con);
}

static void list_store(struct console *con, struct datastore *ds, const char *vm, bool json,
		       struct snapshot *s)
{
	unsigned cursor = 0;

	while (!snapshot_next(ds, &cursor, s)) {
		if (vm && strcmp(s->vm, vm))
			continue;
		if (json)
			print_json(con, s);
		else
			print_row(con, s);
	}
}

static int run_snapshots(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	struct snapshot *s = kzalloc(sizeof(*s));
	const struct store *store;

	if (!s)
		return -E_NOMEM;
	snapshots_clean_if_idle();
	if (json)
		console_json_begin(con);
	else
		table_begin(con, "VM|SNAPSHOT|TAKEN|>DISKS|>STORED|>OWN|MEMORY|STORE");
	for (unsigned i = 0; (store = stores_at(i)); i++) {
		struct datastore *ds = store->ds;

		if (!ds)
			continue;
		stores_hold(ds); /* reading and printing block */
		list_store(con, ds, argc > 1 ? argv[1] : NULL, json, s);
		stores_release(ds);
	}
	if (json)
		console_json_end(con);
	else
		table_end(con);
	kfree(s);
	return 0;
}

/* ---- completion --------------------------------------------------------------------- */

/* The VMs that have snapshots (of: NULL), or the snapshots of one. */
static void offer(struct completion *c, const char *of)
{
	char vm[VM_NAME_LEN], name[SNAPSHOT_NAME_LEN];
	const struct store *store;

	for (unsigned i = 0; (store = stores_at(i)); i++) {
		unsigned cursor = 0;

		while (store->ds && !snapshot_next_name(store->ds, &cursor, vm, name)) {
			if (!of)
				completion_add(c, vm);
			else if (!strcmp(vm, of))
				completion_add(c, name);
		}
	}
}

static void complete_snapshot(struct completion *c, int argc, char **argv)
{
	if (argc == 1 || argc == 2)
		offer(c, argc == 1 ? NULL : argv[1]);
}

static const struct command commands[] = {
    {
	.name = "snapshot",
	.args = "VM NAME [--skip-disks]",
	.summary = "keep disks, memory and definition of a VM as they are now",
	.help =
	    "Example: snapshot web before-upgrade\n"
	    "A guest that runs stands still meanwhile and goes on. Disks in datastores are\n"
	    "not copied: what stays the same is stored once. One of a VM that is off has no\n"
	    "memory. Disks that are in no datastore (AoE targets, whole local disks) cannot\n"
	    "be in it: --skip-disks leaves them out, and memory too, which would not fit them.\n",
	.min_args = 2,
	.max_args = 3,
	.run = run_snapshot,
	.complete = commands_complete_vm,
    },
    {
	.name = "revert",
	.args = "VM NAME [--force]",
	.summary = "put a VM back to a snapshot: what came after is lost",
	.help = "Example: revert web before-upgrade\n"
		"The VM must be off; --force destroys it, or defines one that is not here any\n"
		"more. If the snapshot has memory the guest goes on from it, with another\n"
		"generation id, else it is off afterwards. Cut off half-way the VM does not\n"
		"start until 'revert' is run again.\n",
	.min_args = 2,
	.max_args = 3,
	.run = run_revert,
	.complete = complete_snapshot,
    },
    {
	.name = "snapshots",
	.args = "[VM] [--json]",
	.summary = "snapshots in the datastores that are open here",
	.help = "Example: snapshots web\n"
		"STORED counts what is shared with the VM's disks and other snapshots, OWN what\n"
		"'snapshot-delete' would free.\n",
	.max_args = 2,
	.run = run_snapshots,
	.complete = complete_snapshot,
    },
    {
	.name = "snapshot-delete",
	.args = "VM NAME",
	.summary = "forget a snapshot; the VM and other snapshots stay",
	.help = "Example: snapshot-delete web before-upgrade\n",
	.min_args = 2,
	.max_args = 2,
	.run = run_delete,
	.complete = complete_snapshot,
    },
};

const struct command_group commands_snapshot_group = {"Snapshots", commands, ARRAY_SIZE(commands)};

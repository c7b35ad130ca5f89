/* SPDX-License-Identifier: BSD-2-Clause */
/* `save`, `restore`, `saved` and `saved-delete`: VMs that rest in a datastore. */
#include "migrate/commands_move.h"

#include "kernel/commands_stores.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/stores.h"
#include "migrate/save.h"
#include "vmm/commands_vm.h"

static int run_save(struct console *con, int argc, char **argv)
{
	struct vm *vm = commands_find_vm(con, argv[1]);
	struct datastore *ds;
	uint32_t id;
	int err;

	if (!vm)
		return -E_NOENT;
	ds = commands_find_store(con, argc > 2 ? argv[2] : NULL);
	if (!ds)
		return -E_NOENT;
	err = save_start(vm, ds, &id);
	if (err)
		return console_fail(con, err, "vm '%s' is %s%s: it was not saved: %s", argv[1],
				    vm_state_name(vm->state),
				    vm->move_under_way ? " and on a move" : "", err_text(err));
	return commands_watch_move(con, id);
}

/* The store that was named, else the one that has a state of this VM. */
static struct datastore *find_state(struct console *con, const char *vm, const char *store)
{
	char name[DS_NAME_LEN];
	struct datastore *ds;

	if (store)
		return commands_find_store(con, store);
	ds = stores_saved(vm);
	if (ds)
		return ds;
	ksnprintf(name, sizeof(name), USED_PREFIX "%.31s", vm);
	ds = stores_holding(name);
	if (!ds)
		console_fail(con, -E_NOENT,
			     "vm '%.31s': no open datastore has a saved state; 'saved' lists them",
			     vm);
	return ds;
}

/* Words for what restore_start refuses. */
static int refused(struct console *con, int err, const char *name, const char *store)
{
	const struct vm *vm = vm_find(name);

	if (err == -E_NOENT)
		return console_fail(con, err, "vm '%.31s': store %s has no saved state of it", name,
				    store);
	if (err == -E_EXIST)
		return console_fail(con, err,
				    "vm '%.31s': its state was restored before, and what happened "
				    "since would happen twice; --again insists",
				    name);
	if (err == -E_STATE)
		return console_fail(con, err,
				    "vm '%.31s' is %s here: 'shutdown' or 'destroy' it first", name,
				    vm ? vm_state_name(vm->state) : "gone");
	return console_fail(con, err, "vm '%.31s': not restored: %s", name, err_text(err));
}

static int run_restore(struct console *con, int argc, char **argv)
{
	struct restore_options opt = {.again = false};
	const char *store = NULL;
	struct datastore *ds;
	uint32_t id;
	int err;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--again"))
			opt.again = true;
		else if (!strcmp(argv[i], "--force"))
			opt.force = true;
		else if (argv[i][0] != '-' && !store)
			store = argv[i];
		else
			return console_fail(con, -E_INVAL,
					    "'%.20s': expected a datastore, --again or --force",
					    argv[i]);
	}
	ds = find_state(con, argv[1], store);
	if (!ds)
		return -E_NOENT;
	err = restore_start(argv[1], ds, &opt, &id);
	if (err)
		return refused(con, err, argv[1], stores_name(ds));
	return commands_watch_move(con, id);
}

/* One line; the objects may come and go while it is printed. */
static void print_state(struct console *con, const struct store *s, const struct ds_info *i)
{
	char size[16];

	table_row(con);
	table_cell(con, "%s", strchr(i->name, '/') + 1);
	table_cell(con, "%s", s->name);
	table_cell(con, "%s", format_size(size, i->size));
	table_cell(con, "%s",
		   strncmp(i->name, USED_PREFIX, strlen(USED_PREFIX)) ? "waits" : "used");
}

static bool is_state(const struct ds_info *i)
{
	return i->kind == DS_SAVED && (!strncmp(i->name, SAVED_PREFIX, strlen(SAVED_PREFIX)) ||
				       !strncmp(i->name, USED_PREFIX, strlen(USED_PREFIX)));
}

static int run_saved(struct console *con, int argc, char **argv)
{
	const struct store *s;
	struct ds_info info;

	table_begin(con, "VM|STORE|>SIZE|STATE");
	for (unsigned i = 0; (s = stores_at(i)); i++) {
		unsigned cursor = 0;

		while (s->ds && !ds_next(s->ds, &cursor, &info))
			if (is_state(&info))
				print_state(con, s, &info);
	}
	table_end(con);
	return 0;
}

static int run_delete(struct console *con, int argc, char **argv)
{
	struct datastore *ds = find_state(con, argv[1], argc > 2 ? argv[2] : NULL);
	char name[DS_NAME_LEN];
	int err;

	if (!ds)
		return -E_NOENT;
	ksnprintf(name, sizeof(name), SAVED_PREFIX "%.31s", argv[1]);
	err = ds_remove(ds, name);
	if (err == -E_NOENT) {
		ksnprintf(name, sizeof(name), USED_PREFIX "%.31s", argv[1]);
		err = ds_remove(ds, name);
	}
	if (err)
		return console_fail(con, err, "'%s' in store %s: %s", name, stores_name(ds),
				    err_text(err));
	return 0;
}

static void complete_store(struct completion *c, int argc, char **argv)
{
	if (argc == 1)
		commands_complete_vm(c, argc, argv);
	else
		commands_complete_store(c, argc - 1, argv + 1);
}

static const struct command commands[] = {
    {
	.name = "save",
	.args = "VM [STORE]",
	.summary = "write a VM with its memory into a datastore and switch it off",
	.help =
	    "Example: save web\n"
	    "The guest stands still meanwhile. 'restore' lets it go on, at once or days\n"
	    "later, here or at another host that opens the store. Ctrl-C cancels: it goes on.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_save,
	.complete = complete_store,
    },
    {
	.name = "restore",
	.args = "VM [STORE] [--again] [--force]",
	.summary = "let a saved VM go on",
	.help = "Example: restore web\n"
		"First the checks of a move are made. A state is used once: --again restores it\n"
		"once more, and the guest's generation id changes. --force goes on although a\n"
		"disk may have changed since the save: the guest's file system may suffer.\n",
	.min_args = 1,
	.max_args = 4,
	.run = run_restore,
	.complete = complete_store,
    },
    {
	.name = "saved",
	.args = "",
	.summary = "saved VMs in the datastores that are open here",
	.help = "Example: saved\n",
	.run = run_saved,
    },
    {
	.name = "saved-delete",
	.args = "VM [STORE]",
	.summary = "forget a saved VM; its disks stay",
	.help = "Example: saved-delete web\n"
		"Its shared disks stay reserved for it: 'start web --force' takes them.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_delete,
	.complete = complete_store,
    },
};

const struct command_group commands_save_group = {"Saved VMs", commands, ARRAY_SIZE(commands)};

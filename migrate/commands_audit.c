/* SPDX-License-Identifier: BSD-2-Clause */
/* `audit` before a move, `validate` after it. Both only look; seeing and judging are elsewhere. */
#include "migrate/commands_move.h"

#include "kernel/console_json.h"
#include "kernel/mem.h"
#include "migrate/move_options.h"
#include "migrate/validate.h"
#include "vmm/commands_vm.h"

static void validation_json(struct console *con, const struct validate_list *l)
{
	console_json_begin(con);
	for (unsigned i = 0; i < l->count; i++) {
		struct json *j = console_json_row();

		json_str(j, "result", check_result_name(l->list[i].result));
		json_str(j, "check", l->list[i].name);
		json_str(j, "seen", l->list[i].words);
		console_json_row_end(con);
	}
	console_json_end(con);
}

static void validation_table(struct console *con, const struct validate_list *l)
{
	table_begin(con, "RESULT|CHECK|WHAT WAS SEEN");
	for (unsigned i = 0; i < l->count; i++) {
		table_row(con);
		table_cell(con, "%s", check_result_name(l->list[i].result));
		table_cell(con, "%s", l->list[i].name);
		table_cell(con, "%s", l->list[i].words);
	}
	table_end(con);
}

static int show_validation(struct console *con, const char *vm, const struct validate_list *l,
			   bool json)
{
	if (json)
		validation_json(con, l);
	else
		validation_table(con, l);
	if (l->failed)
		return console_fail(
		    con, -E_STATE,
		    "vm '%.31s': %u of %u checks failed; docs/audit.md says what to do", vm,
		    l->failed, l->count);
	return 0;
}

static int run_validate(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	struct validate_list *l;
	int err;

	if (argc != 2)
		return console_fail(con, -E_INVAL, "expected: validate VM [--json]");
	if (!commands_find_vm(con, argv[1]))
		return -E_NOENT;
	l = kzalloc(sizeof(*l));
	if (!l)
		return -E_NOMEM;
	err = validate_vm(argv[1], l);
	if (!err)
		err = show_validation(con, argv[1], l, json);
	else if (err == -E_STATE)
		console_fail(con, err, "vm '%.31s' is off: there is nothing to look at", argv[1]);
	else if (err == -E_NOENT)
		console_fail(con, err, "vm '%.31s' left this host meanwhile", argv[1]);
	kfree(l);
	return err;
}

/* Printing may block, and then the list may be gone. */
static void checks_json(struct console *con, uint32_t id)
{
	console_json_begin(con);
	for (unsigned i = 0;; i++) {
		const struct check_list *l = migrate_checks(id);
		struct json *j;

		if (!l || i >= l->count)
			break;
		j = console_json_row();
		json_str(j, "result", check_result_name(l->list[i].result));
		json_str(j, "check", l->list[i].name);
		json_str(j, "here", l->list[i].source);
		json_str(j, "there", l->list[i].target);
		console_json_row_end(con);
	}
	console_json_end(con);
}

/* A dry run of a move, with measurements; its options change what is judged and estimated. */
static int run_audit(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	const struct vm *vm;
	struct move_words words;
	char why[160];
	uint32_t id;
	int err;

	if (argc < 3)
		return console_fail(con, -E_INVAL, "expected: audit VM HOST [OPTIONS] [--json]");
	vm = vm_find(argv[1]);
	err = move_options_parse(argc - 3, argv + 3, &words, why, sizeof(why));
	if (err)
		return console_fail(con, err, "%s", why);
	words.opt.audit = true;
	words.opt.cold |= vm && vm->state == VM_OFF; /* no other move takes it */
	err = commands_start_move(con, argv[1], argv[2], &words.opt, &id);
	if (err)
		return err;
	err = json ? commands_wait_move(con, id) : commands_watch_move(con, id);
	if (json)
		checks_json(con, id);
	return err;
}

static const struct command commands[] = {
    {
	.name = "audit",
	.args = "VM HOST [OPTIONS] [--json]",
	.summary = "would a move go well? checks and measurements, nothing is moved",
	.help = "Example: audit web beta --max-downtime 100\n"
		"The checks of 'migrate', and how fast link and disks are against what the guest\n"
		"does now, what it knows its machine by, and how long a move would take. The\n"
		"options are those of 'migrate'. Takes some seconds; the guest runs on.\n"
		"Of a VM that is off: what a --cold move would depend on.\n",
	.min_args = 2,
	.max_args = 14,
	.run = run_audit,
	.complete = commands_complete_move,
    },
    {
	.name = "validate",
	.args = "VM [--json]",
	.summary = "is a VM well here? its disks, network, CPUs, timers, console",
	.help = "Example: validate web\n"
		"Looks for some seconds. After a hot move it happens by itself; the result is in\n"
		"the log, and in 'info'.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_validate,
	.complete = commands_complete_vm,
    },
};

const struct command_group commands_audit_group = {"Before and after a move", commands,
						   ARRAY_SIZE(commands)};

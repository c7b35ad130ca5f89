/* SPDX-License-Identifier: BSD-2-Clause */
/* `validate`: is a VM well where it is. Seeing and judging are validate*.c's; here are words. */
#include "migrate/commands_move.h"

#include "kernel/mem.h"
#include "migrate/validate.h"
#include "vmm/commands_vm.h"

static const char *result_name(enum check_result r)
{
	static const char *const words[] = {"pass", "note", "FAIL"};

	return words[r];
}

static int show_validation(struct console *con, const char *vm, const struct validate_list *l)
{
	table_begin(con, "RESULT|CHECK|WHAT WAS SEEN");
	for (unsigned i = 0; i < l->count; i++) {
		table_row(con);
		table_cell(con, "%s", result_name(l->list[i].result));
		table_cell(con, "%s", l->list[i].name);
		table_cell(con, "%s", l->list[i].words);
	}
	table_end(con);
	if (l->failed)
		return console_fail(
		    con, -E_STATE,
		    "vm '%.31s': %u of %u checks failed; docs/audit.md says what to do", vm,
		    l->failed, l->count);
	return 0;
}

static int run_validate(struct console *con, int argc, char **argv)
{
	struct validate_list *l;
	int err;

	if (!commands_find_vm(con, argv[1]))
		return -E_NOENT;
	l = kzalloc(sizeof(*l));
	if (!l)
		return -E_NOMEM;
	err = validate_vm(argv[1], l);
	if (!err)
		err = show_validation(con, argv[1], l);
	else if (err == -E_STATE)
		console_fail(con, err, "vm '%.31s' is off: there is nothing to look at", argv[1]);
	else if (err == -E_NOENT)
		console_fail(con, err, "vm '%.31s' left this host meanwhile", argv[1]);
	kfree(l);
	return err;
}

static const struct command commands[] = {
    {
	.name = "validate",
	.args = "VM",
	.summary = "is a VM well here? its disks, network, CPUs, timers, console",
	.help = "Example: validate web\n"
		"Looks for some seconds. After a hot move it happens by itself; the result is in\n"
		"the log, and in 'info'.\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_validate,
	.complete = commands_complete_vm,
    },
};

const struct command_group commands_audit_group = {"Before and after a move", commands,
						   ARRAY_SIZE(commands)};

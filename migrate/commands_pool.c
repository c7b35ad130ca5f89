/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `drain`, `undrain`, `balance`: a plan is shown, then carried out by the queue while
 * the console watches. Plans are plan.h's, moves are the queue's; here are words.
 */
#include "migrate/commands_pool.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "migrate/commands_queue.h"
#include "migrate/pool.h"
#include "migrate/queue.h"

/* One console, one command at a time. */
static struct plan_input in;
static struct plan plan;

static void print_moves(struct console *con)
{
	char size[16];

	if (!plan.move_count)
		return;
	table_begin(con, "VM|TO|HOW|>MEMORY|>CPUS IN USE");
	for (unsigned i = 0; i < plan.move_count; i++) {
		const struct plan_move *m = &plan.moves[i];
		const struct plan_vm *v = &in.vms[m->vm];

		table_row(con);
		table_cell(con, "%s", v->name);
		table_cell(con, "%s", in.hosts[m->to].name);
		table_cell(con, "%s", plan_how_name(m->how));
		table_cell(con, "%s", format_size(size, v->memory));
		table_cell(con, "%u.%02u", v->cpu_permille / 1000, v->cpu_permille % 1000 / 10);
	}
	table_end(con);
}

/* How many stay that are not off: those do not keep anybody from switching the host off. */
static unsigned print_stays(struct console *con)
{
	unsigned count = 0;

	for (unsigned i = 0; i < plan.stay_count; i++) {
		const struct plan_vm *v = &in.vms[plan.stays[i].vm];

		console_printf(con, "%s stays: %s\n", v->name, plan.stays[i].why);
		count += v->state != PLAN_OFF;
	}
	return count;
}

static void cell_percent(struct console *con, uint32_t permille)
{
	table_cell(con, "%u.%u %%", permille / 10, permille % 10);
}

/* Each host now, and as the plan leaves it. */
static void print_hosts(struct console *con)
{
	table_begin(con, "HOST|>CPU NOW|>AFTER|>MEMORY NOW|>AFTER|STATE");
	for (unsigned i = 0; i < in.host_count; i++) {
		const struct plan_host *h = &in.hosts[i], *after = &plan.after[i];

		table_row(con);
		table_cell(con, "%s", h->name);
		cell_percent(con, plan_cpu_load(h));
		cell_percent(con, plan_cpu_load(after));
		cell_percent(con, plan_memory_load(h));
		cell_percent(con, plan_memory_load(after));
		table_cell(con, "%s",
			   h->drained	    ? "drained"
			   : h->unknown	    ? "does not say its load"
			   : h->runs_guests ? "-"
					    : "runs no guests");
	}
	table_end(con);
}

/* only: NULL, then any host may be the target; else its index in the input. */
static int find_only(struct console *con, const char *only, size_t *target)
{
	*target = SIZE_MAX;
	if (!only)
		return 0;
	for (unsigned i = 1; i < in.host_count; i++)
		if (!strcmp(in.hosts[i].name, only))
			*target = i;
	if (*target != SIZE_MAX)
		return 0;
	return console_fail(con, -E_NOENT,
			    "host '%.31s': not heard on the wire, or of another pool; 'peers' "
			    "shows who is",
			    only);
}

/* Plans and moves, again for VMs that a target's checks refused, until no target is left. */
static int move_away(struct console *con, const char *only, const struct migrate_options *opt,
		     bool wait)
{
	struct queue_watch w = {.con = con};
	unsigned moved = 0, stay;
	bool all = true;
	int err = 0;

	pool_forget();
	for (unsigned round = 0; round < PLAN_HOSTS_MAX; round++) {
		size_t target;

		w.failed = w.refused = 0; /* they are planned anew */
		all = pool_look(&in);
		if (!all)
			console_printf(con, "more than %d VMs: the first ones now\n", PLAN_VMS_MAX);
		err = find_only(con, only, &target);
		if (err)
			return err;
		err = plan_drain(&in, 0, target, &plan);
		if (err || !plan.move_count || opt->dry_run)
			break;
		if (round && all)
			console_printf(con, "trying other hosts for what was refused\n");
		print_moves(con);
		err = queue_watch_plan(&w, &in, &plan, opt, wait);
		moved += w.moved;
		if (err || !wait || !(w.refused || (!all && w.moved)))
			break;
	}
	if (opt->dry_run)
		print_moves(con);
	stay = print_stays(con);
	if (err || opt->dry_run)
		return err;
	if (wait)
		console_printf(con, "%u VMs moved\n", moved);
	if (!all)
		return console_fail(con, -E_STATE,
				    "more than %d VMs: some were not looked at; the same command "
				    "goes on with them",
				    PLAN_VMS_MAX);
	stay += w.failed + w.refused;
	if (stay)
		return console_fail(con, -E_STATE,
				    "%u VMs that are not off stay here, for the reasons above",
				    stay);
	return 0;
}

static bool take_word(int *argc, char **argv, const char *word)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], word) != 0)
			continue;
		for (int k = i; k + 1 < *argc; k++)
			argv[k] = argv[k + 1];
		(*argc)--;
		return true;
	}
	return false;
}

static int run_drain(struct console *con, int argc, char **argv)
{
	bool background = take_word(&argc, argv, "--background");
	struct migrate_options opt = {.dry_run = take_word(&argc, argv, "--dry-run")};

	if (argc > 1)
		return console_fail(con, -E_INVAL,
				    "'%.20s': the options are --dry-run and --background", argv[1]);
	if (!opt.dry_run) {
		migrate_set_drained(true);
		console_printf(con, "this host takes no VMs from now on; 'undrain' ends that\n");
	}
	return move_away(con, NULL, &opt, !background);
}

static int run_undrain(struct console *con, int argc, char **argv)
{
	if (!migrate_drained())
		console_printf(con, "this host was not drained\n");
	migrate_set_drained(false);
	queue_drop(false);
	return 0;
}

static int run_balance(struct console *con, int argc, char **argv)
{
	bool background = take_word(&argc, argv, "--background");
	bool carry_out = take_word(&argc, argv, "--do");
	struct queue_watch w = {.con = con};
	struct migrate_options opt = {0};
	int err;

	if (argc > 1)
		return console_fail(con, -E_INVAL, "'%.20s': the options are --do and --background",
				    argv[1]);
	pool_forget();
	(void)pool_look(&in);
	err = plan_balance(&in, &plan);
	if (err)
		return err;
	print_hosts(con);
	print_moves(con);
	if (!plan.move_count) {
		console_printf(con, "no move of a VM of this host is worth its while\n");
		return 0;
	}
	if (!carry_out)
		return 0;
	err = queue_watch_plan(&w, &in, &plan, &opt, !background);
	if (!err && w.failed + w.refused)
		return console_fail(con, -E_IO, "%u VMs were not moved, for the reasons above",
				    w.failed + w.refused);
	return err;
}

int commands_migrate_all(struct console *con, const char *host, const struct migrate_options *opt)
{
	return move_away(con, host, opt, true);
}

static void complete_drain(struct completion *c, int argc, char **argv)
{
	completion_add(c, "--dry-run");
	completion_add(c, "--background");
}

static void complete_balance(struct completion *c, int argc, char **argv)
{
	completion_add(c, "--do");
	completion_add(c, "--background");
}

static const struct command commands[] = {
    {
	.name = "drain",
	.args = "[--dry-run] [--background]",
	.summary = "maintenance: move every VM away, take none",
	.help = "Example: drain\n"
		"The largest VM first, each to the host with most free memory; what cannot move\n"
		"is named with its reason. Ctrl-C stops it; the host stays drained. --dry-run\n"
		"only shows the plan. --background returns at once: 'migrate-status' shows the\n"
		"queue.\n",
	.max_args = 2,
	.run = run_drain,
	.complete = complete_drain,
    },
    {
	.name = "undrain",
	.args = "",
	.summary = "take VMs again",
	.help = "Example: undrain\n"
		"Moves that still wait in the queue are dropped; one that is under way goes on.\n",
	.run = run_undrain,
    },
    {
	.name = "balance",
	.args = "[--do] [--background]",
	.summary = "moves that even out CPU and memory",
	.help = "Example: balance --do\n"
		"Shows the load of all hosts now and after the moves of this host's VMs that are\n"
		"worth their while, by the CPU use of the last minute; --do makes them. VMs of\n"
		"other hosts are not looked at: run it there too.\n",
	.max_args = 2,
	.run = run_balance,
	.complete = complete_balance,
    },
};

const struct command_group commands_pool_group = {"Many VMs", commands, ARRAY_SIZE(commands)};

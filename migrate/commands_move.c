/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `migrate` starts a move and watches it: checks, then a line of progress a
 * second, then the summary. The move itself is a task of its own: what is here
 * only looks, and Ctrl-C cancels it.
 */
#include "migrate/commands_move.h"

#include "kernel/console_json.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "migrate/commands_pool.h"
#include "migrate/commands_queue.h"
#include "migrate/move_options.h"
#include "vmm/commands_vm.h"

#define WATCH_NS (250 * NS_PER_MS)
#define LINE_NS	 NS_PER_S
#define TEXT_MAX 320

struct watch {
	struct console *con;
	uint32_t id;
	uint64_t timeout_at, next_line_ns;
	bool cancelled, quiet;
};

/* A console_printf has a limit; summaries have lines. */
static void print_text(struct console *con, const char *text)
{
	while (*text) {
		const char *end = strchr(text, '\n');
		size_t n = end ? (size_t)(end - text) : strlen(text);

		console_printf(con, "%.*s\n", (int)MIN(n, (size_t)400), text);
		text += n + (end != NULL);
	}
}

/* Printing may block, and then the list may be gone. */
static bool print_checks(struct console *con, uint32_t id)
{
	const struct check_list *l = migrate_checks(id);

	if (!l)
		return false;
	if (!l->count)
		return true;
	table_begin(con, "RESULT|CHECK|HERE|THERE");
	for (unsigned i = 0;; i++) {
		const struct check *c;

		table_row(con);
		l = migrate_checks(id);
		if (!l || i >= l->count)
			break;
		c = &l->list[i];
		table_cell(con, "%s", check_result_name(c->result));
		table_cell(con, "%s", c->name);
		table_cell(con, "%s", c->source[0] ? c->source : "-");
		table_cell(con, "%s", c->target[0] ? c->target : "-");
	}
	table_end(con);
	return true;
}

/* Ask the move to end; it does so by itself, at its next step. False: it cannot any more. */
static bool cancel(struct watch *w, const char *why)
{
	if (w->cancelled)
		return true;
	if (migrate_cancel_id(w->id) != 0)
		return false;
	w->cancelled = true;
	console_printf(w->con, "%s: cancelling\n", why);
	return true;
}

/* Blocks until the move is done. 0 or its error, with its reason as the console's words. */
static int watch_move(struct watch *w)
{
	const struct move_progress *p;
	bool checks_shown = false;
	char text[2 * TEXT_MAX];
	int err;

	for (;;) {
		if (!checks_shown && !w->quiet)
			checks_shown = print_checks(w->con, w->id);
		p = migrate_progress(w->id);
		if (!p)
			return console_fail(w->con, -E_NOENT,
					    "the move is not remembered any more");
		if (p->done)
			break;
		if (time_ns() >= w->timeout_at)
			(void)cancel(w, "timeout"); /* too late for it: it is nearly done */
		if (console_interrupted(w->con) && !cancel(w, "Ctrl-C"))
			return console_fail(w->con, -E_BUSY,
					    "too late to cancel, commitment has begun; it goes on: "
					    "'migrate-status' shows how it ends");
		p = migrate_progress(w->id);
		if (p && !w->quiet && time_ns() >= w->next_line_ns) {
			w->next_line_ns = time_ns() + LINE_NS;
			move_status_text(p, text, sizeof(text));
			print_text(w->con, text);
		}
		w->con->interrupted = false;
		if (console_wait(w->con, time_ns() + WATCH_NS))
			w->con->interrupted = true;
	}
	err = p->err;
	if (err)
		console_fail(w->con, err, "%s", p->reason[0] ? p->reason : err_text(err));
	if (w->quiet)
		return err;
	move_summary_text(p, text, sizeof(text));
	print_text(w->con, text);
	return err;
}

int commands_wait_move(struct console *con, uint32_t id)
{
	struct watch w = {.con = con, .id = id, .timeout_at = TIME_NEVER, .quiet = true};

	return watch_move(&w);
}

int commands_watch_move(struct console *con, uint32_t id)
{
	struct watch w = {.con = con, .id = id, .timeout_at = TIME_NEVER};

	return watch_move(&w);
}

int commands_start_move(struct console *con, const char *name, const char *host,
			const struct migrate_options *opt, uint32_t *id)
{
	struct vm *vm = commands_find_vm(con, name);
	const struct peer *peer = peers_find(host);
	int err;

	if (opt->cold && !strcmp(host, peers_self()->name))
		peer = peers_self(); /* from one datastore to another */

	if (!vm)
		return -E_NOENT;
	if (!peer)
		return console_fail(con, -E_NOENT,
				    "host '%.31s': not heard on the wire; 'peers' shows who is",
				    host);
	err = migrate_start(vm, peer, opt, id);
	if (err == -E_STATE)
		return console_fail(con, err,
				    opt->cold
					? "vm '%.31s' is %s: a --cold move takes one that is "
					  "off; without --cold it moves as it is"
					: "vm '%.31s' is %s: hot and --suspend moves take one "
					  "that is running or paused; --cold one that is off",
				    name, vm_state_name(vm->state));
	if (err)
		return console_fail(con, err, "vm '%s' is %s%s: the move was not started: %s", name,
				    vm_state_name(vm->state),
				    vm->move_under_way ? " and on a move" : "", err_text(err));
	return 0;
}

static int run_all(struct console *con, const char *host, const struct move_words *words)
{
	if (words->timeout_ns)
		return console_fail(con, -E_INVAL,
				    "--timeout is for one VM; Ctrl-C ends 'migrate --all'");
	return commands_migrate_all(con, host, &words->opt);
}

static int run_migrate(struct console *con, int argc, char **argv)
{
	struct watch w = {.con = con, .timeout_at = TIME_NEVER};
	struct move_words words;
	char why[160];
	int err;

	err = move_options_parse(argc - 3, argv + 3, &words, why, sizeof(why));
	if (err)
		return console_fail(con, err, "%s", why);
	if (strcmp(argv[1], "--all") == 0)
		return run_all(con, argv[2], &words);
	err = commands_start_move(con, argv[1], argv[2], &words.opt, &w.id);
	if (err)
		return err;
	if (words.timeout_ns)
		w.timeout_at = time_ns() + words.timeout_ns;
	return watch_move(&w);
}

/* One row; p stays as it is while the row is made. */
static void move_json(struct console *con, uint32_t id, const struct move_progress *p)
{
	struct json *j = console_json_row();

	json_str(j, "kind", "move");
	json_u64(j, "id", id);
	json_str(j, "vm", p->vm);
	json_str(j, p->role == MOVE_SOURCE ? "to" : "from", p->peer);
	json_str(j, "state", p->done ? "ended" : "under way");
	json_str(j, "stage", move_stage_name(p->stage));
	json_bool(j, "dry_run", p->dry_run);
	json_u64(j, "round", p->round);
	json_u64(j, "pages_left", p->pages_left);
	json_u64(j, "bytes", p->bytes);
	json_u64(j, "blackout_us", p->measured_ns / NS_PER_US);
	json_u64(j, "took_ms", p->done ? (p->finished_ns - p->started_ns) / NS_PER_MS : 0);
	json_str(j, "error", p->done && p->err ? err_text(p->err) : "");
	json_str(j, "reason", p->reason);
	console_json_row_end(con);
}

static int status_json(struct console *con, const char *vm)
{
	uint32_t id;

	console_json_begin(con);
	for (unsigned i = 0; (id = migrate_id_at(i)); i++) {
		const struct move_progress *p = migrate_progress(id);

		if (p && (!vm || !strcmp(p->vm, vm)))
			move_json(con, id, p);
	}
	queue_show_json(con, vm);
	console_json_end(con);
	return 0;
}

static int run_status(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	char text[2 * TEXT_MAX];
	unsigned shown = 0;
	uint32_t id;

	if (json)
		return status_json(con, argc > 1 ? argv[1] : NULL);
	for (unsigned i = 0; (id = migrate_id_at(i)); i++) {
		const struct move_progress *p = migrate_progress(id);

		if (!p || (argc > 1 && strcmp(p->vm, argv[1]) != 0))
			continue;
		shown++;
		if (p->done)
			move_summary_text(p, text, sizeof(text));
		else
			move_status_text(p, text, sizeof(text));
		print_text(con, text);
	}
	shown += queue_show(con, argc > 1 ? argv[1] : NULL);
	if (!shown && argc > 1)
		return console_fail(con, -E_NOENT, "vm '%.31s': no move is known", argv[1]);
	if (!shown)
		console_printf(con, "no moves\n");
	return 0;
}

static int run_cancel(struct console *con, int argc, char **argv)
{
	struct vm *vm;
	int err;

	if (strcmp(argv[1], "--all") == 0) {
		queue_drop(true);
		return 0;
	}
	vm = commands_find_vm(con, argv[1]);
	if (!vm)
		return -E_NOENT;
	err = migrate_cancel(vm);
	if (err == -E_NOENT)
		return console_fail(con, err, "vm '%s': no move is under way", argv[1]);
	if (err == -E_STATE)
		return console_fail(
		    con, err, "vm '%s': too late, commitment has begun; the storage decides now",
		    argv[1]);
	return err;
}

void commands_complete_move(struct completion *c, int argc, char **argv)
{
	const struct peer *p;

	if (argc == 1) {
		commands_complete_vm(c, argc, argv);
		return;
	}
	if (argc > 2) {
		move_options_complete(c);
		return;
	}
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		p = peers_at(i);
		if (p)
			completion_add(c, p->name);
	}
}

static void complete_migrate(struct completion *c, int argc, char **argv)
{
	commands_complete_move(c, argc, argv);
	if (argc == 1)
		completion_add(c, "--all");
}

static const struct command commands[] = {
    {
	.name = "migrate",
	.args = "VM|--all HOST [OPTIONS]",
	.summary = "move a VM to another host",
	.help = "Example: migrate web beta --max-downtime 100\n"
		"--dry-run            only make the checks\n"
		"--max-downtime MS    stop the guest when the rest takes less (300)\n"
		"--bandwidth MBPS     use at most so many megabytes a second\n"
		"--suspend            stop the guest first, then send all of it\n"
		"--cold               a VM that is off: definition, log and disks; to this\n"
		"                     host itself with --disk: to another datastore\n"
		"--start              cold: start it there\n"
		"--keep               cold: leave a copy here, as another VM\n"
		"--backup             take a snapshot first ('snapshots'); no move without one\n"
		"--timeout S          cancel when it takes longer\n"
		"--verify             compare every page before the guest runs there\n"
		"--disk DISK=STORE    where a disk goes that is not shared (the default store);\n"
		"                     cold: a shared one is copied there\n"
		"--dirty pml|ad|wp    how changed pages are found (auto)\n"
		"With --all instead of VM: every VM of this host, the largest first.\n"
		"Ctrl-C cancels: the guest goes on here. Once commitment has begun the\n"
		"storage decides.\n",
	.min_args = 2,
	.max_args = 14,
	.run = run_migrate,
	.complete = complete_migrate,
    },
    {
	.name = "migrate-status",
	.args = "[VM] [--json]",
	.summary = "moves under way and finished ones, and the queue",
	.help = "Example: migrate-status web\n",
	.max_args = 2,
	.run = run_status,
	.complete = commands_complete_vm,
    },
    {
	.name = "migrate-cancel",
	.args = "VM|--all",
	.summary = "end a move; the guest goes on at the source",
	.help = "Example: migrate-cancel web\n"
		"--all also drops what waits in the queue.\n"
		"Works on either host, until commitment begins.\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_cancel,
	.complete = commands_complete_vm,
    },
};

const struct command_group commands_move_group = {"Moves", commands, ARRAY_SIZE(commands)};

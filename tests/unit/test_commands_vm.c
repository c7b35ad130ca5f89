/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM commands over fake VMs: which state allows what, and the words of each refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/commands_stores.h"
#include "kernel/store/stores.h"
#include "tests/unit/fake_kernel.h"
#include "vmm/vm_store.h"
#include "arch/x86/virt.h"
#include "kernel/files.h"
#include "kernel/sched.h"
#include "vmm/commands_vm.h"
#include "vmm/dev/vuart.h"
#include "vmm/vcpu.h"

/* ---- a fake vmm ------------------------------------------------------------------- */

static struct vm web, db;
static struct vm *vms[3];
static struct vuart uart;
static char typed[256], did[64];
static int next_err;
static bool flood;
static uint64_t unseen, left_unshown;
static size_t room = SIZE_MAX; /* on the terminal */
static void (*uart_sink)(void *ctx, const char *data, size_t len);
static struct file conf = {.path = "vms/db/vm.conf", .data = (const uint8_t *)"x", .size = 1};

struct vm *vm_at(unsigned index)
{
	return index < 2 ? vms[index] : NULL;
}

struct vm *vm_find(const char *name)
{
	for (unsigned i = 0; i < 2; i++) {
		if (vms[i] && strcmp(vms[i]->cfg.name, name) == 0)
			return vms[i];
	}
	return NULL;
}

const char *vm_state_name(enum vm_state s)
{
	static const char *const names[] = {"off",	"running",  "paused",
					    "incoming", "in doubt", "crashed"};

	return names[s];
}

const char *vcpu_exit_name(enum vcpu_exit_kind k)
{
	return "exit";
}

#define FAKE(call)                                                                                 \
	int call(struct vm *vm)                                                                    \
	{                                                                                          \
		snprintf(did, sizeof(did), #call " %s", vm->cfg.name);                             \
		return next_err;                                                                   \
	}
FAKE(vm_start)
FAKE(vm_undefine)
FAKE(vm_shutdown)
FAKE(vm_pause)
FAKE(vm_resume)

void vm_destroy(struct vm *vm)
{
	snprintf(did, sizeof(did), "vm_destroy %s", vm->cfg.name);
}

int vm_define(const struct vm_config *cfg, struct vm **out)
{
	if (vm_find(cfg->name))
		return -E_EXIST;
	db.cfg = *cfg;
	*out = vms[1] = &db;
	return next_err;
}

int vm_config_parse(const char *name, const char *text, size_t len, struct vm_config *out,
		    struct config_error *err)
{
	snprintf(out->name, sizeof(out->name), "%s", name);
	if (next_err) {
		err->line = 3;
		strcpy(err->text, "memory: expected a size");
	}
	return next_err;
}

/* ---- what is in datastores --------------------------------------------------------- */

static bool web_saved;
static char marks[64]; /* of vm_store_mark: "+db" undefined, "-db" not */
static int kept_err = -E_NOENT, mark_err;

struct datastore *stores_default(void)
{
	return (struct datastore *)1;
}

static char leaving[DS_NAME_LEN];

struct datastore *stores_holding(const char *object)
{
	return strcmp(object, leaving) ? NULL : (struct datastore *)1;
}

static bool reverting;

bool stores_reverting(const char *vm)
{
	return reverting;
}

struct datastore *stores_saved(const char *vm)
{
	return web_saved && !strcmp(vm, "web") ? (struct datastore *)1 : NULL;
}

int vm_store_keep(const struct vm *vm, char *why, size_t why_size)
{
	snprintf(did, sizeof(did), "vm_store_keep %s", vm->cfg.name);
	snprintf(why, why_size, "no datastore is open here");
	return next_err;
}

int vm_store_define(const char *name, struct vm **out, char *why, size_t why_size)
{
	snprintf(why, why_size, "vm/%s/vm.conf line 1: something", name);
	return kept_err;
}

int vm_store_next(struct datastore *ds, unsigned *cursor, char name[VM_NAME_LEN])
{
	if ((*cursor)++)
		return -E_NOENT;
	strcpy(name, "kept");
	return 0;
}

bool vm_store_undefined(const char *name)
{
	return strchr(marks, '+') && !strcmp(name, strchr(marks, '+') + 1);
}

int vm_store_mark(const char *name, bool undefined)
{
	snprintf(marks, sizeof(marks), "%s%s", undefined ? "+" : "-", name);
	return mark_err;
}

/* One store with one object; what is asked about it is written down. */
static struct ds_info object;
static bool arriving;
static unsigned holds;

struct datastore *commands_find_store(struct console *con, const char *name)
{
	if (!strcmp(name, "main"))
		return (struct datastore *)1;
	(void)!console_fail(con, -E_NOENT, "no datastore '%s' is open", name);
	return NULL;
}

void commands_complete_store(struct completion *c, int argc, char **argv)
{
}

const char *stores_name(const struct datastore *ds)
{
	return "main";
}

void stores_hold(struct datastore *ds)
{
	holds++;
}

void stores_release(struct datastore *ds)
{
	holds--;
}

int ds_find(struct datastore *ds, const char *name, struct ds_info *out)
{
	*out = object;
	return strcmp(name, object.name) ? -E_NOENT : 0;
}

int ds_next(struct datastore *ds, unsigned *cursor, struct ds_info *out)
{
	*out = object;
	return (*cursor)++ ? -E_NOENT : 0;
}

struct datastore *stores_find(const char *name)
{
	return strcmp(name, "main") ? NULL : (struct datastore *)1;
}

int ds_remove(struct datastore *ds, const char *name)
{
	assert_int_equal(holds, 1);
	snprintf(did, sizeof(did), "ds_remove %s", name);
	return next_err;
}

int vm_store_check_arrival(struct datastore *ds, const char *name, char *why, size_t why_size)
{
	snprintf(why, why_size, "it is not finished");
	return arriving && !strcmp(name, "web") ? -E_BUSY : -E_NOENT;
}

const struct file *files_find(const char *path)
{
	return strcmp(path, conf.path) == 0 ? &conf : NULL;
}

const struct file *files_at(unsigned index)
{
	return index ? NULL : &conf;
}

void vuart_set_sink(struct vuart *u, void (*fn)(void *ctx, const char *data, size_t len), void *ctx)
{
	uart_sink = u->sink = fn;
	u->sink_ctx = ctx;
}

void vuart_clear_sink(struct vuart *u, uint64_t unshown)
{
	uart_sink = u->sink = NULL;
	left_unshown = unshown;
}

uint64_t vuart_unseen(const struct vuart *u)
{
	return unseen;
}

size_t vuart_input(struct vuart *u, const char *data, size_t len)
{
	strncat(typed, data, len);
	/* The guest echoes, loudly. Half way the line may find room again. */
	u->sink(u->sink_ctx, "<", 1);
	if (*data == 'r')
		room = SIZE_MAX;
	u->sink(u->sink_ctx, data, len);
	u->sink(u->sink_ctx, ">", 1);
	for (unsigned i = 0; flood && i < 20000; i++)
		u->sink(u->sink_ctx, ".", 1);
	if (*data == '!') /* the guest powers off, or moves away */
		vms[0] = NULL;
	return len;
}

size_t vuart_history(const struct vuart *u, char *buf, size_t size)
{
	if (unseen) { /* lines of ten bytes */
		for (size_t i = 0; i < size; i++)
			buf[i] = (i + 3) % 10 == 9 ? '\n' : 'h';
		return size;
	}
	memcpy(buf, "login: ", 7);
	return 7;
}

void task_sleep_until(uint64_t deadline_ns)
{
	fake_time_ns = deadline_ns;
}

const char *log_level_name(enum log_level level)
{
	return "";
}

/* ---- processors: in tenths of a percent ----------------------------------------------- */

unsigned cpu_count = 2;
static uint64_t cpu_idle[2], cpu_guest[2];
static struct vcpu vcpu[3];
static struct { /* what the code knows as struct task */
	uint64_t ns;
	const char *name;
	bool host;
} task[5] = {{0, "vcpu", false},
	     {0, "vcpu", false},
	     {0, "vcpu", false},
	     {0, "console", true},
	     {0, "link", true}};

uint64_t sched_idle_ns(unsigned cpu)
{
	return cpu_idle[cpu];
}

uint64_t sched_guest_ns(unsigned cpu)
{
	return cpu_guest[cpu];
}

uint64_t sched_task_ns(const struct task *t)
{
	return *(const uint64_t *)t;
}

bool sched_task_at(unsigned index, struct task_use *out)
{
	if (index >= ARRAY_SIZE(task))
		return false;
	*out = (struct task_use){(const struct task *)&task[index], task[index].name, 0,
				 task[index].host, task[index].ns};
	return true;
}

static void vcpu_works(unsigned i, uint64_t guest, uint64_t host, uint64_t exits)
{
	vcpu[i].run_ticks += guest; /* 1 GHz */
	vcpu[i].exits += exits;
	task[i].ns += guest + host;
}

/* web: 40 % on CPU 0; db: 10 % and 60 % on CPU 1. */
static void cpus_work(uint64_t permille)
{
	vcpu_works(0, 400 * permille, 50 * permille, 77);
	vcpu_works(1, 100 * permille, 5 * permille, 3);
	vcpu_works(2, 600 * permille, 0, 4);
	task[4].ns += 25 * permille;
	cpu_guest[0] += 400 * permille;
	cpu_guest[1] += 700 * permille;
	cpu_idle[0] += 520 * permille;
	cpu_idle[1] += 290 * permille;
}

/* ---- the terminal ------------------------------------------------------------------- */

static char out[65536];
static const char *input = "";

static void term_write(void *ctx, const char *text, size_t n)
{
	strncat(out, text, n);
}

static size_t term_room(void *ctx)
{
	return room;
}

static int term_read(void *ctx, uint64_t deadline_ns)
{
	if (*input)
		return (uint8_t)*input++;
	if (!deadline_ns)
		return -E_AGAIN;
	if (deadline_ns > fake_time_ns)
		cpus_work((deadline_ns - fake_time_ns) / 1000);
	fake_time_ns = deadline_ns;
	return -E_TIMEDOUT;
}

static const struct console_io io = {term_write, term_room, term_read, NULL};
static struct console con;

static int setup(void **state)
{
	fake_kernel_reset();
	memset(&web, 0, sizeof(web));
	memset(&uart, 0, sizeof(uart));
	strcpy(web.cfg.name, "web");
	web.cfg.memory = 64 * MiB;
	web.cfg.vcpus = 1;
	vms[0] = &web;
	vms[1] = NULL;
	next_err = mark_err = 0;
	kept_err = -E_NOENT;
	web_saved = reverting = false;
	marks[0] = 0;
	typed[0] = '\0';
	input = "";
	room = SIZE_MAX;
	commands_vm_set_decide(NULL);
	console_init(&con, &io, "alpha> ", 0x1d);
	console_add_group(&con, &commands_vm_group);
	return 0;
}

/* Run a line; returns its error. did and out tell the rest. */
static int run(const char *line)
{
	char copy[CONSOLE_LINE_MAX];

	out[0] = did[0] = '\0';
	strcpy(copy, line);
	return console_execute(&con, copy);
}

#define EXPECT_DONE(line, what)                                                                    \
	do {                                                                                       \
		assert_int_equal(run(line), 0);                                                    \
		assert_string_equal(did, what);                                                    \
		assert_non_null(strstr(out, "ok\r\n"));                                            \
	} while (0)
#define EXPECT_REFUSED(line, error, words)                                                         \
	do {                                                                                       \
		assert_int_equal(run(line), error);                                                \
		assert_string_equal(did, "");                                                      \
		if (!strstr(out, words))                                                           \
			fail_msg("'%s' says '%s'", line, out);                                     \
	} while (0)

static void test_states(void **state)
{
	static const struct {
		const char *line, *call;
		unsigned states; /* in which it is allowed */
	} rows[] = {
	    {"start web", "vm_start web", 1 << VM_OFF | 1 << VM_CRASHED},
	    {"undefine web", "vm_undefine web", 1 << VM_OFF | 1 << VM_CRASHED},
	    {"shutdown web", "vm_shutdown web", 1 << VM_RUNNING},
	    {"pause web", "vm_pause web", 1 << VM_RUNNING},
	    {"unpause web", "vm_resume web", 1 << VM_PAUSED},
	    {"destroy web", "vm_destroy web", 1 << VM_RUNNING | 1 << VM_PAUSED | 1 << VM_CRASHED},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned s = VM_OFF; s <= VM_CRASHED; s++) {
			web.state = (enum vm_state)s;
			if (s == VM_IN_DOUBT)
				continue; /* below */
			if (rows[i].states >> s & 1)
				EXPECT_DONE(rows[i].line, rows[i].call);
			else
				EXPECT_REFUSED(rows[i].line, -E_STATE, vm_state_name(web.state));
		}
		web.state = VM_RUNNING;
		web.move_under_way = true;
		EXPECT_REFUSED(rows[i].line, -E_BUSY, "'migrate-cancel web' stops it");
		web.move_under_way = false;
		web.serving = true; /* a reset or power-off blocks */
		EXPECT_REFUSED(rows[i].line, -E_BUSY, "just being reset or switched off");
		web.serving = false;
	}
	EXPECT_REFUSED("start nobody", -E_NOENT, "vm 'nobody': not found; 'list' shows the VMs");
	web.state = VM_OFF;
	next_err = -E_NOMEM;
	assert_int_equal(run("start web"), -E_NOMEM);
	assert_non_null(strstr(out, "error: vm 'web': cannot start: out of memory"));
}

static int decided = -1;

static int decide(struct vm *vm, bool keep)
{
	decided = keep;
	return 0;
}

static void test_in_doubt(void **state)
{
	web.state = VM_IN_DOUBT;
	web.move_under_way = true; /* it is, until the doubt ends */
	commands_vm_set_decide(decide);
	EXPECT_DONE("unpause web", "");
	assert_int_equal(decided, 1);
	EXPECT_DONE("destroy web", "");
	assert_int_equal(decided, 0);
	web.disk_count = 1;
	web.disks[0].deciding = 1;
	decided = -1;
	EXPECT_REFUSED("unpause web", -E_STATE, "its storage or the other host decides");
	EXPECT_REFUSED("destroy web", -E_STATE, "its storage or the other host decides");
	EXPECT_REFUSED("destroy web --now", -E_INVAL, "--force");
	assert_int_equal(decided, -1);
	EXPECT_DONE("unpause web --force", "");
	assert_int_equal(decided, 1);
	EXPECT_REFUSED("pause web", -E_STATE, "in doubt");
	web.move_under_way = false;
}

/* 'destroy web beta' is somebody's mistake, and must not switch the VM off. */
static void test_other_options_do_nothing(void **state)
{
	web.state = VM_RUNNING;
	EXPECT_REFUSED("destroy web beta", -E_INVAL, "nothing was done");
	assert_int_equal(web.state, VM_RUNNING);
	web.state = VM_PAUSED;
	EXPECT_REFUSED("unpause web --now", -E_INVAL, "nothing was done");
	assert_int_equal(web.state, VM_PAUSED);
}

static void test_list_and_info(void **state)
{
	web.state = VM_RUNNING;
	assert_int_equal(run("list"), 0);
	assert_non_null(strstr(out, "web   running      1  64 MiB      0  -\r\n"));
	EXPECT_REFUSED("list --jsno", -E_INVAL, "the only option is --json");
	assert_int_equal(run("list --json"), 0);
	assert_non_null(strstr(out, "[\r\n{\"name\": \"web\", \"state\": \"running\", "
				    "\"vcpus\": 1, \"memory_bytes\": 67108864, \"disks\": 0, "
				    "\"moving\": false}\r\n]\r\nok\r\n"));
	memset(web.cfg.cmdline, 'x', sizeof(web.cfg.cmdline) - 1);
	assert_int_equal(run("info web"), 0);
	assert_non_null(strstr(out, web.cfg.cmdline)); /* whole, though long */
	assert_null(strstr(out, "validated"));
	strcpy(web.validated, "FAIL console: \"BUG: x\"");
	assert_int_equal(run("info web"), 0);
	assert_non_null(strstr(out, "validated FAIL console: \"BUG: x\"\r\n"));
	web.state = VM_OFF;
	web.test_ended = true;
	web.test_status = 35;
	assert_int_equal(run("list"), 0);
	assert_non_null(strstr(out, "off, test status 35"));
	assert_int_equal(run("info web"), 0);
	assert_non_null(strstr(out, "by its test device, test status 35"));
	web.state = VM_RUNNING;
	assert_int_equal(run("list"), 0);
	assert_null(strstr(out, "test status"));
	vms[0] = NULL;
	assert_int_equal(run("list"), 0);
	assert_non_null(strstr(out, "no VMs"));
	assert_int_equal(run("list --json"), 0);
	assert_non_null(strstr(out, "[\r\n]\r\nok\r\n"));
}

static void test_define(void **state)
{
	EXPECT_REFUSED("define nobody", -E_NOENT,
		       "vm 'nobody': vms/nobody/vm.conf is not on the boot volume");
	next_err = -E_INVAL;
	EXPECT_REFUSED("define db", -E_INVAL, "vms/db/vm.conf line 3: memory: expected a size");
	next_err = 0;
	assert_int_equal(run("define db"), 0);
	assert_ptr_equal(vms[1], &db);
	assert_string_equal(marks, "-db");
	kept_err = -E_INVAL; /* what was kept counts before the boot volume */
	EXPECT_REFUSED("define db", -E_INVAL, "vm/db/vm.conf line 1");
	kept_err = -E_NOENT;
	EXPECT_REFUSED("define db", -E_EXIST, "exists already");
	assert_int_equal(fake_alloc_live, 0);
}

/* What the datastore remembers of VMs. */
static void test_kept_and_saved(void **state)
{
	EXPECT_DONE("keep web", "vm_store_keep web");
	next_err = -E_NOENT;
	assert_int_equal(run("keep web"), -E_NOENT);
	assert_non_null(strstr(out, "not kept: no datastore is open here"));
	next_err = 0;
	EXPECT_DONE("undefine web", "vm_undefine web");
	assert_string_equal(marks, "+web");
	mark_err = -E_IO;
	assert_int_equal(run("undefine web"), 0);
	assert_non_null(strstr(out, "it is defined again after a restart"));
	web_saved = true;
	assert_int_equal(run("list"), 0);
	assert_non_null(strstr(out, "saved"));
	EXPECT_REFUSED("start web", -E_STATE, "'restore web' lets it go on");
	EXPECT_DONE("start web --force", "vm_start web");
	web_saved = false;
	reverting = true;
	EXPECT_REFUSED("start web", -E_STATE, "'revert' again; 'start web --force'");
	EXPECT_DONE("start web --force", "vm_start web");
	reverting = false;
	/* at the host's start: one that was undefined stays so */
	strcpy(marks, "+db");
	vms[1] = NULL;
	vm_define_all();
	assert_null(vms[1]);
	marks[0] = 0;
	vm_define_all();
	assert_ptr_equal(vms[1], &db);
}

static void make_object(enum ds_kind kind, const char *name)
{
	object = (struct ds_info){.kind = kind};
	strcpy(object.name, name);
}

/* A disk is removed when nothing may need it any more. */
static void test_disk_delete(void **state)
{
	make_object(DS_DISK, "disk/web/vda");
	EXPECT_REFUSED("disk-delete fast disk/web/vda", -E_NOENT, "no datastore 'fast'");
	EXPECT_REFUSED("disk-delete main disk/web/vdb", -E_NOENT, "'store-list main' shows");
	EXPECT_REFUSED("disk-delete main disk/web/vda now", -E_INVAL, "expected --force");
	EXPECT_DONE("disk-delete main disk/web/vda", "ds_remove disk/web/vda");
	next_err = -E_BUSY;
	assert_int_equal(run("disk-delete main disk/web/vda"), -E_BUSY);
	assert_non_null(strstr(out, "a move or another command uses it"));
	next_err = 0;

	web_saved = true;
	EXPECT_REFUSED("disk-delete main disk/web/vda", -E_BUSY, "'saved-delete', or --force");
	EXPECT_DONE("disk-delete main disk/web/vda --force", "ds_remove disk/web/vda");
	web_saved = false;
	reverting = true;
	EXPECT_REFUSED("disk-delete main disk/web/vda --force", -E_BUSY, "'revert' again first");
	reverting = false;
	arriving = true;
	EXPECT_REFUSED("disk-delete main disk/web/vda --force", -E_BUSY, "it is not finished");
	arriving = false;
	strcpy(leaving, "leaving/web");
	EXPECT_REFUSED("disk-delete main disk/web/vda --force", -E_BUSY, "is not settled");
	leaving[0] = 0;

	/* of a VM, by whatever name it has, also while it has not its whole name yet */
	web.cfg.disk_count = 1;
	web.cfg.disks[0].in_store = 1;
	strcpy(web.cfg.disks[0].local, "main");
	strcpy(web.cfg.disks[0].object, "disk/old/vdc");
	EXPECT_DONE("disk-delete main disk/web/vda", "ds_remove disk/web/vda");
	make_object(DS_DISK, "disk/old/vdc");
	EXPECT_REFUSED("disk-delete main disk/old/vdc --force", -E_BUSY, "'undefine' it first");
	make_object(DS_DISK, "disk/old/vdc.part");
	EXPECT_REFUSED("disk-delete main disk/old/vdc.part", -E_BUSY, "a disk of VM web");
	make_object(DS_DISK, "disk/old/vdcc");
	EXPECT_DONE("disk-delete main disk/old/vdcc", "ds_remove disk/old/vdcc");
	strcpy(web.cfg.disks[0].local, "other");
	make_object(DS_DISK, "disk/old/vdc");
	EXPECT_DONE("disk-delete main disk/old/vdc", "ds_remove disk/old/vdc");

	make_object(DS_FILE, "vm/web/vm.conf");
	EXPECT_REFUSED("disk-delete main vm/web/vm.conf", -E_INVAL, "is no disk");
	make_object(DS_DISK, "snap/web/base/vda");
	EXPECT_REFUSED("disk-delete main snap/web/base/vda", -E_INVAL, "'snapshot-delete'");
	make_object(DS_DISK, "disk/");
	EXPECT_DONE("disk-delete main disk/", "ds_remove disk/");
	assert_int_equal(holds, 0);
}

static void test_console(void **state)
{
	EXPECT_REFUSED("console web", -E_STATE, "vm 'web' is off; 'start web' powers it on");
	web.last_output = "mb: end\r\n[test device: status 35]\r\n and more";
	web.last_output_len = 35;
	EXPECT_REFUSED("console web", -E_STATE, "vm 'web' is off; 'start web' powers it on");
	assert_non_null(strstr(out, "the last that web printed:"));
	assert_non_null(strstr(out, "mb: end"));
	assert_null(strstr(out, "and more"));
	web.last_output = NULL;
	web.last_output_len = 0;
	web.state = VM_RUNNING;
	web.console = &uart;
	input = "ab\x03\x1dlist";
	assert_int_equal(run("console web"), 0);
	assert_string_equal(out, "attached to web; Ctrl-] detaches\r\nlogin: <a><b><\x03>\r\n"
				 "detached from web\r\nok\r\n");
	assert_string_equal(typed, "ab\x03");
	assert_null(uart.sink);
	assert_int_equal(fake_alloc_live, 0);
	assert_string_equal(input, "list"); /* for the host again */
	/* Without room the sink queues, and this task brings it out in order. */
	room = 0;
	input = "xy\x1d";
	assert_int_equal(run("console web"), 0);
	assert_non_null(strstr(out, "login: <x><y>\r\ndetached"));
	input = "r\x1d";
	assert_int_equal(run("console web"), 0);
	assert_non_null(strstr(out, "login: <r>\r\ndetached"));
	input = "z!";
	assert_int_equal(run("console web"), 0);
	assert_non_null(strstr(out, "web is not here any more\r\nok\r\n"));
	assert_int_equal(fake_alloc_live, 0);
}

/* A guest that writes faster than the line: the rest is counted and said, nothing blocks. */
static void test_flood(void **state)
{
	char many[40];

	web.state = VM_RUNNING;
	web.console = &uart;
	room = 0;
	flood = true;
	memset(many, 'x', sizeof(many));
	many[38] = '\x1d';
	many[39] = '\0';
	input = many;
	/* The escape is seen, although the guest always has more for the line. */
	assert_int_equal(run("console web"), 0);
	assert_non_null(strstr(out, "bytes left out: the guest writes faster"));
	assert_non_null(strstr(out, "\r\ndetached from web"));
	assert_true(left_unshown > 20000); /* the next watcher is offered them */
	flood = false;
}

/* What came while nobody watched is shown in whole lines, and what was not kept is said. */
static void test_unseen(void **state)
{
	web.state = VM_RUNNING;
	web.console = &uart;
	unseen = uart.tx_bytes = 16384;
	input = "\x1d";
	assert_int_equal(run("console web"), 0);
	assert_null(strstr(out, "not kept"));
	assert_true(strlen(out) > 16384);
	unseen = uart.tx_bytes = 100000;
	input = "\x1d";
	assert_int_equal(run("console web"), 0);
	/* 16384 are shown, without the six bytes of the first, torn line */
	assert_non_null(strstr(out, "[83622 bytes that came before this were not kept]\n"
				    "hhhhhhhhh\nhhh"));
	unseen = 0;
	uart.tx_bytes = 7;
}

static void test_top(void **state)
{
	EXPECT_REFUSED("top 0", -E_INVAL, "expected seconds, from 1 to");
	EXPECT_REFUSED("top x", -E_INVAL, "expected seconds, from 1 to");
	memset(&db, 0, sizeof(db));
	strcpy(db.cfg.name, "db");
	vms[1] = &db;
	web.cfg.weight = 100;
	db.cfg.weight = 300;
	for (unsigned i = 0; i < 3; i++) {
		struct vm *vm = i ? &db : &web;

		vcpu[i] = (struct vcpu){.id = i ? i - 1 : 0, .cpu = i != 0};
		vcpu[i].task = (struct task *)&task[i];
		vm->vcpus[vm->vcpu_count++] = &vcpu[i];
	}
	assert_int_equal(run("top 2"), 0);
	assert_string_equal(out, "VM   VCPU  CPU  WEIGHT   GUEST   HOST  EXITS/S\r\n"
				 "db      1    1     300  60.0 %  0.0 %        2\r\n"
				 "db      0    1     300  10.0 %  0.5 %        1\r\n"
				 "web     0    0     100  40.0 %  5.0 %       38\r\n"
				 "HOST TASK  CPU    USE\r\n"
				 "link         0  2.5 %\r\n"
				 "CPU  GUESTS   HOST    IDLE\r\n"
				 "  0  40.0 %  8.0 %  52.0 %\r\n"
				 "  1  70.0 %  1.0 %  29.0 %\r\n"
				 "ok\r\n");
	/* Ctrl-C */
	input = "\x03";
	assert_int_equal(run("top 100"), -E_CANCELLED);
	vms[1] = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_states, setup),
	    cmocka_unit_test_setup(test_in_doubt, setup),
	    cmocka_unit_test_setup(test_other_options_do_nothing, setup),
	    cmocka_unit_test_setup(test_list_and_info, setup),
	    cmocka_unit_test_setup(test_define, setup),
	    cmocka_unit_test_setup(test_kept_and_saved, setup),
	    cmocka_unit_test_setup(test_disk_delete, setup),
	    cmocka_unit_test_setup(test_console, setup),
	    cmocka_unit_test_setup(test_flood, setup),
	    cmocka_unit_test_setup(test_unseen, setup),
	    cmocka_unit_test_setup(test_top, setup),
	};

	return cmocka_run_group_tests_name("commands_vm", tests, NULL, NULL);
}

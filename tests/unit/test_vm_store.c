/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Definitions and logs of VMs in a real datastore on a disk in memory: what is kept is
 * defined again after a restart, and lines come to the log of the VM that they name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files.h"
#include "kernel/log.h"
#include "kernel/rtc.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_fiber.h"
#include "vmm/vm_log.h"
#include "vmm/vm_store.h"

static struct datastore *ds;
static struct vm web, defined;
static char why[160], printed[4096];
static int result;

struct datastore *stores_default(void)
{
	return ds;
}

static unsigned holds, held, unheld; /* now, and ever; looks at files without */

void stores_hold(struct datastore *s)
{
	assert_ptr_equal(s, ds);
	holds++;
	held++;
}

void stores_release(struct datastore *s)
{
	assert_ptr_equal(s, ds);
	holds--;
}

uint64_t rtc_now(void)
{
	return 1709210096 + time_ns() / NS_PER_S; /* 2024-02-29 12:34:56 */
}

int vm_define(const struct vm_config *cfg, struct vm **out)
{
	defined.cfg = *cfg;
	*out = &defined;
	return 0;
}

void console_printf(struct console *con, const char *fmt, ...)
{
	size_t len = strlen(printed);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(printed + len, sizeof(printed) - len, fmt, ap);
	va_end(ap);
}

/* ---- the file pool ---- */

static struct file pool[4];
static unsigned pool_count;

const struct file *files_find(const char *path)
{
	unheld += !holds;
	for (unsigned i = 0; i < pool_count; i++)
		if (!strcmp(pool[i].path, path))
			return &pool[i];
	return NULL;
}

int files_create(const char *path, uint64_t size, uint8_t **data)
{
	struct file *f = &pool[pool_count++];

	strcpy(f->path, path);
	f->size = size;
	f->data = *data = malloc(size);
	return 0;
}

void files_commit(const char *path)
{
}

void files_discard(const char *path)
{
	free((void *)pool[--pool_count].data);
}

static void forget_files(void)
{
	while (pool_count)
		files_discard("");
}

static void add_file(const char *path, const char *text)
{
	uint8_t *data;

	assert_int_equal(files_create(path, strlen(text), &data), 0);
	memcpy(data, text, strlen(text));
}

/* ---- the log ---- */

static const char *lines[32];
static unsigned line_count;

bool log_next(uint64_t *cursor, struct log_line *out)
{
	if (*cursor >= line_count)
		return false;
	out->ns = 0;
	out->level = strstr(lines[*cursor], "lost") ? LOG_WARN : LOG_INFO;
	strcpy(out->text, lines[(*cursor)++]);
	return true;
}

const char *log_level_name(enum log_level level)
{
	return level == LOG_WARN ? "warn" : "info";
}

/* ---- tasks ---- */

static void (*job)(void);

static void job_task(void *arg)
{
	job();
}

static void in_task(void (*fn)(void))
{
	job = fn;
	assert_non_null(task_create("test", job_task, NULL));
	fake_fibers_run(time_ns() + NS_PER_S);
}

static void make_store(void)
{
	static const uint8_t uuid[16] = {1};

	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
}

static void restart(void)
{
	assert_int_equal(ds_close(ds), 0);
	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
}

static void close_store(void)
{
	assert_int_equal(ds_close(ds), 0);
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_fibers_reset();
	fake_disk_reset(8192);
	in_task(make_store);
	memset(&web, 0, sizeof(web));
	memset(&defined, 0, sizeof(defined));
	strcpy(web.cfg.name, "web");
	web.cfg.memory = 8 * MiB;
	web.cfg.vcpus = 1;
	web.cfg.weight = 100;
	strcpy(web.cfg.kernel, "moved/12/web");
	strcpy(web.cfg.initrd, "vms/web/initrd");
	web.cfg.module_count = 1;
	strcpy(web.cfg.modules[0].path, "m");
	web.cfg.uuid[3] = 7;
	printed[0] = 0;
	line_count = 0;
	return 0;
}

static int teardown(void **state)
{
	forget_files();
	fake_fibers_reset();
	if (ds)
		in_task(close_store);
	ds = NULL;
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

/* ---- definitions ---- */

static void keep(void)
{
	result = vm_store_keep(&web, why, sizeof(why));
}

static void define(void)
{
	struct vm *out;

	result = vm_store_define("web", &out, why, sizeof(why));
}

static void test_kept_over_a_restart(void **state)
{
	unsigned cursor = 0;
	char name[VM_NAME_LEN];

	add_file("moved/12/web", "the kernel");
	add_file("vms/web/initrd", "the initrd");
	add_file("m", "a module");
	in_task(keep);
	assert_int_equal(result, 0);
	in_task(restart);
	forget_files();
	assert_int_equal(vm_store_next(stores_default(), &cursor, name), 0);
	assert_string_equal(name, "web");
	assert_int_equal(vm_store_next(stores_default(), &cursor, name), -E_NOENT);
	in_task(define);
	assert_int_equal(result, 0);
	assert_string_equal(defined.cfg.kernel, "store/web/kernel");
	assert_string_equal(defined.cfg.modules[0].path, "store/web/module0");
	assert_int_equal(defined.cfg.memory, 8 * MiB);
	assert_int_equal(defined.cfg.uuid[3], 7);
	assert_int_equal(pool_count, 3);
	assert_memory_equal(files_find("store/web/kernel")->data, "the kernel", 10);
	assert_memory_equal(files_find("store/web/initrd")->data, "the initrd", 10);
	/* what was loaded can be kept again */
	web.cfg = defined.cfg;
	in_task(keep);
	assert_int_equal(result, 0);
}

static void test_not_kept(void **state)
{
	unsigned cursor = 0;
	char name[VM_NAME_LEN];

	in_task(keep);
	assert_int_equal(result, -E_NOENT);
	assert_non_null(strstr(why, "a boot file"));
	assert_int_equal(vm_store_next(stores_default(), &cursor, name), -E_NOENT);
	in_task(define);
	assert_int_equal(result, -E_NOENT);
}

static void arrive(void)
{
	result =
	    vm_store_take_conf(ds, &web.cfg, VM_STORE_ARRIVED "0123456789abcdef0123456789abcdef\n");
}

static void finish_arrival(void)
{
	struct ds_object *o;

	assert_int_equal(
	    ds_create(ds, VM_STORE_MOVED "0123456789abcdef0123456789abcdef", DS_FILE, 0, &o), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void test_unfinished_arrival_is_not_defined(void **state)
{
	memset(web.cfg.kernel, 0, sizeof(web.cfg.kernel));
	strcpy(web.cfg.kernel, "vms/web/kernel");
	in_task(arrive);
	assert_int_equal(result, 0);
	in_task(define);
	assert_int_equal(result, -E_BUSY);
	assert_non_null(strstr(why, "not finished"));
	in_task(finish_arrival);
	in_task(define);
	assert_int_equal(result, 0);
}

static void mark(void)
{
	result = vm_store_mark("web", true);
}

static void unmark(void)
{
	result = vm_store_mark("web", false);
}

static void gone(void)
{
	result = vm_store_gone("web");
}

/* They block: 'store-close' must not take the datastore away meanwhile. */
static void test_store_is_held(void **state)
{
	static void (*const calls[])(void) = {keep, mark, unmark, gone};

	add_file("moved/12/web", "the kernel");
	add_file("vms/web/initrd", "the initrd");
	add_file("m", "a module");
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		held = unheld = 0;
		in_task(calls[i]);
		assert_int_equal(result, 0);
		assert_int_not_equal(held, 0);
		assert_int_equal(unheld, 0);
		assert_int_equal(holds, 0);
	}
}

static void test_undefined_over_a_restart(void **state)
{
	in_task(unmark);
	assert_int_equal(result, 0);
	in_task(mark);
	assert_true(vm_store_undefined("web"));
	in_task(restart);
	assert_true(vm_store_undefined("web"));
	assert_false(vm_store_undefined("we"));
	in_task(unmark);
	assert_false(vm_store_undefined("web"));
}

static void bad_conf(void)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, "vm/web/vm.conf", DS_FILE, 0, &o), 0);
	assert_int_equal(ds_write(o, 0, "memory 8M\nkernel k\nspeed 3\n", 27), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void test_bad_definition(void **state)
{
	in_task(bad_conf);
	in_task(define);
	assert_int_equal(result, -E_INVAL);
	assert_non_null(strstr(why, "vm/web/vm.conf line 3: unknown key"));
}

/* ---- logs ---- */

static void print_log(void)
{
	printed[0] = 0;
	result = vm_log_print(NULL, "web");
}

static void log_line(const char *text)
{
	lines[line_count++] = text;
}

static void test_log(void **state)
{
	char name[VM_NAME_LEN];

	assert_true(vm_log_names("vm web: started", name));
	assert_string_equal(name, "web");
	assert_false(vm_log_names("vm web started", name));
	assert_false(vm_log_names("vm : x", name));
	assert_false(vm_log_names("migrate: an incoming link: x", name));
	assert_false(vm_log_names("vm 0123456789012345678901234567890123456789: x", name));
	assert_false(vm_log_names("", name));
	in_task(print_log);
	assert_int_equal(result, -E_NOENT);
	log_line("net: nothing of a VM");
	log_line("vm web: started");
	log_line("vm db: started");
	log_line("migrate: web: stage 0, pre-migration");
	assert_int_equal(vm_log_start(), 0);
	fake_fibers_run(time_ns() + 3 * NS_PER_S);
	log_line("save: web: the link was lost");
	fake_fibers_run(time_ns() + 3 * NS_PER_S);
	fake_fibers_reset(); /* the task has no end */
	in_task(restart);
	in_task(print_log);
	assert_int_equal(result, 0);
	assert_string_equal(printed,
			    "2024-02-29 12:34:56 info: vm web: started\n"
			    "2024-02-29 12:34:56 info: migrate: web: stage 0, pre-migration\n"
			    "2024-02-29 12:34:56 warn: save: web: the link was lost\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_kept_over_a_restart),
	    T(test_not_kept),
	    T(test_unfinished_arrival_is_not_defined),
	    T(test_undefined_over_a_restart),
	    T(test_store_is_held),
	    T(test_bad_definition),
	    T(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

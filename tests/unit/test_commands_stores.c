/* SPDX-License-Identifier: BSD-2-Clause */
/* `store-list` and `store-check` on a real store, and on one that is not open. */
#include <string.h>

#include "kernel/commands_stores.h"
#include "kernel/commands_stores_inner.h"
#include "kernel/store/datastore.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_task.h"

static struct datastore *ds;
static struct console con;
static char screen[8192];
static size_t shown;
static unsigned finds;

struct datastore *commands_find_store(struct console *c, const char *name)
{
	finds++;
	if (!ds)
		console_fail(c, -E_NOENT, "store '%s': not open here", name);
	return ds;
}

const char *log_level_name(enum log_level level)
{
	return "info";
}

static void io_write(void *ctx, const char *text, size_t n)
{
	assert_true(shown + n < sizeof(screen));
	memcpy(screen + shown, text, n);
	shown += n;
	screen[shown] = '\0';
}

static size_t io_room(void *ctx)
{
	return 1000;
}

static int io_read(void *ctx, uint64_t deadline_ns)
{
	return -E_TIMEDOUT;
}

static const struct command rows[] = {
    {.name = "store-list",
     .args = "",
     .summary = "",
     .help = "",
     .max_args = 1,
     .run = commands_store_list},
    {.name = "store-check",
     .args = "",
     .summary = "",
     .help = "",
     .max_args = 1,
     .run = commands_store_check},
};
static const struct command_group group = {"Datastores", rows, ARRAY_SIZE(rows)};

static int run(const char *text)
{
	char line[64];

	strcpy(line, text);
	shown = 0;
	return console_execute(&con, line);
}

static int setup(void **state)
{
	static const struct console_io io = {io_write, io_room, io_read, NULL};
	static const uint8_t uuid[16];
	struct ds_object *o;
	char why[160];

	fake_kernel_reset();
	fake_tasks_reset();
	fake_disk_reset(32 * 128);
	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
	assert_int_equal(ds_create(ds, "disk/web/vda", DS_DISK, 8 * MiB, &o), 0);
	assert_int_equal(ds_write(o, 0, "x", 1), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	console_init(&con, &io, "alpha> ", 29);
	console_add_group(&con, &group);
	return 0;
}

static int teardown(void **state)
{
	if (ds)
		assert_int_equal(ds_close(ds), 0);
	ds = NULL;
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

static void test_list(void **state)
{
	assert_int_equal(run("store-list"), 0);
	assert_non_null(strstr(screen, "1 objects in 1 runs"));
	assert_non_null(strstr(screen, "disk/web/vda"));
	assert_non_null(strstr(screen, "8 MiB"));
	assert_non_null(strstr(screen, "64 KiB"));
	assert_true(finds >= 2); /* asked again after what may block */
}

static void test_check(void **state)
{
	assert_int_equal(run("store-check main"), 0);
	assert_non_null(strstr(screen, "no fault found"));
	fake_disk_data[8][40] ^= 1;
	assert_int_equal(run("store-check main"), -E_CHECKSUM);
	assert_non_null(strstr(screen, "error: datastore 'main'"));
	fake_disk_data[8][40] ^= 1;
}

static void test_closed(void **state)
{
	assert_int_equal(teardown(NULL), 0);
	assert_int_equal(run("store-list main"), -E_NOENT);
	assert_int_equal(run("store-check main"), -E_NOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_list, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_check, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

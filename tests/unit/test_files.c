/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file pool over an allocator of its own: an arena of 2 MiB blocks that is
 * handed out in whatever order the test sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/handoff.h"
#include "kernel/files.h"
#include "kernel/lib/crc32c.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define ARENA_BLOCKS 16
static uint8_t *arena;
static int order_of_blocks[ARENA_BLOCKS]; /* index into the arena, -1 when taken */
static unsigned warnings, live;

void log_write(enum log_level level, const char *fmt, ...)
{
	warnings++;
}

void *hpa_to_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa;
}

void *pages_alloc_raw(unsigned order)
{
	if (order < PAGES_MAX_ORDER) {
		live++;
		return malloc(PAGE_SIZE << order);
	}
	for (unsigned i = 0; i < ARENA_BLOCKS; i++) {
		int at = order_of_blocks[i];

		if (at >= 0) {
			order_of_blocks[i] = -1;
			live++;
			return arena + (uint64_t)at * SIZE_2M;
		}
	}
	return NULL;
}

void pages_free(void *block, unsigned order)
{
	live--;
	if (order < PAGES_MAX_ORDER) {
		free(block);
		return;
	}
	for (unsigned i = 0; i < ARENA_BLOCKS; i++) {
		if (order_of_blocks[i] < 0) {
			order_of_blocks[i] = (int)(((uint8_t *)block - arena) / (int64_t)SIZE_2M);
			return;
		}
	}
	fail_msg("freed twice");
}

static void arena_set(const int *order, unsigned count)
{
	for (unsigned i = 0; i < ARENA_BLOCKS; i++)
		order_of_blocks[i] = i < count ? order[i] : -1;
}

static struct handoff ho;

static void add_file(const char *path, const char *data)
{
	struct handoff_file *f = &ho.files[ho.file_count++];

	memcpy(f->path, path, strlen(path) + 1);
	f->base = (uintptr_t)data;
	f->size = strlen(data);
}

static void test_loader_files(void **state)
{
	add_file("host.conf", "name alpha\n");
	add_file("vms/web/vm.conf", "memory 64M\n");
	add_file("host.conf", "a second one");
	memset(ho.files[ho.file_count++].path, 'x', HANDOFF_PATH_LEN); /* not terminated */
	warnings = 0;
	files_init(&ho);
	assert_int_equal(warnings, 2);
	assert_string_equal(files_at(0)->path, "host.conf");
	assert_string_equal(files_at(1)->path, "vms/web/vm.conf");
	assert_null(files_at(2));
	assert_int_equal(files_find("host.conf")->size, 11);
	assert_int_equal(files_find("host.conf")->crc, crc32c(0, "name alpha\n", 11));
	assert_null(files_find("nothing"));
	assert_ptr_equal(files_find_content(11, crc32c(0, "memory 64M\n", 11)), files_at(1));
	assert_null(files_find_content(10, crc32c(0, "memory 64M\n", 11)));
	files_discard("host.conf");
	assert_non_null(files_find("host.conf"));
}

static void test_create_commit_discard(void **state)
{
	uint8_t *data, *other;

	assert_int_equal(files_create("vms/db/initrd", 5000, &data), 0);
	memset(data, 7, 5000);
	assert_null(files_find("vms/db/initrd"));
	assert_int_equal(files_create("vms/db/initrd", 1, &other), -E_EXIST);
	assert_int_equal(files_create("host.conf", 1, &other), -E_EXIST);
	files_commit("vms/db/initrd");
	assert_int_equal(files_find("vms/db/initrd")->crc, crc32c(0, data, 5000));
	files_discard("vms/db/initrd");
	assert_null(files_find("vms/db/initrd"));
	assert_int_equal(files_create("vms/db/initrd", 10, &data), 0);
	files_discard("vms/db/initrd");
	assert_int_equal(live, 0);
	files_discard("never");
	files_commit("never");
}

static void test_refusals(void **state)
{
	char longest[200];
	uint8_t *data;

	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	assert_int_equal(files_create(longest, 1, &data), -E_INVAL);
	assert_int_equal(files_create("", 1, &data), -E_INVAL);
	assert_int_equal(files_create("big", UINT64_MAX, &data), -E_NOSPC);
	longest[127] = '\0';
	assert_int_equal(files_create(longest, 0, &data), 0);
	files_discard(longest);
}

/* More than 2 MiB: one piece, whatever order the blocks come in; all others go back. */
static void test_large_files(void **state)
{
	static const int up[] = {0, 1, 2, 3, 4, 5}, down[] = {5, 4, 3, 2, 1, 0};
	static const int gaps[] = {0, 2, 4, 9, 10, 11, 12}, torn[] = {0, 2, 4, 6, 8, 10, 12, 14};
	static const struct {
		const int *order;
		unsigned count;
		int err;
	} rows[] = {{up, 6, 0}, {down, 6, 0}, {gaps, 7, 0}, {torn, 8, -E_NOMEM}, {up, 3, -E_NOMEM}};
	const uint64_t size = 3 * SIZE_2M + 1;
	uint8_t *data;

	arena = aligned_alloc(SIZE_2M, ARENA_BLOCKS * SIZE_2M);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		arena_set(rows[i].order, rows[i].count);
		live = 0;
		assert_int_equal(files_create("large", size, &data), rows[i].err);
		assert_int_equal(live, rows[i].err ? 0 : 4);
		if (rows[i].err)
			continue;
		memset(data, 0x5a, size);
		files_discard("large");
		assert_int_equal(live, 0);
	}
	free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loader_files),
	    cmocka_unit_test(test_create_commit_discard),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_large_files),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}

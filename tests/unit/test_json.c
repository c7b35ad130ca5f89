/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON writer: forms, escapes, and every size of buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/lib/json.h"

static bool write_all(struct json *j, char *buf, size_t size)
{
	json_begin(j, buf, size);
	json_str(j, "name", "a\"b\\c\n\xff~");
	json_u64(j, "n", UINT64_MAX);
	json_bool(j, "yes", true);
	json_bool(j, "no", false);
	json_null(j, "none");
	return json_end(j);
}

static void test_forms(void **state)
{
	char buf[200];
	struct json j;

	json_begin(&j, buf, 3);
	assert_true(json_end(&j));
	assert_string_equal(buf, "{}");
	assert_true(write_all(&j, buf, sizeof(buf)));
	assert_string_equal(buf, "{\"name\": \"a\\\"b\\\\c\\u000a\\u00ff~\", "
				 "\"n\": 18446744073709551615, \"yes\": true, \"no\": false, "
				 "\"none\": null}");
}

static void test_every_size(void **state)
{
	char buf[200];
	size_t need;
	struct json j;

	assert_true(write_all(&j, buf, sizeof(buf)));
	need = strlen(buf) + 1;
	for (size_t size = 3; size < sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(write_all(&j, buf, size), size >= need);
		assert_in_range(strnlen(buf, size), 2, size - 1);
		for (size_t i = size; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_every_size),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

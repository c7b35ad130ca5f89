/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of `migrate`: values, limits, words for what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "migrate/move_options.h"

const char *dirty_method_name(enum dirty_method m)
{
	static const char *const names[] = {"auto", "pml", "ad", "wp"};

	return names[m];
}

void completion_add(struct completion *c, const char *word)
{
}

static struct move_words w;
static char why[100];

/* words: separated by single blanks. */
static int parse(const char *words)
{
	char copy[200], *argv[16];
	int argc = 0;

	strcpy(copy, words);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	return move_options_parse(argc, argv, &w, why, sizeof(why));
}

static void test_accepted(void **state)
{
	assert_int_equal(parse(""), 0);
	assert_int_equal(w.opt.dirty, DIRTY_AUTO);
	assert_false(w.opt.verify || w.opt.dry_run);
	assert_true(w.opt.max_downtime_ns == 0 && w.opt.bandwidth == 0 && w.timeout_ns == 0);
	assert_int_equal(parse("--dry-run --verify --max-downtime 250 --bandwidth 100 "
			       "--timeout 60 --dirty wp"),
			 0);
	assert_true(w.opt.dry_run && w.opt.verify);
	assert_true(w.opt.max_downtime_ns == 250 * NS_PER_MS);
	assert_true(w.opt.bandwidth == 100000000);
	assert_true(w.timeout_ns == 60 * NS_PER_S);
	assert_int_equal(w.opt.dirty, DIRTY_WRITE_PROTECT);
	assert_false(w.opt.backup);
	assert_int_equal(parse("--backup"), 0);
	assert_true(w.opt.backup);
	assert_int_equal(parse("--dirty pml"), 0);
	assert_int_equal(w.opt.dirty, DIRTY_PML);
	assert_int_equal(parse("--dirty ad"), 0);
	assert_int_equal(w.opt.dirty, DIRTY_ACCESSED);
}

static void test_refused(void **state)
{
	static const char *const rows[][2] = {
	    {"--fast", "no option '--fast'"},
	    {"beta", "no option 'beta'"},
	    {"--max-downtime", "expected milliseconds"},
	    {"--max-downtime 0", "expected milliseconds"},
	    {"--max-downtime 3600001", "expected milliseconds"},
	    {"--max-downtime 1s", "--max-downtime '1s'"},
	    {"--bandwidth -1", "expected megabytes"},
	    {"--bandwidth 18446744073709551615", "expected megabytes"},
	    {"--timeout --verify", "--timeout '--verify': expected seconds"},
	    {"--dirty", "auto, pml, ad or wp"},
	    {"--dirty best", "--dirty 'best'"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&w, 0x55, sizeof(w));
		assert_int_equal(parse(rows[i][0]), -E_INVAL);
		if (!strstr(why, rows[i][1]))
			fail_msg("'%s' says '%s'", rows[i][0], why);
		assert_true(w.timeout_ns == 0x5555555555555555ull); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("move_options", tests, NULL, NULL);
}

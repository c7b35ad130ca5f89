/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of `migrate`, from words to struct migrate_options. */
#ifndef MIGRATE_MOVE_OPTIONS_H
#define MIGRATE_MOVE_OPTIONS_H

#include "kernel/console_line.h"
#include "migrate/migrate.h"

struct move_words {
	struct migrate_options opt;
	uint64_t timeout_ns; /* cancel a move that takes longer; 0: never */
};

/* argv: the words after VM and HOST. 0, or -E_INVAL with words in why. */
int must_check move_options_parse(int argc, char **argv, struct move_words *out, char *why,
				  size_t why_size);
/* Offer the options. */
void move_options_complete(struct completion *c);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the checks share: adding lines to the list. */
#ifndef MIGRATE_CHECKS_INNER_H
#define MIGRATE_CHECKS_INNER_H

#include "migrate/checks.h"

/* One without values; also when the list is full: then it is counted, but not kept. */
struct check *check_add(struct check_list *l, bool passed, const char *name);
void check_words(struct check_list *l, bool passed, const char *name, const char *source,
		 const char *target);
struct check *check_numbers(struct check_list *l, bool passed, const char *name, uint64_t source,
			    uint64_t target);
void check_sizes(struct check_list *l, bool passed, const char *name, uint64_t source,
		 uint64_t target);

/* Those from that line on that failed are notes. */
void check_soften(struct check_list *l, unsigned from);
/* May it come in? */
void check_admission(struct check_list *l, const struct checks_input *in);
/* What it takes to run there. */
void check_capacity(struct check_list *l, const struct checks_input *in);
void check_cpu_features(struct check_list *l, const struct checks_input *in);

/* checks_cold.c: of a VM that is off, but for disks and cards */
void checks_cold(struct check_list *l, const struct checks_input *in);
/* Is it still known there after a restart? */
void check_definition(struct check_list *l, const struct checks_input *in);
/* checks_saved.c */
void checks_saved_disk(struct check_list *l, const struct checks_input *in, unsigned disk);
/* checks_identity.c: what the guest knows its machine by. */
void checks_identity(struct check_list *l, const struct checks_input *in);
/* audit.c: what was measured. in->audit is not NULL. */
void audit_judge(struct check_list *l, const struct checks_input *in);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks before a move: a list of questions, each passed, failed, or passed with a
 * note that the operator should read; with both values. Made at the source from what the target
 * answered. A pure function of both ends' facts; gathering them is facts.c.
 */
#ifndef MIGRATE_CHECKS_H
#define MIGRATE_CHECKS_H

#include "migrate/stream.h"
#include "vmm/vm.h"

#define CHECKS_MAX	160
#define CHECK_NAME_LEN	40
#define CHECK_VALUE_LEN 40

#define CHECK_NO_OTHER_MOVE "no other move" /* failed: it will pass later */

struct audit;

enum check_result { CHECK_PASSED, CHECK_NOTE, CHECK_FAILED };

struct check {
	char name[CHECK_NAME_LEN];
	enum check_result result;
	char source[CHECK_VALUE_LEN]; /* what the VM has or needs */
	char target[CHECK_VALUE_LEN]; /* what the other host has */
};

struct check_list {
	struct check list[CHECKS_MAX];
	unsigned count, failed; /* failed counts also those that found no room in the list */
};

struct checks_input {
	const struct stream_hello *source, *target;
	const struct stream_offer *offer;
	const struct stream_facts *facts;
	const struct audit *audit; /* what was measured; NULL: nothing */
	enum vm_state state;	   /* of the VM; not with saved */
	bool cold;		   /* a move of a VM that is off */
	bool start;		   /* cold: it is to be started there */
	bool keeps_definitions;	   /* the source has a datastore for them */
	bool saved;		   /* the offer is a saved state's: source is what it was then */
	bool reverted;		   /* saved: with disks that were just put back from a snapshot */
	bool force;		   /* saved: a disk that may have changed is a note */
};

/* First only the hellos are compared: with another version nothing else means anything. */
void checks_hello(struct check_list *l, const struct checks_input *in);
void checks_run(struct check_list *l, const struct checks_input *in);

const char *check_result_name(enum check_result r); /* "pass", "note", "FAIL" */
/* Line i for the log, columns aligned: "ok   memory   256 MiB   1.2 GiB". 0 past the end. */
int check_text(const struct check_list *l, unsigned i, char *buf, size_t size);
/* The first failed one in a sentence, for the move's reason. */
void check_reason(const struct check_list *l, char *buf, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of moves of VMs that are on: nothing of migrate/cold.h is reached. */
#include "migrate/cold.h"
#include "tests/unit/fake_kernel.h"

void cold_task(void *arg)
{
	fail();
}

void cold_here_task(void *arg)
{
	fail();
}

int cold_take_digests(struct move *m, const struct stream_record *r)
{
	fail();
	return 0;
}

int cold_reserve(struct receiver *rx)
{
	fail();
	return 0;
}

struct ds_object *cold_find_part(struct datastore *ds, const char *object, uint64_t size)
{
	fail();
	return NULL;
}

int cold_disk_data(struct receiver *rx, const struct stream_record *r)
{
	fail();
	return 0;
}

/* Records may come in any order. */
int cold_log(struct receiver *rx, const struct stream_record *r)
{
	fail();
	return 0;
}

void cold_receive_end(struct receiver *rx, int err)
{
	fail();
}

enum handover_answer cold_answer(const uint8_t id[16], const uint8_t store[16])
{
	fail();
	return ANSWER_UNKNOWN;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages into the inert guest's memory, and comparing digests of them. Every gfn is
 * looked up in the guest's own memory map: what is not its RAM ends the move.
 */
#include "kernel/lib/string.h"
#include "migrate/move.h"
#include "migrate/page_digest.h"

#define YIELD_PAGES  1024 /* zero pages looked at without letting others run */
#define DIGEST_YIELD 64	  /* pages digested without that: each is read whole */

static int not_ram(struct move *m, gfn_t gfn)
{
	return stream_fail(&m->st, -E_RANGE, "gfn 0x%llx is not in the guest's memory",
			   (unsigned long long)gfn);
}

PAGE_JOURNEY(9)
int receive_pages(struct move *m, const struct stream_record *r)
{
	if (r->length % STREAM_PAGE_SIZE)
		return stream_fail(&m->st, -E_PROTO,
				   "record PAGES is %u bytes long, not whole pages", r->length);
	for (uint32_t at = 0; at < r->length; at += STREAM_PAGE_SIZE) {
		uint64_t gfn;
		void *page;

		memcpy(&gfn, r->payload + at, sizeof(gfn));
		page = guest_mem_page(&m->vm->mem, gfn);
		if (!page)
			return not_ram(m, gfn);
		memcpy(page, r->payload + at + sizeof(gfn), PAGE_SIZE);
		m->p.pages_sent++;
	}
	return 0;
}

/* *done counts over the runs of a record: many short ones are as much work as a long one. */
static int zero_run(struct move *m, const struct stream_run *run, uint64_t *done)
{
	for (uint64_t i = 0; i < run->count; i++) {
		void *page = guest_mem_page(&m->vm->mem, run->gfn + i);

		if (!page)
			return not_ram(m, run->gfn + i);
		/* memory is zero at first: do not dirty the host's caches again */
		if (!page_is_zero(page))
			memset(page, 0, PAGE_SIZE);
		if (++*done % YIELD_PAGES == 0)
			task_yield();
	}
	m->p.zero_pages += run->count;
	return 0;
}

/* One record may name each page once at most: work is bounded by the guest's size. */
int receive_zero_runs(struct move *m, const struct stream_record *r)
{
	uint64_t left = guest_mem_pages(&m->vm->mem), done = 0;
	int err;

	if (r->length % sizeof(struct stream_run))
		return stream_fail(&m->st, -E_PROTO,
				   "record ZERO_RUNS is %u bytes long, not whole runs", r->length);
	for (uint32_t at = 0; at < r->length; at += sizeof(struct stream_run)) {
		struct stream_run run;

		memcpy(&run, r->payload + at, sizeof(run));
		if (run.count > left || run.gfn > UINT64_MAX - run.count)
			return stream_fail(&m->st, -E_RANGE,
					   "ZERO_RUNS names %llu pages, more than the guest has",
					   (unsigned long long)run.count);
		left -= run.count;
		err = zero_run(m, &run, &done);
		if (err)
			return err;
	}
	return 0;
}

/* Digests come in order of the page index, without gaps, once. */
int receive_digests(struct move *m, const struct stream_record *r, struct stream_verified *sum,
		    uint64_t *next)
{
	uint64_t total = guest_mem_pages(&m->vm->mem);
	struct stream_digests head;

	memcpy(&head, r->payload, sizeof(head));
	if (head.first != *next || head.count > total - *next ||
	    r->length != sizeof(head) + head.count * sizeof(uint32_t))
		return stream_fail(&m->st, -E_PROTO,
				   "DIGESTS of %llu pages from %llu, expected from %llu up to %llu",
				   (unsigned long long)head.count, (unsigned long long)head.first,
				   (unsigned long long)*next, (unsigned long long)total);
	for (uint64_t i = 0; i < head.count; i++) {
		gfn_t gfn = guest_mem_index_to_gfn(&m->vm->mem, head.first + i);
		uint32_t theirs;

		if (i % DIGEST_YIELD == 0)
			task_yield();
		memcpy(&theirs, r->payload + sizeof(head) + i * sizeof(theirs), sizeof(theirs));
		if (page_digest(guest_mem_page(&m->vm->mem, gfn)) == theirs)
			continue;
		if (!sum->differing++)
			sum->first_gfn = gfn;
	}
	*next += head.count;
	return 0;
}

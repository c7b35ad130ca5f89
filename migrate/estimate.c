/* SPDX-License-Identifier: BSD-2-Clause */
/* A hot move in numbers: see estimate.h. No state, no clock, no side effects. */
#include "migrate/estimate.h"

#include "kernel/lib/muldiv.h"
#include "kernel/time.h"
#include "migrate/stop_policy.h"

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t wire_ns(const struct estimate_input *in, uint64_t pages, uint64_t disk)
{
	return mul_div(add(mul_div(pages, in->page_cost, 1), disk), NS_PER_S, in->link_rate);
}

/* What is left after a round that lasted ns: what was changed meanwhile, at most everything. */
static uint64_t changed(uint64_t rate, uint64_t ns, uint64_t most)
{
	return MIN(mul_div(rate, ns, NS_PER_S), most);
}

static struct estimate stand_still(const struct estimate_input *in)
{
	uint64_t ns = add(in->fixed_ns, wire_ns(in, in->pages, in->disk_bytes));

	return (struct estimate){
	    .total_ns = ns, .blackout_ns = ns, .why = "the guest stands still all the time"};
}

struct estimate estimate_move(const struct estimate_input *in)
{
	uint64_t pages = in->pages, disk = in->disk_bytes, before = UINT64_MAX;
	struct estimate e = {.why = "the link's rate is not known"};
	unsigned stalled = 0;

	if (!in->link_rate || !in->page_cost) {
		e.total_ns = e.blackout_ns = UINT64_MAX;
		e.gives_up = true;
		return e;
	}
	if (in->suspend)
		return stand_still(in);
	for (;;) {
		uint64_t ns = wire_ns(in, pages, disk), left;
		struct stop_decision d;

		e.rounds++;
		e.total_ns = add(e.total_ns, ns);
		pages = changed(in->dirty_rate, ns, in->pages_total);
		disk = changed(in->disk_rate, ns, in->disk_bytes);
		left = add(mul_div(pages, in->page_cost, 1), disk);
		stalled = left >= before ? stalled + 1 : 0;
		before = left;
		d = stop_policy_decide(&(struct stop_input){.rate = in->link_rate,
							    .dirty_rate = in->dirty_rate,
							    .pages_left = pages,
							    .page_cost = in->page_cost,
							    .disk_left = disk,
							    .disk_rate = in->disk_rate,
							    .fixed_ns = in->fixed_ns,
							    .max_downtime_ns = in->max_downtime_ns,
							    .round = e.rounds,
							    .stalled = stalled});
		e.blackout_ns = d.predicted_ns;
		e.why = d.why;
		if (d.verdict == STOP_CONTINUE)
			continue;
		e.gives_up = d.verdict == STOP_GIVE_UP;
		if (!e.gives_up)
			e.total_ns = add(e.total_ns, d.predicted_ns);
		return e;
	}
}

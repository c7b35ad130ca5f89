/* SPDX-License-Identifier: BSD-2-Clause */
/* The stop decision of pre-copy. No state, no clock, no side effects. */
#include "migrate/stop_policy.h"

/* a * b / c without overflow for what is measured here; saturates. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	if (!a || !b)
		return 0;
	if (!c)
		return UINT64_MAX;
	if (a <= UINT64_MAX / b)
		return a * b / c;
	/* lose low bits rather than high ones */
	a /= c;
	return a <= UINT64_MAX / b ? a * b : UINT64_MAX;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct stop_decision stop_policy_decide(const struct stop_input *in)
{
	uint64_t bytes = add(scale(in->pages_left, in->page_cost, 1), in->disk_left);
	struct stop_decision d = {.verdict = STOP_CONTINUE};

	d.predicted_ns = add(in->fixed_ns, scale(bytes, NS_PER_S, in->rate));
	if (d.predicted_ns <= in->max_downtime_ns) {
		d.verdict = STOP_AND_COPY;
		d.why = "what is left fits into the allowed downtime";
	} else if (in->fixed_ns > in->max_downtime_ns) {
		d.verdict = STOP_GIVE_UP;
		d.why = "CPU and device state alone take longer than the allowed downtime";
	} else if (in->stalled >= STOP_STALL_ROUNDS) {
		d.verdict = STOP_GIVE_UP;
		d.why = add(scale(in->dirty_rate, in->page_cost, 1), in->disk_rate) >= in->rate
			    ? "the guest writes faster than the link carries it"
			    : "rounds no longer make what is left smaller";
	} else if (in->round >= STOP_MAX_ROUNDS) {
		d.verdict = STOP_GIVE_UP;
		d.why = "too many rounds without reaching the allowed downtime";
	} else {
		d.why = "another round";
	}
	return d;
}

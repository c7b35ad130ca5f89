/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judging what was measured: the storage and the link against what the guest asks of them
 * now. Slow is a note, never a reason to refuse: the operator decides.
 */
#include "migrate/audit.h"

#include "kernel/lib/format.h"
#include "kernel/lib/muldiv.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "migrate/checks_inner.h"

/* "1.2 ms", "34 s" */
static const char *put_time(char out[24], uint64_t ns)
{
	if (ns == UINT64_MAX)
		str_copy(out, "without end", 24);
	else if (ns < 10 * NS_PER_S)
		ksnprintf(out, 24, "%llu.%02llu ms", (unsigned long long)(ns / NS_PER_MS),
			  (unsigned long long)(ns % NS_PER_MS / (NS_PER_MS / 100)));
	else
		ksnprintf(out, 24, "%llu s", (unsigned long long)(ns / NS_PER_S));
	return out;
}

static struct check *add(struct check_list *l, const char *what, const char *name, const char *tail)
{
	char text[CHECK_NAME_LEN];

	ksnprintf(text, sizeof(text), "%s %.7s %s", what, name, tail);
	return check_add(l, true, text);
}

static void note_if(struct check *c, bool bad)
{
	if (bad)
		c->result = CHECK_NOTE;
}

static void put_speed(char out[CHECK_VALUE_LEN], const struct stream_speed *s)
{
	char time[24], size[16];

	if (s->rate && s->read_ns)
		ksnprintf(out, CHECK_VALUE_LEN, "%.15s, %s/s", put_time(time, s->read_ns),
			  format_size(size, s->rate));
	else if (s->read_ns)
		ksnprintf(out, CHECK_VALUE_LEN, "%.15s to answer", put_time(time, s->read_ns));
	else
		str_copy(out, "not measured", CHECK_VALUE_LEN);
}

/* Requests one after the other would take more than all of the time? */
static bool too_slow(const struct audit_disk *d, const struct stream_speed *there)
{
	return mul_div(d->requests, there->read_ns, 1) > NS_PER_S ||
	       (there->rate && d->bytes > there->rate);
}

static void judge_disk(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct stream_speed *there = &in->facts->disks[i].speed;
	const struct audit_disk *d = &in->audit->disks[i];
	const char *name = in->offer->disks[i].name;
	char time[24], size[16];
	struct check *c;

	c = add(l, "disk", name, "read");
	put_speed(c->source, &d->speed);
	put_speed(c->target, there);
	note_if(c, !d->speed.read_ns || !there->read_ns ||
		       (there->read_ns > d->speed.read_ns && too_slow(d, there)));
	c = add(l, "disk", name, "flush");
	str_copy(c->source, d->speed.flush_ns ? put_time(time, d->speed.flush_ns) : "not measured",
		 sizeof(c->source));
	str_copy(c->target, there->flush_ns ? put_time(time, there->flush_ns) : "not measured",
		 sizeof(c->target));
	/* there a shared disk cannot be asked: the source has the reservation */
	note_if(c, !d->speed.flush_ns || (!there->flush_ns && !in->offer->disks[i].shared));
	if (in->cold)
		return;
	c = add(l, "disk", name, "load");
	ksnprintf(c->source, sizeof(c->source), "%llu requests/s, %s/s",
		  (unsigned long long)d->requests, format_size(size, d->bytes));
	str_copy(c->target, too_slow(d, there) ? "slower than that" : "-", sizeof(c->target));
	note_if(c, too_slow(d, there));
}

static void judge_nic(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct audit_nic *n = &in->audit->nics[i];
	char size[16];
	struct check *c = add(l, "nic", in->offer->cfg.nics[i].name, "load");

	ksnprintf(c->source, sizeof(c->source), "%llu frames/s, %s/s",
		  (unsigned long long)n->frames, format_size(size, n->bytes));
	ksnprintf(c->target, sizeof(c->target), "the link carries %s/s",
		  format_size(size, in->audit->rate));
	note_if(c, n->bytes > in->audit->rate);
}

/* What the guest writes against what the wire carries. */
static void judge_link(struct check_list *l, const struct audit *a)
{
	uint64_t writes = mul_div(a->dirty_rate, PAGE_SIZE, 1);
	char text[24], size[16];
	struct check *c;

	c = check_add(l, true, "link round trip");
	str_copy(c->source, put_time(text, a->rtt_ns), sizeof(c->source));
	str_copy(c->target, "-", sizeof(c->target));
	c = check_add(l, true, "link throughput");
	if (a->dirty_known)
		ksnprintf(c->source, sizeof(c->source), "the guest changes %s/s",
			  format_size(size, writes));
	else
		str_copy(c->source, "unknown what the guest changes", sizeof(c->source));
	ksnprintf(c->target, sizeof(c->target), "carries %s/s", format_size(size, a->rate));
	note_if(c, !a->dirty_known || writes >= a->rate);
}

/* A VM that is off asks for nothing now: how long, and no more. */
static void judge_cold(struct check_list *l, const struct audit *a)
{
	char text[24], size[16];
	struct check *c;

	c = check_add(l, true, "link round trip");
	str_copy(c->source, put_time(text, a->rtt_ns), sizeof(c->source));
	str_copy(c->target, "-", sizeof(c->target));
	c = check_add(l, true, "link throughput");
	str_copy(c->source, "-", sizeof(c->source));
	ksnprintf(c->target, sizeof(c->target), "carries %s/s", format_size(size, a->rate));
	c = check_add(l, true, "estimate: time");
	ksnprintf(c->source, sizeof(c->source), "%.15s, %s of disks",
		  put_time(text, a->estimate.total_ns), format_size(size, a->disk_bytes));
	str_copy(c->target, "-", sizeof(c->target));
	note_if(c, a->estimate.gives_up);
}

static void judge_estimate(struct check_list *l, const struct audit *a)
{
	const struct estimate *e = &a->estimate;
	char text[24], all[16], used[16];
	struct check *c;

	c = check_add(l, true, "memory to send");
	ksnprintf(c->source, sizeof(c->source), "%s of %s are not zero",
		  format_size(used, a->used * PAGE_SIZE), format_size(all, a->pages * PAGE_SIZE));
	str_copy(c->target, "-", sizeof(c->target));
	c = check_add(l, true, "estimate: time");
	ksnprintf(c->source, sizeof(c->source), "%s, %u rounds", put_time(text, e->total_ns),
		  e->rounds);
	str_copy(c->target, e->gives_up ? "it would give up" : "-", sizeof(c->target));
	note_if(c, e->gives_up);
	c = check_add(l, true, "estimate: blackout");
	str_copy(c->source, put_time(text, e->blackout_ns), sizeof(c->source));
	ksnprintf(c->target, sizeof(c->target), "%.20s allowed",
		  put_time(text, a->max_downtime_ns));
	note_if(c, e->gives_up);
	if (e->gives_up)
		check_words(l, true, "estimate: why", e->why, "-");
	if (e->gives_up && l->count)
		l->list[l->count - 1].result = CHECK_NOTE;
}

void audit_judge(struct check_list *l, const struct checks_input *in)
{
	for (unsigned i = 0; i < MIN(in->offer->cfg.disk_count, VM_MAX_DISKS); i++)
		judge_disk(l, in, i);
	if (in->cold) {
		judge_cold(l, in->audit);
		return;
	}
	for (unsigned i = 0; i < MIN(in->offer->cfg.nic_count, VM_MAX_NICS); i++)
		judge_nic(l, in, i);
	judge_link(l, in->audit);
	judge_estimate(l, in->audit);
}

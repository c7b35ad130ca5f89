/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for a move's numbers. Keeping the numbers is the business of send.c and receive.c. */
#include "migrate/progress.h"

#include "kernel/lib/format.h"
#include "kernel/lib/muldiv.h"
#include "kernel/time.h"

static const char *const stage_names[STAGE_COUNT] = {
    [STAGE_PRE_MIGRATION] = "pre-migration", [STAGE_RESERVATION] = "reservation",
    [STAGE_PRE_COPY] = "iterative pre-copy", [STAGE_STOP_AND_COPY] = "stop-and-copy",
    [STAGE_COMMITMENT] = "commitment",	     [STAGE_ACTIVATION] = "activation",
};

const char *move_stage_name(enum move_stage s)
{
	return (unsigned)s < STAGE_COUNT ? stage_names[s] : "unknown";
}

/* "12.3 ms" */
static const char *format_ms(char out[24], uint64_t ns)
{
	uint64_t tenths = ns / (NS_PER_MS / 10);

	ksnprintf(out, 24, "%llu.%llu ms", (unsigned long long)(tenths / 10),
		  (unsigned long long)(tenths % 10));
	return out;
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 100;
}

static int failure_text(const struct move_progress *p, char *buf, size_t size)
{
	const char *verb = p->err == -E_CANCELLED ? "cancelled" : "failed";

	return ksnprintf(buf, size, "%s: move %s in stage %d (%s): %s", p->vm, verb, p->stage,
			 move_stage_name(p->stage), p->reason[0] ? p->reason : err_text(p->err));
}

/* The last round's; in the first round, that of the time up to now. */
static uint64_t rate_now(const struct move_progress *p)
{
	if (p->rate || time_ns() <= p->copying_since_ns)
		return p->rate;
	return mul_div(p->bytes - p->bytes_before, NS_PER_S, time_ns() - p->copying_since_ns);
}

/* Stage 2 in one line. */
static int pre_copy_text(const struct move_progress *p, const char *dir, char *buf, size_t size)
{
	uint64_t sent = p->pages_total - MIN(p->pages_left, p->pages_total);
	char bytes[16], rate[16], disks[40] = "", dark[24] = "not known yet";

	if (p->predicted_ns)
		format_ms(dark, p->predicted_ns);
	if (p->disk_total)
		ksnprintf(disks, sizeof(disks), "%s of disks, ", format_size(bytes, p->disk_left));
	return ksnprintf(buf, size,
			 "%s %s %s: stage %d %s, round %u, %llu%%, %llu pages left, %s%s at %s/s, "
			 "%llu dirty/s, blackout %s",
			 p->vm, dir, p->peer, p->stage, move_stage_name(p->stage), p->round,
			 (unsigned long long)percent(sent, p->pages_total),
			 (unsigned long long)p->pages_left, disks, format_size(bytes, p->bytes),
			 format_size(rate, rate_now(p)), (unsigned long long)p->dirty_rate, dark);
}

/* What is left at the pace up to now; empty when that says nothing yet. */
static void left_text(const struct move_progress *p, char *buf, size_t size)
{
	uint64_t done = p->pages_total - MIN(p->pages_left, p->pages_total);
	uint64_t took = time_ns() - p->copying_since_ns;
	char left[24];

	buf[0] = 0;
	if (p->copying_since_ns && done >= p->pages_total / 32 && done)
		ksnprintf(buf, size, ", %s left",
			  format_ms(left, mul_div(took, p->pages_left, done)));
}

/* A save goes by pages; a restore by bytes of the object. */
static uint64_t store_percent(const struct move_progress *p, bool save)
{
	if (!save)
		return p->bytes_total ? percent(p->bytes, p->bytes_total) : 0;
	if (!p->copying_since_ns)
		return 0;
	return percent(p->pages_total - MIN(p->pages_left, p->pages_total), p->pages_total);
}

static const struct store_words {
	const char *failed, *done;
	bool save; /* into a store; else from it */
} store_words[] = {
    [MOVE_SAVE] = {"not saved", "saved in", true},
    [MOVE_RESTORE] = {"not restored", "restored from", false},
    [MOVE_SNAPSHOT] = {"no snapshot", "snapshot in", true},
    [MOVE_REVERT] = {"not reverted", "reverted from", false},
};

static bool is_of_store(const struct move_progress *p)
{
	return p->kind < ARRAY_SIZE(store_words) && store_words[p->kind].done;
}

/* A save, a restore, a snapshot or a revert, under way or ended. */
static int store_text(const struct move_progress *p, char *buf, size_t size)
{
	const struct store_words *w = &store_words[p->kind];
	char bytes[16], took[24], left[48] = "";

	if (p->done && p->err)
		return ksnprintf(buf, size, "%s: %s: %s", p->vm, w->failed,
				 p->reason[0] ? p->reason : err_text(p->err));
	if (p->done)
		return ksnprintf(buf, size, "%s: %s store %s in %s, %llu bytes, %llu pages", p->vm,
				 w->done, p->peer, format_ms(took, p->finished_ns - p->started_ns),
				 (unsigned long long)p->bytes, (unsigned long long)p->pages_sent);
	if (w->save)
		left_text(p, left, sizeof(left));
	return ksnprintf(
	    buf, size, "%s %s store %s: %llu%%, %s%s", p->vm, w->save ? "into" : "from", p->peer,
	    (unsigned long long)store_percent(p, w->save), format_size(bytes, p->bytes), left);
}

/* A move of a VM that is off, while its disks are copied. */
static int cold_copy_text(const struct move_progress *p, const char *dir, char *buf, size_t size)
{
	uint64_t came = p->disk_sent + p->disk_holes + p->disk_there;
	uint64_t took = time_ns() - p->copying_since_ns;
	uint64_t done = p->role == MOVE_SOURCE ? p->disk_total - MIN(p->disk_left, p->disk_total)
					       : MIN(came, p->disk_total);
	char sent[16], all[16], left[24], when[48] = "";

	if (p->copying_since_ns && done >= p->disk_total / 32 && done)
		ksnprintf(when, sizeof(when), ", %s left",
			  format_ms(left, mul_div(took, p->disk_total - done, done)));
	return ksnprintf(buf, size, "%s %s %s: copying disks, %llu%% of %s, %s sent%s", p->vm, dir,
			 p->peer, (unsigned long long)percent(done, p->disk_total),
			 format_size(all, p->disk_total), format_size(sent, p->disk_sent), when);
}

static int cold_summary_text(const struct move_progress *p, char *buf, size_t size)
{
	char took[24];

	return ksnprintf(buf, size,
			 "%s: moved %s %s in %s, switched off, %llu bytes on the wire\n"
			 "%s: disks of %llu bytes: %llu sent, %llu as holes, %llu were there; "
			 "digests equal",
			 p->vm, p->role == MOVE_SOURCE ? "to" : "here from", p->peer,
			 format_ms(took, p->finished_ns - p->started_ns),
			 (unsigned long long)p->bytes, p->vm, (unsigned long long)p->disk_total,
			 (unsigned long long)p->disk_sent, (unsigned long long)p->disk_holes,
			 (unsigned long long)p->disk_there);
}

int move_status_text(const struct move_progress *p, char *buf, size_t size)
{
	const char *dir = p->role == MOVE_SOURCE ? "to" : "from";
	char bytes[16];

	if (is_of_store(p))
		return store_text(p, buf, size);
	if (p->done && p->err)
		return failure_text(p, buf, size);
	if (p->done)
		return ksnprintf(buf, size, "%s: %s", p->vm,
				 p->dry_run ? "dry run: every check passed" : "moved");
	if (p->handover == HANDOVER_RECLAIM || p->handover == HANDOVER_FORGOTTEN ||
	    p->handover == HANDOVER_TARGET_FORGOTTEN)
		return ksnprintf(buf, size, "%s: in doubt (%s): %s", p->vm,
				 handover_state_name(p->handover), p->reason);
	if (p->kind == MOVE_COLD && p->stage == STAGE_PRE_COPY && p->disk_total)
		return cold_copy_text(p, dir, buf, size);
	if (p->stage != STAGE_PRE_COPY || p->kind == MOVE_COLD)
		return ksnprintf(buf, size, "%s %s %s: stage %d %s, %s", p->vm, dir, p->peer,
				 p->stage, move_stage_name(p->stage), format_size(bytes, p->bytes));
	return pre_copy_text(p, dir, buf, size);
}

int move_summary_text(const struct move_progress *p, char *buf, size_t size)
{
	char predicted[24], measured[24], target[24], took[24], frames[48] = "", disks[120] = "";

	if (is_of_store(p))
		return store_text(p, buf, size);
	if (p->err)
		return failure_text(p, buf, size);
	if (p->dry_run)
		return move_status_text(p, buf, size);
	if (p->kind == MOVE_COLD)
		return cold_summary_text(p, buf, size);
	if (p->disk_total)
		ksnprintf(disks, sizeof(disks),
			  "\n%s: disks of %llu bytes: %llu bytes sent, %llu as holes", p->vm,
			  (unsigned long long)p->disk_total, (unsigned long long)p->disk_sent,
			  (unsigned long long)p->disk_holes);
	if (p->frames)
		ksnprintf(frames, sizeof(frames), "\n%llu frames sent on to the guest",
			  (unsigned long long)p->frames);
	if (p->role == MOVE_TARGET) /* how long the guest stood still is for the source to say */
		return ksnprintf(buf, size,
				 "%s: moved here from %s in %s, %u rounds, %llu bytes on the wire, "
				 "ran %s after COMMIT%s%s",
				 p->vm, p->peer, format_ms(took, p->finished_ns - p->started_ns),
				 p->round, (unsigned long long)p->bytes,
				 format_ms(target, p->target_ns),
				 p->verified ? "\nevery page compared: equal" : "", frames);
	return ksnprintf(
	    buf, size,
	    "%s: moved to %s in %s, %u rounds, %llu bytes on the wire, %llu pages, %llu zero "
	    "pages\n"
	    "%s: blackout predicted %s, measured %s (target: %s from COMMIT to running)\n"
	    "%s: %llu bytes while the guest stood still; this host's own work in pre-copy: %llu "
	    "ticks, all told%s%s%s",
	    p->vm, p->peer, format_ms(took, p->finished_ns - p->started_ns), p->round,
	    (unsigned long long)p->bytes, (unsigned long long)p->pages_sent,
	    (unsigned long long)p->zero_pages, p->vm, format_ms(predicted, p->predicted_ns),
	    format_ms(measured, p->measured_ns), format_ms(target, p->target_ns), p->vm,
	    (unsigned long long)p->stop_bytes, (unsigned long long)p->work_ticks, disks,
	    p->verified ? "\nevery page compared: equal" : "", frames);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging how a VM is at its host; each function asks about one thing. No side effects. */
#include "migrate/validate.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

#define OVERDUE_NS NS_PER_S /* hosts are late by less, however busy they are */

/* ---- the guest's console -------------------------------------------------------------- */

/*
 * What Linux prints when it is in trouble; "blocked for more than" is its hung-task watchdog,
 * "detected stall" RCU's. Each begins a word: "DEBUG: " is no bug. With the colon, because
 * a command line that is echoed at boot may have "hung_task_panic=1".
 */
static const struct {
	const char *words;
	enum check_result result;
} signs[] = {
    {"Kernel panic", CHECK_FAILED},  {"BUG:", CHECK_FAILED},
    {"soft lockup", CHECK_FAILED},   {"hung task", CHECK_FAILED},
    {"hung_task:", CHECK_FAILED},    {"blocked for more than", CHECK_FAILED},
    {"I/O error", CHECK_FAILED},     {"Call Trace", CHECK_FAILED},
    {"as unstable", CHECK_FAILED},   {"hard LOCKUP", CHECK_FAILED},
    {"Oops:", CHECK_FAILED},	     {"detected stall", CHECK_FAILED},
    {"EXT4-fs error", CHECK_FAILED}, {"clocksource", CHECK_NOTE},
};

/* Only a capital: the escape sequence of a colour ends with "m". */
static bool in_word(char before)
{
	return before >= 'A' && before <= 'Z';
}

static bool contains(const char *line, size_t n, const char *words)
{
	size_t len = strlen(words);

	for (size_t i = 0; i + len <= n; i++)
		if ((!i || !in_word(line[i - 1])) && !memcmp(line + i, words, len))
			return true;
	return false;
}

static enum check_result line_result(const char *line, size_t n)
{
	enum check_result worst = CHECK_PASSED;

	for (unsigned i = 0; i < ARRAY_SIZE(signs); i++)
		if (signs[i].result > worst && contains(line, n, signs[i].words))
			worst = signs[i].result;
	return worst;
}

/* A guest may print anything: escape sequences must not reach the operator's terminal. */
static void quote_line(const char *line, size_t n, char quote[VALIDATE_QUOTE_LEN])
{
	size_t len = 0;

	for (size_t i = 0; i < n && len < VALIDATE_QUOTE_LEN - 1; i++)
		if (line[i] != '\r')
			quote[len++] = (char)(line[i] >= ' ' && line[i] <= '~' ? line[i] : '?');
	quote[len] = 0;
}

enum check_result validate_scan(const char *text, size_t n, char quote[VALIDATE_QUOTE_LEN])
{
	enum check_result worst = CHECK_PASSED;

	quote[0] = 0;
	for (size_t i = 0; i < n;) {
		enum check_result r;
		size_t len = 0;

		while (i + len < n && text[i + len] != '\n')
			len++;
		r = line_result(text + i, len);
		if (r > worst) {
			worst = r;
			quote_line(text + i, len, quote);
		}
		i += len + 1;
	}
	return worst;
}

/* ---- judging ---------------------------------------------------------------------------- */

/* The caller fills in the words. */
static char *add(struct validate_list *l, enum check_result result, const char *name)
{
	static struct validate_line overflow;
	struct validate_line *v = l->count < VALIDATE_LINES_MAX ? &l->list[l->count++] : &overflow;

	v->result = result;
	l->failed += result == CHECK_FAILED;
	l->notes += result == CHECK_NOTE;
	str_copy(v->name, name, sizeof(v->name));
	v->words[0] = 0;
	return v->words;
}
#define WORDS_SIZE sizeof(((struct validate_line *)0)->words)

static void judge_state(struct validate_list *l, const struct validate_facts *f)
{
	enum check_result r = f->state == VM_RUNNING  ? CHECK_PASSED
			      : f->state == VM_PAUSED ? CHECK_NOTE
						      : CHECK_FAILED;
	char *words = add(l, r, "state");

	ksnprintf(words, WORDS_SIZE, "%s%s", vm_state_name(f->state),
		  f->moved ? ", it came by a move" : ", it was not moved here, or long ago");
}

static void judge_disk(struct validate_list *l, const struct validate_disk *d)
{
	enum check_result r = CHECK_PASSED;
	const char *says = "reserved by this host";
	char name[24], *words;

	if (d->err) {
		r = CHECK_FAILED;
		says = d->shared ? "its target does not answer" : "not open";
	} else if (d->shared && !d->count) {
		r = CHECK_NOTE;
		says = "reserved by nobody: its target restarted; a write takes it again";
	} else if (d->shared && (!d->listed || !d->owned)) {
		r = CHECK_FAILED;
		says = "NOT reserved by this host";
	} else if (d->shared && d->count > 1) {
		r = CHECK_NOTE;
		says = "reserved by this host and another: a move is under way";
	} else if (!d->shared) {
		says = "of this host alone";
	}
	if (d->errors && r == CHECK_PASSED)
		r = CHECK_NOTE;
	ksnprintf(name, sizeof(name), "disk %.7s", d->name);
	words = add(l, r, name);
	ksnprintf(words, WORDS_SIZE, "%s%s%s, %llu requests, %llu of them failed", says,
		  d->err ? ": " : "", d->err ? err_text(d->err) : "",
		  (unsigned long long)d->requests, (unsigned long long)d->errors);
}

static void judge_nic(struct validate_list *l, const struct validate_nic *n)
{
	enum check_result r = CHECK_PASSED;
	const char *says = "";
	char name[24], *words;

	if (!n->attached) {
		r = CHECK_FAILED;
		says = "not on its network, ";
	} else if (n->elsewhere) {
		r = CHECK_NOTE;
		says = "somebody else on the wire sends from its MAC, ";
	} else if (!n->to_guest || !n->from_guest) {
		r = CHECK_NOTE;
		says = "silent in one direction or both, ";
	}
	ksnprintf(name, sizeof(name), "nic %.7s", n->name);
	words = add(l, r, name);
	ksnprintf(words, WORDS_SIZE, "%s%s%llu frames from the guest, %llu to it", says,
		  !n->announced	  ? ""
		  : n->found	  ? "announced and found, "
		  : n->announcing ? "being announced, "
				  : "announced, ",
		  (unsigned long long)n->from_guest, (unsigned long long)n->to_guest);
}

static void judge_vcpus(struct validate_list *l, const struct validate_facts *f)
{
	unsigned ran = 0, now = 0, idle = 0, dead = 0, off = 0;
	enum check_result r = CHECK_PASSED;
	char *words;

	for (unsigned i = 0; i < f->cpu_count; i++) {
		const struct validate_cpu *c = &f->cpus[i];

		ran += c->exits > 0;
		now += c->exits_now > 0;
		off += c->waits_sipi;
		idle += !c->exits_now && c->halted && !c->waits_sipi;
		dead += !c->exits && !c->halted && !c->waits_sipi;
	}
	if (f->state == VM_RUNNING && dead)
		r = CHECK_FAILED;
	else if (f->state != VM_RUNNING || !now)
		r = CHECK_NOTE;
	words = add(l, r, "vCPUs");
	ksnprintf(words, WORDS_SIZE,
		  "%u of %u ran here, %u in the last %llu ms; %u slept, %u not started, %u stuck",
		  ran, f->cpu_count, now, (unsigned long long)(f->look_ns / NS_PER_MS), idle, off,
		  dead);
}

static void judge_timers(struct validate_list *l, const struct validate_facts *f)
{
	enum check_result r = CHECK_PASSED;
	const char *says = "";
	char *words;

	if (f->state == VM_RUNNING && f->overdue_ns > OVERDUE_NS) {
		r = CHECK_FAILED;
		says = "one is overdue: the guest waits for it; ";
	} else if (!f->timer_irqs_now) {
		r = CHECK_NOTE; /* a guest may do without for a while */
		says = "none fired just now; ";
	}
	words = add(l, r, "timers");
	ksnprintf(words, WORDS_SIZE, "%s%llu interrupts here, %llu in the last %llu ms", says,
		  (unsigned long long)f->timer_irqs, (unsigned long long)f->timer_irqs_now,
		  (unsigned long long)(f->look_ns / NS_PER_MS));
}

static void judge_console(struct validate_list *l, const struct validate_facts *f)
{
	enum check_result r = f->console;
	uint64_t lost = f->console_bytes - MIN(f->console_kept, f->console_bytes);
	char *words;

	if (r == CHECK_PASSED && lost)
		r = CHECK_NOTE;
	words = add(l, r, "console");
	if (f->console != CHECK_PASSED)
		ksnprintf(words, WORDS_SIZE, "\"%.*s\"", VALIDATE_QUOTE_LEN, f->quote);
	else
		ksnprintf(words, WORDS_SIZE, "no sign of trouble in %llu bytes%s",
			  (unsigned long long)(f->console_bytes - lost),
			  lost ? "; older ones are no longer kept" : "");
}

void validate_judge(const struct validate_facts *f, struct validate_list *out)
{
	memset(out, 0, sizeof(*out));
	judge_state(out, f);
	for (unsigned i = 0; i < MIN(f->disk_count, VM_MAX_DISKS); i++)
		judge_disk(out, &f->disks[i]);
	for (unsigned i = 0; i < MIN(f->nic_count, VM_MAX_NICS); i++)
		judge_nic(out, &f->nics[i]);
	judge_vcpus(out, f);
	judge_timers(out, f);
	judge_console(out, f);
	if (f->verified)
		str_copy(add(out, CHECK_PASSED, "memory"), "every page compared: equal",
			 WORDS_SIZE);
}

void validate_summary(const struct validate_list *l, char *buf, size_t size)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct validate_line *v = &l->list[i];

		if (v->result != CHECK_FAILED)
			continue;
		ksnprintf(buf, size, "FAIL %s: %s", v->name, v->words);
		return;
	}
	ksnprintf(buf, size, "pass, %u checks, %u with a note", l->count, l->notes);
}

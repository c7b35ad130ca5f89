/* SPDX-License-Identifier: BSD-2-Clause */
/* One table row an option; a number's unit is that of the option's name. */
#include "migrate/move_options.h"

#include "kernel/console_line.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

struct option {
	const char *name;
	const char *value; /* what must follow; NULL for nothing */
	bool (*set)(struct move_words *w, const char *value);
};

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	return str_to_u64(text, out) == 0 && *out >= min && *out <= max;
}

static bool set_dry_run(struct move_words *w, const char *value)
{
	w->opt.dry_run = true;
	return true;
}

static bool set_verify(struct move_words *w, const char *value)
{
	w->opt.verify = true;
	return true;
}

static bool set_backup(struct move_words *w, const char *value)
{
	w->opt.backup = true;
	return true;
}

static bool set_suspend(struct move_words *w, const char *value)
{
	w->opt.suspend = true;
	return true;
}

static bool set_cold(struct move_words *w, const char *value)
{
	w->opt.cold = true;
	return true;
}

static bool set_start(struct move_words *w, const char *value)
{
	w->opt.start = true;
	return true;
}

static bool set_keep(struct move_words *w, const char *value)
{
	w->opt.keep = true;
	return true;
}

static bool set_downtime(struct move_words *w, const char *value)
{
	uint64_t ms;

	if (!parse_number(value, 1, 3600000, &ms))
		return false;
	w->opt.max_downtime_ns = ms * NS_PER_MS;
	return true;
}

/* Megabytes, not mebibytes: like a wire's own figures. */
static bool set_bandwidth(struct move_words *w, const char *value)
{
	uint64_t mb;

	if (!parse_number(value, 1, 1000000, &mb))
		return false;
	w->opt.bandwidth = mb * 1000000;
	return true;
}

static bool set_timeout(struct move_words *w, const char *value)
{
	uint64_t s;

	if (!parse_number(value, 1, 1000000, &s))
		return false;
	w->timeout_ns = s * NS_PER_S;
	return true;
}

static bool set_dirty(struct move_words *w, const char *value)
{
	for (unsigned m = 0; m < DIRTY_METHODS; m++) {
		if (strcmp(value, dirty_method_name((enum dirty_method)m)) == 0) {
			w->opt.dirty = (enum dirty_method)m;
			return true;
		}
	}
	return false;
}

/* vda=STORE. What the VM has is not known here. */
static bool set_disk(struct move_words *w, const char *value)
{
	struct migrate_disk_option *d = &w->opt.disks[w->opt.disk_count];
	const char *eq = strchr(value, '=');
	size_t len = eq ? (size_t)(eq - value) : 0;

	if (!len || len >= sizeof(d->disk) || !eq[1] || strlen(eq + 1) >= sizeof(d->store) ||
	    w->opt.disk_count == ARRAY_SIZE(w->opt.disks))
		return false;
	memcpy(d->disk, value, len);
	str_copy(d->store, eq + 1, sizeof(d->store));
	w->opt.disk_count++;
	return true;
}

static const struct option options[] = {
    {"--dry-run", NULL, set_dry_run},
    {"--verify", NULL, set_verify},
    {"--suspend", NULL, set_suspend},
    {"--cold", NULL, set_cold},
    {"--start", NULL, set_start},
    {"--keep", NULL, set_keep},
    {"--backup", NULL, set_backup},
    {"--max-downtime", "milliseconds from 1 to 3600000", set_downtime},
    {"--bandwidth", "megabytes a second from 1 to 1000000", set_bandwidth},
    {"--timeout", "seconds from 1 to 1000000", set_timeout},
    {"--disk", "a disk and a datastore there, like vda=main", set_disk},
    {"--dirty", "auto, pml, ad or wp", set_dirty},
};

void move_options_complete(struct completion *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
		completion_add(c, options[i].name);
}

static const struct option *find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}

int move_options_parse(int argc, char **argv, struct move_words *out, char *why, size_t why_size)
{
	struct move_words w = {.opt.dirty = DIRTY_AUTO};

	for (int i = 0; i < argc; i++) {
		const struct option *o = find(argv[i]);
		const char *value = "";

		if (!o) {
			ksnprintf(why, why_size, "no option '%.30s'; 'help migrate' lists them",
				  argv[i]);
			return -E_INVAL;
		}
		if (o->value)
			value = ++i < argc ? argv[i] : "";
		if (!o->set(&w, value)) {
			ksnprintf(why, why_size, "%s '%.20s': expected %s", o->name, value,
				  o->value);
			return -E_INVAL;
		}
	}
	if (!w.opt.cold && (w.opt.start || w.opt.keep)) {
		ksnprintf(why, why_size, "--start and --keep are for --cold moves");
		return -E_INVAL;
	}
	if (w.opt.cold && w.opt.suspend) {
		ksnprintf(why, why_size, "--cold and --suspend: choose one");
		return -E_INVAL;
	}
	*out = w;
	return 0;
}

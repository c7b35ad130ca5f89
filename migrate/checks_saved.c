/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of a saved VM's disks: are they there, and did anybody write to them since?
 * A guest that goes on with another file system than the one in its memory destroys it.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "migrate/checks_inner.h"

/* The words of a saved state's shared disk: who may write to it now? */
static const char *parked_words(const struct stream_disk_fact *f)
{
	if (!f->list_count)
		return "nobody: its target restarted";
	if (f->source_listed && f->list_count == 1)
		return "still";
	return "another host took it";
}

/* Did anybody write to the disk of a saved VM since? */
static void check_unchanged(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct vm_disk_config *cfg = &in->offer->cfg.disks[i];
	const struct stream_disk_fact *f = &in->facts->disks[i];
	const struct stream_disk *d = &in->offer->disks[i];
	char name[CHECK_NAME_LEN];
	struct check *c;
	bool same = true;

	ksnprintf(name, sizeof(name), "disk %.7s unchanged", d->name);
	if (cfg->shared) {
		same = f->source_listed && f->list_count == 1;
		check_words(l, same || in->force, name, "reserved by the save", parked_words(f));
	} else if (cfg->in_store && in->reverted) {
		check_words(l, true, name, "the snapshot's",
			    cfg->readonly ? "readonly" : "put back");
	} else if (cfg->in_store) {
		same = d->digest == f->digest;
		c = check_add(l, same || in->force, name);
		ksnprintf(c->source, sizeof(c->source), "%016llx", (unsigned long long)d->digest);
		ksnprintf(c->target, sizeof(c->target), "%016llx", (unsigned long long)f->digest);
	} else {
		same = false;
		check_words(l, true, name, "unknown", "cannot be told: a plain disk");
	}
	if (!same && l->count && l->list[l->count - 1].result == CHECK_PASSED)
		l->list[l->count - 1].result = CHECK_NOTE;
}

void checks_saved_disk(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct vm_disk_config *cfg = &in->offer->cfg.disks[i];
	const struct stream_disk_fact *f = &in->facts->disks[i];
	const struct stream_disk *d = &in->offer->disks[i];
	char name[CHECK_NAME_LEN];

	ksnprintf(name, sizeof(name), "disk %.7s reachable", d->name);
	check_words(l, !f->err, name, cfg->shared ? "shared" : cfg->local,
		    f->err ? err_text(f->err) : "yes");
	if (f->err)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s sectors", d->name);
	check_numbers(l, d->sectors == f->sectors, name, d->sectors, f->sectors);
	check_unchanged(l, in, i);
	if (cfg->shared || cfg->in_store)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s same host", d->name);
	check_words(l, !strncmp(in->source->host, in->target->host, sizeof(in->source->host)), name,
		    in->source->host, in->target->host);
}

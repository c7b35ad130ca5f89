/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks before a move; each function asks about one thing. */
#include "migrate/checks_inner.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

#define TSC_TOLERANCE_PPM 250 /* a clock off by no more than this is what NTP expects anyway */

struct check *check_add(struct check_list *l, bool passed, const char *name)
{
	static struct check overflow;
	struct check *c = l->count < CHECKS_MAX ? &l->list[l->count++] : &overflow;

	if (!passed)
		l->failed++;
	c->result = passed ? CHECK_PASSED : CHECK_FAILED;
	c->source[0] = c->target[0] = 0;
	str_copy(c->name, name, sizeof(c->name));
	return c;
}

void check_words(struct check_list *l, bool passed, const char *name, const char *source,
		 const char *target)
{
	struct check *c = check_add(l, passed, name);

	str_copy(c->source, source, sizeof(c->source));
	str_copy(c->target, target, sizeof(c->target));
}

struct check *check_numbers(struct check_list *l, bool passed, const char *name, uint64_t source,
			    uint64_t target)
{
	struct check *c = check_add(l, passed, name);

	ksnprintf(c->source, sizeof(c->source), "%llu", (unsigned long long)source);
	ksnprintf(c->target, sizeof(c->target), "%llu", (unsigned long long)target);
	return c;
}

void check_sizes(struct check_list *l, bool passed, const char *name, uint64_t source,
		 uint64_t target)
{
	struct check *c = check_add(l, passed, name);

	format_size(c->source, source);
	format_size(c->target, target);
}

void checks_hello(struct check_list *l, const struct checks_input *in)
{
	check_numbers(l, in->source->version == in->target->version, "stream version",
		      in->source->version, in->target->version);
	check_words(l, !strncmp(in->source->pool, in->target->pool, sizeof(in->source->pool)),
		    "pool", in->source->pool, in->target->pool);
}

void check_soften(struct check_list *l, unsigned from)
{
	for (unsigned i = from; i < l->count; i++) {
		if (l->list[i].result != CHECK_FAILED)
			continue;
		l->list[i].result = CHECK_NOTE;
		l->failed--;
	}
}

/* Which kinds of move that makes possible. */
static void check_state(struct check_list *l, const struct checks_input *in)
{
	bool on = in->state == VM_RUNNING || in->state == VM_PAUSED;

	if (!in->saved)
		check_words(l, on, "power state", vm_state_name(in->state),
			    on ? "hot or --suspend move" : "a --cold move only");
}

void check_admission(struct check_list *l, const struct checks_input *in)
{
	const struct stream_facts *f = in->facts;
	const struct vm_config *cfg = &in->offer->cfg;

	check_words(l, !(f->flags & FACT_NAME_TAKEN), "VM name free", cfg->name,
		    f->flags & FACT_NAME_TAKEN ? "has a VM of that name" : "free");
	check_words(l, !(f->flags & FACT_MOVE_BUSY), CHECK_NO_OTHER_MOVE, "none",
		    f->flags & FACT_MOVE_BUSY ? "a move is under way" : "none");
	check_words(l, !(f->flags & FACT_DRAINED), "takes VMs", "needed",
		    f->flags & FACT_DRAINED ? "drained, 'undrain' there" : "yes");
}

void check_capacity(struct check_list *l, const struct checks_input *in)
{
	const struct stream_facts *f = in->facts;
	const struct vm_config *cfg = &in->offer->cfg;
	struct check *c;

	check_words(l, f->flags & FACT_RUNS_GUESTS, "virtualisation", "needed",
		    f->flags & FACT_RUNS_GUESTS ? "yes" : "no VT-x there");
	check_sizes(l, cfg->memory <= f->free_bytes, "memory", cfg->memory, f->free_bytes);
	/* They take turns there, as they may at any host: slower, not wrong. */
	c = check_numbers(l, true, "CPUs", cfg->vcpus, f->cpus);
	if (cfg->vcpus > f->cpus)
		c->result = CHECK_NOTE;
}

static void cpuid_differs(void *ctx, const char *what, uint64_t guest, uint64_t host)
{
	struct check *c = check_add(ctx, false, what);

	ksnprintf(c->source, sizeof(c->source), "0x%llx", (unsigned long long)guest);
	ksnprintf(c->target, sizeof(c->target), "0x%llx", (unsigned long long)host);
}

void check_cpu_features(struct check_list *l, const struct checks_input *in)
{
	unsigned before = l->failed;
	unsigned n = cpuid_policy_compare(&in->offer->cpuid, &in->facts->host, cpuid_differs, l);

	/* the comparison's own count is what decides, should it report less than it counts */
	if (l->failed == before && n)
		check_numbers(l, false, "CPU features", 0, n);
	if (!n)
		check_words(l, true, "CPU features", "all", "all there");
}

static void check_tsc(struct check_list *l, const struct checks_input *in)
{
	const struct cpuid_policy *guest = &in->offer->cpuid, *host = &in->facts->host;
	uint64_t diff = guest->tsc_khz > host->tsc_khz ? guest->tsc_khz - host->tsc_khz
						       : host->tsc_khz - guest->tsc_khz;
	bool same = diff <= guest->tsc_khz / 1000000 * TSC_TOLERANCE_PPM +
				guest->tsc_khz % 1000000 * TSC_TOLERANCE_PPM / 1000000;

	check_numbers(l, same || host->tsc_scaling, "TSC kHz", guest->tsc_khz, host->tsc_khz);
}

/* Together with the disks before it that go to the same datastore. */
static uint64_t bytes_to_store(const struct checks_input *in, unsigned disk)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= disk; i++)
		if (!in->offer->disks[i].shared &&
		    !strncmp(in->facts->disks[i].store, in->facts->disks[disk].store,
			     sizeof(in->facts->disks[i].store)))
			sum += in->offer->disks[i].stored;
	return sum;
}

/* It goes along: is there room for what is stored of it? */
static void check_copied_disk(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct stream_disk_fact *f = &in->facts->disks[i];
	const struct stream_disk *d = &in->offer->disks[i];
	uint64_t need = bytes_to_store(in, i);
	char name[CHECK_NAME_LEN];
	struct check *c;

	ksnprintf(name, sizeof(name), "disk %.7s datastore", d->name);
	check_words(l, !f->err, name, d->store[0] ? d->store : "the default one",
		    f->err == -E_NOENT ? "no such datastore is open"
		    : f->err	       ? err_text(f->err)
				       : f->store);
	if (f->err)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s is copied", d->name);
	c = check_add(l, true, name);
	c->result = CHECK_NOTE;
	format_size(c->source, d->sectors * 512);
	ksnprintf(c->target, sizeof(c->target), "to datastore %.23s", f->store);
	ksnprintf(name, sizeof(name), "disk %.7s room", d->name);
	check_sizes(l, need <= f->free, name, need, f->free);
	ksnprintf(name, sizeof(name), "disk %.7s name free", d->name);
	check_words(l, !f->taken, name, "needed", f->taken ? "an object has it there" : "free");
	if (!f->part)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s unfinished copy", d->name);
	c = check_add(l, true, name);
	str_copy(c->source, "compared", sizeof(c->source));
	str_copy(c->target, "is there, only the rest goes", sizeof(c->target));
}

static void check_disk(struct check_list *l, const struct checks_input *in, unsigned i)
{
	const struct stream_disk_fact *f = &in->facts->disks[i];
	const struct stream_disk *d = &in->offer->disks[i];
	char name[CHECK_NAME_LEN];

	ksnprintf(name, sizeof(name), "disk %.7s reachable", d->name);
	check_words(l, !f->err, name, "yes", f->err ? err_text(f->err) : "yes");
	if (f->err && in->cold && !in->start)
		check_soften(l, l->count - 1);
	if (f->err)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s sectors", d->name);
	check_numbers(l, d->sectors == f->sectors, name, d->sectors, f->sectors);
	ksnprintf(name, sizeof(name), "disk %.7s is the same", d->name);
	check_words(l, f->source_listed, name, "reserved by us",
		    f->source_listed ? "sees our reservation" : "does not see our reservation");
	if (!d->deciding)
		return;
	ksnprintf(name, sizeof(name), "disk %.7s config string", d->name);
	check_words(l, !f->config_foreign, name, "free for us",
		    f->config_foreign ? "in use by others" : "free");
}

/* The network by name; the guest goes on believing in the MTU that it was told. */
static void check_nic(struct check_list *l, const struct vm_nic_config *n,
		      const struct stream_nic *sn, const struct stream_nic_fact *f)
{
	char name[CHECK_NAME_LEN];

	ksnprintf(name, sizeof(name), "nic %.7s network", n->name);
	check_words(l, f->mtu, name, n->network, f->mtu ? "there" : "no network of that name");
	if (!f->mtu)
		return;
	ksnprintf(name, sizeof(name), "nic %.7s MTU", n->name);
	check_numbers(l, sn->mtu <= f->mtu, name, sn->mtu, f->mtu);
	ksnprintf(name, sizeof(name), "nic %.7s MAC free", n->name);
	check_words(l, !f->mac_taken, name, "ours", f->mac_taken ? "another VM has it" : "free");
}

void checks_run(struct check_list *l, const struct checks_input *in)
{
	unsigned disks = MIN(in->offer->cfg.disk_count, VM_MAX_DISKS), before;

	if (in->cold) {
		checks_cold(l, in);
	} else {
		check_state(l, in);
		check_admission(l, in);
		check_capacity(l, in);
		check_cpu_features(l, in);
		check_tsc(l, in);
		before = l->count;
		if (!in->saved)
			check_definition(l, in);
		check_soften(l, before);
	}
	for (unsigned i = 0; i < disks; i++)
		if (in->saved)
			checks_saved_disk(l, in, i);
		else if (!in->offer->disks[i].shared)
			check_copied_disk(l, in, i);
		else
			check_disk(l, in, i);
	before = l->count;
	for (unsigned i = 0; i < MIN(in->offer->cfg.nic_count, VM_MAX_NICS); i++)
		check_nic(l, &in->offer->cfg.nics[i], &in->offer->nics[i], &in->facts->nics[i]);
	if (in->cold && !in->start)
		check_soften(l, before);
	checks_identity(l, in);
	if (in->audit)
		audit_judge(l, in);
}

const char *check_result_name(enum check_result r)
{
	static const char *const words[] = {"pass", "note", "FAIL"};

	return words[r];
}

int check_text(const struct check_list *l, unsigned i, char *buf, size_t size)
{
	const struct check *c;

	if (i >= l->count)
		return 0;
	c = &l->list[i];
	return ksnprintf(buf, size, "%-4s %-28s %-20s %s", check_result_name(c->result), c->name,
			 c->source, c->target);
}

void check_reason(const struct check_list *l, char *buf, size_t size)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct check *c = &l->list[i];

		if (c->result != CHECK_FAILED)
			continue;
		ksnprintf(buf, size, "check failed: %s: here %s, there %s (%u failed)", c->name,
			  c->source, c->target, l->failed);
		return;
	}
	ksnprintf(buf, size, "%u checks failed", l->failed);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source's judgement of what a target claims: any HELLO and FACTS give a list
 * whose words end, and a list without failures only when the CPUs really fit.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "migrate/audit.h"
#include "migrate/checks.h"

static struct stream_hello mine = {.magic = STREAM_MAGIC,
				   .version = STREAM_VERSION,
				   .purpose = STREAM_FOR_MOVE,
				   .boot_id = 11,
				   .host = "alpha",
				   .pool = "lab"};

const char *vm_state_name(enum vm_state s)
{
	return "running";
}

static void good_policy(struct cpuid_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->count = 3;
	p->max_basic = 0xd;
	p->phys_bits = 40;
	p->xcr0 = 7;
	p->tsc_khz = 1000000;
	p->entries[0] = (struct cpuid_entry){1, CPUID_NO_SUBLEAF, 0x50654, 0, ~0u, ~0u};
	p->entries[1] = (struct cpuid_entry){7, 0, 0, ~0u, 0, 0};
	p->entries[2] = (struct cpuid_entry){0xd, 0, 7, 832, 832, 0};
}

static void good_offer(struct stream_offer *o)
{
	memset(o, 0, sizeof(*o));
	strcpy(o->cfg.name, "web");
	o->cfg.memory = 64 * MiB;
	o->cfg.vcpus = 2;
	o->cfg.disk_count = 1;
	o->disks[0] =
	    (struct stream_disk){.name = "vda", .shared = 1, .deciding = 1, .sectors = 4096};
	good_policy(&o->cpuid);
}

static void good_facts(struct stream_facts *f)
{
	memset(f, 0, sizeof(*f));
	good_policy(&f->host);
	f->free_bytes = GiB;
	f->cpus = 4;
	f->flags = FACT_RUNS_GUESTS;
	f->disks[0] =
	    (struct stream_disk_fact){.source_listed = 1, .list_count = 1, .sectors = 4096};
}

static void words_end(const struct check_list *l)
{
	char line[160];

	assert_in_range(l->count, 0, CHECKS_MAX);
	for (unsigned i = 0; i < l->count; i++) {
		const struct check *c = &l->list[i];

		assert_true(strnlen(c->name, sizeof(c->name)) < sizeof(c->name));
		assert_true(strnlen(c->source, sizeof(c->source)) < sizeof(c->source));
		assert_true(strnlen(c->target, sizeof(c->target)) < sizeof(c->target));
		(void)check_text(l, i, line, sizeof(line));
		assert_true(strnlen(line, sizeof(line)) < sizeof(line));
	}
	check_reason(l, line, sizeof(line));
	assert_true(strnlen(line, sizeof(line)) < sizeof(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream_hello theirs;
	static struct stream_facts facts;
	static struct stream_offer offer;
	static struct check_list list;
	static const struct audit measured = {.estimate.why = ""};
	struct checks_input in = {
	    .source = &mine, .target = &theirs, .offer = &offer, .facts = &facts};
	struct fuzz f = {data, size};

	in.saved = size % 2;
	in.state = VM_RUNNING;
	in.audit = size % 3 ? &measured : NULL;
	theirs = mine;
	good_offer(&offer);
	good_facts(&facts);
	fuzz_spoil(&f, &theirs, sizeof(theirs));
	theirs.host[31] = theirs.pool[31] = 0; /* facts_check_hello came before */
	while (f.left)
		fuzz_spoil(&f, &facts, sizeof(facts));
	memset(&list, 0, sizeof(list));
	checks_hello(&list, &in);
	words_end(&list);
	checks_run(&list, &in);
	words_end(&list);
	if (!list.failed) /* fewer CPUs are a note */
		assert_true(facts.host.phys_bits >= 40 && (facts.host.xcr0 & 7) == 7 &&
			    facts.free_bytes >= 64 * MiB);
	return 0;
}

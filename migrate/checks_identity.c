/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest knows its machine by, and whether it stays so: licences, agents and
 * file systems hang on it. A hot move keeps all of it, because configuration, CPUID policy
 * and device state go along; what only seems the same is a note.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "migrate/checks_inner.h"

#define BRAND_LEAF 0x80000002u /* three leaves of 16 characters (SDM, "CPUID") */

static const char stays[] = "stays";

static void check_uuid(struct check_list *l, const struct checks_input *in)
{
	const uint8_t *u = in->offer->cfg.uuid;
	bool taken = in->facts->flags & FACT_UUID_TAKEN;
	struct check *c = check_add(l, true, "identity: UUID");
	size_t len = 0;

	for (unsigned i = 0; i < 16; i++)
		len += (size_t)ksnprintf(c->source + len, sizeof(c->source) - len, "%s%02x",
					 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	str_copy(c->target, taken ? "stays; another VM there has it" : stays, sizeof(c->target));
	if (taken)
		c->result = CHECK_NOTE;
}

static const struct cpuid_entry *find_leaf(const struct cpuid_policy *p, uint32_t leaf)
{
	for (uint32_t i = 0; i < MIN(p->count, CPUID_MAX_ENTRIES); i++)
		if (p->entries[i].leaf == leaf)
			return &p->entries[i];
	return NULL;
}

static void check_model(struct check_list *l, const struct checks_input *in)
{
	struct check *c = check_add(l, true, "identity: CPU model");
	char brand[49] = "", *text = brand;

	for (uint32_t i = 0; i < 3; i++) {
		const struct cpuid_entry *e = find_leaf(&in->offer->cpuid, BRAND_LEAF + i);

		if (e)
			memcpy(brand + 16 * i, &e->eax, 16);
	}
	for (char *p = brand; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	while (*text == ' ')
		text++;
	str_copy(c->source, *text ? text : "without a name", sizeof(c->source));
	str_copy(c->target, stays, sizeof(c->target));
}

/* What check_cpu let pass as the same clock is so only to some millionths. */
static void check_rate(struct check_list *l, const struct checks_input *in)
{
	uint64_t guest = in->offer->cpuid.tsc_khz, host = in->facts->host.tsc_khz;
	struct check *c = check_add(l, true, "identity: TSC rate");
	uint64_t diff = guest > host ? guest - host : host - guest;

	ksnprintf(c->source, sizeof(c->source), "%llu kHz", (unsigned long long)guest);
	if (!diff) {
		str_copy(c->target, stays, sizeof(c->target));
	} else if (in->facts->host.tsc_scaling) {
		str_copy(c->target, "stays: scaled", sizeof(c->target));
	} else {
		ksnprintf(c->target, sizeof(c->target), "is off by %llu kHz, not scaled",
			  (unsigned long long)diff);
		c->result = CHECK_NOTE;
	}
}

/* As vblk answers GET_ID: the disk's name in the configuration. */
static void check_serials(struct check_list *l, const struct checks_input *in)
{
	for (unsigned i = 0; i < MIN(in->offer->cfg.disk_count, VM_MAX_DISKS); i++) {
		const struct vm_disk_config *d = &in->offer->cfg.disks[i];
		char name[CHECK_NAME_LEN], size[16];
		struct check *c;

		ksnprintf(name, sizeof(name), "identity: disk %.7s", in->offer->disks[i].name);
		c = check_add(l, true, name);
		if (d->shared)
			ksnprintf(c->source, sizeof(c->source), "%s, AoE e%u.%u, raw",
				  format_size(size, in->offer->disks[i].sectors * 512), d->shelf,
				  d->slot);
		else
			ksnprintf(c->source, sizeof(c->source), "%s, %s",
				  format_size(size, in->offer->disks[i].sectors * 512),
				  d->in_store ? "of a datastore, sparse" : "a plain disk, raw");
		str_copy(c->target, "serial and size stay", sizeof(c->target));
	}
}

static void check_macs(struct check_list *l, const struct checks_input *in)
{
	for (unsigned i = 0; i < MIN(in->offer->cfg.nic_count, VM_MAX_NICS); i++) {
		char name[CHECK_NAME_LEN], mac[18];

		ksnprintf(name, sizeof(name), "identity: nic %.7s", in->offer->cfg.nics[i].name);
		check_words(l, true, name, format_mac(mac, in->offer->cfg.nics[i].mac), stays);
	}
}

void checks_identity(struct check_list *l, const struct checks_input *in)
{
	if (in->saved)
		return; /* what a restore changes, it says itself */
	check_uuid(l, in);
	if (!in->cold) { /* a start anew makes another generation, on the CPU that is there */
		check_words(l, true, "identity: generation id", "of this VM", stays);
		check_model(l, in);
		check_rate(l, in);
	}
	check_serials(l, in);
	check_macs(l, in);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datastore on shared storage: reserved with a fresh MAC for as long as it is open,
 * as a VM's disk is (docs/handover.md): what another host wrote late is then refused by
 * the target.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/aoe.h"
#include "kernel/store/stores_inner.h"
#include "kernel/time.h"

#define CONTROL_PATIENCE_NS (5 * NS_PER_S)
#define HOLDER_MARK	    "pagurus-store:" /* a target's configuration string: + host */

/*
 * A reserved target lets others neither write nor read. Its configuration string anyone may
 * read: there the holder leaves its name.
 */
static void holder_name(struct store *s, char name[32])
{
	char text[AOE_CONFIG_SHORT + 1] = "";
	size_t len = 0;

	name[0] = 0;
	if (aoe_config_read(s->aoe, text, AOE_CONFIG_SHORT, &len, time_ns() + CONTROL_PATIENCE_NS))
		return;
	text[MIN(len, (size_t)AOE_CONFIG_SHORT)] = 0;
	if (!strncmp(text, HOLDER_MARK, strlen(HOLDER_MARK)))
		str_copy(name, text + strlen(HOLDER_MARK), 32);
	for (char *p = name; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static int refuse_holder(struct store *s, const struct aoe_reservation *held, const char *name)
{
	char mac[18];

	ksnprintf(s->why, sizeof(s->why),
		  "e%u.%u is reserved by %s (MAC %s); 'store-close %s' there, or, if that host is "
		  "gone for good, 'store-open %s --force' here",
		  s->shelf, s->slot, name[0] ? name : "another host",
		  format_mac(mac, held->macs[0]), s->name, s->name);
	return -E_FENCED;
}

/*
 * A reservation under this host's own name is from before a restart, since names are unique in a
 * pool.
 */
static int reserve(struct store *s, bool force)
{
	uint8_t mac[1][ETH_ALEN];
	struct aoe_reservation held;
	char holder[32];
	int err;

	err = aoe_reserve_read(s->aoe, &held, time_ns() + CONTROL_PATIENCE_NS);
	if (err)
		return err;
	memcpy(mac[0], aoe_mac(s->aoe), ETH_ALEN);
	if (!held.count)
		return aoe_reserve_set(s->aoe, mac, 1, time_ns() + CONTROL_PATIENCE_NS);
	holder_name(s, holder);
	if (!force && strcmp(holder, stores_host->name))
		return refuse_holder(s, &held, holder);
	log_warn("store %s: its reservation is taken from %s", s->name,
		 force ? "whoever held it, as told" : "this host's life before its restart");
	return aoe_reserve_force(s->aoe, mac, 1, time_ns() + CONTROL_PATIENCE_NS);
}

static void leave_name(struct store *s, bool mine)
{
	char text[AOE_CONFIG_SHORT] = "";

	if (mine)
		ksnprintf(text, sizeof(text), HOLDER_MARK "%.31s", stores_host->name);
	if (aoe_config_force(s->aoe, text, strlen(text), time_ns() + CONTROL_PATIENCE_NS))
		log_warn("store %s: other hosts cannot be told who has it", s->name);
}

int stores_open_shared(struct store *s, bool force)
{
	struct ds_stat stat;
	uint8_t mac[ETH_ALEN];
	int err;

	aoe_fresh_mac(mac);
	err = aoe_open(s->shelf, s->slot, mac, &s->aoe);
	if (err) {
		ksnprintf(s->why, sizeof(s->why), "AoE target e%u.%u: %s", s->shelf, s->slot,
			  err_text(err));
		return err;
	}
	s->bd = aoe_blkdev(s->aoe);
	err = reserve(s, force);
	if (err)
		goto undo_open;
	leave_name(s, true);
	err = s->format ? stores_make(s->bd, s->name) : 0;
	if (err)
		goto undo_reserve;
	err = ds_open(s->bd, stores_host->name, false, &s->ds, s->why, sizeof(s->why));
	if (err)
		goto undo_reserve;
	ds_status(s->ds, &stat);
	if (!strcmp(stat.name, s->name))
		return 0;
	ksnprintf(s->why, sizeof(s->why), "e%u.%u holds a datastore named %s, host.conf says %s",
		  s->shelf, s->slot, stat.name, s->name);
	(void)!ds_close(s->ds);
	s->ds = NULL;
	err = -E_MISMATCH;
undo_reserve:
	leave_name(s, false);
	(void)!aoe_reserve_set(s->aoe, NULL, 0, time_ns() + CONTROL_PATIENCE_NS);
undo_open:
	if (!s->why[0])
		ksnprintf(s->why, sizeof(s->why), "e%u.%u: %s", s->shelf, s->slot, err_text(err));
	aoe_close(s->aoe);
	s->aoe = NULL;
	s->bd = NULL;
	return err;
}

void stores_let_go(struct store *s)
{
	leave_name(s, false);
	if (aoe_reserve_set(s->aoe, NULL, 0, time_ns() + CONTROL_PATIENCE_NS))
		log_warn("store %s: its reservation could not be released", s->name);
	aoe_close(s->aoe);
	s->aoe = NULL;
}

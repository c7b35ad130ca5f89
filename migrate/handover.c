/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-over's commands to the storage. A command's answer is never believed
 * (a repeated one is refused although the first was carried out): each is followed
 * by reading the list, then the token. Only then is something known.
 */
#include "migrate/handover.h"

#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define TOKEN_STRING_LEN (VM_DISK_MARK_LEN + HANDOVER_TOKEN_LEN)
#define DRAIN_NS	 (5 * NS_PER_S)
#define SETTLE_TRIES	 10

static const char *const names[] = {
    [HANDOVER_NONE] = "none",
    [HANDOVER_PREPARE] = "H_PREPARE",
    [HANDOVER_WAIT_COMMITTED] = "H_WAIT_COMMITTED",
    [HANDOVER_RECLAIM] = "H_RECLAIM",
    [HANDOVER_FORGOTTEN] = "H_FORGOTTEN",
    [HANDOVER_RESUMED] = "H_RESUMED",
    [HANDOVER_GONE] = "H_GONE",
    [HANDOVER_READY] = "H_READY",
    [HANDOVER_TAKING] = "H_TAKING",
    [HANDOVER_TARGET_FORGOTTEN] = "H_TARGET_FORGOTTEN",
    [HANDOVER_RUNNING] = "H_RUNNING",
    [HANDOVER_DISCARDED] = "H_DISCARDED",
};

const char *handover_state_name(enum handover_state s)
{
	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

struct vm_disk *handover_disk(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (vm->disks[i].aoe && vm->disks[i].deciding)
			return (struct vm_disk *)&vm->disks[i];
	return NULL;
}

static uint64_t try_deadline(void)
{
	return time_ns() + HANDOVER_TRY_NS;
}

static void token_string(const struct handover *h, uint8_t out[TOKEN_STRING_LEN])
{
	memcpy(out, VM_DISK_MARK, VM_DISK_MARK_LEN);
	memcpy(out + VM_DISK_MARK_LEN, h->token, HANDOVER_TOKEN_LEN);
}

bool handover_token_is_ours(const void *text, size_t len)
{
	return len == TOKEN_STRING_LEN && !memcmp(text, VM_DISK_MARK, VM_DISK_MARK_LEN);
}

/* 0: it is there; -E_MISMATCH: it is not. */
static int token_look(const struct handover *h, struct aoe_disk *d)
{
	uint8_t want[TOKEN_STRING_LEN], got[TOKEN_STRING_LEN];
	size_t len;
	int err;

	err = aoe_config_read(d, got, sizeof(got), &len, try_deadline());
	if (err)
		return err;
	token_string(h, want);
	return len == sizeof(want) && !memcmp(want, got, sizeof(want)) ? 0 : -E_MISMATCH;
}

int handover_set_token(struct handover *h)
{
	struct vm_disk *d = handover_disk(h->vm);
	uint8_t text[TOKEN_STRING_LEN];
	int err;

	if (!d)
		return -E_NOENT;
	entropy_fill(h->token, sizeof(h->token));
	token_string(h, text);
	err = aoe_config_force(d->aoe, text, sizeof(text), try_deadline() + HANDOVER_TRY_NS);
	if (err)
		return err;
	h->token_ns = time_ns();
	return token_look(h, d->aoe);
}

static bool listed(const struct aoe_reservation *r, const uint8_t mac[ETH_ALEN])
{
	for (unsigned i = 0; i < MIN(r->count, ARRAY_SIZE(r->macs)); i++)
		if (!memcmp(r->macs[i], mac, ETH_ALEN))
			return true;
	return false;
}

static enum handover_look classify(const struct handover *h, unsigned disk,
				   const struct aoe_reservation *r)
{
	bool old = listed(r, h->old_macs[disk]), new = listed(r, h->new_macs[disk]);

	if (old)
		return new && r->count == 2 ? LOOK_OLD_AND_NEW : LOOK_OLD;
	if (new)
		return LOOK_NEW;
	return listed(r, h->back_macs[disk]) ? LOOK_BACK : LOOK_OTHER;
}

/* The list first, the token after it: a token still there vouches for the list. */
static int look(const struct handover *h, struct vm_disk *d, enum handover_look *out)
{
	struct aoe_reservation r;
	int err;

	err = aoe_reserve_read(d->aoe, &r, try_deadline());
	if (err)
		return err;
	*out = classify(h, (unsigned)(d - h->vm->disks), &r);
	err = token_look(h, d->aoe);
	if (err == -E_MISMATCH) {
		*out = LOOK_FORGOTTEN;
		return 0;
	}
	return err;
}

static int offer_one(struct handover *h, unsigned i)
{
	struct vm_disk *d = &h->vm->disks[i];
	uint8_t both[2][ETH_ALEN];
	int err;

	err = aoe_drain(d->aoe, time_ns() + DRAIN_NS);
	if (err)
		return err;
	err = d->cfg.readonly ? 0 : aoe_flush(d->aoe, time_ns() + DRAIN_NS);
	if (err)
		return err;
	memcpy(h->old_macs[i], aoe_mac(d->aoe), ETH_ALEN);
	memcpy(both[0], h->old_macs[i], ETH_ALEN);
	memcpy(both[1], h->new_macs[i], ETH_ALEN);
	h->offered |= 1u << i;
	return aoe_reserve_set(d->aoe, both, 2, try_deadline());
}

int handover_offer(struct handover *h)
{
	struct vm_disk *d = handover_disk(h->vm);
	enum handover_look seen;
	int err;

	for (unsigned i = 0; i < h->vm->disk_count; i++) {
		if (!h->vm->disks[i].aoe)
			continue;
		aoe_fresh_mac(h->back_macs[i]);
		err = offer_one(h, i);
		if (err)
			return err;
	}
	if (!d)
		return 0;
	err = look(h, d, &seen);
	if (err)
		return err;
	return seen == LOOK_OLD_AND_NEW ? 0 : -E_STATE;
}

/* Where a look follows, only that it ended one way or another matters. */
static int command(struct vm_disk *d, const uint8_t mac[ETH_ALEN], bool force)
{
	uint8_t list[1][ETH_ALEN];
	int err;

	memcpy(list[0], mac, ETH_ALEN);
	if (force)
		err = aoe_reserve_force(d->aoe, list, 1, try_deadline());
	else
		err = aoe_reserve_set(d->aoe, list, 1, try_deadline());
	if (err)
		log_debug("migrate: disk %.7s: reservation: %s", d->cfg.name, err_text(err));
	return err;
}

void handover_withdraw(struct handover *h)
{
	for (unsigned i = 0; i < h->vm->disk_count; i++)
		if (h->offered & (1u << i))
			(void)command(&h->vm->disks[i], h->old_macs[i], false);
	h->offered = 0;
}

/*
 * Only a list that names us is worth a command: an empty one would accept it, although
 * the VM's owner may just have switched it off, or the storage forgotten it.
 */
int handover_reclaim(struct handover *h, enum handover_look *out)
{
	struct vm_disk *d = handover_disk(h->vm);
	int err;

	if (!d)
		return -E_NOENT;
	err = look(h, d, out);
	if (err || (*out != LOOK_OLD_AND_NEW && *out != LOOK_OLD))
		return err;
	(void)command(d, h->back_macs[d - h->vm->disks], false);
	return look(h, d, out);
}

int handover_take(struct handover *h, enum handover_look *out)
{
	struct vm_disk *d = handover_disk(h->vm);
	int err;

	if (!d)
		return -E_NOENT;
	err = look(h, d, out);
	if (err || *out != LOOK_OLD_AND_NEW)
		return err;
	(void)command(d, h->new_macs[d - h->vm->disks], false);
	return look(h, d, out);
}

/*
 * The guest's requests are refused until the list names the new MAC, and nothing else
 * would repeat this: a storage that is away for a moment is waited for.
 */
static void settle_disk(struct vm_disk *d, const uint8_t mac[ETH_ALEN], bool forced)
{
	int err = -E_TIMEDOUT;

	if (memcmp(aoe_mac(d->aoe), mac, ETH_ALEN))
		aoe_set_mac(d->aoe, mac);
	memcpy(d->owner_mac, mac, ETH_ALEN);
	d->owned = true;
	for (unsigned i = 0; err == -E_TIMEDOUT && i < SETTLE_TRIES; i++)
		err = command(d, mac, forced || !d->deciding);
	if (err)
		log_error("migrate: disk %.7s: its storage did not confirm that it is ours (%s); "
			  "the guest's requests to it may hang: 'destroy' and 'start --force'",
			  d->cfg.name, err_text(err));
}

static void settle(struct handover *h, uint8_t macs[][ETH_ALEN], bool forced)
{
	for (unsigned i = 0; i < h->vm->disk_count; i++) {
		if (h->vm->disks[i].aoe)
			settle_disk(&h->vm->disks[i], macs[i], forced);
	}
}

void handover_settle_source(struct handover *h, bool forced)
{
	settle(h, h->back_macs, forced);
}

void handover_settle_target(struct handover *h, bool forced)
{
	settle(h, h->new_macs, forced);
}

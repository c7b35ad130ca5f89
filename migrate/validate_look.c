/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gathers what validate.c judges. Most of it is counters, read at two moments; a shared
 * disk's target is asked over a connection of its own, because the VM may go meanwhile:
 * nothing here holds on to it while it blocks.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/move.h"
#include "migrate/validate.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vnet.h"
#include "vmm/dev/vpit.h"
#include "vmm/dev/vuart.h"
#include "vmm/vcpu.h"

#define LOOK_NS	 (2 * NS_PER_S) /* between the two moments */
#define LATER_NS (2 * NS_PER_S) /* from the end of a move to the first */
#define ASK_NS	 (3 * NS_PER_S)

/* The VM that was meant, and not another of that name that came meanwhile. */
struct who {
	char name[VM_NAME_LEN];
	uint8_t uuid[16];
};

static struct vm *find(const struct who *w)
{
	struct vm *vm = vm_find(w->name);

	if (!vm || memcmp(vm->cfg.uuid, w->uuid, sizeof(w->uuid)) || vm->state == VM_OFF ||
	    vm->state == VM_INCOMING || vm->vcpu_count != vm->cfg.vcpus)
		return NULL;
	return vm;
}

static void name_copy(char to[8], const char from[8])
{
	memcpy(to, from, 7);
	to[7] = 0;
}

/* ---- what does not block ---------------------------------------------------------------- */

static void look_at_move(const struct vm *vm, struct validate_facts *f)
{
	const struct migrate_state *st = migrate_state();
	uint64_t newest = 0;

	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		const struct move *m = st->moves[i];

		if (!m || !m->ended || m->p.err || m->p.role != MOVE_TARGET || vm->stats.starts ||
		    strcmp(m->p.vm, vm->cfg.name) || m->p.finished_ns < newest)
			continue;
		newest = m->p.finished_ns;
		f->moved = true;
		f->verified = m->p.verified;
	}
}

static void look_at_vcpus(const struct vm *vm, struct validate_facts *f, bool first)
{
	f->cpu_count = MIN(vm->vcpu_count, VM_MAX_VCPUS);
	for (unsigned i = 0; i < f->cpu_count; i++) {
		const struct vcpu *v = vm->vcpus[i];
		struct validate_cpu *c = &f->cpus[i];

		if (!first)
			c->exits_now = v->exits - MIN(c->exits, v->exits);
		c->exits = v->exits;
		c->halted = v->halted;
		c->waits_sipi = v->wait_sipi;
	}
	if (!first)
		f->timer_irqs_now = vm->stats.timer_irqs - MIN(f->timer_irqs, vm->stats.timer_irqs);
	f->timer_irqs = vm->stats.timer_irqs;
}

static void look_at_timer(uint64_t due, uint64_t now, struct validate_facts *f)
{
	if (due && due < now)
		f->overdue_ns = MAX(f->overdue_ns, now - due);
}

static void look_at_timers(const struct vm *vm, struct validate_facts *f)
{
	uint64_t now = vm_now_ns(vm);

	if (vm->vpit)
		look_at_timer(vm->vpit->s.next_irq_ns, now, f);
	for (unsigned i = 0; i < f->cpu_count; i++)
		if (vm->vlapics[i])
			look_at_timer(vlapic_timer_due(vm->vlapics[i]), now, f);
}

static void look_at_nics(const struct vm *vm, struct validate_facts *f)
{
	f->nic_count = MIN(vm->nic_count, VM_MAX_NICS);
	for (unsigned i = 0; i < f->nic_count; i++) {
		const struct vnet *d = vm->nics[i];
		const struct guest_port_stats *s = &d->port.stats;
		struct validate_nic *n = &f->nics[i];

		name_copy(n->name, d->cfg.name);
		n->attached = d->port.net;
		n->announced = d->announce.port;
		n->announcing = announce_is_running(&d->announce);
		n->from_guest = s->tx_frames - MIN(d->announce.frames, s->tx_frames);
		n->to_guest = s->rx_frames;
		n->found = s->wire_unicast;
		n->elsewhere = s->wire_own_mac;
	}
}

static int look_at_console(const struct vm *vm, struct validate_facts *f)
{
	char *text = vm->console ? kzalloc(VUART_HISTORY) : NULL;

	if (!vm->console)
		return 0;
	if (!text)
		return -E_NOMEM;
	f->console_bytes = vm->console->tx_bytes;
	f->console_kept = vuart_history(vm->console, text, VUART_HISTORY);
	f->console = validate_scan(text, f->console_kept, f->quote);
	kfree(text);
	return 0;
}

/* ---- disks ------------------------------------------------------------------------------ */

struct disk_question {
	uint16_t shelf;
	uint8_t slot, mac[ETH_ALEN];
};

static int ask_target(const struct disk_question *q, struct validate_disk *out)
{
	struct aoe_reservation r;
	uint8_t mac[ETH_ALEN];
	struct aoe_disk *d;
	int err;

	aoe_fresh_mac(mac);
	err = aoe_open(q->shelf, q->slot, mac, &d);
	if (err)
		return err;
	err = aoe_reserve_read(d, &r, time_ns() + ASK_NS);
	aoe_close(d);
	if (err)
		return err;
	out->count = r.count;
	for (unsigned i = 0; i < MIN(r.count, ARRAY_SIZE(r.macs)); i++)
		out->listed |= !memcmp(r.macs[i], q->mac, ETH_ALEN);
	return 0;
}

/* What this host knows; and what is to be asked. */
static void look_at_disk(const struct vm_disk *d, struct validate_disk *out,
			 struct disk_question *q)
{
	memset(out, 0, sizeof(*out));
	name_copy(out->name, d->cfg.name);
	out->shared = d->cfg.shared;
	out->owned = d->owned;
	*q = (struct disk_question){.shelf = d->cfg.shelf, .slot = d->cfg.slot};
	memcpy(q->mac, d->owner_mac, sizeof(q->mac));
	if (!d->blk) {
		out->err = -E_STATE;
		return;
	}
	out->requests = d->blk->reads + d->blk->writes + d->blk->errors;
	out->errors = d->blk->errors;
}

/*
 * A move gives a disk a new MAC: an answer about one that is past means nothing, and the
 * target is asked again.
 */
static int look_at_disks(const struct who *w, struct validate_facts *f)
{
	struct vm *vm = find(w);

	for (unsigned i = 0; vm && i < MIN(vm->disk_count, VM_MAX_DISKS); i++) {
		struct validate_disk *out = &f->disks[i];

		for (unsigned tries = 0; tries < 2; tries++) {
			struct disk_question q;

			look_at_disk(&vm->disks[i], out, &q);
			f->disk_count = i + 1;
			if (!out->shared || out->err)
				break;
			out->err = ask_target(&q, out);
			vm = find(w);
			if (!vm || i >= vm->disk_count)
				return -E_NOENT;
			if (!memcmp(q.mac, vm->disks[i].owner_mac, sizeof(q.mac)))
				break;
		}
	}
	return vm ? 0 : -E_NOENT;
}

/* ---- all of it --------------------------------------------------------------------------- */

static int look(const struct who *w, struct validate_facts *f)
{
	uint64_t begin = time_ns();
	struct vm *vm = find(w);
	int err;

	if (!vm)
		return -E_STATE;
	look_at_vcpus(vm, f, true);
	err = look_at_disks(w, f);
	if (err)
		return err;
	task_sleep_until(MAX(begin + LOOK_NS, time_ns()));
	vm = find(w);
	if (!vm)
		return -E_NOENT;
	f->state = vm->state;
	f->look_ns = time_ns() - begin;
	look_at_vcpus(vm, f, false);
	look_at_timers(vm, f);
	look_at_nics(vm, f);
	look_at_move(vm, f);
	return look_at_console(vm, f);
}

/* A note stays out of the log's warnings: it is for those who ask. */
static void to_log(const char *vm, const struct validate_list *l)
{
	static const char *const words[] = {"pass", "note", "FAIL"};

	for (unsigned i = 0; i < l->count; i++)
		log_write(l->list[i].result == CHECK_FAILED ? LOG_WARN : LOG_INFO,
			  "migrate: %s: validated: %s %s: %s", vm, words[l->list[i].result],
			  l->list[i].name, l->list[i].words);
}

static int validate(const struct who *w, struct validate_list *out)
{
	struct validate_facts *f = kzalloc(sizeof(*f));
	struct vm *vm;
	int err;

	if (!f)
		return -E_NOMEM;
	err = look(w, f);
	if (!err)
		validate_judge(f, out);
	kfree(f);
	vm = find(w);
	if (!err && vm)
		validate_summary(out, vm->validated, sizeof(vm->validated));
	if (!err)
		to_log(w->name, out);
	return err;
}

int validate_vm(const char *name, struct validate_list *out)
{
	const struct vm *vm = vm_find(name);
	struct who w;

	if (!vm)
		return -E_NOENT;
	str_copy(w.name, name, sizeof(w.name));
	memcpy(w.uuid, vm->cfg.uuid, sizeof(w.uuid));
	return validate(&w, out);
}

static void later_task(void *arg)
{
	struct validate_list *l = kzalloc(sizeof(*l));
	struct who *w = arg;
	int err = -E_NOMEM;

	task_sleep_until(time_ns() + LATER_NS);
	if (l)
		err = validate(w, l);
	if (err == -E_NOMEM)
		log_warn("migrate: %s: no host memory to validate it; 'validate' does", w->name);
	else if (err)
		log_info("migrate: %s: not validated, it is off or no longer here", w->name);
	kfree(l);
	kfree(w);
}

void validate_later(const struct vm *vm)
{
	struct who *w = kzalloc(sizeof(*w));

	if (w) {
		str_copy(w->name, vm->cfg.name, sizeof(w->name));
		memcpy(w->uuid, vm->cfg.uuid, sizeof(w->uuid));
		if (task_create("validate", later_task, w))
			return;
	}
	kfree(w);
	log_warn("migrate: %s: no host memory to validate it; 'validate' does", vm->cfg.name);
}

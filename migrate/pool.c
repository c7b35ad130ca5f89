/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers what plans are made from. No judgement here but whether a VM can move at all. */
#include "migrate/pool.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/queue.h"
#include "vmm/vm.h"
#include "vmm/vm_use.h"

#define REFUSALS_MAX 128

static struct refusal {
	char vm[VM_NAME_LEN], host[HOST_NAME_LEN];
} refusals[REFUSALS_MAX];
static unsigned refusal_count;

void pool_forget(void)
{
	refusal_count = 0;
}

void pool_note_refusal(const char *vm, const char *host)
{
	struct refusal *r = &refusals[refusal_count];

	if (refusal_count == REFUSALS_MAX)
		return;
	refusal_count++;
	str_copy(r->vm, vm, sizeof(r->vm));
	str_copy(r->host, host, sizeof(r->host));
}

static uint32_t refused_by(const struct plan_input *in, const char *vm)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < refusal_count; i++)
		for (unsigned h = 0; h < in->host_count; h++)
			if (!strcmp(refusals[i].vm, vm) &&
			    !strcmp(refusals[i].host, in->hosts[h].name))
				bits |= 1u << h;
	return bits;
}

static void add_host(struct plan_input *in, const struct peer *p)
{
	struct plan_host *h = &in->hosts[in->host_count++];

	*h = (struct plan_host){.cpus = p->cpus,
				.cpu_permille = p->cpu_permille,
				.total_bytes = p->total_bytes,
				.free_bytes = p->free_bytes,
				.runs_guests = p->can_run_guests,
				.drained = p->drained,
				.unknown = !p->total_bytes};
	str_copy(h->name, p->name, sizeof(h->name));
}

static void add_hosts(struct plan_input *in)
{
	struct peer self = *peers_self();
	struct mem_stats mem;

	mem_get_stats(&mem); /* of now, not of the last HELLO */
	self.free_bytes = mem.free_2m * SIZE_2M;
	self.total_bytes = mem.total_pages * PAGE_SIZE;
	self.drained = migrate_drained();
	add_host(in, &self);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = peers_at(i);

		if (p && peers_find(p->name) == p && !strcmp(p->pool, self.pool))
			add_host(in, p);
	}
}

/*
 * Words for what is in the way of any move; empty when nothing is. Disks are not: local ones go
 * along, and whether there is a datastore with room for them is judged by the target's checks.
 */
static void find_obstacle(const struct vm *vm, char why[PLAN_WHY_LEN])
{
	why[0] = 0;
	if (vm->state == VM_OFF && stores_saved(vm->cfg.name))
		str_copy(why, "it is saved: its state stays in its datastore", PLAN_WHY_LEN);
	else if (vm->state == VM_OFF && !stores_default())
		str_copy(why, "it is off, and no datastore here keeps its definition",
			 PLAN_WHY_LEN);
	else if (vm->state != VM_RUNNING && vm->state != VM_PAUSED && vm->state != VM_OFF)
		ksnprintf(why, PLAN_WHY_LEN, "it is %s; VMs that run, are paused or off move",
			  vm_state_name(vm->state));
	else if ((vm->move_under_way && !queue_id_of(vm->cfg.name)) || vm->serving)
		str_copy(why, "it is on a move, or just being reset", PLAN_WHY_LEN);
}

static void add_vm(struct plan_input *in, const struct vm *vm)
{
	struct plan_vm *v = &in->vms[in->vm_count++];

	*v = (struct plan_vm){.memory = vm->cfg.memory,
			      .vcpus = vm->cfg.vcpus,
			      .weight = vm->cfg.weight,
			      .cpu_permille = vm_use_permille(vm),
			      .unusable = refused_by(in, vm->cfg.name)};
	str_copy(v->name, vm->cfg.name, sizeof(v->name));
	v->state = PLAN_PAUSED; /* holds memory */
	if (vm->state == VM_RUNNING)
		v->state = PLAN_RUNNING;
	else if (vm->state == VM_OFF || vm->state == VM_CRASHED)
		v->state = PLAN_OFF;
	find_obstacle(vm, v->why_not);
	v->can_hot = v->can_cold = !v->why_not[0];
}

bool pool_look(struct plan_input *in)
{
	const struct vm *vm;

	memset(in, 0, sizeof(*in));
	add_hosts(in);
	for (unsigned i = 0; (vm = vm_at(i)); i++) {
		if (in->vm_count == PLAN_VMS_MAX)
			return false;
		add_vm(in, vm);
	}
	return true;
}

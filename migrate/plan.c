/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plans for moving VMs away, and what every plan needs: does a VM fit there, what
 * does its going change. Evening out is plan_balance.c. Pure functions.
 */
#include "migrate/plan.h"

#include "kernel/lib/format.h"
#include "kernel/lib/muldiv.h"
#include "kernel/lib/string.h"
#include "migrate/plan_inner.h"

#define LOAD_MAX 4000 /* permille; more says nothing more, and squares stay small */

enum plan_how plan_how(const struct plan_vm *vm)
{
	if (vm->state == PLAN_OFF)
		return vm->can_cold ? PLAN_COLD : PLAN_STAYS;
	return vm->can_hot ? PLAN_HOT : PLAN_STAYS;
}

const char *plan_how_name(enum plan_how how)
{
	return how == PLAN_HOT ? "hot" : how == PLAN_COLD ? "cold" : "stays";
}

/* A VM that is off holds no memory, but must be able to start where it goes. */
static uint64_t memory_held(const struct plan_vm *vm)
{
	return vm->state == PLAN_OFF ? 0 : vm->memory;
}

static int fit_memory(const struct plan_host *h, const struct plan_vm *vm, char why[PLAN_WHY_LEN])
{
	uint64_t have = vm->state == PLAN_OFF ? h->total_bytes : h->free_bytes;
	char need[16], got[16];

	if (vm->memory <= have)
		return 0;
	ksnprintf(why, PLAN_WHY_LEN, "%.31s: needs %s of memory, %s %s", h->name,
		  format_size(need, vm->memory), format_size(got, have),
		  vm->state == PLAN_OFF ? "in all" : "free");
	return -E_NOMEM;
}

int plan_fits(const struct plan_host *h, const struct plan_vm *vm, bool unusable,
	      char why[PLAN_WHY_LEN])
{
	why[0] = 0;
	if (h->unknown) {
		ksnprintf(why, PLAN_WHY_LEN, "%.31s: does not say how much room it has", h->name);
		return -E_NOTSUP;
	}
	if (h->drained) {
		ksnprintf(why, PLAN_WHY_LEN, "%.31s: drained, takes no VMs", h->name);
		return -E_BUSY;
	}
	if (vm->state != PLAN_OFF && !h->runs_guests) {
		ksnprintf(why, PLAN_WHY_LEN, "%.31s: cannot run guests", h->name);
		return -E_NOTSUP;
	}
	if (unusable) {
		ksnprintf(why, PLAN_WHY_LEN, "%.31s: the checks of the move fail there", h->name);
		return -E_NOTSUP;
	}
	if (fit_memory(h, vm, why))
		return -E_NOMEM;
	return vm->state != PLAN_OFF && vm->vcpus > h->cpus ? -E_RANGE : 0;
}

void plan_shift(struct plan_host *h, const struct plan_vm *vm, int dir)
{
	uint64_t bytes = memory_held(vm);
	uint32_t cpu = vm->state == PLAN_RUNNING ? vm->cpu_permille : 0;

	if (dir > 0) {
		h->free_bytes -= MIN(bytes, h->free_bytes);
		h->cpu_permille += MIN(cpu, UINT32_MAX - h->cpu_permille);
	} else {
		h->free_bytes += MIN(bytes, h->total_bytes - MIN(h->free_bytes, h->total_bytes));
		h->cpu_permille -= MIN(cpu, h->cpu_permille);
	}
}

uint32_t plan_cpu_load(const struct plan_host *h)
{
	return h->cpus ? MIN(h->cpu_permille / h->cpus, (uint32_t)LOAD_MAX) : 0;
}

uint32_t plan_memory_load(const struct plan_host *h)
{
	if (!h->total_bytes)
		return 0;
	return (uint32_t)mul_div(h->total_bytes - MIN(h->free_bytes, h->total_bytes), 1000,
				 h->total_bytes);
}

int plan_begin(const struct plan_input *in, struct plan *out)
{
	out->move_count = out->stay_count = 0;
	if (in->host_count > PLAN_HOSTS_MAX || in->vm_count > PLAN_VMS_MAX)
		return -E_RANGE;
	for (unsigned i = 0; i < in->vm_count; i++)
		if (in->vms[i].host >= in->host_count)
			return -E_RANGE;
	for (unsigned i = 0; i < in->host_count; i++) {
		out->after[i] = in->hosts[i];
		out->after[i].free_bytes = MIN(in->hosts[i].free_bytes, in->hosts[i].total_bytes);
	}
	return 0;
}

void plan_add(struct plan *out, const struct plan_input *in, unsigned vm, unsigned from,
	      unsigned to)
{
	const struct plan_vm *v = &in->vms[vm];

	plan_shift(&out->after[from], v, -1);
	plan_shift(&out->after[to], v, 1);
	out->moves[out->move_count++] = (struct plan_move){vm, from, to, plan_how(v)};
}

int plan_name_order(const char *a, const char *b)
{
	return strncmp(a, b, MIN(VM_NAME_LEN, HOST_NAME_LEN));
}

/* What holds more memory goes first while there is most room; the rest by name. */
static bool goes_before(const struct plan_vm *a, const struct plan_vm *b)
{
	if (memory_held(a) != memory_held(b))
		return memory_held(a) > memory_held(b);
	if (a->memory != b->memory)
		return a->memory > b->memory;
	return plan_name_order(a->name, b->name) < 0;
}

static unsigned sort_vms(const struct plan_input *in, unsigned host, unsigned order[PLAN_VMS_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < in->vm_count; i++) {
		unsigned at = count;

		if (in->vms[i].host != host)
			continue;
		for (; at && goes_before(&in->vms[i], &in->vms[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = i;
		count++;
	}
	return count;
}

static bool emptier(const struct plan_host *a, const struct plan_host *b, const struct plan_vm *vm)
{
	bool a_narrow = vm->vcpus > a->cpus, b_narrow = vm->vcpus > b->cpus;

	if (a_narrow != b_narrow) /* vCPUs may take turns, but rather not */
		return b_narrow;
	if (a->free_bytes != b->free_bytes)
		return a->free_bytes > b->free_bytes;
	if (plan_cpu_load(a) != plan_cpu_load(b))
		return plan_cpu_load(a) < plan_cpu_load(b);
	return plan_name_order(a->name, b->name) < 0;
}

/*
 * The target for a VM, or -1 with words: what speaks against the emptiest of those that
 * refuse it, so that the words do not depend on the order either.
 */
static int find_target(const struct plan_input *in, const struct plan *p, unsigned vm, size_t only,
		       char why[PLAN_WHY_LEN])
{
	const struct plan_vm *v = &in->vms[vm];
	int best = -1, refused = -1, err;
	char text[PLAN_WHY_LEN];

	str_copy(why, "there is no other host", PLAN_WHY_LEN);
	for (unsigned i = 0; i < in->host_count; i++) {
		if (i == v->host || (only != SIZE_MAX && i != only))
			continue;
		err = plan_fits(&p->after[i], v, v->unusable & (1u << i), text);
		if (!err || err == -E_RANGE) {
			if (best < 0 || emptier(&p->after[i], &p->after[best], v))
				best = (int)i;
		} else if (refused < 0 || emptier(&p->after[i], &p->after[refused], v)) {
			refused = (int)i;
			str_copy(why, text, PLAN_WHY_LEN);
		}
	}
	return best;
}

int plan_drain(const struct plan_input *in, unsigned host, size_t only, struct plan *out)
{
	unsigned order[PLAN_VMS_MAX], count;
	int err = plan_begin(in, out);

	if (err)
		return err;
	if (host >= in->host_count || (only != SIZE_MAX && only >= in->host_count))
		return -E_RANGE;
	count = sort_vms(in, host, order);
	for (unsigned i = 0; i < count; i++) {
		const struct plan_vm *v = &in->vms[order[i]];
		struct plan_stay *stay = &out->stays[out->stay_count];
		int to;

		stay->vm = order[i];
		if (plan_how(v) == PLAN_STAYS) {
			str_copy(stay->why, v->why_not, sizeof(stay->why));
			out->stay_count++;
			continue;
		}
		to = find_target(in, out, order[i], only, stay->why);
		if (to < 0)
			out->stay_count++;
		else
			plan_add(out, in, order[i], host, (unsigned)to);
	}
	return 0;
}

void plan_next(struct plan_job *jobs, unsigned count, unsigned limit)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned from = 0, to = 0;

		jobs[i].begin = false;
		if (jobs[i].running)
			continue;
		for (unsigned k = 0; k < count; k++) {
			const struct plan_job *j = &jobs[k];

			if (!j->running && !(k < i && j->begin))
				continue;
			from += j->from == jobs[i].from || j->to == jobs[i].from;
			to += j->from == jobs[i].to || j->to == jobs[i].to;
		}
		jobs[i].begin = from < limit && to < limit;
	}
}

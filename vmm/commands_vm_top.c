/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `top`: counters before and after a while; what grew most is shown first. VMs and
 * tasks may come and go meanwhile: those that were not there at both ends are left out.
 */
#include "vmm/commands_vm_inner.h"

#include "kernel/lib/string.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "vmm/vcpu.h"

#define TOP_VCPUS   256
#define TOP_TASKS   64
#define TOP_SECONDS 3600

struct top_vcpu {
	const struct vcpu *vcpu; /* only to be compared */
	char name[VM_NAME_LEN];
	uint32_t id, weight;
	unsigned cpu;
	uint64_t guest_ns, all_ns, exits;
	uint64_t vm_ns; /* of all vCPUs of its VM, in the difference */
};

struct top_cpu {
	uint64_t guest_ns, idle_ns;
};

struct top {
	uint64_t ns;
	unsigned vcpus, tasks;
	struct top_vcpu vcpu[TOP_VCPUS];
	struct task_use task[TOP_TASKS];
	struct top_cpu cpu[MAX_CPUS];
};

static void take_vm(struct top *t, const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count && t->vcpus < TOP_VCPUS; i++) {
		const struct vcpu *v = vm->vcpus[i];
		struct top_vcpu *row = &t->vcpu[t->vcpus];

		if (!v || v->exited)
			continue;
		*row = (struct top_vcpu){.vcpu = v, .id = i, .weight = vm->cfg.weight};
		str_copy(row->name, vm->cfg.name, sizeof(row->name));
		row->cpu = v->cpu;
		row->guest_ns = time_ticks_to_ns(v->run_ticks);
		row->all_ns = sched_task_ns(v->task);
		row->exits = v->exits;
		t->vcpus++;
	}
}

/* Does not block: all of one moment. */
static void take(struct top *t)
{
	const struct vm *vm;

	t->vcpus = t->tasks = 0;
	t->ns = time_ns();
	for (unsigned i = 0; (vm = vm_at(i)); i++)
		take_vm(t, vm);
	for (unsigned i = 0; t->tasks < TOP_TASKS && sched_task_at(i, &t->task[t->tasks]); i++)
		t->tasks += t->task[t->tasks].host;
	for (unsigned i = 0; i < cpu_count; i++)
		t->cpu[i] = (struct top_cpu){sched_guest_ns(i), sched_idle_ns(i)};
}

static uint64_t grown(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

/* What a vCPU did from `old` on, into `row`; false when it was not there. */
static bool vcpu_since(struct top_vcpu *row, const struct top *old)
{
	for (unsigned i = 0; i < old->vcpus; i++) {
		const struct top_vcpu *o = &old->vcpu[i];

		if (o->vcpu != row->vcpu || strcmp(o->name, row->name) != 0)
			continue;
		row->guest_ns = grown(row->guest_ns, o->guest_ns);
		row->all_ns = grown(row->all_ns, o->all_ns);
		row->exits = grown(row->exits, o->exits);
		return true;
	}
	return false;
}

static bool task_since(struct task_use *row, const struct top *old)
{
	for (unsigned i = 0; i < old->tasks; i++) {
		if (old->task[i].task != row->task || old->task[i].name != row->name)
			continue;
		row->ns = grown(row->ns, old->task[i].ns);
		return true;
	}
	return false;
}

/* The busiest VM first, its vCPUs together, the busiest first. */
static bool vcpu_goes_before(const struct top_vcpu *a, const struct top_vcpu *b)
{
	int order;

	if (a->vm_ns != b->vm_ns)
		return a->vm_ns > b->vm_ns;
	order = strcmp(a->name, b->name);
	if (order)
		return order < 0;
	return a->all_ns != b->all_ns ? a->all_ns > b->all_ns : a->id < b->id;
}

static void vcpus_sort(struct top *t)
{
	for (unsigned i = 0; i < t->vcpus; i++) {
		t->vcpu[i].vm_ns = 0;
		for (unsigned j = 0; j < t->vcpus; j++)
			if (strcmp(t->vcpu[i].name, t->vcpu[j].name) == 0)
				t->vcpu[i].vm_ns += t->vcpu[j].all_ns;
	}
	for (unsigned i = 1; i < t->vcpus; i++) {
		struct top_vcpu row = t->vcpu[i];
		unsigned at = i;

		for (; at && vcpu_goes_before(&row, &t->vcpu[at - 1]); at--)
			t->vcpu[at] = t->vcpu[at - 1];
		t->vcpu[at] = row;
	}
}

static void tasks_sort(struct top *t)
{
	for (unsigned i = 1; i < t->tasks; i++) {
		struct task_use row = t->task[i];
		unsigned at = i;

		for (; at && row.ns > t->task[at - 1].ns; at--)
			t->task[at] = t->task[at - 1];
		t->task[at] = row;
	}
}

/* Leaves in `now` what happened since `old`, the busiest first. */
static void subtract(struct top *now, const struct top *old)
{
	unsigned vcpus = 0, tasks = 0;

	now->ns = MAX(now->ns - old->ns, 1ull);
	for (unsigned i = 0; i < now->vcpus; i++)
		if (vcpu_since(&now->vcpu[i], old))
			now->vcpu[vcpus++] = now->vcpu[i];
	now->vcpus = vcpus;
	for (unsigned i = 0; i < now->tasks; i++)
		if (task_since(&now->task[i], old))
			now->task[tasks++] = now->task[i];
	now->tasks = tasks;
	for (unsigned i = 0; i < cpu_count; i++) {
		now->cpu[i].guest_ns = grown(now->cpu[i].guest_ns, old->cpu[i].guest_ns);
		now->cpu[i].idle_ns = grown(now->cpu[i].idle_ns, old->cpu[i].idle_ns);
	}
	vcpus_sort(now);
	tasks_sort(now);
}

/* ---- in words --------------------------------------------------------------------- */

static unsigned permille(uint64_t part, uint64_t whole)
{
	return (unsigned)(MIN(part, whole) * 1000 / whole);
}

static void cell_share(struct console *con, uint64_t part, uint64_t whole)
{
	unsigned share = permille(part, whole);

	table_cell(con, "%u.%u %%", share / 10, share % 10);
}

static void print_vcpus(struct console *con, const struct top *t)
{
	if (!t->vcpus) {
		console_printf(con, "no VM runs\n");
		return;
	}
	table_begin(con, "VM|>VCPU|>CPU|>WEIGHT|>GUEST|>HOST|>EXITS/S");
	for (unsigned i = 0; i < t->vcpus; i++) {
		const struct top_vcpu *v = &t->vcpu[i];

		table_row(con);
		table_cell(con, "%s", v->name);
		table_cell(con, "%u", v->id);
		table_cell(con, "%u", v->cpu);
		table_cell(con, "%u", v->weight);
		cell_share(con, v->guest_ns, t->ns);
		cell_share(con, grown(v->all_ns, v->guest_ns), t->ns);
		table_cell(con, "%lu", (unsigned long)(v->exits * NS_PER_S / t->ns));
	}
	table_end(con);
}

static void print_tasks(struct console *con, const struct top *t)
{
	if (!t->tasks || !permille(t->task[0].ns, t->ns))
		return;
	table_begin(con, "HOST TASK|>CPU|>USE");
	for (unsigned i = 0; i < t->tasks && permille(t->task[i].ns, t->ns); i++) {
		table_row(con);
		table_cell(con, "%s", t->task[i].name);
		table_cell(con, "%u", t->task[i].cpu);
		cell_share(con, t->task[i].ns, t->ns);
	}
	table_end(con);
}

static void print_cpus(struct console *con, const struct top *t)
{
	table_begin(con, ">CPU|>GUESTS|>HOST|>IDLE");
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct top_cpu *c = &t->cpu[i];

		table_row(con);
		table_cell(con, "%u", i);
		cell_share(con, c->guest_ns, t->ns);
		cell_share(con, grown(t->ns, c->guest_ns + c->idle_ns), t->ns);
		cell_share(con, c->idle_ns, t->ns);
	}
	table_end(con);
}

int commands_run_top(struct console *con, int argc, char **argv)
{
	static struct top before, after; /* one console, one `top` */
	uint64_t seconds = 1;
	int err;

	if (argc > 1 && (str_to_u64(argv[1], &seconds) || !seconds || seconds > TOP_SECONDS))
		return console_fail(con, -E_INVAL, "'%.20s': expected seconds, from 1 to %d",
				    argv[1], TOP_SECONDS);
	take(&before);
	err = console_wait(con, time_ns() + seconds * NS_PER_S);
	if (err)
		return err;
	take(&after);
	subtract(&after, &before);
	print_vcpus(con, &after);
	print_tasks(con, &after);
	print_cpus(con, &after);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Incoming vCPU and device states: each into a struct apart, checked by its owner,
 * and only when all are there and good are they loaded, all at once.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "migrate/move.h"
#include "vmm/vcpu.h"

struct received_device {
	struct vdev *dev;
	void *state; /* NULL: not come yet */
};

struct received_state {
	struct vm *vm;
	struct cpu_state *vcpus[VM_MAX_VCPUS];
	unsigned device_count;
	bool have_clock;
	struct stream_clock clock;
	struct received_device devices[];
};

static unsigned count_devices(const struct vm *vm)
{
	struct list *node;
	unsigned n = 0;

	list_for_each (node, &vm->devices)
		n++;
	return n;
}

int received_state_create(struct vm *vm, struct received_state **out)
{
	unsigned n = count_devices(vm), i = 0;
	struct received_state *rs = kzalloc(sizeof(*rs) + n * sizeof(rs->devices[0]));
	struct list *node;

	if (!rs)
		return -E_NOMEM;
	rs->vm = vm;
	rs->device_count = n;
	list_for_each (node, &vm->devices)
		rs->devices[i++].dev = list_entry(node, struct vdev, node);
	*out = rs;
	return 0;
}

void received_state_destroy(struct received_state *rs)
{
	if (!rs)
		return;
	for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
		kfree(rs->vcpus[i]);
	for (unsigned i = 0; i < rs->device_count; i++)
		kfree(rs->devices[i].state);
	kfree(rs);
}

/* The head, checked against the record; name is terminated after this. */
static int take_head(struct move *m, const struct stream_record *r, struct stream_device *head)
{
	memcpy(head, r->payload, sizeof(*head));
	if (strnlen(head->name, sizeof(head->name)) == sizeof(head->name))
		return stream_fail(&m->st, -E_PROTO, "a device's name has no end");
	if (head->length != r->length - sizeof(*head))
		return stream_fail(&m->st, -E_PROTO,
				   "%s: state of %u bytes in a record with room for %u", head->name,
				   head->length, (unsigned)(r->length - sizeof(*head)));
	return 0;
}

/* A struct of its own, filled from the stream as its table says. */
static int load_apart(struct move *m, const struct stream_record *r,
		      const struct stream_device *head, const struct state_table *t, void **out)
{
	void *state;
	int err;

	if (head->version != t->version)
		return stream_fail(&m->st, -E_VERSION, "%s: state version %u came, expected %u",
				   t->name, head->version, t->version);
	state = kzalloc(t->struct_size);
	if (!state)
		return stream_fail(&m->st, -E_NOMEM, "%s: no host memory for its state", t->name);
	err = state_load(t, state, r->payload + sizeof(*head), head->length);
	if (err) {
		kfree(state);
		return stream_fail(&m->st, err, "%s: state of %u bytes came, expected %u", t->name,
				   head->length, (unsigned)state_wire_size(t));
	}
	*out = state;
	return 0;
}

int received_state_vcpu(struct move *m, struct received_state *rs, const struct stream_record *r)
{
	struct stream_device head;
	void *state;
	int err;

	err = take_head(m, r, &head);
	if (err)
		return err;
	if (strcmp(head.name, vcpu_state_table.name) || head.instance >= rs->vm->vcpu_count)
		return stream_fail(&m->st, -E_RANGE, "vCPU %s %u came, this VM has %u vCPUs",
				   head.name, head.instance, rs->vm->vcpu_count);
	if (rs->vcpus[head.instance])
		return stream_fail(&m->st, -E_PROTO, "vCPU %u came twice", head.instance);
	err = load_apart(m, r, &head, &vcpu_state_table, &state);
	if (err)
		return err;
	err = vcpu_check_state(rs->vm->vcpus[head.instance], state);
	if (err) {
		kfree(state);
		return stream_fail(&m->st, err, "vCPU %u: no processor can be in that state",
				   head.instance);
	}
	rs->vcpus[head.instance] = state;
	return 0;
}

static struct received_device *find_device(struct received_state *rs,
					   const struct stream_device *head)
{
	for (unsigned i = 0; i < rs->device_count; i++) {
		const struct vdev *d = rs->devices[i].dev;

		if (d->instance == head->instance && !strcmp(d->ops->table->name, head->name))
			return &rs->devices[i];
	}
	return NULL;
}

int received_state_device(struct move *m, struct received_state *rs, const struct stream_record *r)
{
	struct stream_device head;
	struct received_device *rd;
	void *state;
	int err;

	err = take_head(m, r, &head);
	if (err)
		return err;
	rd = find_device(rs, &head);
	if (!rd)
		return stream_fail(&m->st, -E_NOENT, "this VM has no device %s %u", head.name,
				   head.instance);
	if (rd->state)
		return stream_fail(&m->st, -E_PROTO, "device %s %u came twice", head.name,
				   head.instance);
	err = load_apart(m, r, &head, rd->dev->ops->table, &state);
	if (err)
		return err;
	err = rd->dev->ops->check(rd->dev, state);
	if (err) {
		kfree(state);
		return stream_fail(&m->st, err, "device %s %u refuses its state", head.name,
				   head.instance);
	}
	rd->state = state;
	return 0;
}

int received_state_clock(struct move *m, struct received_state *rs, const struct stream_record *r)
{
	memcpy(&rs->clock, r->payload, sizeof(rs->clock));
	if (rs->clock.tsc_khz != rs->vm->clock.tsc_khz)
		return stream_fail(&m->st, -E_MISMATCH, "guest TSC of %llu kHz came, expected %llu",
				   (unsigned long long)rs->clock.tsc_khz,
				   (unsigned long long)rs->vm->clock.tsc_khz);
	rs->have_clock = true;
	return 0;
}

static int check_complete(struct move *m, const struct received_state *rs,
			  const struct stream_state_end *end)
{
	if (end->vcpus != rs->vm->vcpu_count || end->devices != rs->device_count)
		return stream_fail(&m->st, -E_MISMATCH,
				   "the source has %u vCPUs and %u devices, this VM has %u and %u",
				   end->vcpus, end->devices, rs->vm->vcpu_count, rs->device_count);
	for (unsigned i = 0; i < rs->vm->vcpu_count; i++)
		if (!rs->vcpus[i])
			return stream_fail(&m->st, -E_PROTO, "vCPU %u did not come", i);
	for (unsigned i = 0; i < rs->device_count; i++)
		if (!rs->devices[i].state)
			return stream_fail(&m->st, -E_PROTO, "device %s %u did not come",
					   rs->devices[i].dev->ops->table->name,
					   rs->devices[i].dev->instance);
	if (!rs->have_clock)
		return stream_fail(&m->st, -E_PROTO, "the guest's clock did not come");
	return 0;
}

int received_state_load(struct move *m, struct received_state *rs,
			const struct stream_state_end *end)
{
	int err;

	err = check_complete(m, rs, end);
	if (err)
		return err;
	m->stopped_wall_s = rs->clock.wall_s;
	vm_clock_set(rs->vm, rs->clock.guest_tsc);
	for (unsigned i = 0; i < rs->vm->vcpu_count; i++) {
		err = vcpu_set_state(rs->vm->vcpus[i], rs->vcpus[i]);
		if (err)
			return move_fail(m, err, "loading a vCPU");
	}
	for (unsigned i = 0; i < rs->device_count; i++) {
		struct vdev *d = rs->devices[i].dev;

		memcpy(d->state, rs->devices[i].state, d->ops->table->struct_size);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 3: the guest stands still; last pages, vCPUs, devices, clock. What states
 * contain is said by their tables (vmm/dev/state.h), here they are only carried.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "migrate/page_digest.h"
#include "vmm/vcpu.h"

#define DIGEST_YIELD 64	 /* pages digested without letting others run, the link among them */
#define DIGEST_PAGES 512 /* in one record: the target compares while we go on */

/* Name, version, instance, then the state as its table says. */
static int send_table(struct move *m, enum stream_type type, const struct state_table *t,
		      unsigned instance, const void *state)
{
	struct stream_device head = {.version = t->version,
				     .instance = (uint16_t)instance,
				     .length = (uint32_t)state_wire_size(t)};
	int n;

	if (sizeof(head) + head.length > STREAM_STATE_MAX)
		return stream_fail(&m->st, -E_NOSPC, "%s: state of %u bytes is too long", t->name,
				   head.length);
	str_copy(head.name, t->name, sizeof(head.name));
	stream_begin(&m->st, type);
	stream_add(&m->st, &head, sizeof(head));
	n = state_save(t, state, stream_grow(&m->st, head.length), head.length);
	if (n < 0)
		return move_fail(m, n, t->name);
	return stream_end(&m->st);
}

static int send_vcpus(struct move *m)
{
	struct cpu_state *cs = kzalloc(sizeof(*cs));
	int err = 0;

	if (!cs)
		return -E_NOMEM;
	for (unsigned i = 0; !err && i < m->vm->vcpu_count; i++) {
		vcpu_get_state(m->vm->vcpus[i], cs);
		err = send_table(m, STREAM_VCPU, &vcpu_state_table, i, cs);
	}
	kfree(cs);
	return err;
}

static int send_devices(struct move *m, uint32_t *count)
{
	struct list *node;
	int err;

	list_for_each (node, &m->vm->devices) {
		struct vdev *d = list_entry(node, struct vdev, node);

		err = send_table(m, STREAM_DEVICE, d->ops->table, d->instance, d->state);
		if (err)
			return err;
		++*count;
	}
	return 0;
}

uint64_t send_state_bytes(const struct vm *vm)
{
	uint64_t sum = vm->vcpu_count * (state_wire_size(&vcpu_state_table) + 64);
	struct list *node;

	list_for_each (node, &vm->devices) {
		struct vdev *d = list_entry(node, struct vdev, node);

		sum += state_wire_size(d->ops->table) + 64;
	}
	return sum;
}

int send_digests(struct move *m)
{
	struct stream_digests head = {.first = 0};
	uint64_t total = guest_mem_pages(&m->vm->mem);
	int err;

	for (; head.first < total; head.first += head.count) {
		head.count = MIN(total - head.first, (uint64_t)DIGEST_PAGES);
		stream_begin(&m->st, STREAM_DIGESTS);
		stream_add(&m->st, &head, sizeof(head));
		for (uint64_t i = 0; i < head.count; i++) {
			gfn_t gfn = guest_mem_index_to_gfn(&m->vm->mem, head.first + i);
			uint32_t digest = page_digest(guest_mem_page(&m->vm->mem, gfn));

			stream_add(&m->st, &digest, sizeof(digest));
			if (i % DIGEST_YIELD == 0)
				task_yield();
		}
		err = stream_end(&m->st);
		if (err)
			return err;
		err = m->st.io.push(m->st.io.ctx);
		if (err)
			return err;
		err = send_look_up(m);
		if (err)
			return err;
	}
	return 0;
}

int send_state(struct move *m)
{
	struct stream_clock clock = {.guest_tsc = m->vm->clock.frozen_tsc,
				     .tsc_khz = m->vm->clock.tsc_khz,
				     .wall_s = m->stopped_wall_s};
	struct stream_state_end end = {.vcpus = m->vm->vcpu_count};
	int err;

	err = send_vcpus(m);
	if (err)
		return err;
	err = send_devices(m, &end.devices);
	if (err)
		return err;
	stream_begin(&m->st, STREAM_CLOCK);
	stream_add(&m->st, &clock, sizeof(clock));
	err = stream_end(&m->st);
	if (err)
		return err;
	if (m->opt.verify) {
		err = send_disks_digests(m, end.disk_digests);
		if (err)
			return err;
	}
	memcpy(end.token, m->ho.token, sizeof(end.token));
	end.flags = (m->was_running ? STATE_RUNNING : 0) | (m->opt.verify ? STATE_VERIFIED : 0) |
		    (handover_disk(m->vm) ? STATE_ARBITER : 0);
	return stream_send(&m->st, STREAM_STATE_END, &end, sizeof(end));
}

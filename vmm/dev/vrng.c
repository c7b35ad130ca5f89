/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio entropy device. Making random bytes costs the host time, so that a
 * guest which asks without end gets a bounded piece at each notification and one
 * more each millisecond. Where the bytes come from is kernel/entropy.c's.
 */
#include "vmm/dev/vrng.h"
#include "kernel/entropy.h"
#include "kernel/mem.h"
#include "kernel/time.h"

#define CLASS_OTHER 0xff0000
#define QUEUE	    0
#define PIECE	    256 /* bytes on the stack */
#define TURN_CHAINS 64	/* requests answered in one turn, however small */

static struct vrng *from_virtio(struct virtio_pci *v)
{
	return container_of(v, struct vrng, v);
}

static struct vrng *from_vdev(struct vdev *vd)
{
	return from_virtio(container_of(vd, struct virtio_pci, vdev));
}

/* Random bytes into [gpa, gpa + len). 0, or -E_RANGE where that is not RAM. */
static int fill_buffer(struct vrng *d, gpa_t gpa, uint32_t len)
{
	uint8_t piece[PIECE];

	while (len) {
		uint32_t n = MIN(len, (uint32_t)sizeof(piece));
		int err;

		entropy_fill(piece, n);
		err = guest_mem_write(d->v.vdev.vm, gpa, piece, n);
		if (err)
			return err;
		gpa += n;
		len -= n;
	}
	return 0;
}

/* Fill the chain in d->chain, at most max bytes. How many; 0 when it is no request. */
static uint32_t fill_chain(struct vrng *d, uint32_t max)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < d->chain.count && done < max; i++) {
		const struct virtq_seg *s = &d->chain.seg[i];
		uint32_t n = MIN(s->len, max - done);

		/* 5.4.6: nothing that the device could read */
		if (!s->writable || fill_buffer(d, s->gpa, n))
			return 0;
		done += n;
	}
	return done;
}

/* The next request. Bytes made; 0 when there is none, -E_PROTO when the queue is broken. */
static int serve_one(struct vrng *d, uint32_t max)
{
	int err = virtq_pop(&d->v.queue[QUEUE], &d->chain);
	uint32_t done;

	if (err <= 0)
		return err;
	done = fill_chain(d, MIN(max, (uint32_t)VRNG_REQUEST_MAX));
	if (!done)
		return -E_PROTO;
	err = virtq_push(&d->v.queue[QUEUE], d->chain.head, done);
	if (err < 0)
		return err;
	if (err)
		virtio_pci_interrupt(&d->v, QUEUE);
	return (int)done;
}

/* While the clock stands still the guest is being paused: what it asks can wait with it. */
static bool may_work(const struct vrng *d)
{
	return !d->quiesced && d->v.vdev.vm->clock.running && virtio_pci_running(&d->v) &&
	       d->s.v.queue[QUEUE].enabled;
}

static void process_queue(struct vrng *d)
{
	uint32_t left = VRNG_TURN_MAX;

	for (unsigned chains = 0; left && chains < TURN_CHAINS; chains++) {
		int n;

		if (!may_work(d))
			return;
		n = serve_one(d, left);
		if (!n)
			return;
		if (n < 0) {
			virtio_pci_break(&d->v, QUEUE, "a chain is damaged or has no room");
			return;
		}
		left -= (uint32_t)n;
	}
	timer_arm(&d->again, time_ns() + NS_PER_MS);
}

static void work_again(struct timer *t)
{
	process_queue(container_of(t, struct vrng, again));
}

/* Armed: this turn is over, whatever the guest rings. */
static void vrng_notify(struct virtio_pci *v, unsigned queue)
{
	struct vrng *d = from_virtio(v);

	if (!timer_is_armed(&d->again))
		process_queue(d);
}

static bool vrng_driver_reset(struct virtio_pci *v)
{
	timer_cancel(&from_virtio(v)->again);
	return true;
}

static uint64_t vrng_config_read(struct virtio_pci *v, unsigned offset, unsigned size)
{
	return 0; /* 5.4.4: none */
}

static void vrng_config_write(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value)
{
}

static void vrng_reset(struct vdev *vd)
{
	struct vrng *d = from_vdev(vd);

	vrng_driver_reset(&d->v);
	d->quiesced = false;
	d->s = (struct vrng_state){.v.pci = d->s.v.pci};
	virtio_pci_power_on(&d->v);
}

static void vrng_quiesce(struct vdev *vd)
{
	struct vrng *d = from_vdev(vd);

	d->quiesced = true;
	timer_cancel(&d->again);
}

static int vrng_check(const struct vdev *vd, const void *state)
{
	const struct vrng_state *s = state;

	return virtio_pci_check(&from_vdev((struct vdev *)vd)->v, &s->v);
}

static void vrng_resume(struct vdev *vd)
{
	struct vrng *d = from_vdev(vd);

	d->quiesced = false;
	virtio_pci_resume(&d->v);
	process_queue(d);
}

static void vrng_destroy(struct vdev *vd)
{
	struct vrng *d = from_vdev(vd);

	vrng_quiesce(vd);
	virtio_pci_fini(&d->v);
	list_remove(&vd->node);
	kfree(d);
}

static const struct state_field vrng_fields[] = {
    VIRTIO_STATE_FIELDS(struct vrng_state, v),
};

static const struct state_table vrng_table = {
    .name = "vrng",
    .version = 1,
    .struct_size = sizeof(struct vrng_state),
    .fields = vrng_fields,
    .field_count = ARRAY_SIZE(vrng_fields),
};

static const struct vdev_ops vrng_ops = {
    .table = &vrng_table,
    .reset = vrng_reset,
    .quiesce = vrng_quiesce,
    .check = vrng_check,
    .resume = vrng_resume,
    .destroy = vrng_destroy,
};

static const struct virtio_ops vrng_virtio_ops = {
    .notify = vrng_notify,
    .reset = vrng_driver_reset,
    .config_read = vrng_config_read,
    .config_write = vrng_config_write,
};

int vrng_create(struct vm *vm, unsigned slot, struct vrng **out)
{
	struct vrng *d = kzalloc(sizeof(*d));
	int err;

	if (!d)
		return -E_NOMEM;
	timer_init(&d->again, work_again);
	d->v.queue_count = 1;
	d->v.features = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
	err =
	    virtio_pci_init(vm, &d->v, &d->s.v, &vrng_virtio_ops, VIRTIO_ID_RNG, slot, CLASS_OTHER);
	if (err) {
		kfree(d);
		return err;
	}
	vdev_add(vm, &d->v.vdev, &vrng_ops, slot, &d->s);
	*out = d;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio disk: takes requests off its queue, gives them to the block device,
 * returns them, and keeps those that a fenced backend refused. Parsing is
 * vblk_request.c's, the transport virtio_pci's.
 */
#include "vmm/dev/vblk.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "vmm/dev/vblk_request.h"

#define F_SIZE_MAX BIT(1)
#define F_SEG_MAX  BIT(2)
#define F_RO	   BIT(5)
#define F_BLK_SIZE BIT(6)
#define F_FLUSH	   BIT(9)

#define CLASS_STORAGE_OTHER 0x018000
#define QUEUE		    0
#define TURN_MAX	    256 /* requests answered in one go before others get their turn */
#define DRAIN_WARN_NS	    (5 * NS_PER_S)

/* struct virtio_blk_config, 5.2.4, as far as our features reach */
struct blk_config {
	uint64_t capacity;
	uint32_t size_max, seg_max;
	uint32_t geometry;
	uint32_t blk_size;
};
_Static_assert(sizeof(struct blk_config) == 24, "virtio 1.1, 5.2.4");

static void process_queue(struct vblk *d);

static struct vblk *from_virtio(struct virtio_pci *v)
{
	return container_of(v, struct vblk, v);
}

static struct vblk *from_vdev(struct vdev *vd)
{
	return from_virtio(container_of(vd, struct virtio_pci, vdev));
}

uint32_t vblk_inflight(const struct vblk *d)
{
	return d->inflight;
}

uint32_t vblk_kept(const struct vblk *d)
{
	return d->s.kept_count;
}

/* A backend that was taken from us on purpose: no error that the guest should see. */
static bool is_taken_back(int err)
{
	return err == -E_FENCED || err == -E_CANCELLED;
}

static void keep_head(struct vblk *d, uint16_t head)
{
	if (!d->s.kept_count)
		log_info("vblk %u: %s: requests are kept until the disk is ours again",
			 d->v.vdev.instance, d->disk->cfg.name);
	d->s.kept[d->s.kept_count++] = head;
}

/* The status byte, then the used ring: the driver looks at it in that order. */
static void answer(struct vblk *d, const struct vblk_request *r, uint8_t status)
{
	uint32_t len = status == VBLK_S_OK ? r->written : 1;

	/* parse saw that the byte is RAM, and RAM does not go away */
	int err = guest_mem_write(d->v.vdev.vm, r->status_gpa, &status, 1);

	if (!err)
		err = virtq_push(&d->v.queue[QUEUE], r->head, len);
	if (err < 0)
		virtio_pci_break(&d->v, QUEUE, "the used ring is not in memory");
	else if (err)
		virtio_pci_interrupt(&d->v, QUEUE);
}

static void mark_written(struct vblk *d, const struct vblk_request *r)
{
	if (r->rq.op == BLK_WRITE)
		disk_log_mark(&d->disk->log, r->rq.sector, r->rq.sectors);
	if (r->rq.op != BLK_READ)
		return;
	for (unsigned i = 0; i < r->seg_count; i++)
		guest_mem_dirty(d->v.vdev.vm, r->seg[i].gpa, r->seg[i].len);
}

static void request_ended(struct vblk *d, struct vblk_request *r)
{
	r->busy = false;
	if (--d->inflight)
		return;
	virtio_pci_reset_done(&d->v);
	waitq_wake_all(&d->drained);
}

/* The block device is done with a request. */
static void request_done(struct blk_request *rq, int err)
{
	struct vblk_request *r = rq->ctx;
	struct vblk *d = r->d;

	/* also after an error: part of the data may have arrived */
	mark_written(d, r);
	if (!r->orphan && virtio_pci_running(&d->v)) {
		if (is_taken_back(err))
			keep_head(d, r->head);
		else
			answer(d, r, err ? VBLK_S_IOERR : VBLK_S_OK);
	}
	request_ended(d, r);
	process_queue(d);
}

static struct vblk_request *request_free(struct vblk *d)
{
	for (unsigned i = 0; i < VBLK_MAX_REQUESTS; i++) {
		if (!d->requests[i].busy)
			return &d->requests[i];
	}
	return NULL;
}

/* Carry out the chain in d->chain. 0, or -E_PROTO when it is no request. */
static int start_request(struct vblk *d, struct vblk_request *r)
{
	uint8_t status;
	int err = vblk_request_parse(d, r, &status);

	if (err < 0)
		return err;
	if (err) {
		answer(d, r, status);
		return 0;
	}
	r->rq.done = request_done;
	r->rq.ctx = r;
	r->d = d;
	r->orphan = false;
	r->busy = true;
	d->inflight++;
	err = d->disk->blk->ops->submit(d->disk->blk, &r->rq);
	if (!err)
		return 0;
	r->busy = false;
	d->inflight--;
	if (is_taken_back(err))
		keep_head(d, r->head);
	else
		answer(d, r, VBLK_S_IOERR);
	return 0;
}

/* While the clock stands still the guest is being paused: what it queued can wait with it. */
static bool may_work(const struct vblk *d)
{
	return !d->quiesced && d->v.vdev.vm->clock.running && !d->s.kept_count &&
	       virtio_pci_running(&d->v) && d->s.v.queue[QUEUE].enabled;
}

static void process_queue(struct vblk *d)
{
	for (unsigned turn = 0; turn < TURN_MAX; turn++) {
		struct vblk_request *r = request_free(d);

		if (!r || !may_work(d))
			return;
		int err = virtq_pop(&d->v.queue[QUEUE], &d->chain);

		if (!err)
			return;
		if (err > 0)
			err = start_request(d, r);
		if (err < 0) {
			virtio_pci_break(&d->v, QUEUE, "a chain is damaged or no block request");
			return;
		}
	}
	timer_arm(&d->again, time_ns());
}

static void work_again(struct timer *t)
{
	process_queue(container_of(t, struct vblk, again));
}

/* Issue anew what was kept; the heads are from our own state, the chains the guest's. */
static void reissue_kept(struct vblk *d)
{
	uint16_t heads[VBLK_MAX_REQUESTS];
	unsigned count = d->s.kept_count;

	memcpy(heads, d->s.kept, sizeof(heads));
	memset(d->s.kept, 0, sizeof(d->s.kept));
	d->s.kept_count = 0;
	for (unsigned i = 0; i < count && virtio_pci_running(&d->v); i++) {
		struct vblk_request *r = request_free(d);
		int err = virtq_read_chain(&d->v.queue[QUEUE], heads[i], &d->chain);

		ASSERT(r); /* kept and in flight together are never more than the slots */
		if (!err)
			err = start_request(d, r);
		if (err)
			virtio_pci_break(&d->v, QUEUE, "a request changed while it was kept");
	}
}

static void vblk_notify(struct virtio_pci *v, unsigned queue)
{
	process_queue(from_virtio(v));
}

/* In-flight requests end unheard; the driver waits for them (their buffers are in use). */
static bool vblk_driver_reset(struct virtio_pci *v)
{
	struct vblk *d = from_virtio(v);

	for (unsigned i = 0; i < VBLK_MAX_REQUESTS; i++)
		d->requests[i].orphan = true;
	memset(d->s.kept, 0, sizeof(d->s.kept));
	d->s.kept_count = 0;
	return !d->inflight;
}

static uint64_t vblk_config_read(struct virtio_pci *v, unsigned offset, unsigned size)
{
	struct vblk *d = from_virtio(v);
	struct blk_config cfg = {
	    .capacity = d->s.capacity,
	    .size_max = VBLK_SIZE_MAX,
	    .seg_max = VBLK_SEG_MAX,
	    .blk_size = SECTOR_SIZE,
	};
	uint64_t value = 0;

	if (offset < sizeof(cfg))
		memcpy(&value, (uint8_t *)&cfg + offset, MIN(size, sizeof(cfg) - offset));
	return value;
}

static void vblk_config_write(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value)
{
}

static void vblk_reset(struct vdev *vd)
{
	struct vblk *d = from_vdev(vd);

	timer_cancel(&d->again);
	d->quiesced = false;
	vblk_driver_reset(&d->v);
	d->s = (struct vblk_state){
	    .v.pci = d->s.v.pci,
	    .capacity = d->disk->blk->sectors,
	    .readonly = d->disk->cfg.readonly,
	};
	virtio_pci_power_on(&d->v);
}

static void wait_drained(struct vblk *d)
{
	uint64_t since = time_ns();
	bool warned = false;

	while (d->inflight) {
		int err = waitq_wait(&d->drained, time_ns() + DRAIN_WARN_NS);

		if (err && !warned) {
			log_warn("vblk %u: %s: %u requests are out since %llu s",
				 d->v.vdev.instance, d->disk->cfg.name, d->inflight,
				 (unsigned long long)((time_ns() - since) / NS_PER_S));
			warned = true;
		}
	}
}

static void vblk_quiesce(struct vdev *vd)
{
	struct vblk *d = from_vdev(vd);

	d->quiesced = true;
	timer_cancel(&d->again);
	wait_drained(d);
}

static int vblk_check_kept(const struct vdev *vd, const struct vblk_state *s)
{
	if (s->kept_count > VBLK_MAX_REQUESTS)
		return vdev_refuse(vd, "kept_count", s->kept_count, "at most 32");
	if (s->kept_count && !s->v.queue[QUEUE].enabled)
		return vdev_refuse(vd, "kept_count", s->kept_count, "0 without a queue");
	for (unsigned i = 0; i < s->kept_count; i++) {
		if (s->kept[i] >= s->v.queue[QUEUE].size)
			return vdev_refuse(vd, "kept", s->kept[i], "a head inside the queue");
	}
	return 0;
}

static int vblk_check(const struct vdev *vd, const void *state)
{
	const struct vblk *d = from_vdev((struct vdev *)vd);
	const struct vblk_state *s = state;
	int err = virtio_pci_check(&d->v, &s->v);

	if (err)
		return err;
	if (s->capacity != d->disk->blk->sectors)
		return vdev_refuse(vd, "capacity", s->capacity, "the size of the disk here");
	if (s->readonly != d->disk->cfg.readonly)
		return vdev_refuse(vd, "readonly", s->readonly, "what the configuration says");
	return vblk_check_kept(vd, s);
}

static void vblk_resume(struct vdev *vd)
{
	struct vblk *d = from_vdev(vd);

	d->quiesced = false;
	virtio_pci_resume(&d->v);
	reissue_kept(d);
	process_queue(d);
}

static void vblk_destroy(struct vdev *vd)
{
	struct vblk *d = from_vdev(vd);

	vblk_quiesce(vd);
	virtio_pci_fini(&d->v);
	list_remove(&vd->node);
	kfree(d);
}

static const struct state_field vblk_fields[] = {
    VIRTIO_STATE_FIELDS(struct vblk_state, v), STATE_FIELD(struct vblk_state, capacity),
    STATE_ARRAY(struct vblk_state, kept),      STATE_FIELD(struct vblk_state, kept_count),
    STATE_FIELD(struct vblk_state, readonly),  STATE_ARRAY(struct vblk_state, reserved),
};

static const struct state_table vblk_table = {
    .name = "vblk",
    .version = 2,
    .struct_size = sizeof(struct vblk_state),
    .fields = vblk_fields,
    .field_count = ARRAY_SIZE(vblk_fields),
};

static const struct vdev_ops vblk_ops = {
    .table = &vblk_table,
    .reset = vblk_reset,
    .quiesce = vblk_quiesce,
    .check = vblk_check,
    .resume = vblk_resume,
    .destroy = vblk_destroy,
};

static const struct virtio_ops vblk_virtio_ops = {
    .notify = vblk_notify,
    .reset = vblk_driver_reset,
    .config_read = vblk_config_read,
    .config_write = vblk_config_write,
};

int vblk_create(struct vm *vm, unsigned slot, struct vm_disk *disk, struct vblk **out)
{
	if (!disk->blk)
		return -E_STATE;
	struct vblk *d = kzalloc(sizeof(*d));

	if (!d)
		return -E_NOMEM;
	d->disk = disk;
	waitq_init(&d->drained);
	timer_init(&d->again, work_again);
	d->v.queue_count = 1;
	d->v.features = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
			F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH |
			(disk->cfg.readonly ? F_RO : 0);
	int err = virtio_pci_init(vm, &d->v, &d->s.v, &vblk_virtio_ops, VIRTIO_ID_BLOCK, slot,
				  CLASS_STORAGE_OTHER);

	if (err) {
		kfree(d);
		return err;
	}
	vdev_add(vm, &d->v.vdev, &vblk_ops, slot, &d->s);
	*out = d;
	return 0;
}

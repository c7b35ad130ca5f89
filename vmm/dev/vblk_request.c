/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtio block request: header, data, status byte, in whatever buffers the
 * driver chose (virtio 1.1, 2.6.4 and 5.2.6). Issuing and ending it is vblk.c's.
 */
#include "vmm/dev/vblk_request.h"
#include "kernel/lib/string.h"

#define TYPE_IN	    0
#define TYPE_OUT    1
#define TYPE_FLUSH  4
#define TYPE_GET_ID 8

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct blk_header) == 16, "virtio 1.1, 5.2.6");

/* Take the 16 bytes of the header off the front of the readable buffers. */
static int take_header(struct vblk *d, struct blk_header *h)
{
	struct virtq_chain *c = &d->chain;
	uint32_t got = 0;

	for (unsigned i = 0; i < c->count && got < sizeof(*h); i++) {
		struct virtq_seg *seg = &c->seg[i];
		uint32_t n = MIN(seg->len, (uint32_t)sizeof(*h) - got);

		if (seg->writable || guest_mem_read(d->v.vdev.vm, seg->gpa, (uint8_t *)h + got, n))
			return -E_PROTO;
		seg->gpa += n;
		seg->len -= n;
		got += n;
	}
	return got == sizeof(*h) ? 0 : -E_PROTO;
}

/* The last writable byte is for the status. */
static int take_status(struct vblk *d, struct vblk_request *r)
{
	struct virtq_chain *c = &d->chain;
	struct virtq_seg *last = c->count ? &c->seg[c->count - 1] : NULL;
	size_t avail;

	if (!last || !last->writable)
		return -E_PROTO;
	last->len--;
	r->status_gpa = last->gpa + last->len;
	return guest_mem_ptr(d->v.vdev.vm, r->status_gpa, 1, &avail) ? 0 : -E_PROTO;
}

/* Fragments for one buffer; a buffer that crosses host blocks takes several. */
static int add_frags(struct vblk *d, struct blk_request *rq, const struct virtq_seg *seg)
{
	gpa_t gpa = seg->gpa;
	uint32_t left = seg->len;

	while (left) {
		size_t avail;
		void *p = guest_mem_ptr(d->v.vdev.vm, gpa, left, &avail);

		if (!p || !avail)
			return -E_PROTO;
		if (rq->frag_count == BLK_MAX_FRAGS)
			return -E_NOSPC;
		rq->frags[rq->frag_count++] = (struct blk_frag){.data = p, .len = avail};
		gpa += avail;
		left -= avail;
	}
	return 0;
}

/* Data buffers of the wanted direction; the total in *bytes. */
static int take_data(struct vblk *d, struct vblk_request *r, bool writable, uint64_t *bytes)
{
	const struct virtq_chain *c = &d->chain;

	*bytes = 0;
	for (unsigned i = 0; i < c->count; i++) {
		if (!c->seg[i].len || c->seg[i].writable != writable)
			continue;
		r->seg[r->seg_count++] = c->seg[i];
		*bytes += c->seg[i].len;
	}
	if (*bytes > (uint64_t)BLK_MAX_SECTORS * SECTOR_SIZE)
		return -E_NOSPC;
	for (unsigned i = 0; i < r->seg_count; i++) {
		int err = add_frags(d, &r->rq, &r->seg[i]);

		if (err)
			return err;
	}
	return 0;
}

static int parse_transfer(struct vblk *d, struct vblk_request *r, uint64_t sector, uint8_t *status)
{
	bool in = r->type == TYPE_IN;
	uint64_t bytes;
	int err = take_data(d, r, in, &bytes);

	if (err == -E_PROTO)
		return err;
	uint64_t sectors = bytes / SECTOR_SIZE;

	*status = VBLK_S_IOERR;
	if (err || !bytes || bytes % SECTOR_SIZE || sector > d->s.capacity ||
	    sectors > d->s.capacity - sector || (!in && d->s.readonly))
		return 1;
	r->rq.op = in ? BLK_READ : BLK_WRITE;
	r->rq.sector = sector;
	r->rq.sectors = sectors;
	r->written = 1 + (in ? bytes : 0);
	return 0;
}

/* The device's name, zero-padded to 20 bytes, cut where the buffers end. */
static int answer_id(struct vblk *d, struct vblk_request *r, uint8_t *status)
{
	const struct virtq_chain *c = &d->chain;
	char id[VBLK_ID_LEN] = {0};
	uint32_t done = 0;

	memcpy(id, d->disk->cfg.name, strnlen(d->disk->cfg.name, sizeof(d->disk->cfg.name)));
	for (unsigned i = 0; i < c->count && done < sizeof(id); i++) {
		uint32_t n = MIN(c->seg[i].len, (uint32_t)sizeof(id) - done);

		if (!c->seg[i].writable)
			continue;
		if (guest_mem_write(d->v.vdev.vm, c->seg[i].gpa, id + done, n))
			return -E_PROTO;
		done += n;
	}
	r->written = 1 + done;
	*status = VBLK_S_OK;
	return 1;
}

int vblk_request_parse(struct vblk *d, struct vblk_request *r, uint8_t *status)
{
	struct blk_header h;
	int err = take_header(d, &h);

	if (!err)
		err = take_status(d, r);
	if (err)
		return err;
	r->head = d->chain.head;
	r->type = h.type;
	r->written = 1;
	r->seg_count = 0;
	r->rq.frag_count = 0;
	r->rq.sector = r->rq.sectors = 0;

	switch (h.type) {
	case TYPE_IN:
	case TYPE_OUT:
		return parse_transfer(d, r, h.sector, status);
	case TYPE_FLUSH:
		r->rq.op = BLK_FLUSH;
		return 0;
	case TYPE_GET_ID:
		return answer_id(d, r, status);
	}
	*status = VBLK_S_UNSUPP;
	return 1;
}

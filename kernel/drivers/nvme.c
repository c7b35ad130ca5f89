/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe disks: namespace 1 of a controller as a blkdev, commands through one pair of
 * queues. What a command's life is (deadline, reset, retry) is disk_queue.c's;
 * the controller itself is nvme_ctrl.c's.
 */
#include "kernel/drivers/nvme.h"
#include "kernel/drivers/nvme_ctrl.h"
#include "kernel/drivers/mmio.h"
#include "kernel/irq.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define NAMESPACE   1
#define WINDOW_MAX  (NVME_DOORBELL + 4 * (4ull << 15))
#define SECTORS_MAX (1ull << 54)

static struct nvme *to_nvme(struct disk_queue *q)
{
	return container_of(q, struct nvme, q);
}

/* Where the data lies (4.3): the first page, then the second, or the list of all others. */
static void command_set_data(struct nvme *n, struct nvme_command *c, unsigned slot)
{
	const struct disk_slot *s = &n->q.slots[slot];
	uint32_t bytes = s->count * SECTOR_SIZE;

	c->prp1 = virt_to_hpa(s->buffer);
	if (bytes > 2 * PAGE_SIZE)
		c->prp2 = virt_to_hpa((const void *)n->mem->prps[slot]);
	else if (bytes > PAGE_SIZE)
		c->prp2 = c->prp1 + PAGE_SIZE;
	c->cdw10 = (uint32_t)s->sector;
	c->cdw11 = s->sector >> 32;
	c->cdw12 = s->count - 1;
}

static void nvme_start(struct disk_queue *q, unsigned slot)
{
	static const uint8_t opcodes[] = {
	    [BLK_READ] = NVME_READ, [BLK_WRITE] = NVME_WRITE, [BLK_FLUSH] = NVME_FLUSH};
	struct nvme *n = to_nvme(q);
	struct nvme_command c = {.opcode = opcodes[q->slots[slot].rq->op], .nsid = NAMESPACE};

	/* An answer to an older command of this slot must not pass for one to this */
	n->ids[slot] = slot + DISK_SLOTS * (++n->sequence % 1024);
	c.id = n->ids[slot];
	if (q->slots[slot].count)
		command_set_data(n, &c, slot);
	nvme_pair_submit(n, &n->io, &c);
}

static int nvme_poll(struct disk_queue *q)
{
	struct nvme *n = to_nvme(q);
	uint32_t status;

	for (unsigned i = 0; i < n->depth && nvme_pair_take(n, &n->io, &status); i++) {
		unsigned slot = NVME_STATUS_ID(status) % DISK_SLOTS;
		uint32_t code = NVME_STATUS_CODE(status);

		if (code)
			q->status = code;
		if (NVME_STATUS_ID(status) != n->ids[slot] ||
		    !disk_queue_ended(q, slot, code ? -E_IO : 0))
			return -E_PROTO;
	}
	return mmio_read32(n->regs, NVME_CSTS) & NVME_CSTS_CFS ? -E_IO : 0;
}

static int nvme_reset(struct disk_queue *q)
{
	return nvme_ctrl_start(to_nvme(q));
}

static const struct disk_queue_ops nvme_ops = {
    .start = nvme_start,
    .poll = nvme_poll,
    .reset = nvme_reset,
};

static void nvme_interrupt(void *arg)
{
	struct nvme *n = arg;

	disk_queue_interrupt(&n->q);
}

/* The pages of a slot's buffer after the first, once for all commands. */
static void prps_fill(struct nvme *n)
{
	for (unsigned s = 0; s < n->q.slot_count; s++)
		for (unsigned i = 1; i < NVME_PRPS; i++)
			n->mem->prps[s][i - 1] =
			    virt_to_hpa(n->q.slots[s].buffer) + (hpa_t)i * PAGE_SIZE;
}

static uint32_t identify_u32(const struct nvme *n, unsigned offset)
{
	uint32_t v;

	memcpy(&v, (const void *)&n->mem->identify[offset], sizeof(v));
	return v;
}

static int read_controller(struct nvme *n)
{
	unsigned len = NVME_CTRL_MODEL_LEN;
	uint8_t mdts;
	int err = nvme_ctrl_identify(n, NVME_IDENTIFY_CTRL, 0);

	if (err)
		return err;
	memcpy(n->model, (const void *)&n->mem->identify[NVME_CTRL_MODEL], len);
	for (unsigned i = 0; i < len; i++)
		if (n->model[i] < 0x20 || n->model[i] > 0x7e)
			n->model[i] = ' ';
	while (len && n->model[len - 1] == ' ')
		len--;
	n->model[len] = '\0';
	mdts = n->mem->identify[NVME_CTRL_MDTS]; /* a power of two of pages; 0: any length */
	if (mdts && mdts < 5)
		n->q.piece_sectors = MIN(n->q.piece_sectors, (PAGE_SIZE << mdts) / SECTOR_SIZE);
	return 0;
}

static int read_namespace(struct nvme *n)
{
	int err = nvme_ctrl_identify(n, NVME_IDENTIFY_NAMESPACE, NAMESPACE);
	uint32_t format;

	if (err)
		return err;
	n->q.bd.sectors =
	    identify_u32(n, NVME_NS_SIZE) | (uint64_t)identify_u32(n, NVME_NS_SIZE + 4) << 32;
	format = identify_u32(n, NVME_NS_LBAF + 4 * (n->mem->identify[NVME_NS_FLBAS] & 0xf));
	/* Metadata bytes in the low half, the power of two of a sector's bytes above */
	if (n->q.bd.sectors && n->q.bd.sectors < SECTORS_MAX && (format & 0xffffff) == 9 << 16)
		return 0;
	log_warn("nvme: %s: namespace 1 has %llu sectors of 2^%u bytes with %u bytes of metadata: "
		 "expected some of 512 bytes without metadata ('nvme format' makes such)",
		 n->model, (unsigned long long)n->q.bd.sectors, format >> 16 & 0xff,
		 format & 0xffff);
	return -E_NOTSUP;
}

static int bring_up(struct nvme *n, uint64_t window)
{
	int err = nvme_ctrl_capabilities(n, window);

	if (err)
		return err;
	n->mem = pages_alloc(NVME_MEMORY_ORDER);
	if (!n->mem)
		return -E_NOMEM;
	n->q.slot_count = MIN(n->depth - 1, (unsigned)DISK_SLOTS);
	n->q.piece_sectors = DISK_PIECE_SECTORS;
	err = disk_queue_init(&n->q, &nvme_ops);
	if (err)
		return err;
	prps_fill(n);
	err = nvme_ctrl_start(n);
	if (!err)
		err = read_controller(n);
	return err ? err : read_namespace(n);
}

static void give_up(struct nvme *n)
{
	if (n->mem && nvme_ctrl_stop(n) != 0) { /* gone for a moment is not stopped either */
		log_error("nvme: the controller does not stop, its memory stays with it");
		return;
	}
	disk_queue_free(&n->q);
	if (n->mem)
		pages_free((void *)n->mem, NVME_MEMORY_ORDER);
	kfree(n);
}

static int run(struct nvme *n, const struct pci_dev *d)
{
	static unsigned number;
	int err;

	ksnprintf(n->q.bd.name, sizeof(n->q.bd.name), "nvme%u", number++);
	n->q.bd.model = n->model;
	log_info("nvme: %s: %s, namespace 1 (others are not used), %llu sectors", n->q.bd.name,
		 n->model, (unsigned long long)n->q.bd.sectors);
	err = irq_register(d->irq_line, true, nvme_interrupt, n);
	if (err)
		log_warn("nvme: %s is polled every ms, interrupt line %u: %s", n->q.bd.name,
			 d->irq_line, err_text(err));
	n->interrupts = !err;
	if (n->interrupts)
		mmio_write32(n->regs, NVME_INTMC, 1);
	return disk_queue_run(&n->q);
}

int nvme_probe(const struct pci_dev *d)
{
	struct nvme *n;
	int err;

	if (d->class_code != 1 || d->subclass != 8 || d->prog_if != 2)
		return -E_NOENT;
	if (d->bar_is_io[0] || !d->bar[0] || d->bar_size[0] < NVME_DOORBELL) {
		log_warn("nvme: %02x:%02x.%u has no register window", d->bus, d->dev, d->fn);
		return -E_IO;
	}
	n = kzalloc(sizeof(*n));
	if (!n)
		return -E_NOMEM;
	pci_enable(d);
	n->regs = mmio_map(d->bar[0], MIN(d->bar_size[0], WINDOW_MAX));
	err = n->regs ? bring_up(n, d->bar_size[0]) : -E_NOMEM;
	if (!err)
		return run(n, d);
	log_error("nvme: %02x:%02x.%u cannot be used: %s, status 0x%x", d->bus, d->dev, d->fn,
		  err_text(err), n->q.status);
	give_up(n);
	return err;
}

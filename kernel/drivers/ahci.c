/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI controllers: hand-off from firmware, reset, a look at each port, interrupts.
 * Disks become blkdevs by disk_queue.c; a port's registers are ahci_port.c's.
 */
#include "kernel/drivers/ahci.h"
#include "kernel/drivers/ahci_port.h"
#include "kernel/drivers/mmio.h"
#include "kernel/irq.h"
#include "kernel/lib/format.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define HANDOFF_NS (2 * NS_PER_S) /* 10.6.3: a busy BIOS needs up to two seconds */
#define RESET_NS   (1 * NS_PER_S) /* 10.4.3 */
#define DETECT_NS  (50 * NS_PER_MS)

#define READ_DMA_EXT  0x25
#define WRITE_DMA_EXT 0x35

struct ahci {
	volatile void *regs;
	struct ahci_port *ports[AHCI_PORTS_MAX]; /* with a disk that we drive */
	unsigned port_count; /* what fits into the register window, 32 at most */
	unsigned disk_count;
	bool wide; /* addresses above 4 GiB */
};

static struct ahci_port *to_port(struct disk_queue *q)
{
	return container_of(q, struct ahci_port, q);
}

static void ahci_start(struct disk_queue *q, unsigned slot)
{
	struct disk_slot *s = &q->slots[slot];
	struct ahci_port *p = to_port(q);

	switch (s->rq->op) {
	case BLK_READ:
		ahci_port_issue(p, READ_DMA_EXT, s->sector, s->count, s->count * SECTOR_SIZE,
				false);
		break;
	case BLK_WRITE:
		ahci_port_issue(p, WRITE_DMA_EXT, s->sector, s->count, s->count * SECTOR_SIZE,
				true);
		break;
	case BLK_FLUSH:
		ahci_port_issue(p, ATA_FLUSH_CACHE_EXT, 0, 0, 0, false);
		break;
	}
}

static int ahci_poll(struct disk_queue *q)
{
	struct disk_slot *s = &q->slots[0];
	struct ahci_port *p = to_port(q);
	int err;

	if (!s->active) {
		ahci_port_quiet(p->regs, p->number);
		return 0;
	}
	err = ahci_port_result(p);
	if (err == -E_AGAIN)
		return 0;
	/* Less than asked for: the rest of the buffer is of an older command */
	if (!err && s->rq->op == BLK_READ && p->mem->headers[0].bytes != s->count * SECTOR_SIZE)
		err = -E_IO;
	return disk_queue_ended(q, 0, err) ? err : -E_IO;
}

static int ahci_reset(struct disk_queue *q)
{
	return ahci_port_reset(to_port(q));
}

static const struct disk_queue_ops ahci_ops = {
    .start = ahci_start,
    .poll = ahci_poll,
    .reset = ahci_reset,
};

static void ahci_interrupt(void *arg)
{
	struct ahci *a = arg;
	uint32_t causes = mmio_read32(a->regs, AHCI_IS);

	if (!causes || causes == UINT32_MAX)
		return;
	for (unsigned i = 0; i < a->port_count; i++) {
		if (!(causes & BIT(i)))
			continue;
		if (a->ports[i])
			disk_queue_interrupt(&a->ports[i]->q);
		else
			ahci_port_quiet(a->regs, i);
	}
	mmio_write32(a->regs, AHCI_IS, causes);
}

/* Take the controller from firmware (10.6.3) and reset it (10.4.3). */
static int ahci_take(struct ahci *a)
{
	if (mmio_read32(a->regs, AHCI_CAP2) & AHCI_CAP2_BOH) {
		mmio_write32(a->regs, AHCI_BOHC, mmio_read32(a->regs, AHCI_BOHC) | AHCI_BOHC_OOS);
		if (mmio_wait32(a->regs, AHCI_BOHC, AHCI_BOHC_BOS, 0, HANDOFF_NS))
			log_warn("ahci: firmware does not let go, it is reset all the same");
	}
	mmio_write32(a->regs, AHCI_GHC, AHCI_GHC_AE);
	mmio_write32(a->regs, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
	if (mmio_wait32(a->regs, AHCI_GHC, AHCI_GHC_HR, 0, RESET_NS))
		return -E_IO;
	mmio_write32(a->regs, AHCI_GHC, AHCI_GHC_AE);
	a->wide = mmio_read32(a->regs, AHCI_CAP) & AHCI_CAP_S64A;
	return 0;
}

static bool port_memory_reachable(const struct ahci *a, const struct ahci_port *p)
{
	hpa_t end = MAX(virt_to_hpa((const void *)p->mem) + PAGE_SIZE,
			virt_to_hpa(p->q.slots[0].buffer) + DISK_BUFFER_SIZE);

	return a->wide || end <= 4 * GiB;
}

static void port_free(struct ahci_port *p)
{
	disk_queue_free(&p->q);
	if (p->mem)
		page_free((void *)p->mem);
	kfree(p);
}

/* Bring the port up as far as a disk's identity. */
static int port_find_disk(struct ahci *a, struct ahci_port *p)
{
	int err;

	p->mem = page_alloc();
	if (!p->mem)
		return -E_NOMEM;
	p->q.slot_count = 1;
	p->q.piece_sectors = DISK_PIECE_SECTORS;
	err = disk_queue_init(&p->q, &ahci_ops);
	if (err)
		return err;
	if (!port_memory_reachable(a, p))
		return -E_NOTSUP;
	err = ahci_port_stop(p);
	if (!err)
		err = ahci_port_start(p);
	if (!err)
		err = ahci_port_identify(p);
	if (!err && !p->id.lba48)
		err = -E_NOTSUP;
	return err;
}

static int port_register(struct ahci *a, struct ahci_port *p)
{
	static unsigned disk_number;

	ksnprintf(p->q.bd.name, sizeof(p->q.bd.name), "ahci%u", disk_number);
	p->q.bd.model = p->id.model;
	p->q.bd.sectors = p->id.sectors;
	a->ports[p->number] = p;
	a->disk_count++;
	disk_number++;
	log_info("ahci: %s: port %u, %s, %llu sectors", p->q.bd.name, p->number, p->id.model,
		 (unsigned long long)p->q.bd.sectors);
	return disk_queue_run(&p->q);
}

/* One port. Only what concerns the whole host is an error: -E_NOMEM, -E_NOSPC. */
static int port_probe(struct ahci *a, unsigned number)
{
	struct ahci_port *p;
	int err;

	if (!ahci_port_has_link(a->regs, number))
		return 0;
	p = kzalloc(sizeof(*p));
	if (!p)
		return -E_NOMEM;
	p->regs = a->regs;
	p->number = number;
	err = port_find_disk(a, p);
	if (!err)
		return port_register(a, p);
	if (err != -E_NOENT)
		log_info("ahci: port %u is skipped: %s", number,
			 err == -E_NOTSUP
			     ? "no disk of 512-byte sectors with 48-bit addresses "
			       "(or memory above 4 GiB, which the controller cannot reach)"
			     : err_text(err));
	if (p->mem && ahci_port_stop(p))
		log_error("ahci: port %u does not stop, its memory stays with it", number);
	else
		port_free(p);
	return err == -E_NOMEM ? err : 0;
}

static int ports_probe(struct ahci *a)
{
	uint32_t implemented = mmio_read32(a->regs, AHCI_PI);

	for (unsigned i = 0; i < a->port_count; i++)
		if (implemented & BIT(i))
			ahci_port_wake(a->regs, i);
	task_sleep_until(time_ns() + DETECT_NS);
	for (unsigned i = 0; i < a->port_count; i++) {
		int err = implemented & BIT(i) ? port_probe(a, i) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* Only now: while a port is looked at, nobody else may take its causes. */
static void ahci_interrupts_on(struct ahci *a, const struct pci_dev *d)
{
	int err = irq_register(d->irq_line, true, ahci_interrupt, a);

	if (err)
		log_warn("ahci: %02x:%02x.%u is polled every ms, interrupt line %u: %s", d->bus,
			 d->dev, d->fn, d->irq_line, err_text(err));
	else
		mmio_write32(a->regs, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
}

int ahci_probe(const struct pci_dev *d)
{
	struct ahci *a;
	int err;

	if (d->class_code != 1 || d->subclass != 6 || d->prog_if != 1)
		return -E_NOENT;
	if (d->bar_is_io[5] || !d->bar[5] || d->bar_size[5] < AHCI_PORT(1, 0)) {
		log_warn("ahci: %02x:%02x.%u has no register window", d->bus, d->dev, d->fn);
		return -E_IO;
	}
	a = kzalloc(sizeof(*a));
	if (!a)
		return -E_NOMEM;
	pci_enable(d);
	a->port_count = MIN((d->bar_size[5] - AHCI_PORT(0, 0)) / AHCI_PORT_SIZE, AHCI_PORTS_MAX);
	a->regs = mmio_map(d->bar[5], AHCI_PORT(a->port_count, 0));
	err = a->regs ? ahci_take(a) : -E_NOMEM;
	if (err) {
		log_error("ahci: %02x:%02x.%u cannot be used: %s", d->bus, d->dev, d->fn,
			  err_text(err));
		kfree(a);
		return err;
	}
	err = ports_probe(a);
	if (a->disk_count)
		ahci_interrupts_on(a, d);
	else
		kfree(a);
	return err;
}

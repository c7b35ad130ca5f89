/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port of an AHCI controller, register by register (Serial ATA AHCI 1.3.1,
 * section 10 "Software Guidelines"). One command at a time in slot 0, without
 * native queueing. Queue and words for the log are ahci.c's and disk_queue.c's.
 */
#include "kernel/drivers/ahci_port.h"
#include "kernel/drivers/mmio.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

#define STOP_NS	    (500 * NS_PER_MS) /* 10.1.2: CR and FR clear within this */
#define COMRESET_NS (2 * NS_PER_MS)   /* at least 1 ms (10.4.2) */
#define LINK_NS	    (1 * NS_PER_S)
#define READY_NS    (15 * NS_PER_S) /* a disk that spins up */
#define IDENTIFY_NS (10 * NS_PER_S)
#define STEP_NS	    (50 * NS_PER_US)

#define IRQ_CAUSES (AHCI_PxIS_DHRS | AHCI_PxIS_PSS | AHCI_PxIS_DSS | AHCI_PxIS_ERRORS)

static uint32_t port_read(const struct ahci_port *p, unsigned reg)
{
	return mmio_read32(p->regs, AHCI_PORT(p->number, reg));
}

static void port_write(struct ahci_port *p, unsigned reg, uint32_t value)
{
	mmio_write32(p->regs, AHCI_PORT(p->number, reg), value);
}

static int port_wait(struct ahci_port *p, unsigned reg, uint32_t mask, uint32_t want, uint64_t ns)
{
	return mmio_wait32(p->regs, AHCI_PORT(p->number, reg), mask, want, ns);
}

void ahci_port_wake(volatile void *regs, unsigned number)
{
	unsigned reg = AHCI_PORT(number, AHCI_PxCMD);

	mmio_write32(regs, reg, mmio_read32(regs, reg) | AHCI_PxCMD_SUD | AHCI_PxCMD_POD);
}

bool ahci_port_has_link(volatile void *regs, unsigned number)
{
	uint32_t status = mmio_read32(regs, AHCI_PORT(number, AHCI_PxSSTS));

	return status != UINT32_MAX && (status & AHCI_PxSSTS_DET);
}

void ahci_port_quiet(volatile void *regs, unsigned number)
{
	unsigned reg = AHCI_PORT(number, AHCI_PxIS);

	mmio_write32(regs, reg, mmio_read32(regs, reg));
}

int ahci_port_stop(struct ahci_port *p)
{
	port_write(p, AHCI_PxIE, 0);
	port_write(p, AHCI_PxCMD, port_read(p, AHCI_PxCMD) & ~(uint32_t)AHCI_PxCMD_ST);
	if (port_wait(p, AHCI_PxCMD, AHCI_PxCMD_CR, 0, STOP_NS))
		return -E_IO;
	port_write(p, AHCI_PxCMD, port_read(p, AHCI_PxCMD) & ~(uint32_t)AHCI_PxCMD_FRE);
	return port_wait(p, AHCI_PxCMD, AHCI_PxCMD_FR, 0, STOP_NS) ? -E_IO : 0;
}

static void port_set_memory(struct ahci_port *p)
{
	hpa_t base = virt_to_hpa((const void *)p->mem);
	hpa_t fis = base + offsetof(struct ahci_memory, received);

	port_write(p, AHCI_PxCLB, (uint32_t)base);
	port_write(p, AHCI_PxCLBU, base >> 32);
	port_write(p, AHCI_PxFB, (uint32_t)fis);
	port_write(p, AHCI_PxFBU, fis >> 32);
}

int ahci_port_start(struct ahci_port *p)
{
	int err = port_wait(p, AHCI_PxSSTS, AHCI_PxSSTS_DET, AHCI_PxSSTS_PRESENT, LINK_NS);

	if (err)
		return -E_NOENT;
	port_set_memory(p);
	port_write(p, AHCI_PxSERR, UINT32_MAX);
	port_write(p, AHCI_PxIS, UINT32_MAX);
	/* The disk's first FIS brings its signature and clears BSY: receive before looking. */
	port_write(p, AHCI_PxCMD, port_read(p, AHCI_PxCMD) | AHCI_PxCMD_FRE);
	err = port_wait(p, AHCI_PxTFD, ATA_STATUS_BSY | ATA_STATUS_DRQ, 0, READY_NS);
	if (err)
		return err;
	if (port_read(p, AHCI_PxSIG) != AHCI_SIG_ATA)
		return -E_NOTSUP;
	port_write(p, AHCI_PxCMD, port_read(p, AHCI_PxCMD) | AHCI_PxCMD_ST);
	port_write(p, AHCI_PxIE, IRQ_CAUSES);
	return 0;
}

int ahci_port_reset(struct ahci_port *p)
{
	int err = ahci_port_stop(p);

	/* COMRESET helps also where ST does not end (10.4.2), so its failure is not the last word
	 */
	port_write(p, AHCI_PxSCTL, AHCI_PxSCTL_COMRESET);
	task_sleep_until(time_ns() + COMRESET_NS);
	port_write(p, AHCI_PxSCTL, 0);
	if (err)
		err = ahci_port_stop(p);
	return err ? err : ahci_port_start(p);
}

void ahci_port_issue(struct ahci_port *p, uint8_t command, uint64_t lba, uint32_t count,
		     uint32_t bytes, bool write)
{
	volatile struct ahci_header *h = &p->mem->headers[0];
	volatile struct ahci_table *t = &p->mem->table;
	struct ahci_fis fis = {.type = FIS_HOST_TO_DEVICE,
			       .flags = FIS_IS_COMMAND,
			       .command = command,
			       .device = 0x40}; /* LBA */

	for (unsigned i = 0; i < 3; i++) {
		fis.lba[i] = lba >> 8 * i;
		fis.lba_high[i] = lba >> 8 * (i + 3);
	}
	fis.count[0] = count;
	fis.count[1] = count >> 8;
	memcpy((void *)&t->fis, &fis, sizeof(fis));
	t->prd[0].addr = virt_to_hpa(p->q.slots[0].buffer);
	t->prd[0].reserved = 0;
	t->prd[0].last_byte = bytes ? bytes - 1 : 0;
	h->bytes = 0;
	h->table = virt_to_hpa((const void *)t);
	h->flags = AHCI_HEADER_FIS_WORDS | (write ? AHCI_HEADER_WRITE : 0) |
		   (bytes ? AHCI_HEADER_ONE_PRD : 0);
	port_write(p, AHCI_PxCI, 1);
}

int ahci_port_result(struct ahci_port *p)
{
	/* In this order: what ends after the first look shows in the next interrupt. */
	uint32_t causes = port_read(p, AHCI_PxIS);
	uint32_t running = port_read(p, AHCI_PxCI);
	uint32_t tfd = port_read(p, AHCI_PxTFD);

	port_write(p, AHCI_PxIS, causes);
	if (causes & AHCI_PxIS_ERRORS) {
		p->q.status = tfd & 0xffff;
		return -E_IO;
	}
	if (running & 1)
		return running == UINT32_MAX ? -E_IO : -E_AGAIN;
	if (tfd & (ATA_STATUS_ERR | ATA_STATUS_DF)) {
		p->q.status = tfd & 0xffff;
		return -E_IO;
	}
	return 0;
}

int ahci_port_identify(struct ahci_port *p)
{
	uint64_t end = time_ns() + IDENTIFY_NS;
	int err;

	ahci_port_issue(p, ATA_IDENTIFY_DEVICE, 0, 0, SECTOR_SIZE, false);
	while ((err = ahci_port_result(p)) == -E_AGAIN) {
		if (time_ns() > end)
			return -E_TIMEDOUT;
		task_sleep_until(time_ns() + STEP_NS);
	}
	if (err)
		return err;
	if (p->mem->headers[0].bytes != SECTOR_SIZE)
		return -E_IO;
	return ata_identify_decode(p->q.slots[0].buffer, &p->id);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of a legacy ATA channel (ATA8-APT, "Register delivered data-in / data-out
 * command protocol"). Interrupts of the drive stay off. Queueing, retries and words
 * for the log are ata.c's.
 */
#include "kernel/drivers/ata_pio.h"
#include "kernel/drivers/ata_port.h"
#include "kernel/task.h"
#include "kernel/time.h"

/* Command block, from ch->io. */
#define REG_DATA    0
#define REG_ERROR   1
#define REG_COUNT   2
#define REG_LBA_LOW 3
#define REG_LBA_MID 4
#define REG_LBA_HI  5
#define REG_DEVICE  6
#define REG_COMMAND 7

#define DEVICE_LBA   0xe0 /* LBA, and two bits that old drives want set */
#define CONTROL_NIEN 0x02
#define CONTROL_SRST 0x04
#define STATUS_NONE  0xff /* nothing drives the bus */

#define WAIT_SELECT_NS (100 * NS_PER_MS)
#define WAIT_RESET_NS  (5 * NS_PER_S)
#define WAIT_DATA_NS   (10 * NS_PER_S)
#define WAIT_FLUSH_NS  (60 * NS_PER_S)
#define SPIN_NS	       (50 * NS_PER_US) /* before others may run */

static void ata_delay(uint64_t ns)
{
	uint64_t until = time_ns() + ns;

	while (time_ns() < until) {
		if (task_current())
			task_yield();
		else
			cpu_pause();
	}
}

/* The alternate status has no side effects; four reads last the 400 ns that a drive may need. */
static uint8_t ata_status(const struct ata_channel *ch)
{
	for (unsigned i = 0; i < 3; i++)
		(void)inb(ch->control);
	return inb(ch->control);
}

/* Until BSY is clear and all bits of want are set, or ERR or DF. */
static int ata_wait(struct ata_channel *ch, uint8_t want, uint64_t limit_ns)
{
	uint64_t start = time_ns();

	for (;;) {
		uint8_t st = ata_status(ch);

		ch->status = st;
		if (st == STATUS_NONE)
			return -E_NOENT;
		if (!(st & ATA_STATUS_BSY)) {
			if (st & (ATA_STATUS_ERR | ATA_STATUS_DF)) {
				ch->error = inb(ch->io + REG_ERROR);
				return -E_IO;
			}
			if ((st & want) == want)
				return 0;
		}
		if (time_ns() - start > limit_ns)
			return -E_TIMEDOUT;
		if (time_ns() - start > SPIN_NS && task_current())
			task_yield();
		else
			cpu_pause();
	}
}

/* Idle: neither busy nor in the middle of a transfer. An old error does not matter. */
static int ata_wait_idle(struct ata_channel *ch, uint64_t limit_ns)
{
	uint64_t start = time_ns();

	while (ata_status(ch) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) {
		if (ata_status(ch) == STATUS_NONE)
			return -E_NOENT;
		if (time_ns() - start > limit_ns)
			return -E_TIMEDOUT;
		ata_delay(NS_PER_US);
	}
	return 0;
}

int ata_channel_reset(struct ata_channel *ch)
{
	if (ata_status(ch) == STATUS_NONE)
		return -E_NOENT;
	outb(ch->control, CONTROL_NIEN | CONTROL_SRST);
	ata_delay(10 * NS_PER_US); /* at least 5 us */
	outb(ch->control, CONTROL_NIEN);
	ata_delay(2 * NS_PER_MS);
	return ata_wait_idle(ch, WAIT_RESET_NS);
}

static int ata_select(struct ata_channel *ch, unsigned unit, uint8_t lba_top)
{
	int err = ata_wait_idle(ch, WAIT_SELECT_NS);

	if (err)
		return err;
	outb(ch->io + REG_DEVICE, (uint8_t)(DEVICE_LBA | unit << 4 | lba_top));
	return ata_wait_idle(ch, WAIT_SELECT_NS);
}

static void ata_read_sector(const struct ata_channel *ch, uint8_t out[SECTOR_SIZE])
{
	for (unsigned i = 0; i < SECTOR_SIZE; i += 2) {
		uint16_t w = inw(ch->io + REG_DATA);

		out[i] = (uint8_t)w;
		out[i + 1] = (uint8_t)(w >> 8);
	}
}

static void ata_write_sector(const struct ata_channel *ch, const uint8_t data[SECTOR_SIZE])
{
	for (unsigned i = 0; i < SECTOR_SIZE; i += 2)
		outw(ch->io + REG_DATA, (uint16_t)(data[i] | data[i + 1] << 8));
}

int ata_drive_identify(struct ata_channel *ch, unsigned unit, struct ata_identity *out)
{
	uint8_t data[SECTOR_SIZE];
	int err = ata_select(ch, unit, 0);

	if (err)
		return -E_NOENT;
	if (!(ata_status(ch) & ATA_STATUS_RDY) && !inb(ch->io + REG_LBA_MID))
		return -E_NOENT;
	outb(ch->io + REG_COUNT, 0);
	outb(ch->io + REG_LBA_LOW, 0);
	outb(ch->io + REG_LBA_MID, 0);
	outb(ch->io + REG_LBA_HI, 0);
	outb(ch->io + REG_COMMAND, ATA_IDENTIFY_DEVICE);
	if (!ata_status(ch))
		return -E_NOENT;
	err = ata_wait(ch, ATA_STATUS_DRQ, WAIT_DATA_NS);
	/* A packet device aborts and shows its signature instead (ATA8-ACS). */
	if (inb(ch->io + REG_LBA_MID) == 0x14 && inb(ch->io + REG_LBA_HI) == 0xeb)
		return -E_NOTSUP;
	if (err)
		return err == -E_TIMEDOUT ? -E_IO : err;
	ata_read_sector(ch, data);
	return ata_identify_decode(data, out);
}

/* Address and count into the registers, then the command; two writes each for 48 bits. */
static int ata_issue(struct ata_channel *ch, unsigned unit, bool ext, uint64_t lba, uint32_t count,
		     uint8_t command)
{
	int err = ata_select(ch, unit, ext ? 0 : (uint8_t)(lba >> 24) & 0xf);

	if (err)
		return err;
	if (ext) {
		outb(ch->io + REG_COUNT, (uint8_t)(count >> 8));
		outb(ch->io + REG_LBA_LOW, (uint8_t)(lba >> 24));
		outb(ch->io + REG_LBA_MID, (uint8_t)(lba >> 32));
		outb(ch->io + REG_LBA_HI, (uint8_t)(lba >> 40));
	}
	outb(ch->io + REG_COUNT, (uint8_t)count);
	outb(ch->io + REG_LBA_LOW, (uint8_t)lba);
	outb(ch->io + REG_LBA_MID, (uint8_t)(lba >> 8));
	outb(ch->io + REG_LBA_HI, (uint8_t)(lba >> 16));
	outb(ch->io + REG_COMMAND, command);
	return 0;
}

static int ata_data(struct ata_channel *ch, struct blk_request *rq, uint32_t first, uint32_t count)
{
	uint8_t sector[SECTOR_SIZE];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = (first + i) * SECTOR_SIZE;
		int err = ata_wait(ch, ATA_STATUS_DRQ, WAIT_DATA_NS);

		if (err)
			return err;
		if (rq->op == BLK_READ) {
			ata_read_sector(ch, sector);
			blk_frags_write(rq, offset, sector, SECTOR_SIZE);
		} else {
			blk_frags_read(rq, offset, sector, SECTOR_SIZE);
			ata_write_sector(ch, sector);
		}
		/* A sector by PIO takes a good part of a millisecond on a real bus. */
		if (task_current())
			task_yield();
	}
	return ata_wait(ch, 0, WAIT_DATA_NS);
}

int ata_drive_transfer(struct ata_channel *ch, unsigned unit, const struct ata_identity *id,
		       struct blk_request *rq, uint32_t first, uint32_t count)
{
	uint64_t lba = rq->sector + first;
	bool ext = lba + count > ATA_LBA28_LIMIT;
	uint8_t command;
	int err;

	if (ext && !id->lba48)
		return -E_RANGE;
	if (rq->op == BLK_READ)
		command = ext ? ATA_READ_SECTORS_EXT : ATA_READ_SECTORS;
	else
		command = ext ? ATA_WRITE_SECTORS_EXT : ATA_WRITE_SECTORS;
	err = ata_issue(ch, unit, ext, lba, count, command);
	if (err)
		return err;
	return ata_data(ch, rq, first, count);
}

int ata_drive_flush(struct ata_channel *ch, unsigned unit, const struct ata_identity *id)
{
	int err;

	if (!id->flush && !id->flush_ext)
		return 0; /* no cache that could be flushed */
	err =
	    ata_issue(ch, unit, false, 0, 0, id->flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE);
	return err ? err : ata_wait(ch, 0, WAIT_FLUSH_NS);
}

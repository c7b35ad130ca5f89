/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One legacy ATA channel in PIO mode, polled (ATA8-APT, ATA8-ACS): reset, probe,
 * one command at a time. Calls wait for the drive: in a task they let others run.
 */
#ifndef KERNEL_DRIVERS_ATA_PIO_H
#define KERNEL_DRIVERS_ATA_PIO_H

#include "kernel/drivers/ata_identify.h"
#include "kernel/drivers/blkdev.h"

#define ATA_PIECE_SECTORS 256 /* most in one command: a sector count of 0 */

struct ata_channel {
	uint16_t io;	  /* command block: 0x1f0 or 0x170 */
	uint16_t control; /* control block: 0x3f6 or 0x376 */
	uint8_t error;	  /* error register of the last command that failed */
	uint8_t status;
};

/* 0, -E_NOENT (no channel answers there), -E_TIMEDOUT (it stays busy). */
int must_check ata_channel_reset(struct ata_channel *ch);
/* unit 0 or 1. 0, -E_NOENT (no drive), -E_NOTSUP (ATAPI, or see ata_identify_decode), -E_IO. */
int must_check ata_drive_identify(struct ata_channel *ch, unsigned unit, struct ata_identity *out);
/*
 * Sectors [first, first + count) of rq, count up to ATA_PIECE_SECTORS.
 * 0, -E_IO (drive reported an error, see ch), -E_TIMEDOUT (reset the channel), -E_RANGE.
 */
int must_check ata_drive_transfer(struct ata_channel *ch, unsigned unit,
				  const struct ata_identity *id, struct blk_request *rq,
				  uint32_t first, uint32_t count);
int must_check ata_drive_flush(struct ata_channel *ch, unsigned unit,
			       const struct ata_identity *id);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The 512 bytes of IDENTIFY DEVICE (ATA8-ACS), for the ATA driver and for AoE. */
#ifndef KERNEL_DRIVERS_ATA_IDENTIFY_H
#define KERNEL_DRIVERS_ATA_IDENTIFY_H

#include "kernel/lib/base.h"

/* ATA command codes (ATA8-ACS, "Command descriptions"). */
#define ATA_READ_SECTORS      0x20
#define ATA_READ_SECTORS_EXT  0x24
#define ATA_WRITE_SECTORS     0x30
#define ATA_WRITE_SECTORS_EXT 0x34
#define ATA_FLUSH_CACHE	      0xe7
#define ATA_FLUSH_CACHE_EXT   0xea
#define ATA_IDENTIFY_DEVICE   0xec

/* Status register. */
#define ATA_STATUS_ERR 0x01
#define ATA_STATUS_DRQ 0x08
#define ATA_STATUS_DF  0x20
#define ATA_STATUS_RDY 0x40
#define ATA_STATUS_BSY 0x80

/* Sectors that a 28-bit and a 48-bit address reach. */
#define ATA_LBA28_LIMIT (1ull << 28)
#define ATA_LBA48_LIMIT (1ull << 48)

struct ata_identity {
	uint64_t sectors;
	bool lba48;
	bool flush;	/* FLUSH CACHE */
	bool flush_ext; /* FLUSH CACHE EXT */
	char model[41]; /* printable ASCII, trailing blanks removed */
	char serial[21];
};

/* 0, or -E_NOTSUP: no LBA addressing, no sectors, or sectors that are not 512 bytes. */
int must_check ata_identify_decode(const uint8_t data[512], struct ata_identity *out);

#endif

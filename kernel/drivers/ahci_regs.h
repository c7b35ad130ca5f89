/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and memory structures of Serial ATA AHCI 1.3.1 (sections 3 "HBA Memory
 * Registers" and 4 "System Memory Structures"), and the host-to-device FIS of
 * Serial ATA 3 ("Register Host to Device FIS").
 */
#ifndef KERNEL_DRIVERS_AHCI_REGS_H
#define KERNEL_DRIVERS_AHCI_REGS_H

#include "kernel/lib/base.h"

#define AHCI_CAP  0x00
#define AHCI_GHC  0x04
#define AHCI_IS	  0x08 /* a bit a port */
#define AHCI_PI	  0x0c /* ports implemented */
#define AHCI_CAP2 0x24
#define AHCI_BOHC 0x28 /* hand-off from the BIOS */

#define AHCI_CAP_S64A BIT(31) /* 64-bit addresses */
#define AHCI_GHC_HR   BIT(0)  /* reset */
#define AHCI_GHC_IE   BIT(1)
#define AHCI_GHC_AE   BIT(31)
#define AHCI_CAP2_BOH BIT(0)
#define AHCI_BOHC_BOS BIT(0) /* the BIOS has it */
#define AHCI_BOHC_OOS BIT(1) /* we want it */

#define AHCI_PORTS_MAX	  32u
#define AHCI_PORT_SIZE	  0x80u
#define AHCI_PORT(n, reg) (0x100u + AHCI_PORT_SIZE * (n) + (reg))

#define AHCI_PxCLB  0x00
#define AHCI_PxCLBU 0x04
#define AHCI_PxFB   0x08
#define AHCI_PxFBU  0x0c
#define AHCI_PxIS   0x10
#define AHCI_PxIE   0x14
#define AHCI_PxCMD  0x18
#define AHCI_PxTFD  0x20
#define AHCI_PxSIG  0x24
#define AHCI_PxSSTS 0x28
#define AHCI_PxSCTL 0x2c
#define AHCI_PxSERR 0x30
#define AHCI_PxCI   0x38

#define AHCI_PxIS_DHRS BIT(0)
#define AHCI_PxIS_PSS  BIT(1)
#define AHCI_PxIS_DSS  BIT(2)
/* TFES, HBFS, HBDS, IFS, OFS, UFS: the command is lost and the port stands still */
#define AHCI_PxIS_ERRORS (BIT(30) | BIT(29) | BIT(28) | BIT(27) | BIT(24) | BIT(4))

#define AHCI_PxCMD_ST  BIT(0)
#define AHCI_PxCMD_SUD BIT(1)
#define AHCI_PxCMD_POD BIT(2)
#define AHCI_PxCMD_FRE BIT(4)
#define AHCI_PxCMD_FR  BIT(14)
#define AHCI_PxCMD_CR  BIT(15)

#define AHCI_PxSSTS_DET	     0xfu
#define AHCI_PxSSTS_PRESENT  3u
#define AHCI_PxSCTL_COMRESET 1u
#define AHCI_SIG_ATA	     0x00000101u

#define AHCI_HEADER_FIS_WORDS 5u
#define AHCI_HEADER_WRITE     BIT(6)
#define AHCI_HEADER_ONE_PRD   BIT(16)

#define FIS_HOST_TO_DEVICE 0x27
#define FIS_IS_COMMAND	   0x80

struct ahci_header {
	uint32_t flags;
	uint32_t bytes; /* written by the HBA: transferred */
	uint64_t table;
	uint32_t reserved[4];
};

struct ahci_prd {
	uint64_t addr;
	uint32_t reserved;
	uint32_t last_byte; /* length - 1; odd */
};

struct ahci_fis {
	uint8_t type, flags, command, features;
	uint8_t lba[3], device;
	uint8_t lba_high[3], features_high;
	uint8_t count[2], icc, control;
	uint8_t reserved[4];
};

struct ahci_table {
	struct ahci_fis fis;
	uint8_t unused[0x80 - sizeof(struct ahci_fis)];
	struct ahci_prd prd[1];
};

/* A port's memory, one page; the offsets satisfy the alignments of section 3.3. */
struct ahci_memory {
	struct ahci_header headers[32]; /* 1 KiB aligned */
	uint8_t received[256];		/* 256 aligned */
	uint8_t unused[768];
	struct ahci_table table; /* 128 aligned */
};

_Static_assert(sizeof(struct ahci_header) == 32, "AHCI command header");
_Static_assert(sizeof(struct ahci_fis) == 20, "register FIS");
_Static_assert(offsetof(struct ahci_table, prd) == 0x80, "AHCI command table");
_Static_assert(offsetof(struct ahci_memory, received) == 1024, "AHCI received FIS");
_Static_assert(offsetof(struct ahci_memory, table) == 2048, "AHCI command table");

#endif

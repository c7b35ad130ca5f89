/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and descriptors of the 8254x, from Intel's "PCI/PCI-X Family of
 * Gigabit Ethernet Controllers Software Developer's Manual" (section 13 registers,
 * 3.2.3 receive descriptor, 3.3.3 legacy transmit descriptor).
 */
#ifndef KERNEL_DRIVERS_E1000_REGS_H
#define KERNEL_DRIVERS_E1000_REGS_H

#include "kernel/lib/base.h"

#define E1000_CTRL   0x0000
#define E1000_STATUS 0x0008
#define E1000_EERD   0x0014 /* EEPROM read */
#define E1000_ICR    0x00c0 /* interrupt cause, cleared by reading */
#define E1000_ITR    0x00c4 /* interrupt throttling, units of 256 ns */
#define E1000_IMS    0x00d0 /* interrupt mask set */
#define E1000_IMC    0x00d8 /* interrupt mask clear */
#define E1000_RCTL   0x0100
#define E1000_TCTL   0x0400
#define E1000_TIPG   0x0410 /* inter-packet gap */
#define E1000_RDBAL  0x2800
#define E1000_RDBAH  0x2804
#define E1000_RDLEN  0x2808
#define E1000_RDH    0x2810
#define E1000_RDT    0x2818
#define E1000_RDTR   0x2820 /* receive delay timer */
#define E1000_TDBAL  0x3800
#define E1000_TDBAH  0x3804
#define E1000_TDLEN  0x3808
#define E1000_TDH    0x3810
#define E1000_TDT    0x3818
#define E1000_TIDV   0x3820 /* transmit interrupt delay */
#define E1000_MTA    0x5200 /* multicast table, 128 words */
#define E1000_RAL0   0x5400
#define E1000_RAH0   0x5404

#define E1000_MTA_WORDS 128
#define E1000_REGS_SIZE 0x20000ull

#define E1000_CTRL_FD	   BIT(0) /* full duplex */
#define E1000_CTRL_LRST	   BIT(3) /* link reset (fibre) */
#define E1000_CTRL_ASDE	   BIT(5) /* speed from the PHY */
#define E1000_CTRL_SLU	   BIT(6) /* set link up */
#define E1000_CTRL_ILOS	   BIT(7) /* invert loss of signal */
#define E1000_CTRL_RST	   BIT(26)
#define E1000_CTRL_VME	   BIT(30) /* VLAN mode */
#define E1000_CTRL_PHY_RST BIT(31)

#define E1000_STATUS_LU BIT(1) /* link up */

#define E1000_EERD_START      BIT(0)
#define E1000_EERD_DONE	      BIT(4)
#define E1000_EERD_ADDR_SHIFT 8
#define E1000_EERD_DATA_SHIFT 16

#define E1000_ICR_LSC	 BIT(2) /* link status change */
#define E1000_ICR_RXDMT0 BIT(4) /* receive descriptors run low */
#define E1000_ICR_RXO	 BIT(6) /* receiver overrun */
#define E1000_ICR_RXT0	 BIT(7) /* frames received */

#define E1000_RCTL_EN	    BIT(1)
#define E1000_RCTL_UPE	    BIT(3)  /* unicast promiscuous */
#define E1000_RCTL_MPE	    BIT(4)  /* multicast promiscuous */
#define E1000_RCTL_LPE	    BIT(5)  /* long packets */
#define E1000_RCTL_BAM	    BIT(15) /* accept broadcast */
#define E1000_RCTL_BSIZE(n) ((n) << 16)
#define E1000_RCTL_BSEX	    BIT(25) /* buffer size times 16 */
#define E1000_RCTL_SECRC    BIT(26) /* strip the FCS */

#define E1000_TCTL_EN	   BIT(1)
#define E1000_TCTL_PSP	   BIT(3)      /* pad short packets */
#define E1000_TCTL_CT(n)   ((n) << 4)  /* collision threshold */
#define E1000_TCTL_COLD(n) ((n) << 12) /* collision distance */
#define E1000_TIPG_COPPER  (10 | 10 << 10 | 10 << 20)
#define E1000_RAH_AV	   BIT(31) /* address valid */

struct e1000_rx_desc {
	uint64_t addr;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

#define E1000_RXD_DD  0x01 /* descriptor done */
#define E1000_RXD_EOP 0x02 /* end of packet */
/* CE, SE, SEQ, CXE, RXE: the frame itself is damaged */
#define E1000_RXD_ERRORS 0x97

struct e1000_tx_desc {
	uint64_t addr;
	uint16_t length;
	uint8_t cso;
	uint8_t cmd;
	uint8_t status;
	uint8_t css;
	uint16_t special;
};

#define E1000_TXD_EOP  0x01
#define E1000_TXD_IFCS 0x02 /* insert FCS */
#define E1000_TXD_RS   0x08 /* report status */
#define E1000_TXD_DD   0x01

_Static_assert(sizeof(struct e1000_rx_desc) == 16, "8254x receive descriptor");
_Static_assert(sizeof(struct e1000_tx_desc) == 16, "8254x transmit descriptor");

#endif

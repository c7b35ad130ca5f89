/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, queue entries and identify data of NVM Express Base Specification 1.4
 * (sections 3.1 "Register Definition", 4.2 "Submission Queue Entry", 4.6
 * "Completion Queue Entry", 5.15 "Identify command").
 */
#ifndef KERNEL_DRIVERS_NVME_REGS_H
#define KERNEL_DRIVERS_NVME_REGS_H

#include "kernel/lib/base.h"

#define NVME_CAP_LO   0x00
#define NVME_CAP_HI   0x04
#define NVME_INTMS    0x0c /* mask interrupts */
#define NVME_INTMC    0x10
#define NVME_CC	      0x14
#define NVME_CSTS     0x1c
#define NVME_AQA      0x24
#define NVME_ASQ      0x28
#define NVME_ACQ      0x30
#define NVME_DOORBELL 0x1000

#define NVME_CAP_MQES(lo)   ((lo)&0xffff) /* entries - 1 */
#define NVME_CAP_TO(lo)	    ((lo) >> 24)  /* 500 ms each */
#define NVME_CAP_DSTRD(hi)  ((hi)&0xf)
#define NVME_CAP_NVM(hi)    ((hi)&BIT(5)) /* the NVM command set */
#define NVME_CAP_MPSMIN(hi) ((hi) >> 16 & 0xf)

#define NVME_CC_EN	BIT(0)
#define NVME_CC_ENTRIES (6 << 16 | 4 << 20) /* 64 and 16 bytes */
#define NVME_CSTS_RDY	BIT(0)
#define NVME_CSTS_CFS	BIT(1) /* fatal */

#define NVME_ADMIN_CREATE_SQ   0x01
#define NVME_ADMIN_CREATE_CQ   0x05
#define NVME_ADMIN_IDENTIFY    0x06
#define NVME_ADMIN_SET_FEATURE 0x09
#define NVME_FLUSH	       0x00
#define NVME_WRITE	       0x01
#define NVME_READ	       0x02

#define NVME_FEATURE_QUEUES	7
#define NVME_IDENTIFY_NAMESPACE 0
#define NVME_IDENTIFY_CTRL	1
#define NVME_QUEUE_CONTIGUOUS	BIT(0)
#define NVME_QUEUE_INTERRUPTS	BIT(1)

/* Identify Controller, byte offsets */
#define NVME_CTRL_MODEL	    24
#define NVME_CTRL_MODEL_LEN 40
#define NVME_CTRL_MDTS	    77
/* Identify Namespace */
#define NVME_NS_SIZE  0
#define NVME_NS_FLBAS 26
#define NVME_NS_LBAF  128

struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t reserved, metadata;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head, sq_id;
	uint32_t status; /* 15:0 command id, 16 phase, 31:17 status */
};

#define NVME_STATUS_ID(s)    ((s)&0xffff)
#define NVME_STATUS_PHASE(s) ((s) >> 16 & 1)
#define NVME_STATUS_CODE(s)  ((s) >> 17)

_Static_assert(sizeof(struct nvme_command) == 64, "NVMe submission queue entry");
_Static_assert(sizeof(struct nvme_completion) == 16, "NVMe completion queue entry");

#endif

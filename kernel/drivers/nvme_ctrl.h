/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe controller with its two pairs of queues; inside the driver only. */
#ifndef KERNEL_DRIVERS_NVME_CTRL_H
#define KERNEL_DRIVERS_NVME_CTRL_H

#include "kernel/drivers/disk_queue.h"
#include "kernel/drivers/nvme_regs.h"

#define NVME_DEPTH_MAX 64 /* entries of a submission queue that one page holds */
#define NVME_PRPS      (DISK_BUFFER_SIZE / PAGE_SIZE)

/* What the controller reads and writes, page by page. */
struct nvme_memory {
	struct nvme_command admin_sq[NVME_DEPTH_MAX];
	struct nvme_command io_sq[NVME_DEPTH_MAX];
	struct nvme_completion admin_cq[PAGE_SIZE / sizeof(struct nvme_completion)];
	struct nvme_completion io_cq[PAGE_SIZE / sizeof(struct nvme_completion)];
	uint8_t identify[PAGE_SIZE];
	uint64_t prps[DISK_SLOTS][NVME_PRPS]; /* the second and further pages of a slot's buffer */
};

#define NVME_MEMORY_ORDER 3

_Static_assert(sizeof(struct nvme_memory) <= PAGE_SIZE << NVME_MEMORY_ORDER, "NVMe memory");
_Static_assert(offsetof(struct nvme_memory, prps) % PAGE_SIZE == 0, "PRP lists");
_Static_assert(DISK_SLOTS *NVME_PRPS * 8 <= PAGE_SIZE, "a PRP list does not cross a page");

/* A submission queue and its completion queue, of equal size. */
struct nvme_pair {
	volatile struct nvme_command *sq;
	volatile struct nvme_completion *cq;
	unsigned tail_bell, head_bell; /* registers */
	unsigned depth, tail, head;
	uint32_t phase; /* of the entries that are new */
};

struct nvme {
	struct disk_queue q;
	volatile void *regs;
	volatile struct nvme_memory *mem;
	struct nvme_pair admin, io;
	unsigned depth;
	uint64_t ready_ns;	  /* CAP.TO */
	uint16_t ids[DISK_SLOTS]; /* of the command that each slot has out */
	uint16_t sequence;
	bool interrupts;
	char model[NVME_CTRL_MODEL_LEN + 1];
};

/* CAP read and judged: depth, ready_ns, doorbells. 0, -E_NOTSUP with words in the log, -E_NOENT. */
int must_check nvme_ctrl_capabilities(struct nvme *n, uint64_t window);
/* Blocks. No DMA afterwards. 0, -E_TIMEDOUT, -E_NOENT. */
int must_check nvme_ctrl_stop(struct nvme *n);
/* Blocks. Stop, start, make the I/O queues. 0, -E_TIMEDOUT, -E_IO, -E_NOENT. */
int must_check nvme_ctrl_start(struct nvme *n);
/* Blocks. Identify data of kind cns into mem->identify. */
int must_check nvme_ctrl_identify(struct nvme *n, uint32_t cns, uint32_t nsid);

/* Put a command into the queue and ring. There must be room. */
void nvme_pair_submit(struct nvme *n, struct nvme_pair *p, const struct nvme_command *c);
/* The next new completion's status, false when there is none. Makes room for another. */
bool nvme_pair_take(struct nvme *n, struct nvme_pair *p, uint32_t *status);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller: reset, start, admin commands, queue pairs (NVM Express 1.4,
 * sections 4 and 7.6.1 "Initialization"). Which commands a disk needs is nvme.c's.
 */
#include "kernel/drivers/nvme_ctrl.h"
#include "kernel/drivers/mmio.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define ADMIN_NS    (10 * NS_PER_S)
#define STEP_NS	    (50 * NS_PER_US)
#define TO_UNIT_NS  (500 * NS_PER_MS)
#define IO_QUEUE    1u
#define DEPTH_TAKEN 16u

static hpa_t mem_hpa(const volatile void *p)
{
	return virt_to_hpa((const void *)p);
}

int nvme_ctrl_capabilities(struct nvme *n, uint64_t window)
{
	uint32_t lo = mmio_read32(n->regs, NVME_CAP_LO), hi = mmio_read32(n->regs, NVME_CAP_HI);
	unsigned stride = 4u << NVME_CAP_DSTRD(hi);

	if (lo == UINT32_MAX && hi == UINT32_MAX)
		return -E_NOENT;
	if (!NVME_CAP_NVM(hi) || NVME_CAP_MPSMIN(hi) || !NVME_CAP_MQES(lo) ||
	    window < NVME_DOORBELL + 4 * stride) {
		log_warn("nvme: capabilities %08x %08x: expected the NVM command set, pages of "
			 "4 KiB, queues of two entries or more, and doorbells within %llu bytes",
			 hi, lo, (unsigned long long)window);
		return -E_NOTSUP;
	}
	n->ready_ns = MAX(NVME_CAP_TO(lo), 2u) * TO_UNIT_NS;
	n->depth = MIN(NVME_CAP_MQES(lo) + 1, DEPTH_TAKEN);
	n->admin.tail_bell = NVME_DOORBELL;
	n->admin.head_bell = NVME_DOORBELL + stride;
	n->io.tail_bell = NVME_DOORBELL + 2 * IO_QUEUE * stride;
	n->io.head_bell = NVME_DOORBELL + (2 * IO_QUEUE + 1) * stride;
	return 0;
}

void nvme_pair_submit(struct nvme *n, struct nvme_pair *p, const struct nvme_command *c)
{
	memcpy((void *)&p->sq[p->tail], c, sizeof(*c));
	p->tail = (p->tail + 1) % p->depth;
	mmio_write32(n->regs, p->tail_bell, p->tail);
}

bool nvme_pair_take(struct nvme *n, struct nvme_pair *p, uint32_t *status)
{
	uint32_t s = p->cq[p->head].status;

	if (NVME_STATUS_PHASE(s) != p->phase)
		return false;
	if (++p->head == p->depth) {
		p->head = 0;
		p->phase ^= 1;
	}
	mmio_write32(n->regs, p->head_bell, p->head);
	*status = s;
	return true;
}

/* Empty queues: a completion's phase is 1 on the first way round. */
static void pair_reset(struct nvme *n, struct nvme_pair *p, volatile struct nvme_command *sq,
		       volatile struct nvme_completion *cq)
{
	memset((void *)cq, 0, PAGE_SIZE);
	p->sq = sq;
	p->cq = cq;
	p->depth = n->depth;
	p->tail = 0;
	p->head = 0;
	p->phase = 1;
}

/* One at a time, by polling. 0, -E_TIMEDOUT, -E_IO (refused, or an answer to another question). */
static int admin_run(struct nvme *n, struct nvme_command *c)
{
	uint64_t end = time_ns() + ADMIN_NS;
	uint32_t status;

	c->id = ++n->sequence;
	nvme_pair_submit(n, &n->admin, c);
	while (!nvme_pair_take(n, &n->admin, &status)) {
		if (time_ns() >= end)
			return -E_TIMEDOUT;
		task_sleep_until(time_ns() + STEP_NS);
	}
	n->q.status = NVME_STATUS_CODE(status);
	return NVME_STATUS_ID(status) == c->id && !NVME_STATUS_CODE(status) ? 0 : -E_IO;
}

int nvme_ctrl_identify(struct nvme *n, uint32_t cns, uint32_t nsid)
{
	struct nvme_command c = {.opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns};

	c.prp1 = mem_hpa(n->mem->identify);
	memset((void *)n->mem->identify, 0, PAGE_SIZE);
	return admin_run(n, &c);
}

/* 5.3 and 5.4: a completion queue first, then the submission queue that uses it. */
static int io_queues_create(struct nvme *n)
{
	uint32_t queue = IO_QUEUE | (n->depth - 1) << 16;
	struct nvme_command count = {.opcode = NVME_ADMIN_SET_FEATURE,
				     .cdw10 = NVME_FEATURE_QUEUES}; /* one of each: 0's based */
	struct nvme_command cq = {.opcode = NVME_ADMIN_CREATE_CQ,
				  .prp1 = mem_hpa(n->mem->io_cq),
				  .cdw10 = queue,
				  .cdw11 = NVME_QUEUE_CONTIGUOUS | NVME_QUEUE_INTERRUPTS};
	struct nvme_command sq = {.opcode = NVME_ADMIN_CREATE_SQ,
				  .prp1 = mem_hpa(n->mem->io_sq),
				  .cdw10 = queue,
				  .cdw11 = NVME_QUEUE_CONTIGUOUS | IO_QUEUE << 16};
	int err = admin_run(n, &count);

	if (!err)
		err = admin_run(n, &cq);
	return err ? err : admin_run(n, &sq);
}

int nvme_ctrl_stop(struct nvme *n)
{
	uint32_t cc = mmio_read32(n->regs, NVME_CC);

	if (cc == UINT32_MAX)
		return -E_NOENT;
	mmio_write32(n->regs, NVME_INTMS, UINT32_MAX);
	mmio_write32(n->regs, NVME_CC, cc & ~(uint32_t)NVME_CC_EN);
	return mmio_wait32(n->regs, NVME_CSTS, NVME_CSTS_RDY, 0, n->ready_ns);
}

static void set_address(struct nvme *n, unsigned reg, hpa_t address)
{
	mmio_write32(n->regs, reg, (uint32_t)address);
	mmio_write32(n->regs, reg + 4, address >> 32);
}

int nvme_ctrl_start(struct nvme *n)
{
	int err = nvme_ctrl_stop(n);

	if (err)
		return err;
	pair_reset(n, &n->admin, n->mem->admin_sq, n->mem->admin_cq);
	pair_reset(n, &n->io, n->mem->io_sq, n->mem->io_cq);
	mmio_write32(n->regs, NVME_AQA, (n->depth - 1) << 16 | (n->depth - 1));
	set_address(n, NVME_ASQ, mem_hpa(n->mem->admin_sq));
	set_address(n, NVME_ACQ, mem_hpa(n->mem->admin_cq));
	mmio_write32(n->regs, NVME_CC, NVME_CC_ENTRIES | NVME_CC_EN);
	err = mmio_wait32(n->regs, NVME_CSTS, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_RDY,
			  n->ready_ns);
	if (err)
		return err;
	err = io_queues_create(n);
	if (err)
		return err;
	/* Only now: the line is also raised for admin commands, which are polled. */
	if (n->interrupts)
		mmio_write32(n->regs, NVME_INTMC, 1);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver against a model of a controller: registers, an admin and an I/O
 * pair of queues, one namespace. It refuses, hangs, dies, answers twice or with
 * invented ids when told.
 */
#include <string.h>

#include "kernel/drivers/mmio.h"
#include "kernel/drivers/nvme.h"
#include "kernel/drivers/nvme_regs.h"
#include "kernel/irq.h"
#include "tests/unit/blk_probe.h"

#define SECTORS 0x123456789ull
#define LOW	1000   /* sectors from 0 that hold data, and as many before the end */
#define WINDOW	0x2000 /* registers and a page of doorbells */
#define STRIDE	8u     /* CAP.DSTRD 1 */

struct queue {
	uint64_t sq, cq;
	unsigned size, head, tail, cq_tail, cq_head;
	uint32_t phase;
};

static struct {
	uint32_t reg[WINDOW / 4];
	struct queue queues[2];
	uint8_t sectors[2 * LOW][SECTOR_SIZE];
	unsigned flushes, starts, commands;
	uint32_t longest; /* sectors of a command */
	/* what it is */
	uint8_t mdts, lbads, metadata;
	uint32_t cap_lo, cap_hi;
	uint64_t size;
	/* faults */
	int refuse_admin; /* the how manieth admin command from now fails, 0 none */
	unsigned fail, hang, hang_admin, twice, admin_id_off;
	bool held, dead, gone, wrong_id, other_slot, fatal;
} ctrl;

static void (*irq_fn)(void *arg);
static void *irq_arg;

static const struct pci_dev pci = {.class_code = 1,
				   .subclass = 8,
				   .prog_if = 2,
				   .irq_line = 10,
				   .bar = {0x8000000000},
				   .bar_size = {WINDOW}};

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	assert_int_equal(gsi, 10);
	assert_true(level);
	irq_fn = fn;
	irq_arg = arg;
	return 0;
}

void pci_enable(const struct pci_dev *d)
{
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	assert_true(base == 0x8000000000 && size <= WINDOW);
	return ctrl.reg;
}

static uint32_t *reg(unsigned r)
{
	assert_true(r < WINDOW);
	return &ctrl.reg[r / 4];
}

static uint64_t address(unsigned r)
{
	return *reg(r) | (uint64_t)*reg(r + 4) << 32;
}

static uint8_t *model_sector(uint64_t lba)
{
	if (lba < LOW)
		return ctrl.sectors[lba];
	assert_in_range(lba, SECTORS - LOW, SECTORS - 1);
	return ctrl.sectors[lba - SECTORS + 2 * LOW];
}

static void answer(struct queue *q, uint16_t id, uint32_t code)
{
	struct nvme_completion *c = (void *)(uintptr_t)q->cq;

	assert_true((q->cq_tail + 1) % q->size != q->cq_head); /* it never overruns the driver */
	c[q->cq_tail].status = id | q->phase << 16 | code << 17;
	if (++q->cq_tail == q->size) {
		q->cq_tail = 0;
		q->phase ^= 1;
	}
}

static void model_identify(const struct nvme_command *c)
{
	uint8_t *d = (void *)(uintptr_t)c->prp1;

	if (c->cdw10 == NVME_IDENTIFY_CTRL) {
		memcpy(d + NVME_CTRL_MODEL, "model\ndisk          ", 20);
		d[NVME_CTRL_MDTS] = ctrl.mdts;
		return;
	}
	assert_int_equal(c->nsid, 1);
	memcpy(d + NVME_NS_SIZE, &ctrl.size, 8);
	d[NVME_NS_FLBAS] = 0x13; /* format 3, and a bit that says nothing about it */
	d[NVME_NS_LBAF + 12] = ctrl.metadata;
	d[NVME_NS_LBAF + 14] = ctrl.lbads;
}

static void model_admin(const struct nvme_command *c)
{
	struct queue *io = &ctrl.queues[1];
	unsigned size = (c->cdw10 >> 16) + 1;

	switch (c->opcode) {
	case NVME_ADMIN_IDENTIFY:
		model_identify(c);
		break;
	case NVME_ADMIN_SET_FEATURE:
		assert_true(c->cdw10 == 7 && c->cdw11 == 0);
		break;
	case NVME_ADMIN_CREATE_CQ:
		assert_int_equal(c->cdw10 & 0xffff, 1);
		assert_int_equal(c->cdw11, 3);
		*io = (struct queue){.cq = c->prp1, .size = size, .phase = 1};
		break;
	case NVME_ADMIN_CREATE_SQ:
		assert_true(io->size == size && io->cq); /* the completion queue is there first */
		assert_int_equal(c->cdw11, 0x10001);
		io->sq = c->prp1;
		break;
	default:
		fail_msg("admin command 0x%02x", c->opcode);
	}
}

/* The address of a command's page i (4.3). */
static uint64_t page_of(const struct nvme_command *c, unsigned i, unsigned pages)
{
	assert_int_equal(c->prp1 % PAGE_SIZE, 0);
	if (!i)
		return c->prp1;
	assert_true(c->prp2);
	if (pages == 2)
		return c->prp2;
	return ((uint64_t *)(uintptr_t)c->prp2)[i - 1];
}

static void model_io(const struct nvme_command *c)
{
	uint64_t lba = c->cdw10 | (uint64_t)c->cdw11 << 32;
	uint32_t count = c->cdw12 + 1;
	unsigned pages = (count + 7) / 8;

	assert_int_equal(c->nsid, 1);
	if (c->opcode == NVME_FLUSH) {
		ctrl.flushes++;
		return;
	}
	assert_true(c->opcode == NVME_READ || c->opcode == NVME_WRITE);
	ctrl.longest = MAX(ctrl.longest, count);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *data =
		    (uint8_t *)(uintptr_t)page_of(c, i / 8, pages) + i % 8 * SECTOR_SIZE;

		if (c->opcode == NVME_WRITE)
			memcpy(model_sector(lba + i), data, SECTOR_SIZE);
		else
			memcpy(data, model_sector(lba + i), SECTOR_SIZE);
	}
}

static void model_io_answer(struct queue *q, const struct nvme_command *c)
{
	uint16_t id = c->id;

	if (ctrl.fail) {
		ctrl.fail--;
		answer(q, id, 0x281); /* unrecovered read error */
		return;
	}
	model_io(c);
	if (ctrl.wrong_id)
		id += 8; /* another command of this slot */
	if (ctrl.other_slot)
		id ^= 7;
	ctrl.wrong_id = false;
	ctrl.other_slot = false;
	answer(q, id, 0);
	if (ctrl.twice) {
		ctrl.twice--;
		answer(q, id, 0);
	}
}

static void model_run(struct queue *q, bool admin)
{
	while (q->head != q->tail) {
		const struct nvme_command *c =
		    (const struct nvme_command *)(uintptr_t)q->sq + q->head;

		q->head = (q->head + 1) % q->size;
		ctrl.commands += !admin;
		if (admin) {
			if (ctrl.hang_admin && ctrl.hang_admin--)
				continue;
			model_admin(c);
			answer(q, c->id + ctrl.admin_id_off,
			       ctrl.refuse_admin && !--ctrl.refuse_admin ? 2 : 0);
		} else if (ctrl.hang) {
			ctrl.hang--;
		} else {
			model_io_answer(q, c);
		}
	}
}

static void model_enable(uint32_t v)
{
	*reg(NVME_CC) = v;
	if (ctrl.dead)
		return;
	if (!(v & NVME_CC_EN)) {
		*reg(NVME_CSTS) = 0;
		memset(ctrl.queues, 0, sizeof(ctrl.queues));
		return;
	}
	assert_int_equal(v & ~1u, 6 << 16 | 4 << 20);
	*reg(NVME_CSTS) = ctrl.fatal ? NVME_CSTS_CFS : NVME_CSTS_RDY;
	ctrl.starts++;
	ctrl.queues[0] = (struct queue){.sq = address(NVME_ASQ),
					.cq = address(NVME_ACQ),
					.size = (*reg(NVME_AQA) & 0xfff) + 1,
					.phase = 1};
}

static void model_doorbell(unsigned index, uint32_t v)
{
	struct queue *q = &ctrl.queues[index / 2];

	if (!(*reg(NVME_CSTS) & NVME_CSTS_RDY))
		return;
	assert_true(index < 4 && v < q->size);
	if (index % 2) {
		q->cq_head = v;
	} else {
		q->tail = v;
		if (index == 0 || !ctrl.held)
			model_run(q, index == 0);
	}
}

uint32_t mmio_read32(volatile void *base, unsigned r)
{
	if (ctrl.gone)
		return UINT32_MAX;
	if (r == NVME_CAP_LO)
		return ctrl.cap_lo;
	return r == NVME_CAP_HI ? ctrl.cap_hi : *reg(r);
}

void mmio_write32(volatile void *base, unsigned r, uint32_t v)
{
	if (ctrl.gone)
		return;
	if (r == NVME_CC)
		model_enable(v);
	else if (r == NVME_INTMS)
		*reg(NVME_INTMS) |= v;
	else if (r == NVME_INTMC)
		*reg(NVME_INTMS) &= ~v;
	else if (r >= NVME_DOORBELL)
		model_doorbell((r - NVME_DOORBELL) / STRIDE, v);
	else
		*reg(r) = v;
}

static struct blkdev *disk(void)
{
	return blkdev_find("nvme0");
}

static void model_reset(void)
{
	memset(&ctrl, 0, sizeof(ctrl));
	ctrl.cap_lo = 63 | 4u << 24; /* 64 entries, ready in 2 s */
	ctrl.cap_hi = 1 | BIT(5);
	ctrl.size = SECTORS;
	ctrl.lbads = 9;
	ctrl.mdts = 4;
}

static void refused(int err)
{
	assert_int_equal(nvme_probe(&pci), err);
	assert_int_equal(fake_alloc_live, 0);
	assert_null(blkdev_at(0));
	model_reset();
}

/* What must not become a disk, before there is one: the registry keeps what it has. */
static void probe_refuses(void)
{
	struct pci_dev d = pci;

	d.prog_if = 1;
	assert_int_equal(nvme_probe(&d), -E_NOENT);
	d = pci;
	d.bar[0] = 0;
	assert_int_equal(nvme_probe(&d), -E_IO);
	ctrl.lbads = 12;
	refused(-E_NOTSUP);
	assert_non_null(strstr(fake_log_last, "cannot be used"));
	ctrl.metadata = 8;
	refused(-E_NOTSUP);
	ctrl.size = 0;
	refused(-E_NOTSUP);
	ctrl.size = UINT64_MAX;
	refused(-E_NOTSUP);
	ctrl.cap_hi = 15 | BIT(5); /* doorbells beyond the window */
	refused(-E_NOTSUP);
	ctrl.cap_hi = 1;
	refused(-E_NOTSUP);
	ctrl.cap_hi |= BIT(16); /* pages of 8 KiB at least */
	refused(-E_NOTSUP);
	ctrl.fatal = true;
	refused(-E_TIMEDOUT);
	ctrl.gone = true;
	refused(-E_NOENT);
	ctrl.hang_admin = 1;
	refused(-E_TIMEDOUT);
	ctrl.admin_id_off = 1; /* answers what nobody asked */
	refused(-E_IO);
	for (int i = 1; i <= 5; i++) {
		ctrl.refuse_admin = i;
		refused(-E_IO);
	}
	for (int i = 0; i < 10; i++) {
		fake_alloc_countdown = i;
		refused(-E_NOMEM);
	}
	fake_alloc_countdown = -1;
}

static int group_setup(void **state)
{
	fake_kernel_reset();
	fake_tasks_reset();
	model_reset();
	probe_refuses();
	assert_int_equal(nvme_probe(&pci), 0);
	return 0;
}

static void test_probe(void **state)
{
	assert_non_null(disk());
	assert_string_equal(disk()->model, "model disk");
	assert_int_equal(disk()->sectors, SECTORS);
	assert_int_equal(*reg(NVME_INTMS) & 1, 0);
	assert_int_equal(fake_tasks_created(), 1);
}

static void read_write(uint32_t sectors)
{
	struct probe *w, *r;

	memset(ctrl.sectors, 0, sizeof(ctrl.sectors));
	w = probe_submit(disk(), BLK_WRITE, 3, sectors);
	probe_turns(20);
	assert_memory_equal(ctrl.sectors[3], w->data, sectors * SECTOR_SIZE);
	assert_int_equal(ctrl.sectors[2][511], 0);
	assert_int_equal(ctrl.sectors[3 + sectors][0], 0);
	r = probe_submit(disk(), BLK_READ, 3, sectors);
	probe_turns(20);
	assert_memory_equal(r->data, w->data, sectors * SECTOR_SIZE);
	assert_int_equal(probe_finish(w), 0);
	assert_int_equal(probe_finish(r), 0);
}

static void test_read_write_flush(void **state)
{
	read_write(1);
	read_write(8);
	read_write(16);
	read_write(17);
	read_write(600);
	assert_int_equal(ctrl.longest, 128); /* MDTS: 64 KiB */
	assert_int_equal(probe_run(disk(), BLK_FLUSH, 0, 0), 0);
	assert_int_equal(ctrl.flushes, 1);
	assert_int_equal(probe_run(disk(), BLK_READ, SECTORS - 5, 5), 0);
}

static void test_queue_full(void **state)
{
	struct probe *p[40];

	ctrl.held = true;
	for (unsigned i = 0; i < 40; i++)
		p[i] = probe_submit(disk(), i == 39 ? BLK_FLUSH : BLK_READ, i, i == 39 ? 0 : 1);
	probe_turns(3);
	assert_int_equal((ctrl.queues[1].tail - ctrl.queues[1].head) % ctrl.queues[1].size, 8);
	ctrl.held = false;
	model_run(&ctrl.queues[1], false);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(probe_finish(p[i]), 0);
	assert_int_equal(disk()->inflight, 0);
}

static void test_interrupts_end_commands(void **state)
{
	struct probe *p;

	ctrl.held = true;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	fake_tasks_run();
	irq_fn(irq_arg); /* somebody else's on the same line */
	ctrl.held = false;
	model_run(&ctrl.queues[1], false);
	irq_fn(irq_arg);
	assert_int_equal(ctrl.queues[1].cq_head, ctrl.queues[1].cq_tail); /* the line is quiet */
	assert_false(p->done);
	fake_tasks_run();
	assert_true(p->done);
	assert_int_equal(probe_finish(p), 0);
}

static void test_dead_line_is_named(void **state)
{
	struct probe *p;

	ctrl.held = true;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	fake_tasks_run();
	ctrl.held = false;
	model_run(&ctrl.queues[1], false);
	irq_fn(irq_arg); /* one that tells an end: the count begins anew */
	assert_int_equal(probe_finish(p), 0);
	fake_log_last[0] = '\0';
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(probe_run(disk(), BLK_READ, i, 1), 0);
	assert_string_equal(fake_log_last, "");
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	assert_non_null(strstr(fake_log_last, "nvme0 gets no interrupts"));
}

static void test_error_is_final(void **state)
{
	unsigned starts = ctrl.starts;

	ctrl.fail = 1;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 10), -E_IO);
	assert_non_null(strstr(fake_log_last, "nvme0: read of 10 sectors at 3"));
	assert_non_null(strstr(fake_log_last, "0x281"));
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 10), 0);
	assert_int_equal(ctrl.starts, starts); /* it said so itself: no reset */
}

static void test_invented_answers_reset_it(void **state)
{
	unsigned starts = ctrl.starts;

	ctrl.twice = 1;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	assert_int_equal(ctrl.starts, starts + 1);
	ctrl.wrong_id = true;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	assert_int_equal(ctrl.starts, starts + 2);
	ctrl.other_slot = true;
	assert_int_equal(probe_run(disk(), BLK_WRITE, 3, 1), 0);
	assert_int_equal(ctrl.starts, starts + 3);
}

static void wait_out(void)
{
	probe_turns(1);
	fake_timers_run_until(fake_time_ns + 31 * NS_PER_S);
	probe_turns(3);
}

static void test_hung_command_is_asked_once_more(void **state)
{
	unsigned starts = ctrl.starts;
	struct probe *p, *q;

	ctrl.hang = 1;
	p = probe_submit(disk(), BLK_WRITE, 700, 2);
	q = probe_submit(disk(), BLK_READ, 3, 1);
	probe_turns(20);
	assert_true(q->done); /* others go on */
	assert_false(p->done);
	wait_out();
	assert_int_equal(ctrl.starts, starts + 1);
	assert_int_equal(*reg(NVME_INTMS) & 1, 0); /* interrupts are on again */
	assert_memory_equal(ctrl.sectors[700], p->data, 2 * SECTOR_SIZE);
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(probe_finish(q), 0);
	ctrl.hang = 2;
	p = probe_submit(disk(), BLK_WRITE, 3, 1);
	wait_out();
	wait_out();
	assert_int_equal(probe_finish(p), -E_IO);
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
}

static void test_dead_disk_fails_and_may_come_back(void **state)
{
	struct probe *p;

	ctrl.hang = 1;
	ctrl.dead = true;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	wait_out();
	assert_int_equal(probe_finish(p), -E_IO);
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), -E_IO);
	ctrl.dead = false;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	ctrl.gone = true;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), -E_IO);
	irq_fn(irq_arg);
	ctrl.gone = false;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	/* It says itself that it died: no waiting for the deadline */
	ctrl.hang = 1;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	probe_turns(2);
	*reg(NVME_CSTS) |= NVME_CSTS_CFS;
	probe_turns(3);
	assert_int_equal(probe_finish(p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_probe),
	    cmocka_unit_test(test_read_write_flush),
	    cmocka_unit_test(test_queue_full),
	    cmocka_unit_test(test_interrupts_end_commands),
	    cmocka_unit_test(test_dead_line_is_named),
	    cmocka_unit_test(test_error_is_final),
	    cmocka_unit_test(test_invented_answers_reset_it),
	    cmocka_unit_test(test_hung_command_is_asked_once_more),
	    cmocka_unit_test(test_dead_disk_fails_and_may_come_back),
	};

	return cmocka_run_group_tests_name("nvme", tests, group_setup, NULL);
}

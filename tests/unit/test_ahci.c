/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver against a model of a controller: port 0 a disk, port 1 a packet
 * device, port 2 nothing, port 3 a link without a device that speaks. It fails, hangs,
 * transfers less than it should and loses interrupts when told.
 */
#include <string.h>

#include "kernel/drivers/ahci.h"
#include "kernel/drivers/ahci_regs.h"
#include "kernel/drivers/ata_identify.h"
#include "kernel/drivers/mmio.h"
#include "kernel/irq.h"
#include "tests/unit/blk_probe.h"

#define SECTORS	 0x123456789ull
#define LOW	 1000	/* sectors from 0 that hold data, and as many before the end */
#define WINDOW	 0x1000 /* as QEMU's: 30 ports fit */
#define READ	 0x25
#define WRITE	 0x35
#define DISK_TFD ATA_STATUS_RDY

static struct {
	uint32_t reg[WINDOW / 4];
	uint8_t sectors[2 * LOW][SECTOR_SIZE];
	unsigned commands, flushes, comresets, hba_resets;
	/* faults */
	unsigned fail;	  /* commands that end with an error */
	unsigned hang;	  /* commands that never end */
	unsigned shorter; /* reads that transfer 512 bytes less */
	bool held;	  /* commands wait for model_complete() */
	bool dead;	  /* the port does not stop, the link does not come back */
	bool gone;	  /* all ones */
	bool stuck_reset, short_identify;
} hba;

static void (*irq_fn)(void *arg);
static void *irq_arg;
static int irq_result;

static const struct pci_dev pci = {.class_code = 1,
				   .subclass = 6,
				   .prog_if = 1,
				   .irq_line = 10,
				   .bar = {[5] = 0xfeb10000},
				   .bar_size = {[5] = WINDOW}};

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	assert_int_equal(gsi, 10);
	assert_true(level);
	irq_fn = fn;
	irq_arg = arg;
	return irq_result;
}

void pci_enable(const struct pci_dev *d)
{
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	assert_true(base == 0xfeb10000 && size <= WINDOW);
	return hba.reg;
}

static uint32_t *reg(unsigned r)
{
	assert_true(r < WINDOW);
	return &hba.reg[r / 4];
}

static uint32_t *port(unsigned n, unsigned r)
{
	return reg(AHCI_PORT(n, r));
}

static void set_word(uint8_t *d, unsigned i, uint64_t v)
{
	d[2 * i] = (uint8_t)v;
	d[2 * i + 1] = (uint8_t)(v >> 8);
}

static void model_identify(uint8_t *d)
{
	memset(d, 0, SECTOR_SIZE);
	memcpy(d + 54, "omed lidks", 10);
	set_word(d, 49, 0x0200);
	set_word(d, 83, 0x7400);
	for (unsigned i = 0; i < 4; i++)
		set_word(d, 100 + i, SECTORS >> 16 * i);
}

static uint8_t *model_sector(uint64_t lba)
{
	if (lba < LOW)
		return hba.sectors[lba];
	assert_in_range(lba, SECTORS - LOW, SECTORS - 1);
	return hba.sectors[lba - SECTORS + 2 * LOW];
}

static struct ahci_header *model_header(void)
{
	uint64_t base = *port(0, AHCI_PxCLB) | (uint64_t)*port(0, AHCI_PxCLBU) << 32;

	assert_int_equal(base % 1024, 0);
	return (void *)(uintptr_t)base;
}

static void model_raise(uint32_t cause)
{
	*port(0, AHCI_PxIS) |= cause;
	if (*port(0, AHCI_PxIS) & *port(0, AHCI_PxIE))
		*reg(AHCI_IS) |= 1;
}

static void model_transfer(struct ahci_header *h, const struct ahci_table *t)
{
	const struct ahci_fis *f = &t->fis;
	uint32_t count = f->count[0] | f->count[1] << 8, bytes = count * SECTOR_SIZE;
	uint8_t *data = (void *)(uintptr_t)t->prd[0].addr;
	uint64_t lba = 0;

	assert_int_equal(h->flags >> 16, 1);
	assert_int_equal(f->device, 0x40);
	assert_int_equal(t->prd[0].last_byte, bytes - 1);
	assert_int_equal(!!(h->flags & AHCI_HEADER_WRITE), f->command == WRITE);
	for (unsigned i = 0; i < 3; i++)
		lba |= (uint64_t)f->lba[i] << 8 * i | (uint64_t)f->lba_high[i] << (24 + 8 * i);
	if (f->command == READ && hba.shorter) {
		hba.shorter--;
		bytes -= SECTOR_SIZE;
	}
	for (uint32_t i = 0; i < bytes / SECTOR_SIZE; i++) {
		if (f->command == WRITE)
			memcpy(model_sector(lba + i), data + i * SECTOR_SIZE, SECTOR_SIZE);
		else
			memcpy(data + i * SECTOR_SIZE, model_sector(lba + i), SECTOR_SIZE);
	}
	h->bytes = bytes;
}

static void model_complete(void)
{
	struct ahci_header *h = model_header();
	const struct ahci_table *t = (void *)(uintptr_t)h->table;

	if (!(*port(0, AHCI_PxCI) & 1))
		return;
	assert_int_equal(h->flags & 0x1f, 5);
	assert_true(t->fis.type == 0x27 && t->fis.flags == 0x80);
	if (hba.fail) {
		hba.fail--;
		*port(0, AHCI_PxTFD) = 0x4000 | ATA_STATUS_RDY | ATA_STATUS_ERR;
		model_raise(BIT(30)); /* CI stays set */
		return;
	}
	switch (t->fis.command) {
	case ATA_IDENTIFY_DEVICE:
		model_identify((void *)(uintptr_t)t->prd[0].addr);
		h->bytes = hba.short_identify ? 100 : SECTOR_SIZE;
		break;
	case ATA_FLUSH_CACHE_EXT:
		assert_int_equal(h->flags >> 16, 0);
		hba.flushes++;
		break;
	case READ:
	case WRITE:
		model_transfer(h, t);
		break;
	default:
		fail_msg("command 0x%02x", t->fis.command);
	}
	*port(0, AHCI_PxCI) = 0;
	model_raise(AHCI_PxIS_DHRS);
}

static void model_issue(void)
{
	uint32_t cmd = *port(0, AHCI_PxCMD);

	assert_true((cmd & AHCI_PxCMD_ST) && (cmd & AHCI_PxCMD_FRE));
	assert_int_equal(*port(0, AHCI_PxCI), 0);
	assert_false(*port(0, AHCI_PxTFD) & (ATA_STATUS_ERR | ATA_STATUS_BSY));
	*port(0, AHCI_PxCI) = 1;
	hba.commands++;
	if (hba.hang)
		hba.hang--;
	else if (!hba.held)
		model_complete();
}

static void model_port_ready(unsigned n)
{
	static const uint32_t signature[4] = {0x101, 0xeb140101, 0xffffffff, 0xffffffff};

	*port(n, AHCI_PxSSTS) = n == 2 ? 0 : (n == 3 ? 1 : 0x133);
	*port(n, AHCI_PxSIG) = signature[n];
	*port(n, AHCI_PxTFD) = n < 2 ? DISK_TFD : 0x7f;
}

static void model_hba_reset(void)
{
	hba.hba_resets++;
	memset(hba.reg, 0, sizeof(hba.reg));
	*reg(AHCI_CAP) = (uint32_t)AHCI_CAP_S64A;
	*reg(AHCI_PI) = 0xf;
	*reg(AHCI_CAP2) = AHCI_CAP2_BOH;
	for (unsigned n = 0; n < 4; n++)
		model_port_ready(n);
}

static void model_command_register(unsigned n, uint32_t v)
{
	uint32_t old = *port(n, AHCI_PxCMD) & (AHCI_PxCMD_CR | AHCI_PxCMD_FR);

	v &= ~(uint32_t)(AHCI_PxCMD_CR | AHCI_PxCMD_FR);
	if (v & AHCI_PxCMD_ST)
		assert_true(v & AHCI_PxCMD_FRE);
	else if (!n && !hba.dead)
		*port(0, AHCI_PxCI) = 0;
	v |= v & AHCI_PxCMD_ST ? AHCI_PxCMD_CR : 0;
	v |= v & AHCI_PxCMD_FRE ? AHCI_PxCMD_FR : 0;
	*port(n, AHCI_PxCMD) = hba.dead ? v | old : v;
}

static void model_port_write(unsigned n, unsigned r, uint32_t v)
{
	switch (r) {
	case AHCI_PxIS:
	case AHCI_PxSERR:
		*port(n, r) &= ~v;
		break;
	case AHCI_PxCMD:
		model_command_register(n, v);
		break;
	case AHCI_PxCI:
		assert_true(n == 0 && v == 1);
		model_issue();
		break;
	case AHCI_PxSCTL:
		if (v == 1)
			*port(n, AHCI_PxSSTS) = 0;
		else if (!hba.dead)
			model_port_ready(n);
		hba.comresets += v == 1;
		break;
	default:
		*port(n, r) = v;
	}
}

uint32_t mmio_read32(volatile void *base, unsigned r)
{
	return hba.gone ? UINT32_MAX : *reg(r);
}

void mmio_write32(volatile void *base, unsigned r, uint32_t v)
{
	if (hba.gone)
		return;
	if (r >= AHCI_PORT(0, 0))
		model_port_write((r - 0x100) / 0x80, (r - 0x100) % 0x80, v);
	else if (r == AHCI_IS)
		*reg(r) &= ~v;
	else if (r == AHCI_GHC && (v & AHCI_GHC_HR) && !hba.stuck_reset)
		model_hba_reset();
	else if (r == AHCI_BOHC)
		*reg(r) = v & ~(uint32_t)AHCI_BOHC_BOS;
	else
		*reg(r) = v;
}

static struct blkdev *disk(void)
{
	return blkdev_find("ahci0");
}

static int group_setup(void **state)
{
	struct pci_dev d = pci;

	fake_kernel_reset();
	fake_tasks_reset();
	model_hba_reset();
	/* What must not become a disk, first: the registry keeps what it has */
	d.prog_if = 0;
	assert_int_equal(ahci_probe(&d), -E_NOENT);
	d = pci;
	d.bar_size[5] = 0x100;
	assert_int_equal(ahci_probe(&d), -E_IO);
	hba.stuck_reset = true;
	assert_int_equal(ahci_probe(&pci), -E_IO);
	hba.stuck_reset = false;
	hba.gone = true;
	assert_int_equal(ahci_probe(&pci), -E_IO);
	hba.gone = false;
	assert_int_equal(fake_alloc_live, 0);
	hba.short_identify = true;
	assert_int_equal(ahci_probe(&pci), 0);
	assert_null(blkdev_at(0));
	hba.short_identify = false;
	hba.fail = 1;
	assert_int_equal(ahci_probe(&pci), 0);
	assert_null(blkdev_at(0));
	hba.hang = 1;
	assert_int_equal(ahci_probe(&pci), 0);
	assert_null(blkdev_at(0));
	for (int i = 1; i < 4; i++) {
		fake_alloc_countdown = i;
		assert_int_equal(ahci_probe(&pci), -E_NOMEM);
	}
	fake_alloc_countdown = -1;
	assert_null(blkdev_at(0));
	assert_int_equal(ahci_probe(&pci), 0);
	return 0;
}

static void test_probe(void **state)
{
	assert_non_null(disk());
	assert_string_equal(disk()->model, "model disk");
	assert_int_equal(disk()->sectors, SECTORS);
	assert_null(blkdev_at(1));
	assert_int_equal(fake_tasks_created(), 1);
	assert_true(*reg(AHCI_GHC) & AHCI_GHC_IE);
	assert_int_equal(*port(1, AHCI_PxCMD) & AHCI_PxCMD_FRE, 0);
}

static void test_read_write_flush(void **state)
{
	struct probe *w = probe_submit(disk(), BLK_WRITE, 3, 600), *r;

	probe_turns(10);
	assert_memory_equal(hba.sectors[3], w->data, 600 * SECTOR_SIZE);
	assert_int_equal(hba.sectors[2][511], 0);
	assert_int_equal(hba.sectors[603][0], 0);
	r = probe_submit(disk(), BLK_READ, 3, 600);
	probe_turns(10);
	assert_memory_equal(r->data, w->data, 600 * SECTOR_SIZE);
	assert_int_equal(probe_finish(w), 0);
	assert_int_equal(probe_finish(r), 0);
	assert_int_equal(probe_run(disk(), BLK_FLUSH, 0, 0), 0);
	assert_int_equal(hba.flushes, 1);
	w = probe_submit(disk(), BLK_WRITE, SECTORS - 5, 5);
	probe_turns(10);
	assert_memory_equal(hba.sectors[2 * LOW - 5], w->data, 5 * SECTOR_SIZE);
	assert_int_equal(probe_finish(w), 0);
}

static void test_interrupts_end_commands(void **state)
{
	struct probe *p;

	hba.held = true;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	fake_tasks_run();
	irq_fn(irq_arg); /* somebody else's on the same line */
	assert_false(p->done);
	model_complete();
	assert_int_equal(*reg(AHCI_IS), 1);
	irq_fn(irq_arg);
	assert_int_equal(*reg(AHCI_IS), 0);
	assert_int_equal(*port(0, AHCI_PxIS), 0);
	fake_tasks_run();
	hba.held = false;
	assert_int_equal(probe_finish(p), 0);
	/* Causes without a command, and of ports without a disk, do not hold the line */
	model_raise(AHCI_PxIS_DHRS);
	*port(1, AHCI_PxIS) = 1;
	*reg(AHCI_IS) = 0xc0000003;
	irq_fn(irq_arg);
	assert_int_equal(*reg(AHCI_IS), 0);
	assert_int_equal(*port(0, AHCI_PxIS) | *port(1, AHCI_PxIS), 0);
}

static void test_queue(void **state)
{
	struct probe *p[12];

	for (unsigned i = 0; i < 12; i++)
		p[i] = probe_submit(disk(), i == 11 ? BLK_FLUSH : BLK_READ, i, i == 11 ? 0 : 1);
	assert_int_equal(disk()->inflight, 12);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(probe_finish(p[i]), 0);
	assert_int_equal(disk()->inflight, 0);
}

static void test_error_is_final_and_resets_the_port(void **state)
{
	unsigned resets = hba.comresets;

	hba.fail = 1;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 10), -E_IO);
	assert_non_null(strstr(fake_log_last, "ahci0: read of 10 sectors at 3"));
	assert_non_null(strstr(fake_log_last, "0x4041"));
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 10), 0);
	assert_int_equal(hba.comresets, resets + 1);
}

static void test_short_read_is_an_error(void **state)
{
	struct probe *p;

	hba.shorter = 1;
	p = probe_submit(disk(), BLK_READ, 3, 10);
	probe_turns(3);
	assert_true(p->done);
	assert_int_equal(p->data[0], 0xee); /* nothing of the buffer was handed out */
	assert_int_equal(probe_finish(p), -E_IO);
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 10), 0);
}

static void wait_out(void)
{
	probe_turns(1);
	fake_timers_run_until(fake_time_ns + 31 * NS_PER_S);
	probe_turns(3);
}

static void test_hung_command_is_asked_once_more(void **state)
{
	unsigned resets = hba.comresets;
	struct probe *p;

	hba.hang = 1;
	p = probe_submit(disk(), BLK_WRITE, 700, 2);
	probe_turns(20);
	assert_false(p->done); /* not before its time */
	wait_out();
	assert_int_equal(hba.comresets, resets + 1);
	assert_memory_equal(hba.sectors[700], p->data, 2 * SECTOR_SIZE);
	assert_int_equal(probe_finish(p), 0);
	hba.hang = 2;
	p = probe_submit(disk(), BLK_WRITE, 3, 1);
	wait_out();
	wait_out();
	assert_int_equal(probe_finish(p), -E_IO);
	assert_int_equal(hba.hang, 0);
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
}

static void test_dead_disk_fails_and_may_come_back(void **state)
{
	struct probe *p, *q;

	hba.hang = 1;
	hba.dead = true;
	p = probe_submit(disk(), BLK_READ, 3, 1);
	q = probe_submit(disk(), BLK_READ, 4, 1);
	wait_out();
	assert_int_equal(probe_finish(p), -E_IO);
	assert_int_equal(probe_finish(q), -E_IO);
	assert_non_null(strstr(fake_log_last, "does not come back"));
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), -E_IO);
	hba.dead = false;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
	hba.gone = true;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), -E_IO);
	irq_fn(irq_arg);
	hba.gone = false;
	assert_int_equal(probe_run(disk(), BLK_READ, 3, 1), 0);
}

/* A guest whose driver asks again at once: each try of the disk fails what waited before it. */
static unsigned asked;
static struct blk_request again;

static void ask_again(struct blk_request *rq, int err)
{
	if (err && ++asked < 1000)
		assert_int_equal(disk()->ops->submit(disk(), rq), 0);
}

static void test_who_asks_again_does_not_hold_the_host(void **state)
{
	static uint8_t data[SECTOR_SIZE];
	uint64_t begun = fake_time_ns;

	hba.gone = true;
	again = (struct blk_request){.op = BLK_READ,
				     .sectors = 1,
				     .frag_count = 1,
				     .frags = {{data, sizeof(data)}},
				     .done = ask_again};
	asked = 0;
	assert_int_equal(disk()->ops->submit(disk(), &again), 0);
	probe_turns(5);
	assert_in_range(asked, 1, (fake_time_ns - begun) / NS_PER_MS + 1);
	hba.gone = false;
	probe_turns(20);
	assert_int_equal(disk()->inflight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_probe),
	    cmocka_unit_test(test_read_write_flush),
	    cmocka_unit_test(test_interrupts_end_commands),
	    cmocka_unit_test(test_queue),
	    cmocka_unit_test(test_error_is_final_and_resets_the_port),
	    cmocka_unit_test(test_short_read_is_an_error),
	    cmocka_unit_test(test_hung_command_is_asked_once_more),
	    cmocka_unit_test(test_dead_disk_fails_and_may_come_back),
	    cmocka_unit_test(test_who_asks_again_does_not_hold_the_host),
	};

	return cmocka_run_group_tests_name("ahci", tests, group_setup, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest's disk work: the smallest virtio block driver (virtio 1.1, sections
 * 4.1 and 5.2), one request at a time, polled. Blocks are those of worker.c, so that they
 * can be checked from outside; each is also read back and checked here.
 */
#include "tests/guests/ticker_disk.h"

#include "tests/guests/work.h"

#define PCI_ADDR       0xcf8
#define PCI_DATA       0xcfc
#define PCI_VENDOR_ID  0x10421af4u /* virtio block, modern */
#define PCI_COMMAND    0x04
#define PCI_BAR0       0x10
#define PCI_CAPS       0x34
#define PCI_MEM_MASTER 6
#define CAP_VENDOR     9
#define CAP_COMMON     1
#define CAP_NOTIFY     2

/* offsets in the common configuration */
#define FEATURE_SELECT 8
#define FEATURE	       12
#define STATUS	       20
#define QUEUE_SELECT   22
#define QUEUE_SIZE     24
#define QUEUE_ENABLE   28
#define QUEUE_DESC     32
#define QUEUE_AVAIL    40
#define QUEUE_USED     48
#define STATUS_OK      (1 | 2 | 8)
#define STATUS_RUN     (STATUS_OK | 4)
#define VERSION_1_WORD 1 /* bit 32: bit 0 of the second word */
#define DESC_NEXT      1
#define DESC_WRITE     2
#define QUEUE	       8u
#define TYPE_IN	       0
#define TYPE_OUT       1
#define BLOCKS	       64u /* as disk_verify in tests/e2e/lab/work.py expects */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct ring {
	uint16_t flags;
	volatile uint16_t idx;
	uint16_t ring[QUEUE];
};

struct request {
	uint32_t type, reserved;
	uint64_t sector;
	volatile uint8_t status;
};

static volatile uint8_t *common, *notify;
static struct desc *desc;
static struct ring *avail;
static const struct ring *used;
static struct request *request;
static uint64_t *data, written, verify;
static uint16_t asked;
static bool reading;

static void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static uint32_t pci_read(unsigned slot, unsigned reg)
{
	uint32_t v;

	outl(PCI_ADDR, 0x80000000u | slot << 11 | (reg & 0xfc));
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((uint16_t)PCI_DATA));
	return v;
}

static void put(unsigned offset, const void *p)
{
	uint64_t value = (uint64_t)p;

	*(volatile uint32_t *)(common + offset) = (uint32_t)value;
	*(volatile uint32_t *)(common + offset + 4) = (uint32_t)(value >> 32);
}

static void structures_find(unsigned slot)
{
	uint64_t bar = pci_read(slot, PCI_BAR0) & ~15u;

	for (unsigned at = pci_read(slot, PCI_CAPS) & 0xff; at;
	     at = pci_read(slot, at) >> 8 & 0xff) {
		uint32_t head = pci_read(slot, at), offset = pci_read(slot, at + 8);

		if ((head & 0xff) != CAP_VENDOR)
			continue;
		if (head >> 24 == CAP_COMMON)
			common = (volatile uint8_t *)(bar + offset);
		else if (head >> 24 == CAP_NOTIFY)
			notify = (volatile uint8_t *)(bar + offset);
	}
}

static bool disk_find(void)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		if (pci_read(slot, 0) != PCI_VENDOR_ID)
			continue;
		structures_find(slot);
		pci_read(slot, PCI_COMMAND);
		outl(PCI_DATA, PCI_MEM_MASTER);
		return true;
	}
	return false;
}

static void queue_start(void)
{
	common[STATUS] = 0;
	common[STATUS] = 1 | 2;
	*(volatile uint32_t *)(common + FEATURE_SELECT) = 1;
	*(volatile uint32_t *)(common + FEATURE) = VERSION_1_WORD;
	common[STATUS] = STATUS_OK;
	*(volatile uint16_t *)(common + QUEUE_SELECT) = 0;
	*(volatile uint16_t *)(common + QUEUE_SIZE) = QUEUE;
	put(QUEUE_DESC, desc);
	put(QUEUE_AVAIL, avail);
	put(QUEUE_USED, used);
	*(volatile uint16_t *)(common + QUEUE_ENABLE) = 1;
	common[STATUS] = STATUS_RUN;
}

static void request_make(uint32_t type, uint64_t block)
{
	*request =
	    (struct request){.type = type, .sector = block * (DISK_BLOCK / 512), .status = 0xff};
	desc[0] = (struct desc){(uint64_t)request, 16, DESC_NEXT, 1};
	desc[1] = (struct desc){(uint64_t)data, DISK_BLOCK,
				(uint16_t)(DESC_NEXT | (type == TYPE_IN ? DESC_WRITE : 0)), 2};
	desc[2] = (struct desc){(uint64_t)&request->status, 1, DESC_WRITE, 0};
	avail->ring[asked % QUEUE] = 0;
	__asm__ volatile("" ::: "memory");
	avail->idx = ++asked;
	*(volatile uint16_t *)notify = 0;
}

static uint64_t block_sum(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DISK_BLOCK / 8; i++)
		if (i != 3)
			sum = (sum << 7 | sum >> 57) ^ data[i];
	return sum;
}

static void write_next(void)
{
	uint64_t n = written % BLOCKS, gen = written / BLOCKS + 1;

	data[0] = DISK_MAGIC;
	data[1] = n;
	data[2] = gen;
	for (uint64_t i = 4; i < DISK_BLOCK / 8; i++)
		data[i] = work_word(n, gen, i);
	data[3] = block_sum();
	request_make(TYPE_OUT, n);
	written++;
	reading = false;
}

static void read_one(void)
{
	verify = (verify + 7) % BLOCKS;
	if (verify >= written)
		verify = 0;
	request_make(TYPE_IN, verify);
	reading = true;
}

static bool block_good(void)
{
	return data[0] == DISK_MAGIC && data[1] == verify &&
	       data[2] == work_generation(verify, BLOCKS, written) && data[3] == block_sum();
}

bool disk_start(uint8_t *room)
{
	desc = (struct desc *)room;
	avail = (struct ring *)(room + DISK_BLOCK);
	used = (const struct ring *)(room + 2 * DISK_BLOCK);
	request = (struct request *)(room + 3 * DISK_BLOCK);
	data = (uint64_t *)(room + 4 * DISK_BLOCK);
	if (!disk_find())
		return false;
	queue_start();
	write_next();
	return true;
}

void disk_step(uint64_t *ok, uint64_t *corrupt)
{
	if (used->idx != asked)
		return;
	if (request->status || (reading && !block_good()))
		++*corrupt;
	else if (reading)
		++*ok;
	if (reading)
		write_next();
	else
		read_one();
}

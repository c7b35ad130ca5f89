/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rude guest's disk mode: the smallest virtio block driver (virtio 1.1, sections
 * 4.1 and 5.2) that keeps every descriptor of the queue in use with 4 KiB reads, and
 * notifies all the time whether there is something new or not.
 */
#include <stdint.h>

#include "tests/guests/rude.h"

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
#define PAGE	       4096ul
#define REQUESTS       8u
#define DESCS	       32u
#define SECTORS_A_PAGE 8
#define REPORT_EVERY   64

extern uint8_t __pages[];

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct avail {
	uint16_t flags, idx, ring[DESCS];
};

struct used {
	uint16_t flags;
	volatile uint16_t idx;
};

struct request {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
};

static volatile uint8_t *common, *notify;

static uint32_t pci_read(unsigned slot, unsigned reg)
{
	outl(PCI_ADDR, 0x80000000u | slot << 11 | (reg & 0xfc));
	return inl(PCI_DATA);
}

static void put(unsigned offset, uint64_t value)
{
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

static int disk_find(void)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		if (pci_read(slot, 0) != PCI_VENDOR_ID)
			continue;
		structures_find(slot);
		pci_read(slot, PCI_COMMAND);
		outl(PCI_DATA, PCI_MEM_MASTER);
		return 1;
	}
	return 0;
}

static void queue_start(void)
{
	common[STATUS] = 0;
	common[STATUS] = 1 | 2;
	*(volatile uint32_t *)(common + FEATURE_SELECT) = 1;
	*(volatile uint32_t *)(common + FEATURE) = VERSION_1_WORD;
	common[STATUS] = STATUS_OK;
	*(volatile uint16_t *)(common + QUEUE_SELECT) = 0;
	*(volatile uint16_t *)(common + QUEUE_SIZE) = DESCS;
	put(QUEUE_DESC, (uint64_t)__pages);
	put(QUEUE_AVAIL, (uint64_t)__pages + PAGE);
	put(QUEUE_USED, (uint64_t)__pages + 2 * PAGE);
	*(volatile uint16_t *)(common + QUEUE_ENABLE) = 1;
	common[STATUS] = STATUS_RUN;
}

static void requests_make(struct desc *d, struct request *r)
{
	for (unsigned i = 0; i < REQUESTS; i++, d += 3, r++) {
		r->sector = i * SECTORS_A_PAGE;
		d[0] = (struct desc){(uint64_t)r, 16, DESC_NEXT, (uint16_t)(3 * i + 1)};
		d[1] = (struct desc){(uint64_t)__pages + (8 + i) * PAGE, PAGE,
				     DESC_NEXT | DESC_WRITE, (uint16_t)(3 * i + 2)};
		d[2] = (struct desc){(uint64_t)&r->status, 1, DESC_WRITE, 0};
	}
}

void disk_flood(void)
{
	struct avail *a = (struct avail *)(__pages + PAGE);
	const struct used *u = (const struct used *)(__pages + 2 * PAGE);
	uint16_t told = 0;

	if (!disk_find()) {
		print("rude: no disk\n");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	queue_start();
	requests_make((struct desc *)__pages, (struct request *)(__pages + 3 * PAGE));
	for (;;) {
		/* all anew as soon as all are done */
		if (a->idx == u->idx) {
			for (unsigned i = 0; i < REQUESTS; i++)
				a->ring[(a->idx + i) % DESCS] = (uint16_t)(3 * i);
			__asm__ volatile("" ::: "memory");
			*(volatile uint16_t *)&a->idx = a->idx + REQUESTS;
		}
		*(volatile uint16_t *)notify = 0;
		if ((uint16_t)(u->idx - told) >= REPORT_EVERY) {
			told += REPORT_EVERY;
			print_number("rude: requests ", told);
			print("\n");
		}
	}
}

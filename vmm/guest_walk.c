/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the guest's page tables; every entry is read once and is hostile. */
#include "vmm/guest_walk.h"
#include "kernel/lib/string.h"

#define CR0_PG	 BIT(31)
#define CR0_WP	 BIT(16)
#define CR4_PSE	 BIT(4)
#define CR4_PAE	 BIT(5)
#define EFER_LMA BIT(10)
#define PTE_P	 BIT(0)
#define PTE_W	 BIT(1)
#define PTE_U	 BIT(2)
#define PTE_PS	 BIT(7)
#define PTE_ADDR 0x000ffffffffff000ul

#define FAULT_PRESENT  BIT(0)
#define FAULT_WRITE    BIT(1)
#define FAULT_USER     BIT(2)
#define FAULT_RESERVED BIT(3)

struct walk {
	int levels;    /* tables to go through */
	unsigned bits; /* of the linear address a level */
	unsigned entry_size;
	gpa_t table;
};

static struct walk walk_begin(const struct cpu_paging *p, uint64_t linear)
{
	if (p->efer & EFER_LMA)
		return (struct walk){4, 9, 8, p->cr3 & PTE_ADDR};
	if (p->cr4 & CR4_PAE)
		return (struct walk){2, 9, 8, p->pdpte[linear >> 30 & 3] & PTE_ADDR};
	return (struct walk){2, 10, 4, p->cr3 & 0xfffff000};
}

int guest_walk(struct vm *vm, const struct cpu_paging *p, uint64_t linear, bool write, gpa_t *gpa,
	       uint32_t *fault)
{
	bool user = p->cpl == 3, writable = true, for_user = true;
	struct walk w;

	*fault = (write ? FAULT_WRITE : 0) | (user ? FAULT_USER : 0);
	if (!(p->efer & EFER_LMA))
		linear &= 0xffffffff;
	if (!(p->cr0 & CR0_PG)) {
		*gpa = linear;
		return 0;
	}
	w = walk_begin(p, linear);
	if (w.entry_size == 8 && w.levels == 2 && !(p->pdpte[linear >> 30 & 3] & PTE_P))
		return -E_NOENT;
	for (int level = w.levels - 1;; level--) {
		unsigned shift = PAGE_SHIFT + w.bits * level;
		uint64_t entry = 0, index = linear >> shift & (BIT(w.bits) - 1);
		bool large;

		if (guest_mem_read(vm, w.table + index * w.entry_size, &entry, w.entry_size) != 0 ||
		    !(entry & PTE_P))
			return -E_NOENT;
		writable &= (entry & PTE_W) != 0;
		for_user &= (entry & PTE_U) != 0;
		large = level > 0 && (entry & PTE_PS) && (w.entry_size == 8 || (p->cr4 & CR4_PSE));
		if (level > 0 && !large) {
			w.table = entry & (w.entry_size == 8 ? PTE_ADDR : 0xfffff000);
			continue;
		}
		*fault |= FAULT_PRESENT;
		if (level == 3) { /* no 512 GiB pages: the bit is reserved */
			*fault |= FAULT_RESERVED;
			return -E_NOENT;
		}
		if ((user && !for_user) || (write && !writable && (user || (p->cr0 & CR0_WP))))
			return -E_NOENT;
		if (w.entry_size == 4 && large) /* PSE-36: bits 39..32 are in 20..13 */
			entry = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
		entry &= PTE_ADDR;
		*gpa = (entry & ~(BIT(shift) - 1)) | (linear & (BIT(shift) - 1));
		return 0;
	}
}

int guest_linear_read(struct vm *vm, const struct cpu_paging *p, uint64_t linear, void *buf,
		      size_t len, uint32_t *fault, uint64_t *fault_at)
{
	uint8_t *to = buf;
	int err;

	while (len) {
		size_t part = MIN(len, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
		gpa_t gpa;

		*fault_at = linear;
		err = guest_walk(vm, p, linear, false, &gpa, fault);
		if (err)
			return err;
		if (guest_mem_read(vm, gpa, to, part) != 0)
			memset(to, 0xff, part); /* not RAM: an empty bus */
		linear += part;
		to += part;
		len -= part;
	}
	return 0;
}

int guest_linear_write(struct vm *vm, const struct cpu_paging *p, uint64_t linear, const void *buf,
		       size_t len, uint32_t *fault, uint64_t *fault_at)
{
	size_t first = MIN(len, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	gpa_t gpa[2];
	int err;

	if (len > PAGE_SIZE)
		return -E_RANGE;
	/*
	 * Both pages are looked up before a byte is written, and not again: nothing half
	 * done, even when the first part lands in the entry that maps the second.
	 */
	for (unsigned i = 0; i < (len > first ? 2 : 1); i++) {
		*fault_at = linear + (i ? first : 0);
		err = guest_walk(vm, p, *fault_at, true, &gpa[i], fault);
		if (err)
			return err;
	}
	/* what is not RAM is written nowhere */
	err = guest_mem_write(vm, gpa[0], buf, first);
	if (!err && len > first)
		err = guest_mem_write(vm, gpa[1], (const uint8_t *)buf + first, len - first);
	return err == -E_RANGE ? 0 : err;
}

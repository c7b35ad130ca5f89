/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the guest's page tables; every entry is read once and is hostile. A walk is
 * found first and marks its entries (accessed, dirty) when the access is certain.
 */
#include "vmm/guest_walk.h"
#include "kernel/lib/string.h"

#define CR0_PG	  BIT(31)
#define CR0_WP	  BIT(16)
#define CR4_PSE	  BIT(4)
#define CR4_PAE	  BIT(5)
#define CR4_SMEP  BIT(20)
#define CR4_SMAP  BIT(21)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define RFLAGS_AC BIT(18)
#define PTE_P	  BIT(0)
#define PTE_W	  BIT(1)
#define PTE_U	  BIT(2)
#define PTE_A	  BIT(5)
#define PTE_D	  BIT(6)
#define PTE_PS	  BIT(7)
#define PTE_NX	  BIT(63)
#define PTE_ADDR  0x000ffffffffff000ul

#define FAULT_PRESENT  BIT(0)
#define FAULT_WRITE    BIT(1)
#define FAULT_USER     BIT(2)
#define FAULT_RESERVED BIT(3)
#define FAULT_FETCH    BIT(4)

#define LEVELS_MAX  4
#define MARK_ROUNDS 8 /* a guest that changes its tables all the time is not waited for */

struct walk {
	int levels;    /* tables to go through */
	unsigned bits; /* of the linear address a level */
	unsigned entry_size;
	gpa_t table;
};

/* What a walk came by, to be marked. */
struct trail {
	unsigned count, entry_size;
	struct {
		gpa_t at;
		uint64_t entry;
	} steps[LEVELS_MAX]; /* the last one maps the page */
	gpa_t gpa;
};

static struct walk walk_begin(const struct cpu_paging *p, uint64_t linear)
{
	if (p->efer & EFER_LMA)
		return (struct walk){4, 9, 8, p->cr3 & PTE_ADDR};
	if (p->cr4 & CR4_PAE)
		return (struct walk){2, 9, 8, p->pdpte[linear >> 30 & 3] & PTE_ADDR};
	return (struct walk){2, 10, 4, p->cr3 & 0xfffff000};
}

/* Bits that must be 0 in a present entry (SDM vol. 3, "Paging", the formats of each mode). */
static uint64_t reserved_bits(const struct vm *vm, const struct cpu_paging *p, int level,
			      uint64_t entry)
{
	unsigned width = vm->cpuid.phys_bits ? vm->cpuid.phys_bits : 52;
	uint64_t bits = PTE_ADDR & ~(BIT(width) - 1);

	if (!(p->efer & EFER_LMA)) {
		if (!(p->cr4 & CR4_PAE))
			return level && (entry & PTE_PS) && (p->cr4 & CR4_PSE) ? BIT(21) : 0;
		bits |= 0x7ff0000000000000ul; /* PAE: 62 to 52 are not the software's */
	}
	if (!(p->efer & EFER_NXE))
		bits |= PTE_NX;
	if (level == 3) /* no 512 GiB pages */
		bits |= PTE_PS;
	else if (level && (entry & PTE_PS)) /* bit 12 is the PAT's */
		bits |= (BIT(PAGE_SHIFT + 9 * level) - 1) & ~0x1ffful;
	return bits;
}

static bool may(const struct cpu_paging *p, unsigned how, bool user, uint64_t rights)
{
	if (user && !(rights & PTE_U))
		return false;
	if ((how & WALK_WRITE) && !(rights & PTE_W) && (user || (p->cr0 & CR0_WP)))
		return false;
	if ((how & WALK_FETCH) && (rights & PTE_NX) && (p->efer & EFER_NXE))
		return false;
	if (user || !(rights & PTE_U))
		return true;
	if (how & WALK_FETCH)
		return !(p->cr4 & CR4_SMEP);
	return !(p->cr4 & CR4_SMAP) || (!(how & WALK_SYSTEM) && (p->rflags & RFLAGS_AC));
}

/* The steps of the translation; see guest_walk. */
static int walk_find(struct vm *vm, const struct cpu_paging *p, uint64_t linear, unsigned how,
		     struct trail *t, uint32_t *fault)
{
	bool user = p->cpl == 3 && !(how & WALK_SYSTEM), fetch = how & WALK_FETCH;
	uint64_t rights = PTE_W | PTE_U;
	struct walk w;

	*fault = (how & WALK_WRITE ? FAULT_WRITE : 0) | (user ? FAULT_USER : 0);
	if (fetch && ((p->cr4 & CR4_SMEP) || ((p->cr4 & CR4_PAE) && (p->efer & EFER_NXE))))
		*fault |= FAULT_FETCH;
	if (!(p->efer & EFER_LMA))
		linear &= 0xffffffff;
	t->count = 0;
	t->gpa = linear;
	if (!(p->cr0 & CR0_PG))
		return 0;
	w = walk_begin(p, linear);
	t->entry_size = w.entry_size;
	if (w.entry_size == 8 && w.levels == 2 && !(p->pdpte[linear >> 30 & 3] & PTE_P))
		return -E_NOENT;
	for (int level = w.levels - 1;; level--) {
		unsigned shift = PAGE_SHIFT + w.bits * level;
		uint64_t entry = 0, index = linear >> shift & (BIT(w.bits) - 1);
		gpa_t at = w.table + index * w.entry_size;

		if (guest_mem_read(vm, at, &entry, w.entry_size) != 0 || !(entry & PTE_P))
			return -E_NOENT;
		if (entry & reserved_bits(vm, p, level, entry)) {
			*fault |= FAULT_PRESENT | FAULT_RESERVED;
			return -E_NOENT;
		}
		t->steps[t->count].at = at;
		t->steps[t->count++].entry = entry;
		rights = (rights & entry & (PTE_W | PTE_U)) | ((rights | entry) & PTE_NX);
		if (level > 0 &&
		    (!(entry & PTE_PS) || (w.entry_size == 4 && !(p->cr4 & CR4_PSE)))) {
			w.table = entry & (w.entry_size == 8 ? PTE_ADDR : 0xfffff000);
			continue;
		}
		*fault |= FAULT_PRESENT;
		if (!may(p, how, user, rights))
			return -E_NOENT;
		if (w.entry_size == 4 && level) /* PSE-36: bits 39..32 are in 20..13 */
			entry = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
		entry &= PTE_ADDR;
		t->gpa = (entry & ~(BIT(shift) - 1)) | (linear & (BIT(shift) - 1));
		return 0;
	}
}

/* Set bits in an entry, unless another CPU changed it meanwhile. */
static bool entry_mark(struct vm *vm, gpa_t at, unsigned size, uint64_t entry, uint64_t bits)
{
	size_t avail;
	void *p = guest_mem_ptr(vm, at, size, &avail);
	bool done;

	if ((entry & bits) == bits)
		return true;
	if (!p)
		return false;
	if (size == 8) {
		done = __atomic_compare_exchange_n((uint64_t *)p, &entry, entry | bits, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	} else {
		uint32_t low = entry;

		done = __atomic_compare_exchange_n((uint32_t *)p, &low, low | (uint32_t)bits, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	if (done)
		guest_mem_dirty(vm, at, size);
	return done;
}

static bool trail_mark(struct vm *vm, const struct trail *t, unsigned how)
{
	for (unsigned i = 0; i < t->count; i++) {
		bool dirties = i == t->count - 1 && (how & WALK_WRITE);

		if (!entry_mark(vm, t->steps[i].at, t->entry_size, t->steps[i].entry,
				PTE_A | (dirties ? PTE_D : 0)))
			return false;
	}
	return true;
}

int guest_walk_probe(struct vm *vm, const struct cpu_paging *p, uint64_t linear, unsigned how,
		     gpa_t *gpa, uint32_t *fault)
{
	struct trail t;
	int err = walk_find(vm, p, linear, how, &t, fault);

	*gpa = t.gpa;
	return err;
}

int guest_walk(struct vm *vm, const struct cpu_paging *p, uint64_t linear, unsigned how, gpa_t *gpa,
	       uint32_t *fault)
{
	struct trail t;
	int err;

	for (unsigned round = 0;; round++) {
		err = walk_find(vm, p, linear, how, &t, fault);
		*gpa = t.gpa;
		if (err || trail_mark(vm, &t, how) || round == MARK_ROUNDS)
			return err;
	}
}

int guest_linear_read(struct vm *vm, const struct cpu_paging *p, uint64_t linear, void *buf,
		      size_t len, unsigned how, uint32_t *fault, uint64_t *fault_at)
{
	uint8_t *to = buf;
	int err;

	while (len) {
		size_t part = MIN(len, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
		gpa_t gpa;

		*fault_at = linear;
		err = guest_walk(vm, p, linear, how, &gpa, fault);
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
		       size_t len, unsigned how, uint32_t *fault, uint64_t *fault_at)
{
	size_t first = MIN(len, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	unsigned parts = len > first ? 2 : 1;
	gpa_t gpa[2];
	int err;

	if (len > PAGE_SIZE)
		return -E_RANGE;
	how |= WALK_WRITE;
	/*
	 * Both pages are looked up before anything is changed, and what was found then is
	 * used: nothing half done, even when the first part lands in the entry that maps
	 * the second.
	 */
	for (unsigned i = 0; i < parts; i++) {
		*fault_at = linear + (i ? first : 0);
		err = guest_walk_probe(vm, p, *fault_at, how, &gpa[i], fault);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < parts; i++) {
		gpa_t same;

		(void)!guest_walk(vm, p, linear + (i ? first : 0), how, &same, fault);
	}
	/* what is not RAM is written nowhere */
	err = guest_mem_write(vm, gpa[0], buf, first);
	if (!err && len > first)
		err = guest_mem_write(vm, gpa[1], (const uint8_t *)buf + first, len - first);
	return err == -E_RANGE ? 0 : err;
}

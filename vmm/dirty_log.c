/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dirty log. A harvest first brings every vCPU out of the guest: with the host
 * lock held none can enter again, so taking bits, clearing the hardware's flags and
 * asking for the TLB flush are one step, whatever the method and however many vCPUs.
 * Each vCPU invalidates before its next entry; pages are read only after that.
 */
#include "vmm/dirty_log.h"
#include "arch/x86/virt.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define WORD_BITS 64

/* Bitmaps are up to 2 MiB objects: 16 Mi pages, 64 GiB of guest. */
static size_t bitmap_bytes(uint64_t pages)
{
	return (pages + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
}

const char *dirty_method_name(enum dirty_method m)
{
	static const char *const names[DIRTY_METHODS] = {"auto", "pml", "ad", "wp"};

	return m < DIRTY_METHODS ? names[m] : "?";
}

static int choose(enum dirty_method *m, enum slat_log *how)
{
	const struct virt_caps *caps = virt_detect();

	if (*m == DIRTY_AUTO)
		*m = caps->pml ? DIRTY_PML : caps->ad_bits ? DIRTY_ACCESSED : DIRTY_WRITE_PROTECT;
	if ((*m == DIRTY_PML && !caps->pml) || (*m == DIRTY_ACCESSED && !caps->ad_bits))
		return -E_NOTSUP;
	*how = *m == DIRTY_PML ? SLAT_LOG_PML : *m == DIRTY_ACCESSED ? SLAT_LOG_AD : SLAT_LOG_WP;
	return 0;
}

int dirty_log_start(struct vm *vm, enum dirty_method method)
{
	struct dirty_log *log = &vm->dirty;
	enum slat_log how;
	int err;

	if (log->on)
		return -E_BUSY;
	err = choose(&method, &how);
	if (err)
		return err;
	log->pages = guest_mem_pages(&vm->mem);
	log->bits = kzalloc(bitmap_bytes(log->pages));
	if (!log->bits)
		return -E_NOMEM;
	vcpus_leave_guest(vm);
	err = slat_log_start(vm->slat, how);
	if (err) {
		kfree(log->bits);
		log->bits = NULL;
		return err;
	}
	for (uint64_t i = 0; i < log->pages;
	     i++) /* a second move after a first starts from everything */
		log->bits[i / WORD_BITS] |= BIT(i % WORD_BITS);
	log->marked = log->pages;
	log->total = 0;
	log->method = method;
	log->on = true;
	return 0;
}

void dirty_log_stop(struct vm *vm)
{
	struct dirty_log *log = &vm->dirty;

	if (!log->on)
		return;
	log->on = false;
	vcpus_leave_guest(vm);
	slat_log_stop(vm->slat);
	kfree(log->bits);
	log->bits = NULL;
}

static void mark_index(struct dirty_log *log, uint64_t index)
{
	uint64_t *word = &log->bits[index / WORD_BITS], bit = BIT(index % WORD_BITS);

	if (!(*word & bit)) {
		*word |= bit;
		log->marked++;
		log->total++;
	}
}

void dirty_log_mark(struct vm *vm, gfn_t gfn)
{
	uint64_t index;

	if (!vm->dirty.on)
		return;
	index = guest_mem_gfn_to_index(&vm->mem, gfn);
	if (index != UINT64_MAX)
		mark_index(&vm->dirty, index);
}

static void mark_gpa(void *ctx, gpa_t gpa)
{
	dirty_log_mark(ctx, gpa >> PAGE_SHIFT);
}

/* Bring what the hardware noted into the bitmap. All vCPUs are out of the guest. */
static void gather(struct vm *vm)
{
	slat_log_scan(vm->slat, mark_gpa, vm);
}

uint64_t dirty_log_harvest(struct vm *vm, uint64_t *out) PAGE_JOURNEY(1)
{
	struct dirty_log *log = &vm->dirty;
	uint64_t taken = log->marked;

	vcpus_leave_guest(vm);
	gather(vm);
	taken = log->marked;
	memcpy(out, log->bits, bitmap_bytes(log->pages));
	memset(log->bits, 0, bitmap_bytes(log->pages));
	log->marked = 0;
	if (log->method == DIRTY_ACCESSED)
		return taken; /* the scan cleared its flags as it went */
	for (uint64_t w = 0; w < (log->pages + WORD_BITS - 1) / WORD_BITS; w++)
		for (uint64_t left = out[w]; left; left &= left - 1)
			slat_log_rearm(
			    vm->slat, guest_mem_index_to_gfn(
					  &vm->mem, w * WORD_BITS + (uint64_t)__builtin_ctzll(left))
					  << PAGE_SHIFT);
	return taken;
}

uint64_t dirty_log_count(struct vm *vm)
{
	if (!vm->dirty.on)
		return 0;
	vcpus_leave_guest(vm);
	gather(vm);
	return vm->dirty.marked;
}

void dirty_log_give_back(struct vm *vm, const uint64_t *bits)
{
	struct dirty_log *log = &vm->dirty;

	if (!log->on)
		return;
	for (uint64_t w = 0; w < (log->pages + WORD_BITS - 1) / WORD_BITS; w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			mark_index(log, w * WORD_BITS + (uint64_t)__builtin_ctzll(left));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file pool: a table of whole files. Those of the loader lie where it put
 * them; those that come along with VMs get memory of their own, in one piece:
 * for more than 2 MiB, blocks of the page allocator that happen to be neighbours.
 */
#include "kernel/files.h"

#include "boot/handoff.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define FILES_MAX      256
#define FILE_SIZE_MAX  GiB
#define TRIES_PER_NEED 8 /* blocks looked at, per block needed, for neighbours */

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY };

struct slot {
	struct file file;
	enum slot_state state;
	bool own; /* memory came from the page allocator */
};

static struct slot slots[FILES_MAX];

static struct slot *slot_find(const char *path, enum slot_state state)
{
	for (unsigned i = 0; i < FILES_MAX; i++) {
		if (slots[i].state == state && strcmp(slots[i].file.path, path) == 0)
			return &slots[i];
	}
	return NULL;
}

static struct slot *slot_unused(void)
{
	for (unsigned i = 0; i < FILES_MAX; i++) {
		if (slots[i].state == SLOT_FREE)
			return &slots[i];
	}
	return NULL;
}

/* ---- memory in one piece --------------------------------------------------- */

/* Blocks that were no neighbours, linked through their first bytes. */
struct reject {
	struct reject *next;
};

static void reject_add(struct reject **list, uint8_t *block)
{
	struct reject *r = (struct reject *)block;

	r->next = *list;
	*list = r;
}

static void run_reject(struct reject **list, uint8_t *base, uint64_t blocks)
{
	for (uint64_t i = 0; i < blocks; i++)
		reject_add(list, base + i * SIZE_2M);
}

/*
 * need adjacent 2 MiB blocks. The allocator hands blocks out mostly in order of
 * address, so growing one run and starting over at a gap finds them soon.
 */
static uint8_t *run_alloc(uint64_t need)
{
	struct reject *rejects = NULL;
	uint8_t *base = NULL;
	uint64_t have = 0;

	for (uint64_t tries = need * TRIES_PER_NEED; have < need && tries; tries--) {
		uint8_t *block = pages_alloc_raw(PAGES_MAX_ORDER);

		if (!block)
			break;
		if (have && block == base + have * SIZE_2M) {
			have++;
		} else if (have && block + SIZE_2M == base) {
			base = block;
			have++;
		} else {
			run_reject(&rejects, base, have);
			base = block;
			have = 1;
		}
	}
	if (have < need) {
		run_reject(&rejects, base, have);
		base = NULL;
	}
	while (rejects) {
		struct reject *next = rejects->next;

		pages_free(rejects, PAGES_MAX_ORDER);
		rejects = next;
	}
	return base;
}

static unsigned order_for(uint64_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

static uint8_t *data_alloc(uint64_t size)
{
	if (size <= SIZE_2M)
		return pages_alloc_raw(order_for(size));
	return run_alloc(ALIGN_UP(size, SIZE_2M) / SIZE_2M);
}

static void data_free(const uint8_t *data, uint64_t size)
{
	uint8_t *p = (uint8_t *)data;

	if (size <= SIZE_2M) {
		pages_free(p, order_for(size));
		return;
	}
	for (uint64_t at = 0; at < size; at += SIZE_2M)
		pages_free(p + at, PAGES_MAX_ORDER);
}

/* ---- the pool -------------------------------------------------------------- */

void files_init(const struct handoff *ho)
{
	for (uint32_t i = 0; i < ho->file_count && i < HANDOFF_MAX_FILES; i++) {
		const struct handoff_file *f = &ho->files[i];
		struct slot *s = slot_unused();

		if (!s || !f->path[0] || strnlen(f->path, sizeof(f->path)) == sizeof(f->path) ||
		    slot_find(f->path, SLOT_READY)) {
			log_warn("files: file %u from the loader left out: no room, no name, or a "
				 "name used twice",
				 i);
			continue;
		}
		str_copy(s->file.path, f->path, sizeof(s->file.path));
		s->file.data = hpa_to_virt(f->base);
		s->file.size = f->size;
		s->file.crc = crc32c(0, s->file.data, f->size);
		s->state = SLOT_READY;
		s->own = false;
	}
}

const struct file *files_find(const char *path)
{
	struct slot *s = slot_find(path, SLOT_READY);

	return s ? &s->file : NULL;
}

const struct file *files_find_content(uint64_t size, uint32_t crc)
{
	for (unsigned i = 0; i < FILES_MAX; i++) {
		const struct file *f = &slots[i].file;

		if (slots[i].state == SLOT_READY && f->size == size && f->crc == crc)
			return f;
	}
	return NULL;
}

const struct file *files_at(unsigned index)
{
	for (unsigned i = 0; i < FILES_MAX; i++) {
		if (slots[i].state == SLOT_READY && index-- == 0)
			return &slots[i].file;
	}
	return NULL;
}

int files_create(const char *path, uint64_t size, uint8_t **data)
{
	struct slot *s;

	if (!path[0] || strnlen(path, sizeof(s->file.path)) == sizeof(s->file.path))
		return -E_INVAL;
	if (slot_find(path, SLOT_READY) || slot_find(path, SLOT_FILLING))
		return -E_EXIST;
	if (size > FILE_SIZE_MAX)
		return -E_NOSPC;
	s = slot_unused();
	if (!s)
		return -E_NOSPC;
	*data = data_alloc(size);
	if (!*data)
		return -E_NOMEM;
	str_copy(s->file.path, path, sizeof(s->file.path));
	s->file.data = *data;
	s->file.size = size;
	s->state = SLOT_FILLING;
	s->own = true;
	return 0;
}

void files_commit(const char *path)
{
	struct slot *s = slot_find(path, SLOT_FILLING);

	if (!s)
		return;
	s->file.crc = crc32c(0, s->file.data, s->file.size);
	s->state = SLOT_READY;
}

void files_discard(const char *path)
{
	struct slot *s = slot_find(path, SLOT_FILLING);

	if (!s)
		s = slot_find(path, SLOT_READY);
	if (!s || !s->own)
		return;
	data_free(s->file.data, s->file.size);
	memset(s, 0, sizeof(*s));
}

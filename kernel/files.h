/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file pool: what the loader read from the ESP, plus boot files that came
 * along with VMs. Whole files in memory, named by path, known by digest.
 */
#ifndef KERNEL_FILES_H
#define KERNEL_FILES_H

#include "kernel/lib/base.h"

struct file {
	char path[128];
	const uint8_t *data;
	uint64_t size;
	uint32_t crc; /* CRC-32C of the content */
};

struct handoff;

/* Take over the loader's files (digests are computed: 8 bytes a few cycles). Once. */
void files_init(const struct handoff *ho);

const struct file *files_find(const char *path);
/* Same content under any name? For "need not be sent". */
const struct file *files_find_content(uint64_t size, uint32_t crc);
const struct file *files_at(unsigned index); /* NULL past the end */
/* A new file of size bytes to be filled by the caller through *data. -E_NOMEM, -E_EXIST, -E_NOSPC,
 * -E_INVAL (name empty or too long). Its memory is one piece but not zeroed.
 */
int must_check files_create(const char *path, uint64_t size, uint8_t **data);
/* After filling: compute the digest, make it visible. */
void files_commit(const char *path);
/* Drop a file made by files_create, committed or not. The loader's files stay. */
void files_discard(const char *path);

#endif

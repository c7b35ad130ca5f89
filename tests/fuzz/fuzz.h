/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share: an input read piece by piece, so that one string of
 * bytes can steer a whole sequence of calls. Past its end everything reads as 0. A
 * target is fuzz_NAME.c; the same file runs under libFuzzer and in the replay.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The target. libFuzzer's name for it; must return 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	const uint8_t *at;
	size_t left;
};

uint8_t fuzz_u8(struct fuzz *f);
uint16_t fuzz_u16(struct fuzz *f);
uint32_t fuzz_u32(struct fuzz *f);
uint64_t fuzz_u64(struct fuzz *f);
/* Fills len bytes. */
void fuzz_bytes(struct fuzz *f, void *buf, size_t len);
/* At most len bytes, in place; *got says how many. Never NULL. */
const uint8_t *fuzz_take(struct fuzz *f, size_t len, size_t *got);
/* Flips count (one byte of input, below 16) bytes of buf at places that the input names. */
void fuzz_spoil(struct fuzz *f, void *buf, size_t len);

#endif

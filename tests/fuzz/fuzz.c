/* SPDX-License-Identifier: BSD-2-Clause */
/* The input of a fuzz target, read piece by piece; see fuzz.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/* The fakes assert by cmocka: outside of a cmocka test a failure must abort, not exit. */
static __attribute__((constructor)) void fuzz_abort_on_assert(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

void fuzz_bytes(struct fuzz *f, void *buf, size_t len)
{
	size_t got;
	const uint8_t *from = fuzz_take(f, len, &got);

	memset(buf, 0, len);
	memcpy(buf, from, got);
}

const uint8_t *fuzz_take(struct fuzz *f, size_t len, size_t *got)
{
	static const uint8_t none[1];
	const uint8_t *from = f->left ? f->at : none;

	*got = len < f->left ? len : f->left;
	f->at += *got;
	f->left -= *got;
	return from;
}

uint8_t fuzz_u8(struct fuzz *f)
{
	uint8_t v;

	fuzz_bytes(f, &v, sizeof(v));
	return v;
}

uint16_t fuzz_u16(struct fuzz *f)
{
	uint16_t v;

	fuzz_bytes(f, &v, sizeof(v));
	return v;
}

uint32_t fuzz_u32(struct fuzz *f)
{
	uint32_t v;

	fuzz_bytes(f, &v, sizeof(v));
	return v;
}

uint64_t fuzz_u64(struct fuzz *f)
{
	uint64_t v;

	fuzz_bytes(f, &v, sizeof(v));
	return v;
}

void fuzz_spoil(struct fuzz *f, void *buf, size_t len)
{
	unsigned count = fuzz_u8(f) % 16;

	while (count-- && len) {
		size_t where = fuzz_u16(f) % len;

		((uint8_t *)buf)[where] = fuzz_u8(f);
	}
}

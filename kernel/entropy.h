/* SPDX-License-Identifier: BSD-2-Clause */
/* Random bytes for MACs, ids, session keys and guests, seeded by the loader and the CPU. */
#ifndef KERNEL_ENTROPY_H
#define KERNEL_ENTROPY_H

#include "kernel/lib/base.h"

/*
 * Once, before the first fill: the loader's seed (struct handoff), mixed with the CPU's
 * own entropy (kernel/entropy_source.h), of which more is stirred in as bytes are given out.
 */
void entropy_init(const uint8_t seed[32]);
void entropy_fill(void *buf, size_t len);
/*
 * Stir in what differs between hosts (name, MAC, wall clock): two emulated hosts
 * may get the same seed, and must not choose the same MACs and ids.
 */
void entropy_mix(const void *data, size_t len);

/* The block function of RFC 8439 section 2.3, words in host order. For the unit test. */
void chacha20_block(uint32_t out[16], const uint32_t key[8], uint32_t counter,
		    const uint32_t nonce[3]);

#endif

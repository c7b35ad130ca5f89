/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random bytes by ChaCha20 (RFC 8439) with fast key erasure: of every block the
 * first half becomes the next key and only the second half is given out, so that
 * what was given out cannot be computed from the state later.
 */
#include "kernel/entropy.h"

#include "arch/x86/io.h"
#include "kernel/entropy_source.h"
#include "kernel/lib/string.h"

#define RESEED_BYTES 1024 /* given out between two helpings of fresh entropy */

static uint32_t key[8];
static size_t since_reseed;

static uint32_t rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(uint32_t s[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 7);
}

void chacha20_block(uint32_t out[16], const uint32_t k[8], uint32_t counter,
		    const uint32_t nonce[3])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(in + 4, k, 32);
	in[12] = counter;
	memcpy(in + 13, nonce, 12);
	memcpy(out, in, 64);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned n = 0; n < 4; n++)
			quarter_round(out, n, 4 + n, 8 + n, 12 + n);
		for (unsigned n = 0; n < 4; n++)
			quarter_round(out, n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += in[i];
}

/* One block; the key moves on. The TSC in the nonce stirs in the time of each call. */
static void next_block(uint8_t out[32])
{
	uint64_t tsc = rdtsc();
	uint32_t nonce[3] = {(uint32_t)tsc, (uint32_t)(tsc >> 32), 0}, block[16];

	chacha20_block(block, key, 0, nonce);
	memcpy(key, block, 32);
	memcpy(out, block + 8, 32);
}

/* Fresh entropy into the key, 256 bits where a source is left. */
static void reseed(void)
{
	uint64_t v[4];

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		(void)entropy_source_word(&v[i]);
	entropy_mix(v, sizeof(v));
	since_reseed = 0;
}

void entropy_init(const uint8_t seed[32])
{
	memcpy(key, seed, 32);
	entropy_source_start();
	reseed();
}

void entropy_fill(void *buf, size_t len)
{
	uint8_t *p = buf, block[32];

	while (len) {
		size_t n = MIN(len, sizeof(block));

		if (since_reseed >= RESEED_BYTES)
			reseed();
		since_reseed += n;
		next_block(block);
		memcpy(p, block, n);
		p += n;
		len -= n;
	}
}

void entropy_mix(const void *data, size_t len)
{
	uint8_t dropped[32];
	const uint8_t *p = data;

	while (len) {
		size_t part = MIN(len, sizeof(key));

		for (size_t i = 0; i < part; i++)
			((uint8_t *)key)[i] ^= p[i];
		next_block(dropped);
		p += part;
		len -= part;
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AoE initiator against a bad target and a bad wire: frames of any content,
 * answers to its own commands with fields changed, answers lost and late. Every
 * request ends exactly once, nothing leaks, data never lands outside its buffer.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/aoe_fixture.h"

#define PROBES	   12
#define SEEN	   8 /* last commands of the initiator */
#define SEEN_BYTES (AOE_ATA_DATA + 1024)

static uint8_t seen[SEEN][SEEN_BYTES];
static unsigned seen_count;
static uint8_t lossy;

static void watch(const uint8_t *frame, size_t len, bool to_target, struct wire_fate *fate)
{
	if (to_target)
		memcpy(seen[seen_count++ % SEEN], frame, MIN(len, SEEN_BYTES));
	fate->copies = lossy && (seen_count * 7 + to_target) % 4 < lossy % 4 ? 0 : 1;
	fate->delay_ns[0] = WIRE_DELAY_NS;
}

/* An answer to one of its commands, or to none, then changed. */
static void answer(struct fuzz *f)
{
	uint8_t frame[1514], how = fuzz_u8(f);
	size_t len = sizeof(frame);

	memset(frame, 0, sizeof(frame));
	memcpy(frame, seen[how % SEEN], SEEN_BYTES);
	memcpy(frame, MAC_A, ETH_ALEN);
	memcpy(frame + ETH_ALEN, target.mac, ETH_ALEN);
	frame[14] |= AOE_FLAG_RESPONSE;
	if (how & 0x10) { /* ATA: status ready, nothing else */
		frame[AOE_ARG + 3] = 0x40;
		len = AOE_ATA_DATA + fuzz_u8(f) * 4;
	}
	if (how & 0x20)
		fuzz_spoil(f, frame, AOE_ATA_DATA);
	if (how & 0x40)
		len = fuzz_u16(f) % sizeof(frame);
	if (how & 0x80)
		memset(frame, 0xff, ETH_ALEN);
	fake_wire_inject(frame, MAX(len, 1), fuzz_u8(f) * 100 * NS_PER_US);
}

static void command(struct fuzz *f)
{
	uint8_t what = fuzz_u8(f), macs[3][ETH_ALEN];
	struct aoe_reservation list;
	uint8_t text[AOE_CONFIG_SHORT];
	size_t len = 0;

	memcpy(macs[0], MAC_A, ETH_ALEN);
	memcpy(macs[1], MAC_B, ETH_ALEN);
	memcpy(macs[2], MAC_C, ETH_ALEN);
	switch (what % 6) {
	case 0:
		(void)!aoe_reserve_read(disk, &list, soon());
		break;
	case 1:
		(void)!aoe_reserve_set(disk, (const uint8_t(*)[ETH_ALEN])macs, what >> 6, soon());
		break;
	case 2:
		(void)!aoe_reserve_force(disk, (const uint8_t(*)[ETH_ALEN])macs, what >> 6, soon());
		break;
	case 3:
		(void)!aoe_config_read(disk, text, sizeof(text), &len, soon());
		break;
	case 4:
		aoe_discover();
		for (unsigned i = 0; aoe_target_at(i); i++)
			assert_in_range(i, 0, 1000);
		break;
	default:
		(void)!aoe_config_force(disk, text, 0, soon());
		break;
	}
}

static void trouble(struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);

	target.silent = what & 1;
	lossy = what >> 1 & 3;
	target.error = what & 8 ? fuzz_u8(f) % 8 : 0;
	target.status = what & 16 ? fuzz_u8(f) : 0;
	target.cut_data = what & 32 ? fuzz_u16(f) % 512 : 0;
	if (what & 64)
		fake_target_restart(what & 128);
}

static void step(struct fuzz *f, struct probe **probes)
{
	uint8_t what = fuzz_u8(f);
	struct probe **p = &probes[what % PROBES];

	switch (what >> 4) {
	case 0:
	case 1:
	case 2:
		if (!*p)
			*p = probe_submit(what & 0x20	? BLK_FLUSH
					  : what & 0x10 ? BLK_WRITE
							: BLK_READ,
					  fuzz_u8(f), what & 0x20 ? 0 : 1 + fuzz_u8(f) % 16, what);
		break;
	case 3:
		trouble(f);
		break;
	case 4:
		command(f);
		break;
	case 5:
	case 6:
		run_for(fuzz_u8(f) * 10 * NS_PER_MS);
		break;
	case 7:
		run_for(fuzz_u8(f) * 100 * NS_PER_US);
		break;
	default:
		answer(f);
		break;
	}
}

static void live(struct fuzz *f)
{
	struct probe *probes[PROBES] = {0};
	bool closed = false;

	assert_int_equal(aoe_setup(NULL), 0);
	memset(seen, 0, sizeof(seen));
	seen_count = lossy = 0;
	wire_rule = watch;
	for (unsigned i = 0; f->left && i < 100; i++)
		step(f, probes);
	wire_rule = NULL;
	closed = aoe_teardown(NULL) == 0; /* cancels what has not ended */
	assert_true(closed);
	for (unsigned i = 0; i < PROBES; i++)
		if (probes[i])
			(void)probe_finish(probes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct aoe_message m;

	if (fuzz_u8(&f) & 1) {
		live(&f);
		return 0;
	}
	if (!aoe_decode(f.at, f.left, &m) && m.data_len)
		assert_true(m.data >= f.at && m.data + m.data_len <= f.at + f.left);
	return 0;
}

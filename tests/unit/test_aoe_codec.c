/* SPDX-License-Identifier: BSD-2-Clause */
/* AoE frames byte by byte against AoEr11, and every truncation refused. */
#include <string.h>

#include "kernel/drivers/ata_identify.h"
#include "kernel/store/aoe_codec.h"
#include "tests/unit/fake_kernel.h"

static const struct aoe_header header = {
    .dst = {1, 2, 3, 4, 5, 6},
    .src = {0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f},
    .shelf = 0x1234,
    .slot = 0x56,
    .tag = 0x789abcde,
};

static void test_golden_ata(void **state)
{
	static const uint8_t want[36] = {
	    1,	  2,	3,    4,    5,	  6,	0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
	    0x88, 0xa2, 0x10, 0,    0x12, 0x34, 0x56, 0,    0x78, 0x9a, 0xbc, 0xde,
	    0x41, 0x77, 2,    0x34, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0,    0,
	};
	struct aoe_ata a = {.aflags = AOE_AFLAG_EXT | AOE_AFLAG_WRITE,
			    .err_feature = 0x77,
			    .count = 2,
			    .cmd_status = ATA_WRITE_SECTORS_EXT,
			    .lba = 0x010203040506ull};
	uint8_t f[ETH_MIN_LEN];
	struct aoe_message m;

	memset(f, 0xee, sizeof(f));
	assert_int_equal(aoe_encode_ata(f, &header, &a), 36);
	assert_memory_equal(f, want, sizeof(want));
	for (unsigned i = 36; i < ETH_MIN_LEN; i++)
		assert_int_equal(f[i], 0);
	assert_int_equal(aoe_decode(f, sizeof(f), &m), 0);
	assert_int_equal(m.h.tag, 0x789abcde);
	assert_int_equal(m.h.shelf, 0x1234);
	assert_int_equal(m.h.slot, 0x56);
	assert_int_equal(m.h.flags, 0);
	assert_int_equal(m.ata.lba, 0x010203040506ull);
	assert_int_equal(m.ata.cmd_status, 0x34);
	assert_int_equal(m.data_len, ETH_MIN_LEN - 36);
	assert_ptr_equal(m.data, f + 36);
}

static void test_golden_others(void **state)
{
	static const uint8_t config[] = {0x00, 0x10, 0x40, 0x16, 2, 0x13, 0x00, 0x03};
	static const uint8_t mask[] = {0, 1, 0, 2};
	static const uint8_t reserve[] = {1, 3};
	struct aoe_config c = {.buffers = 16,
			       .firmware = 0x4016,
			       .sectors = 2,
			       .ccmd = AOE_CONFIG_SET,
			       .string_len = 3};
	struct aoe_mask k = {.mcmd = AOE_MASK_EDIT, .count = 2};
	struct aoe_reserve r = {.rcmd = AOE_RESERVE_SET, .count = 3};
	uint8_t f[ETH_MIN_LEN];
	struct aoe_message m;

	assert_int_equal(aoe_encode_config(f, &header, &c), AOE_CONFIG_STRING);
	assert_int_equal(f[19], 1);
	assert_memory_equal(f + 24, config, sizeof(config));
	assert_int_equal(aoe_decode(f, sizeof(f), &m), 0);
	assert_int_equal(m.config.buffers, 16);
	assert_int_equal(m.config.string_len, 3);
	assert_int_equal(aoe_encode_mask(f, &header, &k), AOE_MASK_LIST);
	assert_int_equal(f[19], 2);
	assert_memory_equal(f + 24, mask, sizeof(mask));
	assert_int_equal(aoe_decode(f, sizeof(f), &m), 0);
	assert_int_equal(m.mask.count, 2);
	assert_int_equal(aoe_encode_reserve(f, &header, &r), AOE_RESERVE_LIST);
	assert_int_equal(f[19], 3);
	assert_memory_equal(f + 24, reserve, sizeof(reserve));
	assert_int_equal(aoe_decode(f, sizeof(f), &m), 0);
	assert_int_equal(m.reserve.count, 3);
}

/* With a buffer of exactly len bytes, so that ASan sees any read past it. */
static int decode_exact(const uint8_t *f, size_t len)
{
	uint8_t *copy = test_malloc(len ? len : 1);
	struct aoe_message m;
	int err;

	memcpy(copy, f, len);
	err = aoe_decode(copy, len, &m);
	test_free(copy);
	return err;
}

static void test_every_truncation(void **state)
{
	uint8_t f[2048];
	struct aoe_reserve r = {.count = 255};
	struct aoe_config c = {.string_len = AOE_CONFIG_MAX};
	struct aoe_mask k = {.count = 200};
	struct aoe_ata a = {.count = 1};
	size_t need;

	memset(f, 0, sizeof(f));
	need = aoe_encode_reserve(f, &header, &r) + 255 * ETH_ALEN;
	for (size_t len = 0; len < sizeof(f); len++)
		assert_int_equal(decode_exact(f, len), len < need ? -E_INVAL : 0);
	need = aoe_encode_config(f, &header, &c) + AOE_CONFIG_MAX;
	for (size_t len = 0; len < sizeof(f); len++)
		assert_int_equal(decode_exact(f, len), len < need ? -E_INVAL : 0);
	need = aoe_encode_mask(f, &header, &k) + 200 * AOE_MASK_DIR_LEN;
	for (size_t len = 0; len < sizeof(f); len++)
		assert_int_equal(decode_exact(f, len), len < need ? -E_INVAL : 0);
	need = aoe_encode_ata(f, &header, &a);
	for (size_t len = 0; len < 100; len++)
		assert_int_equal(decode_exact(f, len), len < need ? -E_INVAL : 0);
}

static void test_refusals(void **state)
{
	struct aoe_ata a = {.count = 1};
	struct aoe_config c = {.string_len = AOE_CONFIG_MAX + 1};
	uint8_t f[2048] = {0};
	struct aoe_message m;

	aoe_encode_ata(f, &header, &a);
	f[14] = 0x20;
	assert_int_equal(decode_exact(f, 60), -E_VERSION);
	f[14] = 0x10;
	f[19] = 4;
	assert_int_equal(decode_exact(f, 60), -E_NOTSUP);
	f[19] = 0;
	f[13] = 0xa3;
	assert_int_equal(decode_exact(f, 60), -E_INVAL);
	aoe_encode_config(f, &header, &c);
	assert_int_equal(decode_exact(f, sizeof(f)), -E_INVAL);
	/* An error response may be cut after the header; the error byte counts with the flag only.
	 */
	aoe_encode_ata(f, &header, &a);
	f[15] = AOE_ERR_RESERVED;
	assert_int_equal(aoe_decode(f, 60, &m), 0);
	assert_int_equal(m.h.error, 0);
	f[14] |= AOE_FLAG_ERROR | AOE_FLAG_RESPONSE;
	assert_int_equal(aoe_decode(f, AOE_ARG, &m), 0);
	assert_int_equal(m.h.error, AOE_ERR_RESERVED);
	assert_null(m.data);
}

/* As Debian's vblade 25 sends it: 32 bytes, and no version in the header. */
static void test_vblade_announcement(void **state)
{
	uint8_t f[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x9e, 0xd1, 0xe0, 0x8f, 0xd5,
		       0x4a, 0x88, 0xa2, 0x08, 0,    0,	   1,	 0,    1,    0,	   0,
		       0,    0,	   0,	 0x10, 0x40, 0x19, 0x02, 0x10, 0,    0};
	struct aoe_message m;

	assert_int_equal(aoe_decode(f, sizeof(f), &m), 0);
	assert_int_equal(m.h.shelf, 1);
	assert_int_equal(m.config.sectors, 2);
	assert_int_equal(m.config.buffers, 16);
	assert_int_equal(aoe_decode(f, sizeof(f) - 1, &m), -E_VERSION);
	f[23] = 1; /* with a tag it is an answer, which must have a version */
	assert_int_equal(aoe_decode(f, sizeof(f), &m), -E_VERSION);
	f[23] = 0;
	f[19] = AOE_CMD_RESERVE;
	assert_int_equal(aoe_decode(f, sizeof(f), &m), -E_VERSION);
}

static void test_error_codes(void **state)
{
	assert_int_equal(aoe_error_code(AOE_ERR_RESERVED), -E_FENCED);
	assert_int_equal(aoe_error_code(AOE_ERR_UNAVAILABLE), -E_IO);
	assert_int_equal(aoe_error_code(0), -E_PROTO);
	assert_int_equal(aoe_error_code(7), -E_PROTO);
	assert_int_equal(aoe_error_code(255), -E_PROTO);
	for (unsigned i = 0; i < 256; i++)
		assert_true(strlen(aoe_error_text((uint8_t)i)) > 0);
}

static void set_word(uint8_t *d, unsigned i, unsigned v)
{
	d[2 * i] = (uint8_t)v;
	d[2 * i + 1] = (uint8_t)(v >> 8);
}

static void test_identify(void **state)
{
	uint8_t d[512] = {0};
	struct ata_identity id;

	assert_int_equal(ata_identify_decode(d, &id), -E_NOTSUP);
	set_word(d, 49, 0x0200);
	set_word(d, 60, 0x1234);
	set_word(d, 61, 0x0001);
	memcpy(d + 54, "oCarpor\0iaet", 12);
	assert_int_equal(ata_identify_decode(d, &id), 0);
	assert_int_equal(id.sectors, 0x11234);
	assert_false(id.lba48);
	assert_string_equal(id.model, "Coraop raite");
	set_word(d, 83, 0x5400);
	set_word(d, 100, 0xffff);
	set_word(d, 102, 1);
	assert_int_equal(ata_identify_decode(d, &id), 0);
	assert_true(id.lba48 && id.flush && !id.flush_ext);
	assert_int_equal(id.sectors, 0x10000ffffull);
	/* More than 48 bits, and 4 KiB sectors, are refused. */
	set_word(d, 103, 1);
	assert_int_equal(ata_identify_decode(d, &id), -E_NOTSUP);
	set_word(d, 103, 0);
	set_word(d, 106, 0x5000);
	set_word(d, 117, 2048);
	assert_int_equal(ata_identify_decode(d, &id), -E_NOTSUP);
	set_word(d, 117, 256);
	assert_int_equal(ata_identify_decode(d, &id), 0);
	/* Bits 14 and 15 say that the word is valid. */
	set_word(d, 83, 0xd400);
	assert_int_equal(ata_identify_decode(d, &id), 0);
	assert_false(id.lba48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_ata),
	    cmocka_unit_test(test_golden_others),
	    cmocka_unit_test(test_every_truncation),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_vblade_announcement),
	    cmocka_unit_test(test_error_codes),
	    cmocka_unit_test(test_identify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

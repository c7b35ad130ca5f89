/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes IDENTIFY DEVICE data (ATA8-ACS, "IDENTIFY DEVICE"). Pure. The words come
 * from a disk or from the network and are hostile until checked here.
 */
#include "kernel/drivers/ata_identify.h"
#include "kernel/lib/string.h"

#define WORD_SERIAL	 10
#define WORD_MODEL	 27
#define WORD_CAPS	 49
#define WORD_LBA28	 60
#define WORD_SETS	 83
#define WORD_LBA48	 100
#define WORD_SECTOR_INFO 106
#define WORD_SECTOR_SIZE 117

#define CAPS_LBA       BIT(9)
#define SETS_VALID     BIT(14) /* with bit 15 clear */
#define SETS_INVALID   BIT(15)
#define SETS_FLUSH_EXT BIT(13)
#define SETS_FLUSH     BIT(12)
#define SETS_LBA48     BIT(10)
#define INFO_LONG      BIT(12) /* logical sector longer than 256 words */

static uint16_t word(const uint8_t *data, unsigned i)
{
	return (uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
}

/* Two characters a word, the first in the high byte. */
static void copy_text(char *out, const uint8_t *data, unsigned first, unsigned words)
{
	unsigned len = 0;

	for (unsigned i = 0; i < words; i++) {
		out[len++] = (char)data[2 * (first + i) + 1];
		out[len++] = (char)data[2 * (first + i)];
	}
	for (unsigned i = 0; i < len; i++)
		if (out[i] < 0x20 || out[i] > 0x7e)
			out[i] = ' ';
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = 0;
}

static bool word_valid(uint16_t w)
{
	return (w & (SETS_VALID | SETS_INVALID)) == SETS_VALID;
}

int ata_identify_decode(const uint8_t data[512], struct ata_identity *out)
{
	uint16_t sets = word(data, WORD_SETS), info = word(data, WORD_SECTOR_INFO);
	uint64_t lba48 = 0;

	memset(out, 0, sizeof(*out));
	copy_text(out->serial, data, WORD_SERIAL, 10);
	copy_text(out->model, data, WORD_MODEL, 20);
	if (word_valid(sets)) {
		out->lba48 = sets & SETS_LBA48;
		out->flush = sets & SETS_FLUSH;
		out->flush_ext = sets & SETS_FLUSH_EXT;
	}
	if (word_valid(info) && (info & INFO_LONG)) {
		uint32_t words =
		    word(data, WORD_SECTOR_SIZE) | (uint32_t)word(data, WORD_SECTOR_SIZE + 1) << 16;

		if (words != 256)
			return -E_NOTSUP;
	}
	for (unsigned i = 0; i < 4; i++)
		lba48 |= (uint64_t)word(data, WORD_LBA48 + i) << (16 * i);
	out->sectors = word(data, WORD_LBA28) | (uint64_t)word(data, WORD_LBA28 + 1) << 16;
	if (out->lba48 && lba48)
		out->sectors = lba48;
	if (!(word(data, WORD_CAPS) & CAPS_LBA) || !out->sectors || out->sectors > ATA_LBA48_LIMIT)
		return -E_NOTSUP;
	if (!out->lba48 && out->sectors > ATA_LBA28_LIMIT)
		return -E_NOTSUP;
	return 0;
}

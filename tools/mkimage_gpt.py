# SPDX-License-Identifier: BSD-2-Clause
"""A GPT disk around one EFI system partition, byte for byte the same each time.

Layout by the UEFI specification, "GUID Partition Table (GPT) Disk Layout". The
file system inside the partition is left to the caller.
"""

import struct
import uuid
import zlib

SECTOR = 512
ESP_START = 2048  # sectors: 1 MiB, what every tool aligns to
ENTRIES = 128
ENTRY_SIZE = 128
TABLE_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR
TAIL_SECTORS = TABLE_SECTORS + 1  # backup table and header

ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
# Fixed, so that equal contents make equal images. Drawn once.
DISK_GUID = uuid.UUID("8d6a5f0e-93b1-4d0c-9a57-70a9c2f1e001")
ESP_GUID = uuid.UUID("8d6a5f0e-93b1-4d0c-9a57-70a9c2f1e002")


def _protective_mbr(disk_sectors):
    size = min(disk_sectors - 1, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, size)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _table(esp_sectors):
    entry = struct.pack(
        "<16s16sQQQ72s",
        ESP_TYPE.bytes_le,
        ESP_GUID.bytes_le,
        ESP_START,
        ESP_START + esp_sectors - 1,
        0,
        "Pagurus".encode("utf-16-le"),
    )
    return entry.ljust(ENTRIES * ENTRY_SIZE, b"\0")


def _header(here, other, table_at, table, disk_sectors):
    def pack(crc):
        return struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART",
            0x00010000,
            92,
            crc,
            0,
            here,
            other,
            2 + TABLE_SECTORS,
            disk_sectors - TAIL_SECTORS - 1,
            DISK_GUID.bytes_le,
            table_at,
            ENTRIES,
            ENTRY_SIZE,
            zlib.crc32(table),
        )

    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def disk_sectors(esp_sectors):
    return ESP_START + esp_sectors + TAIL_SECTORS


def write_tables(image, esp_sectors):
    """Write MBR and both GPTs around the partition into the open file `image`."""
    total = disk_sectors(esp_sectors)
    table = _table(esp_sectors)
    image.truncate(total * SECTOR)
    image.seek(0)
    image.write(_protective_mbr(total) + _header(1, total - 1, 2, table, total) + table)
    image.seek((total - TAIL_SECTORS) * SECTOR)
    image.write(table + _header(total - 1, 1, total - TAIL_SECTORS, table, total))


def esp_offset(image):
    """Byte offset of the first EFI system partition of the open file `image`.

    ValueError says what is wrong with a file that is no such disk.
    """
    image.seek(SECTOR)
    header = image.read(92)
    if len(header) < 92 or header[:8] != b"EFI PART":
        raise ValueError("no GPT: not a disk image made by mkimage.py?")
    table_at, count, size = struct.unpack_from("<QII", header, 72)
    if size < ENTRY_SIZE or size > 4096 or count > 1024:
        raise ValueError("GPT table has an impossible shape")
    for i in range(count):
        image.seek(table_at * SECTOR + i * size)
        entry = image.read(ENTRY_SIZE)
        if len(entry) == ENTRY_SIZE and entry[:16] == ESP_TYPE.bytes_le:
            return struct.unpack_from("<Q", entry, 32)[0] * SECTOR
    raise ValueError("GPT has no EFI system partition")

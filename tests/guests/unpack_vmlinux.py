#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The ELF kernel inside a bzImage: unpack_vmlinux.py VMLINUZ VMLINUX

The image's header says where the packed kernel lies (Linux boot protocol,
payload_offset and payload_length); Debian's cloud kernel packs it with LZ4.
"""
import os
import struct
import subprocess
import sys

HEADER_MAGIC = 0x202  # "HdrS"
SETUP_SECTS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C
LZ4_LEGACY = b"\x02\x21\x4c\x18"


def payload(image):
    """The packed kernel, and its size unpacked, which the build appends."""
    if image[HEADER_MAGIC:HEADER_MAGIC + 4] != b"HdrS":
        sys.exit("unpack_vmlinux: not a bzImage")
    start = (image[SETUP_SECTS] + 1) * 512 + struct.unpack_from("<I", image, PAYLOAD_OFFSET)[0]
    length = struct.unpack_from("<I", image, PAYLOAD_LENGTH)[0]
    packed = image[start:start + length - 4]
    if packed[:4] != LZ4_LEGACY:
        sys.exit(f"unpack_vmlinux: expected LZ4, the payload begins with {packed[:4].hex()}")
    return packed, struct.unpack_from("<I", image, start + length - 4)[0]


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as f:
        packed, size = payload(f.read())
    kernel = subprocess.run(["lz4", "-dc"], input=packed, stdout=subprocess.PIPE,
                            check=True).stdout
    if len(kernel) != size or kernel[:4] != b"\x7fELF":
        sys.exit(f"unpack_vmlinux: {len(kernel)} bytes came out, expected an ELF of {size}")
    with open(target + ".part", "wb") as f:
        f.write(kernel)
    os.replace(target + ".part", target)


if __name__ == "__main__":
    main()

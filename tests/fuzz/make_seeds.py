#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the hand-made seeds tests/fuzz/corpus/NAME/seed-*; the others were found.

Run it again after the way in which a target reads its input has changed.
"""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def seed(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data)


# ---- receive: 24 bytes of script, then records: type, [choices], number of spoilt bytes ----
HELLO, OFFER, RESERVE, FILE, FILE_DATA = b"\1\0", b"\2\0", b"\4\0", b"\5\0", b"\6\0"
PAGES, ZEROS, ROUND_END, STOP = b"\x08\x05\0\0", b"\x09\x10\0\x20\0\0", b"\x0a\0", b"\x0b\0"
VCPUS = b"\x0c\0\0" + b"\x0c\1\0"
DEVICES = b"".join(bytes([13, i, 0]) for i in range(8))
CLOCK, DIGESTS = b"\x0e\0", b"\x0f\0\0"
ENDED = b"\x10"


def receive():
    calm = bytes([0] * 24)
    files = FILE + FILE_DATA + FILE_DATA
    begin = HELLO + OFFER + files + RESERVE
    state = STOP + VCPUS + DEVICES + CLOCK
    for tail in range(2):  # an odd rest gives the VM a shared disk
        pad = b"\0" * (2 + tail)
        for flags in range(8):
            seed("receive", f"move{flags}{tail}", calm + begin + PAGES + ZEROS + ROUND_END + state +
                 (DIGESTS if flags & 2 else b"") + bytes([17, flags, 0]) + b"\x13\0" + pad)
    # a copied disk: 6 bytes modulo 8 are left at the offer
    place, data, holes = b"\x19\0", b"\x1a\x03\x7f\0", b"\x1b\x04\x02\0"
    for flags in (0, 2, 4, 6):
        rest = files + place + RESERVE + data + holes + PAGES + ROUND_END + STOP + data + \
            holes + VCPUS + DEVICES + CLOCK + (DIGESTS if flags & 2 else b"") + \
            bytes([17, flags, 0]) + b"\x13\0"
        rest += b"\0" * (2 + (3 - len(rest)) % 8)
        seed("receive", f"disk{flags}", calm + HELLO + OFFER + rest)
    # a VM that is off: 3 is its offer, byte bits: start, shared disk, copied disk
    log, end, settled = b"\x1e\x20\0\0", b"\x11\x0a\0", b"\x1f\0"
    for what in (0, 2, 4, 5):
        rest = files + (place if what & 4 else b"") + RESERVE + (data + holes + data if what & 4 else b"") + \
            log + end + b"\x13\0"
        cold = HELLO + bytes([3, what, 0]) + rest
        seed("receive", f"cold{what}", calm + cold + settled + b"\0\0")
        for query in (b"\0\0", b"\1\0", b"\1\1\0\0\7"):  # remembered, only in the datastore, about another
            seed("receive", f"cold-unsettled{what}{query[0]}{query[1]}", calm + cold + b"\0\0" +
                 b"\1\1\x0c\0\2" + b"\x17" + query + b"\0\0")
    begun = HELLO + b"\3\5\0" + files + place + RESERVE + data
    seed("receive", "cold-again", calm + begun + b"\0" + HELLO + b"\3\5\0" + files + place + RESERVE + data + end +
         b"\x13\0" + settled + b"\0\0")
    seed("receive", "cold-long-log", calm + begun + b"\x1e\xff\x7f\0" * 9 + end + b"\x13\0" + settled + b"\0\0")
    seed("receive", "cold-wrong-digest", calm + begun + b"\x11\2\0" + b"\x13\0" + b"\0\0")
    seed("receive", "cold-wrong-commit", calm + begun + end + b"\x13\1\0\0\1" + b"\0\0")
    seed("receive", "cold-no-digest", calm + begun + b"\x11\x08\0" + b"\x13\0" + b"\0\0")
    for found in (0xf1, 0xf2, 0xf4, 0xf8):  # NAME.part, one of another size, NAME, leaving/NAME
        seed("receive", f"cold-found-{found:x}", calm[1:] + bytes([found]) + begun + data + holes + end + b"\x13\0" +
             settled + b"\0\0")
    seed("receive", "query", calm + b"\1\1\x0c\0\2" + b"\x16\1\x10\0\1" + b"\0\0")
    seed("receive", "error", calm + HELLO + OFFER + b"\x35\xa8\0" + b"bad luck" + b"\0" * 160)
    seed("receive", "raw", calm + HELLO + b"\x22\x10\x00" + b"x" * 16)


def cold_digests():
    # which disk, count - 1, first block, a byte a digest (2: the right one), spoilt bytes
    whole = b"\0\x45\0" + b"\2\1\0\2" * 17 + b"\2\2" + b"\0"
    seed("cold_digests", "whole", whole + b"\1\0\0\2\0" + b"\2\0\0\2\0")
    seed("cold_digests", "beyond", b"\0\1\x45\2\2\0" + b"\1\1\0\2\2\0" + b"\3\0\0\2\0" + b"\0\0\xff\2\0")
    seed("cold_digests", "wraps", b"\0\1\0\2\2\x08" + b"".join(bytes([8 + i, 0, 255]) for i in range(8)))
    seed("cold_digests", "cut", b"\x20\7\0" + b"\2" * 8 + b"\0\x09\0" + b"\x20\7\0" + b"\2" * 8 + b"\0\x10\0")
    seed("cold_digests", "stop-fail", b"\x40\7\0" + b"\2" * 8 + b"\0" + b"\x80\7\0" + b"\2" * 8 + b"\0")


def guest_walk():
    # 32-bit tables: the last entry of page 1 maps the last page, and page 1 maps itself
    entries = b"\x08\x80" + struct.pack("<II", 0, 0x1003) + \
        b"\x18\x80" + struct.pack("<II", 0x1003, 0x2003)
    seed("guest_walk", "write-into-own-table",
         b"\0\0" + b"\x80\0\0" + struct.pack("<Q", 0xffffeffc) + b"\2" + entries + struct.pack("<H", 6))


def network():
    def guest(i, how):
        return bytes([i << 3, how])

    def wire(how, dst, src, rest=b""):
        return bytes([1, how, dst, src]) + rest

    def send(i, how, dst, src, rest=b""):
        return bytes([i << 3 | 5, how, dst, src]) + rest

    tick = b"\3\1"
    lan = guest(0, 1) + guest(1, 2) + guest(2, 0x43)  # the third without filter
    dmz = guest(3, 0x14) + guest(4, 0x55)
    seed("network", "lan", lan + send(0, 0, 2, 1) + send(1, 0x81, 0x80, 2, b"\0\1" + b"\1" * 44) + tick +
         wire(0, 1, 9) + wire(0, 0x80, 9) + tick)
    seed("network", "vlan", dmz + send(3, 0x80, 9, 4) + send(3, 0, 9, 4) + send(4, 0, 7, 7) + tick +
         wire(0x30, 4, 9) + wire(0x30, 7, 9) + wire(0x20, 4, 9) + tick)
    seed("network", "host-frames", lan + dmz + b"".join(
        send(i, how, dst, i + 1) for i in range(5) for how in (4, 5, 6, 7) for dst in (0x80, 0xf)) + tick)
    seed("network", "learning", lan + b"".join(send(2, 0, 2, m) + tick for m in range(16)) +
         b"".join(wire(0, 1, m) for m in range(16)) + guest(2, 0) + tick)
    seed("network", "flood", lan + send(0, 0, 2, 1) * 80 + send(1, 0, 9, 2) * 40 + tick)
    seed("network", "announce", lan + send(0, 0x81, 0x80, 1, bytes.fromhex(
        "0001080006040001 020000000001 0a000001 000000000000 0a0000fe") + bytes(18)) + b"\4" + tick)


def vnet():
    start = b"\x09\0" + (0xffffffff).to_bytes(4, "little")
    plain = start[:2] + (1 << 15).to_bytes(4, "little")
    give = b"\x09\x05\x20" + b"\0\0\0"  # a receive buffer
    wire = b"\x09\x04\x60\0"
    small = b"\x09\x07\x00" + b"\0\0" + b"\0\x20\0\0\0\0"
    large = b"\x09\x07\x0f" + b"\0\4" + b"\0\0\x40" + b"\1\2\0\0"
    seed("vnet", "receive", start + give + wire + wire + give)
    seed("vnet", "send", start + small + small + b"\3\0\1")
    seed("vnet", "segments", start + large + b"\3\0\1")
    seed("vnet", "no-room", start + b"\x09\x82" + large + b"\x09\x02" + b"\3\xff\xff")
    seed("vnet", "move", plain + give + wire + small + b"\5\1" + wire + b"\x09\x06" + give)


def vblk():
    start, kick = b"\x09\x18", b"\x09\x01"

    def request(kind, sector, pages=2):
        return b"\x09\x07" + bytes([kind, sector, 0, 0, pages, 0])

    for kind in range(9):
        seed("vblk", f"request{kind}", start + request(kind, 3) + kick + b"\x09\x02\0")
    seed("vblk", "move-with-requests", start + request(0, 1) + kick + b"\5\2" + b"\x09\x02\0")
    seed("vblk", "fenced", start + b"\x09\x0c" + request(1, 1) + kick + b"\7\x20" + kick)
    seed("vblk", "reset", start + request(1, 1) + kick + b"\x09\x06\x14\0\0\0\0" + b"\x09\x02\0")


def vrng():
    start, kick = b"\x09\x00", b"\x09\x01"

    def request(head, length):
        return b"\x09\x04" + bytes([head, 0, 1]) + struct.pack("<H", length) + b"\x10\0"

    seed("vrng", "request", start + request(0, 64) + kick)
    seed("vrng", "many", start + b"".join(request(2 * i, 1500) for i in range(7)) + kick + kick +
         b"\2\x10" + kick)
    seed("vrng", "spoilt", start + b"\x09\x04\0\0\1\x40\0\x10\1\x0c\1" + kick)


def fwcfg():
    def port_write(offset, size, value):  # step 0, window 0
        return b"\0\0" + bytes([offset, size]) + struct.pack("<Q", value)

    def dma(how, at, to, length, control):
        return b"\x09" + bytes([how]) + struct.pack("<IIH", at, to, length) + control

    read_port = b"\2\0\1\0"
    seed("fwcfg", "port", port_write(0, 1, 0x19) + read_port * 8 + b"\5\0" + read_port * 8)
    for key in range(0x19, 0x29):
        seed("fwcfg", f"dma{key:x}", dma(0, 0x1000, 0x2000, 0x900, bytes([key, 0x0a])) +
             dma(0, 0x1ff8, 0x1ffff0, 0x40, b"\0\2"))
    seed("fwcfg", "dma-long", dma(4, 0x1000, 0x2000, 0, b"\0\0\x20\x0a"))
    seed("fwcfg", "dma-wild", dma(3, 0, 0, 0, bytes(16)))


# ---- files ----
KERNEL_BASE = 0xffffffff80000000


def elf(entry, segments, size):
    """segments: flags, file offset, virtual, physical, bytes in the file, in memory."""
    head = b"\x7fELF\2\1\1" + bytes(9) + \
        struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    for flags, at, virt, phys, in_file, in_memory in segments:
        head += struct.pack("<IIQQQQQQ", 1, flags, at, virt, phys, in_file, in_memory, 256)
    return head + bytes(i & 0xff for i in range(size - len(head)))


def images():
    base = KERNEL_BASE
    seed("boot_elf", "good", elf(base + 16, [(5, 256, base, 0, 100, 100),
                                             (6, 512, base + 0x1ff000, 0, 256, 6000)], 768))
    guest = elf(0x200010, [(5, 256, base + 0x200000, 0x200000, 100, 100),
                           (6, 512, base + 0x300000, 0x300000, 256, 6000)], 768)
    seed("guest_image", "elf", b"\1" + guest)
    seed("guest_image", "elf-initrd", b"\5\x40\x10" + guest)
    seed("guest_image", "bzimage", b"\0\0")
    multiboot()


def multiboot():
    def header(flags, *addresses):
        return struct.pack("<III", 0x1badb002, flags, -(0x1badb002 + flags) & 0xffffffff) + \
            struct.pack(f"<{len(addresses)}I", *addresses)

    # how, [module sizes], the file
    load = 0x200000
    flat = b"\x90" * 64 + header(0x10003, load + 64, load, load + 256, load + 5000, load + 100) + \
        bytes(range(160))
    seed("multiboot", "flat", b"\x02\x80\x00\x09\x01" + flat)
    seed("multiboot", "flat-to-the-end", b"\0" + header(0x10000, load, load, 0, 0, load) + bytes(90))
    elf32 = b"\x7fELF\1\1\1" + bytes(9) + \
        struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, load + 16, 52, 0, 0, 52, 32, 2, 0, 0, 0) + \
        struct.pack("<IIIIIIII", 1, 128, 0xc0000000 + load, load, 100, 4000, 7, 4) + \
        struct.pack("<IIIIIIII", 1, 140, 0x10000, 0x10000, 20, 0x8f000, 7, 4) + header(3)
    seed("multiboot", "elf32", b"\x05\x40\x01\x40\x01\x40\x01\x40\x01\x40\x01" + elf32 + bytes(200))
    elf64 = elf(load, [(7, 120, 0xffffffff80000000, load, 100, 6000)], 120) + header(0) + bytes(120)
    seed("multiboot", "elf64", b"\0" + elf64)


def texts():
    seed("host_config", "good", b"name alpha\npool lab # us\nnic 00:03.0\nmtu 9000\nnet lan nic0\n"
         b"net dmz nic0 vlan 20 mtu 1496\nnet in none\nconsole com2 9600\nloglevel debug\nescape ^A\n")
    seed("vm_config", "firmware", b"\1memory 64M\nfirmware bios.bin\ndisk vda aoe 1.0\n")
    seed("vm_config", "good", b"\1memory 64M\nvcpus 2\nkernel vms/web/linux\ninitrd vms/web/rd\n"
         b"cmdline console=ttyS0 quiet\ndisk vda aoe 7.3\ndisk vdb local ata0 readonly\n"
         b"autostart yes\nuuid 00112233-4455-6677-8899-aabbccddeeff\nweight 200\n"
         b"cpu_hide avx2 rdrand\n")
    seed("vm_config", "modules", b"\1memory=64M\nkernel k\nmodule a x y\nmodule b\ntestdev=on\n")
    seed("console", "words", b"help\rhelp start\rstart web\rstart web now\rlist a b\rwait\r\3")
    seed("console", "editing", b"sta\t we\t\t\x1b[D\x1b[D\x01\x0b\x15\x1b[A\x1b[A\x1b[B\x7f\x17\r")
    seed("console", "move", b"move web beta downtime=100 bandwidth=10M dirty=pml verify dry-run\r")
    seed("stream", "hello", b"\1" + struct.pack("<IIII", 1, 104, 0, 0) + b"PAGURUS\0" + bytes(96) +
         struct.pack("<IIII", 21, 168, 0, 0) + struct.pack("<iI", -3, 4) + b"oops" + bytes(156))


def mmio():
    code = [b"\x8b\x1c\x88", b"\xa1\x20\0\xe0\xfe\0\0\0\0", b"\xf3\xa4", b"\xf3\x48\xa5",
            b"\xf0\x0f\xb1\x0b", b"\xf0\x0f\xc1\x03", b"\x0f\xb6\x07", b"\x48\x63\x07",
            b"\x80\x0f\x01", b"\x81\x07\1\2\3\4", b"\x0f\xba\x2f\x05", b"\x0f\xab\x0f",
            b"\xf3\xaa", b"\xac", b"\x87\x07", b"\xf7\x1f", b"\xff\x07", b"\xa9\1\2\3\4"]
    for i, c in enumerate(code):
        seed("mmio", f"insn{i}", bytes([len(c)]) + c + bytes(range(160)))


def checks():
    def at(*changes):  # the offset in FACTS, the new byte
        return b"\0" + bytes([len(changes)]) + b"".join(struct.pack("<HB", *c) for c in changes)

    seed("checks", "all-pass", b"\0\0")
    seed("checks", "many-entries", at((0, 0xff), (1, 0xff), (3, 0x7f)))
    seed("checks", "least-error", at((1592 + 3, 0x80)))
    seed("checks", "great-error", at((1592 + 3, 0x7f)))
    seed("checks", "pool", b"\2\x48\0\x1b\x49\0[\0")


def datastore():
    def at(which, offset, data):  # which: superblocks 0 1, log 2, areas 3 4
        return bytes([which]) + struct.pack("<H", offset) + bytes([len(data)]) + data

    def map_record(ident, index, cluster, count):
        return struct.pack("<HHIIIII", 3, 24, ident, index, cluster, count, 0)

    area, first, log = 4, 120, 2  # of the checkpoint; its first MAP record; the log
    seed("datastore", "valid", b"\0")
    for how in range(1, 32):
        seed("datastore", f"use{how}", bytes([how]))
    seed("datastore", "overlap", b"\0" + at(area, first, map_record(1, 0, 5, 1)))
    seed("datastore", "outside", b"\0" + at(area, first, map_record(1, 0, 1, 1)))
    seed("datastore", "beyond", b"\0" + at(area, first, map_record(1, 0, 4, 0xffffffff)))
    seed("datastore", "long-index", b"\0" + at(area, first, map_record(1, 0xffffffff, 4, 2)))
    seed("datastore", "no-object", b"\0" + at(area, first, map_record(9, 0, 4, 1)))
    seed("datastore", "huge", b"\2" + at(area, 16, struct.pack("<Q", 1 << 42)))
    seed("datastore", "bad-type", b"\0" + at(area, 0, b"\7\0"))
    seed("datastore", "bad-length", b"\0" + at(area, 2, b"\xff\xff"))
    seed("datastore", "cut", b"\0" + at(0, 48 - 8, struct.pack("<Q", 130)))
    seed("datastore", "same-name", b"\0" + at(area, 144 + 24, b"vm/a\0\0\0"))
    seed("datastore", "removed", b"\0" + at(log, 512, struct.pack("<HHI", 2, 8, 1)))
    seed("datastore", "ids", b"\0" + at(0, 52, b"\xff\xff\xff\xff"))
    seed("datastore", "newer", b"\0" + at(0, 8, b"\2"))


if __name__ == "__main__":
    datastore()
    checks()
    fwcfg()
    images()
    texts()
    mmio()
    network()
    vblk()
    vnet()
    vrng()
    guest_walk()
    receive()
    cold_digests()

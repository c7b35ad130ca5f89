# SPDX-License-Identifier: BSD-2-Clause
"""The host's own drivers on QEMU's models: disks keep data, network cards carry frames."""
import hashlib
import random
import re

import pytest

SIZE = 8 << 20
AREA = 600 * 512  # what `store test` writes, at the end of the disk
MODELS = {"e1000": "82540EM", "e1000e": "82574L", "virtio": "virtio"}


def pattern(first_sector, sectors):
    """As kernel/commands_disk.c."""
    return b"".join(bytes((i * 13 + (i >> 8) + s * 7) & 0xFF for i in range(512))
                    for s in range(first_sector, first_sector + sectors))


@pytest.fixture(scope="module")
def hosts(lab):
    pair = (lab.host("one", kind="qemu", nic_kind="e1000e", disk_kind=["ahci"]),
            lab.host("two", kind="qemu", nic_kind="virtio", disk_kind=["nvme"], chipset="q35"))
    for host in pair:
        for path in host.disks.values():
            path.write_bytes(random.Random(4).randbytes(SIZE))
    lab.start(*pair)
    yield pair
    for host in pair:
        host.check()
        host.kill()


def keeps_data(host, disk, path):
    """`store test` on it, judged by the file behind it."""
    before = path.read_bytes()
    assert "read back the same" in host.ok(f"store test {disk} --yes")
    assert path.read_bytes() == before, "what was there is not back"
    host.ok(f"store test {disk} --yes --leave")
    after = path.read_bytes()
    assert after[-AREA:] == pattern((len(after) - AREA) // 512, AREA // 512)
    assert hashlib.sha256(after[:-AREA]).digest() == hashlib.sha256(before[:-AREA]).digest()


@pytest.mark.parametrize("kind", ["ahci", "nvme"])
def test_disk(hosts, kind):
    host = next(h for h in hosts if kind in h.disks)
    text = host.ok("store").text
    assert re.search(rf"^{kind}0 +8 MiB +\d+ +\d+ +0 ", text, re.MULTILINE), text
    host.fails(f"store test {kind}0", "--yes")
    host.fails("store test sda --yes", "not found")
    keeps_data(host, f"{kind}0", host.disks[kind])
    log = host.ok("log 100").text
    assert "no interrupts" not in log and "is reset" not in log, log


def card(host):
    """Its counters: received, sent, interrupts."""
    text = host.ok("net").text
    assert MODELS[host.nic_kind] in text and "link up" in text, text
    assert re.search(r"^received .* dropped 0, errors 0$", text, re.MULTILINE), text
    return [int(re.search(words, text)[1]) for words in
            (r"received (\d+) frames", r"sent (\d+) frames", r"(\d+) interrupts")]


def test_network(hosts, lab):
    """The hosts hear each other; 300 KiB and more go to an AoE disk and come back, by interrupts."""
    for number, (host, other) in enumerate((hosts, hosts[::-1])):
        disk = lab.net.vblade(12, number)
        host.hears(other)
        keeps_data(host, f"e12.{number}", disk.path)
        received, sent, interrupts = card(host)
        # Two sectors a frame: the area is read thrice and written twice in the two tests.
        assert received > 5 * AREA // 1024 and sent > 5 * AREA // 1024
        assert interrupts > 10
        assert "no interrupts" not in host.ok("log 100")
        disk.kill()

# SPDX-License-Identifier: BSD-2-Clause
"""The host's own drivers on QEMU's models: disks keep data, network cards carry frames."""
import hashlib
import random
import re

import pytest

SIZE = 8 << 20
AREA = 600 * 512  # what `store test` writes, at the end of the disk


def pattern(first_sector, sectors):
    """As kernel/commands_disk.c."""
    return b"".join(bytes((i * 13 + (i >> 8) + s * 7) & 0xFF for i in range(512))
                    for s in range(first_sector, first_sector + sectors))


@pytest.fixture(scope="module")
def hosts(lab):
    one = lab.host("one", kind="qemu", disk_kind=["ahci"])
    for path in one.disks.values():
        path.write_bytes(random.Random(4).randbytes(SIZE))
    lab.start(one)
    yield [one]
    for host in (one,):
        host.check()
        host.kill()


@pytest.mark.parametrize("kind", ["ahci"])
def test_disk(hosts, kind):
    host = hosts[0]
    path = host.disks[kind]
    before = path.read_bytes()
    text = host.ok("store").text
    assert re.search(rf"^{kind}0 +8 MiB +\d+ +\d+ +0 ", text, re.MULTILINE), text
    host.fails(f"store test {kind}0", "--yes")
    host.fails("store test sda --yes", "not found")
    assert "read back the same" in host.ok(f"store test {kind}0 --yes")
    assert path.read_bytes() == before, "what was there is not back"
    host.ok(f"store test {kind}0 --yes --leave")
    after = path.read_bytes()
    assert after[-AREA:] == pattern((SIZE - AREA) // 512, AREA // 512)
    assert hashlib.sha256(after[:-AREA]).digest() == hashlib.sha256(before[:-AREA]).digest()

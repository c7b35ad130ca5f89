# SPDX-License-Identifier: BSD-2-Clause
"""A hot move that takes a local disk along, there and back, while the guest writes to it; and
snapshots of that guest.

Two hosts of their own, each with a datastore on its second disk. The bare guest writes blocks
with checksums to its disk and checks them all the time; at the end they are checked from outside.
"""
import json
import re
import subprocess

import pytest
from lab import guests
from lab.host import SCALE
from lab.pair import MOVE_TIMEOUT
from lab.work import disk_verify

CYLINDER = 16 * 63 * 512  # a disk of whole cylinders: Bochs finds its geometry
DISK = "disk/web/vda"


def pgstore(lab, *args):
    return subprocess.run([f"{lab.build}/pgstore", *args], check=True, capture_output=True,
                          text=True).stdout


def make_store(lab, path):
    with open(path, "wb") as f:
        f.truncate(32 * CYLINDER)
    pgstore(lab, "make", path, "main")
    return path.absolute()


@pytest.fixture(scope="module")
def hosts(lab):
    lab.folder.mkdir(parents=True, exist_ok=True)
    disks = [make_store(lab, lab.folder / f"{name}.img") for name in ("whelk", "conch")]
    web = guests.ticker("web", disks=["store main"], options="disk=1")
    whelk = lab.host("whelk", vms=[web], second_disk=disks[0])
    conch = lab.host("conch", second_disk=disks[1])
    lab.start(whelk, conch)
    yield whelk, conch
    for host in (whelk, conch):
        host.check()
        host.kill()


def objects(host):
    return set(re.findall(r"^(\S+/\S+)", host.ok("store-list main").text, re.M))


def move(source, target):
    before = source.follow("web", 2)
    result = source.ok(f"migrate web {target.name} --verify --max-downtime 2000", MOVE_TIMEOUT)
    text = result.text
    assert re.search(r"note +disk vda is copied +4 MiB +to datastore main", text)
    assert re.search(r"disks of 4194304 bytes: \d+ bytes sent, \d+ as holes", text)
    assert "every page compared: equal" in result.lines
    assert source.state("web") is None and target.state("web") == "running"
    assert DISK in target.ok("info web").text
    # the definition went along, with its boot file: each host knows after a restart who has it
    assert {DISK, "vm/web/vm.conf", "vm/web/kernel"} <= objects(target)
    assert not {DISK, "vm/web/vm.conf", "vm/web/kernel"} & objects(source)
    after = target.follow("web", 3)
    after.after(before)
    assert after.disk_ok > before.disk_ok


@pytest.fixture(scope="module")
def web_runs(hosts):
    whelk = hosts[0]
    whelk.ok(f"disk-create main {DISK} 4M")
    whelk.ok("start web")
    with whelk.console("web") as con:
        con.expect(r"work: tick 2 ", 60 * SCALE)
    return hosts


def test_there_and_back(web_runs):
    whelk, conch = web_runs
    # the target has no such datastore: refused, nothing moved
    whelk.fails("migrate web conch --disk vda=fast", "disk vda datastore", MOVE_TIMEOUT)
    move(whelk, conch)
    move(conch, whelk)
    # cancelled in the middle: the guest goes on, and nothing is left at the target
    whelk.fails("migrate web conch --bandwidth 1 --timeout 2", "cancelled", MOVE_TIMEOUT)
    whelk.follow("web", 2)
    assert DISK not in conch.ok("store-list main").text


def test_snapshots(web_runs):
    """Disk and memory go back together, or the guest would find blocks that it does not know."""
    whelk, conch = web_runs
    whelk.fails("snapshot web a/b", "expected 1 to 31")
    before = whelk.follow("web", 1)
    assert "snapshot in store main" in whelk.ok("snapshot web base", MOVE_TIMEOUT)
    whelk.fails("snapshot web base", "already", MOVE_TIMEOUT)
    later = whelk.follow("web", 5)
    later.after(before)
    whelk.fails("revert web base", "add --force")
    result = whelk.ok("revert web base --force", MOVE_TIMEOUT)
    assert re.search(r"pass +disk vda unchanged +the snapshot's +put back", result.text)
    again = whelk.follow("web", 2)
    assert before.mem_ok < again.rows[0][1] < later.mem_ok
    assert before.disk_ok < again.rows[-1][2]

    # back after a move: the other host's is gone first, or there would be two
    assert "moved to conch" in whelk.ok("migrate web conch --backup --max-downtime 2000",
                                        MOVE_TIMEOUT)
    conch.follow("web", 1).after(again)
    conch.ok("destroy web")
    conch.fails(f"disk-delete main {DISK}", "a disk of VM web: 'undefine' it first")
    conch.ok("undefine web")
    conch.ok(f"disk-delete main {DISK}")
    assert DISK not in objects(conch)
    rows = re.findall(r"^web +(\S+) +\S+ \S+ +1 .* yes +main", whelk.ok("snapshots web").text, re.M)
    assert rows == ["base", "before-move-1"]
    first = json.loads("\n".join(whelk.ok("snapshots web --json").lines))[0]
    assert first["name"] == "base" and first["state"]
    assert 0 < first["own_bytes"] <= first["stored_bytes"]
    whelk.fails("revert web before-move-1", "not defined here")
    whelk.ok("revert web before-move-1 --force", MOVE_TIMEOUT)
    whelk.follow("web", 2).after(again)
    for name in rows:
        whelk.ok(f"snapshot-delete web {name}")
    assert "snap/" not in whelk.ok("store-list main").text


def test_disks_at_the_end(lab, web_runs):
    whelk, conch = hosts = web_runs
    whelk.ok("destroy web")
    for host in hosts:
        host.kill()
    pgstore(lab, "check", whelk.second_disk)
    pgstore(lab, "check", conch.second_disk)
    pgstore(lab, "get", whelk.second_disk, DISK, lab.folder / "vda")
    low, high = disk_verify(lab.folder / "vda")
    assert 1 <= low <= high

# SPDX-License-Identifier: BSD-2-Clause
"""A host that dies in the middle of a move with a local disk, hot or suspended.

Two hosts, each with a datastore. One whole copy of the VM and its disk is left each time, and
the move succeeds afterwards. tests/unit/test_faults.c has every step and every fault.
"""
import re
import time

import pytest
from lab import guests
from lab.host import SCALE
from lab.pair import MOVE_TIMEOUT
from lab.work import disk_verify
from test_localdisk import DISK, make_store, pgstore

SLOW = "--bandwidth 1 --max-downtime 50"  # it never ends by itself: the guest writes too much
STAGES = [("pre-copy", SLOW), ("stop-and-copy", "--suspend --bandwidth 1")]


@pytest.fixture(scope="module")
def hosts(lab):
    lab.folder.mkdir(parents=True, exist_ok=True)
    disks = [make_store(lab, lab.folder / f"{name}.img") for name in ("murex", "triton")]
    web = guests.ticker("web", disks=["store main"], options="disk=1", pages=1024)
    murex = lab.host("murex", vms=[web], second_disk=disks[0])
    triton = lab.host("triton", second_disk=disks[1])
    lab.start(murex, triton)
    murex.ok(f"disk-create main {DISK} 4M")
    yield murex, triton
    for host in (murex, triton):
        host.check()
        host.kill()


def run(host):
    host.ok("start web")
    with host.console("web") as con:
        con.expect(r"work: tick 2 ", 60 * SCALE)


def begin(source, target, stage, options):
    hears(source, target.name)
    before = source.follow("web", 1)
    source.begin(f"migrate web {target.name} {options}")
    source.running_expect(re.escape(stage), MOVE_TIMEOUT)
    return before


def hears(host, name):
    for _ in range(60):
        rows = [line for line in host.ok("peers").lines if line.split()[:1] == [name]]
        if rows and "gone" not in rows[0]:
            return
        time.sleep(0.5)
    raise AssertionError(f"{host.name} does not see {name}")


@pytest.mark.parametrize("stage,options", STAGES, ids=["hot", "suspended"])
def test_target_killed(lab, hosts, stage, options):
    source, target = hosts
    if source.state("web") != "running":
        run(source)
    before = begin(source, target, stage, options)
    target.kill()
    assert not source.finish(120 * SCALE).ok
    source.follow("web", 2).after(before)
    assert DISK not in pgstore(lab, "list", target.second_disk)
    pgstore(lab, "check", target.second_disk)
    target.restart()


@pytest.mark.parametrize("stage,options", STAGES, ids=["hot", "suspended"])
def test_source_killed(lab, hosts, stage, options):
    source, target = hosts
    if source.state("web") != "running":
        run(source)
    begin(source, target, stage, options)
    source.kill()
    pgstore(lab, "check", source.second_disk)
    assert DISK in pgstore(lab, "list", source.second_disk)
    source.restart()
    assert source.state("web") == "off"
    assert target.state("web") is None
    assert DISK not in target.ok("store-list main").text


def test_and_then_it_moves(lab, hosts):
    source, target = hosts
    if source.state("web") != "running":
        run(source)
    hears(source, target.name)
    source.ok(f"migrate web {target.name} --verify --max-downtime 4000", MOVE_TIMEOUT)
    assert source.state("web") is None and target.state("web") == "running"
    target.follow("web", 2)
    target.ok("destroy web")
    for host in hosts:
        host.kill()
        pgstore(lab, "check", host.second_disk)
    assert DISK not in pgstore(lab, "list", source.second_disk)
    pgstore(lab, "get", target.second_disk, DISK, lab.folder / "vda")
    low, high = disk_verify(lab.folder / "vda")
    assert 1 <= low <= high

# SPDX-License-Identifier: BSD-2-Clause
"""Guests of one host share its CPU by weight, and one that misbehaves hurts only itself.

Host crowd has one CPU, so that everything meets there: the host's tasks, a guest that
computes without end (good), and one after the other of the rude ones.
"""
import re
import time

import pytest

from lab import guests
from lab.guests import Guest
from lab.host import SCALE

WAIT = 60 * SCALE
LOOPS = ["spin", "cpuid", "port", "mmio", "msr", "timer", "fault", "flood", "disk"]
TOP_ROW = re.compile(r"^(\S+) +(\d+) +\d+ +\d+ +([\d.]+) % +([\d.]+) % +\d+$", re.MULTILINE)


def rude(mode, memory=4, disks=()):
    return Guest(f"rude-{mode}", memory, {"kernel": "build/guest/rude.elf"}, mode, disks)


def busy(name, weight):
    return guests.ticker(name, pages=64, rate=50, options="poll", extra=[f"weight {weight}"])


@pytest.fixture(scope="module")
def crowd(lab):
    vms = [busy("good", 100), busy("heavy", 300), *map(rude, [*LOOPS[:-1], "reset", "triple"]),
           rude("disk", disks=[lab.net.vblade(9, 1)]), rude("fill", 120), rude("scan", 150)]
    host = lab.host("crowd", vms=vms, memory=256)
    lab.start(host)
    host.ok("start good")
    yield host
    host.check()
    host.kill()


def shares(host, seconds=1):
    """Name to (in the guest, for its exits), in percent of one CPU, over some seconds."""
    rows = TOP_ROW.findall(host.ok(f"top {seconds}").text)
    return {name: (float(guest), float(exits)) for name, _, guest, exits in rows}


def test_weights(crowd):
    crowd.ok("start heavy")
    crowd.follow("heavy", 1)
    seen = shares(crowd, 3)
    crowd.ok("destroy heavy")
    print(seen)
    assert 2 < seen["heavy"][0] / seen["good"][0] < 4, seen


def test_loops_cost_their_own_share(crowd):
    """Rude ones, their exits counted in, get no more than the good one, give or take."""
    seen = {}
    for mode in LOOPS:
        vm = f"rude-{mode}"
        crowd.ok(f"start {vm}")
        seen[mode] = shares(crowd)
        if mode == "disk":  # it does what it is here for
            with crowd.console(vm) as con:
                con.expect(r"^rude: requests \d+\n", WAIT)
        assert crowd.state(vm) == "running"
        crowd.ok(f"destroy {vm}")
        print(mode, seen[mode])
    for mode, share in seen.items():
        assert share["good"][0] > 0.6 * sum(share[f"rude-{mode}"]), (mode, share)


def test_flood_is_kept_and_left(crowd):
    """What nobody watched is shown, the loss is told, and Ctrl-] works in the flood."""
    crowd.ok("start rude-flood")
    shares(crowd)
    with crowd.console("rude-flood") as con:
        con.expect(r"^\[\d+ bytes that came before this were not kept\]", WAIT)
        con.expect(r"^\[\d+ bytes left out: the guest writes faster than the serial line\]", WAIT)
    crowd.ok("destroy rude-flood")


def test_reset_loop_is_slowed_down(crowd):
    crowd.ok("start rude-reset")
    shares(crowd, 3)
    crowd.ok("destroy rude-reset")
    log = crowd.ok("log 40").text
    at = [float(t) for t in re.findall(r"^\[ *([\d.]+)\] vm rude-reset: reset by the guest", log,
                                       re.MULTILINE)]
    assert len(at) > 1, log
    assert min(b - a for a, b in zip(at, at[1:])) >= 1, at


def test_triple_fault_stops_one(crowd):
    for _ in range(2):
        crowd.ok("start rude-triple")
        end = time.monotonic() + WAIT
        while crowd.state("rude-triple") != "crashed":
            assert time.monotonic() < end
        assert "triple fault" in crowd.ok("info rude-triple")
    crowd.ok("destroy rude-triple")


def memory_words(host, vm):
    host.ok(f"start {vm}")
    with host.console(vm) as con:
        seen = con.expect(r"^rude: memory words (\d+) patterns (\d+) not zero (\d+)\n", 2 * WAIT)
    host.ok(f"destroy {vm}")
    return [int(n) for n in seen.groups()]


def test_memory_is_scrubbed(crowd):
    """One guest fills its memory; the next has nearly all that there is, and finds nothing."""
    assert memory_words(crowd, "rude-fill")[0] > 100 << 17
    words, patterns, strange = memory_words(crowd, "rude-scan")
    assert words > 130 << 17
    assert (patterns, strange) == (0, 0)


def test_good_guest_is_sound(crowd):
    """After all that: its memory and its clock."""
    crowd.follow("good", 2)

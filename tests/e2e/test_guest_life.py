# SPDX-License-Identifier: BSD-2-Clause
"""How guests end and begin: off, reboot, crash, power button, one beside others.

Host crab has two CPUs and five bare guests that tick while a sixth is made to end.
"""
import re
import time

import pytest

from lab import guests
from lab.guests import Guest, LINUX_MEMORY, LINUX_QUIET
from lab.host import SCALE
from lab.pair import LINUX_BOOT_TIMEOUT, MOVE_TIMEOUT

TICKERS = [f"t{n}" for n in range(1, 6)]
WAIT = 60 * SCALE


def ender(name):
    return Guest(name, 4, {"kernel": "build/guest/ender.elf"}, "-")


def elf_linux(name):
    """Two CPUs, with work on memory."""
    return Guest(name, LINUX_MEMORY,
                 {"kernel": "build/guest/vmlinux", "initrd": "build/guest/initrd.img"},
                 f"{LINUX_QUIET} pagurus.work=4 pagurus.rate=50 pagurus.tick", vcpus=2)


@pytest.fixture(scope="module")
def crab(lab):
    tickers = [guests.ticker(name, pages=64, rate=50) for name in TICKERS]
    bulk = guests.ticker("bulk", memory=16, pages=1536, rate=1)
    host = lab.host("crab", cpus=2, vms=[*tickers, bulk, ender("ender"), elf_linux("elf")])
    lab.start(host)
    for name in TICKERS:
        host.ok(f"start {name}")
    yield host
    host.check()
    host.kill()


def wait_state(host, vm, state, timeout=WAIT):
    end = time.monotonic() + timeout
    while host.state(vm) != state:
        assert time.monotonic() < end, f"{vm} is {host.state(vm)} at {host.name}, not {state}"
        time.sleep(0.5)


def start_ender(host):
    if host.state("ender") is None:
        host.ok("define ender")
    host.ok("start ender")
    with host.console("ender") as con:
        con.expect(r"^guest: ready", WAIT)


def press(host, key, words):
    """Type a key on the ender's console, and wait for what it then says."""
    with host.console("ender") as con:
        con.send(key)
        con.expect(words, WAIT)


def switch_off(host, vm, line):
    """Type a line that ends the guest; its console says so and is left."""
    host.begin(f"console {vm}")
    host.running_expect(r"^attached to ", WAIT)
    host.serial.settle()
    host.serial.send(line)
    assert host.finish(WAIT).ok
    wait_state(host, vm, "off")


def all_tick(host, names=TICKERS):
    for name in names:
        host.follow(name, 1)


def test_two_cpus_run_five_guests(crab):
    assert [crab.state(name) for name in TICKERS] == ["running"] * len(TICKERS)
    assert re.search(r"2 CPUs|cpus +2", crab.ok("host").text, re.IGNORECASE)
    all_tick(crab)


def test_pause_stops_one_guest_alone(crab):
    before = crab.follow("t1", 2)
    crab.ok("pause t1")
    assert crab.state("t1") == "paused"
    all_tick(crab, TICKERS[1:])
    with crab.console("t1") as con:
        time.sleep(3)
        assert "work: tick" not in crab.serial.text(con.live), "a paused guest ticked"
    crab.ok("unpause t1")
    after = crab.follow("t1", 2)
    after.after(before)
    # its clock stood still with it: the next line is the next second, and no gap is seen
    assert after.rows[0][0] <= before.tick + 4
    assert after.longest_gap_ms < 1000


@pytest.mark.parametrize("key,reason", [
    ("t", r"triple fault"),
    ("u", r"needs its IDT, GDT, TSS or stack where no memory is"),
    # LGDT is 0F 01 /2; which register holds the address is the compiler's choice
    ("m", r"cannot carry out .* 0xd000000\d by (41 )?0f 01 [159][0-7]")])
def test_crash_stays_alone(crab, key, reason):
    start_ender(crab)
    with crab.console("ender") as con:
        con.send(key)
    wait_state(crab, "ender", "crashed")
    assert re.search(rf"^reason +.*{reason}", crab.ok("info ender").text, re.MULTILINE)
    all_tick(crab)


def test_power_off(crab):
    start_ender(crab)
    switch_off(crab, "ender", "p")
    all_tick(crab, ["t1"])


def test_power_button(crab):
    start_ender(crab)
    crab.ok("shutdown ender")
    with crab.console("ender") as con:
        con.expect(r"^ender: power button$", WAIT)
    crab.ok("destroy ender")
    assert crab.state("ender") == "off"


def test_reset(crab):
    start_ender(crab)
    with crab.console("ender") as con:
        con.expect(r"^ender: second 2$")
    press(crab, "r", r"^ender: reset\n(?:.*\n)*?guest: ready\n(?:.*\n)*?ender: second 1\n")
    assert crab.state("ender") == "running"
    crab.ok("destroy ender")


def test_elf_kernel(crab):
    """Linux without the decompressor in front of it, on two vCPUs; more vCPUs run than CPUs."""
    crab.ok("start elf")
    with crab.console("elf") as con:
        con.expect(r"^guest: cpus 0-1\nguest: ready", LINUX_BOOT_TIMEOUT)
    crab.follow("elf", 2)
    all_tick(crab)
    crab.ok("destroy elf")


# ---- with the other hosts ----------------------------------------------------------

def move(source, target, vm, options=""):
    result = source.ok(f"migrate {vm} {target.name} {options}".strip(), MOVE_TIMEOUT)
    assert source.state(vm) is None
    assert target.state(vm) == "running"
    return result


def meet(pair, crab):
    pair.wait_peer(crab, "beta")
    pair.wait_peer(pair.beta, "crab")


def test_two_of_five_go_and_come_back(pair, crab):
    meet(pair, crab)
    for name in ("t1", "t2"):
        before = crab.follow(name, 2)
        move(crab, pair.beta, name, "--verify --max-downtime 5000")
        away = pair.beta.follow(name, 2)
        away.after(before)
        all_tick(crab, TICKERS[2:])
    for name in ("t2", "t1"):
        before = pair.beta.follow(name, 1)
        move(pair.beta, crab, name, "--verify --max-downtime 5000")
        crab.follow(name, 2).after(before)
    all_tick(crab)


def test_reset_after_a_move(pair, crab):
    """What the guest was booted from has gone along with it."""
    meet(pair, crab)
    start_ender(crab)
    move(crab, pair.beta, "ender")
    rows = pair.beta.json("validate ender", WAIT)
    assert {"state", "vCPUs", "timers", "console"} <= {r["check"] for r in rows}, rows
    assert all(r["result"] != "FAIL" and r["seen"] for r in rows), rows
    press(pair.beta, "k", r"^Kernel panic")
    result = pair.beta.fails("validate ender", "1 of", WAIT)
    assert re.search(r'^FAIL +console +"Kernel panic - not syncing: asked for"', result.text,
                     re.MULTILINE), result.text
    assert re.search(r'^validated FAIL console: "Kernel panic', pair.beta.ok("info ender").text,
                     re.MULTILINE)
    press(pair.beta, "r", r"^ender: reset\n(?:.*\n)*?guest: ready\n(?:.*\n)*?ender: second 1\n")
    switch_off(pair.beta, "ender", "p")


def rate(result):
    """Bytes a second over the whole move, by the host's own clock."""
    match = re.search(r"moved to \S+ in ([\d.]+) ms, .* (\d+) bytes on the wire", result.text)
    assert match, result
    return int(match.group(2)) * 1000 / float(match.group(1))


def test_bandwidth_is_kept(pair, crab):
    meet(pair, crab)
    crab.ok("start bulk")
    crab.follow("bulk", 1)
    free = rate(move(crab, pair.beta, "bulk"))
    kept = rate(move(pair.beta, crab, "bulk", "--bandwidth 1"))
    crab.ok("destroy bulk")
    print(f"free {free:.0f} bytes/s, with --bandwidth 1 {kept:.0f} bytes/s")
    assert kept <= 1.02e6
    assert free > 1.1 * kept

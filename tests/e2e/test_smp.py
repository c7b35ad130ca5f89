# SPDX-License-Identifier: BSD-2-Clause
"""Guests with many CPUs, their local APICs in hardware (host hard) and in software (host soft).

tests/guests/smp.c counts interrupts of every kind and says CORRUPT when one is lost, comes
twice or in the wrong order.
"""
import re
import time

import pytest

from lab.guests import Guest, LINUX_MEMORY, LINUX_QUIET
from lab.host import SCALE
from lab.pair import LINUX_BOOT_TIMEOUT, MOVE_TIMEOUT

SMP_TIMEOUT = 300 * SCALE


def smp(name, vcpus, options=""):
    return Guest(name, 8, {"kernel": "build/guest/smp.elf"}, f"cpus={vcpus} {options}".strip(),
                 vcpus=vcpus)


def linux(name, vcpus):
    return Guest(name, LINUX_MEMORY,
                 {"kernel": "build/guest/vmlinuz", "initrd": "build/guest/initrd.img"},
                 f"{LINUX_QUIET} pagurus.work=4 pagurus.rate=50 pagurus.tick", vcpus=vcpus)


@pytest.fixture(scope="module")
def two(lab):
    # Linux only in software: Bochs delivers wrongly in hardware (docs/smp.md).
    vms = [smp("many", 16), smp("loop", 2, "loop"), linux("four", 4)]
    hard = lab.host("hard", cpus=2, vms=vms, conf="apicv on\n")
    soft = lab.host("soft", cpus=2, vms=[vms[0], vms[2]], conf="apicv off\n")
    lab.start(hard, soft)
    yield hard, soft
    for host in (hard, soft):
        host.check()
        host.kill()


def wait_peer(host, name):
    for _ in range(60):
        if re.search(rf"^{name}\b(?!.*gone)", host.ok("peers").text, re.MULTILINE):
            return
        time.sleep(0.5)
    raise AssertionError(f"{host.name} does not see {name}")


def exits(host, vm):
    """Kind to count."""
    rows = (re.fullmatch(r"([a-z0-9-]+) +(\d+)", line) for line in host.ok(f"info {vm}").lines)
    return {row.group(1): int(row.group(2)) for row in rows if row}


def test_sixteen_cpus(two):
    """On two CPUs each; both hosts at once."""
    for host in two:
        host.ok("start many")
    for host in two:
        with host.console("many") as con:
            con.expect(r"^smp: xAPIC done\n(?:.*\n)*?guest: ready, corrupt 0\n", SMP_TIMEOUT)
    hard, soft = (exits(host, "many") for host in two)
    assert hard["apic-write"] and hard["apic-eoi"]
    assert "apic-write" not in soft and "apic-eoi" not in soft
    # the ends of interrupts are most of what software must carry out
    assert hard["wrmsr"] < soft["wrmsr"] and hard["mmio"] < soft["mmio"]
    for host in two:
        host.ok("destroy many")


def test_linux_on_four_cpus(two):
    two[1].ok("start four")
    with two[1].console("four") as con:
        con.expect(r"^guest: cpus 0-3\nguest: ready", LINUX_BOOT_TIMEOUT)
    two[1].follow("four", 2)
    two[1].ok("destroy four")


def test_between_hardware_and_software(two):
    """There and back in the middle of IPIs, shootdowns and timers, every page compared."""
    source, target = two
    source.ok("start loop")
    with source.console("loop") as con:
        con.expect(r"^guest: ready, corrupt 0\n", SMP_TIMEOUT)
    for host, other in (two, two[::-1]):
        wait_peer(host, other.name)
    for _ in range(2):
        before = source.follow("loop", 2)
        source.ok(f"migrate loop {target.name} --verify --max-downtime 5000", MOVE_TIMEOUT)
        assert target.state("loop") == "running" and source.state("loop") is None
        target.follow("loop", 2).after(before)
        source, target = target, source

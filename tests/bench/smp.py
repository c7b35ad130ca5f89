# SPDX-License-Identifier: BSD-2-Clause
"""Several CPUs: what an IPI takes, and how often an idle Linux on two of them exits."""
import re
import time

from lab import Lab
from lab.guests import LINUX_MEMORY, LINUX_QUIET, Guest
from parts import INIT, SAMPLE, WAIT

IPIS = {"ipi-xapic": "xAPIC, other CPU busy", "ipi-xapic-halted": "xAPIC, other CPU halted",
        "ipi-x2apic": "x2APIC, other CPU busy", "ipi-x2apic-halted": "x2APIC, other CPU halted"}
SELF = {"ipi-xapic-self": "xAPIC", "ipi-x2apic-self": "x2APIC"}
UPTIME = re.compile(r"^uptime +(\d+) days (\d+):(\d+):(\d+)$", re.MULTILINE)
EXITS = re.compile(r"^([a-z0-9-]+) +(\d+)$")
SETTLE_S = 20  # Linux calms down after its boot
IDLE_S = 60


def uptime(host):
    days, hours, minutes, seconds = map(int, UPTIME.search(host.ok("host").text).groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def exits(host, vm):
    rows = (EXITS.match(line) for line in host.ok(f"info {vm}").lines)
    return {row.group(1): int(row.group(2)) for row in rows if row}


def wait_until(host, second):
    while uptime(host) < second:
        time.sleep(2)


def ipis(figures, host, where):
    host.ok("start ipi")
    with host.console("ipi") as con:
        con.expect("^guest: ready\n", WAIT)
    seen = {m.group(1): m for m in SAMPLE.finditer(host.serial.text())}
    for names, what in ((IPIS, "IPI round trip"), (SELF, "IPI to itself")):
        for name, words in names.items():
            figures.add(f"{what}, {words}, APIC in {where}, median", int(seen[name].group(3)),
                        "ticks")
    host.ok("destroy ipi")


def idle(figures, host):
    host.ok("start linux")
    with host.console("linux") as con:
        con.expect(INIT.pattern, WAIT)
    wait_until(host, uptime(host) + SETTLE_S)
    start, before = uptime(host), exits(host, "linux")
    wait_until(host, start + IDLE_S)
    took, after = uptime(host) - start, exits(host, "linux")
    total = sum(after.values()) - sum(before.values())
    figures.add("idle Linux on 2 CPUs, exits per second", total / took, "exits/s")
    for kind in sorted(after):
        count = after[kind] - before.get(kind, 0)
        if count:
            figures.add(f"idle Linux on 2 CPUs, {kind} exits per second", count / took, "exits/s")


def smp(figures, args):
    """IPIs between two CPUs, local APICs in hardware and in software; an idle Linux on two."""
    build = args.build
    ipi = Guest("ipi", 8, {"kernel": f"{build}/guest/ipi.elf"}, "cpus=2", vcpus=2)
    linux = Guest("linux", LINUX_MEMORY, {"kernel": "build/guest/vmlinuz",
                                          "initrd": f"{build}/guest/initrd-bench.img"},
                  f"{LINUX_QUIET} bench.entry={0:016x}", vcpus=2)
    with Lab(args.folder / "smp", build=build) as lab:
        hard = lab.host("hard", args.kind, cpus=2, vms=[ipi], conf="apicv on\n")
        # Linux in software: Bochs delivers wrongly in hardware (docs/smp.md).
        soft = lab.host("soft", args.kind, cpus=2, vms=[ipi, linux], conf="apicv off\n")
        lab.start(hard, soft)
        ipis(figures, hard, "hardware")
        ipis(figures, soft, "software")
        hard.check()
        hard.kill()
        idle(figures, soft)
        soft.check()

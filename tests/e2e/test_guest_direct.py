# SPDX-License-Identifier: BSD-2-Clause
"""Guests that need no firmware: Multiboot kernels, and memtest86+ as Debian ships it.

Host limpet runs them. The Multiboot kernel tells what it was given and tries the test
device; `mb: FAIL` is its word for what is not as it should be.
"""
import re
import time

import pytest

from lab.guests import Guest
from lab.host import SCALE
from lab.pair import MOVE_TIMEOUT

WAIT = 60 * SCALE
# 64 KiB of the test device's memory go while the guest stands still
MOVE = "--verify --max-downtime 5000"
MEMTEST = "/boot/memtest86+x64.bin"  # Debian's package memtest86+


def multiboot(name, kernel, cmdline, extra=()):
    return Guest(name, 8, {"kernel": f"build/guest/{kernel}", "initrd": "build/guest/ticker.elf"},
                 cmdline, extra=("testdev=on", *extra))


@pytest.fixture(scope="module")
def limpet(lab):
    host = lab.host("limpet", vms=[
        multiboot("mb", "multiboot.elf", "wait exit=17", ["module vm.conf two  words"]),
        multiboot("flat", "multiboot.bin", "exit=0"),
        Guest("mem", 8, {"kernel": MEMTEST}, "console=ttyS0,115200")])
    lab.start(host)
    yield host
    host.check()
    host.kill()


def checksum(data):
    value = 0
    for byte in data:
        value = ((value << 1 | value >> 31) + byte) & 0xffffffff
    return value


def wait_off(host, vm):
    end = time.monotonic() + WAIT
    while host.state(vm) != "off":
        assert time.monotonic() < end, f"{vm} is {host.state(vm)}, not off"
        time.sleep(0.5)


def test_multiboot_elf(limpet):
    """Command line, memory map, the initrd and a module with arguments, the test device."""
    limpet.ok("start mb")
    with limpet.console("mb") as con:
        con.expect(r"^mb: waiting", WAIT)
        text = limpet.serial.text(con.start)
    assert "FAIL" not in text
    assert "mb: cmdline 'vms/mb/multiboot.elf wait exit=17'" in text
    assert "mb: mem_lower 0000027c\nmb: mem_upper 00001c00\n" in text
    assert "mb: mmap 00100000 00700000 00000001\n" in text
    folder = limpet.folder / "vms" / "mb"
    for name, words in (("ticker.elf", ""), ("vm.conf", " two  words")):
        data = (folder / name).read_bytes()
        assert f"mb: module 'vms/mb/{name}{words}' {len(data):08x} {checksum(data):08x}\n" in text
    assert re.findall(r"mb: ok (\w+)", text) == \
        ["magic", "state", "flags", "module", "module", "ports", "ram", "lines"]


def end_by_testdev(host, vm, key, status):
    """The guest writes to port F4h: its console, the log and the list say with what."""
    host.begin(f"console {vm}")
    host.running_expect(r"^attached to ", WAIT)
    host.serial.settle()
    host.serial.send(key)
    text = host.finish(WAIT).text
    assert f"[test device: status {status}]" in text and "still here" not in text
    wait_off(host, vm)
    assert re.search(rf"^{vm} +off, test status {status}\b", host.ok("list").text, re.MULTILINE)
    assert f"test status {status}\n" in host.ok(f"info {vm}").text
    assert f"vm {vm}: ended by its test device, status {status}" in host.ok("log").text
    return text


def test_multiboot_moves_with_its_files(pair, limpet):
    """The test device's state goes along; so do the modules, for a reset there."""
    pair.wait_peer(limpet, "beta")
    if limpet.state("mb") == "off":
        limpet.ok("start mb")
    if limpet.state("mb"):  # else a first try of this test left it at beta
        limpet.ok(f"migrate mb beta {MOVE}", MOVE_TIMEOUT)
    with pair.beta.console("mb") as con:
        con.send("r")
        con.expect(r"^mb: hello\n(?:.*\n)*?mb: waiting", WAIT)
        text = pair.beta.serial.text(con.mark)
    assert "FAIL" not in text
    for name in ("ticker.elf", "vm.conf two  words"):  # beta may have the file as another VM's
        assert re.search(rf"^mb: module 'vms/\w+/{name}' [0-9a-f]{{8}} [0-9a-f]{{8}}$", text, re.M)
    pair.wait_peer(pair.beta, "limpet")
    pair.beta.ok(f"migrate mb limpet {MOVE}", MOVE_TIMEOUT)
    assert "mb: ok kept" in end_by_testdev(limpet, "mb", "x", 35)


def test_multiboot_flat(limpet):
    """The header's address fields, in low memory; and again after its end, which leaves a clean machine."""
    for _ in range(2):
        limpet.ok("start flat")
        wait_off(limpet, "flat")
        assert re.search(r"^flat +off, test status 1\b", limpet.ok("list").text, re.MULTILINE)
        # nobody watched: its last words are kept
        limpet.fails("console flat", r"mb: end\n(?:.*\n)*\[test device: status 1\]")


def test_memtest(limpet):
    """As it is, on the serial console: it names itself and gets on with its tests."""
    limpet.ok("start mem")
    with limpet.console("mem") as con:
        con.expect(r"Memtest86\+ v[\d.]+", WAIT)
        # a bar, and behind it a later test than the first
        con.expect(r"\d+% #+ +#[1-9]\d* +\[", WAIT)
        text = limpet.serial.text(con.start)
    assert "Errors: 0" in text and not re.search("Errors: [1-9]", text)
    limpet.ok("destroy mem")

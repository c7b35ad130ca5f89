# SPDX-License-Identifier: BSD-2-Clause
"""The test guest by itself, on an emulator that is known to be right (QEMU).

What the guest reports about Pagurus is worth something only if it says nothing
wrong about a sound machine, and does say so about a damaged one.
"""
import subprocess
import time

import pytest

from lab.guests import LINUX_QUIET
from lab.work import TICK, Ticks, disk_verify


def qemu(tmp_path, memory, options):
    disk = tmp_path / "disk.img"
    if not disk.exists():
        with open(disk, "wb") as f:
            f.truncate(4 << 20)
    return subprocess.Popen(
        ["qemu-system-x86_64", "-M", "pc", "-cpu", "max", "-m", str(memory), "-nodefaults",
         "-display", "none", "-no-reboot", "-serial", "stdio",
         "-kernel", "build/guest/vmlinuz", "-initrd", "build/guest/initrd.img",
         "-append", f"{LINUX_QUIET} pagurus.work=4 pagurus.disk=vda {options}",
         "-drive", f"if=none,id=d,file={disk},format=raw,cache=writeback,file.locking=off",
         "-device", "virtio-blk-pci,drive=d,disable-legacy=on"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace")


@pytest.fixture(scope="module", autouse=True)
def guests():
    run = subprocess.run(["make", "-s", "guests"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("memory", [72, 96])
def test_sound_machine(tmp_path, memory):
    process = qemu(tmp_path, memory, "pagurus.poweroff=4 pagurus.diskrate=50")
    try:
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    seen = Ticks(text)
    assert seen.tick >= 4, text
    seen.check()
    assert seen.mem_ok > 1000 and seen.disk_ok > 64
    disk_verify(tmp_path / "disk.img")


def test_damaged_disk_is_noticed(tmp_path):
    process = qemu(tmp_path, 96, "pagurus.diskrate=1")
    end = time.monotonic() + 120
    text = ""
    try:
        while "CORRUPT disk block" not in text and time.monotonic() < end:
            line = process.stdout.readline()
            assert line, text
            text += line
            if TICK.match(line.strip()) and "corrupt 0" in line:
                with open(tmp_path / "disk.img", "r+b") as f:
                    f.seek(40 * 4096 + 800)
                    f.write(b"damage")
    finally:
        process.kill()
        process.wait()
    assert "CORRUPT disk block" in text, text

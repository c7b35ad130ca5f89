#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make demo: two machines, one Debian guest at work, one hot move, narrated.

Starts two emulated machines on one Ethernet with a shared AoE disk, boots
Pagurus on both, starts a Linux guest that checks its own memory and disk all
the time, moves it while it works, and lets the guest and the disk testify.
Exit status 0 only when all of that went well. Nothing stays behind.
"""
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from lab import Lab, enter_namespace, guests, pick  # noqa: E402
from lab.serial import clean  # noqa: E402
from lab.work import disk_verify  # noqa: E402

FOLDER = "build/demo"
COLOURS = {"alpha": "\x1b[36m", "beta": "\x1b[33m"}
LIMIT = 600  # seconds to wait for any single thing on a slow machine


class Story:
    """Prints what we do, and beside it what the hosts print."""

    def __init__(self):
        self.started = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()
        self.shown = set()

    def paint(self, code, text):
        return f"{code}{text}\x1b[0m" if self.colour else text

    def say(self, text):
        seconds = int(time.monotonic() - self.started)
        with self.lock:
            print(f"\n{self.paint(chr(27) + '[1m', f'[{seconds // 60}:{seconds % 60:02}] {text}')}",
                  flush=True)

    def watcher(self, host):
        """Whole lines of a host's serial line, once each, behind its name."""
        pending = [""]

        def take(piece):
            pending[0] += piece
            *lines, pending[0] = pending[0].split("\n")
            for line in lines:
                text = clean(line).rstrip()
                if text and host in self.shown:
                    with self.lock:
                        print(f"  {self.paint(COLOURS[host], f'{host:>5} |')} {text[:110]}",
                              flush=True)
        return take


def build(story):
    story.say("Building Pagurus and the guest's initramfs")
    run = subprocess.run(["make", "-s", "-j2", "build/BOOTX64.EFI", "build/pagurus.elf", "guests"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        raise AssertionError(f"the build failed:\n{run.stdout[-3000:]}")


def boot(story, lab):
    kind, why = pick()
    emulator = {"bochs": "Bochs", "kvm": "QEMU with nested VT-x"}.get(kind, kind)
    story.say(f"One Ethernet, one AoE disk (vblade 1.0), two machines in {emulator} ({why})")
    disk = lab.net.vblade(1, 0, size=16 << 20)
    web = guests.linux("web", disks=[disk], work=4, rate=50)
    alpha, beta = lab.host("alpha", vms=[web]), lab.host("beta")
    story.shown |= {"alpha", "beta"}
    lab.start(alpha, beta, timeout=LIMIT)
    for _ in range(30):
        if "beta" in alpha.ok("peers"):
            break
        time.sleep(1)
    return disk, alpha, beta


def start_guest(story, alpha):
    story.say("Starting 'web' on alpha: Debian's kernel, which checks 4 MiB of memory and its disk")
    alpha.ok("start web")
    with alpha.console("web") as con:
        con.expect("guest: ready", LIMIT)
        story.say("The guest is up; one line of its counters a second")
        con.expect("work: tick 3 ", LIMIT)
        return con.follow(1, LIMIT)


def move(story, alpha, beta, before):
    story.say("Moving it to beta while it works: migrate web beta --verify")
    result = alpha.ok("migrate web beta --verify", timeout=LIMIT)
    story.say("alpha no longer has it, beta runs it: the same counters go on there")
    alpha.ok("list")
    after = beta.follow("web", 3, LIMIT)
    after.after(before)
    return result, after


def summary(story, disk, result, before, after, beta):
    beta.ok("destroy web")
    low, high = disk_verify(disk.path)
    story.shown.clear()
    story.say("What happened")
    figures = [line for line in result.lines
               if any(word in line for word in ("moved to", "blackout", "compared"))]
    for line in figures:
        print(f"  {line}")
    print(f"  guest's clock: tick {before.tick} on alpha, tick {after.rows[0][0]} on beta; "
          f"longest gap it felt: {after.longest_gap_ms} ms")
    print(f"  guest's memory: {after.mem_ok} page checks, no mismatch")
    print(f"  guest's disk: {after.disk_ok} block checks, no mismatch; the target's file holds "
          f"every block, generations {low} to {high}")
    print("\nThe guest moved while it worked, and it is the same guest.", flush=True)


def main():
    os.chdir(ROOT)
    story = Story()
    try:
        build(story)
        enter_namespace()
        with Lab(FOLDER, watcher=story.watcher) as lab:
            disk, alpha, beta = boot(story, lab)
            before = start_guest(story, alpha)
            result, after = move(story, alpha, beta, before)
            lab.check()
            summary(story, disk, result, before, after, beta)
    except (AssertionError, OSError, subprocess.SubprocessError) as why:
        print(f"\nThe demonstration failed:\n{why}\nLogs: {FOLDER}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

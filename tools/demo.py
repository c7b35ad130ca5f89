#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make demo: two machines, one Debian guest at work, moved while it runs, narrated.

Starts two emulated machines on one Ethernet with a shared AoE disk, boots
Pagurus on both, starts a Linux guest that checks its own memory and disk all
the time, moves it there and back while it works, and lets the guest and the
disk testify. Exit status 0 only when all of that went well. Nothing stays behind.
"""
import os
import pathlib
import re
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
BOLD, GREEN, DIM, OFF = "\x1b[1m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
COLOURS = {"alpha": "\x1b[36m", "beta": "\x1b[33m"}
WIDTH = 100
LIMIT = 600  # seconds to wait for any single thing on a slow machine

# Of the hosts' serial lines, what tells a newcomer nothing.
DULL = re.compile(r"BdsDxe|^pagurus: (ACPI|vms/|host\.conf|\d CPU)|^(acpi|e1000|ata|aoe|mem): |"
                  r"^'help' lists|^net: nic|^peers: .* is back|hand-over H_|rate, dirty|"
                  r"^migrate: \S+ moved to|^migrate: \S+ blackout|^(de|at)tached|^ok$")
STAGE = re.compile(r"^migrate: \S+ stage (\d), (.*)")
PROGRESS = re.compile(r"^\S+ (?:to|from) \S+: stage (\d)[^,]*, (?:round (\d+), *(\d+)%, "
                      r"(\d+) pages left, )?([\d.]+ \w+)")
WHY = ["can the other host run it? Each check shows the values of both hosts.",
       "the other host builds an empty VM: memory, devices, CPU; boot files follow.",
       "memory is copied while the guest works and changes it again.",
       "the guest stands still; the last changed pages, CPU and devices follow.",
       "the shared disk decides: with one command it changes its owner.",
       "the guest runs there; what is left of it here is freed."]


class Story:
    """Prints what we do, and beside it what the hosts print."""

    def __init__(self):
        self.started = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()
        self.shown = set()
        self.source = None  # whose stages are explained
        self.last_progress = None
        self.held = None  # lines that came before the table of checks, but belong behind it

    def paint(self, code, text):
        return f"{code}{text}{OFF}" if self.colour else text

    def say(self, text, *more):
        seconds = int(time.monotonic() - self.started)
        with self.lock:
            print(f"\n{self.paint(BOLD, f'[{seconds // 60}:{seconds % 60:02}] {text}')}")
            for line in more:
                print(f"       {line}")
            sys.stdout.flush()

    def host_line(self, host, text):
        with self.lock:
            print(f"  {self.paint(COLOURS[host], f'{host:>5} |')} {text[:WIDTH - 10]}", flush=True)

    def explain(self, host, number, name):
        if host == self.source:
            title = f"stage {number}, {name}:"
            with self.lock:
                print(f"        {self.paint(BOLD, title)} {WHY[int(number)]}", flush=True)

    def progress(self, host, match):
        """At most one line a step of the move that shows something new."""
        _, number, percent, left, sent = match.groups()
        line = f"round {number}: {percent:>3}%, {int(left):>6} pages left, {sent} sent" \
            if number else f"{sent} sent"
        if line != self.last_progress:
            self.host_line(host, self.paint(DIM, line))
        self.last_progress = line

    def tell(self, host, text):
        """A line of a host. The console prints the checks a moment after stage 1 began."""
        text = re.sub(r"^\[ *[\d.]+\] ", "", clean(text).rstrip())
        stage, progress = STAGE.match(text), PROGRESS.match(text)
        if host == self.source:
            if stage and stage.group(1) == "1":
                self.held = []
            elif self.held is not None and (stage or progress):
                held, self.held = self.held, None
                for line in held:
                    self.print_line(host, line)
            if self.held is not None and not re.match(r"ok  ", text):
                self.held.append(text)
                return
        self.print_line(host, text)

    def print_line(self, host, text):
        stage, progress = STAGE.match(text), PROGRESS.match(text)
        if stage:
            self.explain(host, *stage.groups())
        elif progress:
            self.progress(host, progress)
        elif text and not DULL.search(text):
            self.host_line(host, text)

    def watcher(self, host):
        """Whole lines of a host's serial line, once each, behind its name."""
        pending = [""]

        def take(piece):
            pending[0] += piece
            *lines, pending[0] = pending[0].split("\n")
            for line in lines:
                if host in self.shown:
                    self.tell(host, line)
        return take


def build(story):
    story.say("Building Pagurus and its guest")
    run = subprocess.run(["make", "-s", "-j2", "build/BOOTX64.EFI", "build/pagurus.elf", "guests"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        raise AssertionError(f"the build failed:\n{run.stdout[-3000:]}")


def boot(story, lab):
    kind, why = pick()
    emulator = {"bochs": "Bochs", "kvm": "QEMU with nested VT-x"}.get(kind, kind)
    story.say("Two machines, alpha and beta, boot Pagurus; one network disk is theirs in common",
              f"They run in {emulator}: {why}.",
              "What they print on their serial lines stands behind their names.")
    disk = lab.net.vblade(1, 0, size=16 << 20)
    web = guests.linux("web", disks=[disk], work=4, rate=50)
    alpha, beta = lab.host("alpha", vms=[web]), lab.host("beta")
    story.shown |= {"alpha", "beta"}
    lab.start(alpha, beta, timeout=LIMIT)
    for host, other in ((alpha, "beta"), (beta, "alpha")):
        end = time.monotonic() + LIMIT
        while other not in host.ok("peers"):
            assert time.monotonic() < end, f"{host.name} never heard of {other}"
            time.sleep(1)
    return disk, alpha, beta


def start_guest(story, alpha):
    story.say("alpha starts the guest 'web': Debian's own kernel, unchanged",
              "It writes and checks 4 MiB of memory and its disk all the time.")
    alpha.ok("start web")
    with alpha.console("web") as con:
        con.expect("guest: ready", LIMIT)
        story.say("The guest is up, and says once a second how its checks go")
        con.expect("work: tick 3 ", LIMIT)
        return con.follow(1, LIMIT)


def move(story, source, target, before, options=""):
    """One move; its Result and what the guest then says at the target."""
    story.source = source.name
    result = source.ok(f"migrate web {target.name} {options}".strip(), timeout=LIMIT)
    assert source.state("web") is None and target.state("web") == "running"
    story.say(f"{source.name} has it no more; on {target.name} the same counters go on")
    after = target.follow("web", 3, LIMIT)
    after.after(before)
    return result, after


def size_text(count):
    return f"{count / (1 << 20):.1f} MiB"


def move_rows(name, result):
    """Figures of one move as (title, text); the hypervisor's own words if they changed."""
    moved = re.search(r"moved to \S+ in ([\d.]+) ms, (\d+) rounds?, (\d+) bytes", result.text)
    dark = re.search(r"blackout predicted ([\d.]+) ms, measured ([\d.]+) ms", result.text)
    if not moved or not dark:
        return [(name, line) for line in result.lines if "moved" in line or "blackout" in line]
    rows = [(name, f"{float(moved[1]) / 1000:.1f} s, {size_text(int(moved[3]))} on the wire; "
             f"the guest stood still for {float(dark[2]) / 1000:.2f} s")]
    if "every page compared: equal" in result.text:
        rows.append(("", "(most of it to compare every page of both hosts: all are equal)"))
    else:
        rows.append(("", f"(before it was stopped, {float(dark[1]) / 1000:.2f} s were predicted)"))
    return rows


def summary(story, disk, moves, seen, host):
    host.ok("shutdown web")
    for _ in range(LIMIT):
        if host.state("web") == "off":
            break
        time.sleep(1)
    low, high = disk_verify(disk.path)
    story.shown.clear()
    story.say("What happened")
    first, there, back = seen
    rows = move_rows("alpha to beta", moves[0]) + move_rows("beta to alpha", moves[1])
    rows += [("guest's clock", f"second {first.tick} on alpha, {there.tick} on beta, {back.tick} "
              f"on alpha again; never back"),
             ("guest's memory", f"{back.mem_ok} page checks, no mismatch"),
             ("guest's disk", f"{back.disk_ok} block checks, no mismatch; clean"),
             ("", f"(read from outside too: each block whole, written {low} to {high} times)")]
    for title, text in rows:
        print(f"  {title:<16} {text}")
    print(f"\n{story.paint(GREEN, 'The guest moved twice while it worked; it is the same guest.')}",
          flush=True)


def play(story, lab):
    disk, alpha, beta = boot(story, lab)
    first = start_guest(story, alpha)
    story.say("alpha moves it to beta, while it works")
    there_result, there = move(story, alpha, beta, first)
    story.say("beta moves it back, and this time every page is compared")
    back_result, back = move(story, beta, alpha, there, "--verify")
    lab.check()
    summary(story, disk, (there_result, back_result), (first, there, back), alpha)


def main():
    os.chdir(ROOT)
    story = Story()
    try:
        build(story)
        enter_namespace()
        with Lab(FOLDER, watcher=story.watcher) as lab:
            play(story, lab)
    except (AssertionError, OSError, subprocess.SubprocessError) as why:
        print(f"\nThe demonstration failed:\n{why}\nLogs: {FOLDER}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make demo: two machines, one Debian guest at work, moved while it runs, narrated.

Starts two emulated machines on one Ethernet with a shared AoE disk, boots
Pagurus on both, starts a Linux guest that checks its own memory and disk all
the time, and a client outside that downloads from it and pings it. Moves the
guest three times while all of that goes on (less often when this machine is
slow), and lets guest, client and disk testify. Exit status 0 only when all went
well. Nothing stays behind.
"""
import argparse
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from lab import Lab, Ping, Stream, enter_namespace, guests, pick  # noqa: E402
from lab.serial import clean  # noqa: E402
from lab.work import TICK, disk_verify  # noqa: E402

FOLDER = "build/demo"
STATION, WEB = "10.7.0.1", "10.7.0.2"
BOLD, GREEN, DIM, OFF = "\x1b[1m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
COLOURS = {"alpha": "\x1b[36m", "beta": "\x1b[33m"}
WIDTH = 80
LIMIT = 600  # seconds to wait for any single thing on a slow machine
PROGRESS_PAUSE = 4  # seconds
PATIENCE = 240  # after so many seconds no further move is begun

# Of the hosts' serial lines, what tells a newcomer nothing.
DULL = re.compile(r"BdsDxe|^pagurus: (ACPI|vms/|host\.conf|\d CPU|starting)|^'help' lists|"
                  r"^(acpi|e1000|ata|aoe|mem|net): |^peers: .* is back|^vm \S+: defined|hand-over|"
                  r"^(migrate: )?\S+: (moved to|blackout|\d+ bytes while) |"
                  r"^migrate: every|^(de|at)tached|^ok$")
STAGE = re.compile(r"^migrate: \S+ stage (\d), (.*)")
PROGRESS = re.compile(r"^\S+ (?:to|from) \S+: stage (\d)[^,]*, (?:round (\d+), *(\d+)%, "
                      r"(\d+) pages left, )?([\d.]+ \w+)")
CHECK = re.compile(r"^(pass|FAIL) +(\S.*?)  +(\S.*?)  +(\S.*)$")
WHY = ["Can the other host run it? Each check shows the values of both hosts.",
       "The other host builds an empty VM: memory, devices, CPU. Boot files follow.",
       "Memory is copied while the guest works on and changes it again.",
       "The guest stands still; the last changed pages, CPU and devices follow.",
       "The shared disk decides who owns the guest: one command to it changes that.",
       "The guest runs there; what is left of it here is freed."]


class Story:
    """Prints what we do, and beside it what the hosts print."""

    def __init__(self):
        self.started = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()
        self.shown = False  # the hosts' lines
        self.source = None  # whose stages are explained
        self.next_progress = 0.0
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

    @contextlib.contextmanager
    def quiet(self):
        """Questions to the hosts that are not part of the story."""
        before, self.shown = self.shown, False
        yield
        time.sleep(0.2)  # the prompt that follows the answer
        self.shown = before

    def host_line(self, host, text, code=""):
        lines = textwrap.wrap(text, WIDTH - 10, subsequent_indent="    ", drop_whitespace=False)
        with self.lock:
            for line in lines:
                print(f"  {self.paint(COLOURS[host], f'{host:>5} |')} "
                      f"{self.paint(code, line.rstrip()) if code else line.rstrip()}", flush=True)

    def explain(self, host, number, name):
        self.next_progress = 0.0
        if host == self.source:
            with self.lock:
                print(f"        {self.paint(BOLD, f'stage {number}, {name}')}\n"
                      f"        {WHY[int(number)]}", flush=True)

    def progress(self, host, match):
        """A line of the move's progress every few seconds."""
        stage, number, percent, left, sent = match.groups()
        line = f"round {number}: {percent:>3}%, {int(left):>6} pages left, {sent} sent" \
            if number else f"{sent} sent"
        if stage != "0" and time.monotonic() >= self.next_progress:
            self.next_progress = time.monotonic() + PROGRESS_PAUSE
            self.host_line(host, line, DIM)

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
            if self.held is not None and not CHECK.match(text):
                self.held.append(text)
                return
        self.print_line(host, text)

    def print_line(self, host, text):
        stage, progress = STAGE.match(text), PROGRESS.match(text)
        if stage:
            self.explain(host, *stage.groups())
        elif progress:
            self.progress(host, progress)
        elif CHECK.match(text):
            self.host_line(host, "{:<4} {:<24}{:<16}{}".format(*CHECK.match(text).groups()))
        elif TICK.match(text):
            tick, pages, blocks, _, _, corrupt = TICK.match(text).groups()
            self.host_line(host, f"guest's second {tick:>3}: {pages:>6} pages and {blocks:>5} "
                           f"blocks checked, {corrupt} wrong")
        elif text and not DULL.search(text):
            self.host_line(host, re.sub(r"^migrate: \S+: ", "", text))

    def watcher(self, host):
        """Whole lines of a host's serial line, once each, behind its name."""
        pending = [""]

        def take(piece):
            pending[0] += piece
            *lines, pending[0] = pending[0].split("\n")
            for line in lines:
                if self.shown:
                    self.tell(host, line)
        return take


def build(story):
    story.say("Building Pagurus and its guest",
              "The whole demonstration takes about four minutes.")
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
    lab.net.station(f"{STATION}/24")
    web = guests.linux("web", disks=[disk], work=4, rate=25, address=WEB)
    alpha, beta = lab.host("alpha", vms=[web]), lab.host("beta")
    story.shown = True
    lab.start(alpha, beta, timeout=LIMIT)
    with story.quiet():
        wait_peers(alpha, beta)
    return disk, alpha, beta


def wait_peers(alpha, beta):
    for host, other in ((alpha, "beta"), (beta, "alpha")):
        end = time.monotonic() + LIMIT
        while other not in host.ok("peers"):
            assert time.monotonic() < end, f"{host.name} never heard of {other}"
            time.sleep(1)


def start_guest(story, alpha):
    story.say("alpha starts the guest 'web': Debian's own kernel, unchanged",
              "It writes and checks 4 MiB of memory and its disk all the time.")
    alpha.ok("start web")
    with alpha.console("web") as con:
        con.expect("guest: ready", LIMIT)
        con.expect("port 8000", LIMIT)
        story.say("The guest is up, and says once a second how its checks go")
        con.expect(r"work: tick 3 .*\n", LIMIT)
        return con.follow(1, LIMIT)


class Client:
    """A download that never begins anew, and pings, from outside of both hosts."""

    def __init__(self, story):
        self.story = story
        self.stream, self.ping = Stream(WEB, LIMIT), Ping(WEB)
        self.stream.wait(10, LIMIT)
        self.reset()

    def reset(self):
        self.stream.longest_gap = self.ping.longest_gap = 0.0
        self.blocks, self.sent, self.lost = self.stream.blocks, self.ping.sent, self.ping.lost

    def row(self):
        """After a move: the same connection goes on; what the client noticed of it."""
        self.stream.wait(10, LIMIT)
        text = (f"client: {size_text((self.stream.blocks - self.blocks) * 4096)} downloaded "
                f"meanwhile, longest gap {self.stream.longest_gap:.1f} s")
        pings = (f"{max(self.ping.lost - self.lost, 0)} of {self.ping.sent - self.sent} pings "
                 f"lost, longest gap {self.ping.longest_gap:.1f} s")
        self.reset()
        return [("", text), ("", pings)]

    def stop(self):
        self.ping.stop()
        self.stream.close()
        return (f"{size_text(self.stream.bytes)} over one TCP connection, every byte and the "
                f"running checksum {self.stream.sum:016x} right")


def move(story, source, target, before, client, options=""):
    """One move; its Result, what the guest then says at the target, what the client noticed.

    Two seconds are allowed because the emulated wire carries 250 pages in one.
    """
    story.source = source.name
    client.reset()
    result = source.ok(f"migrate web {target.name} --max-downtime 2000 {options}".strip(),
                       timeout=LIMIT)
    with story.quiet():
        assert source.state("web") is None and target.state("web") == "running"
    story.say(f"{source.name} has it no more; on {target.name} the same counters go on")
    after = target.follow("web", 3, LIMIT)
    after.after(before)
    return result, after, client.row()


def size_text(count):
    return f"{count / (1 << 20):.1f} MiB"


def move_rows(name, result):
    """Figures of one move as (title, text); the hypervisor's own words if they changed."""
    moved = re.search(r"moved to \S+ in ([\d.]+) ms, (\d+) rounds?, (\d+) bytes", result.text)
    dark = re.search(r"blackout predicted ([\d.]+) ms, measured ([\d.]+) ms", result.text)
    if not moved or not dark:
        return [(name, line) for line in result.lines if "moved" in line or "blackout" in line]
    rows = [(name, f"{float(moved[1]) / 1000:.1f} s, {size_text(int(moved[3]))} on the wire"),
            ("", f"the guest stood still for {float(dark[2]) / 1000:.2f} s "
             f"(predicted: {float(dark[1]) / 1000:.2f} s)")]
    if "every page compared: equal" in result.text:
        rows.append(("", "most of it to compare every page of both hosts: all are equal"))
    return rows


def shut_down(story, host):
    host.ok("shutdown web")
    story.shown = False
    end = time.monotonic() + LIMIT
    while host.state("web") != "off":
        assert time.monotonic() < end, "the guest did not switch itself off"
        time.sleep(0.5)


def summary(story, disk, moves, seen, download):
    """moves: (title, Result, client's rows) of each; seen: (host's name, Ticks) of each stay."""
    low, high = disk_verify(disk.path)
    last = seen[-1][1]
    rows = [row for title, result, client in moves for row in move_rows(title, result) + client]
    rows += [("guest's clock", ", ".join(f"second {ticks.tick} on {name}" for name, ticks in seen)),
             ("guest's memory", f"{last.mem_ok} pages checked, no mismatch"),
             ("guest's disk", f"{last.disk_ok} blocks checked, no mismatch"),
             ("", f"read from outside: clean, each block written {low} to {high} times"),
             ("client", download)]
    story.say("What happened")
    for title, text in rows:
        first, *more = textwrap.wrap(text, WIDTH - 19) or [""]
        print(f"  {title:<16} {first}")
        for line in more:
            print(f"  {'':<16} {line}")
    if pick()[0] == "bochs":
        print("\n  Emulators: this network card takes in 1.5 MB/s, and the clocks of the two\n"
              "  machines run at different paces under load. Servers have other figures.")
    print(f"\n{story.paint(GREEN, 'The guest moved while it worked, and nobody had to reconnect.')}",
          flush=True)


def play(story, lab):
    disk, alpha, beta = boot(story, lab)
    last = start_guest(story, alpha)
    client = Client(story)
    story.say("A client outside downloads from the guest and pings it, from now on",
              "It opens one TCP connection and never another; it checks every byte.")
    moves, seen = [], [("alpha", last)]
    source, target = alpha, beta
    for words, options in (("while it works", ""),
                           ("back, and this time every page is compared", "--verify"),
                           ("once more", "")):
        if moves and time.monotonic() - story.started > PATIENCE:
            break
        story.say(f"{source.name} moves it to {target.name}, {words}")
        result, last, noticed = move(story, source, target, last, client, options)
        moves.append((f"{source.name} to {target.name}", result, noticed))
        seen.append((target.name, last))
        source, target = target, source
    download = client.stop()
    story.say("The power button, so that the disk can be read by others")
    shut_down(story, source)
    lab.check()
    summary(story, disk, moves, seen, download)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
                            ).parse_args()
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

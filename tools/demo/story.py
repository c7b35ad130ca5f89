# SPDX-License-Identifier: BSD-2-Clause
"""What the demonstrations print: their own sentences, and beside them what the hosts say."""
import contextlib
import os
import re
import sys
import textwrap
import threading
import time

from lab.serial import clean
from lab.work import TICK

BOLD, GREEN, DIM, OFF = "\x1b[1m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
COLOURS = {"alpha": "\x1b[36m", "beta": "\x1b[33m", "gamma": "\x1b[35m"}
WIDTH = 80
PROGRESS_PAUSE = 4  # seconds

# Of the hosts' serial lines, what tells a newcomer nothing.
DULL = re.compile(r"BdsDxe|^pagurus: (ACPI|vms/|host\.conf|\d CPU|starting)|^'help' lists|"
                  r"^(acpi|e1000|ata|aoe|mem|net): |^peers: .* is back|^vm \S+: defined|hand-over|"
                  r"^migrate: every|^migrate: \S+: (check: note|validated:)|^(de|at)tached|^ok$")
# A move's own summary: ours stands at the end.
SUMMARY = re.compile(r"^(migrate: )?\S+: (moved to|blackout|\d+ bytes while|disks of) |"
                     r"^disks of \d+ bytes")
STAGE = re.compile(r"^migrate: \S+ stage (\d), (.*)")
PROGRESS = re.compile(r"^\S+ (?:to|from) \S+: stage (\d)[^,]*, (?:round (\d+), *(\d+)%, "
                      r"(\d+) pages left, )?([\d.]+ \w+)")
CHECK = re.compile(r"^(pass|note|FAIL|RESULT) +(\S.*?)  +(\S.*?)  +(\S.*)$")
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
        self.why = WHY
        self.checks = True  # their table is shown
        self.summaries = False
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
                      f"        {self.why[int(number)]}", flush=True)

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
            if self.checks:
                self.host_line(host, "{:<6} {:<23} {:<15} {}".format(*CHECK.match(text).groups()))
        elif TICK.match(text):
            tick, pages, blocks, _, _, corrupt = TICK.match(text).groups()
            disk = f" and {blocks:>5} blocks" if int(blocks) else ""
            self.host_line(host, f"guest's second {tick:>3}: {pages:>6} pages{disk} checked, "
                           f"{corrupt} wrong")
        elif text and not DULL.search(text) and (self.summaries and text[:9] != "migrate: "
                                                 or not SUMMARY.search(text)):
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

    def table(self, title, rows):
        """Rows of (name, text); an empty name goes on with the one above."""
        self.say(title)
        for name, text in rows:
            first, *more = textwrap.wrap(text, WIDTH - 19) or [""]
            print(f"  {name:<16} {first}")
            for line in more:
                print(f"  {'':<16} {line}")

    def end(self, words):
        print(f"\n{self.paint(GREEN, words)}", flush=True)


def size_text(count):
    return f"{count / (1 << 20):.1f} MiB"

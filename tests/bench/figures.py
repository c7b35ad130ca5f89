# SPDX-License-Identifier: BSD-2-Clause
"""Figures: what was measured, in which unit, against which goal; table and history."""
import csv
import datetime
import pathlib
import subprocess

HISTORY = pathlib.Path("tests/bench/history.csv")
COLUMNS = ["date", "commit", "figure", "value", "unit"]


class Goal:
    """A limit that a figure is to stay at or below."""

    def __init__(self, limit):
        self.limit = limit

    def met(self, value):
        return value <= self.limit

    def __str__(self):
        return f"<= {self.limit:g}"


# What was asked for; nothing else here knows what is good.
GOALS = {
    "exit cpuid leaf 0, mean": Goal(150),
    "idle Linux on 2 CPUs, exits per second": Goal(20),
    "boot guest / bare": Goal(1.3),
    "move idle 256 MiB, wire / non-zero RAM": Goal(1.05),
}


class Figures:
    def __init__(self):
        self.rows = []  # (name, value, unit)
        self.notes = []

    def add(self, name, value, unit):
        self.rows.append((name, value, unit))
        print(f"  {name}: {text(value)} {unit}", flush=True)

    def note(self, words):
        """Something that could not be measured, and why."""
        self.notes.append(words)
        print(f"  {words}", flush=True)

    def table(self):
        rows = [("FIGURE", "VALUE", "UNIT", "GOAL", "")]
        for name, value, unit in self.rows:
            goal = GOALS.get(name)
            verdict = ("met" if goal.met(value) else "missed") if goal else ""
            rows.append((name, text(value), unit, str(goal or ""), verdict))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = []
        for row in rows:
            cells = [row[i].rjust(widths[i]) if i == 1 else row[i].ljust(widths[i])
                     for i in range(5)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([f"Commit {commit()}, {today()}", "", *lines, "", *self.notes]).rstrip() + "\n"

    def append_history(self):
        fresh = not HISTORY.exists()
        with open(HISTORY, "a", newline="", encoding="ascii") as f:
            out = csv.writer(f, lineterminator="\n")
            if fresh:
                out.writerow(COLUMNS)
            for name, value, unit in self.rows:
                out.writerow([today(), commit(), name, text(value), unit])


def text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def commit():
    """Short hash; with a plus when what was measured is not what was committed."""
    def git(*args):
        return subprocess.run(["git", *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--",
                  "arch", "kernel", "vmm", "migrate", "boot", "linker.ld", "Makefile")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")

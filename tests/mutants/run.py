#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Mutants: break one invariant at a time, and a named test must fail.

    run.py [--list] [--quick] [--jobs N] [NAME or test ...]

Each mutant of table.py is a source text and its replacement. The committed tree is
copied, the copy changed, the test built and run: it must fail, and before that the
same test must pass on the unchanged copy. Ends non-zero when a mutant survives, no
longer applies or does not build. --quick leaves out the emulated machines.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import table  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT_SECONDS, E2E_SECONDS, MODEL_SECONDS = 300, 1800, 1800


def end_all(process, sig):
    """The process and all that it started: they are one session."""
    try:
        os.killpg(process.pid, sig)
    except ProcessLookupError:
        pass


def run(argv, cwd, seconds, enough=None):
    """(exit status, output); 124: it took too long, which is a failure as well.

    enough: a regular expression; a line that matches fails the run there and then.
    """
    lines, hung, failed = [], threading.Event(), False
    with subprocess.Popen([str(a) for a in argv], cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True) as process:
        def give_up():
            hung.set()
            end_all(process, signal.SIGTERM)  # pytest ends the emulators on the way

        timers = [threading.Timer(seconds, give_up),
                  threading.Timer(seconds + 60, end_all, (process, signal.SIGKILL))]
        for timer in timers:
            timer.start()
        for line in process.stdout:
            lines.append(line)
            if enough and re.search(enough, line):
                failed = True
                end_all(process, signal.SIGKILL)
        process.wait()
        for timer in timers:
            timer.cancel()
    status = 124 if hung.is_set() else process.returncode or int(failed)
    return status, "".join(lines)


def copy_tree(commit, folder):
    archive = subprocess.Popen(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
    assert archive.wait() == 0, "git archive failed"


class Unit:
    """One cmocka binary of tests/unit."""

    def __init__(self, name):
        self.target = f"build/unit/test_{name}"

    def build(self, tree):
        return run(["make", "-s", "WARN=-w", self.target], tree, UNIT_SECONDS)

    def test(self, tree):
        # after a failure the fakes may be in any state: do not wait for the rest
        return run([self.target], tree, UNIT_SECONDS, enough=r"^\[  FAILED  \]")


class EndToEnd:
    """One test on emulated machines, by its pytest id below tests/e2e."""

    def __init__(self, name):
        self.target = f"tests/e2e/{name}"

    def build(self, tree):
        if (ROOT / "build/guest/modules").exists():  # Debian's kernel is no part of the tree
            (tree / "build/guest").mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "build/guest/vmlinuz", tree / "build/guest")
            if not (tree / "build/guest/modules").exists():
                shutil.copytree(ROOT / "build/guest/modules", tree / "build/guest/modules")
        return run(["make", "-s", "-j2", "WARN=-w", "build/BOOTX64.EFI", "build/pagurus.elf",
                    "guests"], tree, E2E_SECONDS)

    def test(self, tree):
        return run(["/usr/bin/python3", "-m", "pytest", "-c", "tests/pytest.ini",
                    "--rootdir=tests", self.target], tree, E2E_SECONDS)


def test_of(name):
    kind, _, rest = name.partition(":")
    return {"unit": Unit, "e2e": EndToEnd}[kind](rest)


def killer(status, output):
    """Which test noticed, in a few words."""
    for pattern in (r"\[  FAILED  \] ([a-z]\w+)", r"^FAIL (\S+)", r"(AddressSanitizer: [\w-]+)",
                    r"^.*(runtime error: .*)$"):
        match = re.search(pattern, output, re.MULTILINE)
        if match:
            return match.group(1).split("::")[-1][:40]
    return {124: "it hangs"}.get(status, f"it ended early, status {status}")


class Baselines:
    """Each test once on the unchanged tree; what does not pass there proves nothing."""

    def __init__(self, commit):
        self.commit = commit

    def check(self, name):
        with tempfile.TemporaryDirectory(prefix="mutant-base-") as folder:
            tree = pathlib.Path(folder)
            copy_tree(self.commit, tree)
            test = test_of(name)
            for step in (test.build, test.test):
                status, output = step(tree)
                if status:
                    return f"{name} fails without any mutant:\n{output[-3000:]}"
        return None


def mutate(tree, mutant):
    path = tree / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        return f"the text occurs {text.count(mutant.old)} times in {mutant.file}, expected once"
    path.write_text(text.replace(mutant.old, mutant.new))
    return None


def try_mutant(commit, mutant):
    """(verdict, detail, seconds)"""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = pathlib.Path(folder)
        copy_tree(commit, tree)
        test = test_of(mutant.test)
        why = mutate(tree, mutant)
        if why:
            return "DOES NOT APPLY", why, 0
        status, output = test.build(tree)
        if status:
            return "DOES NOT BUILD", output[-1500:], time.monotonic() - start
        status, output = test.test(tree)
        took = time.monotonic() - start
        return ("killed", killer(status, output), took) if status else ("SURVIVED", "", took)


def model_mutants():
    """The protocol's own: tests/model/run.sh knows them."""
    _, output = run(["sh", "tests/model/run.sh", "--mutants"], ROOT, MODEL_SECONDS)
    rows = re.findall(r"^(PASS|FAIL) mutant (\S+): ", output, re.MULTILINE)
    if not rows:
        return [("model", "tests/model/run.sh", "DOES NOT BUILD", output[-1500:], 0)]
    return [(f"model-{name}", "model", "killed" if word == "PASS" else "SURVIVED", "spin", 0)
            for word, name in rows]


def choose(args):
    wanted = [m for m in table.MUTANTS if not args.names or m.name in args.names
              or m.test in args.names or m.test.split(":")[0] in args.names]
    if args.quick:
        wanted = [m for m in wanted if m.test.startswith("unit:")]
    return wanted


def show(row, width):
    name, test, verdict, detail, seconds = row
    first, *more = detail.rstrip().split("\n")
    print(f"{name:<{width}} {test:<22} {verdict:<9} {first}"
          f"{f' ({seconds:.0f} s)' if seconds else ''}".rstrip(), flush=True)
    for line in more[-25:]:
        print(f"    {line}", flush=True)


def work(commit, mutants, jobs, width):
    rows = []
    fast = concurrent.futures.ThreadPoolExecutor(jobs)
    # one at a time: emulated machines want whole cores
    slow = concurrent.futures.ThreadPoolExecutor(1)
    base, broken = Baselines(commit), {}
    for unit in (True, False):
        pool = fast if unit else slow
        chosen = [m for m in mutants if m.test.startswith("unit:") == unit]
        tests = sorted({m.test for m in chosen})
        broken.update(zip(tests, pool.map(base.check, tests)))
        sound = [m for m in chosen if not broken[m.test]]
        for m, result in zip(sound, pool.map(lambda m: try_mutant(commit, m), sound)):
            rows.append((m.name, m.test, *result))
            show(rows[-1], width)
    for name, why in broken.items():
        if why:
            rows.append((name, name, "NO BASELINE", why, 0))
            show(rows[-1], width)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="a mutant, a test such as unit:aoe, or a kind: unit, e2e, model")
    parser.add_argument("--list", action="store_true", help="show the table and end")
    parser.add_argument("--quick", action="store_true", help="unit tests only")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--commit", default="HEAD", help="the tree to take (HEAD)")
    args = parser.parse_args()
    mutants = choose(args)
    width = max([len(m.name) for m in mutants] + [20])
    if args.list:
        for m in mutants:
            print(f"{m.name:<{width}} {m.test:<22} {m.file}: {m.why}")
        return 0
    rows = work(args.commit, mutants, args.jobs, width)
    if "model" in args.names or not (args.names or args.quick):
        for row in model_mutants():
            rows.append(row)
            show(row, width)
    bad = [row for row in rows if row[2] != "killed"]
    print(f"{len(rows)} mutants, {len(rows) - len(bad)} killed, {len(bad)} not"
          + "".join(f"\n  {row[2]}: {row[0]} ({row[1]})" for row in bad))
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

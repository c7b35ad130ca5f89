#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs libFuzzer targets one after another and prints a table.

What is found goes to BUILD/fuzz-corpus/NAME (grows from run to run), crashes,
minimised, to BUILD/fuzz-crashes/NAME. Exit status 1 when anything crashed.
"""
import argparse
import pathlib
import re
import subprocess
import sys

INPUT_SECONDS = 20  # longer is a hang
MEMORY_MB = 2048
INPUT_MAX = 1500  # bytes; longer ones say nothing new here


def number(name, text):
    found = re.search(rf"stat::{name}:\s*(\d+)", text)
    return int(found.group(1)) if found else 0


def minimise(binary, crash):
    small = crash.with_name(crash.name + ".min")
    subprocess.run(["nice", binary, "-minimize_crash=1", "-runs=20000", "-max_total_time=30",
                    f"-exact_artifact_path={small}", crash], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
    return small if small.exists() else crash


def fuzz(args, name):
    binary = args.build / "libfuzzer" / f"fuzz_{name}"
    corpus = args.build / "fuzz-corpus" / name
    crashes = args.build / "fuzz-crashes" / name
    seeds = pathlib.Path("tests/fuzz/corpus") / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    dictionary = pathlib.Path(f"tests/fuzz/{name}.dict")
    run = subprocess.run(
        ["nice", binary, f"-max_total_time={args.seconds}", f"-timeout={INPUT_SECONDS}",
         f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1", "-use_value_profile=1",
         "-len_control=10", f"-max_len={INPUT_MAX}",
         f"-artifact_prefix={crashes}/", *([f"-dict={dictionary}"] if dictionary.exists() else []),
         corpus, *([seeds] if seeds.is_dir() else [])],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    new = sorted(set(crashes.iterdir()) - before)
    (crashes.parent / f"{name}.log").write_text(run.stdout)
    return (number("number_of_executed_units", run.stdout),
            number("new_units_added", run.stdout), run.returncode,
            [minimise(binary, c) for c in new if not c.name.endswith(".min")])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()
    bad = 0
    print(f"{'target':16} {'runs':>10} {'new units':>10} {'crashes':>8}", flush=True)
    for name in args.targets:
        runs, units, status, crashes = fuzz(args, name)
        print(f"{name:16} {runs:10} {units:10} {len(crashes):8}", flush=True)
        for crash in crashes:
            print(f"    {crash}")
        if status and not crashes:
            print(f"    ended with status {status}: see {args.build}/fuzz-crashes/{name}.log")
        bad += bool(status)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

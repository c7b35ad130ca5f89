#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Chooses from BUILD/fuzz-corpus/NAME the few inputs worth storing in the repository.

libFuzzer merges by coverage into an empty folder, small inputs first; of these the
first LIMIT in an order that spreads over all sizes are kept. seed-* and found-* stay.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

LIMIT = 40  # files a target
MOST_BYTES = 8 * 1024
SMALL = 400  # bytes: larger ones only when there are no others


def keep(build, name):
    stored = pathlib.Path("tests/fuzz/corpus") / name
    stored.mkdir(parents=True, exist_ok=True)
    mine = [p for p in stored.iterdir() if p.name.startswith(("seed-", "found-"))]
    with tempfile.TemporaryDirectory() as merged:
        subprocess.run([build / "libfuzzer" / f"fuzz_{name}", "-set_cover_merge=1", "-max_len=1500", merged,
                        *([stored] if mine else []), build / "fuzz-corpus" / name],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        found = sorted(pathlib.Path(merged).iterdir(), key=lambda p: p.stat().st_size)
        found = [p for p in found if p.stat().st_size <= SMALL] or found
        step = max(1, len(found) // LIMIT)
        chosen, size = [], 0
        for path in found[::-1][::step][:LIMIT]:  # the largest reach furthest
            size += path.stat().st_size
            if size <= MOST_BYTES:
                chosen.append((path.name, path.read_bytes()))
    for path in stored.iterdir():
        if path not in mine:
            path.unlink()
    for digest, data in chosen:
        if data not in [p.read_bytes() for p in mine]:
            (stored / digest[:12]).write_bytes(data)
    print(f"{name}: {len(list(stored.iterdir()))} files, "
          f"{sum(p.stat().st_size for p in stored.iterdir())} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()
    for name in args.targets:
        keep(args.build, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

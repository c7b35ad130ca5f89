#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make bench: figures in ticks of the emulated CPU and in bytes, which do not depend
on how busy the build machine is. Prints a table, writes it to build/bench/report.txt
and appends to tests/bench/history.csv. What each figure means: docs/bench.md.

examples:
  tests/bench/bench.py size exits       two short parts
  tests/bench/bench.py --no-history     all parts, the history stays as it is
"""
import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "bench")]

from lab import enter_namespace, pick  # noqa: E402
import devices  # noqa: E402
import disks  # noqa: E402
import moves  # noqa: E402
import parts  # noqa: E402
import smp  # noqa: E402
from figures import Figures  # noqa: E402

PARTS = {"size": parts.size, "exits": parts.exits, "smp": smp.smp, "devices": devices.devices,
         "dirty": moves.dirty, "boot": parts.boot, "store": disks.store, "localdisk": disks.localdisk,
         "moves": moves.moves}


def run_part(name, figures, args):
    """True when it could be measured; the parts after it are measured in any case."""
    print(f"{name}: {PARTS[name].__doc__.splitlines()[0]}", flush=True)
    try:
        PARTS[name](figures, args)
        return True
    except (AssertionError, OSError, KeyError, subprocess.SubprocessError) as why:
        print(f"{name} failed: {type(why).__name__}: {why}", file=sys.stderr, flush=True)
        figures.note(f"{name}: not measured to its end ({type(why).__name__})")
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or {' '.join(PARTS)}")
    parser.add_argument("--build", default="build", help="where make put its results")
    parser.add_argument("--no-history", action="store_true", help="do not append to the history")
    parser.add_argument("--moves", default="", help="only these moves, by comma")
    args = parser.parse_args()
    wanted = list(PARTS) if not args.parts or "all" in args.parts else args.parts
    for name in wanted:
        if name not in PARTS:
            parser.error(f"no part '{name}': expected all, or {' '.join(PARTS)}")
    os.chdir(ROOT)
    args.kind, why = pick()
    args.folder = pathlib.Path(args.build, "bench")
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f"guests run on {args.kind}: {why}")
    enter_namespace()
    figures = Figures()
    failed = [name for name in wanted if not run_part(name, figures, args)]
    report = figures.table()
    (args.folder / "report.txt").write_text(report)
    print("\n" + report, end="")
    if not args.no_history:
        figures.append_history()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

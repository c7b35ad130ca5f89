#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make demo: emulated machines on one Ethernet that move VMs, narrated.

Exit status 0 only when all went well and the guests found nothing wrong with themselves; 2 for
an unknown move. Nothing stays behind but logs in build/demo.
"""
import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools" / "demo")]

from lab import Lab, enter_namespace  # noqa: E402
import disks  # noqa: E402
import drain  # noqa: E402
import hot  # noqa: E402
import suspend  # noqa: E402
from story import Story  # noqa: E402

FOLDER = "build/demo"
BUILD = ["build/BOOTX64.EFI", "build/pagurus.elf", "build/pgstore", "guests"]

# name: (what plays it, what it shows)
MOVES = {
    "hot": (hot.play, "a Debian guest at work moves while a client downloads from it"),
    "suspend": (suspend.play, "a guest is saved, restored elsewhere, and comes back by --suspend"),
    "localdisk": (disks.localdisk, "a running guest takes its local disk along"),
    "cold": (disks.cold, "a VM that is off moves with disk and boot files"),
    "drain": (drain.play, "three hosts: one is emptied for maintenance, then loads are evened out"),
}
MENU = "\n".join(["moves:", *(f"  make demo MOVE={name:<10} {words}"
                              for name, (_, words) in MOVES.items()), "  without MOVE: hot"])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, epilog=MENU,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moves", nargs="*", metavar="MOVE", help=f"{', '.join(MOVES)}, menu")
    args = parser.parse_args()
    if args.moves == ["menu"]:
        print(MENU)
        sys.exit(0)
    for name in args.moves:
        if name not in MOVES:
            print(f"no move '{name}': expected one of {', '.join(MOVES)}\n{MENU}", file=sys.stderr)
            sys.exit(2)
    if len(args.moves) > 1:
        print(f"expected one move, got {len(args.moves)}: {' '.join(args.moves)}\n{MENU}",
              file=sys.stderr)
        sys.exit(2)
    return args.moves[0] if args.moves else "hot"


def build(story, words):
    story.say(f"Building Pagurus and its guests, to show how {words}",
              "The whole demonstration takes about four minutes.",
              "Others: make demo MOVE=menu")
    run = subprocess.run(["make", "-s", "-j2", *BUILD], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        raise AssertionError(f"the build failed:\n{run.stdout[-3000:]}")


def main():
    play, words = MOVES[arguments()]
    os.chdir(ROOT)
    story = Story()
    try:
        build(story, words)
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

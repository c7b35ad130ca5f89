# SPDX-License-Identifier: BSD-2-Clause
"""The demonstrations' menu and arguments; what they show needs emulators and a person's eyes."""
import subprocess
import sys

import pytest

MOVES = ("hot", "suspend", "localdisk", "cold", "drain")


def demo(*argv):
    run = subprocess.run([sys.executable, "tools/demo/demo.py", *argv], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return run.returncode, run.stdout


@pytest.mark.parametrize("argv", [["warm"], ["hot", "cold"], ["menu", "hot"], [""]])
def test_wrong_moves_are_told_what_there_is(argv):
    status, text = demo(*argv)
    assert status == 2 and "expected one" in text, text
    assert all(f"MOVE={name} " in text for name in MOVES), text


def test_menu():
    status, text = demo("menu")
    assert status == 0 and all(f"MOVE={name} " in text for name in MOVES), text

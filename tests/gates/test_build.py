# SPDX-License-Identifier: BSD-2-Clause
"""The tree builds under gcc and clang without a warning, twice to the same bytes."""
import hashlib
import pathlib
import shutil
import subprocess

import pytest

PRODUCTS = ["BOOTX64.EFI", "pagurus.elf"]


def make(*args):
    run = subprocess.run(["make", "-j2", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, check=False)
    assert run.returncode == 0, run.stdout[-6000:]
    assert "warning:" not in run.stdout, run.stdout[-6000:]


def digests(folder):
    return {name: hashlib.sha256(pathlib.Path(folder, name).read_bytes()).hexdigest()
            for name in PRODUCTS}


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_build(cc):
    make(f"CC={cc}", f"B=build/{cc}", *[f"build/{cc}/{p}" for p in PRODUCTS])


def test_build_here():
    """What the end-to-end tests boot, and their guests."""
    make("build/BOOTX64.EFI", "build/pagurus.elf", "guests")


def test_build_is_reproducible():
    """A second build in another place, from nothing, equals the first."""
    shutil.rmtree("build/again", ignore_errors=True)
    make("CC=gcc", "B=build/again", *[f"build/again/{p}" for p in PRODUCTS])
    assert digests("build/again") == digests("build/gcc")


def test_guests_build_under_clang():
    make("CC=clang", "B=build/clang", "build/clang/guest/init", "build/clang/guest/ticker.elf")

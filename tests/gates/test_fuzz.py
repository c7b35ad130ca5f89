# SPDX-License-Identifier: BSD-2-Clause
"""Every stored input of the fuzz targets, replayed: what once broke stays mended.

A target is tests/fuzz/fuzz_NAME.c, its inputs are tests/fuzz/corpus/NAME/*.
"""
import pathlib
import subprocess

import pytest

TARGETS = sorted(p.stem.removeprefix("fuzz_") for p in pathlib.Path("tests/fuzz").glob("fuzz_*.c"))


@pytest.mark.parametrize("target", TARGETS or ["none"])
def test_corpus(target):
    if not TARGETS:
        pytest.skip("no fuzz target is in the tree yet")
    binary = f"build/fuzz/fuzz_{target}"
    build = subprocess.run(["make", "-s", binary], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    assert build.returncode == 0, build.stdout
    inputs = sorted(map(str, pathlib.Path(f"tests/fuzz/corpus/{target}").glob("*")))
    assert inputs, f"tests/fuzz/corpus/{target} is empty"
    run = subprocess.run([binary, "-runs=0", *inputs], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-6000:]

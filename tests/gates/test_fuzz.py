# SPDX-License-Identifier: BSD-2-Clause
"""Every stored input of the fuzz targets, replayed: what once broke stays mended.

A target is tests/fuzz/fuzz_NAME.c, its inputs are tests/fuzz/corpus/NAME/*. The
replay is built with gcc's sanitizers and a plain main (tests/fuzz/replay.c).
"""
import pathlib
import subprocess

import pytest

TARGETS = sorted(p.stem.removeprefix("fuzz_") for p in pathlib.Path("tests/fuzz").glob("fuzz_*.c"))
TIMEOUT = 60  # seconds a target; the whole corpus takes one or two


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **options)


@pytest.fixture(scope="module")
def built():
    """All at once: they share objects, and make uses both CPUs."""
    return run("make", "-s", "-k", "-j2", "fuzz-replay")


def test_every_target_is_listed():
    assert run("make", "-s", "print-FUZZ_TARGETS").stdout.split() and \
        set(run("make", "-s", "print-FUZZ_TARGETS").stdout.split()) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target, built):
    binary = pathlib.Path(f"build/fuzz/fuzz_{target}")
    assert built.returncode == 0 or binary.exists(), built.stdout[-6000:]
    inputs = sorted(map(str, pathlib.Path(f"tests/fuzz/corpus/{target}").glob("*")))
    assert inputs, f"tests/fuzz/corpus/{target} is empty"
    replay = run(binary, *inputs, timeout=TIMEOUT)
    assert replay.returncode == 0, replay.stdout[-6000:]
    assert replay.stdout.count("tests/fuzz/corpus/") >= len(inputs)

# SPDX-License-Identifier: BSD-2-Clause
"""Every cmocka test of tests/unit, host-compiled with ASan and UBSan, one by one."""
import os
import re
import subprocess

import pytest


def make_variable(name):
    out = subprocess.run(["make", "-s", f"print-{name}"], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    return out.split()


TIMEOUT = 120  # seconds; exit status 124 says that it was reached
UNITS = make_variable("UNITS")


@pytest.fixture(scope="module")
def built():
    """All at once: make uses both CPUs. What fails here fails again in its own test."""
    subprocess.run(["make", "-s", "-k", "-j2", *[f"build/unit/test_{unit}" for unit in UNITS]],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def test_every_unit_test_is_listed():
    """A test file that nobody runs is worse than none."""
    files = {f[len("test_"):-2] for f in os.listdir("tests/unit")
             if f.startswith("test_") and f.endswith(".c")}
    assert files == set(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_unit(unit, built, parts):
    build = subprocess.run(["make", "-s", f"build/unit/test_{unit}"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    assert build.returncode == 0, build.stdout
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    run = subprocess.run(["timeout", "-k", "5", str(TIMEOUT), f"build/unit/test_{unit}"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", env=env, check=False)
    results = re.findall(r"^(ok|not ok) \d+ (?:- (\S+)|# SKIP (\S+))", run.stdout, re.MULTILINE)
    planned = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", run.stdout, re.MULTILINE))
    for word, name, skipped in results:
        if skipped:
            parts.skipped(skipped, "skipped by the test itself")
        elif word == "ok":
            parts.passed(name)
        else:
            parts.failed(name, run.stdout)
    if len(results) < planned or not planned or \
            (run.returncode != 0 and not any(r[0] == "failed" for r in parts.results)):
        parts.failed("(the whole binary)", f"exit status {run.returncode}, {len(results)} of "
                     f"{planned} tests ended\n{run.stdout}")

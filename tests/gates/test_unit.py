# SPDX-License-Identifier: BSD-2-Clause
"""Every cmocka test of tests/unit, host-compiled with ASan and UBSan, one by one."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest


def make_variable(name):
    out = subprocess.run(["make", "-s", f"print-{name}"], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    return out.split()


TIMEOUT = 240  # seconds; exit status 124 says that it was reached
UNITS = make_variable("UNITS")


@pytest.fixture(scope="module")
def runs(request):
    """Each one's run, as a future. Built all at once: make uses both CPUs, and so do they."""
    units = [item.callspec.params["unit"] for item in request.session.items
             if item.name.startswith("test_unit[")]
    subprocess.run(["make", "-s", "-k", "-j2", *[f"build/unit/test_{unit}" for unit in units]],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {unit: pool.submit(run, unit) for unit in units}


def run(unit):
    """What failed to build in the crowd says why here."""
    build = subprocess.run(["make", "-s", f"build/unit/test_{unit}"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    if build.returncode != 0:
        return build
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    return subprocess.run(["timeout", "-k", "5", str(TIMEOUT), f"build/unit/test_{unit}"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", env=env, check=False)


def test_every_unit_test_is_listed():
    """A test file that nobody runs is worse than none."""
    files = {f[len("test_"):-2] for f in os.listdir("tests/unit")
             if f.startswith("test_") and f.endswith(".c")}
    assert files == set(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_unit(unit, runs, parts):
    done = runs[unit].result()
    results = re.findall(r"^(ok|not ok) \d+ (?:- (\S+)|# SKIP (\S+))", done.stdout, re.MULTILINE)
    planned = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", done.stdout, re.MULTILINE))
    for word, name, skipped in results:
        if skipped:
            parts.skipped(skipped, "skipped by the test itself")
        elif word == "ok":
            parts.passed(name)
        else:
            parts.failed(name, done.stdout)
    if len(results) < planned or not planned or \
            (done.returncode != 0 and not any(r[0] == "failed" for r in parts.results)):
        parts.failed("(the whole binary)", f"exit status {done.returncode}, {len(results)} of "
                     f"{planned} tests ended\n{done.stdout}")

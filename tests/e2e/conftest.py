# SPDX-License-Identifier: BSD-2-Clause
"""One lab for all end-to-end tests: booting emulated machines is what costs."""
import pathlib
import re
import shutil
import subprocess

import pytest
from _pytest.runner import runtestprotocol

from lab import Lab, pick
from lab.pair import Pair

FOLDER = pathlib.Path("build/e2e")


@pytest.fixture(scope="session")
def built():
    run = subprocess.run(["make", "-j2", "build/BOOTX64.EFI", "build/pagurus.elf", "build/pgstore",
                          "guests"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, f"the tree does not build:\n{run.stdout[-2000:]}"


@pytest.fixture(scope="session")
def lab(built):
    shutil.rmtree(FOLDER, ignore_errors=True)
    kind, why = pick()
    print(f"guests run on {kind}: {why}")
    with Lab(FOLDER) as the_lab:
        yield the_lab


@pytest.fixture(scope="session")
def shared_pair(lab):
    return Pair(lab)


@pytest.fixture
def pair(shared_pair):
    """alpha and beta, up and sound; afterwards their logs must be clean."""
    shared_pair.mend()
    yield shared_pair
    shared_pair.lab.check()


# What a starved emulator does to a test: it runs out of time, or its drifting clock makes the
# link look dead or too slow. Wrong data, a panic or a refused VM entry is never of this kind.
PACE = re.compile(r"SerialTimeout|peer is silent|no answer in time|allowed downtime|"
                  r"rounds no longer|than the link carries")
NEVER_AGAIN = re.compile(r"CORRUPT|pages differ|PANIC|VMFAIL|VMENTER|VMABORT|HostDied")


def _reasons(reports):
    """What was raised, without the source lines around it."""
    return "\n".join(getattr(getattr(r.longrepr, "reprcrash", None), "message", "") or ""
                     for r in reports if r.failed)


def _pace_only(reports):
    text = _reasons(reports)
    return PACE.search(text) and not NEVER_AGAIN.search(text)


def pytest_runtest_protocol(item, nextitem):
    """A test that only the emulators' pace broke is tried once more, and the run says so."""
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(r.failed for r in reports) and _pace_only(reports):
        why = PACE.search(_reasons(reports)).group()
        ours = item.config.pluginmanager.getplugin("pagurus-report")
        print(f"AGAIN {item.nodeid.removeprefix('tests/')}: {why}",
              file=ours.out if ours else None, flush=True)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True

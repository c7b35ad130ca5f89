# SPDX-License-Identifier: BSD-2-Clause
"""One lab for all end-to-end tests: booting emulated machines is what costs."""
import pathlib
import shutil
import subprocess

import pytest

from lab import Lab, pick
from lab.pair import Pair

FOLDER = pathlib.Path("build/e2e")


@pytest.fixture(scope="session")
def built():
    run = subprocess.run(["make", "-j2", "build/BOOTX64.EFI", "build/pagurus.elf", "guests"],
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

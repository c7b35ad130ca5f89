# SPDX-License-Identifier: BSD-2-Clause
"""The hand-over protocol's model: exhaustively checked, and its mutants found."""
import pathlib
import subprocess

import pytest


def test_handover_model():
    script = pathlib.Path("tests/model/run.sh")
    if not script.exists():
        pytest.skip("tests/model/run.sh is not in the tree yet")
    run = subprocess.run(["bash", str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stdout[-6000:]
    assert "errors: 0" in run.stdout, run.stdout[-6000:]

# SPDX-License-Identifier: BSD-2-Clause
"""The models of the hand-over, hot and cold: exhaustively checked, and their mutants found."""
import re
import subprocess

import pytest

# How many lines run.sh must print: fewer would mean that it ended early.
RUNS = {"protocol": ([], 8), "mutants": (["--mutants"], 25)}


@pytest.mark.parametrize("what", RUNS)
def test_handover_model(what, parts):
    options, least = RUNS[what]
    run = subprocess.run(["sh", "tests/model/run.sh", *options], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    results = re.findall(r"^(PASS|FAIL) (?:model|mutant) (\S+): (.*)$", run.stdout, re.MULTILINE)
    for word, name, _ in results:
        if word == "PASS":
            parts.passed(name)
        else:
            parts.failed(name, run.stdout[-6000:])
    if len(results) < least or (run.returncode and all(word == "PASS" for word, *_ in results)):
        parts.failed("(the whole run)", f"exit status {run.returncode}\n{run.stdout[-6000:]}")

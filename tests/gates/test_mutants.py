# SPDX-License-Identifier: BSD-2-Clause
"""The table of mutants fits the source: one whose text is not found proves nothing."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "mutants"))
import table  # noqa: E402


def fault(mutant):
    """What is wrong with it, or None: only matching, nothing is built."""
    path = ROOT / mutant.file
    if not path.exists():
        return f"{mutant.name}: there is no {mutant.file}"
    count = path.read_text().count(mutant.old)
    if count != 1:
        return f"{mutant.name}: its text stands {count} times in {mutant.file}, expected once"
    return None


def test_every_mutant_applies():
    faults = [f for f in map(fault, table.MUTANTS) if f]
    assert not faults, "mend tests/mutants/table.py:\n" + "\n".join(faults)


def test_names_are_unique():
    names = [m.name for m in table.MUTANTS]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)


def test_every_test_is_there():
    """A test that was renamed kills nothing."""
    units = set(subprocess.run(["make", "-s", "print-UNITS"], cwd=ROOT, stdout=subprocess.PIPE,
                               text=True, check=True).stdout.split())
    for mutant in table.MUTANTS:
        kind, _, rest = mutant.test.partition(":")
        if kind == "unit":
            assert rest in units, f"{mutant.name}: no unit test {rest}"
            continue
        name, _, function = rest.partition("::")
        path = ROOT / "tests" / "e2e" / name
        assert path.exists(), f"{mutant.name}: no tests/e2e/{name}"
        function = function.split("[")[0].split("::")[-1]
        assert not function or re.search(rf"def {function}\b", path.read_text()), \
            f"{mutant.name}: no {function} in tests/e2e/{name}"


def test_a_lost_mutant_is_noticed():
    lost = table.m("x", "unit:move", "migrate/send.c", "no such text\n", "", "")
    gone = table.m("y", "unit:move", "migrate/no_such.c", "", "", "")
    assert "stands 0 times" in fault(lost) and "there is no" in fault(gone)

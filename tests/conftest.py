# SPDX-License-Identifier: BSD-2-Clause
"""How a run of all tests is ordered and reported.

`make check` runs everything in one pytest run, fast gates first. One line a
test as it ends; the last line is exactly "N passed, N failed, N skipped". A test
that stands for several (a unit-test binary, a corpus) reports each through the
fixture `parts`, and those are counted instead of it.
"""
import os
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tools")]

# What is quick and tells most comes first; unknown files stand before e2e.
ORDER = ["gates/test_style", "gates/test_deps", "gates/test_build", "gates/test_unit",
         "gates/test_lab", "gates/test_guests", "gates/test_model", "gates/test_fuzz", "gates/", "",
         "e2e/test_aoe", "e2e/test_boot", "e2e/test_novmx", "e2e/test_guest", "e2e/test_disk",
         "e2e/test_move_hot", "e2e/test_move_", "e2e/"]


def _rank(item):
    path = os.path.relpath(str(item.fspath), os.path.join(ROOT, "tests"))
    return min(i for i, prefix in enumerate(ORDER) if prefix and path.startswith(prefix)) \
        if any(prefix and path.startswith(prefix) for prefix in ORDER) else ORDER.index("")


def pytest_collection_modifyitems(items):
    items.sort(key=_rank)  # stable: the order inside a file stays


class Parts:
    """Several results in one test function."""

    def __init__(self):
        self.results = []

    def passed(self, name):
        self.results.append(("passed", name, ""))

    def failed(self, name, why):
        self.results.append(("failed", name, why))

    def skipped(self, name, why):
        self.results.append(("skipped", name, why))


@pytest.fixture
def parts(request):
    collected = Parts()
    request.node.parts = collected
    yield collected
    assert not any(r[0] == "failed" for r in collected.results), "see the parts above"


class Report:
    """Prints results and counts them; replaces pytest's own terminal output."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.out = sys.__stdout__
        self.setup = {}  # seconds: booting machines for a test is part of what it takes
        self.started = time.monotonic()

    def line(self, outcome, name, seconds=None, why=""):
        self.counts[outcome] += 1
        took = f" ({seconds:.1f} s)" if seconds is not None and seconds >= 0.1 else ""
        word = {"passed": "PASS", "failed": "FAIL", "skipped": "SKIP"}[outcome]
        print(f"{word} {name}{took}{': ' + why if why else ''}", file=self.out, flush=True)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        report = outcome.get_result()
        report.parts = getattr(item, "parts", None)

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.removeprefix("tests/")
        if report.when == "setup":
            report_parts = None
            self.setup[report.nodeid] = report.duration
            if report.passed:
                return
        else:
            report_parts = report.parts.results if report.parts else None
        if report.when == "call" and report_parts:
            self._parts(name, report, report_parts)
            return
        if report.when == "teardown":
            if report.passed or report.parts and any(r[0] == "failed" for r in report.parts.results):
                return
            name += " (teardown)"
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "?"
            self.line("skipped", name, None, str(reason).removeprefix("Skipped: "))
        elif report.failed:
            self.line("failed", name, report.duration)
            self._explain(report)
        else:
            self.line("passed", name, self.setup.get(report.nodeid, 0) + report.duration)

    def _parts(self, name, report, results):
        for outcome, part, why in results:
            self.line(outcome, f"{name}::{part}", None, why if outcome == "skipped" else "")
            if outcome == "failed":
                self._indent(why)
        if report.failed:  # the test itself broke, besides its parts
            self.line("failed", name, report.duration)
            self._explain(report)

    def pytest_collectreport(self, report):
        if report.failed:
            self.line("failed", f"{report.nodeid} (collection)")
            self._explain(report)

    def _indent(self, text):
        lines = str(text).rstrip().split("\n")
        for line in lines[-60:]:
            print("     " + line, file=self.out)
        self.out.flush()

    def _explain(self, report):
        self._indent(report.longreprtext)
        for title, content in report.sections:
            if content.strip():
                self._indent(f"--- {title}\n{content[-3000:]}")

    def pytest_sessionfinish(self, session, exitstatus):
        if self.counts["failed"] and exitstatus == 0:
            session.exitstatus = 1
        if not sum(self.counts.values()):
            session.exitstatus = 5  # nothing ran: that is no success
        if exitstatus == 2:
            print("interrupted", file=self.out)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config):
        seconds = time.monotonic() - self.started
        print(f"{seconds:.0f} s", file=self.out)
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts),
              file=self.out, flush=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Ours instead of pytest's terminal output (whose options stay valid)."""
    theirs = config.pluginmanager.getplugin("terminalreporter")
    if config.option.collectonly or theirs is None:
        return
    config.pluginmanager.unregister(theirs)
    report = Report()
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture:
        # Capturing redirects descriptor 1 too: keep one that goes to the user.
        capture.suspend_global_capture()
        report.out = os.fdopen(os.dup(1), "w")
        capture.resume_global_capture()
    config.pluginmanager.register(report, "pagurus-report")

# SPDX-License-Identifier: BSD-2-Clause
"""Hot moves that succeed: the guest checks itself the whole time."""
import re

import pytest


@pytest.mark.parametrize("method", ["pml", "ad", "wp"])
def test_dirty_tracking_method(pair, method):
    """Each way of finding written pages moves every page: compared at the end."""
    pair.run("tiny")
    _, result, _ = pair.move("tiny", pair.alpha, f"--dirty {method} --verify")
    assert "every page compared: equal" in result.text, result.text


def test_dry_run_moves_nothing(pair):
    host = pair.run("tiny")
    host.ok("migrate tiny beta --dry-run", timeout=60)
    assert host.state("tiny") == "running"
    assert pair.beta.state("tiny") is None
    host.follow("tiny", 2)


def test_ping_pong(pair):
    """Six moves back and forth; counters go on through all of them."""
    host = pair.run("tiny")
    for _ in range(6):
        host, _, _ = pair.move("tiny", host)


def test_stages_are_named(pair):
    host = pair.run("busy")
    _, result, _ = pair.move("busy", host, "--max-downtime 9000")
    text = result.text + pair.alpha.ok("log 80").text
    for words in ("pre-migration", "reservation", "pre-copy", "stop-and-copy", "commitment",
                  "activation"):
        assert words in text, words
    assert re.search(r"blackout predicted [\d.]+ ms, measured [\d.]+ ms", result.text)

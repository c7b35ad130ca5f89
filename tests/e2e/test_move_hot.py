# SPDX-License-Identifier: BSD-2-Clause
"""Hot moves that succeed: the guest checks itself the whole time."""
import re

import pytest


@pytest.mark.parametrize("method", ["pml", "ad", "wp"])
def test_dirty_tracking_method(pair, method):
    """Each way of finding written pages moves every page: compared at the end."""
    pair.run("tiny")
    _, result, _ = pair.move("tiny", pair.alpha, f"--dirty {method} --verify")
    assert "every page compared: equal" in result.lines, result.text


def test_dry_run_moves_nothing(pair):
    """Neither the checks alone nor with measurements: and these are there, whatever they are."""
    host = pair.run("withdisk")
    result = host.ok("migrate withdisk beta --dry-run", timeout=60)
    assert re.search(r"^RESULT +CHECK +HERE +THERE$", result.text, re.MULTILINE), result.text
    assert "estimate" not in result.text
    result = host.ok("audit withdisk beta --max-downtime 3000", timeout=120)
    for words in (r"pass +power state +running +hot", r"pass +identity: UUID +[0-9a-f-]{36} +stays",
                  r"\w+ +link throughput +the guest changes [\d.]+ \w+/s +carries [\d.]+ \w+/s",
                  r"\w+ +disk vda read +\d+\.\d+ ms, \S+ \w+/s +\d+\.\d+ ms to answer",
                  r"\w+ +disk vda load +\d+ requests/s", r"pass +identity: disk vda +4 MiB, AoE e2.0",
                  r"\w+ +estimate: time +\S+ \w+, \d+ rounds", r"\w+ +estimate: blackout"):
        assert re.search(rf"^{words}", result.text, re.MULTILINE), (words, result.text)
    assert "FAIL" not in result.text
    assert host.state("withdisk") == "running"
    assert pair.beta.state("withdisk") is None
    host.follow("withdisk", 2)


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

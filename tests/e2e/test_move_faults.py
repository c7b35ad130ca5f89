# SPDX-License-Identifier: BSD-2-Clause
"""Moves that end before commitment: the guest goes on at the source, the target is free."""
import re
import time

import pytest

SLOW = "--bandwidth 1 --max-downtime 50"


def begin_move(pair, stage, options=SLOW):
    """A slow move of the busy guest, watched until it shows that stage."""
    pair.run("busy")
    before = pair.alpha.follow("busy", 2)
    pair.alpha.begin(f"migrate busy beta {options}")
    pair.alpha.running_expect(re.escape(stage), 60)
    return before


def still_at_source(pair, before):
    assert pair.alpha.state("busy") == "running"
    pair.alpha.follow("busy", 3).after(before)


def target_is_free(pair):
    for _ in range(30):
        if pair.beta.state("busy") is None:
            return
        time.sleep(1)
    raise AssertionError("beta still lists the guest")


@pytest.mark.parametrize("stage,options", [
    ("pre-copy", SLOW),
    # A generous downtime makes stop-and-copy begin at once, and last.
    ("stop-and-copy", "--bandwidth 1 --max-downtime 20000")])
def test_cancel(pair, stage, options):
    before = begin_move(pair, stage, options)
    pair.alpha.interrupt()
    result = pair.alpha.finish(60)
    assert not result.ok and "cancel" in result.text, result
    still_at_source(pair, before)
    target_is_free(pair)


def test_cancel_early(pair):
    """Checks and reservation pass quickly: Ctrl-C at several moments falls into both."""
    pair.run("busy")
    for delay in (0, 0.05, 0.1, 0.2, 0.4, 0.6):
        before = pair.alpha.follow("busy", 1)
        pair.alpha.begin(f"migrate busy beta {SLOW}")
        time.sleep(delay)
        pair.alpha.interrupt()
        result = pair.alpha.finish(60)
        assert not result.ok and "cancel" in result.text, result
        still_at_source(pair, before)
        target_is_free(pair)


def test_cancel_then_move(pair):
    """What a cancelled move had sent is sent again: nothing is taken for clean."""
    begin_move(pair, "pre-copy")
    pair.alpha.interrupt()
    assert not pair.alpha.finish(60).ok
    pair.move("busy", pair.alpha, "--verify --max-downtime 5000")


def test_cancel_from_the_target(pair):
    before = begin_move(pair, "pre-copy")
    pair.beta.cmd("migrate-cancel busy")
    assert not pair.alpha.finish(60).ok
    still_at_source(pair, before)
    target_is_free(pair)


def test_link_cut_in_pre_copy(pair):
    before = begin_move(pair, "pre-copy")
    pair.lab.net.cut_link("alpha", "beta")
    result = pair.alpha.finish(120)
    assert not result.ok, result
    still_at_source(pair, before)
    target_is_free(pair)
    pair.lab.net.heal_link("alpha", "beta")
    pair.wait_peer(pair.alpha, "beta")
    pair.move("busy", pair.alpha, "--max-downtime 5000")


def test_target_killed_in_pre_copy(pair):
    before = begin_move(pair, "pre-copy")
    pair.beta.kill()
    result = pair.alpha.finish(120)
    assert not result.ok, result
    still_at_source(pair, before)


def test_source_killed_in_pre_copy(pair):
    """The target must not keep what can never be completed."""
    begin_move(pair, "pre-copy")
    pair.alpha.kill()
    target_is_free(pair)

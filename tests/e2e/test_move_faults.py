# SPDX-License-Identifier: BSD-2-Clause
"""Moves that end before commitment: the guest goes on at the source, the target is free."""
import re
import time

import pytest

SLOW = "--bandwidth 1 --max-downtime 50"
# A generous downtime makes stop-and-copy begin at once, and last for some seconds.
SLOW_STOP = "--bandwidth 1 --max-downtime 20000"
STAGES = [("pre-copy", SLOW), ("stop-and-copy", SLOW_STOP)]
STAGE_NAMES = [stage for stage, _ in STAGES]


def begin_move(pair, stage, options=SLOW, source=None):
    """A slow move of the busy guest, watched until it shows that stage."""
    source = source or pair.run("busy")
    before = source.follow("busy", 2)
    source.begin(f"migrate busy {pair.other(source).name} {options}")
    source.running_expect(re.escape(stage), 60)
    return before


def still_at_source(pair, before, source=None):
    source = source or pair.alpha
    assert source.state("busy") == "running"
    source.follow("busy", 3).after(before)


def is_free(target):
    for _ in range(30):
        if target.state("busy") is None:
            return
        time.sleep(1)
    raise AssertionError(f"{target.name} still lists the guest")


@pytest.mark.parametrize("stage,options", STAGES, ids=STAGE_NAMES)
def test_cancel(pair, stage, options):
    before = begin_move(pair, stage, options)
    pair.alpha.interrupt()
    result = pair.alpha.finish(60)
    assert not result.ok and "cancel" in result.text, result
    still_at_source(pair, before)
    is_free(pair.beta)


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
        is_free(pair.beta)


def test_cancel_then_move(pair):
    """What a cancelled move had sent is sent again: nothing is taken for clean."""
    begin_move(pair, "pre-copy")
    pair.alpha.interrupt()
    assert not pair.alpha.finish(60).ok
    pair.move("busy", pair.alpha, "--verify --max-downtime 9000")


def test_cancel_from_the_target(pair):
    before = begin_move(pair, "pre-copy")
    pair.beta.cmd("migrate-cancel busy")
    assert not pair.alpha.finish(60).ok
    still_at_source(pair, before)
    is_free(pair.beta)


def test_timeout(pair):
    """A move that would take longer than it may ends itself."""
    before = begin_move(pair, "pre-copy", SLOW + " --timeout 2")
    result = pair.alpha.finish(60)
    assert not result.ok and "timeout" in result.text, result
    still_at_source(pair, before)
    is_free(pair.beta)


@pytest.mark.parametrize("stage,options", STAGES, ids=STAGE_NAMES)
def test_link_cut(pair, stage, options):
    before = begin_move(pair, stage, options)
    pair.lab.net.cut_link("alpha", "beta")
    result = pair.alpha.finish(120)
    assert not result.ok, result
    still_at_source(pair, before)
    is_free(pair.beta)
    pair.lab.net.heal_link("alpha", "beta")
    pair.wait_peer(pair.alpha, "beta")
    pair.move("busy", pair.alpha, "--max-downtime 9000")


def test_the_other_direction(pair):
    """A guest that has come by a move is as safe on its way back."""
    pair.run("busy")
    source, _, _ = pair.move("busy", pair.alpha, "--max-downtime 9000")
    before = begin_move(pair, "pre-copy", source=source)
    source.interrupt()
    assert not source.finish(60).ok
    still_at_source(pair, before, source)
    is_free(pair.alpha)
    before = begin_move(pair, "stop-and-copy", SLOW_STOP, source)
    pair.lab.net.cut_link("alpha", "beta")
    assert not source.finish(120).ok
    still_at_source(pair, before, source)
    is_free(pair.alpha)
    pair.lab.net.heal_link("alpha", "beta")
    pair.wait_peer(source, "alpha")
    pair.move("busy", source, "--verify --max-downtime 9000")


@pytest.mark.parametrize("stage,options", STAGES, ids=STAGE_NAMES)
def test_target_killed(pair, stage, options):
    before = begin_move(pair, stage, options)
    pair.beta.kill()
    result = pair.alpha.finish(120)
    assert not result.ok, result
    still_at_source(pair, before)


def test_source_killed(pair):
    """The target must not keep what can never be completed."""
    begin_move(pair, "pre-copy")
    pair.alpha.kill()
    is_free(pair.beta)

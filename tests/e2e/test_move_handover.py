# SPDX-License-Identifier: BSD-2-Clause
"""Faults in commitment, on real frames: the storage decides, never a timeout.

The moments are made by taking the storage away from the target: then COMMIT is
sent and cannot be carried out until the test lets it. docs/handover.md has the
states; tests/model proves the protocol, this shows that the code follows it.
"""
import time

import pytest

VM = "withdisk"


@pytest.fixture
def committing(pair):
    """COMMIT is sent; beta cannot reach the disk. What the guest counted before."""
    pair.run(VM)
    before = pair.alpha.follow(VM, 2)
    pair.alpha.begin(f"migrate {VM} beta --bandwidth 1 --max-downtime 9000")
    pair.alpha.running_expect("pre-copy", 60)
    pair.lab.net.hide_disk(pair.disk2, "beta")
    try:
        pair.alpha.running_expect("hand-over H_WAIT_COMMITTED", 120)
        yield before
    finally:
        pair.lab.net.show_disk(pair.disk2, "beta")


def wait_state(host, state, seconds=60):
    end = time.monotonic() + seconds
    while host.state(VM) != state:
        assert time.monotonic() < end, f"{host.name}: {VM} is {host.state(VM)}, not {state}"
        time.sleep(0.5)


def test_target_that_cannot_take_it_is_fenced(pair, committing):
    """The source takes the disk back; a target that comes late must not run the guest."""
    result = pair.alpha.finish(120)
    assert not result.ok and "taken back" in result.text, result
    assert pair.alpha.state(VM) == "running"
    assert pair.beta.state(VM) == "in doubt"
    pair.lab.net.show_disk(pair.disk2, "beta")
    wait_state(pair.beta, None)
    pair.alpha.follow(VM, 3).after(committing)
    pair.move(VM, pair.alpha)


def test_source_that_hears_nothing_waits(pair, committing):
    """beta took the guest, alpha is cut off from all: in doubt, paused; then it lets go."""
    pair.lab.net.unplug("alpha")
    pair.lab.net.show_disk(pair.disk2, "beta")
    wait_state(pair.beta, "running")
    pair.beta.follow(VM, 2).after(committing)
    pair.alpha.running_expect("in doubt", 120)
    pair.lab.net.plug("alpha")
    result = pair.alpha.finish(120)
    assert result.ok, result
    assert pair.alpha.state(VM) is None
    pair.beta.follow(VM, 2).after(committing)
    pair.wait_peer(pair.beta, "alpha")
    pair.move(VM, pair.beta)


def test_new_owner_ends_it_meanwhile(pair, committing):
    """beta took the guest and switched it off before alpha hears: it must not come back there."""
    pair.lab.net.unplug("alpha")
    pair.lab.net.show_disk(pair.disk2, "beta")
    wait_state(pair.beta, "running")
    pair.beta.follow(VM, 2).after(committing)
    pair.alpha.running_expect("in doubt", 120)
    pair.beta.ok(f"destroy {VM}")
    pair.lab.net.plug("alpha")
    result = pair.alpha.finish(120)
    assert result.ok, result
    assert pair.alpha.state(VM) is None
    pair.beta.ok(f"undefine {VM}")
    pair.run(VM)  # its disk is free: nobody took it in doubt


def test_storage_that_forgot_decides_nothing(pair, committing):
    """It restarts with COMMIT under way: the hosts ask each other, one of them runs it."""
    pair.disk2.kill()
    pair.disk2.start()
    result = pair.alpha.finish(180)
    assert not result.ok and "gave it up" in result.text, result
    pair.alpha.follow(VM, 3).after(committing)
    pair.lab.net.show_disk(pair.disk2, "beta")
    wait_state(pair.beta, None)
    pair.move(VM, pair.alpha)


def test_target_killed_after_commit(pair, committing):
    """It never took the disk, so the guest goes on at the source."""
    pair.beta.kill()
    result = pair.alpha.finish(120)
    assert not result.ok and "taken back" in result.text, result
    pair.alpha.follow(VM, 3).after(committing)


def test_operators_word(pair, committing):
    """Target dead, storage away: the console comes back, and the operator may decide."""
    pair.beta.kill()
    pair.lab.net.unplug("alpha")
    pair.alpha.running_expect("in doubt", 120)
    pair.alpha.interrupt()
    result = pair.alpha.finish(60)
    assert not result.ok and "migrate-status" in result.final, result
    assert pair.alpha.state(VM) == "in doubt"
    pair.alpha.fails(f"unpause {VM}", "--force")
    pair.alpha.ok(f"unpause {VM} --force")
    pair.lab.net.plug("alpha")
    wait_state(pair.alpha, "running")
    pair.alpha.follow(VM, 3).after(committing)

# SPDX-License-Identifier: BSD-2-Clause
"""Hot moves that succeed: the guest checks itself the whole time."""
import re

import pytest

from lab import Ping, Stream
from lab.pair import WEB


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


def test_move_under_load(pair):
    """Linux with its memory, disk and network workers, there and back, every page compared.

    The emulated wire carries some 250 pages a second, and this guest writes to
    nearly as many: two seconds are allowed. A client outside keeps one connection.
    """
    host = pair.linux()
    stream, ping = Stream(WEB), Ping(WEB)
    stream.wait(20, 60)
    host, result, seen = pair.move("web", host, "--verify --max-downtime 5000")
    assert "every page compared: equal" in result.text, result.text
    assert seen.disk_ok > 0
    # The guest's clock goes on during the blackout: a gap, and no more than that.
    dark = float(re.search(r"blackout predicted [\d.]+ ms, measured ([\d.]+) ms", result.text)[1])
    assert seen.longest_gap_ms < dark + 5000
    host, _, again = pair.move("web", host, "--max-downtime 5000")
    again.after(seen)
    stream.wait(20, 60)
    stream.close()
    ping.stop()
    assert ping.answered, "no ping was answered"
    print(f"{stream.bytes} bytes, longest gap {stream.longest_gap:.1f} s; {ping.lost} of "
          f"{ping.sent} pings lost, longest gap {ping.longest_gap:.1f} s")


def test_stages_are_named(pair):
    host = pair.run("busy")
    _, result, _ = pair.move("busy", host, "--max-downtime 9000")
    text = result.text + pair.alpha.ok("log 80").text
    for words in ("pre-migration", "reservation", "pre-copy", "stop-and-copy", "commitment",
                  "activation"):
        assert words in text, words
    assert re.search(r"blackout predicted [\d.]+ ms, measured [\d.]+ ms", result.text)

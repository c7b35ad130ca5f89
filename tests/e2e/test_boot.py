# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts boot from their images to a prompt, find each other, answer commands."""
import pytest

from lab import pick

VERBS = """help list info define start shutdown destroy pause unpause console migrate
migrate-status migrate-cancel drain undrain balance peers store net cpu top log host""".split()


def test_boot(pair):
    kind, _ = pick()
    for host in pair.hosts:
        text = host.ok("host").text
        assert host.name in text
        assert "VT-x" in text or "VMX" in text, text
    assert kind in ("bochs", "kvm")


def test_peers_find_each_other(pair):
    assert "beta" in pair.alpha.ok("peers")
    assert "alpha" in pair.beta.ok("peers")


def test_help_names_every_verb(pair):
    words = pair.alpha.ok("help").text.split()
    assert [v for v in VERBS if v not in words] == []


@pytest.mark.parametrize("verb", ["migrate", "console", "start"])
def test_help_of_one_verb(pair, verb):
    assert verb in pair.alpha.ok(f"help {verb}")


@pytest.mark.parametrize("verb", ["list", "store", "net", "cpu", "log", "host", "peers"])
def test_questions_are_answered(pair, verb):
    assert pair.alpha.ok(verb).lines


@pytest.mark.parametrize("line,words", [
    ("lits", "list"), ("start", "usage"), ("info nosuch", "nosuch"),
    ("start nosuch", "nosuch"), ("migrate tiny nosuch", "nosuch|not running|tiny"),
    ("list too many words", "usage"), ("migrate tiny beta --dirty wrong", "wrong|pml"),
])
def test_wrong_commands_are_refused_with_words(pair, line, words):
    pair.alpha.fails(line, words)


def test_bare_guest_runs_and_stops(pair):
    host = pair.run("tiny")
    host.follow("tiny", 3)
    assert host.state("tiny") == "running"
    host.ok("pause tiny")
    assert host.state("tiny") == "paused"
    host.ok("unpause tiny")
    host.follow("tiny", 2)
    host.ok("destroy tiny")
    assert host.state("tiny") == "off"


def test_console_reaches_the_guest(pair):
    host = pair.run("tiny")
    with host.console("tiny") as con:
        con.send("q")
        con.expect("^echo q")

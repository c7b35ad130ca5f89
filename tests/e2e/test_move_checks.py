# SPDX-License-Identifier: BSD-2-Clause
"""Moves that the checks refuse: each says what differs, and nothing has changed."""
import re

from lab.host import SCALE


def refused(pair, vm, target, words, source=None):
    source = source or pair.alpha
    before = source.follow(vm, 2)
    result = source.fails(f"migrate {vm} {target}", words, timeout=90)
    assert source.state(vm) == "running"
    source.follow(vm, 2).after(before)
    return result


def test_no_such_host(pair):
    pair.run("tiny")
    refused(pair, "tiny", "nowhere", "nowhere")


def test_to_itself(pair):
    pair.run("tiny")
    refused(pair, "tiny", "alpha", "alpha")


def test_too_little_memory(pair):
    pair.run("big")
    pair.run("hog", pair.beta)
    refused(pair, "big", "beta", r"memory")
    assert pair.beta.state("big") is None


def test_name_is_taken(pair):
    pair.run("tiny")
    pair.move("tiny", pair.alpha)
    pair.alpha.ok("define tiny")
    pair.alpha.ok("start tiny")
    refused(pair, "tiny", "beta", "tiny")


def test_disk_is_not_shared(pair):
    pair.run("withdisk")
    pair.lab.net.hide_disk(pair.disk2, "beta")
    try:
        refused(pair, "withdisk", "beta", r"disk|vda|2\.0")
        assert pair.beta.state("withdisk") is None
    finally:
        pair.lab.net.show_disk(pair.disk2, "beta")
    pair.move("withdisk", pair.alpha)
    result = pair.beta.ok("validate withdisk", 60 * SCALE)
    for words in (r"state +running, it came by a move", r"disk vda +reserved by this host",
                  r"vCPUs +1 of 1 ran here", r"timers +[1-9]", r"console +no sign"):
        assert re.search(rf"^pass +{words}", result.text, re.MULTILINE), result.text
    # it was done without being asked, too
    assert re.search(r"migrate: withdisk: validated: pass disk vda: reserved",
                     pair.beta.ok("log 60").text)


def test_cpu_lacks_a_feature(pair):
    """beta gives its place to a machine with an older CPU."""
    host = pair.run("tiny")
    pair.beta.kill()
    old = pair.lab.host("gamma", old_cpu=True)
    try:
        pair.lab.start(old)
        pair.wait_peer(host, "gamma")
        result = refused(pair, "tiny", "gamma", "check failed")
        assert "avx" in result.text.lower(), result.text
        assert old.state("tiny") is None
    finally:
        old.kill()

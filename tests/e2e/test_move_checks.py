# SPDX-License-Identifier: BSD-2-Clause
"""Moves that the checks refuse: each says what differs, and nothing has changed."""

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

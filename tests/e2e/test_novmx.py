# SPDX-License-Identifier: BSD-2-Clause
"""A machine without VT-x: the host boots, manages, and says what it cannot do."""
import pytest

from lab import guests


@pytest.fixture(scope="module")
def plain(lab):
    host = lab.host("plain", kind="qemu", vms=[guests.ticker("tiny")])
    lab.start(host)
    yield host
    host.check()
    host.kill()


def test_says_so(plain):
    assert "VT-x" in plain.ok("host").text


def test_start_is_refused(plain):
    plain.fails("start tiny")
    assert plain.state("tiny") != "running"


@pytest.mark.parametrize("verb", ["list", "peers", "net", "store", "log", "help", "cpu"])
def test_all_else_works(plain, verb):
    assert plain.ok(verb).lines

# SPDX-License-Identifier: BSD-2-Clause
"""A guest examines its processor and its devices: each of its lines must say PASS."""
import re

import pytest

from lab.guests import Guest
from lab.host import SCALE

WAIT = 60 * SCALE
GUEST = Guest("faithful", 16, {"kernel": "build/guest/faithful.elf"}, "-")


@pytest.fixture(scope="module")
def crab(lab):
    host = lab.host("crab", vms=[GUEST])
    lab.start(host)
    yield host
    host.check()
    host.kill()


def test_the_processor_is_what_cpuid_says(crab):
    crab.ok("start faithful")
    with crab.console("faithful") as con:
        con.expect(r"^guest: ready", WAIT)
        con.send("g")
        con.expect(r"^faithful: (done|ended early)", WAIT)
        text = crab.serial.text(con.live)
    bad = re.findall(r"^FAIL .*", text, re.MULTILINE)
    assert not bad, "\n".join(bad)
    assert "faithful: done" in text
    assert len(re.findall(r"^PASS ", text, re.MULTILINE)) > 200

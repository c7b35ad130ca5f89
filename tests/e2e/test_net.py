# SPDX-License-Identifier: BSD-2-Clause
"""Guests on networks: VLANs, what the console tells. Moves with a client: test_move_hot.py."""
import re

from lab.pair import WEB
from lab.tagged import Wire

DMZ = "10.8.0.2"


def test_vlan(pair):
    """Tagged frames reach the card on the tagged network alone, and its own leave with the tag."""
    host = pair.linux()
    with host.console("web") as con:
        con.shell(f"ip addr add {DMZ}/24 dev eth1; ip link set eth1 up; "
                  "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore; echo up")
    wire = Wire()
    mac, tag = wire.who_has(DMZ, vlan=20)
    assert tag == 20
    own, untagged = wire.who_has(WEB)
    assert untagged is None and own != mac
    assert wire.who_has(DMZ, timeout=2) is None
    assert wire.who_has(DMZ, vlan=21, timeout=2) is None
    assert wire.who_has(WEB, vlan=20, timeout=2) is None
    wire.close()
    text = host.ok("net").text
    assert re.search(r"^dmz +nic0 +20 ", text, re.MULTILINE), text
    assert re.search(rf"^web.eth1 +dmz +{mac.hex(':')} ", text, re.MULTILINE), text


def test_spoofed_frames_stay_inside(pair):
    """A guest that sends from another MAC is not heard; the host counts it."""
    host = pair.linux()
    with host.console("web") as con:
        con.shell("ip link set eth1 down; ip link set eth1 address 52:54:00:66:66:66; "
                  "ip link set eth1 up; ping -c 2 -W 1 10.8.0.77; echo sent")
    row = re.search(r"^web\.eth1 .* (\d+)\s*$", host.ok("net").text, re.MULTILINE)
    assert row and int(row[1]) > 0, host.ok("net").text
    wire = Wire()
    assert wire.who_has(DMZ, vlan=20, timeout=2) is None
    wire.close()

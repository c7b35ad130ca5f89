# SPDX-License-Identifier: BSD-2-Clause
"""A guest that boots by itself: firmware, GRUB and Debian from its own disk, on both hosts."""
import os
import re

from lab import Ping, Stream
from lab.host import SCALE
from lab.pair import DEBIAN

BOOT_TIMEOUT = 240 * SCALE
MOVES = int(os.environ.get("PAGURUS_MOVES", "10"))
UUID = "12345678-9abc-def0-1234-56789abcdef0"


def expect_boot(con):
    """From the reset vector to a shell, each stage by its own words."""
    con.expect(r"SeaBIOS \(version 1\.", 60 * SCALE)
    con.expect(rf"Machine UUID {UUID}", 60 * SCALE)
    con.expect(r"GNU GRUB", 60 * SCALE)
    con.expect(r"Booting `Debian GNU/Linux'", 60 * SCALE)
    con.expect(r"debian: Debian GNU/Linux 12 .*, root /dev/vda1", BOOT_TIMEOUT)
    con.expect(rf"debian: uuid {UUID}", 60 * SCALE)
    con.expect(r"debian: ready\n(?:.*\n)*?guest: ready\n", 60 * SCALE)


def count(con):
    """What the loop in the guest last wrote to its disk."""
    status, text = con.shell("cat /var/count")
    number = re.search(r"^\d+$", text, re.MULTILINE)
    assert status == 0 and number, text
    return int(number.group())


def test_debian_moves_ten_times_and_reboots(pair):
    """Two CPUs, its own boot loader and disk, memory, disk and network at work: there and back
    under one TCP connection, every page compared each time; then a reboot where it went."""
    host = pair.alpha
    host.ok("start debian")
    with host.console("debian") as con:
        expect_boot(con)
        assert con.shell("nproc") == (0, "2"), "all that firmware woke and ACPI lists"
        con.shell("(i=0; while sleep 1; do i=$((i+1)); echo $i >/var/count; sync; done) & true")
        con.shell("sleep 3")
        before = count(con)
    stream, ping = Stream(DEBIAN), Ping(DEBIAN)
    stream.wait(20, 60)
    for _ in range(MOVES):
        host, result, seen = pair.move("debian", host, "--verify --max-downtime 8000")
        assert "every page compared: equal" in result.lines, result.text
        # The guest's clock goes on during the blackout: a gap, and no more than that.
        dark = re.search(r"blackout predicted [\d.]+ ms, measured ([\d.]+) ms", result.text)
        assert seen.longest_gap_ms < float(dark[1]) + 5000
        stream.check()
    assert seen.disk_ok > 0
    stream.wait(20, 60)
    stream.close()
    ping.stop()
    assert ping.answered, "no ping was answered"
    print(f"{stream.bytes} bytes, longest gap {stream.longest_gap:.1f} s; {ping.lost} of "
          f"{ping.sent} pings lost, longest gap {ping.longest_gap:.1f} s")
    with host.console("debian") as con:
        assert count(con) >= before
        # Linux resets its disks before the machine: a worker would see reads fail.
        con.shell("for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = worker ] && kill -9 ${p#/proc/}; "
                  "done; sleep 1")
        con.send("reboot -f\r")
        expect_boot(con)
        assert count(con) >= before
    host.ok("destroy debian")

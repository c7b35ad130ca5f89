# SPDX-License-Identifier: BSD-2-Clause
"""A guest that boots by itself: firmware, GRUB and Debian from its own disk, on both hosts."""
import re

from lab.host import SCALE

BOOT_TIMEOUT = 240 * SCALE
UUID = "12345678-9abc-def0-1234-56789abcdef0"


def expect_boot(con):
    """From the reset vector to a shell, each stage by its own words."""
    con.expect(r"SeaBIOS \(version 1\.", 60 * SCALE)
    con.expect(rf"Machine UUID {UUID}", 60 * SCALE)
    con.expect(r"GNU GRUB", 60 * SCALE)
    con.expect(r"Booting `Debian GNU/Linux'", 60 * SCALE)
    con.expect(r"debian: Debian GNU/Linux 12 .*, root /dev/vda1", BOOT_TIMEOUT)
    con.expect(rf"debian: uuid {UUID}", 60 * SCALE)
    con.expect(r"debian: ready", 60 * SCALE)


def count(con):
    """What the loop in the guest last wrote to its disk."""
    status, text = con.shell("cat /var/count")
    assert status == 0
    return int(re.search(r"\d+", text).group())


def test_debian_from_its_disk_moves_and_reboots(pair):
    source = pair.alpha
    vcpus = next(vm.vcpus for vm in source.vms if vm.name == "debian")
    source.ok("start debian")
    with source.console("debian") as con:
        expect_boot(con)
        status, text = con.shell("nproc")
        assert (status, text[-1:]) == (0, str(vcpus)), "all that firmware woke and ACPI lists"
        con.shell("(i=0; while sleep 1; do i=$((i+1)); echo $i >/var/count; sync; done) & true")
        con.shell("sleep 3")
        before = count(con)
    source.ok("migrate debian beta --verify --max-downtime 5000", 400 * SCALE)
    target = pair.beta
    assert target.state("debian") == "running"
    with target.console("debian") as con:
        assert count(con) >= before
        con.send("reboot -f\r")
        expect_boot(con)
        status, text = con.shell("cat /var/count")
        assert status == 0 and int(re.search(r"\d+", text).group()) >= before
    target.ok("destroy debian")

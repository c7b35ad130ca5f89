# SPDX-License-Identifier: BSD-2-Clause
"""Cold moves between two hosts without VT-x, each with a datastore on a disk of its own kind.

The disk's contents are known from outside; hosts are switched off in the middle of the copy.
"""
import random
import re
import subprocess

import pytest
from lab import guests
from lab.host import SCALE

MOVE_TIMEOUT = 120 * SCALE
MIB = 1 << 20
SIZE = 20 * MIB  # of the VM's disk: every other MiB is a hole
DISK = "disk/web/vda"


def pgstore(lab, *args):
    return subprocess.run([f"{lab.build}/pgstore", *args], check=True, capture_output=True,
                          text=True).stdout


def contents(path):
    data = random.Random(11)
    with open(path, "wb") as f:
        f.truncate(SIZE)
        for at in range(0, SIZE, 2 * MIB):
            f.seek(at)
            f.write(data.randbytes(MIB))
    return path


@pytest.fixture(scope="module")
def hosts(lab):
    image = contents(lab.folder / "vda.raw")
    web = guests.ticker("web", disks=["store main"])
    tern = lab.host("tern", kind="qemu", disk_kind=["ahci"], vms=[web])
    gull = lab.host("gull", kind="qemu", disk_kind=["nvme"], nic_kind="e1000e", chipset="q35")
    for host in (tern, gull):
        for path in host.disks.values():
            pgstore(lab, "make", path, "main", "40M")
    pgstore(lab, "put", tern.disks["ahci"], DISK, image)
    lab.start(tern, gull)
    tern.hears(gull)
    gull.hears(tern)
    yield tern, gull
    for host in (tern, gull):
        host.check()
        host.kill()


def copying(source, line):
    """Begin a move, and return when some 60 to 90 % of the disk went."""
    source.begin(line)
    source.running_expect(r"copying disks, [6-8]\d% ", 30 * SCALE)


def test_checks(hosts):
    tern, gull = hosts
    tern.fails("migrate web gull", "is off: hot and --suspend moves")
    text = tern.ok("migrate web gull --cold --dry-run", MOVE_TIMEOUT).text
    assert re.search(r"^note +virtualisation +needed +no VT-x there$", text, re.M), text
    assert re.search(r"^note +disk vda is copied +20 MiB +to datastore main$", text, re.M)
    tern.fails("migrate web gull --cold --start", "virtualisation: here needed, there no VT-x",
               MOVE_TIMEOUT)
    tern.fails("migrate web gull --start", "--start and --keep are for --cold moves")
    assert tern.state("web") == "off" and gull.state("web") is None


def test_target_dies_and_the_rest_goes(hosts):
    tern, gull = hosts
    copying(tern, "migrate web gull --cold --bandwidth 2")
    gull.kill()
    assert not tern.finish(MOVE_TIMEOUT).ok
    assert tern.state("web") == "off"
    gull.power_on().wait_boot()
    tern.hears(gull)
    assert gull.state("web") is None
    assert f"{DISK}.part" in gull.ok("store-list main").text
    text = tern.ok("migrate web gull --cold", MOVE_TIMEOUT).text
    assert "disk vda unfinished copy" in text
    there = int(re.search(r"(\d+) were there; digests equal", text)[1])
    assert there >= MIB
    assert tern.state("web") is None and gull.state("web") == "off"
    listing = gull.ok("store-list main").text
    assert DISK in listing and ".part" not in listing and "log/web" in listing
    assert "web" not in tern.ok("store-list main").text.replace("log/web", "").replace(
        "vm/web/undefined", "")


def test_source_dies_on_the_way_back(hosts):
    tern, gull = hosts
    copying(gull, "migrate web tern --cold --bandwidth 2")
    gull.kill()
    gull.pending = None
    gull.power_on().wait_boot()
    gull.hears(tern)
    assert gull.state("web") == "off", "kept in its datastore"
    assert tern.state("web") is None  # it noticed while the other one started
    text = gull.ok("migrate web tern --cold", MOVE_TIMEOUT).text
    assert int(re.search(r"(\d+) were there", text)[1]) >= MIB
    assert gull.state("web") is None and tern.state("web") == "off"
    assert re.search(r"kernel +store/web/kernel|kernel +vms/web", tern.ok("info web").text)


def test_drain(hosts):
    """What is off goes along, cold."""
    tern, gull = hosts
    result = tern.ok("drain", MOVE_TIMEOUT)
    assert re.search(r"^web +gull +cold ", result.text, re.M), result.text
    assert tern.state("web") is None and gull.state("web") == "off"
    gull.fails("migrate web tern --cold", "takes VMs", MOVE_TIMEOUT)
    tern.ok("undrain")
    gull.hears_drained("tern", False)
    gull.ok("migrate --all tern", MOVE_TIMEOUT)
    assert gull.state("web") is None and tern.state("web") == "off"


def test_survives_restarts(hosts):
    tern, gull = hosts
    for host in hosts:
        host.restart()
    assert tern.state("web") == "off" and gull.state("web") is None


def test_disk_at_the_end(lab, hosts):
    tern, gull = hosts
    for host in hosts:
        host.check()
        host.kill()
    pgstore(lab, "check", tern.disks["ahci"])
    pgstore(lab, "check", gull.disks["nvme"])
    pgstore(lab, "get", tern.disks["ahci"], DISK, lab.folder / "back.raw")
    assert (lab.folder / "back.raw").read_bytes() == (lab.folder / "vda.raw").read_bytes()
    listing = pgstore(lab, "list", gull.disks["nvme"])
    assert DISK not in listing and "moved/" not in listing and "leaving/" not in listing

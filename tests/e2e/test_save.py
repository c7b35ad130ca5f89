# SPDX-License-Identifier: BSD-2-Clause
"""VMs saved in a datastore and restored: after a restart of the host, and at another host.

Two hosts of their own: alpha has a datastore on its second disk, both know one on an AoE
target. The guests are bare: their counters tell whether they went on where they stopped.
"""
import re
import time

import pytest
from lab import guests
from lab.host import SCALE

SAVE_TIMEOUT = 120 * SCALE
SHARED = "store shared aoe 5.0\n"
CYLINDER = 16 * 63 * 512  # a disk of whole cylinders: Bochs finds its geometry


def blank(path, cylinders=32):
    with open(path, "wb") as f:
        f.truncate(cylinders * CYLINDER)
    return path.absolute()


@pytest.fixture(scope="module")
def hosts(lab):
    local = blank(lab.folder / "main.img")
    lab.net.vblade(5, 0, path=blank(lab.folder / "shared.img"))
    disk = lab.net.vblade(6, 0, size=4 << 20)
    # fat: more pages with contents than the store has room for
    vms = [guests.ticker("tick"), guests.ticker("disk", disks=[disk]),
           guests.ticker("fat", memory=32, pages=6000),
           guests.ticker("stored", disks=["store main"])]
    alpha = lab.host("nautilus", vms=vms, conf=SHARED, second_disk=local)
    beta = lab.host("argo", conf=SHARED)
    lab.start(alpha, beta)
    alpha.fails("store-format main ata1", "add --yes")
    alpha.ok("store-format main ata1 --yes")
    alpha.ok("store-format shared --yes")
    yield alpha, beta
    for host in (alpha, beta):
        host.check()
        host.kill()


def run(host, vm):
    host.ok(f"start {vm}")
    with host.console(vm) as con:
        con.expect(r"work: tick", 60 * SCALE)
    return host.follow(vm, 2)


def logged(host, vm, words):
    """The VM's own log says so; lines come there a moment later."""
    for _ in range(30):
        log = host.cmd(f"log {vm}").text
        if re.search(rf"^\d{{4}}-\d\d-\d\d .*info: {words}", log, re.M):
            return
        time.sleep(0.3)
    raise AssertionError(f"{host.name}: '{words}' is not in: {log}")


def generation(host, vm):
    return re.search(r"gen\. id +(\S+)", host.ok(f"info {vm}").text).group(1)


def test_restart_of_the_host(hosts):
    alpha, _ = hosts
    before = run(alpha, "tick")
    first = generation(alpha, "tick")
    assert "saved in store main" in alpha.ok("save tick", SAVE_TIMEOUT)
    assert alpha.state("tick") == "saved"
    alpha.fails("start tick", "is saved: 'restore tick'")
    alpha.ok("undefine disk")
    alpha.ok("keep fat")
    logged(alpha, "tick", "save: tick: saved in store main")
    alpha.restart()
    assert alpha.states() == {"fat": "off", "stored": "off", "tick": "saved"}  # disk stays undefined
    alpha.ok("define disk")
    assert re.search(r"kernel +store/fat/kernel", alpha.ok("info fat").text)
    logged(alpha, "tick", "save: tick: saved in store main")
    result = alpha.ok("restore tick", SAVE_TIMEOUT)
    assert re.search(r"pass +memory", result.text) and "FAIL" not in result
    alpha.follow("tick", 3).after(before)
    assert generation(alpha, "tick") == first

    # once, unless the operator insists
    alpha.ok("destroy tick")
    alpha.fails("restore tick", "restored before")
    assert alpha.state("tick") == "off"
    alpha.ok("restore tick --again", SAVE_TIMEOUT)
    alpha.follow("tick", 2).after(before)
    assert generation(alpha, "tick") != first
    alpha.ok("destroy tick")


def test_store_full(hosts):
    alpha, _ = hosts
    before = run(alpha, "fat")
    alpha.fails("save fat", "store main has no room", SAVE_TIMEOUT)
    assert alpha.state("fat") == "running"
    alpha.follow("fat", 2).after(before)
    alpha.ok("destroy fat")


def test_disk_in_the_store(hosts):
    alpha, _ = hosts
    alpha.fails("start stored", "disk/stored/vda")
    alpha.ok("disk-create main disk/stored/vda 4M")
    before = run(alpha, "stored")
    alpha.fails("store-close main", "in use")
    alpha.ok("save stored", SAVE_TIMEOUT)
    result = alpha.ok("restore stored", SAVE_TIMEOUT)
    assert re.search(r"pass +disk vda unchanged +([0-9a-f]{16}) +\1", result.text)
    alpha.follow("stored", 2).after(before)
    alpha.ok("destroy stored")


def test_suspend_move(hosts):
    alpha, beta = hosts
    before = run(alpha, "tick")
    assert "moved to argo" in alpha.ok("migrate tick argo --suspend", SAVE_TIMEOUT)
    beta.follow("tick", 2).after(before)
    beta.ok("destroy tick")
    beta.ok("undefine tick")
    alpha.ok("define tick")


def test_at_the_other_host(hosts):
    alpha, beta = hosts
    before = run(alpha, "disk")
    beta.fails("store-open shared", r"reserved by nautilus")
    alpha.ok("save disk shared", SAVE_TIMEOUT)
    alpha.ok("store-close shared")
    beta.ok("store-open shared")
    assert "disk" in beta.ok("saved")
    beta.ok("restore disk", SAVE_TIMEOUT)
    beta.follow("disk", 3).after(before)

    # somebody took the disk while the VM rested
    beta.ok("save disk shared", SAVE_TIMEOUT)
    alpha.ok("start disk --force")
    alpha.ok("destroy disk")
    beta.fails("restore disk", "disk vda unchanged", SAVE_TIMEOUT)
    assert beta.state("disk") == "saved"
    beta.ok("restore disk --force", SAVE_TIMEOUT)
    beta.follow("disk", 2)
    beta.ok("destroy disk")


def test_power_cut_in_a_save(hosts):
    alpha, _ = hosts
    run(alpha, "tick")
    alpha.begin("save tick")
    alpha.running_expect(r"tick into store main")
    alpha.kill()
    alpha.pending = None
    alpha.power_on().wait_boot()
    assert alpha.state("tick") == "off"
    alpha.fails("restore tick", "no saved state|restored before")

# SPDX-License-Identifier: BSD-2-Clause
"""What several demonstrations need: machines that boot side by side, datastores, a bare guest."""
import subprocess
import time

from lab import pick

LIMIT = 600  # seconds to wait for any single thing on a slow machine
CYLINDER = 16 * 63 * 512  # a disk of whole cylinders: Bochs finds its geometry
STORE_CYLINDERS = 64
DISK = "disk/web/vda"


def boot_all(story, lab, words, *hosts):
    kind, why = pick()
    emulator = {"bochs": "Bochs", "kvm": "QEMU with nested VT-x"}.get(kind, kind)
    story.say(words, f"They run in {emulator}: {why}.",
              "What they print on their serial lines stands behind their names.")
    story.shown = True
    lab.start(*hosts, timeout=LIMIT)
    with story.quiet():
        for host in hosts:
            others = [other.name for other in hosts if other is not host]
            wait_until(f"{host.name} hears {others}",
                       lambda h=host, o=others: heard(h) >= set(o))


def heard(host):
    return {line.split()[0] for line in host.ok("peers").lines if line and "gone" not in line}


def wait_until(what, true):
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(1)


def pgstore(*args):
    return subprocess.run(["build/pgstore", *args], check=True, capture_output=True,
                          text=True).stdout


def blank(path):
    with open(path, "wb") as f:
        f.truncate(STORE_CYLINDERS * CYLINDER)
    return path.absolute()


def store_host(lab, name, **options):
    """A machine with a second disk that is a datastore 'main'; (host, path of that disk)."""
    path = blank(lab.folder / f"{name}-store.img")
    pgstore("make", path, "main")
    if pick()[0] == "bochs":
        return lab.host(name, second_disk=path, **options), path
    host = lab.host(name, disk_kind=["ata"], **options)
    host.disks["ata"] = path
    return host, path


def start_bare(host, vm, ticks=2):
    """Started; what the guest said after some of its seconds."""
    host.ok(f"start {vm}")
    with host.console(vm) as con:
        con.expect(rf"work: tick {ticks} .*\n", LIMIT)
        return con.follow(1, LIMIT)


def went_on(host, vm, before):
    """The guest on that host is the one seen before, further on; what it says now."""
    after = host.follow(vm, 2, LIMIT)
    after.after(before)
    return after


def away(story, *gone):
    """(host, VM) pairs: none of them is there any more."""
    with story.quiet():
        for host, vm in gone:
            assert host.state(vm) is None, f"{host.name} still lists {vm}"

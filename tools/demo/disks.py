# SPDX-License-Identifier: BSD-2-Clause
"""Moves that take a VM's disk along from one machine's own disk to the other's.

localdisk: hot, the guest writes to its disk all the time. cold: the VM is off. Nothing is shared
between the two machines but the wire; the disk is read from outside at the end.
"""
import random
import re

from lab import guests
from lab.work import disk_verify

from hot import move_rows
from stage import DISK, LIMIT, away, boot_all, pgstore, start_bare, store_host, went_on
from story import WHY, size_text

ARCHIVE = "disk/web/vdb"
MIB = 1 << 20

WHY_LOCAL = [*WHY[:1],
             "The other host builds an empty VM, and an object for the disk in its datastore.",
             "First the disk, then memory; then what of both the guest changed meanwhile.",
             "The guest stands still; its last blocks, pages, CPU and devices follow.",
             "No shared disk decides here: the target makes the disk durable and says so.",
             "The guest runs there; memory and disk are freed here."]


def boot(story, lab, archive=None):
    """archive: a file with the contents of a second disk, which the guest leaves alone."""
    disks = ["store main"] * (2 if archive else 1)
    web = guests.ticker("web", disks=disks, options="disk=1")
    alpha, mine = store_host(lab, "alpha", vms=[web])
    if archive:
        pgstore("put", mine, ARCHIVE, archive)
    beta, path = store_host(lab, "beta")
    boot_all(story, lab, "Two machines, alpha and beta, boot Pagurus; each has a datastore on a "
             "disk of its own", alpha, beta)
    story.say("alpha makes a disk for 'web' in its datastore, and starts the guest",
              "It writes blocks with checksums to that disk and reads them back all the time.")
    alpha.ok(f"disk-create main {DISK} 4M")
    before = start_bare(alpha, "web", 3)
    alpha.ok("store-list main")
    return alpha, beta, path, before


def read_outside(story, lab, path):
    """The hosts are off: the target's disk as another program sees it; what was found."""
    story.say("Both machines are switched off, and the target's datastore is read from outside")
    story.shown = False
    lab.check()
    for host in lab.hosts.values():
        host.kill()
    pgstore("check", path)
    copy = lab.folder / "vda"
    pgstore("get", path, DISK, copy)
    low, high = disk_verify(copy)
    return f"every block whole and in order, each written {low} to {high} times"


def disk_row(text):
    found = re.search(r"disks of (\d+) bytes: (\d+) (?:bytes )?sent, (\d+) as holes", text)
    if not found:
        return []
    total, sent, holes = (size_text(int(n)) for n in found.groups())
    return [("disk", f"{total}: {sent} sent, {holes} as holes")]


def localdisk(story, lab):
    alpha, beta, path, before = boot(story, lab)
    story.why, story.source = WHY_LOCAL, "alpha"
    story.say("alpha moves it to beta, disk and all, while it writes",
              "--verify: every page of memory and the disk are compared at the end.")
    result = alpha.ok("migrate web beta --verify --max-downtime 2000", timeout=LIMIT)
    away(story, (alpha, "web"))
    story.say("On beta the same counters go on, those of the disk too")
    after = went_on(beta, "web", before)
    assert after.disk_ok > before.disk_ok
    story.say("'validate': is it well there? Then what each datastore holds now")
    beta.ok("validate web", LIMIT)
    alpha.ok("store-list main")
    beta.ok("store-list main")
    outside = read_outside(story, lab, path)
    rows = move_rows("move", result) + disk_row(result.text) + [
        ("guest", f"second {before.tick} on alpha, {after.rows[0][0]} to {after.tick} on beta"),
        ("guest's memory", f"{after.mem_ok} pages checked, no mismatch"),
        ("guest's disk", f"{after.disk_ok} blocks checked, no mismatch"), ("", outside)]
    story.table("What happened", rows)
    story.end("The guest and its disk left a machine that shares nothing with the other one.")


def make_archive(path):
    """8 MiB, every other one a hole."""
    contents = random.Random(11)
    with open(path, "wb") as f:
        for _ in range(4):
            f.write(contents.randbytes(MIB) + bytes(MIB))
    return path


def cold_rows(text):
    moved = re.search(r"moved to \S+ in ([\d.]+) ms, .*?(\d+) bytes on the wire", text)
    rows = [("move", f"{float(moved[1]) / 1000:.1f} s, {size_text(int(moved[2]))} on the wire")] \
        if moved else []
    return rows + disk_row(text) + [("", "digests of both ends equal")] * ("digests equal" in text)


def cold(story, lab):
    archive = make_archive(lab.folder / "archive.raw")
    alpha, beta, path, before = boot(story, lab, archive)
    story.say("'destroy' takes its power away: the VM is off, its disks stay",
              "The second one holds 8 MiB that were put there from outside, half of it holes.")
    alpha.ok("destroy web")
    alpha.ok("list")
    story.say("What would a cold move do? --dry-run checks and changes nothing",
              "The processors may differ: a VM that is off carries no CPU state.")
    alpha.ok("migrate web beta --cold --dry-run", timeout=LIMIT)
    story.say("And now it goes: definition, boot files, disks, log",
              "Digests are compared, and only then one commit decides that the VM is beta's.",
              "--start: it is switched on there.")
    story.checks = False  # the same again
    result = alpha.ok("migrate web beta --cold --start", timeout=LIMIT)
    away(story, (alpha, "web"))
    story.say("It boots on beta from what came along; its seconds begin anew")
    after = beta.follow("web", 3, LIMIT)
    beta.ok("list")
    alpha.ok("store-list main")
    beta.ok("store-list main")
    outside = read_outside(story, lab, path)
    copy = lab.folder / "vdb"
    pgstore("get", path, ARCHIVE, copy)
    assert copy.read_bytes() == archive.read_bytes(), "the second disk is not what it was"
    rows = cold_rows(result.text) + [
        ("guest", f"{before.tick} seconds on alpha, then {after.tick} on beta, booted anew"),
        ("guest's disk", f"{after.disk_ok} blocks checked there, no mismatch"), ("", outside),
        ("its second disk", "read from outside: byte for byte what was put into it at alpha")]
    story.table("What happened", rows)
    story.end("The VM, its files, its disks and its log are the other machine's.")

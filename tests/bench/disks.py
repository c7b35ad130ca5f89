# SPDX-License-Identifier: BSD-2-Clause
"""What disks cost: operations of a datastore, and hot moves that take a local disk along."""
import random
import re
import subprocess

from lab import Lab, guests
from moves import BLACKOUT, MOVE_TIMEOUT, STOP, TOTALS, WORK, wait_peers
from parts import WAIT

MIB = 1 << 20
SIZE = 8  # MiB of the disks that are moved for what a MiB costs
CYLINDER = 16 * 63 * 512  # a disk of whole cylinders: Bochs finds its geometry
STORE_OPS = re.compile(r"^bench: (.*): writes (\d+) flushes (\d+) sectors (\d+) per (\d+)$",
                       re.MULTILINE)


def store(figures, args):
    """Operations on the device for each thing that a datastore does."""
    out = subprocess.run([f"{args.build}/bench/store"], check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    rows = STORE_OPS.findall(out)
    assert rows, f"no figures in: {out}"
    for name, *numbers, per in rows:
        for unit, number in zip(("writes", "flushes", "sectors"), numbers):
            figures.add(f"store {name}, {unit}", int(number) / int(per), unit)


def pgstore(args, *argv):
    subprocess.run([f"{args.build}/pgstore", *argv], check=True, stdout=subprocess.DEVNULL)


def store_make(lab, args, name, images=()):
    """A disk with a datastore 'main' in which VMs' disks are already."""
    path = (lab.folder / f"{name}.img").absolute()
    with open(path, "wb") as f:
        f.truncate(64 * CYLINDER)
    pgstore(args, "make", path, "main")
    for vm, image in images:
        pgstore(args, "put", path, f"disk/{vm}/vda", image)
    return path


def image(lab, name, filled):
    """A disk of SIZE MiB, so many of which hold random bytes."""
    path = lab.folder / f"{name}.raw"
    with open(path, "wb") as f:
        f.write(random.Random(11).randbytes(filled * MIB))
        f.truncate(SIZE * MIB)
    return path


def hosts(lab, args, vms, images=()):
    disks = [store_make(lab, args, "alpha-store", images), store_make(lab, args, "beta-store")]
    pair = lab.start(lab.host("alpha", args.kind, vms=vms, second_disk=disks[0]),
                     lab.host("beta", args.kind, second_disk=disks[1]))
    wait_peers(*pair)
    return pair


def move(alpha, vm, options=""):
    """(text of the summary, bytes on the wire, ticks of the sender's own work)."""
    text = alpha.ok(f"migrate {vm} beta {options}".strip(), timeout=MOVE_TIMEOUT).text
    return text, int(TOTALS.search(text).group(3)), int(WORK.search(text).group(1))


def run(host, vm, tick=2):
    host.ok(f"start {vm}")
    with host.console(vm) as con:
        con.expect(rf"^work: tick {tick} ", WAIT)


def localdisk(figures, args):
    """Hot moves that take a local disk along: bytes and ticks a MiB, blackout under writes."""
    if args.kind != "bochs":
        figures.note("localdisk: not measured: the lab gives a second disk to Bochs only")
        return
    quiet = {"pages": 16, "rate": 1}
    vms = [guests.ticker("none", build=args.build, **quiet),
           *(guests.ticker(vm, disks=["store main"], build=args.build, **quiet)
             for vm in ("sparse", "dense")),
           guests.ticker("writer", disks=["store main"], options="disk=1", build=args.build)]
    with Lab(args.folder / "localdisk", build=args.build) as lab:
        images = [("sparse", image(lab, "sparse", 0)), ("dense", image(lab, "dense", SIZE))]
        alpha, beta = hosts(lab, args, vms, images)
        base = (0, 0)
        for vm in ("none", "sparse", "dense"):
            run(alpha, vm)
            text, wire, work = move(alpha, vm)
            beta.ok(f"destroy {vm}")
            if vm == "none":  # the same guest without a disk: what its memory costs
                base = wire, work
                continue
            name = f"local disk, {vm} {SIZE} MiB"
            figures.add(f"{name}, bytes on the wire per MiB", (wire - base[0]) / SIZE, "bytes")
            figures.add(f"{name}, host's work per MiB sent", (work - base[1]) // SIZE, "ticks")
            received = WORK.search(beta.ok(f"migrate-status {vm}").text)
            if received:
                figures.add(f"{name}, host's work per MiB received",
                            int(received.group(1)) // SIZE, "ticks")
        alpha.ok("disk-create main disk/writer/vda 4M")
        run(alpha, "writer", 3)
        text, _, _ = move(alpha, "writer", "--max-downtime 2000")
        beta.follow("writer", 2)
        figures.add("local disk, writer, blackout", float(BLACKOUT.search(text).group(2)), "ms")
        figures.add("local disk, writer, bytes while the guest stood still",
                    int(STOP.search(text).group(1)), "bytes")
        lab.check()

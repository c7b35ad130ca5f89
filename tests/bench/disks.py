# SPDX-License-Identifier: BSD-2-Clause
"""What disks cost: operations of a datastore, and hot moves that take a local disk along."""
import random
import re
import subprocess

from lab import Lab, guests
from moves import BLACKOUT, MOVE_TIMEOUT, STOP, TOTALS, WORK, wait_peers
from parts import WAIT

MIB = 1 << 20
SIZES = {"sparse": 1024, "dense": 8}  # MiB of the disks that are moved for what a MiB costs
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


def dense_image(lab):
    path = lab.folder / "dense.raw"
    path.write_bytes(random.Random(11).randbytes(SIZES["dense"] * MIB))
    return path


def hosts(lab, args, vms, images=()):
    disks = [store_make(lab, args, "alpha-store", images), store_make(lab, args, "beta-store")]
    pair = lab.start(lab.host("alpha", args.kind, vms=vms, second_disk=disks[0]),
                     lab.host("beta", args.kind, second_disk=disks[1]))
    wait_peers(*pair)
    return pair


def run(host, vm, tick=2):
    host.ok(f"start {vm}")
    with host.console(vm) as con:
        con.expect(rf"^work: tick {tick} ", WAIT)


def quiet_move(alpha, beta, vm):
    """Bytes on the wire, and ticks of the sender's own work."""
    run(alpha, vm)
    text = alpha.ok(f"migrate {vm} beta", timeout=MOVE_TIMEOUT).text
    beta.ok(f"destroy {vm}")
    return int(TOTALS.search(text).group(3)), int(WORK.search(text).group(1))


def localdisk(figures, args):
    """Hot moves that take a local disk along: bytes and ticks a MiB, blackout under writes."""
    if args.kind != "bochs":
        figures.note("localdisk: not measured: the lab gives a second disk to Bochs only")
        return
    quiet = {"pages": 16, "rate": 1}
    vms = [*(guests.ticker(vm, build=args.build, **quiet) for vm in ("first", "none")),
           *(guests.ticker(vm, disks=["store main"], build=args.build, **quiet) for vm in SIZES),
           guests.ticker("writer", disks=["store main"], options="disk=1", build=args.build)]
    with Lab(args.folder / "localdisk", build=args.build) as lab:
        alpha, beta = hosts(lab, args, vms, [("dense", dense_image(lab))])
        alpha.ok(f"disk-create main disk/sparse/vda {SIZES['sparse']}M")
        # The first one brings the boot file along, and what else happens once.
        costs = {vm: quiet_move(alpha, beta, vm) for vm in ("first", "none", *SIZES)}
        for vm, size in SIZES.items():
            # Less the same guest without a disk: what its memory costs.
            wire, work = (mine - base for mine, base in zip(costs[vm], costs["none"]))
            name = f"local disk, {vm} {size} MiB"
            figures.add(f"{name}, bytes on the wire per MiB", wire / size, "bytes")
            figures.add(f"{name}, host's work per MiB sent", work // size, "ticks")
        alpha.ok("disk-create main disk/writer/vda 4M")
        run(alpha, "writer", 3)
        text = alpha.ok("migrate writer beta --max-downtime 2000", timeout=MOVE_TIMEOUT).text
        beta.follow("writer", 2)
        figures.add("local disk, writer, blackout", float(BLACKOUT.search(text).group(2)), "ms")
        figures.add("local disk, writer, bytes while the guest stood still",
                    int(STOP.search(text).group(1)), "bytes")
        lab.check()

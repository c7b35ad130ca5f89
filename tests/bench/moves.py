# SPDX-License-Identifier: BSD-2-Clause
"""What is measured between two hosts: moves, and writes to logged pages."""
import re
import time

from lab import Lab, guests
from parts import WAIT, add_samples, exits_guest

PAGE = 4096
MOVE_TIMEOUT = 1800
WRITER_DOWNTIME_MS = 3000
TOTALS = re.compile(r"moved to \S+ in ([\d.]+) ms, (\d+) rounds, (\d+) bytes on the wire, "
                    r"(\d+) pages, (\d+) zero pages")
BLACKOUT = re.compile(r"blackout predicted ([\d.]+) ms, measured ([\d.]+) ms")
STOP = re.compile(r"(\d+) bytes while the guest stood still")
WORK = re.compile(r"own work in pre-copy: (\d+) ticks")

# name, MiB of RAM, MiB rewritten by the guest's worker, pages a second, vCPUs
MOVES = [("idle-256", "idle 256 MiB", 256, 0, 0, 1), ("idle-1024", "idle 1 GiB", 1024, 0, 0, 1),
         ("work-16", "256 MiB, 16 MiB worker", 256, 16, 100, 1),
         ("work-64", "256 MiB, 64 MiB worker", 256, 64, 100, 1),
         ("two-cpus", "256 MiB, 16 MiB worker, 2 CPUs", 256, 16, 100, 2)]
HOST_MEMORY = {256: 512, 1024: 1408}


def wait_peers(alpha, beta):
    for host, other in ((alpha, beta), (beta, alpha)):
        for _ in range(120):
            if re.search(rf"^{other.name}\b(?!.*gone)", host.ok("peers").text, re.MULTILINE):
                break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{host.name} does not see {other.name}")


def pair_start(lab, args, vms, memory=512, spare=(), cpus=1):
    alpha, beta = lab.start(lab.host("alpha", args.kind, vms=vms, memory=memory, cpus=cpus),
                            lab.host("beta", args.kind, vms=spare, memory=memory, cpus=cpus))
    wait_peers(alpha, beta)
    return alpha, beta


def dirty(figures, args):
    """The exit of a first write to a write-protected page, while a move logs them."""
    with Lab(args.folder / "dirty", build=args.build) as lab:
        alpha, beta = pair_start(lab, args, [exits_guest(args.build, dirty=True)])
        alpha.ok("start exits")
        with alpha.console("exits") as con:
            con.expect("^guest: ready\n", WAIT)
        alpha.ok("migrate exits beta --dirty wp --max-downtime 10000", timeout=MOVE_TIMEOUT)
        with beta.console("exits") as con:
            con.expect(r"^bench: dirty-write min \d+ .*\n", WAIT)
        add_samples(figures, beta.serial.text(), ["dirty-write"])
        lab.check()


def move_figures(figures, name, memory, source, target):
    """From the summaries that both ends give."""
    totals, blackout = TOTALS.search(source), BLACKOUT.search(source)
    assert totals and blackout, f"no totals in the summary:\n{source}"
    took, rounds, wire, sent, zero = totals.groups()
    # Zero pages of later rounds are counted too: the RAM in use comes out no larger than it was.
    used = (memory << 20) - int(zero) * PAGE
    figures.add(f"move {name}, bytes on the wire", int(wire), "bytes")
    figures.add(f"move {name}, non-zero RAM", used, "bytes")
    figures.add(f"move {name}, wire / non-zero RAM", int(wire) / used, "")
    figures.add(f"move {name}, pages sent", int(sent), "pages")
    figures.add(f"move {name}, rounds", int(rounds), "rounds")
    figures.add(f"move {name}, took", float(took), "ms")
    figures.add(f"move {name}, blackout", float(blackout.group(2)), "ms")
    figures.add(f"move {name}, bytes while the guest stood still",
                int(STOP.search(source).group(1)), "bytes")
    for side, text in (("sent", source), ("received", target)):
        work = WORK.search(text)
        if work:
            figures.add(f"move {name}, host's work per page {side}", int(work.group(1)) // max(int(sent), 1), "ticks")


def one_move(figures, args, row):
    key, name, memory, work, rate, cpus = row
    # Boot files go along when the target lacks them; it has them, and this is about RAM.
    guest, spare = (guests.linux(vm, memory=memory, work=work, rate=rate, build=args.build)
                    for vm in ("web", "spare"))
    guest.vcpus = cpus
    with Lab(args.folder / key, build=args.build) as lab:
        alpha, beta = pair_start(lab, args, [guest], HOST_MEMORY[memory], [spare], cpus)
        alpha.ok("start web")
        with alpha.console("web") as con:
            con.expect("^guest: ready", WAIT)
            # A worker first fills its memory: it checks pages when that is done.
            con.expect("^work: tick \\d+ mem ok [1-9]" if work else "^work: tick 3 ", WAIT)
        # A writer may outpace the emulated wire: that is not what is measured.
        downtime = f" --max-downtime {WRITER_DOWNTIME_MS}" if work else ""
        result = alpha.ok("migrate web beta" + downtime, timeout=MOVE_TIMEOUT)
        beta.follow("web", 2)
        move_figures(figures, name, memory, result.text, beta.ok("migrate-status web").text)
        lab.check()


def moves(figures, args):
    """Hot moves of a Linux guest: bytes, rounds, blackout."""
    wanted = args.moves.split(",") if args.moves else [row[0] for row in MOVES]
    failures = []
    for row in MOVES:
        if row[0] not in wanted:
            continue
        try:
            one_move(figures, args, row)
        except AssertionError as why:
            failures.append(f"move {row[1]}: {why}")
    # The others are measured in any case.
    assert not failures, "\n".join(failures)

# SPDX-License-Identifier: BSD-2-Clause
"""What the devices of a Linux guest cost: bytes and requests per exit, host's ticks for each."""
import re
import socket
import threading
import time

from lab import Lab, Stream, guests
from parts import WAIT
from smp import exits

STATION, GUEST = "10.7.0.1", "10.7.0.2"
SPAN_S = 10  # `top` measures so long
BLOCKS = 1024  # of 4 KiB, read from the disk
PORT_ROW = re.compile(r"^web\.eth0 +\S+ +\S+ +(\d+) +(\S+) (\S+) +\d+ +(\d+) +(\S+) (\S+) ",
                      re.MULTILINE)
CPU_ROW = re.compile(r"^ +0 +([\d.]+) % +([\d.]+) % +([\d.]+) %$", re.MULTILINE)
TSC = re.compile(r"TSC (\d+)\.(\d+) MHz")
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def port(host):
    """Frames and bytes to the guest, frames and bytes from it."""
    row = PORT_ROW.search(host.ok("net").text)
    assert row, "the guest's port is not listed"
    rx, rx_n, rx_unit, tx, tx_n, tx_unit = row.groups()
    return (int(rx), float(rx_n) * UNITS[rx_unit], int(tx), float(tx_n) * UNITS[tx_unit])


def span(host):
    """(host's share of CPU 0, exits by kind, frames and bytes) over SPAN_S seconds."""
    before, frames = sum(exits(host, "web").values()), port(host)
    cpu = CPU_ROW.search(host.ok(f"top {SPAN_S}", timeout=WAIT).text)
    assert cpu, "top shows no CPU 0"
    after, now = sum(exits(host, "web").values()), port(host)
    return float(cpu.group(2)) / 100, after - before, [b - a for a, b in zip(frames, now)]


def ticks(host, share):
    mhz = TSC.search(host.ok("log 400").text)
    khz = int(mhz.group(1)) * 1000 + int(mhz.group(2)) if mhz else 50000
    return share * SPAN_S * khz * 1000


def outward(figures, host, idle):
    stream = Stream(GUEST, WAIT)
    stream.wait(20, WAIT)
    share, count, (_, _, sent, sent_bytes) = span(host)
    stream.close()
    figures.add("network out, bytes per exit", int(sent_bytes / max(count, 1)), "bytes")
    figures.add("network out, host's work per frame",
                int(ticks(host, max(share - idle, 0)) / max(sent, 1)), "ticks")


def inward(figures, host, idle):
    """Datagrams to a port where nobody listens."""
    stop = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                out.sendto(bytes(1400), (GUEST, 9))
                time.sleep(0.002)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    time.sleep(1)
    share, count, (got, got_bytes, _, _) = span(host)
    stop.set()
    thread.join()
    figures.add("network in, bytes per exit", int(got_bytes / max(count, 1)), "bytes")
    figures.add("network in, host's work per frame",
                int(ticks(host, max(share - idle, 0)) / max(got, 1)), "ticks")


def disk(figures, host):
    before = exits(host, "web")
    with host.console("web") as con:
        con.shell(f"dd if=/dev/vda of=/dev/null bs=4k count={BLOCKS} iflag=direct", WAIT)
    after = exits(host, "web")
    count = sum(after.values()) - sum(before.values())
    figures.add("disk, 4 KiB reads per exit, one at a time", BLOCKS / max(count, 1), "requests")
    figures.add("disk, exits per 4 KiB read", count / BLOCKS, "exits")


def devices(figures, args):
    """A Linux guest's network card and disk: what goes through for each exit and tick."""
    with Lab(args.folder / "devices", build=args.build) as lab:
        store = lab.net.vblade(1, 0, size=16 << 20)
        lab.net.station(f"{STATION}/24")
        web = guests.linux("web", disks=[store], work=0, shell=True, address=GUEST,
                           options="pagurus.netrate=100 pagurus.diskrate=0 pagurus.blocks=1",
                           build=args.build)
        web.cmdline = web.cmdline.replace(" pagurus.disk=vda", "").replace(" pagurus.tick", "")
        host, = lab.start(lab.host("alpha", args.kind, vms=[web]))
        host.ok("start web")
        with host.console("web") as con:
            con.expect("port 8000", WAIT)
        idle, count, _ = span(host)
        figures.add("network card idle, exits per second", count / SPAN_S, "exits/s")
        outward(figures, host, idle)
        inward(figures, host, idle)
        disk(figures, host)
        lab.check()

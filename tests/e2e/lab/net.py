# SPDX-License-Identifier: BSD-2-Clause
"""One Ethernet: a bridge, a tap for each machine, AoE disks served by vblade.

Must run in a namespace of its own (namespace.py).
"""
import pathlib
import subprocess

from .procs import Process


def ip(*args):
    subprocess.run(["ip", *map(str, args)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def bridge(*args):
    subprocess.run(["bridge", *map(str, args)], check=True)


class AoeDisk:
    """A file served as AoE shelf.slot; the file can be read while it is served."""

    def __init__(self, net, shelf, slot, path):
        self.net, self.shelf, self.slot, self.path = net, shelf, slot, pathlib.Path(path)
        self.port = f"vb{shelf}x{slot}"
        self.process = None

    def start(self):
        """Also after kill(): a target that restarts has forgotten its reservations."""
        self.process = Process(["/usr/sbin/vblade", self.shelf, self.slot, self.port + "s",
                                self.path], self.path.with_suffix(".vblade.log"))
        self.net.processes.append(self.process)
        return self

    def kill(self):
        self.process.kill()

    def __str__(self):
        return f"aoe {self.shelf}.{self.slot}"


class Net:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.links = []
        self.taps = {}

    def start(self):
        ip("link", "add", "br0", "type", "bridge", "mcast_snooping", 0, "stp_state", 0,
           "forward_delay", 0)
        self.links.append("br0")
        ip("link", "set", "br0", "up")
        return self

    def stop(self):
        for process in self.processes:
            process.kill()
        for link in reversed(self.links):
            subprocess.run(["ip", "link", "del", link], stderr=subprocess.DEVNULL, check=False)
        self.links.clear()

    def tap(self, host):
        """The tap of a host; made once, it survives restarts of the machine."""
        if host not in self.taps:
            name = f"tap{len(self.taps) + 1}"
            ip("tuntap", "add", "dev", name, "mode", "tap")
            self.links.append(name)
            ip("link", "set", name, "master", "br0", "up")
            self.taps[host] = name
        return self.taps[host]

    def vblade(self, shelf, slot, size=16 << 20, path=None):
        """Serve a new file of zeroes (or an existing one) as disk shelf.slot."""
        path = pathlib.Path(path or self.folder / f"disk{shelf}.{slot}.img")
        if not path.exists():
            with open(path, "wb") as f:
                f.truncate(size)
        disk = AoeDisk(self, shelf, slot, path)
        ip("link", "add", disk.port, "type", "veth", "peer", "name", disk.port + "s")
        self.links.append(disk.port)
        ip("link", "set", disk.port, "master", "br0", "up")
        ip("link", "set", disk.port + "s", "up")
        return disk.start()

    def station(self, address):
        """An interface of our own on the bridge: 10.7.0.1/24. What is outside of all hosts."""
        ip("link", "add", "sta0", "type", "veth", "peer", "name", "sta0s")
        self.links.append("sta0")
        ip("link", "set", "sta0", "master", "br0", "up")
        ip("addr", "add", address, "dev", "sta0s")
        ip("link", "set", "sta0s", "up")

    # ---- faults ----------------------------------------------------------------
    # A tap that is taken down makes the emulator's write fail; leaving the bridge
    # is what pulling the cable looks like from inside.
    def unplug(self, host):
        ip("link", "set", self.taps[host], "nomaster")

    def plug(self, host):
        ip("link", "set", self.taps[host], "master", "br0", "up")

    # Isolated ports reach all but each other: the hosts lose the link between
    # them and keep the storage.
    def cut_link(self, *hosts):
        for host in hosts:
            bridge("link", "set", "dev", self.taps[host], "isolated", "on")

    def heal_link(self, *hosts):
        for host in hosts:
            bridge("link", "set", "dev", self.taps[host], "isolated", "off")

    def hide_disk(self, disk, host):
        """This host no longer reaches that disk; all else stays as it is."""
        bridge("link", "set", "dev", disk.port, "isolated", "on")
        self.cut_link(host)

    def show_disk(self, disk, host):
        bridge("link", "set", "dev", disk.port, "isolated", "off")
        self.heal_link(host)


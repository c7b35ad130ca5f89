# SPDX-License-Identifier: BSD-2-Clause
"""Hosts and network together; everything ends when the with block is left."""
import pathlib

from .host import BOOT_TIMEOUT, Host
from .machine import MACHINES, pick
from .namespace import enter_namespace
from .net import Net


class Lab:
    def __init__(self, folder, build="build", watcher=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build = build
        self._watcher = watcher
        self.hosts = {}
        self.net = Net(self.folder)

    def __enter__(self):
        enter_namespace()
        self.net.start()
        return self

    def __exit__(self, *exc):
        for host in self.hosts.values():
            host.kill()
        self.net.stop()

    def watcher(self, name):
        """A callable for each piece of a host's serial text, or None."""
        return self._watcher(name) if self._watcher else None

    def host(self, name, kind=None, **options):
        """A host that is not yet running; kind: bochs, qemu, kvm (default: the best)."""
        kind = kind or pick()[0]
        number = self.hosts[name].number if name in self.hosts else len(self.hosts) + 1
        host = Host(self, name, number, MACHINES[kind](), build=self.build, **options)
        host.number = number
        self.hosts[name] = host
        return host

    def start(self, *hosts, timeout=BOOT_TIMEOUT):
        """Boot them side by side; returns when all show their prompt."""
        for host in hosts:
            host.make_image()
            host.power_on()
        for host in hosts:
            host.wait_boot(timeout)
        return hosts

    def check(self):
        for host in self.hosts.values():
            host.check()

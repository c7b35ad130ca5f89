# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts that the tests share: booted once, mended when a test has hurt them.

Guests at alpha: web (Linux with disk 1.0 and cards on two networks), tiny and busy (bare, a few MiB),
withdisk (bare, disk 2.0), big (bare, more memory than fits twice), debian (two CPUs,
firmware and GRUB from disk 3.0, work on disk 4.0, a stream from its network card).
"""
import shutil
import time

from . import guests
from .host import BOOT_TIMEOUT, SCALE

NETWORKS = "net lan nic0\nnet dmz nic0 vlan 20\n"
STATION, WEB, DEBIAN = "10.7.0.1", "10.7.0.2", "10.7.0.3"
LINUX_BOOT_TIMEOUT = 180 * SCALE
MOVE_TIMEOUT = 240 * SCALE


class Pair:
    def __init__(self, lab, **host_options):
        self.lab = lab
        net = lab.net
        self.disk = net.vblade(1, 0, size=16 << 20)
        self.disk2 = net.vblade(2, 0, size=4 << 20)
        # Its own copy: the guest writes to it.
        own = shutil.copyfile(f"{lab.build}/guest/debian.img", lab.folder / "debian.img")
        self.disk3 = net.vblade(3, 0, path=own)
        self.disk4 = net.vblade(4, 0, size=16 << 20)
        net.station(f"{STATION}/24")
        web = guests.linux("web", disks=[self.disk], rate=50, shell=True, address=WEB,
                           nics=["lan", "dmz"])
        vms = [web, guests.ticker("tiny"), guests.ticker("busy", pages=1024, rate=800),
               guests.ticker("withdisk", disks=[self.disk2]),
               guests.ticker("big", memory=280),
               guests.debian("debian", [self.disk3, self.disk4])]
        self.alpha = lab.host("alpha", vms=vms, conf=NETWORKS, **host_options)
        self.beta = lab.host("beta", vms=[guests.ticker("hog", memory=280)],
                             conf=NETWORKS, **host_options)
        self.hosts = (self.alpha, self.beta)
        self.started = False
        self.boot_failures = 0

    def start(self):
        for host in self.hosts:
            host.kill()
        self.lab.start(*self.hosts)
        self.started = True
        for host, other in (self.hosts, self.hosts[::-1]):
            self.wait_peer(host, other.name)
        return self

    def wait_peer(self, host, name, tries=60):
        """Until it was heard lately; HELLOs come once a second."""
        for _ in range(tries):
            rows = [line for line in host.ok("peers").lines if line.split()[:1] == [name]]
            if rows and "gone" not in rows[0]:
                return
            time.sleep(0.5)
        raise AssertionError(f"{host.name} does not see {name}")

    def mend(self):
        """Both hosts up and at their prompt, cables in, no bare guest left anywhere."""
        assert self.boot_failures < 2, "the hosts did not boot twice: not tried again"
        self.boot_failures += 1
        self.mend_hosts()
        self.boot_failures = 0
        return self

    def mend_hosts(self):
        if not self.started:
            self.start()
            return
        for host in self.hosts:
            self.lab.net.plug(host.name)
            self.lab.net.heal_link(host.name)
        dead = [h for h in self.hosts if not h.alive() or h.pending]
        for host in dead:
            host.kill()
            host.pending = None
            host.power_on()
        for host in dead:
            host.wait_boot(BOOT_TIMEOUT)
        for host in self.hosts:
            self.tidy(host)
        for host, other in (self.hosts, self.hosts[::-1]):
            if dead:
                self.wait_peer(host, other.name)

    @staticmethod
    def tidy(host):
        home = {vm.name for vm in host.vms}
        for vm, state in host.states().items():
            if vm == "web" and state == "running":
                continue
            if state != "off":
                host.cmd(f"destroy {vm}")
            if vm not in home:  # it had moved here; its name is to be free
                host.cmd(f"undefine {vm}")

    def run(self, vm, host=None):
        """Start a guest afresh (defining it again if it had moved away); its host."""
        host = host or self.alpha
        if host.state(vm) is None:
            host.ok(f"define {vm}")
        host.ok(f"start {vm}")
        with host.console(vm) as con:
            con.expect(r"guest: ready|work: tick", 60 * SCALE)
        return host

    def linux(self):
        """The host on which web runs; started when it runs nowhere."""
        for host in self.hosts:
            if host.state("web") == "running":
                return host
        if self.alpha.state("web") is None:
            self.alpha.ok("define web")
        # It runs nowhere, but a host that a test killed may still hold its disk.
        self.alpha.ok("start web --force")
        with self.alpha.console("web") as con:
            con.expect(r"guest: ready", LINUX_BOOT_TIMEOUT)
            con.expect(r"work: tick 2 ", LINUX_BOOT_TIMEOUT)
        return self.alpha

    def other(self, host):
        return self.beta if host is self.alpha else self.alpha

    def move(self, vm, source, options="", timeout=MOVE_TIMEOUT):
        """A hot move that must succeed, and the guest goes on at the target.

        Its downtime is generous unless options say one: how fast the wire of a loaded machine is
        must not decide.
        """
        if "--max-downtime" not in options:
            options = f"{options} --max-downtime 5000"
        target = self.other(source)
        before = source.follow(vm, 2)
        result = source.ok(f"migrate {vm} {target.name} {options}".strip(), timeout)
        assert source.state(vm) is None, f"{vm} is still listed at {source.name}"
        assert target.state(vm) == "running"
        after = target.follow(vm, 3)
        after.after(before)
        return target, result, after

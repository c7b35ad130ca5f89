# SPDX-License-Identifier: BSD-2-Clause
"""The lab: emulated machines, a network for them, disks on it, and guests.

    with Lab("build/e2e/try") as lab:
        disk = lab.net.vblade(1, 0, size=16 << 20)
        web = guests.linux("web", disks=[disk])
        alpha, beta = lab.start(lab.host("alpha", vms=[web]), lab.host("beta"))
        alpha.ok("start web")

Everything that was started is ended by its pid when the block is left.
"""
from .client import Ping, Stream
from .host import CommandFailed, Host
from .lab import Lab
from .machine import pick
from .namespace import enter_namespace
from .serial import HostDied, SerialTimeout
from . import guests

__all__ = ["CommandFailed", "Host", "HostDied", "Lab", "Ping", "SerialTimeout", "Stream", "enter_namespace",
           "guests", "pick"]

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A lab to play in: hosts on one Ethernet, a terminal or a list of commands.

examples:
  tools/lab.py                          alpha and beta; your terminal is alpha's
  tools/lab.py --hosts alpha --kind qemu
  tools/lab.py "alpha: start tiny" "alpha: migrate tiny beta --verify" "beta: list"
  tools/lab.py --hosts alpha --autostart tiny --time 60     only watch

In the terminal Ctrl-\\ changes to the next host, twice quickly leaves. Guests at
the first host: web (Linux, disk 1.0), tiny and busy (bare). Serial lines are
kept in build/lab/HOST/serial.1.log.
"""
import argparse
import os
import pathlib
import select
import sys
import termios
import time
import tty

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from lab import Lab, guests  # noqa: E402

KEY_NEXT = b"\x1c"


def make_guests(disk, autostart):
    def extra(name):
        return ["autostart yes"] if name in autostart else []

    return [guests.linux("web", disks=[disk], shell=True, extra=extra("web")),
            guests.ticker("tiny", extra=extra("tiny")),
            guests.ticker("busy", pages=1024, rate=800, extra=extra("busy"))]


class Printer:
    """Serial text of the host that is shown, as it comes."""

    def __init__(self):
        self.shown = None

    def watcher(self, host):
        def take(piece):
            if self.shown in (host, "all"):
                os.write(1, piece.encode())
        return take


def terminal(hosts, printer):
    current, last_switch = 0, 0.0
    printer.shown = hosts[0].name
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while any(h.alive() for h in hosts):
            if not select.select([0], [], [], 0.5)[0]:
                continue
            data = os.read(0, 64)
            if data != KEY_NEXT:
                hosts[current].serial.send(data.decode("utf-8", "replace"))
                continue
            if time.monotonic() - last_switch < 0.5:
                return
            last_switch = time.monotonic()
            current = (current + 1) % len(hosts)
            printer.shown = hosts[current].name
            os.write(1, f"\r\n--- {hosts[current].name} ---\r\n".encode())
            hosts[current].serial.send("\r")
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def run_commands(lab, commands, timeout):
    failed = 0
    for command in commands:
        name, _, line = command.partition(":")
        result = lab.hosts[name.strip()].cmd(line.strip(), timeout)
        failed += not result.ok
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", metavar="'HOST: COMMAND'")
    parser.add_argument("--hosts", default="alpha,beta", help="names (default alpha,beta)")
    parser.add_argument("--kind", choices=["bochs", "qemu", "kvm"], help="default: the best here")
    parser.add_argument("--time", type=float, default=0, help="only watch for so many seconds")
    parser.add_argument("--autostart", default="", help="guests to start at boot, by comma")
    parser.add_argument("--memory", type=int, default=512, help="MiB a host")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--no-guests", action="store_true", help="smaller image, quicker boot")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a command")
    args = parser.parse_args()
    os.chdir(ROOT)
    printer = Printer()
    with Lab("build/lab", watcher=printer.watcher) as lab:
        disk = lab.net.vblade(1, 0)
        hosts = []
        for name in args.hosts.split(","):
            vms = make_guests(disk, args.autostart) if not hosts and not args.no_guests else []
            hosts.append(lab.host(name, args.kind, vms=vms, memory=args.memory, cpus=args.cpus))
        printer.shown = "all"
        for host in hosts:
            host.make_image()
            host.power_on()
        if args.time:
            time.sleep(args.time)
            return 0
        if not args.commands:
            terminal(hosts, printer)
            return 0
        for host in hosts:
            host.wait_boot()
        return 1 if run_commands(lab, args.commands, args.timeout) else 0


if __name__ == "__main__":
    sys.exit(main())

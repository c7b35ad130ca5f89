# SPDX-License-Identifier: BSD-2-Clause
"""The hot move: one Debian guest at work goes from machine to machine while it runs.

Two machines with a shared AoE disk, a Linux guest that checks its own memory and disk all the
time, and a client outside that downloads from it and pings it. Moves the guest three times while
all of that goes on (less often when this machine is slow); guest, client and disk testify.
"""
import re
import time

from lab import Ping, Stream, guests, pick
from lab.work import disk_verify

from stage import LIMIT, boot_all
from story import size_text

STATION, WEB = "10.7.0.1", "10.7.0.2"
PATIENCE = 240  # after so many seconds no further move is begun


def boot(story, lab):
    disk = lab.net.vblade(1, 0, size=16 << 20)
    lab.net.station(f"{STATION}/24")
    web = guests.linux("web", disks=[disk], work=4, rate=25, address=WEB)
    alpha, beta = lab.host("alpha", vms=[web]), lab.host("beta")
    boot_all(story, lab, "Two machines, alpha and beta, boot Pagurus; one network disk is theirs "
             "in common", alpha, beta)
    return disk, alpha, beta


def start_guest(story, alpha):
    story.say("alpha starts the guest 'web': Debian's own kernel, unchanged",
              "It writes and checks 4 MiB of memory and its disk all the time.")
    alpha.ok("start web")
    with alpha.console("web") as con:
        con.expect("guest: ready", LIMIT)
        con.expect("port 8000", LIMIT)
        story.say("The guest is up, and says once a second how its checks go")
        con.expect(r"work: tick 3 .*\n", LIMIT)
        return con.follow(1, LIMIT)


class Client:
    """A download that never begins anew, and pings, from outside of both hosts."""

    def __init__(self, story):
        self.story = story
        self.stream, self.ping = Stream(WEB, LIMIT), Ping(WEB)
        self.stream.wait(10, LIMIT)
        self.reset()

    def reset(self):
        self.stream.longest_gap = self.ping.longest_gap = 0.0
        self.blocks, self.sent, self.lost = self.stream.blocks, self.ping.sent, self.ping.lost

    def row(self):
        """After a move: the same connection goes on; what the client noticed of it."""
        self.stream.wait(10, LIMIT)
        text = (f"client: {size_text((self.stream.blocks - self.blocks) * 4096)} downloaded "
                f"meanwhile, longest gap {self.stream.longest_gap:.1f} s")
        pings = (f"{max(self.ping.lost - self.lost, 0)} of {self.ping.sent - self.sent} pings "
                 f"lost, longest gap {self.ping.longest_gap:.1f} s")
        self.reset()
        return [("", text), ("", pings)]

    def stop(self):
        self.ping.stop()
        self.stream.close()
        return (f"{size_text(self.stream.bytes)} over one TCP connection, every byte and the "
                f"running checksum {self.stream.sum:016x} right")


def move(story, source, target, before, client, options=""):
    """One move; its Result, what the guest then says at the target, what the client noticed.

    Two seconds are allowed because the emulated wire carries 250 pages in one.
    """
    story.source = source.name
    client.reset()
    result = source.ok(f"migrate web {target.name} --max-downtime 2000 {options}".strip(),
                       timeout=LIMIT)
    with story.quiet():
        assert source.state("web") is None and target.state("web") == "running"
    story.say(f"{source.name} has it no more; on {target.name} the same counters go on")
    after = target.follow("web", 3, LIMIT)
    after.after(before)
    return result, after, client.row()


def move_rows(name, result):
    """Figures of one move as (title, text); the hypervisor's own words if they changed."""
    moved = re.search(r"moved to \S+ in ([\d.]+) ms, (\d+) rounds?, (\d+) bytes", result.text)
    dark = re.search(r"blackout predicted ([\d.]+) ms, measured ([\d.]+) ms", result.text)
    if not moved or not dark:
        return [(name, line) for line in result.lines if "moved" in line or "blackout" in line]
    rows = [(name, f"{float(moved[1]) / 1000:.1f} s, {size_text(int(moved[3]))} on the wire"),
            ("", f"the guest stood still for {float(dark[2]) / 1000:.2f} s "
             f"(predicted: {float(dark[1]) / 1000:.2f} s)")]
    if "every page compared: equal" in result.lines:  # a validation says it in its own line
        rows.append(("", "most of it to compare every page of both hosts: all are equal"))
    return rows


def shut_down(story, host):
    host.ok("shutdown web")
    story.shown = False
    end = time.monotonic() + LIMIT
    while host.state("web") != "off":
        assert time.monotonic() < end, "the guest did not switch itself off"
        time.sleep(0.5)


def summary(story, disk, moves, seen, download):
    """moves: (title, Result, client's rows) of each; seen: (host's name, Ticks) of each stay."""
    low, high = disk_verify(disk.path)
    last = seen[-1][1]
    rows = [row for title, result, client in moves for row in move_rows(title, result) + client]
    rows += [("guest's clock", ", ".join(f"second {ticks.tick} on {name}" for name, ticks in seen)),
             ("guest's memory", f"{last.mem_ok} pages checked, no mismatch"),
             ("guest's disk", f"{last.disk_ok} blocks checked, no mismatch"),
             ("", f"read from outside: clean, each block written {low} to {high} times"),
             ("client", download)]
    story.table("What happened", rows)
    if pick()[0] == "bochs":
        print("\n  Emulators: this network card takes in 1.5 MB/s, and the clocks of the two\n"
              "  machines run at different paces under load. Servers have other figures.")
    story.end("The guest moved while it worked, and nobody had to reconnect.")


def play(story, lab):
    disk, alpha, beta = boot(story, lab)
    last = start_guest(story, alpha)
    client = Client(story)
    story.say("A client outside downloads from the guest and pings it, from now on",
              "It opens one TCP connection and never another; it checks every byte.")
    moves, seen = [], [("alpha", last)]
    source, target = alpha, beta
    for words, options in (("while it works", ""),
                           ("back, and this time every page is compared", "--verify"),
                           ("once more", "")):
        if moves and time.monotonic() - story.started > PATIENCE:
            break
        story.say(f"{source.name} moves it to {target.name}, {words}")
        result, last, noticed = move(story, source, target, last, client, options)
        moves.append((f"{source.name} to {target.name}", result, noticed))
        seen.append((target.name, last))
        source, target = target, source
    download = client.stop()
    story.say("The power button, so that the disk can be read by others")
    shut_down(story, source)
    lab.check()
    summary(story, disk, moves, seen, download)

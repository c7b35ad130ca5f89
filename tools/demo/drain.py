# SPDX-License-Identifier: BSD-2-Clause
"""Maintenance: three machines, one gives all its VMs away, and takes its share again."""
import re

from lab import guests

from stage import LIMIT, boot_all, start_bare, wait_until, went_on

VMS = {"web": 100, "mail": 80, "shop": 60}  # name: MiB


def boot(story, lab):
    vms = [guests.ticker(name, memory=size) for name, size in VMS.items()]
    hosts = [lab.host("alpha", memory=600, vms=vms), lab.host("beta", memory=600),
             lab.host("gamma", memory=600)]
    boot_all(story, lab, "Three machines, alpha, beta and gamma, boot Pagurus", *hosts)
    story.say("alpha starts three bare guests; each checks its own memory all the time")
    return hosts, {name: [("alpha", start_bare(hosts[0], name))] for name in VMS}


def homes(story, hosts):
    """VM to the host that runs it."""
    with story.quiet():
        return {vm: host for host in hosts for vm, state in host.states().items()
                if state == "running"}


def look(story, host, vm, seen):
    """The guest goes on there. seen: VM to (host's name, Ticks) of each stay."""
    with story.quiet():
        after = went_on(host, vm, seen[vm][-1][1])
    seen[vm].append((host.name, after))
    story.host_line(host.name, f"{vm}'s second {after.tick}: {after.mem_ok} pages checked, 0 wrong")


def drain(story, alpha, hosts, seen):
    story.say("alpha needs maintenance. Which VM would go where? --dry-run moves nothing",
              "Most memory first, each to the host with most room.")
    alpha.ok("drain --dry-run", LIMIT)
    story.say("'drain': alpha takes nobody any more, and gives all away, one hot move each")
    story.summaries = True  # several moves: each says how it went
    result = alpha.ok("drain", LIMIT)
    story.say("Nobody is left on alpha; on the others the same counters go on")
    alpha.ok("list")
    where = homes(story, hosts)
    assert set(where) == set(VMS) and alpha not in where.values(), where
    for vm, host in where.items():
        look(story, host, vm, seen)
    return result, where


def balance(story, alpha, hosts, where, seen):
    story.say("Maintenance is done: 'undrain', alpha takes VMs again")
    alpha.ok("undrain")
    full = max(hosts, key=lambda h: list(where.values()).count(h))
    with story.quiet():
        wait_until(f"{full.name} hears that alpha takes VMs",
                   lambda: "drained" not in full.ok("peers").text)
    story.say(f"{full.name} has most of them. 'balance' shows loads, and which moves are worth it")
    full.ok("balance", LIMIT)
    story.say("'balance --do' makes them")
    result = full.ok("balance --do", LIMIT)
    now = homes(story, hosts)
    for vm in VMS:
        if now[vm] is not where[vm]:
            look(story, now[vm], vm, seen)
    story.say("Asked again, it plans nothing: noise moves no VM")
    full.ok("balance", LIMIT)
    return result, now


def places(where):
    return ", ".join(f"{vm} on {host.name}" for vm, host in sorted(where.items()))


def play(story, lab):
    hosts, seen = boot(story, lab)
    drained, away = drain(story, hosts[0], hosts, seen)
    balanced, now = balance(story, hosts[0], hosts, away, seen)
    lab.check()
    stood = [float(ms) for result in (drained, balanced)
             for ms in re.findall(r"measured ([\d.]+) ms", result.text)]
    rows = [("at first", f"{', '.join(VMS)} on alpha"), ("after drain", places(away)),
            ("after balance", places(now))]
    if stood:
        rows += [("guests", f"{len(stood)} hot moves, longest standstill {max(stood) / 1000:.2f} s")]
    for vm, stays in seen.items():
        path = ", ".join(f"second {ticks.tick} on {name}" for name, ticks in stays)
        rows += [(vm, f"{path}; {stays[-1][1].mem_ok} pages checked, no mismatch")]
    story.table("What happened", rows)
    story.end("A machine was emptied for maintenance, and no guest was switched off for it.")

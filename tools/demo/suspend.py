# SPDX-License-Identifier: BSD-2-Clause
"""Suspended moves: a guest becomes an object in a datastore, and runs on at another host.

First by way of a datastore on a network disk, which one host lets go of and the other opens; the
source could be switched off meanwhile. Then back directly, without rounds: migrate --suspend.
"""
import re

from lab import guests

from stage import LIMIT, away, blank, boot_all, start_bare, went_on
from story import size_text


def boot(story, lab):
    lab.net.vblade(5, 0, path=blank(lab.folder / "shared.img"))
    conf = "store shared aoe 5.0\n"
    web = guests.ticker("web", pages=512)
    alpha, beta = lab.host("alpha", vms=[web], conf=conf), lab.host("beta", conf=conf)
    boot_all(story, lab, "Two machines, alpha and beta, boot Pagurus; a network disk, still blank, "
             "is to hold saved VMs", alpha, beta)
    return alpha, beta


def save(story, alpha):
    story.say("alpha makes a datastore on the network disk", "One host at a time has it open.")
    alpha.ok("store-format shared --yes", LIMIT)
    story.say("alpha starts the bare guest 'web'; it checks its own memory all the time")
    before = start_bare(alpha, "web")
    story.say("'save': the guest stands still, its memory, CPU and devices become one object",
              "It outlives a restart of the host. 'list' and 'saved' show what became of it.")
    saved = alpha.ok("save web shared", LIMIT)
    alpha.ok("list")
    alpha.ok("saved")
    return before, saved


def restore(story, alpha, beta, before):
    story.say("alpha lets go of the datastore, beta opens it",
              "alpha could be switched off from now on, and need never come back.")
    alpha.ok("store-close shared")
    beta.ok("store-open shared")
    beta.ok("saved")
    story.say("'restore' at beta: the checks of a move, against what alpha was; then it runs on")
    beta.ok("restore web", LIMIT)
    story.say("On beta the same counters go on")
    return went_on(beta, "web", before)


def back(story, alpha, beta, before):
    story.say("alpha still knows 'web' from before, as off; it forgets it, to take the guest back")
    alpha.ok("undefine web")
    story.say("'migrate --suspend': the guest stands still while all of its memory goes over",
              "For guests that write faster than the link carries. Nothing is sent twice.")
    story.checks = False  # those of the restore again
    result = beta.ok("migrate web alpha --suspend", timeout=LIMIT)
    away(story, (beta, "web"))
    story.say("And on alpha the counters go on again")
    after = went_on(alpha, "web", before)
    story.say("Could beta wake the saved one once more? A saved state runs once",
              "Random numbers and mails would happen twice otherwise.")
    beta.fails("restore web", "restored before", timeout=LIMIT)
    return result, after


def play(story, lab):
    alpha, beta = boot(story, lab)
    first, saved = save(story, alpha)
    second = restore(story, alpha, beta, first)
    result, third = back(story, alpha, beta, second)
    lab.check()
    kept = re.search(r"saved in \S+ \S+ in ([\d.]+) ms, (\d+) bytes", saved.text)
    rows = [("save", f"{float(kept[1]) / 1000:.1f} s, {size_text(int(kept[2]))} in the "
             "datastore")] if kept else []
    moved = re.search(r"moved to \S+ in ([\d.]+) ms, .*?(\d+) bytes on the wire", result.text)
    dark = re.search(r"measured ([\d.]+) ms", result.text)
    if moved and dark:
        rows += [("--suspend", f"{float(moved[1]) / 1000:.1f} s, {size_text(int(moved[2]))} on the "
                  f"wire; the guest stood still for {float(dark[1]) / 1000:.1f} s of it")]
    rows += [("guest's clock", f"second {first.tick} before the save, {second.rows[0][0]} after the "
              f"restore at beta, {third.rows[0][0]} back on alpha"),
             ("guest's memory", f"{third.mem_ok} pages checked, no mismatch")]
    story.table("What happened", rows)
    story.end("The guest slept in a datastore, woke on another machine, and forgot nothing.")

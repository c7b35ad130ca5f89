# SPDX-License-Identifier: BSD-2-Clause
"""Many VMs at once: drain, a drained host, balance, the queue, and the tool for scripts."""
import json
import re
import subprocess
import sys

import pytest

from lab import guests
from lab.pair import NETWORKS
from lab.relay import Relay

VMS = ("tiny", "withdisk")


def rows(host, command):
    return host.json(command)


def ctl(*argv):
    run = subprocess.run([sys.executable, "tools/pagurusctl", *argv], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def two_guests(pair):
    """Both run at alpha; afterwards nobody is drained."""
    for host in pair.hosts:  # another test's Linux writes faster than a drain's downtime allows
        if host.state("web") == "running":
            host.ok("destroy web")
    before = {vm: pair.run(vm).follow(vm, 2) for vm in VMS}
    yield before
    for host in pair.hosts:
        host.ok("undrain")


def test_drain_and_back(pair, two_guests):
    alpha, beta = pair.alpha, pair.beta
    dry = alpha.ok("drain --dry-run")
    assert re.search(r"^tiny +beta +hot", dry.text, re.MULTILINE), dry
    assert alpha.state("tiny") == "running"
    result = alpha.ok("drain", 240)
    for vm in VMS:
        assert f"{vm}: moved to beta" in result, result
        assert alpha.state(vm) is None
        beta.follow(vm, 2).after(two_guests[vm])
    assert re.search(r"^(web|big) stays: it is off", result.text, re.MULTILINE)
    queue = [r for r in rows(alpha, "migrate-status") if r["kind"] == "queued"]
    assert {r["vm"]: r["state"] for r in queue} == {vm: "ended" for vm in VMS}

    # It takes nobody now: neither when asked to, nor by a plan.
    row = beta.hears_drained("alpha", True)
    assert row["here"] and row["cpu_permille"] is not None and row["memory_bytes"]
    assert "drained" in beta.ok("peers")
    beta.fails("migrate tiny alpha", "takes VMs.*drained")
    beta.fails("migrate --all alpha", "stay here")
    assert beta.state("tiny") == "running"
    beta.ok("balance")
    alpha.ok("undrain")
    beta.hears_drained("alpha", False)

    # And back, by a script.
    with Relay(beta) as place:
        status, text = ctl("-H", f"beta={place}", "run", "beta", "migrate", "--all", "nowhere")
        assert status == 1 and "nowhere" in text, text
        status, text = ctl("-H", f"beta={place}", "--move-timeout", "120", "--timeout", "120",
                           "run", "beta", "migrate", "--all", "alpha")
        assert status == 0 and "2 VMs moved" in text, text
        status, text = ctl("-H", f"beta={place}", "--json", "status")
    assert status == 0, text
    vms = next(r["data"] for r in json.loads(text) if r["question"] == "vms")
    assert not {v["name"] for v in vms} & set(VMS)
    for vm in VMS:
        alpha.follow(vm, 2)


@pytest.fixture
def gamma(pair):
    """The emptiest host, but of an older CPU: what starts at alpha or beta cannot go there."""
    vms = [guests.ticker(name, memory=100) for name in ("left", "right")]
    host = pair.lab.host("gamma", old_cpu=True, memory=600, vms=vms, conf=NETWORKS)
    try:
        pair.lab.start(host)
        for other in pair.hosts:
            pair.wait_peer(other, "gamma")
            pair.wait_peer(host, other.name)
        yield host
        host.check()
    finally:
        host.kill()
        del pair.lab.hosts["gamma"]


def test_three_hosts(pair, gamma):
    alpha, beta = pair.alpha, pair.beta
    before = pair.run("tiny").follow("tiny", 2)
    result = alpha.ok("drain", 240)
    alpha.ok("undrain")
    assert "tiny: not moved to gamma: check failed" in result, result
    assert "tiny: moved to beta" in result, result
    beta.follow("tiny", 2).after(before)

    for vm in ("left", "right"):
        gamma.ok(f"start {vm}")
    before = gamma.follow("left", 2)
    gamma.hears_drained("alpha", False)
    plan = gamma.ok("balance")
    moves = re.findall(r"^(left|right) +(alpha|beta) +hot", plan.text, re.MULTILINE)
    assert len(moves) == 1, plan
    gamma.ok("balance --do", 240)
    assert sorted(gamma.states().values()) == ["running"]
    again = gamma.ok("balance")
    assert "no move" in again, again
    (vm, name), = moves
    target = alpha if name == "alpha" else beta
    after = target.follow(vm, 2)
    if vm == "left":
        after.after(before)
    target.ok(f"destroy {vm}")
    target.ok(f"undefine {vm}")

# SPDX-License-Identifier: BSD-2-Clause
"""tools/pagurusctl against consoles that are faked here: echo, redrawn lines, log lines, silence."""
import json
import os
import pathlib
import pty
import socket
import subprocess
import sys
import threading
import time
import tty

import pytest

TOOL = pathlib.Path("tools/pagurusctl")


class FakeHost:
    """A console as a host has one: prompt, echo, answers from a table, ok or error."""

    def __init__(self, name, answers=(), log=True, slow=0.0):
        self.name, self.answers, self.log, self.slow = name, dict(answers), log, slow
        self.seen, self.running, self.most = [], 0, 0
        self.spans = []
        self.mute = False

    def tcp(self):
        server = socket.create_server(("127.0.0.1", 0))
        self._accept(server)
        return f"{self.name}=tcp:127.0.0.1:{server.getsockname()[1]}"

    def unix(self, path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen(1)
        self._accept(server)
        return f"{self.name}=unix:{path}"

    def pty(self):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._start(ours, ours)
        return f"{self.name}={os.ttyname(theirs)},115200"

    def _accept(self, server):
        def run():
            conn, _ = server.accept()
            fd = os.dup(conn.fileno())
            conn.close()
            self._serve(fd, fd)
        threading.Thread(target=run, daemon=True).start()

    def _start(self, rx, tx):
        threading.Thread(target=self._serve, args=(rx, tx), daemon=True).start()

    def _serve(self, rx, tx):
        def put(text):
            os.write(tx, text.replace("\n", "\r\n").encode())

        line = ""
        put("\n'help' lists the commands.\n" + f"\r{self.name}> \x1b[K")
        while True:
            try:
                piece = os.read(rx, 256).decode()
            except OSError:
                return
            if not piece:
                return
            for c in piece:
                if self.mute:
                    continue
                if c == "\x15":
                    line = ""
                    put(f"\r{self.name}> \x1b[K")
                elif c == "\r":
                    put("\n")
                    if line.strip():
                        self._command(line, put)
                    line = ""
                    put(f"\r{self.name}> \x1b[K")
                else:
                    line += c
                    put(c)
                    if self.log and len(line) == 3:  # a log line steps around the edited one
                        put(f"\r\x1b[K[   12.345678] log while typing ok\n\r{self.name}> {line}\x1b[K")

    def _command(self, line, put):
        self.seen.append(line)
        began = time.monotonic()
        if self.log:
            put("[   13.000001] warn: a log line\n")
        put("50 %\r100 %\n") if line.startswith("migrate ") else None
        time.sleep(self.slow)
        self.spans.append((line, began, time.monotonic()))
        text = self.answers.get(line, self.answers.get(line.split()[0], "ok"))
        if text is None:
            self.mute = True  # nothing comes any more
            return
        put(text + "\n")


def ctl(*argv, stdin=None):
    run = subprocess.run([sys.executable, TOOL, *map(str, argv)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False, input=stdin, timeout=60)
    assert "Traceback" not in run.stderr, run.stderr
    return run


LIST = 'name  state\nweb   running\nokay  off\nok'
LIST_JSON = '[\n{"name": "web", "state": "running", "vcpus": 2, "memory_bytes": 268435456, ' \
            '"disks": 1, "moving": true}\n]\nok'
HOST_JSON = '[\n{"host": "alpha", "pool": "lab", "cpus": 4, "memory_bytes": 536870912, ' \
            '"free_bytes": 104857600}\n]\nok'


@pytest.mark.parametrize("kind", ["tcp", "unix", "pty"])
def test_run_over_each_kind_of_line(kind, tmp_path):
    host = FakeHost("alpha", {"list": LIST})
    place = host.unix(tmp_path / "s") if kind == "unix" else getattr(host, kind)()
    run = ctl("-H", place, "run", "alpha", "list")
    assert run.returncode == 0, run.stderr
    assert run.stdout == "name  state\nweb   running\nokay  off\nalpha: ok\n"
    assert host.seen == ["list"]


def test_error_and_what_came_before_it():
    host = FakeHost("alpha", {"start": "trying\nerror: vm 'x': not found"})
    run = ctl("-H", host.tcp(), "--json", "run", "alpha", "start", "x")
    assert run.returncode == 1
    record = json.loads(run.stdout)[0]
    assert record["status"] == "error" and record["lines"] == ["trying"]
    assert record["final"] == "error: vm 'x': not found"
    assert host.seen == ["start x"]


def test_a_host_that_does_not_answer():
    host = FakeHost("alpha", {"list": None})
    run = ctl("-H", host.tcp(), "--timeout", "1", "run", "alpha", "list")
    assert run.returncode == 3
    assert "no end of the command for 1 s" in run.stdout
    run = ctl("-H", "alpha=tcp:127.0.0.1:1", "run", "alpha", "list")
    assert run.returncode == 3 and "cannot connect" in run.stdout
    run = ctl("-H", "alpha=/dev/nonexistent", "run", "alpha", "list")
    assert run.returncode == 3 and "cannot open" in run.stdout


def test_the_wrong_host_at_a_line():
    host = FakeHost("beta")
    place = host.tcp().replace("beta=", "alpha=")
    run = ctl("-H", place, "run", "alpha", "list")
    assert run.returncode == 3 and "calls itself 'beta'" in run.stdout
    assert host.seen == []


@pytest.mark.parametrize("argv", [
    ["run", "alpha", "list"], ["-H", "alpha", "run", "alpha", "list"], ["-H", "alpha=tcp:x",
     "run", "alpha", "list"], ["-H", "alpha=here", "run", "alpha", "list"], ["run", "alpha"],
    ["-H", "a=/x", "-H", "a=/y", "status"], ["-H", "a=/dev/null,7", "run", "a", "list"], [],
    ["-C", "/nonexistent", "status"], ["-H", "a=/x", "move", "web", "a", "b"]])
def test_wrong_usage(argv):
    run = ctl(*argv)
    assert run.returncode == 2 and run.stderr and not run.stdout


def test_move_passes_options_on(tmp_path):
    alpha, beta = FakeHost("alpha"), FakeHost("beta")
    report = tmp_path / "r.md"
    run = ctl("-H", alpha.tcp(), "-H", beta.tcp(), "--report", report,
              "move", "web", "alpha", "beta", "--max-downtime", "100", "--verify")
    assert run.returncode == 0, run.stderr + run.stdout
    assert alpha.seen == ["migrate web beta --max-downtime 100 --verify"]
    assert "100 %" in run.stdout and "50 %" not in run.stdout
    text = report.read_text()
    assert "1 of 1 commands" in text
    assert "| alpha | `migrate web beta --max-downtime 100 --verify` | ok |" in text


MOVES = """
# maintenance
a alpha beta
b alpha gamma      # the same source: after a
c gamma delta --verify
d delta alpha
"""


def test_move_list(tmp_path):
    hosts = {n: FakeHost(n, slow=0.6) for n in ("alpha", "beta", "gamma", "delta")}
    hosts["gamma"].answers["migrate"] = "error: check failed: memory"
    config = tmp_path / "hosts"
    config.write_text("# the pool\n" + "\n".join(h.tcp() for h in hosts.values()) + "\n")
    report = tmp_path / "r.json"
    run = ctl("-C", config, "--report", report, "--json", "move-list", "-", stdin=MOVES)
    assert run.returncode == 1
    records = json.loads(run.stdout)
    assert records == json.loads(report.read_text())
    assert [r["command"] for r in records] == [
        "migrate a beta", "migrate b gamma", "migrate c delta --verify", "migrate d alpha"]
    assert [r["status"] for r in records] == ["ok", "ok", "error", "ok"]
    spans = {line.split()[1]: (begin, end) for h in hosts.values() for line, begin, end in h.spans}
    hosts_of = {"a": "alpha beta", "b": "alpha gamma", "c": "gamma delta", "d": "delta alpha"}
    for x in "abcd":
        for y in "abcd":
            if x < y and set(hosts_of[x].split()) & set(hosts_of[y].split()):
                assert spans[x][1] <= spans[y][0], f"{y} began before {x} had ended"


def test_moves_between_different_hosts_at_once():
    hosts = [FakeHost(n, slow=1.5) for n in ("alpha", "beta", "gamma", "delta")]
    places = [w for h in hosts for w in ("-H", h.tcp())]
    run = ctl(*places, "move-list", "-", stdin="a alpha beta\nb gamma delta\n")
    assert run.returncode == 0, run.stdout + run.stderr
    (a,), (b,) = hosts[0].spans, hosts[2].spans
    assert max(a[1], b[1]) < min(a[2], b[2])


def test_move_list_skips_the_rest_of_a_silent_host():
    alpha = FakeHost("alpha", {"migrate a beta": None})
    run = ctl("-H", alpha.tcp(), "-H", "beta=/nowhere", "--move-timeout", "1", "--json",
              "move-list", "-", stdin="a alpha beta\nb alpha beta\n")
    assert run.returncode == 3
    assert [r["status"] for r in json.loads(run.stdout)] == ["silent", "skipped"]
    assert alpha.seen == ["migrate a beta"]


@pytest.mark.parametrize("text,words", [
    ("a alpha\n", "line 1: expected VM SOURCE TARGET"), ("\na alpha alpha\n", "line 2"),
    ("a alpha omega\n", "omega")])
def test_a_wrong_move_list_moves_nothing(text, words):
    alpha = FakeHost("alpha")
    run = ctl("-H", alpha.tcp(), "-H", "beta=/nowhere", "move-list", "-", stdin=text)
    assert run.returncode == 2 and words in run.stderr
    assert alpha.seen == []


def test_status():
    answers = {"host --json": HOST_JSON, "list --json": LIST_JSON, "peers": "[\n]\nok",
               "migrate-status": '[\n{"kind": "queued", "vm": "web", "state": "waits", '
                                 '"reason": ""}\n]\nok'}
    run = ctl("-H", FakeHost("alpha", answers).tcp(), "status")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "alpha: pool lab, 4 CPUs, 100 MiB of 512 MiB free" in run.stdout
    assert "web" in run.stdout and "moving" in run.stdout and "queued, waits" in run.stdout
    run = ctl("-H", FakeHost("alpha", answers).tcp(), "--json", "status")
    data = {r["question"]: r["data"] for r in json.loads(run.stdout)}
    assert data["vms"][0]["memory_bytes"] == 1 << 28 and data["peers"] == []


def test_half_a_line_is_not_executed():
    host = FakeHost("alpha", {"list": LIST})
    place = host.tcp()
    run = ctl("-H", place, "run", "alpha", "list")
    assert run.returncode == 0 and host.seen == ["list"]
    run = ctl("-H", FakeHost("alpha").tcp(), "run", "alpha", "a\x03b")
    assert run.returncode == 2

# SPDX-License-Identifier: BSD-2-Clause
"""The harness itself, against a console of a few lines: a test must be able to fail."""
import socket
import struct
import threading

import pytest

from lab import CommandFailed, HostDied, SerialTimeout
from lab.host import Host, HOST_TROUBLE
from lab.serial import Serial, clean
from lab.work import DISK_MAGIC, Ticks, _sum, _word, disk_verify

TICK = "work: tick {} mem ok {} pages disk ok {} blocks t={} ms gap=10 ms corrupt {}\r\n"


class FakeMachine:
    """Answers like Pagurus, redraws its prompt as the line editor does."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"\x1b[2Jboot\r\n\ralpha> \x1b[K")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        line = ""
        while True:
            try:
                data = self.socket.recv(1).decode()
            except OSError:
                return
            if not data:
                return
            if data != "\r":
                line += data
                self.socket.sendall(data.encode())
                if line == "no":  # a log line comes while it is typed
                    self.socket.sendall(b"\r\x1b[K[  1.0] link up\r\n\ralpha> no\x1b[K")
                continue
            self.socket.sendall(b"\r\n")
            answer = {"list": "NAME STATE\r\nok   web running\r\nweb running\r\nok\r\n",
                      "nosuch": "error: unknown command 'nosuch'\r\n",
                      "console web": "attached to web; Ctrl-] detaches\r\n" +
                      "".join(TICK.format(i, i * 9, i, i * 1000, 0) for i in range(1, 6)),
                      "long": "okay is not yet the end\r\n"}.get(line, "ok\r\n")
            if line.startswith("die"):
                self.socket.close()
                return
            if line == "panic":
                self.socket.sendall(b"\r\nPANIC: page fault\r\nlast log lines:\r\n")
                return
            line = ""
            self.socket.sendall(answer.encode())
            if "attached" in answer:
                while self.socket.recv(1) != b"\x1d":
                    pass
                answer = "ok"
                self.socket.sendall(b"\r\nok\r\n")
            if not answer.startswith("okay"):
                self.socket.sendall(b"\ralpha> \x1b[K")


@pytest.fixture
def host(tmp_path):
    host = object.__new__(Host)
    host.name, host.pending, host.folder, host.checked = "alpha", None, tmp_path, 0
    host.alive = lambda: not host.serial.panicked
    host.serial = Serial(tmp_path / "serial.log", lambda: host.alive(), "alpha")
    host.machine = FakeMachine(host.serial.port)
    host.wait_boot(5)
    yield host
    host.serial.close()


def test_commands(host):
    assert host.ok("list").lines == ["NAME STATE", "ok   web running", "web running"]
    assert host.state("web") == "running"
    assert host.state("other") is None
    assert host.fails("nosuch", "unknown").final == "error: unknown command 'nosuch'"
    with pytest.raises(CommandFailed):
        host.ok("nosuch")
    with pytest.raises(AssertionError):
        host.fails("list")


def test_an_end_that_never_comes(host):
    with pytest.raises(SerialTimeout, match="okay is not yet"):
        host.cmd("long", timeout=0.5)


def test_a_machine_that_dies(host):
    with pytest.raises(HostDied):
        host.cmd("die", timeout=5)


def test_a_host_that_panics(host):
    with pytest.raises(HostDied, match="panicked(.|\n)*page fault"):
        host.cmd("panic", timeout=5)


def test_guest_console(host):
    with host.console("web") as con:
        con.expect("tick 5", 5)
        seen = Ticks(host.serial.text(con.start))
    seen.check()
    assert seen.tick == 5 and seen.mem_ok == 45
    assert host.ok("list").ok


def test_trouble_is_found(host):
    host.check()
    (host.folder / "bochs.log").write_text("00 e[CPU0] VMENTER FAIL: VMCS guest state\n")
    with pytest.raises(AssertionError, match="VMENTER"):
        host.check()
    assert HOST_TROUBLE.search("x\nPANIC: page fault\n")
    assert not HOST_TROUBLE.search("x\nall is well\n")


def ticks(*rows):
    return Ticks("".join(TICK.format(*row) for row in rows))


def test_ticks_notice_what_is_wrong():
    ticks((1, 9, 1, 1000, 0), (2, 18, 2, 2000, 0)).check()
    for rows in ([(2, 9, 1, 2000, 0), (1, 18, 2, 1000, 0)],   # time went back
                 [(1, 9, 1, 1000, 0), (2, 8, 2, 2000, 0)],    # so did a counter
                 [(1, 9, 1, 1000, 0), (2, 18, 2, 2000, 1)]):  # corrupt
        with pytest.raises(AssertionError):
            ticks(*rows).check()
    with pytest.raises(AssertionError):  # restarted instead of moved
        ticks((1, 9, 1, 1000, 0)).after(ticks((5, 50, 5, 5000, 0)))


def disk_block(n, gen):
    words = [DISK_MAGIC, n, gen, 0] + [_word(n, gen, i) for i in range(4, 512)]
    words[3] = _sum(words)
    return struct.pack("<512Q", *words)


def test_disk_verify_notices_what_is_wrong(tmp_path):
    path = tmp_path / "disk"

    def write(generations):
        path.write_bytes(b"".join(disk_block(n, g) for n, g in enumerate(generations)))

    write([3, 3, 2, 2])
    assert disk_verify(path, 4) == (2, 3)
    for generations in ([3, 2, 3, 2], [4, 4, 2, 2]):  # order lost, a write lost
        write(generations)
        with pytest.raises(AssertionError):
            disk_verify(path, 4)
    write([3, 3, 2, 2])
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssertionError):
        disk_verify(path, 4)


def test_clean():
    assert clean("\x1b[2Ja\r\n\ralpha> li\x1b[K\rbeta> \x1b[K") == "a\nbeta> "

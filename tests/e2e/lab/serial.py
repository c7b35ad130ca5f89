# SPDX-License-Identifier: BSD-2-Clause
"""A machine's serial line: the harness listens, the emulator connects.

A thread keeps reading, so that nothing is lost while nobody waits; everything
goes to a file as well. Text is cleaned of escape sequences for matching.
"""
import re
import socket
import threading
import time

_ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[ -/]*[@-~]|\x1b[@-Z\\-_cM]")
# The console paces output; a polled 16550 has 16 bytes for what we type.
_CHUNK, _CHUNK_PAUSE = 8, 0.01


class SerialTimeout(AssertionError):
    pass


class HostDied(AssertionError):
    pass


def clean(text):
    """Lines as a terminal would show them: no escapes, redrawn lines only once."""
    lines = []
    for line in _ESCAPES.sub("", text).split("\n"):
        lines.append(line.rstrip("\r").rsplit("\r", 1)[-1])
    return "\n".join(lines)


class Serial:
    def __init__(self, log, alive=lambda: True, name="serial"):
        self.name = name
        self.alive = alive
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.log = open(log, "wb", buffering=0)
        self.data = bytearray()
        self.changed = threading.Condition()
        self.socket = None
        self.closed = False
        self.panicked = False
        self.tap = None  # called with each piece of text as it arrives
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            self.socket, _ = self.listener.accept()
            while True:
                piece = self.socket.recv(65536)
                if not piece:
                    break
                self.log.write(piece)
                if self.tap:
                    self.tap(piece.decode("utf-8", "replace"))
                with self.changed:
                    self.data += piece
                    # It may come in two pieces.
                    if b"\nPANIC:" in self.data[-len(piece) - 8:]:
                        self.panicked = True
                    self.changed.notify_all()
        except (OSError, ValueError):
            pass  # closed under us: the machine is gone
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def close(self):
        for s in (self.socket, self.listener):
            if s:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    def mark(self):
        """A position to expect from."""
        with self.changed:
            return len(self.data)

    def text(self, since=0):
        with self.changed:
            raw = bytes(self.data[since:])
        return clean(raw.decode("utf-8", "replace"))

    def send(self, text):
        data = text.encode()
        for i in range(0, len(data), _CHUNK):
            self.socket.sendall(data[i:i + _CHUNK])
            time.sleep(_CHUNK_PAUSE)

    def expect(self, pattern, timeout, since=0):
        """The match of pattern (multi-line regular expression) in what came since."""
        regex = re.compile(pattern, re.MULTILINE)
        end = time.monotonic() + timeout
        seen = -1
        while True:
            with self.changed:
                size = len(self.data)
                if size == seen:
                    self.changed.wait(min(0.5, max(0.0, end - time.monotonic())))
                    size = len(self.data)
            if size != seen:
                seen = size
                match = regex.search(self.text(since))
                if match:
                    return match
                continue
            if self.closed or not self.alive():
                if self.panicked:
                    time.sleep(1)  # let it finish its report
                raise HostDied(f"{self.name}: the machine {'panicked' if self.panicked else 'ended'}"
                               f" while waiting for '{pattern}'; last output:\n"
                               f"{self.last_lines(since, 60 if self.panicked else 25)}")
            if time.monotonic() >= end:
                raise SerialTimeout(f"{self.name}: no '{pattern}' within {timeout:.0f} s; "
                                    f"last output:\n{self.last_lines(since)}")

    def settle(self, quiet=0.4, limit=5):
        """Wait until nothing has come for a while; the position then."""
        end = time.monotonic() + limit
        size = self.mark()
        while time.monotonic() < end:
            time.sleep(quiet)
            now = self.mark()
            if now == size:
                break
            size = now
        return size

    def last_lines(self, since=0, lines=25):
        return "\n".join("    | " + line for line in self.text(since).split("\n")[-lines:])

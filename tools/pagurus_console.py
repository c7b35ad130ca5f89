# SPDX-License-Identifier: BSD-2-Clause
"""One host's serial console: types a command, collects its lines up to ok or error.

The console echoes what is typed, redraws lines with \\r, prints log lines in between
("[   12.345678] ...") and ends each command with a line "ok" or "error: ...".
Standard library only. What a command means is pagurusctl's business.
"""
import os
import re
import select
import socket
import termios
import time
import tty

_ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[ -/]*[@-~]|\x1b[@-Z\\-_cM]")
_LOG_LINE = re.compile(r"\[ *\d+\.\d{6}\] ")
_FINAL = re.compile(r"ok|error: .*")
# A real 16550 has 16 bytes for what is typed, and nobody holds the sender back.
_CHUNK, _CHUNK_PAUSE = 8, 0.01
_LONGEST = 4 << 20  # a host that never ends its command must not fill this machine's memory


class HostSilent(Exception):
    """The host cannot be reached, hung up, or does not answer."""


class WrongPlace(Exception):
    """A PLACE that means nothing."""


class Result:
    """lines: what the command printed, without echo, log lines and the final line."""

    def __init__(self, lines, final):
        self.lines, self.final, self.ok = lines, final, final == "ok"


def clean(text):
    """Lines as a terminal would show them in the end."""
    return [line.rstrip("\r").rsplit("\r", 1)[-1]
            for line in _ESCAPES.sub("", text).split("\n")]


def _open_socket(family, where, name):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(10)
    try:
        s.connect(where)
    except OSError as why:
        s.close()
        raise HostSilent(f"{name}: cannot connect to {where}: {why}") from None
    fd = os.dup(s.fileno())
    s.close()
    os.set_blocking(fd, True)
    return fd


def _open_line(path, name):
    path, _, speed = path.partition(",")
    constant = getattr(termios, f"B{speed or 115200}", None)
    if constant is None:
        raise WrongPlace(f"{name}: a speed of '{speed}' is none that this machine knows")
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as why:
        raise HostSilent(f"{name}: cannot open {path}: {why}") from None
    if not os.isatty(fd):
        return fd
    try:
        tty.setraw(fd)
        mode = termios.tcgetattr(fd)
        mode[4] = mode[5] = constant
        mode[2] |= termios.CLOCAL
        termios.tcsetattr(fd, termios.TCSANOW, mode)
    except termios.error as why:
        os.close(fd)
        raise HostSilent(f"{name}: {path} is no serial line: {why}") from None
    return fd


def open_place(place, name):
    """A file descriptor for tcp:HOST:PORT, unix:PATH or the path of a line."""
    if place.startswith("tcp:"):
        host, _, port = place[4:].rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise WrongPlace(f"{name}: '{place}': expected tcp:HOST:PORT")
        return _open_socket(socket.AF_INET, (host, int(port)), name)
    if place.startswith("unix:"):
        return _open_socket(socket.AF_UNIX, place[5:], name)
    if not place.startswith("/"):
        raise WrongPlace(f"{name}: '{place}': expected tcp:HOST:PORT, unix:PATH or /dev/...")
    return _open_line(place, name)


class Console:
    def __init__(self, name, place, timeout):
        self.name = name
        self.prompt = f"{name}> "
        self.data = b""
        self.fd = open_place(place, name)
        try:
            self._wake(timeout)
        except HostSilent:
            self.close()
            raise

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def _send(self, text):
        data = text.encode("ascii", "replace")
        try:
            for i in range(0, len(data), _CHUNK):
                view = data[i:i + _CHUNK]
                while view:
                    view = view[os.write(self.fd, view):]
                time.sleep(_CHUNK_PAUSE)
        except OSError as why:
            raise HostSilent(f"{self.name}: cannot be written to: {why}") from None

    def _receive(self, seconds):
        """More bytes, or false when none came in time."""
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            piece = os.read(self.fd, 65536)
        except OSError as why:
            raise HostSilent(f"{self.name}: cannot be read from: {why}") from None
        if not piece:
            raise HostSilent(f"{self.name}: the line was closed")
        self.data += piece
        if len(self.data) > _LONGEST:
            raise HostSilent(f"{self.name}: more than {_LONGEST >> 20} MiB without an end")
        return True

    def _lines(self):
        return clean(self.data.decode("utf-8", "replace"))

    def _wait(self, done, what, quiet):
        """Until done(lines) gives something; quiet: seconds that nothing may come."""
        while True:
            found = done(self._lines())
            if found is not None:
                return found
            if not self._receive(quiet):
                last = next((line for line in reversed(self._lines()) if line.strip()), "nothing")
                raise HostSilent(f"{self.name}: no {what} for {quiet:.0f} s; last came: {last}")

    def _at_prompt(self, lines):
        other = re.fullmatch(r"([A-Za-z0-9._-]+)> ?", lines[-1])
        if other and other.group(1) != self.name:
            raise HostSilent(f"{self.name}: the host at this line calls itself "
                             f"'{other.group(1)}'")
        return True if lines[-1].rstrip() == self.prompt.rstrip() else None

    def _wake(self, timeout):
        """Ctrl-U takes away half a line that somebody left; never Ctrl-C: it would end a move."""
        self._send("\x15\r")
        while self._receive(0.3):  # what had been printed before
            pass
        self.data = b""
        self._send("\r")
        self._wait(self._at_prompt, "prompt", timeout)

    def run(self, command, timeout):
        """timeout: seconds in which the command may print nothing at all."""
        if not command.strip() or not command.isprintable():
            raise WrongPlace(f"{self.name}: '{command!r}' is not a line for a console")
        self.data = self.prompt.encode()  # it stands there already
        self._send(command + "\r")

        def ended(lines):
            # Only whole lines, and only after the echo of what was typed, of which the console
            # shows as much as fits.
            echo = next((i for i, line in enumerate(lines[:-1]) if line.startswith(self.prompt)),
                        None)
            if echo is None:
                return None
            for i in range(echo + 1, len(lines) - 1):
                if _FINAL.fullmatch(lines[i]):
                    # Log lines come in between; those of `log` are its answer.
                    shown = [x for x in lines[echo + 1:i]
                             if command.split()[:1] == ["log"] or not _LOG_LINE.match(x)]
                    return Result(shown, lines[i])
            return None

        result = self._wait(ended, "end of the command", timeout)
        self._wait(self._at_prompt, "prompt", timeout)
        return result

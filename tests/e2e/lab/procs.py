# SPDX-License-Identifier: BSD-2-Clause
"""Processes of the lab: started with their output in a file, ended by pid."""
import ctypes
import signal
import subprocess

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent():
    # Even when the harness itself is killed, no emulator stays behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    def __init__(self, argv, log, cwd=None, stdin=subprocess.DEVNULL):
        self.argv = [str(a) for a in argv]
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=out, stderr=out,
                                          cwd=cwd, preexec_fn=_die_with_parent)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self):
        """At once, as if the power went."""
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def log_tail(self, size=2000):
        with open(self.log, "rb") as f:
            return f.read()[-size:].decode("utf-8", "replace")

# SPDX-License-Identifier: BSD-2-Clause
"""A host's serial line as a unix socket, for tools that are tested through it.

The harness keeps reading as well; it must not type meanwhile.
"""
import os
import pathlib
import socket
import tempfile
import threading
import time


class Relay:
    """with Relay(host) as place: ... place is "unix:PATH"."""

    def __init__(self, host):
        self.serial = host.serial
        self.path = pathlib.Path(tempfile.mkdtemp(), host.name)  # short enough for a socket
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(4)
        self.open = True

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return f"unix:{self.path}"

    def __exit__(self, *why):
        self.open = False
        self.listener.close()
        self.path.unlink()
        os.rmdir(self.path.parent)

    def _accept(self):
        while self.open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._down, args=(client,), daemon=True).start()
            self._up(client)

    def _up(self, client):
        while True:
            data = client.recv(256)
            if not data:
                return
            self.serial.send(data.decode("ascii"))

    def _down(self, client):
        at = self.serial.mark()
        try:
            while self.open:
                with self.serial.changed:
                    data = bytes(self.serial.data[at:])
                at += len(data)
                client.sendall(data)
                time.sleep(0.05)
        except OSError:
            pass  # the tool has gone

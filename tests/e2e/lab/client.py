# SPDX-License-Identifier: BSD-2-Clause
"""A client outside: downloads a guest's stream (tests/guests/net.c), checks every
byte, and pings it, each in a thread of its own, while tests move the guest."""
import os
import socket
import struct
import threading
import time

BLOCK = 4096
WORDS = BLOCK // 8
MASK = (1 << 64) - 1
PORT = 8000
FACTOR = 0x9E3779B97F4A7C15  # work_word() in tests/guests/work.h


class Stream:
    """One TCP connection, never opened again: a reset is an error."""

    def __init__(self, address, timeout=60):
        self.blocks, self.sum, self.error = 0, 0, None
        self.longest_gap, self.last = 0.0, None
        self.socket = socket.create_connection((address, PORT), timeout=timeout)
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.stopped:
                self._check(self._block())
        except OSError as why:
            if not self.stopped:
                self.error = self.error or f"connection: {why}"

    def _block(self):
        data = bytearray()
        while len(data) < BLOCK:
            piece = self.socket.recv(BLOCK - len(data))
            if not piece:
                raise OSError("closed by the guest")
            data += piece
            now = time.monotonic()
            if self.last is not None:
                self.longest_gap = max(self.longest_gap, now - self.last)
            self.last = now
        return data

    def _check(self, data):
        words = struct.unpack(f"<{WORDS}Q", data)
        number = self.blocks
        base = number << 32
        good = words[0] == number and words[1] == self.sum and all(
            words[i] == ((base + i) * FACTOR) & MASK for i in range(2, WORDS))
        if not good and not self.error:
            self.error = (f"block {number} is wrong: number {words[0]}, sum {words[1]:x}, "
                          f"expected {self.sum:x}")
        self.sum = (self.sum + sum(words)) & MASK
        self.blocks += 1

    @property
    def bytes(self):
        return self.blocks * BLOCK

    def check(self):
        assert not self.error, self.error

    def wait(self, blocks, timeout):
        """Until so many more blocks have come."""
        end, target = time.monotonic() + timeout, self.blocks + blocks
        while self.blocks < target:
            self.check()
            assert time.monotonic() < end, f"only {self.blocks} of {target} blocks came"
            time.sleep(0.1)
        self.check()

    def close(self):
        self.stopped = True
        self.socket.close()
        self.thread.join(5)
        self.check()


def _checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Ping:
    """ICMP echo requests (RFC 792) at a steady pace; which were answered, and when."""

    def __init__(self, address, interval=0.2):
        self.address, self.interval = address, interval
        self.sent, self.answered = 0, set()
        self.last, self.longest_gap = None, 0.0
        self.id = os.getpid() & 0xFFFF
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.settimeout(0.1)
        self.stopped = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._send, self._hear)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        while not self.stopped:
            head = struct.pack(">BBHHH", 8, 0, 0, self.id, self.sent & 0xFFFF)
            payload = bytes(range(48))
            packet = head[:2] + struct.pack(">H", _checksum(head + payload)) + head[4:] + payload
            try:
                self.socket.sendto(packet, (self.address, 0))
            except OSError:
                pass  # no neighbour now: it counts as lost
            self.sent += 1
            time.sleep(self.interval)

    def _hear(self):
        while not self.stopped:
            try:
                packet, _ = self.socket.recvfrom(2048)
            except OSError:
                continue
            kind, _, _, ident, number = struct.unpack(">BBHHH", packet[20:28])
            if kind != 0 or ident != self.id or number in self.answered:
                continue
            self.answered.add(number)
            now = time.monotonic()
            if self.last is not None:
                self.longest_gap = max(self.longest_gap, now - self.last)
            self.last = now

    def stop(self):
        """Also waits a little for the last answers."""
        time.sleep(1)
        self.stopped = True
        for thread in self.threads:
            thread.join(5)
        self.socket.close()

    @property
    def lost(self):
        return self.sent - len(self.answered)

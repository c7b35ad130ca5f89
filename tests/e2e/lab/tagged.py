# SPDX-License-Identifier: BSD-2-Clause
"""Ethernet frames with and without a VLAN tag, at the station's interface."""
import socket
import struct
import time

INTERFACE = "sta0s"
ETH_P_ALL, ARP = 0x0003, 0x0806
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 0x10


class Wire:
    """The kernel takes the tag out of received frames and tells it beside them (packet(7))."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((INTERFACE, 0))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.mac = self.socket.getsockname()[4]

    def send(self, dst, kind, payload, vlan=None):
        tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
        self.socket.send((dst + self.mac + tag + struct.pack(">H", kind) + payload).ljust(60, b"\0"))

    def receive(self, timeout):
        """(frame, vlan or None), or None."""
        self.socket.settimeout(timeout)
        try:
            frame, extra, _, _ = self.socket.recvmsg(2048, 256)
        except TimeoutError:
            return None
        for level, kind, data in extra:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    return frame, tci & 0xFFF
        return frame, None

    def who_has(self, address, vlan=None, timeout=10):
        """ARP (RFC 826): (MAC, VLAN of the answer), or None."""
        target = socket.inet_aton(address)
        ask = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + self.mac + bytes(4) + bytes(6) + target
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.send(b"\xff" * 6, ARP, ask, vlan)
            while heard := self.receive(0.5):
                frame, tag = heard
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02" and \
                        frame[28:32] == target:
                    return frame[22:28], tag
        return None

    def close(self):
        self.socket.close()

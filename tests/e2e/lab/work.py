# SPDX-License-Identifier: BSD-2-Clause
"""What the guests report about themselves, and what their disk must hold.

The formulas are those of tests/guests/work.h and worker.c.
"""
import re
import struct

TICK = re.compile(r"^work: tick (\d+) mem ok (\d+) pages disk ok (\d+) blocks t=(\d+) ms "
                  r"gap=(\d+) ms corrupt (\d+)\r?$", re.MULTILINE)
DISK_MAGIC = 0x314B535255474150
DISK_BLOCK = 4096
MASK = (1 << 64) - 1


class Ticks:
    def __init__(self, text):
        self.text = text
        self.rows = [tuple(map(int, m.groups())) for m in TICK.finditer(text)]
        self.tick = self.rows[-1][0] if self.rows else 0
        self.mem_ok = self.rows[-1][1] if self.rows else 0
        self.disk_ok = self.rows[-1][2] if self.rows else 0
        self.longest_gap_ms = max((row[4] for row in self.rows), default=0)

    def check(self):
        """Counters only grow, nothing was corrupt."""
        assert "CORRUPT" not in self.text, self.text
        for before, after in zip(self.rows, self.rows[1:]):
            assert after[0] > before[0] and after[3] > before[3], (before, after)
            assert after[1] >= before[1] and after[2] >= before[2], (before, after)
        assert all(row[5] == 0 for row in self.rows), self.rows

    def after(self, earlier):
        """This guest is the one seen earlier, further on; not one that was restarted."""
        assert self.rows and earlier.rows
        assert self.rows[0][0] > earlier.tick, (earlier.rows[-1], self.rows[0])
        assert self.mem_ok > earlier.mem_ok, (earlier.rows[-1], self.rows[-1])


def _word(n, gen, i):
    return ((((n << 32) & MASK) | (gen & 0xFFFFFFFF)) + i) * 0x9E3779B97F4A7C15 & MASK


def _sum(words):
    total = 0
    for i, word in enumerate(words):
        if i != 3:
            total = ((total << 7 | total >> 57) & MASK) ^ word
    return total


def disk_verify(path, blocks=64):
    """Every block whole, and generations as one writer leaves them: rounds in order.

    Returns the (lowest, highest) generation; AssertionError with the first fault.
    """
    generations = []
    with open(path, "rb") as f:
        for n in range(blocks):
            words = struct.unpack("<512Q", f.read(DISK_BLOCK))
            assert words[0] == DISK_MAGIC and words[1] == n, f"block {n}: not what was written"
            assert words[3] == _sum(words), f"block {n}: checksum"
            for i in range(4, 512):
                assert words[i] == _word(n, words[2], i), f"block {n} word {i}"
            generations.append(words[2])
    assert generations == sorted(generations, reverse=True), f"order lost: {generations}"
    assert generations[0] - generations[-1] <= 1, f"a write was lost: {generations}"
    return generations[-1], generations[0]

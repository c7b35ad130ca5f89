# SPDX-License-Identifier: BSD-2-Clause
"""Debian's unmodified kernel as a guest: to a shell, with its memory checked."""


def test_boots_and_checks_its_memory(pair):
    host = pair.linux()
    seen = host.follow("web", 3)
    assert seen.mem_ok > 0


def test_vector_registers_stay(pair):
    """Two processes hold patterns in all of them; a lost one is CORRUPT, which every test sees."""
    host = pair.linux()
    with host.console("web") as con:
        status, text = con.shell("dmesg | grep -c segfault; ps | grep -c '[/]init'")
        assert text.split() == ["0", "5"], text  # init, memory, disk, two vectors
    host.follow("web", 2)


def test_shell(pair):
    host = pair.linux()
    with host.console("web") as con:
        status, text = con.shell("cat /proc/meminfo | head -1; uname -s")
        assert status == 0 and "MemTotal" in text and "Linux" in text
        status, _ = con.shell("false")
        assert status != 0


def test_entropy_device(pair):
    """The kernel takes its hardware entropy from the virtio device, which never repeats."""
    host = pair.linux()
    with host.console("web") as con:
        status, text = con.shell("cat /sys/class/misc/hw_random/rng_current; for i in 1 2; do "
                                 "dd if=/dev/hwrng bs=3000 count=1 2>/dev/null | md5sum; done")
    words = text.split()
    assert status == 0 and words[0] == "virtio_rng.0", text
    assert words[1] != words[3]


def test_clock_keeps_time(pair):
    """Guest seconds are seconds, within what an emulator's pace allows."""
    host = pair.linux()
    seen = host.follow("web", 4)
    first, last = seen.rows[0], seen.rows[-1]
    assert abs((last[3] - first[3]) - 1000 * (last[0] - first[0])) < 500
    assert seen.longest_gap_ms < 2000

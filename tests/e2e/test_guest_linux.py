# SPDX-License-Identifier: BSD-2-Clause
"""Debian's unmodified kernel as a guest: to a shell, with its memory checked."""
import re


def test_boots_and_checks_its_memory(pair):
    host = pair.linux()
    seen = host.follow("web", 3)
    assert seen.mem_ok > 0


def test_vector_registers_stay(pair):
    """Two processes hold patterns in all of them; a lost one is CORRUPT, which every test sees."""
    host = pair.linux()
    with host.console("web") as con:
        status, text = con.shell("dmesg | grep -c segfault; ps | grep -c '[/]init'")
        assert text.split() == ["0", "6"], text  # init, memory, disk, network, two vectors
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
    sums = re.findall(r"^([0-9a-f]{32})  -", text, re.MULTILINE)
    assert status == 0 and re.search(r"^virtio_rng\.0$", text, re.MULTILINE), text
    assert len(sums) == 2 and sums[0] != sums[1], text


def test_clock_keeps_time(pair):
    """Guest seconds are seconds, within what an emulator's pace allows."""
    host = pair.linux()
    seen = host.follow("web", 4)
    first, last = seen.rows[0], seen.rows[-1]
    assert abs((last[3] - first[3]) - 1000 * (last[0] - first[0])) < 500
    assert seen.longest_gap_ms < 2000


def test_generation_id(pair):
    """ACPI names the device, and where it says lies the id that info shows."""
    host = pair.linux()
    shown = re.search(r"^gen\. id +([0-9a-f-]+)$", host.ok("info web").text, re.MULTILINE).group(1)
    with host.console("web") as con:
        _, text = con.shell("ls /sys/bus/acpi/devices | grep -c PGRS0001; "
                            "[ -e /dev/mem ] || mknod /dev/mem c 1 1; "
                            "for n in 0 4 8 c; do busybox devmem 0xfef0000$n 32; done")
    devices, *words = text.split()[-5:]  # before them the terminal's echo
    assert devices == "1", text
    assert b"".join(int(w, 16).to_bytes(4, "little") for w in words).hex() == \
        shown.replace("-", ""), text

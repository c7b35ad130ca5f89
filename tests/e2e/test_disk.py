# SPDX-License-Identifier: BSD-2-Clause
"""The virtual disk: what a guest wrote is what the AoE target holds."""
import hashlib
import time

from lab.work import disk_verify

# Past the blocks of the disk worker.
OFFSET_KIB, SIZE_KIB = 4096, 256


def test_write_and_read_back(pair):
    host = pair.linux()
    with host.console("web") as con:
        # With as many bytes as the guest has names for: no file is random here.
        status, _ = con.shell(f"dd if=/bin/busybox of=/dev/vda bs=4k seek={OFFSET_KIB // 4} "
                              f"count={SIZE_KIB // 4} conv=fsync 2>/dev/null")
        assert status == 0
        # Past the page cache: direct.
        status, text = con.shell("echo 3 >/proc/sys/vm/drop_caches; "
                                 f"dd if=/dev/vda bs=4k skip={OFFSET_KIB // 4} "
                                 f"count={SIZE_KIB // 4} 2>/dev/null | sha256sum")
        assert status == 0
    with open(pair.disk.path, "rb") as f:
        f.seek(OFFSET_KIB * 1024)
        ours = f.read(SIZE_KIB * 1024)
    with open("/bin/busybox", "rb") as f:
        assert ours == f.read(SIZE_KIB * 1024), "the target's file holds something else"
    assert hashlib.sha256(ours).hexdigest() in text


def test_worker_checks_its_blocks(pair):
    host = pair.linux()
    before = host.follow("web", 2)
    after = host.follow("web", 3)
    assert after.disk_ok > before.disk_ok


def test_storage_restart_is_survived(pair):
    """vblade forgets its reservations; the guest's requests wait and go on."""
    host = pair.linux()
    before = host.follow("web", 2)
    pair.disk.kill()
    pair.disk.start()
    after = host.follow("web", 8)
    after.after(before)
    assert after.disk_ok > before.disk_ok


def test_shutdown_leaves_a_whole_disk(pair):
    """The power button reaches the guest, and every block is what one writer left."""
    host = pair.linux()
    host.follow("web", 2)
    host.ok("shutdown web")
    for _ in range(60):
        if host.state("web") == "off":
            break
        time.sleep(1)
    assert host.state("web") == "off"
    low, high = disk_verify(pair.disk.path)
    assert 1 <= low <= high

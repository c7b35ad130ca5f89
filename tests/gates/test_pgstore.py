# SPDX-License-Identifier: BSD-2-Clause
"""build/pgstore: objects in and out of a datastore, judged by other programs (cmp, qemu-img)."""
import os
import pathlib
import random
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PGSTORE = ROOT / "build" / "pgstore"
TYPE = "50414755-5255-5344-a75c-6d6f76657321"  # kernel/store/partition.h
SUPERS, SECTOR, OPENED_BY = (8, 64), 512, 104  # docs/datastore.md
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "-s", "build/pgstore"], cwd=ROOT, check=True)


def pgstore(*argv, status=0):
    """What it prints, on both channels."""
    run = subprocess.run([PGSTORE, *map(str, argv)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == status, run.stdout
    return run.stdout


@pytest.fixture
def store(tmp_path):
    image = tmp_path / "store.img"
    pgstore("make", image, "main", "64M")
    return image


def sparse_file(path, size, pieces):
    """Random bytes at some places of a file that is holes else."""
    rng = random.Random(7)
    with open(path, "wb") as f:
        f.truncate(size)
        for at, length in pieces:
            f.seek(at)
            f.write(rng.randbytes(length))
    return path


def stored(image, name):
    lines = [line.split() for line in pgstore("list", image).splitlines()[1:]]
    return next(int(words[3]) for words in lines if words[0] == name)


def test_files(store, tmp_path):
    conf = tmp_path / "vm.conf"
    conf.write_text("memory 64M\n")
    pgstore("put", store, "vm/web/vm.conf", conf)
    assert pgstore("get", store, "vm/web/vm.conf", "-") == "memory 64M\n"
    conf.write_text("memory 128M\n")
    pgstore("put", store, "vm/web/vm.conf", conf)
    assert pgstore("get", store, "vm/web/vm.conf", "-") == "memory 128M\n"
    assert "objects    1\n" in pgstore("stat", store)
    pgstore("rm", store, "vm/web/vm.conf")
    assert "not found" in pgstore("rm", store, "vm/web/vm.conf", status=1)
    assert "no fault" in pgstore("check", store)


def test_sparse_stays_sparse(store, tmp_path):
    raw = sparse_file(tmp_path / "disk.raw", 40 * MIB,
                      [(0, 512), (7 * MIB + 5, 300000), (40 * MIB - 512, 512)])
    back = tmp_path / "back.raw"
    pgstore("put", store, "disk/web/vda", raw)
    assert stored(store, "disk/web/vda") <= 8 * 65536
    assert store.stat().st_blocks * 512 < 2 * MIB
    pgstore("get", store, "disk/web/vda", back)
    assert back.read_bytes() == raw.read_bytes()
    assert back.stat().st_blocks <= raw.stat().st_blocks + 16
    # Only holes, and an end that is a hole.
    empty = sparse_file(tmp_path / "empty", 3 * MIB + 1, [])
    pgstore("put", store, "saved/x", empty)
    pgstore("get", store, "saved/x", back)
    assert back.read_bytes() == empty.read_bytes()


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vhdx"])
def test_formats(store, tmp_path, form):
    raw = sparse_file(tmp_path / "disk.raw", 16 * MIB, [(MIB, 100000), (9 * MIB, 65536)])
    image, back = tmp_path / f"disk.{form}", tmp_path / f"back.{form}"
    qemu_img("convert", "-f", "raw", "-O", form, raw, image)
    pgstore("put", store, "disk/a", image)
    assert stored(store, "disk/a") <= 5 * 65536
    pgstore("get", store, "disk/a", back)
    qemu_img("compare", "-f", "raw", "-F", form, raw, back)
    assert back.stat().st_blocks * 512 < 8 * MIB
    # The contents of a raw image never say what format it is.
    pgstore("put", "--format", "raw", store, "disk/b", image)
    pgstore("get", "--format", "raw", store, "disk/b", back)
    assert back.read_bytes()[:4] == image.read_bytes()[:4]
    assert not list(tmp_path.glob("*.raw.*")), "the file between is gone"
    assert "qemu-img" in pgstore("put", "--format", form, store, "disk/c", raw, status=1)


def qemu_img(*argv):
    subprocess.run(["qemu-img", *map(str, argv)], check=True, stdout=subprocess.DEVNULL)


def test_partition(tmp_path):
    disk = tmp_path / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(32 * MIB)
    subprocess.run(["sgdisk", "-n", "1:2048:+8M", "-n", "2:0:+16M", "-t", f"2:{TYPE}", disk],
                   check=True, stdout=subprocess.DEVNULL)
    assert "GPT" in pgstore("list", disk, status=1)
    pgstore("--partition", "make", disk, "part")
    pgstore("--partition", "put", disk, "vm/a", __file__)
    assert "vm/a" in pgstore("list", "--partition", disk)
    assert "vm/a" in pgstore("list", "--offset", f"{9 * MIB}:16M", disk)
    assert "vm/a" in pgstore("list", "--offset", "9M", disk)
    subprocess.run(["sgdisk", "-v", disk], check=True, stdout=subprocess.DEVNULL)
    assert "no datastore" in pgstore("list", "--offset", "1M", disk, status=1)
    assert "no sector" in pgstore("list", "--offset", "33M", disk, status=1)
    assert "more than" in pgstore("list", "--offset", "9M:30M", disk, status=1)


def test_full(store, tmp_path):
    small = tmp_path / "small"
    small.write_text("x")
    pgstore("put", store, "vm/a", small)
    big = sparse_file(tmp_path / "big.raw", 80 * MIB, [(0, 70 * MIB)])
    assert "nothing was stored" in pgstore("put", store, "disk/big", big, status=1)
    assert "disk/big" not in pgstore("list", store)
    assert "no fault" in pgstore("check", store)
    assert pgstore("get", store, "vm/a", "-") == "x"


def test_refusals(store, tmp_path):
    foreign = sparse_file(tmp_path / "foreign", 4 * MIB, [(0, 4096)])
    assert "not empty" in pgstore("make", foreign, "x", status=1)
    pgstore("make", "--force", foreign, "x")
    assert "datastore x" in pgstore("make", foreign, "y", status=1)
    assert "too small" in pgstore("make", tmp_path / "tiny", "x", "100K", status=1)
    assert "cannot be made" in pgstore("make", store, "x", "64M", status=1)
    assert "no name" in pgstore("make", tmp_path / "n", "a b", "2M", status=1)
    assert "no object's name" in pgstore("put", store, "a//b", foreign, status=1)
    assert "no kind" in pgstore("put", "--kind", "wood", store, "a", foreign, status=1)
    assert "usage" in pgstore("put", store, "a", status=2)
    assert "usage" in pgstore(status=2)
    assert "usage" in pgstore("wash", store, status=2)
    assert "No such file" in pgstore("list", tmp_path / "none", status=1)
    assert "disk/none" in pgstore("get", store, "disk/none", "-", status=1)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def test_open_elsewhere(store, tmp_path):
    """A host's name in the superblock (written by other code than ours) keeps writers away."""
    data = bytearray(store.read_bytes())
    for sector in SUPERS:
        at = sector * SECTOR
        assert data[at:at + 8] == b"PGSTORE1"
        assert struct.unpack_from("<I", data, at + 12)[0] == \
            crc32c(data[at:at + 12] + bytes(4) + data[at + 16:at + SECTOR])
        data[at + OPENED_BY:at + OPENED_BY + 5] = b"alpha"
        struct.pack_into("<I", data, at + 12, 0)
        struct.pack_into("<I", data, at + 12, crc32c(data[at:at + SECTOR]))
    store.write_bytes(data)
    small = tmp_path / "small"
    small.write_text("x")
    assert "open at alpha" in pgstore("put", store, "a", small, status=1)
    assert "alpha" in pgstore("stat", store)
    pgstore("put", "--force", store, "a", small)
    assert "(nobody)" in pgstore("stat", store)


def test_damage(store, tmp_path):
    small = tmp_path / "small"
    small.write_text("x")
    for name in "abc":
        pgstore("put", store, name, small)
    data = bytearray(store.read_bytes())
    table = data.index(b"b\0\0\0\0", 65536)
    data[table] ^= 1
    store.write_bytes(data)
    log = pgstore("check", store, status=1)
    assert "damaged" in log and "'main'" in log
    data[SUPERS[0] * SECTOR + 50] ^= 1
    data[SUPERS[1] * SECTOR + 50] ^= 1
    store.write_bytes(data)
    assert "both superblocks" in pgstore("check", store, status=1)
    os.truncate(store, 1 << 16)
    assert "needs 1024" in pgstore("check", store, status=1)

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make the disk image of a small Debian that boots by itself: a partition table,
GRUB in the gap behind it, one ext4 file system with kernel, initramfs and the
files of Debian packages that are installed here. Needs no root and no loop device.

example: tests/guests/mkdebian.py -o build/guest/debian.img --kernel build/guest/vmlinuz \\
             --modules build/guest/modules --worker build/guest/init
"""
import argparse
import gzip
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

from mkinitramfs import APPLETS, BUSYBOX, WANTED, Cpio, module_bytes, modules_in_order

SECTOR = 512
PARTITION_AT = 2048  # sectors: 1 MiB, the gap before it is GRUB's
SIZE_MIB = 64
GRUB = pathlib.Path("/usr/lib/grub/i386-pc")
GRUB_MODULES = ["biosdisk", "part_msdos", "ext2", "normal", "linux", "serial", "terminal",
                "echo", "reboot"]
PACKAGES = ["base-files", "libc6", "dash"]
LEFT_OUT = ("/usr/share/", "/usr/lib/x86_64-linux-gnu/gconv/")
MERGED = ["bin", "sbin", "lib", "lib64"]

GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry 'Debian GNU/Linux' {
	linux /boot/vmlinuz root=/dev/vda1 console=ttyS0 cryptomgr.notests mitigations=off quiet WORK
	initrd /boot/initrd.img
}
"""

# What the guest does all the time (tests/guests/init.c); its second disk is for that. Free
# memory is zero: a quarter less to send over the emulators' slow wire.
WORK = ("init_on_free=1 pagurus.work=4 pagurus.rate=25 pagurus.tick pagurus.disk=vdb "
        "pagurus.net=10.7.0.3")

# Ends in the disk's own /sbin/init; what it cannot do, it says.
INITRAMFS_INIT = """\
#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
while read -r module; do insmod "$module"; done </modules/order
for arg in $(cat /proc/cmdline); do
	case $arg in root=*) root=${arg#root=} ;; esac
done
mount -t ext4 "$root" /disk || { echo "initramfs: no $root"; exec sh; }
mount -o move /dev /disk/dev
mount -o move /proc /disk/proc
exec switch_root /disk /sbin/init
"""

DISK_INIT = """\
#!/bin/dash
mount -t sysfs sys /sys
. /etc/os-release
echo "debian: $PRETTY_NAME, root $(grep ' / ' /proc/mounts | cut -d' ' -f1)"
echo "debian: uuid $(cat /sys/class/dmi/id/product_uuid)"
echo "debian: ready"
/sbin/worker &
cd /var
while :; do PS1= setsid cttyhack dash -i; done
"""


def initramfs(modules):
    cpio = Cpio()
    for name in ["bin", "dev", "proc", "disk", "modules"]:
        cpio.add(name, 0o040755)
    cpio.add("dev/console", 0o020600, rdev=(5, 1))
    cpio.add("init", 0o100755, INITRAMFS_INIT.encode())
    order = modules_in_order(modules, WANTED)
    for name, path in order:
        cpio.add(f"modules/{name}.ko", 0o100644, module_bytes(path))
    cpio.add("modules/order", 0o100644,
             "".join(f"/modules/{name}.ko\n" for name, _ in order).encode())
    cpio.add("bin/busybox", 0o100755, pathlib.Path(BUSYBOX).read_bytes())
    for applet in ["sh", "mount", "insmod", "cat", "switch_root"]:
        cpio.add(f"bin/{applet}", 0o120777, b"busybox")
    return gzip.compress(cpio.finish(), mtime=0)


def package_files(package):
    """The files that dpkg says the package put here, as absolute names."""
    out = subprocess.run(["dpkg", "-L", package], check=True, stdout=subprocess.PIPE, text=True)
    for name in out.stdout.splitlines():
        path = pathlib.Path(name)
        if not name.startswith(LEFT_OUT) and (path.is_symlink() or path.is_file()):
            yield path


def make_tree(root, kernel, modules, worker):
    for name in ["boot/grub", "dev", "proc", "sys", "var", "tmp", "etc", "usr"]:
        (root / name).mkdir(parents=True)
    for name in MERGED:
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    for package in PACKAGES:
        for path in package_files(package):
            to = root / str(path).lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            if to.parent.resolve().is_relative_to(root.resolve()) and not os.path.lexists(to):
                shutil.copy2(path, to, follow_symlinks=False)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in [*APPLETS, "sh", "grep", "cut", "setsid", "cttyhack", "nproc"]:
        if not os.path.lexists(root / "bin" / applet):
            (root / "bin" / applet).symlink_to("busybox")
    shutil.copy(kernel, root / "boot/vmlinuz")
    (root / "boot/initrd.img").write_bytes(initramfs(modules))
    (root / "boot/grub/grub.cfg").write_text(GRUB_CFG.replace("WORK", WORK))
    (root / "sbin/init").write_text(DISK_INIT)
    (root / "sbin/init").chmod(0o755)
    shutil.copy(worker, root / "sbin/worker")


def file_system(root, out, size_mib):
    env = dict(os.environ, E2FSPROGS_FAKE_TIME="1", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    with open(out, "wb") as f:
        f.truncate(size_mib << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, "-m", "0", "-L", "debian",
                    "-U", "6f1c2d1e-9f0b-4d2c-8a51-0f5d3f0e7b11",
                    "-E", "hash_seed=6f1c2d1e-9f0b-4d2c-8a51-0f5d3f0e7b11,root_owner=0:0",
                    "-O", "^metadata_csum,^64bit", out], check=True, env=env)


def boot_sectors(folder, sectors):
    """MBR and gap. GRUB's images are linked to lie in one piece from sector 1 on: that is
    what boot.img loads and what core.img's first sector goes on with, unless changed."""
    core = folder / "core.img"
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub",
                    *GRUB_MODULES], check=True)
    mbr = bytearray((GRUB / "boot.img").read_bytes())
    core = core.read_bytes()
    assert len(mbr) == SECTOR and len(core) <= (PARTITION_AT - 1) * SECTOR
    mbr[0x1b8:0x1be] = b"PGRS\0\0"
    # active, CHS fields unused, type 83h (Linux), LBA and length
    mbr[0x1be:0x1fe] = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff",
                                   PARTITION_AT, sectors) + bytes(48)
    return (bytes(mbr) + core).ljust(PARTITION_AT * SECTOR, b"\0")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--kernel", type=pathlib.Path, required=True)
    parser.add_argument("--modules", type=pathlib.Path, required=True,
                        help="folder of the kernel's modules")
    parser.add_argument("--worker", type=pathlib.Path, required=True,
                        help="static program that works on memory, disk and network")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.output.parent) as name:
        folder = pathlib.Path(name)
        make_tree(folder / "root", args.kernel, args.modules, args.worker)
        file_system(folder / "root", folder / "ext4.img", SIZE_MIB)
        part = args.output.with_suffix(".part")
        with open(part, "wb") as f:
            f.write(boot_sectors(folder, (SIZE_MIB << 20) // SECTOR))
        subprocess.run(["dd", f"if={folder}/ext4.img", f"of={part}", "bs=1M", "seek=1",
                        "conv=sparse,notrunc", "status=none"], check=True)
        os.truncate(part, (SIZE_MIB + 1) << 20)
        part.rename(args.output)
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()

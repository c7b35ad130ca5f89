#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Build the test guest's initramfs: our static /init, the virtio modules of the
unpacked Debian kernel in dependency order, and busybox when a shell is wanted.
Reproducible: the archive depends on nothing but its inputs.

example: tests/guests/mkinitramfs.py -o build/guest/initrd.img --init build/guest/init \\
             --modules build/guest/modules --shell
"""
import argparse
import pathlib
import subprocess
import sys

WANTED = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "evdev", "button"]
BUSYBOX = "/bin/busybox"
APPLETS = ["sh", "ls", "cat", "dd", "echo", "sync", "md5sum", "sha256sum", "dmesg", "ps",
           "free", "sleep", "uptime", "hexdump", "poweroff", "reboot", "mount", "ip", "ping",
           "head", "wc", "date", "uname", "top", "yes", "true"]


class Cpio:
    """A newc archive (Linux Documentation/driver-api/early-userspace/buffer-format)."""

    def __init__(self):
        self.out = bytearray()
        self.inode = 0

    def add(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1 if name != "TRAILER!!!" else 0
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1],
                  len(name) + 1, 0]
        self.out += b"070701" + b"".join(b"%08X" % f for f in fields)
        self.out += name.encode() + b"\0"
        self.pad()
        self.out += data
        self.pad()

    def pad(self):
        self.out += b"\0" * (-len(self.out) % 4)

    def finish(self):
        self.add("TRAILER!!!", 0)
        self.out += b"\0" * (-len(self.out) % 512)
        return bytes(self.out)


def module_bytes(path):
    """The module itself: the kernel unpacks none for finit_module without flags."""
    tool = {".xz": ["xz", "-dc"], ".zst": ["zstd", "-dc"], ".gz": ["gzip", "-dc"]}.get(path.suffix)
    if not tool:
        return path.read_bytes()
    return subprocess.run(tool + [str(path)], check=True, stdout=subprocess.PIPE).stdout


def module_name(path):
    return path.name.split(".ko")[0].replace("-", "_")


def module_depends(path):
    out = subprocess.run(["/sbin/modinfo", "-F", "depends", str(path)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [d.replace("-", "_") for d in out.strip().split(",") if d]


def modules_in_order(folder, wanted):
    known = {module_name(p): p for p in sorted(folder.rglob("*.ko*"))}
    order = []

    def visit(name, why):
        if name not in known:
            sys.exit(f"mkinitramfs: module {name} ({why}) is not below {folder}")
        if name in order:
            return
        for dep in module_depends(known[name]):
            visit(dep, f"needed by {name}")
        order.append(name)

    for name in wanted:
        visit(name, "wanted")
    return [(name, known[name]) for name in order]


def build(init, modules, wanted, shell):
    cpio = Cpio()
    for name in ["bin", "dev", "proc", "sys", "modules"]:
        cpio.add(name, 0o040755)
    cpio.add("dev/console", 0o020600, rdev=(5, 1))
    cpio.add("init", 0o100755, init.read_bytes())
    order = modules_in_order(modules, wanted)
    for name, path in order:
        cpio.add(f"modules/{name}.ko", 0o100644, module_bytes(path))
    cpio.add("modules/order", 0o100644,
             "".join(f"/modules/{name}.ko\n" for name, _ in order).encode())
    if shell:
        cpio.add("bin/busybox", 0o100755, pathlib.Path(BUSYBOX).read_bytes())
        for applet in APPLETS:
            cpio.add(f"bin/{applet}", 0o120777, b"busybox")
    return cpio.finish(), [name for name, _ in order]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--init", type=pathlib.Path, required=True, help="static /init")
    parser.add_argument("--modules", type=pathlib.Path, required=True,
                        help="folder of the guest kernel's modules")
    parser.add_argument("--wanted", nargs="*", default=WANTED, help="modules to load")
    parser.add_argument("--shell", action="store_true", help="add busybox")
    args = parser.parse_args()
    data, order = build(args.init, args.modules, args.wanted, args.shell)
    args.output.write_bytes(data)
    print(f"{args.output}: {len(data)} bytes, modules {' '.join(order)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compose a bootable disk image: GPT, one FAT partition, loader, kernel, files.

Needs no root: the file system is made by mkfs.vfat (dosfstools) and filled by
mtools. Equal inputs give equal bytes; time stamps come from SOURCE_DATE_EPOCH.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mkimage_gpt as gpt  # noqa: E402

MIB = 1 << 20
CLUSTER = 4096
MIN_SIZE = 32 * MIB  # enough clusters for FAT16 in any case
FAT32_FROM = 256 * MIB  # FAT16 ends at 65524 clusters
VOLUME_ID = "50414755"
MAX_PATH = 127  # HANDOFF_PATH_LEN with its terminator
MAX_FILES = 128  # HANDOFF_MAX_FILES
DEFAULT_EPOCH = 1735689600  # 2025-01-01

EXAMPLES = """\
examples:
  a host without guests
    tools/mkimage.py -o alpha.img --loader build/BOOTX64.EFI \\
        --kernel build/pagurus.elf --host-conf alpha.conf
  the same with a guest "web" (folder with vm.conf, kernel, initrd) and a file
    ... --vm web=guests/web --file memtest.bin
  another host from the same image
    cp alpha.img beta.img && tools/mkimage.py --set-host-conf beta.img beta.conf
  onto a stick (erases it)
    dd if=alpha.img of=/dev/sdX bs=4M conv=fsync
"""


class Refused(Exception):
    """What is wrong with the request, in words for the one who made it."""


def need_file(path, what):
    if not os.path.isfile(path):
        raise Refused(f"{what}: no such file: {path}")
    if not os.access(path, os.R_OK):
        raise Refused(f"{what}: not readable: {path}")
    return path


def check_target(target):
    """The loader takes printable ASCII without spaces, not starting with a dot."""
    rel = target[len("pagurus/") :] if target.startswith("pagurus/") else target
    if len(rel) > MAX_PATH:
        raise Refused(f"name too long for the loader ({len(rel)} > {MAX_PATH}): {rel}")
    for part in rel.split("/"):
        if not re.fullmatch(r"[!-~]+", part) or part[0] == "." or re.search(r'[\\:*?"<>|]', part):
            raise Refused(f"name not usable on the boot volume: {rel!r}; use letters, digits, - _ .")
    return target


def vm_files(spec):
    name, eq, folder = spec.partition("=")
    if not eq or not name or not folder or "/" in name:
        raise Refused(f"--vm {spec}: expected NAME=FOLDER, for example web=guests/web")
    if not os.path.isdir(folder):
        raise Refused(f"--vm {spec}: no such folder: {folder}")
    need_file(os.path.join(folder, "vm.conf"), f"--vm {name}")
    for top, dirs, files in os.walk(folder):
        dirs.sort()
        for entry in sorted(files):
            source = os.path.join(top, entry)
            yield f"pagurus/vms/{name}/{os.path.relpath(source, folder)}", source


def collect(args):
    """Target path on the volume -> source path, in the order of reading at boot."""
    contents = {
        "EFI/BOOT/BOOTX64.EFI": need_file(args.loader, "--loader"),
        "pagurus/pagurus.elf": need_file(args.kernel, "--kernel"),
        "pagurus/host.conf": need_file(args.host_conf, "--host-conf"),
    }
    more = [pair for spec in args.vm for pair in vm_files(spec)]
    for path in args.file:
        more.append(("pagurus/files/" + os.path.basename(path), need_file(path, "--file")))
    seen = {target.lower(): source for target, source in contents.items()}
    for target, source in more:
        check_target(target)
        if target.lower() in seen:  # FAT does not tell upper from lower case
            raise Refused(f"two files for {target}: {seen[target.lower()]} and {source}")
        seen[target.lower()] = source
        contents[target] = source
    if len(contents) - 2 > MAX_FILES:
        raise Refused(f"{len(contents) - 2} files, the loader takes at most {MAX_FILES}")
    return contents


def volume_size(contents, slack_mib):
    used = 0
    for target, source in contents.items():
        size = os.path.getsize(source)
        if size >= 1 << 32:
            raise Refused(f"{source}: {size} bytes; a FAT file ends at 4 GiB - 1")
        used += (size + CLUSTER - 1) // CLUSTER * CLUSTER + CLUSTER * (target.count("/") + 1)
    used += used // CLUSTER * 8  # both FATs, 4 bytes a cluster
    size = (used + slack_mib * MIB + MIB - 1) // MIB * MIB
    return max(size, MIN_SIZE)


def run(*command):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", TZ="UTC", LC_ALL="C", MTOOLSRC="/dev/null")
    env.setdefault("SOURCE_DATE_EPOCH", str(DEFAULT_EPOCH))
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    if not program:
        package = "dosfstools" if command[0] == "mkfs.vfat" else "mtools"
        raise Refused(f"{command[0]} is not installed (Debian package {package})")
    done = subprocess.run([program, *command[1:]], env=env, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")


def put(drive, source, target, epoch):
    """Copy one file to the mtools drive, by way of a copy that carries the time stamp."""
    with tempfile.TemporaryDirectory() as stage:
        copy = os.path.join(stage, "file")
        shutil.copyfile(source, copy)
        os.utime(copy, (epoch, epoch))
        run("mcopy", "-m", "-o", "-i", drive, copy, "::/" + target)


def fill(drive, contents, epoch):
    made = set()
    for target, source in contents.items():
        parts = target.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder.lower() not in made:
                run("mmd", "-i", drive, "::/" + folder)
                made.add(folder.lower())
        put(drive, source, target, epoch)


def source_date():
    text = os.environ.get("SOURCE_DATE_EPOCH", str(DEFAULT_EPOCH))
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) < 315532800:
        raise Refused(f"SOURCE_DATE_EPOCH={text}: expected seconds since 1970, from 1980 on (FAT)")
    return int(text)


def make_image(args):
    epoch = source_date()
    contents = collect(args)
    size = volume_size(contents, args.slack)
    fat = "32" if size >= FAT32_FROM else "16"
    part = args.output + ".part"
    try:
        with open(part, "wb") as image:
            gpt.write_tables(image, size // gpt.SECTOR)
        # --offset counts sectors, the last operand is the volume's size in KiB
        run("mkfs.vfat", "--invariant", "-i", VOLUME_ID, "-n", "PAGURUS", "-F", fat,
            "-s", str(CLUSTER // gpt.SECTOR), "-h", str(gpt.ESP_START),
            "--offset", str(gpt.ESP_START), part, str(size // 1024))
        fill(f"{part}@@{gpt.ESP_START * gpt.SECTOR}", contents, epoch)
        os.replace(part, args.output)
    finally:
        if os.path.exists(part):
            os.unlink(part)
    print(f"{args.output}: {size // MIB} MiB FAT{fat}, {len(contents)} files")


def set_host_conf(image_path, conf_path):
    epoch = source_date()
    need_file(image_path, "--set-host-conf")
    need_file(conf_path, "--set-host-conf")
    with open(image_path, "rb") as image:
        try:
            offset = gpt.esp_offset(image)
        except ValueError as why:
            raise Refused(f"{image_path}: {why}") from None
    put(f"{image_path}@@{offset}", conf_path, "pagurus/host.conf", epoch)
    print(f"{image_path}: host.conf is now {conf_path}")


def parse(argv):
    p = argparse.ArgumentParser(
        description="Compose a bootable Pagurus disk image (GPT, one FAT partition), without root.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", "--output", metavar="IMG", help="image to write; replaced only when complete, e.g. -o alpha.img")
    p.add_argument("--loader", metavar="EFI", help="UEFI loader, becomes /EFI/BOOT/BOOTX64.EFI, e.g. build/BOOTX64.EFI")
    p.add_argument("--kernel", metavar="ELF", help="hypervisor, becomes /pagurus/pagurus.elf, e.g. build/pagurus.elf")
    p.add_argument("--host-conf", metavar="FILE", help="this host's configuration, becomes /pagurus/host.conf, e.g. boot/host.conf")
    p.add_argument("--vm", metavar="NAME=FOLDER", action="append", default=[],
                   help="folder with vm.conf and what it names, becomes /pagurus/vms/NAME/; may repeat, e.g. --vm web=guests/web")
    p.add_argument("--file", metavar="PATH", action="append", default=[],
                   help="any file, becomes /pagurus/files/ and its base name; may repeat, e.g. --file memtest.bin")
    p.add_argument("--slack", metavar="MIB", type=int, default=8,
                   help="free space to leave on the volume, in MiB (default 8), e.g. --slack 64")
    p.add_argument("--set-host-conf", nargs=2, metavar=("IMG", "FILE"),
                   help="only replace host.conf in an existing image, e.g. --set-host-conf beta.img beta.conf")
    args = p.parse_args(argv)
    if args.set_host_conf:
        return args
    missing = [f"--{k.replace('_', '-')}" for k in ("output", "loader", "kernel", "host_conf")
               if not getattr(args, k)]
    if missing:
        p.error("missing: " + ", ".join(missing) + " (see --help for an example)")
    if not 0 <= args.slack <= 1 << 20:
        p.error("--slack: expected 0 to 1048576 MiB")
    return args


def main(argv):
    args = parse(argv)
    try:
        if args.set_host_conf:
            set_host_conf(*args.set_host_conf)
        else:
            make_image(args)
    except (Refused, OSError) as why:
        print(f"mkimage.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

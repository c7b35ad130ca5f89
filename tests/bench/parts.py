# SPDX-License-Identifier: BSD-2-Clause
"""What is measured on one host, or on none: sizes, exits, the boot of Linux."""
import re
import subprocess
import sys

from lab import Lab
from lab.guests import LINUX_QUIET, Guest

KINDS = {"cpuid-0": "cpuid leaf 0", "cpuid-1": "cpuid leaf 1",
         "cpuid-7": "cpuid leaf 7 (asks vmm)", "port-nobody": "port read, nobody there",
         "port-uart": "port read, UART", "mmio-nobody": "MMIO read, nobody there",
         "mmio-lapic": "MMIO read, local APIC", "dirty-write": "first write to a logged page"}
SAMPLE = re.compile(r"^bench: (\S+) min (\d+) median (\d+) mean (\d+) of (\d+)\n", re.MULTILINE)
SPIN = re.compile(r"^bench: spin ticks (\d+) instructions (\d+)\n", re.MULTILINE)
MEMORY = re.compile(r"^memory +(\S+) (\S+), (\S+) (\S+) free .* (\S+) (\S+) of it Pagurus",
                    re.MULTILINE)
INIT = re.compile(r"^bench: init at tsc (\d+) entry ([0-9a-f]{16}) kernel time (\d+) us\n",
                  re.MULTILINE)
EXITS = re.compile(r"^([a-z-]+) +(\d+)$")
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

# The same for both machines. The bare one's CPUID claims a TSC of GHz, so its
# frequency is told; mem= gives both as much; nokaslr makes runs alike.
BOOT_CMDLINE = f"{LINUX_QUIET} nokaslr tsc_early_khz=50000 mem=256M bench.entry={0:016x}"
BOOT_MEMORY = 256
WAIT = 300


def exits_guest(build, dirty=False):
    return Guest("exits", 8, {"kernel": f"{build}/guest/exits.elf"},
                 "dirty" if dirty else "once")


def size(figures, args):
    """Bytes of the image, section by section, and of the loader."""
    out = subprocess.run(["size", "-A", f"{args.build}/pagurus.elf"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    sections = dict(re.findall(r"^(\.\S+)\s+(\d+)", out, re.MULTILINE))
    for name in (".text", ".rodata", ".data", ".bss"):
        figures.add(f"image {name}", int(sections[name]), "bytes")
    loader = subprocess.run(["stat", "-c", "%s", f"{args.build}/BOOTX64.EFI"], check=True,
                            text=True, stdout=subprocess.PIPE).stdout
    figures.add("image BOOTX64.EFI", int(loader), "bytes")


def memory(figures, host):
    found = MEMORY.search(host.ok("host").text)
    total, free, image = (float(found.group(i)) * UNITS[found.group(i + 1)] / UNITS["MiB"]
                          for i in (1, 3, 5))
    figures.add("memory taken, no guest", round(total - free), "MiB")
    figures.add("memory taken by the image", image, "MiB")


def add_samples(figures, text, names):
    """The last report of each kind; a kind that is missing is a failure."""
    seen = {m.group(1): m for m in SAMPLE.finditer(text)}
    for name in names:
        low, median, mean = (int(seen[name].group(i)) for i in (2, 3, 4))
        figures.add(f"exit {KINDS[name]}, min", low, "ticks")
        # While a move works on the same CPU, its work is in the mean.
        if name == "dirty-write":
            figures.add(f"exit {KINDS[name]}, median", median, "ticks")
        else:
            figures.add(f"exit {KINDS[name]}, mean", mean, "ticks")


def exits(figures, args):
    """Round trips of exits, timed by the guest that makes them."""
    with Lab(args.folder / "exits", build=args.build) as lab:
        host, = lab.start(lab.host("alpha", args.kind, vms=[exits_guest(args.build)]))
        memory(figures, host)
        host.ok("start exits")
        with host.console("exits") as con:
            con.expect("^guest: ready\n", WAIT)
        text = host.serial.text()
        add_samples(figures, text, [n for n in KINDS if n != "dirty-write"])
        spin = SPIN.search(text)
        figures.add("guest that computes, ticks per instruction",
                    int(spin.group(1)) / int(spin.group(2)), "")
        host.check()


def bare_start(lab, args):
    """A machine that boots the same kernel without a hypervisor (tests/bench/bare.c)."""
    bare = lab.host("bare", args.kind)
    cmdline = bare.folder / "cmdline"
    cmdline.write_text(BOOT_CMDLINE)
    subprocess.run([sys.executable, "tools/mkimage.py", "-o", bare.image,
                    "--loader", f"{args.build}/bench/bare.efi",
                    "--kernel", "build/guest/vmlinuz", "--host-conf", cmdline,
                    "--file", f"{args.build}/guest/initrd-bench.img"],
                   check=True, stdout=subprocess.DEVNULL)
    return bare.power_on()


def boot_ticks(found):
    """From the kernel's entry to the first instruction of /init."""
    return int(found.group(1)) - int(found.group(2), 16)


def boot(figures, args):
    """Linux from its 64-bit entry to /init: as a guest, and on the bare machine."""
    linux = Guest("linux", BOOT_MEMORY, {"kernel": "build/guest/vmlinuz",
                                         "initrd": f"{args.build}/guest/initrd-bench.img"},
                  BOOT_CMDLINE)
    with Lab(args.folder / "boot", build=args.build) as lab:
        alpha = lab.host("alpha", args.kind, vms=[linux])
        alpha.make_image()
        alpha.power_on()
        bare = bare_start(lab, args)
        alpha.wait_boot()
        alpha.ok("start linux")
        with alpha.console("linux") as con:
            guest = boot_ticks(con.expect(INIT.pattern, WAIT))
        native = boot_ticks(bare.serial.expect(INIT.pattern, WAIT))
        figures.add("boot guest, entry to /init", guest, "ticks")
        figures.add("boot bare machine, entry to /init", native, "ticks")
        figures.add("boot guest / bare", guest / native, "")
        counts = (EXITS.match(line) for line in alpha.ok("info linux").lines)
        for row in filter(None, counts):
            figures.add(f"boot guest, {row.group(1)} exits", int(row.group(2)), "exits")
        alpha.check()

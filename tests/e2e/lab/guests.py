# SPDX-License-Identifier: BSD-2-Clause
"""Virtual machines for tests: a folder with vm.conf and boot files each."""
import pathlib
import shutil

LINUX_QUIET = "console=ttyS0 cryptomgr.notests mitigations=off quiet"
# The cloud kernel needs 52 MiB from its preferred 16 MiB on: 72 MiB is the least.
LINUX_MEMORY = 96


class Guest:
    def __init__(self, name, memory, files, cmdline, disks=(), nics=(), vcpus=1, extra=()):
        self.name, self.memory, self.files = name, memory, files
        self.cmdline, self.disks, self.nics = cmdline, list(disks), list(nics)
        self.vcpus, self.extra = vcpus, extra

    def conf(self):
        lines = [f"memory {self.memory}M", f"vcpus {self.vcpus}"]
        lines += [f"{key} {pathlib.Path(path).name}" for key, path in self.files.items()]
        lines += [f"disk vd{chr(97 + i)} {disk}" for i, disk in enumerate(self.disks)]
        lines += [f"nic eth{i} {network}" for i, network in enumerate(self.nics)]
        lines += [f"cmdline {self.cmdline}"] if self.cmdline else []
        lines += self.extra
        return "\n".join(lines) + "\n"

    def write(self, folder):
        """The folder that mkimage's --vm takes; boot files are hard links if possible."""
        folder = pathlib.Path(folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "vm.conf").write_text(self.conf())
        for path in self.files.values():
            shutil.copyfile(path, folder / pathlib.Path(path).name)
        return folder


def linux(name, disks=(), memory=LINUX_MEMORY, work=4, rate=100, shell=False, options="",
          build="build", extra=(), address=None, nics=("lan",)):
    """Debian's cloud kernel; work MiB checked all the time, rate pages/s rewritten.

    address: of its first network card, where client.py finds its stream.
    """
    cmdline = f"{LINUX_QUIET} pagurus.work={work} pagurus.rate={rate} pagurus.tick"
    if disks:
        cmdline += " pagurus.disk=vda"
    if address:
        cmdline += f" pagurus.net={address}"
    if shell:
        cmdline += " pagurus.shell"
    files = {"kernel": f"{build}/guest/vmlinuz",
             "initrd": f"{build}/guest/initrd{'-shell' if shell else ''}.img"}
    return Guest(name, memory, files, f"{cmdline} {options}".strip(), disks,
                 nics if address else (), extra=extra)


def ticker(name, memory=8, pages=256, rate=100, options="", disks=(), build="build", extra=()):
    """The bare guest: the same counters as Linux, in a megabyte."""
    return Guest(name, memory, {"kernel": f"{build}/guest/ticker.elf"},
                 f"pages={pages} rate={rate} {options}".strip(), disks, extra=extra)


BIOS = "/usr/share/seabios/bios-256k.bin"  # Debian package seabios


def debian(name, disks, memory=LINUX_MEMORY, uuid="12345678-9abc-def0-1234-56789abcdef0", vcpus=2,
           nics=("lan",), bios=BIOS):
    """Debian from its own disk: firmware, GRUB, kernel, then the work of tests/guests/init.c on
    its second disk and its network card (tests/guests/mkdebian.py)."""
    return Guest(name, memory, {"firmware": bios}, "", disks, nics, vcpus=vcpus,
                 extra=[f"uuid {uuid}"])

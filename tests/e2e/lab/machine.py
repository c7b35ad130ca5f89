# SPDX-License-Identifier: BSD-2-Clause
"""Which emulator stands in for a server, and its command line or configuration.

Bochs has VT-x wherever it runs; QEMU has it only nested under KVM on a machine
with VT-x, and is then much quicker. QEMU without KVM says by CPUID that it has
no VMX: the machine on which Pagurus must explain itself.
"""
import fcntl
import os
import pathlib
import subprocess

from .procs import Process

OVMF = "/usr/share/ovmf/OVMF.fd"
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01

BOCHSRC = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, gameport=0, e1000=1, iodebug=1
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0
memory: host={memory}, guest={memory}
romimage: file={ovmf}
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
vga: extension=vbe, update_freq=5, realtime=1
pci: enabled=1, chipset=i440fx, slot1=pcivga, slot2=e1000
e1000: enabled=1, mac={mac}, ethmod=tuntap, ethdev=/dev/net/tun:{tap}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path="{image}", mode=flat
{second}boot: disk
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
clock: sync=slowdown, time0=local
panic: action=fatal
log: {log}
"""


def _kvm_works():
    try:
        fd = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if fcntl.ioctl(fd, KVM_GET_API_VERSION) != 12:
            return False
        os.close(fcntl.ioctl(fd, KVM_CREATE_VM, 0))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def pick():
    """(kind, reason) of the machine that can run guests here."""
    wish = os.environ.get("PAGURUS_MACHINE")
    if wish:
        return wish, "PAGURUS_MACHINE says so"
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    nested = pathlib.Path("/sys/module/kvm_intel/parameters/nested")
    if "vmx" not in flags:
        return "bochs", "this machine's CPU has no VT-x"
    if not nested.exists() or nested.read_text().strip() not in ("Y", "1"):
        return "bochs", "nested VT-x is off"
    if not _kvm_works():
        return "bochs", "/dev/kvm cannot be used"
    return "kvm", "KVM with nested VT-x"


class Bochs:
    kind = "bochs"
    has_vmx = True
    model = "corei7_skylake_x"
    old_model = "corei7_haswell_4770"  # lacks features that the other one has

    def start(self, host):
        log = host.folder / "bochs.log"
        rc = host.folder / "bochsrc"
        # A killed emulator leaves its lock behind.
        second = ""
        for image in filter(None, (host.image, host.second_disk)):
            pathlib.Path(str(image) + ".lock").unlink(missing_ok=True)
        if host.second_disk:
            second = f'ata0-slave: type=disk, path="{host.second_disk}", mode=flat\n'
        rc.write_text(BOCHSRC.format(
            model=self.old_model if host.old_cpu else self.model, cpus=host.cpus,
            memory=host.memory, ovmf=OVMF, mac=host.mac, tap=host.tap, image=host.image,
            port=host.serial.port, log=log, second=second))
        process = Process(["bochs", "-q", "-f", rc], host.folder / "emulator.out",
                          cwd=host.folder, stdin=subprocess.PIPE)
        # Debian's Bochs starts in its debugger: continue.
        process.popen.stdin.write(b"c\n")
        process.popen.stdin.flush()
        return process


NICS = {"e1000": "e1000", "e1000e": "e1000e",
        "virtio": "virtio-net-pci,disable-legacy=on"}
# A disk of each kind; more than one may hang on a machine beside the one that it boots from.
DISKS = {"ata": "ide-hd,bus=ide.1", "ahci": "ide-hd,bus=ahci.0", "nvme": "nvme,serial=pagurus"}
CONTROLLERS = {"ahci": ["-device", "ahci,id=ahci"]}


class Qemu:
    has_vmx = False
    kind = "qemu"
    accel, cpu = "tcg", "max"

    @staticmethod
    def disks(host):
        """The disk to boot from is the chipset's: ATA (pc) or AHCI (q35). host.disks are others."""
        argv = ["-drive", f"file={host.image},format=raw,if=ide"]
        for kind, path in host.disks.items():
            argv += CONTROLLERS.get(kind, [])
            argv += ["-drive", f"file={path},format=raw,if=none,id=d_{kind}",
                     "-device", f"{DISKS[kind]},drive=d_{kind}"]
        return argv

    def start(self, host):
        return Process(["qemu-system-x86_64", "-M", f"{host.chipset},accel={self.accel}",
                        "-cpu", self.cpu, "-m", host.memory, "-smp", host.cpus,
                        "-bios", OVMF, "-display", "none", "-nodefaults",
                        *self.disks(host),
                        "-netdev", f"tap,id=n0,ifname={host.tap},script=no,downscript=no",
                        "-device", f"{NICS[host.nic_kind]},netdev=n0,mac={host.mac},romfile=",
                        "-serial", f"tcp:127.0.0.1:{host.serial.port}"],
                       host.folder / "emulator.out", cwd=host.folder)


class QemuKvm(Qemu):
    has_vmx = True
    kind = "kvm"
    accel, cpu = "kvm", "host"


MACHINES = {"bochs": Bochs, "qemu": Qemu, "kvm": QemuKvm}

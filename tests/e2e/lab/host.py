# SPDX-License-Identifier: BSD-2-Clause
"""One host: an emulated machine that boots Pagurus, and its console."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from .serial import Serial
from .work import Ticks

# An emulator on a loaded machine is several times slower than on an idle one.
SCALE = float(os.environ.get("PAGURUS_TIMEOUT_SCALE", "1"))
BOOT_TIMEOUT = 180 * SCALE
CMD_TIMEOUT = 60 * SCALE

# What must never be in an emulator's log or on a serial line.
EMULATOR_TROUBLE = re.compile(r"VMFAIL|VMENTER FAIL|VMABORT|PANIC|triple fault", re.IGNORECASE)
HOST_TROUBLE = re.compile(r"^.*(?:PANIC|panic:|ASSERT|stack smashing).*$", re.MULTILINE)

STATE = re.compile(r"(\S+) +(off|saved|running|paused|incoming|in doubt|crashed)\b")
LOG_LINE = re.compile(r"\[ *\d+\.\d{6}\] ")
# Exactly "ok": a table's rows may begin with that word.
_FINAL = r"^(ok|error: [^\n]*)\n"


class CommandFailed(AssertionError):
    pass


class Result:
    """Lines that a command printed; .final is the last: `ok...` or `error: ...`."""

    def __init__(self, command, text):
        self.command = command
        lines = text.split("\n")
        self.final = next(line for line in lines if re.fullmatch(r"ok|error: .*", line))
        self.lines = lines[:lines.index(self.final)]
        self.ok = self.final == "ok"
        self.text = "\n".join([*self.lines, self.final])

    def __contains__(self, words):
        return words in self.text

    def __str__(self):
        return f"{self.command}:\n{self.text}"


class Host:
    def __init__(self, lab, name, number, machine, vms=(), memory=512, cpus=1, old_cpu=False,
                 conf="", build="build", nic_kind="e1000", disk_kind=(),
                 chipset="pc", second_disk=None):
        self.lab, self.name, self.machine, self.vms = lab, name, machine, list(vms)
        self.memory, self.cpus, self.old_cpu, self.extra_conf = memory, cpus, old_cpu, conf
        # QEMU only: what tests of drivers choose
        self.nic_kind, self.chipset = nic_kind, chipset
        self.build = pathlib.Path(build)
        self.second_disk = second_disk  # an image beside the boot volume's: ata1
        self.folder = pathlib.Path(lab.folder, name).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.image = self.folder / "disk.img"
        # Further disks, one of each kind in machine.DISKS
        self.disks = {kind: self.folder / f"{kind}.img" for kind in disk_kind}
        self.mac = f"52:54:00:09:00:{number:02x}"
        self.tap = lab.net.tap(name)
        self.process = self.serial = None
        self.pending = None
        self.boots = 0
        self.checked = 0

    # ---- power -----------------------------------------------------------------
    def make_image(self):
        conf = self.folder / "host.conf"
        conf.write_text(f"name {self.name}\npool lab\n{self.extra_conf}")
        argv = [sys.executable, "tools/mkimage.py", "-o", self.image,
                "--loader", self.build / "BOOTX64.EFI", "--kernel", self.build / "pagurus.elf",
                "--host-conf", conf]
        for vm in self.vms:
            argv += ["--vm", f"{vm.name}={vm.write(self.folder / 'vms' / vm.name)}"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

    def power_on(self):
        self.pending = None  # a command that a power cut ended
        self.boots += 1
        self.checked = 0
        self.serial = Serial(self.folder / f"serial.{self.boots}.log", self.alive, self.name)
        self.serial.tap = self.lab.watcher(self.name)
        self.process = self.machine.start(self)
        return self

    def alive(self):
        """The emulator runs, and the hypervisor in it has not given up."""
        return self.process is not None and self.process.alive() and not self.serial.panicked

    def kill(self):
        """Power off at once."""
        if self.process:
            self.process.kill()
            self.process = None
        if self.serial:
            self.serial.close()

    def restart(self):
        self.kill()
        return self.power_on().wait_boot()

    def wait_boot(self, timeout=BOOT_TIMEOUT):
        self.serial.expect(rf"^{self.name}> ", timeout)
        return self

    # ---- console ---------------------------------------------------------------
    def begin(self, line):
        """Type a command and return at once; finish() waits for its end."""
        assert self.pending is None, f"{self.name}: '{self.pending[0]}' is still running"
        self.pending = (line, self.serial.mark())
        self.serial.send(line + "\r")

    def finish(self, timeout=CMD_TIMEOUT):
        line, mark = self.pending
        # The final line stands after the echo of what was typed.
        echo = re.escape(line) + r"[^\n]*\n"
        self.serial.expect(rf"{echo}(?:.*\n)*?{_FINAL}", timeout, mark)
        self.pending = None
        self.serial.expect(rf"{echo}(?:.*\n)*?{_FINAL}(?:.*\n)*?{self.name}> ", 10 * SCALE, mark)
        text = re.split(echo, self.serial.text(mark), maxsplit=1)[1]
        return Result(line, text)

    def cmd(self, line, timeout=CMD_TIMEOUT):
        self.begin(line)
        return self.finish(timeout)

    def ok(self, line, timeout=CMD_TIMEOUT):
        """The command must end with ok."""
        result = self.cmd(line, timeout)
        if not result.ok:
            raise CommandFailed(f"{self.name}: {result}")
        return result

    def fails(self, line, words=None, timeout=CMD_TIMEOUT):
        """The command must end with error:, and say words (a regular expression)."""
        result = self.cmd(line, timeout)
        assert not result.ok, f"{self.name}: expected an error: {result}"
        if words:
            assert re.search(words, result.text), f"{self.name}: no '{words}' in: {result}"
        return result

    def json(self, command, timeout=CMD_TIMEOUT):
        """What a command with --json printed, as data. The log may speak between its lines."""
        lines = self.ok(f"{command} --json", timeout).lines
        return json.loads("\n".join(line for line in lines if not LOG_LINE.match(line)))

    def running_expect(self, pattern, timeout=CMD_TIMEOUT):
        """Wait for output of the command that is running."""
        return self.serial.expect(pattern, timeout, self.pending[1])

    def interrupt(self):
        self.serial.send("\x03")

    def hears(self, *others, seconds=20):
        """Until it has heard the other hosts; they say HELLO every now and then."""
        end = time.monotonic() + seconds * SCALE
        while True:
            text = self.ok("peers").text
            missing = [o.name for o in others
                       if not re.search(rf"^{o.name} .* here$", text, re.MULTILINE)]
            if not missing:
                return
            assert time.monotonic() < end, f"{self.name} does not hear {missing}: {text}"
            time.sleep(0.3)

    def hears_drained(self, name, drained, seconds=20):
        """Until it knows whether that host is drained: plans are made from what was heard."""
        end = time.monotonic() + seconds * SCALE
        while True:
            row = next(r for r in self.json("peers") if r["host"] == name)
            if row["drained"] == drained:
                return row
            assert time.monotonic() < end, f"{self.name} does not hear that {name} is {drained=}"
            time.sleep(0.3)

    # ---- guests ----------------------------------------------------------------
    def console(self, vm):
        return GuestConsole(self, vm)

    def states(self):
        """Name to state (off, running, paused, incoming, in doubt, crashed) of all VMs."""
        rows = (STATE.match(line) for line in self.ok("list").lines)
        return {row.group(1): row.group(2) for row in rows if row}

    def state(self, vm):
        """None when it is not listed."""
        return self.states().get(vm)

    def follow(self, vm, ticks=3, timeout=120 * SCALE):
        """Attach, watch the guest's counters advance, detach; returns the Ticks."""
        with self.console(vm) as con:
            return con.follow(ticks, timeout)

    # ---- verdict ---------------------------------------------------------------
    def check(self):
        """Nothing bad in the emulator's log or on the serial line since the last check."""
        trouble = []
        for log in ("bochs.log", "emulator.out"):
            path = self.folder / log
            if path.exists():
                for line in path.read_text(errors="replace").split("\n"):
                    if EMULATOR_TROUBLE.search(line):
                        trouble.append(f"{log}: {line}")
        if self.serial:
            text = self.serial.text(self.checked)
            trouble += HOST_TROUBLE.findall(text)
            trouble += re.findall(r"^.*work: CORRUPT.*$", text, re.MULTILINE)
            self.checked = self.serial.mark()
        assert not trouble, f"{self.name}: " + "\n".join(trouble[:10])


class GuestConsole:
    """console VM, until the end of the with block."""

    def __init__(self, host, vm):
        self.host, self.vm = host, vm

    def __enter__(self):
        self.start = self.mark = self.host.serial.mark()
        self.host.begin(f"console {self.vm}")
        self.host.serial.expect(r"^(attached to .*|error: .*)\n", CMD_TIMEOUT, self.mark)
        text = self.host.serial.text(self.mark)
        if re.search(r"^error:", text, re.MULTILINE):
            raise CommandFailed(f"{self.host.name}: {self.host.finish()}")
        # First comes what the guest had printed before.
        self.live = self.host.serial.settle()
        return self

    def __exit__(self, kind, value, trace):
        if not self.host.alive():
            self.host.pending = None
            return
        mark = self.host.serial.mark()
        self.host.serial.send("\x1d")
        try:
            self.host.serial.expect(rf"^ok\n(?:.*\n)*?{self.host.name}> ", CMD_TIMEOUT, mark)
            self.host.pending = None
        except AssertionError:
            if kind is None:
                raise

    def send(self, text):
        self.mark = self.host.serial.mark()
        self.host.serial.send(text)

    def expect(self, pattern, timeout=120 * SCALE):
        """In what came since the last send (or since attaching)."""
        return self.host.serial.expect(pattern, timeout, self.mark)

    def shell(self, line, timeout=60 * SCALE):
        """Run a line in the guest's shell; its output without the workers' lines."""
        token = f"{time.monotonic_ns() % 1000000:06}"
        # The echo of what is sent has neither word whole, and may come late or torn by a worker's
        # line: only what stands between the two words counts.
        self.send(f"echo be''gin-{token}; {line}; echo do''ne-{token}:$?\r")
        match = self.expect(rf"done-{token}:(\d+)", timeout)
        text = self.host.serial.text(self.mark).split(f"begin-{token}\n", 1)[1]
        text = text.split(f"done-{token}:")[0]
        lines = [x for x in text.split("\n") if not x.startswith("work:")]
        return int(match.group(1)), "\n".join(lines).strip()

    def follow(self, ticks=3, timeout=120 * SCALE):
        """Until that many further tick lines were seen; they must be sound."""
        serial = self.host.serial
        since = max(self.live, self.mark)
        end = time.monotonic() + timeout
        while len(Ticks(serial.text(since)).rows) < ticks:
            left = end - time.monotonic()
            row = serial.mark()
            serial.expect(r"^work: (tick .* corrupt \d+|CORRUPT.*)\n", max(left, 0.1), row)
        seen = Ticks(serial.text(since))
        seen.check()
        self.mark = serial.mark()
        return seen

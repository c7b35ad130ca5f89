# SPDX-License-Identifier: BSD-2-Clause
"""Directions between the rooms, and headers that stand by themselves."""
import pathlib
import subprocess

import check_deps


def test_directions():
    faults = check_deps.check(pathlib.Path("."))
    assert not faults, "\n".join(faults)


def test_directions_are_really_checked(tmp_path):
    """The checker must find one fault of each kind."""
    for name, text in {
            "kernel/lib/base.h": "", "vmm/vm.h": "", "migrate/send.h": "",
            "kernel/a.h": '#include "kernel/b.h"\n', "kernel/b.h": '#include "kernel/a.h"\n',
            "kernel/up.c": '#include "vmm/vm.h"\n', "vmm/up.c": '#include "migrate/send.h"\n',
            "kernel/log.h": "", "arch/x86/up.c": '#include "kernel/log.h"\n',
            "boot/side.c": '#include "arch/x86/io.h"\n', "arch/x86/io.h": "",
            "kernel/lib/up.c": '#include "kernel/a.h"\n', "kernel/main.c": '#include "vmm/vm.h"\n',
            "vmm/vmcs.c": "int a = VMCS_GUEST_RIP; /* VMCS_HOST_RIP */\n",
            "arch/x86/vmx/vmcs.c": "int a = VMCS_GUEST_RIP;\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    faults = check_deps.check(tmp_path)
    assert [f for f in faults if f.startswith("kernel/up.c: kernel must not include vmm")]
    assert [f for f in faults if f.startswith("vmm/up.c: vmm must not include migrate")]
    assert [f for f in faults if f.startswith("kernel/lib/up.c:")]
    assert [f for f in faults if f.startswith("include cycle: kernel/a.h")]
    assert [f for f in faults if "VMCS_GUEST_RIP" in f and "vmm/vmcs.c" in f]
    assert [f for f in faults if f.startswith("arch/x86/up.c: arch must not include kernel/log.h")]
    assert [f for f in faults if f.startswith("boot/side.c: boot must not include arch/x86/io.h")]
    assert len(faults) == 7, faults


def test_headers_stand_alone():
    """Each header compiles as the only thing in a file."""
    flags = subprocess.run(["make", "-s", "print-KERNEL_CFLAGS"], stdout=subprocess.PIPE,
                           text=True, check=True).stdout.split()
    faults = []
    for room in ("arch", "kernel", "vmm", "migrate"):
        for header in sorted(pathlib.Path(room).rglob("*.h")):
            run = subprocess.run(["gcc", *flags, "-fsyntax-only", "-x", "c", "-"],
                                 input=f'#include "{header}"\n#include "{header}"\n', text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if run.returncode:
                faults.append(f"{header}:\n{run.stdout}")
    assert not faults, "\n".join(faults)

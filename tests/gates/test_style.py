# SPDX-License-Identifier: BSD-2-Clause
"""Format, licence lines, file comments and what must not be in the tree."""
import pathlib
import re
import subprocess

C_ROOMS = ("arch", "boot", "kernel", "migrate", "vmm", "tests")
TREE = ["arch", "boot", "kernel", "migrate", "vmm", "tests", "tools", ".ci"]


def tracked(*suffixes):
    """Files of the repository (also new ones), or of the folder when there is no git."""
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *TREE],
                         stdout=subprocess.PIPE, text=True, check=False)
    names = git.stdout.split("\n") if git.returncode == 0 else \
        [str(p) for d in TREE for p in pathlib.Path(d).rglob("*") if p.is_file()]
    return sorted(n for n in names if n.endswith(suffixes) and pathlib.Path(n).exists())


def test_clang_format():
    files = [f for f in tracked(".c", ".h") if f.startswith(C_ROOMS)]
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    faults = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", run.stdout, re.MULTILINE)))
    assert run.returncode == 0, "clang-format -i " + " ".join(faults)


def test_licence_lines():
    without = [f for f in tracked(".c", ".h", ".S", ".py", ".sh", ".asl", ".ld", ".mk", ".pml")
               if "SPDX-License-Identifier: BSD-2-Clause" not in
               pathlib.Path(f).read_text(errors="replace")[:400]]
    assert not without, without


def test_file_comments():
    """A C file says what it does and what it leaves to others."""
    without = []
    for f in tracked(".c", ".h"):
        head = pathlib.Path(f).read_text()[:600]
        if "generated" in head.lower():
            continue
        if not re.match(r"/\* SPDX.*?\*/\n(/\*.*?\*/)", head, re.DOTALL):
            without.append(f)
    assert not without, without


def test_no_leftovers():
    """Markers of unfinished work, and paths of somebody's machine."""
    bad = re.compile(r"\b(?:XXX|FIXME|HACK)\b|<<<<<<<|>>>>>>>|/home/\w+|/root/\w")
    found = []
    for f in tracked(".c", ".h", ".S", ".asl", ".pml", ".py", ".sh"):
        if f == "tests/gates/test_style.py":
            continue
        for i, line in enumerate(pathlib.Path(f).read_text(errors="replace").split("\n"), 1):
            if bad.search(line):
                found.append(f"{f}:{i}: {line.strip()}")
    assert not found, "\n".join(found)


def test_hypervisor_uses_no_floating_point_and_no_vla():
    """-mgeneral-regs-only refuses the first, -Wvla the second: both must stay switched on."""
    flags = subprocess.run(["make", "-s", "print-KERNEL_CFLAGS"], stdout=subprocess.PIPE,
                           text=True, check=True).stdout
    for flag in ("-mgeneral-regs-only", "-mno-red-zone", "-Wvla", "-Werror",
                 "-fstack-protector-strong"):
        assert flag in flags

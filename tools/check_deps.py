#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom: migrate -> vmm -> kernel -> arch, kernel/lib below all.

Reads the #include lines of the tree (no compiler) and prints every one that
points the wrong way, every cycle, and every VMCS or EPT constant outside
arch/x86/vmx. Exit status 0 when there is none.
"""
import pathlib
import re
import sys

# A room may include itself and the rooms named here. The most specific wins.
MAY_INCLUDE = {
    "kernel/lib": [],
    "boot": ["kernel/lib"],
    "arch": ["kernel/lib", "boot/handoff.h"],
    "kernel": ["kernel/lib", "arch", "boot/handoff.h"],
    "vmm": ["kernel/lib", "kernel", "arch", "boot/handoff.h"],
    "migrate": ["kernel/lib", "kernel", "arch", "vmm", "boot/handoff.h"],
}
# The composition root may include from everywhere.
FREE = {"kernel/main.c"}
# The vCPU's processor state crosses the rooms as plain data; arch's own folder
# for VT-x is the only one that knows fields and bits.
VMX_ROOM = "arch/x86/vmx/"
VMX_WORDS = re.compile(r"\b(VMCS_[A-Z0-9_]+|EPT_[A-Z0-9_]+|EPTP_[A-Z0-9_]+)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def room_of(path):
    rooms = [r for r in MAY_INCLUDE if path == r or path.startswith(r + "/")]
    return max(rooms, key=len) if rooms else None


def allowed(source, target):
    if source in FREE:
        return True
    source_room, target_room = room_of(source), room_of(target)
    if source_room == target_room:
        return True
    return target in MAY_INCLUDE[source_room] or target_room in MAY_INCLUDE[source_room]


def sources(root):
    for room in ("arch", "boot", "kernel", "migrate", "vmm"):
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".c", ".h", ".S"):
                yield path.relative_to(root).as_posix()


def check_direction(files, includes, root):
    for name in files:
        for target in includes[name]:
            if not (root / target).exists():
                # The compiler finds headers beside their file too, we do not.
                if (root / name).parent.joinpath(target).exists():
                    yield f"{name}: include from the top of the tree, not \"{target}\""
                continue  # system or generated
            if target.startswith("tests/"):
                yield f"{name}: includes a test's header {target}"
            elif room_of(target) and not allowed(name, target):
                yield f"{name}: {room_of(name)} must not include {target}"


def check_cycles(files, includes):
    done, path, found = set(), [], []

    def visit(name):
        if name in path:
            cycle = path[path.index(name):] + [name]
            found.append("include cycle: " + " -> ".join(cycle))
            return
        if name in done:
            return
        path.append(name)
        for target in includes.get(name, ()):
            visit(target)
        path.pop()
        done.add(name)

    for name in files:
        visit(name)
    return found


def check_vmx_words(files, text):
    for name in files:
        if name.startswith(VMX_ROOM):
            continue
        code = STRING.sub('""', COMMENT.sub(" ", text[name]))
        for word in sorted(set(VMX_WORDS.findall(code))):
            yield f"{name}: {word} belongs to {VMX_ROOM} alone"


def check(root):
    files = list(sources(root))
    text = {name: (root / name).read_text() for name in files}
    includes = {name: INCLUDE.findall(text[name]) for name in files}
    return [*check_direction(files, includes, root), *check_cycles(files, includes),
            *check_vmx_words(files, text)]


def main():
    faults = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

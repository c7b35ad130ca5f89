# SPDX-License-Identifier: BSD-2-Clause
"""A network namespace of our own for this process and all that it starts.

Serial sockets, taps, the bridge and vblade must be in one namespace; the plain
way is that everything is. Nothing of the machine's own network is touched.
"""
import ctypes
import os
import pathlib
import subprocess

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_entered = False


def _unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"unshare: {os.strerror(err)}")


def _unshare_as_user():
    """Root in a user namespace may make network devices in a namespace of its own."""
    uid, gid = os.getuid(), os.getgid()
    _unshare(CLONE_NEWUSER | CLONE_NEWNET)
    me = pathlib.Path("/proc/self")
    (me / "setgroups").write_text("deny")
    (me / "uid_map").write_text(f"0 {uid} 1")
    (me / "gid_map").write_text(f"0 {gid} 1")


def _tun_device():
    """Containers often come without the node; the module is in the kernel."""
    if os.path.exists("/dev/net/tun"):
        return
    os.makedirs("/dev/net", exist_ok=True)
    os.mknod("/dev/net/tun", 0o20666, os.makedev(10, 200))


def enter_namespace():
    """Idempotent; to be called before threads are started. OSError when not permitted."""
    global _entered
    if _entered:
        return
    try:
        _unshare(CLONE_NEWNET)
    except PermissionError:
        _unshare_as_user()
    _entered = True
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        pathlib.Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    except OSError:
        pass  # only noise on the wire
    _tun_device()

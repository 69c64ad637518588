"""Networks of a test's own, where every address and port is free: to run commands literally."""

import ctypes
import os
import subprocess
import sys

from .tap import tap

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    if function(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}: {os.strerror(error)}")


def ip(*words):
    """ip(8), in the network that the calling thread is in."""
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def isolate(case=None):
    """Starts the test again in a network of its own, with nothing but loopback. False: that
    cannot be, and `case`, if any, was skipped for it.

    A user who is not root needs a user namespace for it, and is still that user in there.
    """
    if os.environ.get("ADIT_TEST_NETWORK"):
        ip("link", "set", "lo", "up")
        return True
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else \
        ["unshare", "--map-current-user", "--keep-caps", "--net"]
    tried = subprocess.run([*unshare, "true"], check=False, capture_output=True, text=True)
    if tried.returncode == 0:
        os.environ["ADIT_TEST_NETWORK"] = "own"
        os.execvp(unshare[0], [*unshare, *sys.orig_argv])
    if case:
        tap.skip(case, tried.stderr.strip() or "unshare failed")
    return False


def forwarding():
    """The caller's network passes on what others send each other."""
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
        switch.write("1")


class Network:
    """Another network, joined to that of the caller by a cable.

    near     the caller's address on the cable, with its prefix length: "10.9.0.1/24"
    far      addresses at the other end of the cable, which the caller's network can reach
    hidden   addresses that exist over there only
    name     of the cable's near end, where there are several; all else is then reached through the
             caller's network, which has to forward (forwarding())
    """

    def __init__(self, near, far, hidden=(), name=None):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        cable = name or "near"
        ip("link", "add", "name", cable, "type", "veth", "peer", "name", "far")
        ip("address", "add", near, "dev", cable)
        ip("link", "set", cable, "up")
        _call(_libc.unshare, CLONE_NEWNET)
        self.there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call(_libc.setns, self.home, CLONE_NEWNET)
        ip("link", "set", "far", "netns", f"/proc/{os.getpid()}/fd/{self.there}")
        gate, _, length = near.partition("/")
        with self:
            for address in far:
                ip("address", "add", f"{address}/{length}", "dev", "far")
            ip("link", "set", "far", "up")
            ip("link", "set", "lo", "up")
            for address in hidden:
                ip("address", "add", f"{address}/32", "dev", "lo")
            if name:
                ip("route", "add", "default", "via", gate)

    def __enter__(self):
        """The calling thread is over there: so is every socket it makes and process it starts."""
        _call(_libc.setns, self.there, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        _call(_libc.setns, self.home, CLONE_NEWNET)

"""What a unit of contrib/systemd takes away from adit, taken away without systemd: its user, its
capabilities, no_new_privs, a user namespace of its own, and its system calls. (Not what it makes of
the file system.)"""

import ctypes
import errno
import os
import re
import subprocess

from .gateway import TOP

CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
SCMP_ACT_ALLOW, SCMP_ACT_EPERM = 0x7FFF0000, 0x00050001


def settings_of(unit):
    """{key: [value, ...]} of a unit's file, in order."""
    found = {}
    with open(os.path.join(TOP, "contrib", "systemd", unit), encoding="utf-8") as lines:
        for line in lines:
            if pair := re.match(r"(\w+)=(.*)$", line):
                found.setdefault(pair[1], []).append(pair[2])
    return found


def calls_of(group):
    """The system calls of a group of systemd's, those of the groups in it, too."""
    if not group.startswith("@"):
        return {group}
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", group], check=True,
                          capture_output=True, text=True).stdout
    words = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return set().union(*(calls_of(word) for word in words if not word.startswith("#")))


def allowed_calls(filters):
    """What SystemCallFilter= leaves, systemd.exec(5): a list, then others that are taken from it."""
    calls = set()
    for one in filters:
        named = set().union(*map(calls_of, one.lstrip("~").split()))
        calls = calls - named if one.startswith("~") else calls | named
    return calls | {"execve"}  # (which systemd itself makes)


def limits(unit, user):
    """A function for between fork and exec. `user` is the number of the unit's user."""
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    calls = [seccomp.seccomp_syscall_resolve_name(name.encode())
             for name in sorted(allowed_calls(unit["SystemCallFilter"]))]

    def refuse_others():
        context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_EPERM))
        for number in calls:
            if number >= 0:
                seccomp.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0)
        if seccomp.seccomp_load(context) != 0:
            raise OSError("seccomp_load")

    def map_user():
        """Nobody else is there: PrivateUsers=. (/proc/self is the user's again.) In a chroot there can be
        no such namespace, and it is left out."""
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        if libc.unshare(CLONE_NEWUSER) != 0:
            if ctypes.get_errno() == errno.EPERM:
                return
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                           ("gid_map", f"{user} {user} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as out:
                out.write(text)

    def take_away():
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs")
        if unit.get("PrivateUsers") == ["yes"]:
            map_user()
        refuse_others()

    return take_away

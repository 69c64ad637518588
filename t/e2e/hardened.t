#!/usr/bin/env -S python3 -B
"""What configure says about hardening is in the program that was built; the units take away what they
say, and adit works with what is left."""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Process, config, equal, holds, keypair, sanitized, scratch, tap, true)
from adit_test.clients import connect, exchange
from adit_test.gateway import binary, environment, public_binary
from adit_test.keys import authorized, known_hosts_lines
from adit_test.origins import Origin, echo
from adit_test.process import gateway_of
from adit_test.sshd import Sshd
from adit_test.unit import limits, settings_of

# Flags that every compiler and linker for Linux has had for long.
ALWAYS = ["-fPIE", "-fstack-protector-strong", "-pie", "-Wl,-z,relro", "-Wl,-z,now",
          "-Wl,-z,noexecstack"]

# What a flag leaves in the program, as readelf shows it.
TRACES = {
    "-pie": ("the program is position-independent", r"Type: +DYN|Elf file type is DYN"),
    "-Wl,-z,relro": ("relocations become read-only", r"GNU_RELRO"),
    "-Wl,-z,now": ("all of them at the start", r"BIND_NOW|Flags:.* NOW"),
    "-Wl,-z,noexecstack": ("the stack is not executable", r"GNU_STACK +\S+ \S+ \S+ \S+ \S+ RW "),
    "-fstack-protector-strong": ("stacks are guarded", r"__stack_chk_fail"),
    "-D_FORTIFY_SOURCE=": ("library calls are checked", r"__\w+_chk\b"),
}


ENDBR64 = b"\xf3\x0f\x1e\xfa"


def settings():
    """What configure found, or None where the build directory is not there."""
    path = os.path.join(os.path.dirname(binary()), "config.status")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as status:
        return dict(re.findall(r'^S\["(\w+)"\]="(.*)"$', status.read(), re.MULTILINE))


UNITS = ("adit.service", "adit@.service")
NOBODY = 65534


def owned(path):
    os.chown(path, NOBODY, NOBODY)
    return path


def served(unit, sshd, origin, key):
    """adit under what the unit says of users, capabilities and system calls (t/lib/adit_test/unit.py),
    with a login, ssh -G and a reload."""
    text = config(sshd, gate={"sandbox": "require"}, up={
        "identity": owned(key), "ssh_config": "yes", "ssh_config_file": scratch("config", "", 0o644),
        "known_hosts": owned(scratch("known", known_hosts_lines(
            sshd.host_key, (sshd.address, sshd.port))))})
    with tap.case(f"{unit}: with its user, capabilities and system calls adit works"):
        adit = Process(f"adit under {unit}", [
            public_binary(), "--config", owned(scratch("adit.ini", text))], env=environment(),
                       before=limits(settings_of(unit), NOBODY))
        adit.wait_log("session 0 up", seconds=60)
        place = adit.wait_log(r"listening on (\S+):(\d+)")
        with connect((place[1], int(place[2])), ANY, origin.port) as conn:
            true(exchange(conn), "echo")
        mark = adit.mark()
        adit.signal(signal.SIGHUP)
        adit.wait_log("reloaded", mark)
        adit.signal(signal.SIGTERM)
        equal(adit.wait(), 0, "the status")
    with tap.case(f"{unit}: the gateway can lock itself wholly"):
        adit = Process(f"adit under {unit}", [
            public_binary(), "--config", owned(scratch("adit.ini", config(sshd, gate={
                "sandbox": "require"})))], env=environment(), before=limits(settings_of(unit), NOBODY))
        adit.wait_log(r"info: ready$", seconds=60)
        with open(f"/proc/{gateway_of(adit.pid)}/status", encoding="utf-8") as status:
            holds(r"CapEff:\t0+\n(.*\n)*NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n",
                  status.read(), "its locks")
        adit.signal(signal.SIGTERM)
        equal(adit.wait(), 0, "the status")


def units():
    if shutil.which("systemd-analyze") is None:
        tap.diag("no systemd here: its tools are not used")
        return
    if os.getuid() != 0:
        tap.leave_out("what units leave", "only root can take it away")
        return
    if sanitized():
        tap.leave_out("what units leave", "a sanitizer needs ptrace(2) and more")
        return
    key = keypair()
    with Sshd(options={"AuthorizedKeysFile": authorized(key)}) as sshd, Origin(echo) as origin:
        for unit in UNITS:
            served(unit, sshd, origin, key)


def main():
    built()
    units()


def built():
    found = settings()
    if found is None:
        tap.leave_out("hardening", "there is no config.status beside the program")
        return
    flags = " ".join(found[f"HARDEN_{kind}FLAGS"] for kind in ("CPP", "C", "LD")).split()
    text = subprocess.run(["readelf", "-W", "-l", "-d", "-n", "--dyn-syms", binary()],
                          capture_output=True, text=True, check=True).stdout
    with tap.case("configure takes what every compiler has"):
        for flag in ALWAYS:
            true(flag in flags, flag)
    for flag, (name, trace) in TRACES.items():
        if any(flag == given or flag.endswith("=") and given.startswith(flag) for given in flags):
            with tap.case(f"{flag}: {name}"):
                holds(trace, text, "readelf")
    if "-fcf-protection" in flags:
        with tap.case("-fcf-protection: where a jump may lead is marked"), \
                open(binary(), "rb") as program:
            # (The linker's note is there only if the C library's own objects have one.)
            true(program.read().count(ENDBR64) > 100, "endbr64 at each function")
    optimised = re.search(r"-O[123s]", found.get("CFLAGS", ""))
    if optimised and not sanitized() and "_FORTIFY_SOURCE" not in found.get("CPPFLAGS", ""):
        with tap.case("an optimising compiler checks library calls"):
            true(any(flag.startswith("-D_FORTIFY_SOURCE=") for flag in flags), "the flag")


tap.run(main)

#!/usr/bin/env -S python3 -B
"""What configure says about hardening is in the program that was built."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import holds, sanitized, tap, true
from adit_test.gateway import binary

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


def main():
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

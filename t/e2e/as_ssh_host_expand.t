#!/usr/bin/env -S python3 -B
"""%h and %n, the host as ssh_config makes it and as it was given, beside ssh(1). OpenSSH's own test
has LocalCommand print them, which adit does not run; here Match exec and ProxyCommand do, at the
target and at a jump host."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, run_adit, sanitized, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, Silence, call
from adit_test.command import ssh_config
from adit_test.sshd import Sshd


def noting(note, *command):
    """A program that adds its first two arguments to a file, and then is the rest."""
    return scratch("noting", f"""#!/bin/sh
printf '%s %s\\n' "$1" "$2" >>{note}
shift 2
exec {' '.join(command)} "$@"
""", 0o755)


def notes(note):
    """What was noted: a command may be run more than once for one login."""
    with open(note, encoding="utf-8") as source:
        return set(source.read().splitlines())


def main():
    programs = PROGRAMS if not sanitized() else ("adit",)
    silence = Silence()
    to = f"{ANY}:{silence.port}"
    with Sshd() as sshd:
        for program in programs:
            note = scratch("note", "")
            hosts = ssh_config({"somehost": sshd}, "Host somehost",
                               f"  ProxyCommand {noting(note, 'ncat')} %n %h %h %p")
            with tap.case(f"{program}: ProxyCommand has %n and %h"):
                done = call(program, ["-F", hosts, "-W", to, "somehost"])
                true(done.came, f"a login ({done.said!r})")
                equal(notes(note), {f"somehost {ANY}"}, "the words")
            note = scratch("note", "")
            hosts = ssh_config({"somehost": sshd})
            with open(hosts, "a", encoding="utf-8") as more:
                more.write(f'Match exec "{noting(note, "true")} %n %h"\n')
            with tap.case(f"{program}: Match exec has %n and %h"):
                done = call(program, ["-F", hosts, "-W", to, "somehost"])
                true(done.came, f"a login ({done.said!r})")
                equal(notes(note), {f"somehost {ANY}"}, "the words")
            note = scratch("note", "")
            hosts = ssh_config({"somehost": sshd, "gate": sshd}, "Host gate",
                               f"  ProxyCommand {noting(note, 'ncat')} %n %h %h %p")
            with tap.case(f"{program}: those of a jump host are its own"):
                done = call(program, ["-F", hosts, "-J", "gate", "-W", to, "somehost"])
                true(done.came, f"a login ({done.said!r})")
                equal(notes(note), {f"gate {ANY}"}, "the words")
    with tap.case("PermitLocalCommand and LocalCommand: a warning, as adit(8) says"):
        done = run_adit("--dump", "-F", "none", "-o", "PermitLocalCommand=yes", "-o",
                        "LocalCommand=echo %n %h", "h")
        equal(done.returncode, 0, "the status")
        holds("LocalCommand", done.stderr, "what it says")


tap.run(main)

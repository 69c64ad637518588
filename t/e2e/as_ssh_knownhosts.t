#!/usr/bin/env -S python3 -B
"""What is written to known_hosts and believed from it, beside ssh(1): a new key under a plain and a
hashed name, and below a last line with and without an end."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, holds, sanitized, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, Silence, login
from adit_test.sshd import Sshd, version


def lines(path):
    with open(path, encoding="utf-8") as source:
        return source.read().splitlines()


def learnt(programs, sshd, silence, before, *options):
    """{program: the lines of its own file after it has learnt the key}; that it is believed then
    by both programs."""
    files = {}
    for program in programs:
        path = files[program] = scratch("known_hosts", before)
        here = f"UserKnownHostsFile={path}"
        first = login(program, sshd, silence, here, "StrictHostKeyChecking=no", *options)
        true(first.came, f"{program} learns a key ({first.said!r})")
        for reader in programs:
            again = login(reader, sshd, silence, here, "StrictHostKeyChecking=yes")
            true(again.came, f"{reader} believes what {program} wrote ({again.said!r})")
    return {program: lines(path) for program, path in files.items()}


def main():
    silence = Silence()
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Sshd() as sshd:
        name = f"[{sshd.address}]:{sshd.port} "
        with tap.case("a key that is known"):
            for program in programs:
                true(login(program, sshd, silence, "StrictHostKeyChecking=yes").came, program)
        with tap.case("no key is known: strict checking refuses, by both"):
            for program in programs:
                empty = scratch("known_hosts", "")
                done = login(program, sshd, silence, f"UserKnownHostsFile={empty}",
                             "StrictHostKeyChecking=yes")
                equal(done.status, 255, f"{program}'s status")
                equal(lines(empty), [], f"what {program} wrote")
        with tap.case("a key is learnt under a hashed name"):
            for program, found in learnt(programs, sshd, silence, "",
                                         "HashKnownHosts=yes").items():
                equal(len(found), 1, f"{program}'s lines")
                holds(r"^\|1\|[^ ]+\|[^ ]+ ssh-ed25519 ", found[0], f"{program}'s line")
                path = scratch("known_hosts", found[0] + "\n")
                subprocess.run(["ssh-keygen", "-F", name.strip(), "-f", path], check=True,
                               stdout=subprocess.DEVNULL)
        for what, before in (("no end", "something"), ("an end", "something\n"),
                             ("an empty line after it", "something\n\n")):
            with tap.case(f"a last line with {what}: the key stands on a line of its own"):
                # (ssh writes behind a last line that has no end before OpenSSH 9.3.)
                careful = [program for program in programs if before.endswith("\n")
                           or program == "adit" or version() >= (9, 3)]
                for program, found in learnt(careful, sshd, silence, before).items():
                    equal(found[:-1], before.splitlines(), f"the lines before {program}'s")
                    true(re.fullmatch(re.escape(name) + r"ssh-ed25519 \S+", found[-1]),
                         f"{program}'s line {found[-1]!r}")


tap.run(main)

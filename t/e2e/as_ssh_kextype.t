#!/usr/bin/env -S python3 -B
"""Every key exchange: those that libssh has log in, again and again, and adit(8) names those that
only ssh has. (The intent of OpenSSH's regress/kextype.)"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, tap, true
from adit_test.algorithms import Each, known, of_ssh, told_in_manual, verdicts
from adit_test.as_ssh import Silence
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.together import Together

TRIES = 3


def alone(sshd, names, has):
    """Each as the only one that a command line allows."""
    silence, together = Silence(), Together()
    for name in names:
        together.add(f"KexAlgorithms={name}", lambda name=name: verdicts(
            sshd, silence.port, ["-o", f"KexAlgorithms={name}"], name in has))
    together.tell()


def repeated(sshd, has):
    """Some sessions of each, in one adit."""
    since = sshd.mark()
    with Origin(echo) as origin, \
            Each(sshd, {name: {"kex": name} for name in has}, TRIES) as each:
        for name in has:
            with tap.case(f"{TRIES} sessions by {name}"):
                true(each.works(name, origin), "echo")
                equal(len(sshd.process.find(f"kex: algorithm: {re.escape(name)}(?: |$)", since)),
                      TRIES, "key exchanges in the server's log")


def main():
    names = of_ssh("kex")
    with tap.case("key exchanges that libssh has not are in adit(8)"):
        has = known("KexAlgorithms", names)
        lacks = [name for name in names if name not in has]
        equal(told_in_manual(lacks), lacks, "those that adit(8) names")
    with Sshd(options={"KexAlgorithms": ",".join(names)}) as sshd:
        alone(sshd, names, has)
        repeated(sshd, has)


tap.run(main)

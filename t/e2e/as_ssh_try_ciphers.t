#!/usr/bin/env -S python3 -B
"""Every cipher with every MAC: those that libssh has carry data, and adit(8) names those that only
ssh has. (The intent of OpenSSH's regress/try-ciphers.)"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, tap, true
from adit_test.algorithms import Each, known, of_ssh, told_in_manual, verdicts
from adit_test.as_ssh import Silence
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.together import Together

CTR = "aes128-ctr"


def log_line(cipher, mac):
    return rf"kex: client->server cipher: {cipher} MAC: {mac or '<implicit>'} compression: none"


def alone(sshd, ciphers, macs):
    """Each cipher, and each MAC, as the only one that a command line allows."""
    silence, together = Silence(), Together()

    def add(name, words, has):
        together.add(name, lambda: verdicts(sshd, silence.port, words, has))

    for cipher, has in ciphers.items():
        add(f"-c {cipher}", ["-c", cipher], has)
    for mac, has in macs.items():
        add(f"-m {mac}", ["-c", CTR, "-m", mac], has)
    together.tell()


def pairs(sshd, ciphers, macs):
    """All that libssh has, with each other, in one adit."""
    whole = of_ssh("cipher-auth")
    combinations = {(cipher, mac): {"ciphers": cipher, **({"macs": mac} if mac else {})}
                    for cipher, has in ciphers.items() if has
                    for mac in ([None] if cipher in whole else [
                        mac for mac, has in macs.items() if has])}
    since = sshd.mark()
    with Origin(echo) as origin, Each(sshd, combinations) as each:
        for cipher, mac in combinations:
            with tap.case(f"{cipher} {mac or ''}"):
                true(each.works((cipher, mac), origin), "echo")
                true(sshd.process.find(log_line(cipher, mac), since), "the server's log says so")


def main():
    lists = {"Ciphers": of_ssh("cipher"), "MACs": of_ssh("mac")}
    found = {}
    for keyword, names in lists.items():
        with tap.case(f"{keyword} that libssh has not are in adit(8)"):
            has = known(keyword, names)
            found[keyword] = {name: name in has for name in names}
            lacks = [name for name in names if name not in has]
            equal(told_in_manual(lacks), lacks, "those that adit(8) names")
    with Sshd(options={keyword: ",".join(names) for keyword, names in lists.items()}) as sshd:
        alone(sshd, found["Ciphers"], found["MACs"])
        pairs(sshd, found["Ciphers"], found["MACs"])


tap.run(main)

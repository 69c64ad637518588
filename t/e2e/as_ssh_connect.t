#!/usr/bin/env -S python3 -B
"""The plain way to a server, and that through a ProxyCommand: by a name of ssh_config and by words
of the command line, adit carries what ssh carries. (The intent of OpenSSH's regress/connect.)"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, has_ipv6, holds, scratch, tap
from adit_test.as_ssh import PROGRAMS, call
from adit_test.command import ssh_config
from adit_test.origins import Origin, digest_then_answer, echo
from adit_test.sshd import Sshd

WORDS = "here and there and back\n"


def carries(name, origin, *words):
    """Each program brings WORDS to the echo and back."""
    for program in PROGRAMS:
        with tap.case(f"{program}: {name}"):
            result = call(program, [*words[:-1], "-W", f"{ANY}:{origin.port}", words[-1]],
                          data=WORDS)
            equal(result.status, 0, f"the exit status ({result.said!r})")
            equal(result.output, WORDS, "what came back")


def fails(name, pattern, *words):
    """Each program ends with ssh's status and names what failed."""
    for program in PROGRAMS:
        with tap.case(f"{program}: {name}"):
            result = call(program, [*words[:-1], "-W", f"{ANY}:9", words[-1]])
            equal(result.status, 255, f"the exit status ({result.said!r})")
            holds(pattern, result.said, "what it says")


def ways(sshd, origin):
    hosts = ssh_config({"somehost": sshd})
    proxy = "ProxyCommand=nc %h %p"
    carries("a name of ssh_config", origin, "-F", hosts, "somehost")
    carries("a ProxyCommand", origin, "-F", hosts, "-o", proxy, "somehost")
    carries("a ProxyCommand of ssh_config", origin, "-F", ssh_config({"somehost": sshd}, **{
        "ProxyCommand": "nc %h %p"}), "somehost")
    carries("ProxyCommand none", origin, "-F", hosts, "-o", "ProxyCommand=none", "somehost")
    carries("a ProxyCommand with quotes", origin, "-F", hosts, "-o",
            "ProxyCommand=sh -c 'exec nc \"%h\" %p'", "somehost")
    carries("words of the command line alone", origin, "-F", "none", "-p", str(sshd.port), "-l",
            sshd.user, "-i", sshd.user_key, "-o", f"UserKnownHostsFile={sshd.known_hosts}",
            sshd.address)


def answers(sshd):
    """The end of what is sent reaches the origin, and its answer after that comes back."""
    hosts = ssh_config({"somehost": sshd})
    with Origin(digest_then_answer) as origin:
        for name, options in (("plainly", []), ("through a ProxyCommand",
                                                ["-o", "ProxyCommand=nc %h %p"])):
            said = {}
            for program in PROGRAMS:
                said[program] = call(program, ["-F", hosts, *options, "-W",
                                               f"{ANY}:{origin.port}", "somehost"], data=WORDS)
            with tap.case(f"an answer after the end of data, {name}"):
                equal(said["adit"].output, said["ssh"].output, "adit's output, as ssh's")
                equal(said["adit"].output.split()[0], str(len(WORDS)), "bytes that the origin saw")


def failures(sshd):
    hosts = ssh_config({"somehost": sshd})
    nobody = str(free_port())
    fails("nobody listens", "(?i)refused", "-F", hosts, "-p", nobody, "somehost")
    fails("nobody listens behind a ProxyCommand", ".", "-F", hosts, "-p", nobody, "-o",
          "ProxyCommand=nc %h %p", "somehost")
    fails("a ProxyCommand that is not there", "not found|No such file", "-F", hosts, "-o",
          f"ProxyCommand={scratch('none')} %h %p", "somehost")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        ways(sshd, origin)
        answers(sshd)
        failures(sshd)
        if has_ipv6():
            with Sshd(address="::1") as six:
                carries("IPv6", origin, "-F", ssh_config({"somehost": six}), "somehost")
                carries("IPv6, a ProxyCommand", origin, "-F", ssh_config({"somehost": six}), "-o",
                        "ProxyCommand=nc %h %p", "somehost")


tap.run(main)

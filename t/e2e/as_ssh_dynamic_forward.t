#!/usr/bin/env -S python3 -B
"""-D and -R without a target, beside ssh(1): each version of SOCKS to an address and to a name, and
what PermitRemoteOpen permits."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, sanitized, tap, wait_until
from adit_test.as_ssh import PROGRAMS
from adit_test.clients import Closed, Refused, works
from adit_test.command import Tunnel, ssh_config
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

REQUESTS = [("socks4", ANY), ("socks4a", ANY), ("socks4a", "localhost"), ("socks5", ANY),
            ("socks5h", ANY), ("socks5h", "localhost")]


def listens(port):
    """Whether somebody does, by the kernel's table: no connection is made."""
    with open("/proc/net/tcp", encoding="ascii") as sockets:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
                   for line in list(sockets)[1:])


def served(port, origin):
    """Which of the requests are."""
    found = []
    for protocol, host in REQUESTS:
        try:
            found.append(works((ANY, port), origin, protocol, host=host))
        except (Refused, Closed, ConnectionError):
            found.append(False)
    return found


def main():
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Sshd() as sshd, Origin(echo) as origin:
        hosts = ssh_config({"host": sshd})
        here = f"{ANY}:{origin.port} localhost:{origin.port}"
        for direction, options, expected in (
                ("D", "", True), ("R", "", True), ("R", "any", True), ("R", "none", False),
                ("R", here, True), ("R", f"{ANY}:1 localhost:1", False),
                ("D", "none", True)):
            words = f"-o 'PermitRemoteOpen={options}'" if options else ""
            for program in programs:
                port = free_port()
                with tap.case(f"{program} -{direction} {words}".replace(str(origin.port), "PORT")), \
                        Tunnel(f"ssh -N {words} -{direction} {port} host", hosts, name=program,
                               real=program == "ssh"):
                    wait_until(lambda port=port: listens(port), "the port")
                    equal(served(port, origin), [expected] * len(REQUESTS), f"of {REQUESTS}")


tap.run(main)

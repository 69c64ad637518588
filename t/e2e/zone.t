#!/usr/bin/env -S python3 -B
"""A link-local address with its interface, fe80::1%eth0, leads to a server as with ssh."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, holds, sanitized, scratch, tap, true
from adit_test.as_ssh import Silence, call
from adit_test.clients import works
from adit_test.network import ip, isolate
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

NAME = "a server at a link-local address"


def main():
    if not isolate(NAME):
        return
    ip("link", "add", "name", "near", "type", "veth", "peer", "name", "far")
    for link in ("near", "far"):
        ip("link", "set", link, "up")
    ip("-6", "address", "add", "fe80::77/64", "dev", "near", "nodad")
    silence = Silence()
    with Sshd(address="::") as sshd, Origin(echo) as origin:
        known = scratch("known_hosts")
        words = ["-F", "none", "-p", str(sshd.port), "-i", sshd.user_key, "-o", "BatchMode=yes",
                 "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=accept-new",
                 "-W", f"{ANY}:{silence.port}"]
        for program in ("ssh", "adit") if not sanitized() else ("adit",):
            with tap.case(f"{program} -W by {NAME}"):
                done = call(program, [*words, f"{sshd.user}@fe80::77%near"])
                equal(done.status, 0, f"the status ({done.said!r})")
                with open(known, encoding="ascii") as lines:
                    equal([line.split()[0] for line in lines],
                          [f"[fe80::77%near]:{sshd.port}"], "the names in known_hosts")
        with tap.case("an interface that is not there is named"):
            done = call("adit", [*words, f"{sshd.user}@fe80::77%nowhere"])
            equal(done.status, 255, f"the status ({done.said!r})")
            holds("there is no interface nowhere", done.said, "what it says")
        for host in ("fe80::77%near", "[fe80::77%near]", f"[fe80::77%near]:{sshd.port}"):
            with tap.case(f"host = {host}"), Adit(config(
                    sshd, up={"host": host, "known_hosts": known})) as adit:
                true(works(adit.address, origin), "an echo")


tap.run(main)

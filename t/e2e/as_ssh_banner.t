#!/usr/bin/env -S python3 -B
"""What a server tells a person at the login, beside ssh(1): banners of every size, none, with
control characters, and with little said (-q); lines before the version; why PAM refuses an
account."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, scratch, tap, true
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import known_hosts_lines
from adit_test.link import Link
from adit_test.sshd import Sshd

NO_AGENT = "IdentityAgent=none"
PASSWORD = "the tunnel's password"


def lines_of(size):
    """A banner of so many bytes, no two of whose lines are alike."""
    text, number = "", 0
    while len(text) < size:
        text += f"line {number} of the banner\n"
        number += 1
    return text[:size - 1] + "\n" if size else ""


def shown(said):
    """The banner's lines as adit shows them: each is a line of its log."""
    return [line.split("the server says: ", 1)[1] for line in said.splitlines()
            if "the server says: " in line]


def sizes(silence):
    banner = scratch("banner")
    with Sshd(options={"Banner": banner}) as sshd:
        with tap.case("the banner's file is missing: nothing is shown"):
            adit, ssh = side_by_side(sshd, silence, NO_AGENT)
            equal((adit.came, shown(adit.said)), (True, []), "a login without a banner")
            equal(adit.said, "", "what adit says")
        for size in (0, 10, 100, 1000, 10000):
            with open(banner, "w", encoding="ascii") as out:
                out.write(lines_of(size))
            with tap.case(f"a banner of {size} bytes is shown whole"):
                adit, ssh = side_by_side(sshd, silence, NO_AGENT)
                true(adit.came, f"a login ({adit.said[:200]!r})")
                equal(shown(adit.said), lines_of(size).splitlines(), "adit's lines")
                if ssh is not adit:
                    true(lines_of(size) in ssh.said.replace("\r", ""), "ssh shows it, too")
        with open(banner, "w", encoding="ascii") as out:
            out.write(lines_of(100000))
        with tap.case("of a banner of 100000 bytes 1000 lines are shown, as the manual says"):
            adit, ssh = side_by_side(sshd, silence, NO_AGENT)
            true(adit.came, f"a login ({adit.said[:200]!r})")
            equal(shown(adit.said), lines_of(100000).splitlines()[:1000], "adit's lines")
        for words, options in ((("-q",), ()), ((), ("LogLevel=QUIET",)), ((), ("LogLevel=ERROR",))):
            with tap.case(f"no banner is shown with {' '.join((*words, *options))}"):
                adit, ssh = side_by_side(sshd, silence, NO_AGENT, *options, words=words)
                equal((adit.said, ssh.said), ("", ""), "what both say")


def control_characters(silence):
    banner = scratch("banner", b"Ask \033[31mthe \xc2\x9bowner\x07 first.\nUn caf\xc3\xa9.\n",
                     0o644)
    with Sshd(options={"Banner": banner}) as sshd, \
            tap.case("a banner is shown, without control characters"):
        adit, _ = side_by_side(sshd, silence, NO_AGENT)
        holds("(?s)Ask .*the .*owner.* first\\..*Un café\\.", adit.said, "what it says")
        true(not re.search("[\033\u009b\x07]", adit.said), f"as it is: {adit.said!r}")


def accounts(silence):
    with Sshd(password=PASSWORD, account="This account is closed until June.") as sshd, \
            tap.case("a PAM account that is refused: the reason is told, at once"):
        adit, _ = side_by_side(sshd, silence, NO_AGENT)
        holds("This account is closed until June\\.", adit.said, "what it says")
        true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")


class Preface(Link):
    """A way to an Sshd by which these bytes come before what the server says."""

    def __init__(self, sshd, text):
        self.text = text
        super().__init__(sshd, down_gather=1)

    def _down_gathered(self, source, sink):
        sink.sendall(self.text)
        self._plain(source, sink)


def prefaces(silence):
    table = {
        "a line": b"Authorized use only.\r\n", "a thousand lines": b"Mind the gap.\r\n" * 1000,
        "a line of 1500 bytes": b"x" * 1500 + b"\r\n", "a line of 8000 bytes": b"x" * 8000 + b"\n",
        "several long lines": (b"SSH " * 100 + b"\r\n\r\n") * 3,
    }
    with Sshd() as sshd:
        for name, text in table.items():
            with tap.case(f"{name} before the version"), Preface(sshd, text) as way:
                known = scratch("known_hosts", known_hosts_lines(sshd.host_key, (ANY, way.port)))
                adit, _ = side_by_side(sshd, silence, NO_AGENT, f"UserKnownHostsFile={known}",
                                       words=("-p", str(way.port)))
                true(adit.came, f"a login ({adit.said[:200]!r})")


def main():
    silence = Silence()
    for part in (sizes, control_characters, prefaces, accounts):
        part(silence)


tap.run(main)

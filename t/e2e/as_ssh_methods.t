#!/usr/bin/env -S python3 -B
"""What ssh_config says of passwords and of questions, beside ssh(1): which methods are used, how often
a person is asked, and what is sent."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import scratch, tap
from adit_test.as_ssh import Silence, side_by_side
from adit_test.sshd import Sshd

PASSWORD = "the tunnel's password"
NO_AGENT = "IdentityAgent=none"


def switches(silence):
    """What ssh_config says of methods, for passwords and for questions."""
    cases = [
        ([], [PASSWORD]),
        ([], ["a", "b", PASSWORD]),
        ([], ["a", "b", "c", PASSWORD]),
        (["NumberOfPasswordPrompts=1"], ["a", PASSWORD]),
        (["NumberOfPasswordPrompts=0"], [PASSWORD]),
        (["PasswordAuthentication=no"], [PASSWORD]),
        (["KbdInteractiveAuthentication=no"], [PASSWORD]),
        (["KbdInteractiveAuthentication=no", "PasswordAuthentication=no"], [PASSWORD]),
        (["PubkeyAuthentication=no"], [PASSWORD]),
        (["BatchMode=yes"], [PASSWORD]),
        (["PreferredAuthentications=password"], [PASSWORD]),
        (["PreferredAuthentications=password,keyboard-interactive"], ["a", "b", "c", PASSWORD]),
        (["PreferredAuthentications=nonesuch"], [PASSWORD]),
        (["PreferredAuthentications=publickey"], [PASSWORD]),
        ([], []),
        ([], [""]),
    ]
    for server in ({"KbdInteractiveAuthentication": "yes"},
                   {"KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}, {}):
        with Sshd(password=PASSWORD, options={**server, "MaxAuthTries": "20"}) as sshd:
            what = ", ".join(f"{key} {value}" for key, value in server.items()) or "password"
            for options, answers in cases:
                with tap.case(f"a server with {what}; {' '.join(options)}; answers {answers}"):
                    # (Where nobody answers, ssh sends an empty password and asks again.)
                    differs = () if PASSWORD in answers else ("asked", "seen")
                    side_by_side(sshd, silence, NO_AGENT, *options, keys=[scratch("none")],
                                 answers=answers, differs=differs)


def main():
    switches(Silence())


tap.run(main)

#!/usr/bin/env -S python3 -B
"""A server with room for one login at a time, beside ssh(1): while somebody else does not log in,
it sends everybody away; once it has lost its patience with them (LoginGraceTime), both log in, and
an adit that goes on trying does by itself."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, patience, sanitized, tap, true,
                       wait_until)
from adit_test.as_ssh import PROGRAMS, Silence, login
from adit_test.clients import works
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


class Idler:
    """A client that says its version and nothing more; the one place for logins is its own."""

    def __init__(self, sshd):
        self.sshd = sshd
        mark = sshd.mark()
        self.socket = socket.create_connection((ANY, sshd.port), timeout=patience(60))
        self.socket.sendall(b"SSH-2.0-fake\r\n")
        sshd.process.wait_log("Remote protocol version", mark)

    def wait_gone(self):
        """Until the server has ended the connection and has the place free."""
        while self.socket.recv(4096):
            pass
        self.socket.close()
        wait_until(lambda: not self.sshd.sessions(), "the end of the idler's process")


def main():
    silence = Silence()
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Sshd(options={"MaxStartups": "1", "LoginGraceTime": "2s"}) as sshd, \
            Origin(echo) as origin:
        for program in programs:
            with tap.case(f"{program}: the server is full, then it is not"):
                idler = Idler(sshd)
                mark = sshd.mark()
                done = login(program, sshd, silence)
                equal(done.status, 255, f"the status while the server is full ({done.said!r})")
                true(done.said.strip(), "a reason")
                equal(sshd.logins(mark), [], "the logins meanwhile")
                idler.wait_gone()
                done = login(program, sshd, silence)
                true(done.came, f"a login after it ({done.said!r})")
        idler = Idler(sshd)
        with Adit(config(sshd)) as adit:
            with tap.case("a gateway that found the server full serves once there is room"):
                true(adit.find("session 0 up") == [], "no session while the server is full")
                idler.wait_gone()
                adit.sessions_up(1)
                true(works(adit.address, origin), "a connection")


tap.run(main)

#!/usr/bin/env -S python3 -B
"""A libssh that is not as adit expects: one line says so, and adit works without what it expected.

adit-unhooked is adit whose recv(2) and poll(2) libssh does not find; adit-reworded is adit whose
libssh has other words for a line of its log (doc/libssh.md)."""

import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, free_port, sanitized, tap, true
from adit_test.clients import (connected, exchange, read_all, refusal, socks5_reply,
                               socks5_request, Line, HELLO, reply, works)
from adit_test.origins import (Origin, body, body_then_digest, digest, digest_then_answer, echo,
                               read_digest)
from adit_test.sshd import Sshd
from adit_test.variants import variant

SIZE = (4 if sanitized() else 24) << 20
REFUSED = 5  # RFC 1928 section 6: connection refused
WARNING = "warning: libssh .* does not "
REKEYS = {"RekeyLimit": "4M"}

# The log lines of libssh 0.10 that adit reads, and what adit says when they are not there.
LINES = {
    "Creating a channel": "log the numbers of new channels as adit reads them",
    "CHANNEL_OPEN_CONFIRMATION": "log confirmed channels as adit reads them",
    "Remote window": "log confirmed channels as adit reads them",
    "Channel opening failure": "log refused channels as adit reads them",
}


def download(address):
    with Origin(body_then_digest(SIZE)) as origin, connected(address, ANY, origin.port) as conn:
        equal(read_digest(conn), (SIZE, digest(SIZE)), "what came down")


def upload(address):
    with Origin(digest_then_answer) as origin, connected(address, ANY, origin.port) as conn:
        for block in body(SIZE):
            conn.sendall(block)
        conn.shutdown(socket.SHUT_WR)
        equal(read_all(conn), f"{SIZE} {digest(SIZE)}\n".encode(), "the answer after the upload")


def at_once(address, *parts):
    failures = []

    def run(part):
        try:
            part(address)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")


def bind_code(address):
    """The reply to a BIND."""
    line = Line(address, False, None)
    with line.socket as conn:
        line.send(HELLO)
        reply(conn, 2)
        line.send(socks5_request("0.0.0.0", 0, command=2))
        return socks5_reply(conn)[0]


def carries(adit, origin):
    """Short and long transfers, and refusals."""
    true(works(adit.address, origin), "echo")
    equal(refusal(adit.address, ANY, free_port()), REFUSED, "the reply about a closed port")
    at_once(adit.address, download, upload, download, upload)
    with connected(adit.address, ANY, origin.port) as held:
        for _ in range(20):
            true(works(adit.address, origin), "echo again")
            equal(refusal(adit.address, ANY, free_port()), REFUSED, "a closed port again")
        true(exchange(held), "a connection that was there before")
    equal(adit.find(r"session \d+ lost"), [], "sessions lost")


def unhooked(origin):
    with Sshd(options=REKEYS) as sshd, variant("adit-unhooked"), \
            Adit(config(sshd, up={"sessions": "2-2"}), name="adit, not called") as adit:
        with tap.case("libssh does not call adit's recv and poll: one line says so"):
            adit.sessions_up(2)
            equal(len(adit.find(WARNING + r"call adit's recv\(2\) and poll\(2\)")), 1, "lines")
        with tap.case("... and sessions carry what they carry else"):
            carries(adit, origin)


def hooked(origin):
    with Sshd() as sshd, Adit(config(sshd), name="adit as it is") as adit:
        with tap.case("this libssh is as expected"):
            true(works(adit.address, origin), "echo")
            equal(refusal(adit.address, ANY, free_port()), REFUSED, "a closed port")
            equal(adit.find(WARNING), [], "warnings")
        return adit.libssh_before_0_11()


def reworded(origin, words, warning):
    os.environ["ADIT_TEST_REWORD"] = words
    with Sshd() as sshd, variant("adit-reworded"), \
            Adit(config(sshd, up={"sessions": "1-1"}), name=f"adit without {words}") as adit:
        with tap.case(f"libssh has other words for {words}: opens are answered all the same"):
            carries(adit, origin)
        with tap.case("... and one line says so"):
            equal(len(adit.find(WARNING)), 1, "warnings")
            true(adit.find(WARNING + warning), "the line")


def requests(origin):
    """The lines about global requests."""
    os.environ["ADIT_TEST_REWORD"] = "SSH_MSG_GLOBAL_REQUEST"
    with Sshd() as sshd, variant("adit-reworded"), \
            Adit(config(sshd, at={"bind": "yes"}), name="adit without requests") as adit:
        with tap.case("libssh has other words for global requests: BIND works all the same"):
            equal(bind_code(adit.address), 0, "the reply")
            equal(bind_code(adit.address), 0, "the reply to another")
            equal(len(adit.find(WARNING + "log global requests")), 1, "lines")
            true(works(adit.address, origin), "echo")
    os.environ["ADIT_TEST_REWORD"] = "SSH_REQUEST_SUCCESS"
    with Sshd() as sshd, variant("adit-reworded"), \
            Adit(config(sshd, at={"bind": "yes"}), name="adit without answers") as adit:
        with tap.case("... for their answers: a port that is not known for sure is not told"):
            true(bind_code(adit.address) != 0, "the reply")
            true(bind_code(adit.address) != 0, "the reply to another")
            equal(len(adit.find(WARNING + "log answers to global requests")), 1, "lines")
            true(works(adit.address, origin), "echo")


def main():
    with Origin(echo) as origin:
        before_0_11 = hooked(origin)
        unhooked(origin)
        if before_0_11:  # from 0.11 on adit reads nothing about opens in libssh's log
            for words, warning in LINES.items():
                reworded(origin, words, warning)
        requests(origin)


tap.run(main)

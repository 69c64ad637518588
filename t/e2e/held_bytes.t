#!/usr/bin/env -S python3 -B
"""Slow readers: what is held for them is bounded, and the source that has most is cut first."""

import contextlib
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, patience, tap, true, wait_until
from adit_test.clients import reply, request, socks5_reply, works
from adit_test.gateway import sanitized
from adit_test.origins import Flood, Origin, echo
from adit_test.sshd import Sshd

FLOOD, OTHER = "127.0.0.66", "127.0.0.4"
MIB = 1 << 20


def reader(source, adit, origin):
    """A client to which an origin sends without end, and that reads nothing."""
    conn = socket.socket()
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    conn.settimeout(patience(60))
    conn.bind((source, 0))
    conn.connect(adit.address)
    conn.sendall(request("socks5", ANY, origin.port))
    reply(conn, 2)
    equal(socks5_reply(conn)[0], 0, "the reply")
    return conn


def cut(adit, source, mark=0):
    return [one for one in adit.accesses(mark) if "held_bytes" in one.get("end", "")
            and one["client"].startswith(source + ":")]


def bounded(adit, origin):
    with contextlib.ExitStack() as open_ones:
        other = open_ones.enter_context(reader(OTHER, adit, origin))
        mark = adit.mark()
        with tap.case("of a source's many slow readers some are cut"):
            for _ in range(24):
                open_ones.enter_context(reader(FLOOD, adit, origin))
            wait_until(lambda: len(cut(adit, FLOOD, mark)) >= 8, "some were cut", 60)
            adit.wait_log(" warning: held_bytes: more than 8m was held for clients that do not "
                          r"read: \d+ connections? cut", mark)
        with tap.case("another source's is not"):
            equal(cut(adit, OTHER), [], "cut")
            got = 0
            while got < 4 * MIB:
                part = other.recv(1 << 16)
                true(part, "it goes on")
                got += len(part)
        with tap.case("others are served"):
            with Origin(echo) as plain:
                true(works(adit.address, plain), "echo")


def unbounded(sshd, origin):
    """With the default nobody is cut, and that is what the bound saves."""
    with Adit(config(sshd), name="adit, the default") as adit, \
            contextlib.ExitStack() as open_ones:
        with tap.case("by default a quarter of the memory may be held"):
            before = adit.rss()
            for _ in range(24):
                open_ones.enter_context(reader(FLOOD, adit, origin))
            if not sanitized():
                wait_until(lambda: adit.rss() - before > 16 * MIB, "it is held", 60)
            equal(cut(adit, FLOOD), [], "cut")


def main():
    with Sshd() as sshd, Origin(Flood()) as origin:
        with Adit(config(sshd, gate={"held_bytes": "8m"})) as adit:
            bounded(adit, origin)
        unbounded(sshd, origin)


tap.run(main)

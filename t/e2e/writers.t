#!/usr/bin/env -S python3 -B
"""Clients that only write: when they learn that their destination is closed; idle connections."""

import os
import select
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, patience, section, tap, true,
                       wait_until)
from adit_test.clients import Line, connect, exchange, http_status, read_head, request
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def close_at_once(conn, _origin):
    conn.recv(1)


def learns(adit, conn):
    """Writes until adit has ended the connection, and then sees that nobody takes it."""
    mark = adit.mark()

    def line():
        conn.sendall(b"a line\n")
        return adit.find(r"connection \d+: relaying -> ended", mark)

    wait_until(line, "the connection's end")

    # The first line brings the reset, and the second one fails: nothing is swallowed any more.
    try:
        conn.sendall(b"a line\n")
    except OSError:
        return
    hung_up = select.poll()
    hung_up.register(conn, 0)
    true(hung_up.poll(1000 * patience(10)), "the reset")
    try:
        conn.sendall(b"a line\n")
    except OSError:
        return
    raise AssertionError("a line after the reset was taken")


def writers(sshd):
    with Origin(close_at_once) as origin:
        port = free_port()
        text = section("forward log", {"local": f"{ANY}:{port} {ANY}:{origin.port}"})
        with Adit(config(sshd, text, gate={"log": "debug"}), name="adit, writers") as adit:
            for name, begin in (
                    ("a forward", lambda: socket.create_connection((ANY, port))),
                    ("SOCKS", lambda: connect(adit.address, ANY, origin.port)),
                    ("CONNECT", lambda: connect(adit.address, ANY, origin.port, "http"))):
                with tap.case(f"a writer by {name} learns that its destination is closed"), \
                        begin() as conn:
                    learns(adit, conn)


def refused_uploads(sshd):
    with Adit(config(sshd, gate={"log": "debug"}), name="adit, uploads") as adit:
        with tap.case("an upload that is refused reads its answer, however much it still sends"):
            line = Line(adit.address)
            line.send(b"POST http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"
                      b"Content-Length: 33554432\r\n\r\n")
            for _ in range(64):
                line.send(bytes(1 << 16))
            equal(http_status(read_head(line.socket)), 502, "the answer")
            line.socket.close()


def idle(sshd, origin):
    with Adit(config(sshd, at={"idle_timeout": "1s"}), name="adit, idle_timeout") as adit:
        with tap.case("a connection through which nothing passes is cut, and the log says why"):
            mark = adit.mark()
            with connect(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo")
                try:
                    equal(conn.recv(1), b"never", "what comes")
                except ConnectionResetError:
                    pass
            found = adit.access(mark, end="nothing passed for idle_timeout = 1s", outcome="ok")
            true(int(found["ms"]) - int(found["open"]) >= 900, "the time after it was open")
        with tap.case("a target that is not reached was open at no time"):
            mark = adit.mark()
            line = Line(adit.address)
            line.send(request("http", ANY, 1))
            equal(http_status(read_head(line.socket)), 502, "the answer")
            line.socket.close()
            false("open" in adit.access(mark, outcome="refused"), "open")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        writers(sshd)
        refused_uploads(sshd)
        idle(sshd, origin)


tap.run(main)

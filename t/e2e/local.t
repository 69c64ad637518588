#!/usr/bin/env -S python3 -B
"""Local forwards: connections that are not asked where they lead."""

import os
import socket
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, acl, equal, free_port, gateway, has_ipv6, patience, \
    raises, scratch, section, tap, true, upstream
from adit_test.clients import exchange, read_all
from adit_test.origins import Origin, body_bytes, digest, digest_then_answer, echo, \
    how_it_ends, read_digest, unix_echo
from adit_test.sshd import Sshd


def forward(name, local, **keys):
    return section(f"forward {name}", {"local": local, **keys})


def config(sshd, *sections, **keys):
    return gateway() + upstream(sshd, **keys) + "".join(sections)


def to(place):
    """A connection to a port of 127.0.0.1, an address pair, or a unix socket's path."""
    if isinstance(place, str):
        conn = socket.socket(socket.AF_UNIX)
        conn.settimeout(patience(60))
        conn.connect(place)
        return conn
    return socket.create_connection((ANY, place) if isinstance(place, int) else place,
                                    timeout=patience(60))


def works(place):
    with to(place) as conn:
        return exchange(conn)


def ports(origin):
    port, name, closed = free_port(), free_port(), free_port()
    with Sshd(names={"db.internal": ANY}) as sshd, Adit(config(
            sshd, forward("db", f"{port} {ANY}:{origin.port}"),
            forward("named", f"{ANY}:{name} db.internal:{origin.port}"),
            forward("closed", f"{closed} {ANY}:{free_port()}")), name="adit") as adit:
        adit.sessions_up(1)
        with tap.case("a port leads to a port"):
            mark = adit.mark()
            true(works(port), "echo")
            adit.access(mark, listen="db", protocol="forward", target=f"{ANY}:{origin.port}",
                        verdict="allow", outcome="ok", up=19, down=19, end="closed")
        if has_ipv6():
            with tap.case("... on ::1 too"):
                true(works(("::1", port)), "echo")
        with tap.case("a name is the server's to resolve"):
            true(works(name), "echo")
            equal(sshd.targets()[-1], ("db.internal", origin.port), "what the server was asked for")
        with tap.case("a target that refuses: the connection is reset"):
            mark = adit.mark()
            with raises(ConnectionResetError, "connecting and reading"), to(closed) as conn:
                conn.recv(1)
            adit.access(mark, listen="closed", outcome="refused", end="Connection refused")


def streams():
    port, busy = free_port(), free_port()
    with Sshd() as sshd, Origin(digest_then_answer) as digester, Origin(how_it_ends) as ending, \
            Adit(config(sshd, forward("digest", f"{port} {ANY}:{digester.port}"),
                        forward("ending", f"{busy} {ANY}:{ending.port}"), hold="60s"),
                 name="adit with streams") as adit:
        adit.sessions_up(1)
        size = 4 << 20
        with tap.case("half-close: an answer after the end of data"):
            with to(port) as conn:
                conn.sendall(body_bytes(size))
                conn.shutdown(socket.SHUT_WR)
                equal(read_all(conn), f"{size} {digest(size)}\n".encode(), "the answer")
        with tap.case("a client's end arrives as such"):
            with to(busy) as conn:
                equal(conn.recv(5), b"hello", "what came")
            equal(ending.result(), "end", "how it ended at the other side")
        with tap.case("bytes and the end of data sent before there is a session arrive"):
            sshd.stop()
            adit.wait_log("session 0 lost")
            with to(port) as conn:
                conn.sendall(b"early")
                conn.shutdown(socket.SHUT_WR)
                time.sleep(0.3)
                sshd.start()
                true(read_all(conn).startswith(b"5 "), "the answer to five bytes")


def unix_sockets(origin):
    port, here, across = free_port(), scratch("here.sock"), scratch("across.sock")
    there = scratch("echo.sock")
    unix_echo(there)
    with Sshd() as sshd, Adit(config(
            sshd, forward("to-unix", f"{port} {there}"),
            forward("from-unix", f"{here} {ANY}:{origin.port}"),
            forward("across", f"{across} {there}")), name="adit with unix sockets") as adit:
        adit.sessions_up(1)
        with tap.case("a port leads to a unix socket of the server's"):
            mark = adit.mark()
            true(works(port), "echo")
            adit.access(mark, listen="to-unix", protocol="forward", target=there,
                        outcome="ok")
        with tap.case("a unix socket leads to a port"):
            mark = adit.mark()
            true(works(here), "echo")
            adit.access(mark, client="unix", listen="from-unix", outcome="ok")
            equal(stat.S_IMODE(os.stat(here).st_mode), 0o600, "the mode")
        with tap.case("a unix socket leads to a unix socket"):
            with to(across) as conn:
                true(exchange(conn), "echo")
                conn.shutdown(socket.SHUT_WR)
                equal(read_digest(conn)[0], 0, "what comes after the end of data")
        with tap.case("a unix socket that is not there: the connection ends"):
            os.unlink(there)
            with to(across) as conn:
                equal(conn.recv(1), b"", "what comes")
    with tap.case("adit's own are gone when it has ended"):
        equal([path for path in (here, across) if os.path.exists(path)], [], "sockets")


def rules(origin):
    port, other = free_port(), free_port()
    text = forward("db", f"{port} {ANY}:{origin.port}") + \
        forward("other", f"{other} {ANY}:{origin.port}") + acl("deny listen=other", "allow to=*")
    with Sshd() as sshd, Adit(config(sshd, text), name="adit with rules") as adit:
        adit.sessions_up(1)
        with tap.case("rules hold for forwards too"):
            true(works(port), "echo where it is allowed")
            with raises(ConnectionResetError, "connecting and reading"), to(other) as conn:
                conn.recv(1)
            adit.access(listen="other", verdict="deny", rule="deny = listen=other",
                        outcome="denied")


def reloads(origin):
    one, two = free_port(), free_port()
    with Sshd() as sshd, Adit(config(sshd, forward("a", f"{one} {ANY}:{origin.port}")),
                              name="adit that reloads") as adit:
        adit.sessions_up(1)
        with tap.case("a reload takes one forward away and brings another"):
            with to(one) as conn:
                true(exchange(conn), "echo")
                mark = adit.reload(config(sshd, forward("b", f"{two} {ANY}:{origin.port}")))
                adit.wait_log("reloaded", mark)
                true(exchange(conn), "echo on the old connection")
            true(works(two), "echo by the new one")
            with raises(ConnectionRefusedError, "connecting to the old one"):
                to(one)


def dynamic(origin):
    from adit_test import clients
    port = free_port()
    with Sshd() as sshd, Adit(config(sshd, section("forward socks", {"dynamic": port})),
                              name="adit with a dynamic forward") as adit:
        with tap.case("a dynamic forward is a listener"):
            adit.sessions_up(1)
            true(clients.works((ANY, port), origin), "echo")
            adit.access(listen="socks", protocol="socks5", outcome="ok")


def main():
    with Origin(echo) as origin:
        ports(origin)
        streams()
        unix_sockets(origin)
        rules(origin)
        reloads(origin)
        dynamic(origin)


tap.run(main)

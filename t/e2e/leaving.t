#!/usr/bin/env -S python3 -B
"""Clients that leave, by half-close, close and reset, in each state: what they held is given back."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, free_port, listen, scratch, tap, true
from adit_test.clients import (HELLO, basic, closed, connect, password_request, read_all, reply,
                               socks5_request)
from adit_test.gateway import section, upstream
from adit_test.holdings import gives_back, holdings
from adit_test.origins import Blackhole, Origin, echo, read_exactly, reset
from adit_test.process import patience
from adit_test.sshd import Sshd

# bcrypt, cost 12: a check takes long enough to leave during it.
PASSWORD = "correct horse s"
USERS = "slow:$2y$12$ek7SAln7YTzQC8A9ydQQa.9bMg0xTAV5t8TEkVFuIu184wc7jVNQi\n"
HELLO_PASSWORD = b"\x05\x01\x02"
GREETING = b"hello, says the origin"
TIMES_OUT = "1500ms"


def silent(conn, _origin):
    """A server that reads and never answers."""
    while conn.recv(1 << 16):
        pass


def half_close(conn):
    conn.shutdown(socket.SHUT_WR)


HOW = {"resets": reset, "closes": socket.socket.close}


def states(sshd):
    control = scratch("control")
    with Blackhole() as hole, Origin(echo) as origin, Origin(silent) as dns, Adit(
            config(sshd, section("resolve", {"order": "tunnel", "servers": f"{ANY}:{dns.port}"}),
                   upstream(sshd, "dead", port=free_port(), hold=TIMES_OUT),
                   listen("nowhere", via="dead"),
                   listen("locked", auth="password", users=scratch("users", USERS)),
                   gate={"control": control, "log": "debug", "workers": 1,
                         "handshake_timeout": "1h"},
                   up={"open_timeout": TIMES_OUT, "sessions": "1-1"}, at={"bind": "yes"}),
            name="adit that is left") as adit:
        adit.sessions_up(1)
        target = socks5_request(ANY, origin.port)
        cases = {  # state: (listener, what is sent, whether the end of a half ends it at once)
            "asking": ("browser", HELLO + b"\x05", True),
            "checking": ("locked", HELLO_PASSWORD + password_request("slow", PASSWORD), True),
            "resolving": ("browser", HELLO + socks5_request("nobody.invalid", 80), False),
            "waiting": ("nowhere", HELLO + target, False),
            "binding": ("browser", HELLO + socks5_request("0.0.0.0", 0, command=2), True),
            "relaying": ("browser", HELLO + target, True),
            "opening": ("browser", HELLO + socks5_request(ANY, hole.port), False),
        }
        true(exchange_once(adit, origin), "echo")
        before = holdings(adit, control)
        for state, (name, data, at_once) in cases.items():
            def come(state=state, name=name, data=data):
                mark = adit.mark()
                conns = [socket.create_connection(adit.listener(name), timeout=patience(60))
                         for _ in range(4)]
                for conn in conns:
                    conn.sendall(data)
                if state == "asking":
                    for conn in conns:
                        equal(reply(conn, 2), b"\x05\x00", "the method")
                else:
                    adit.wait_log(rf"debug: connection \d+: \w+ -> {state} \(", mark,
                                  count=len(conns))
                return conns

            for how, leave in HOW.items():
                with tap.case(f"a client that {how} while {state} leaves nothing behind"):
                    for conn in come():
                        leave(conn)
                    gives_back(adit, control, before)
            with tap.case(f"a client that ends its half while {state} is "
                          f"{'sent away' if at_once else 'answered'}"):
                conns = come()
                for conn in conns:
                    half_close(conn)
                for conn in conns:
                    got = read_all(conn)
                    if state in ("resolving", "waiting", "opening"):
                        true(len(got) >= 12 and got[-10] == 5 and got[-9] != 0,
                             f"a failure after the method: {got!r}")
                    conn.close()
                gives_back(adit, control, before)
        with tap.case("what was opening leaves nothing behind once the server has answered"):
            hole.open()
            gives_back(adit, control, before, seconds=150)  # (the server tries again every 64 s)
        numbers(adit, dns)


def numbers(adit, dns):
    """What the log says of one connection has one number, adit's own connections too."""
    with tap.case("the number of a connection stands in each line about it, and is its own"):
        lines = adit.accesses()
        own = [line["connection"] for line in lines]
        equal(len(own), len(set(own)), "as many numbers as access lines")
        for line in lines:
            adit.wait_log(rf"debug: connection {line['connection']}: accepted by worker 0 on "
                          rf"listener {line['listen']}$")
            adit.wait_log(rf"debug: connection {line['connection']}: \w+ -> ended \(")
        for match in adit.find(rf"debug: connection (\d+): adit's own, to {ANY}:{dns.port} through "
                               r"upstream office$"):
            true(match[1] not in own, "a query through the tunnel has a number of its own")
            break
        else:
            true(False, "queries went through the tunnel")


def exchange_once(adit, origin):
    with connect(adit.address, ANY, origin.port) as conn:
        conn.sendall(b"x")
        return read_exactly(conn, 1) == b"x"


def answers(sshd):
    """A whole request, its data and the end of data at once: what has come is parsed first."""

    def web(conn, _origin):
        request = b""
        while not request.endswith(b"\r\n\r\nbody"):
            part = conn.recv(1 << 16)
            if not part:
                return
            request += part
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with Origin(echo) as origin, Origin(web) as site, Adit(
            config(sshd, listen("locked", auth="password", users=scratch("users", USERS)),
                   gate={"handshake_timeout": "5m"}),  # (passwords are hashed at a low priority)
            name="adit that is asked in one") as adit:
        def ask(data, name):
            with socket.create_connection(adit.listener(name), timeout=patience(60)) as conn:
                conn.sendall(data)
                half_close(conn)
                return read_all(conn)

        target = socks5_request(ANY, origin.port)
        proof = f"Proxy-Authorization: {basic('slow', PASSWORD)}\r\n"
        post = (f"POST http://{ANY}:{site.port}/ HTTP/1.1\r\nHost: a\r\n{{}}"
                "Content-Length: 4\r\n\r\nbody")
        with tap.case("SOCKS5 in one, with the end of data"):
            got = ask(HELLO + target + b"data", "browser")
            equal((got[:4], got[12:]), (b"\x05\x00\x05\x00", b"data"), "all that came")
        with tap.case("SOCKS5 with a password in one, with the end of data"):
            for _ in range(2):  # the second time the password is known already
                got = ask(HELLO_PASSWORD + password_request("slow", PASSWORD) + target + b"data",
                          "locked")
                equal((got[:6], got[14:]), (b"\x05\x02\x01\x00\x05\x00", b"data"), "all that came")
        with tap.case("SOCKS5: a wrong password, with the end of data"):
            equal(ask(HELLO_PASSWORD + password_request("slow", "x") + target, "locked"),
                  b"\x05\x02\x01\x01", "all that came")
        with tap.case("SOCKS5: a password and no request, with the end of data"):
            mark = adit.mark()
            equal(ask(HELLO_PASSWORD + password_request("slow", PASSWORD) + target[:5], "locked"),
                  b"\x05\x02\x01\x00", "all that came")
            adit.access(mark, listen="locked", end="closed before asking")
        for name, listener, text in (("HTTP with a body", "browser", post.format("")),
                                     ("... and a password", "locked", post.format(proof))):
            with tap.case(f"{name} in one, with the end of data"):
                got = ask(text.encode(), listener)
                true(got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\nhello"),
                     f"the answer: {got!r}")
        with tap.case("half a request, with the end of data"):
            for data in (b"", b"\x05", HELLO[:2], b"CONNECT a", b"\x04\x01\x00"):
                with socket.create_connection(adit.address, timeout=patience(30)) as conn:
                    conn.sendall(data)
                    half_close(conn)
                    true(closed(conn), f"the end after {data!r}")


def main():
    with Sshd() as sshd:
        states(sshd)
        answers(sshd)


tap.run(main)

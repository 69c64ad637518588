#!/usr/bin/env -S python3 -B
"""SOCKS and HTTP by a remote forward behind a slow link: replies are whole and come first, a
request is served whatever its end of data came with, and who leaves leaves nothing behind."""

import os
import queue
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, free_port, scratch, tap, true, wait_until
from adit_test.clients import (HELLO, Refused, connect, http_request, read_all, reply,
                               socks4_request, socks5_request)
from adit_test.control import status
from adit_test.gateway import section
from adit_test.holdings import gives_back, holdings
from adit_test.link import Link
from adit_test.origins import (Blackhole, Origin, body, echo, read_digest, read_exactly, reset)
from adit_test.process import patience
from adit_test.sshd import Sshd

RATE = 400_000
REQUESTS = 100  # of each kind
AT_A_TIME = 25
GREETING = b"SSH-2.0-the origin speaks first\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
METHOD = b"\x05\x00"


def forward(name, remote):
    return section(f"forward {name}", {"remote": remote})


def is_up(adit, name):
    return int(adit.wait_log(rf"remote forward {name}: listening on \S+:(\d+) at the server",
                             seconds=60)[1])


def greets(conn, _origin):
    """Speaks first, then echoes."""
    conn.sendall(GREETING)
    echo(conn, None)


def web(conn, _origin):
    """Reads a request and its body, and answers."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = conn.recv(1 << 16)
        if not part:
            return
        request += part
    conn.sendall(PAGE)


def endless(stop):
    def serve(conn, _origin):
        while not stop.is_set():
            for block in body(1 << 20):
                conn.sendall(block)
                if stop.is_set():
                    break

    return serve


def get(address, port):
    with socket.create_connection(address, timeout=patience(120)) as conn:
        conn.sendall(f"GET http://{ANY}:{port}/ HTTP/1.1\r\nHost: {ANY}:{port}\r\n"
                     "Connection: close\r\n\r\n".encode())
        head, _, page = read_all(conn).partition(b"\r\n\r\n")
        equal((head.split(b"\r\n")[0], page), (b"HTTP/1.1 200 OK", b"hello"), "the page")


def greeted(address, port, protocol, early):
    with connect(address, ANY, port, protocol, early=early, timeout=patience(120)) as conn:
        equal(read_exactly(conn, len(GREETING)), GREETING, "what the origin says first")
        conn.sendall(b"and back")
        wanted = (early or b"") + b"and back"
        equal(read_exactly(conn, len(wanted)), wanted, "the echo")


def denied(address, port, protocol, code):
    try:
        connect(address, ANY, port, protocol, timeout=patience(120)).close()
    except Refused as refused:
        equal(refused.code, code, "the refusal")
        if protocol == "http":
            true(b"Proxy-Status: adit" in refused.reply and refused.reply.endswith(b"\n"),
                 f"the whole error page, not {refused.reply!r}")
        return
    raise AssertionError("it was not refused")


def many(count, one):
    """Runs `one` so often, some at a time; raises the first failure."""
    todo, failures = queue.Queue(), []
    for number in range(count):
        todo.put(number)

    def work():
        while not failures:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                one(number)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(f"request {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")


def congested(sshd):
    """Replies beside a download that fills the link."""
    stop = threading.Event()
    control = scratch("control")
    with Link(sshd, up_rate=RATE) as link, Origin(greets) as origin, Origin(web) as site, \
            Origin(endless(stop)) as bulk, \
            Adit(config(sshd, forward("far", "0"), forward("bulk", f"0 {ANY}:{bulk.port}"),
                        up=link.upstream(), gate={"control": control, "log": "debug"}),
                 name="adit behind a slow link") as adit:
        address, nobody = (ANY, is_up(adit, "far")), free_port()
        before = holdings(adit, control)
        down = socket.create_connection((ANY, is_up(adit, "bulk")), timeout=patience(60))
        reader = threading.Thread(target=drain, args=(down,), daemon=True)
        reader.start()
        adit.wait_log("-> relaying")
        kinds = {
            "SOCKS5": lambda n: greeted(address, origin.port, "socks5", None),
            "SOCKS5, all in one": lambda n: greeted(address, origin.port, "socks5", b"early"),
            "SOCKS4a": lambda n: greeted(address, origin.port, "socks4a", None),
            "CONNECT": lambda n: greeted(address, origin.port, "http", None),
            "GET": lambda n: get(address, site.port),
            "SOCKS5 that is refused": lambda n: denied(address, nobody, "socks5", 5),
            "SOCKS4 that is refused": lambda n: denied(address, nobody, "socks4", 0x5b),
            "CONNECT that is refused": lambda n: denied(address, nobody, "http", 502),
        }
        for kind, one in kinds.items():
            with tap.case(f"{REQUESTS} x {kind}, beside a download", limit=300):
                many(REQUESTS, one)
        with tap.case(f"{REQUESTS} x SOCKS5's greeting and the end of data, beside a download",
                      limit=300):
            many(REQUESTS, lambda n: equal(
                whole_request(socket.create_connection(address, timeout=patience(120)), HELLO),
                METHOD, "the answer"))
        with tap.case("who is refused and resets before its reply is out leaves nothing"):
            mark = adit.mark()
            conns = []
            while not adit.find("-> lingering", mark):
                conns += [socket.create_connection(address) for _ in range(10)]
                for conn in conns[-10:]:
                    conn.sendall(socks4_request(ANY, nobody))
                adit.wait_log("connecting -> (lingering|ended)", mark, count=len(conns))
            for conn in conns:
                reset(conn)
            stop.set()
            reset(down)
            gives_back(adit, control, before)


def drain(conn):
    try:
        read_digest(conn)
    except OSError:
        pass


def whole_request(conn, data):
    """Sends it and ends its half; returns all that comes."""
    with conn:
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        return read_all(conn)


def gathered(sshd):
    """A whole request and the end of data, which reach adit in one read."""
    with Link(sshd, down_gather=0.04) as link, Origin(greets) as origin, Origin(web) as site, \
            Adit(config(sshd, forward("far", "0"), up=link.upstream()),
                 name="adit behind a link that gathers") as adit:
        address = (ANY, is_up(adit, "far"))
        page = f"http://{ANY}:{site.port}/"
        cases = {
            "a GET": (f"GET {page} HTTP/1.0\r\n\r\n".encode(),
                      lambda got: got.startswith(b"HTTP/1.1 200 OK\r\n") and
                      got.endswith(b"\r\n\r\nhello")),
            "a POST with its body": (
                f"POST {page} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".encode(),
                lambda got: got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"hello")),
            "CONNECT and data": (
                http_request(ANY, origin.port) + b"data",
                lambda got: got.startswith(b"HTTP/1.1 200 ") and
                got.endswith(b"\r\n\r\n" + GREETING + b"data")),
            "SOCKS5, all of it and data": (
                HELLO + socks5_request(ANY, origin.port) + b"data",
                lambda got: got[:4] == METHOD + b"\x05\x00" and got.endswith(GREETING + b"data")),
            "SOCKS4a and data": (
                socks4_request("localhost", origin.port, as_name=True) + b"data",
                lambda got: got[:2] == b"\x00\x5a" and got[8:] == GREETING + b"data"),
        }
        for name, (data, right) in cases.items():
            with tap.case(f"{name}, and at once the end of data"):
                for _ in range(20):
                    got = whole_request(socket.create_connection(address, timeout=patience(30)),
                                        data)
                    true(right(got), f"the answer: {got!r}")
        with tap.case("half a request and the end of data: the end"):
            for data in (b"\x05\x02\x00", b"GET http://", HELLO, b"\x04\x01\x00"):
                mark = adit.mark()
                got = whole_request(socket.create_connection(address, timeout=patience(30)), data)
                equal(got, METHOD if data == HELLO else b"", f"the answer to {data!r}")
                adit.access(mark, listen="far", end="closed before asking")


def leaving(sshd):
    """The far side goes while a client is in each state."""
    control = scratch("control")
    with Link(sshd, up_delay=0.5) as link, Origin(greets) as origin, \
            Adit(config(sshd, forward("far", "0"), up=link.upstream(open_timeout="1h"),
                        gate={"control": control, "log": "debug", "handshake_timeout": "1h"}),
                 name="adit behind a long link") as adit:
        address = (ANY, is_up(adit, "far"))
        before = holdings(adit, control)

        def clients(data, state=None, count=4):
            """Some that have sent `data`, and are in that state."""
            mark = adit.mark()
            conns = [socket.create_connection(address, timeout=patience(30))
                     for _ in range(count)]
            for conn in conns:
                conn.sendall(data)
            if state:
                adit.wait_log(f"-> {state}", mark, count=len(conns))
            else:
                wait_until(lambda: status(control)["connections"] == len(conns), "they came in")
            return conns

        def leave(conns, how):
            for conn in conns:
                how(conn)

        for name, how in (("resets", reset), ("closes", socket.socket.close)):
            with tap.case(f"the far side {name} while asking"):
                leave(clients(HELLO), how)
                gives_back(adit, control, before)
            with tap.case(f"the far side {name} while bytes flow"):
                conns = clients(HELLO + socks5_request(ANY, origin.port), "relaying")
                leave(conns, how)
                gives_back(adit, control, before)
        with tap.case("the far side resets while its target is connected to"), Blackhole() as hole:
            # (sshd learns that its client has gone when it writes the reply about the method, and
            # closes the channel then. No time-out would end the client.)
            mark = adit.mark()
            leave(clients(HELLO + socks5_request(ANY, hole.port), "connecting"), reset)
            adit.access(mark, listen="far", end="closed before it was answered")
            gives_back(adit, control, before)
        with tap.case("the far side closes while its target is connected to"), Blackhole() as hole:
            # (No more than the end of its half is seen until something is written to it.)
            leave(clients(HELLO + socks5_request(ANY, hole.port), "connecting", 1),
                  socket.socket.close)
            hole.open()
            gives_back(adit, control, before)
        with tap.case("the far side ends its half while its target is connected to: it is served"):
            with Blackhole() as hole:
                conns = clients(HELLO + socks5_request(ANY, hole.port) + b"data", "connecting", 1)
                leave(conns, lambda conn: conn.shutdown(socket.SHUT_WR))
                hole.open()
                for conn in conns:
                    equal(reply(conn, 2), METHOD, "the method")
                    equal(reply(conn, 10)[:2], b"\x05\x00", "the reply")
                    equal(read_all(conn), b"data", "the echo")
                    conn.close()
                gives_back(adit, control, before)
        with tap.case("the session is lost while some ask and others connect"):
            with Blackhole() as hole:
                conns = clients(HELLO + socks5_request(ANY, hole.port), "connecting")
                conns += [socket.create_connection(address) for _ in range(4)]
                for pid in sshd.sessions():
                    sshd.kill_session(pid)
                for conn in conns:
                    conn.close()
                wait_until(lambda: status(control)["connections"] == 0, "they have ended")
            adit.sessions_up(2)
            gives_back(adit, control, before)


def main():
    with Sshd() as sshd:
        congested(sshd)
        gathered(sshd)
        leaving(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Limits: connections, logins, opens of one source, user, or all; and what a flood does to others."""

import contextlib
import functools
import http.client
import multiprocessing
import os
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, listen, patience, scratch, section, tap, true,
                       wait_until)
from adit_test.clients import (PROTOCOLS, Closed, Line, Refused, closed, exchange, http_fields,
                               http_request, http_status, read_all, read_head, works)
from adit_test.origins import (Blackhole, Origin, body_bytes, body_then_digest, digest_then_answer,
                               echo, read_digest)
from adit_test.proxy_protocol import connect_by, v1
from adit_test.sshd import Sshd
from adit_test.web import Web

FLOOD = "127.0.0.66"
# crypt(3) of "wonder" and "builder".
USERS = """alice:$5$saltsalt$JuNF5Ru7okVD58N6eh6DVtqbCYLabS26H.Uw.jynqu/
bob:$5$saltsalt$ZZafy3axKGVvwp5WrR36Vrb3IbPVQKjJhmtDxaFOvd2
"""


class From(Line):
    """A connection from another loopback address."""

    def __init__(self, source, proxy):  # pylint: disable=super-init-not-called
        self.socket = socket.create_connection(proxy, timeout=patience(60),
                                               source_address=(source, 0))
        self.drip = False


def connect_from(source, proxy, host, port, protocol="socks5", **more):
    line = From(source, proxy)
    try:
        PROTOCOLS[protocol](line, host, port, None, **more)
    except BaseException:
        line.socket.close()
        raise
    return line.socket


def refused(source, adit, origin, protocol="socks5", **more):
    """The code with which a client is refused; 0: it is not; None: it was cut."""
    try:
        connect_from(source, adit.address, ANY, origin.port, protocol, **more).close()
    except Refused as no:
        return no.code
    except (Closed, OSError):
        return None
    return 0


def limit(name="few", **keys):
    return section(f"limit {name}", {"from": "127.0.0.0/8", **keys})


def by_source(sshd, origin):
    with Adit(config(sshd, limit(connections=2)), name="adit, connections") as adit, \
            contextlib.ExitStack() as open_ones:
        with tap.case("a source has as many connections as it may, and no more"):
            mark = adit.mark()
            for _ in range(2):
                conn = open_ones.enter_context(connect_from(FLOOD, adit.address, ANY, origin.port))
                true(exchange(conn), "echo")
            equal(refused(FLOOD, adit, origin), 1, "SOCKS5")
            equal(refused(FLOOD, adit, origin, "socks4"), 0x5b, "SOCKS4")
            adit.wait_log(rf" warning: limit few: {FLOOD}: refused, too many connections", mark)
            equal(len(adit.find(" warning: limit few", mark)), 1, "warnings")
        with tap.case("HTTP is told when to come again"):
            with From(FLOOD, adit.address).socket as conn:
                conn.sendall(http_request(ANY, origin.port))
                head = read_head(conn)
                equal(http_status(head), 429, "the status")
                equal(http_fields(head)["retry-after"], "1", "Retry-After")
        with tap.case("another source does not notice"):
            true(works(adit.address, origin), "echo")
        with tap.case("a reload keeps the counts"):
            mark = adit.reload(config(sshd, limit(connections=3)))
            adit.wait_log(" info: reloaded ", mark)
            conn = open_ones.enter_context(connect_from(FLOOD, adit.address, ANY, origin.port))
            true(exchange(conn), "echo")
            equal(refused(FLOOD, adit, origin), 1, "the fourth")
        with tap.case("what has ended does not count"):
            open_ones.close()
            wait_until(lambda: refused(FLOOD, adit, origin) == 0, "the source is served again")
        with tap.case("access lines of the refused are at debug"):
            equal([one for one in adit.accesses() if one["outcome"] == "limited"], [], "lines")


def loopback(sshd, origin):
    """Without a limit that says so, loopback is no source, and unix sockets are none."""
    path = scratch("s")
    with Adit(config(sshd, listen("unix", address=f"unix:{path}"), limit(
            **{"from": "unix", "connections": 1})), name="adit, unix") as adit:
        with tap.case("unix sockets are one source"):
            with connect_by(path, b"", ANY, origin.port) as conn:
                true(exchange(conn), "echo")
                try:
                    connect_by(path, b"", ANY, origin.port).close()
                    code = 0
                except Refused as no:
                    code = no.code
                equal(code, 1, "the second")
        with tap.case("loopback has no default"), contextlib.ExitStack() as open_ones:
            for _ in range(70):
                open_ones.enter_context(connect_from(FLOOD, adit.address, ANY, origin.port))


def by_header(sshd, origin):
    """Behind a balancer the source is the header's, and has the defaults."""
    at = {"proxy_protocol": "v1", "proxy_from": ANY, "open": "yes"}
    text = config(sshd, limit(**{"from": "192.0.2.0/24", "connections": 1}), at=at)
    with Adit(text, name="adit, balanced") as adit:
        with tap.case("the source is the one of the header"):
            with connect_by(adit.address, v1("192.0.2.1"), ANY, origin.port) as conn:
                true(exchange(conn), "echo")
                try:
                    connect_by(adit.address, v1("192.0.2.1"), ANY, origin.port).close()
                    code = 0
                except Refused as no:
                    code = no.code
                equal(code, 1, "the same source again")
                connect_by(adit.address, v1("192.0.2.2"), ANY, origin.port).close()
        with tap.case("a source that no limit covers has the default"), \
                contextlib.ExitStack() as open_ones:
            for _ in range(256):
                line = Line(adit.address)
                open_ones.enter_context(line.socket)
                line.send(v1("198.51.100.1"))
            wait_until(lambda: balanced_refusal(adit, origin, "198.51.100.1") == 1,
                       "the 257th that has not asked is refused")
            equal(balanced_refusal(adit, origin, "198.51.100.2"), 0, "another source")
            adit.wait_log(r" warning: limit default: 198\.51\.100\.1: refused, too many connections "
                          "that have not logged in or asked yet")


def balanced_refusal(adit, origin, source):
    try:
        connect_by(adit.address, v1(source), ANY, origin.port).close()
    except Refused as no:
        return no.code
    except (Closed, OSError):
        return None
    return 0


def by_user(sshd, origin):
    at = {"auth": "password", "users": scratch("users", USERS)}
    text = config(sshd, section("limit each", {"per": "user", "connections": 1}),
                  section("limit alice", {"per": "all", "user": "alice", "connections": 1}), at=at)
    alice, bob = (("alice", "wonder"), ("bob", "builder"))
    with Adit(text, name="adit, users") as adit:
        with tap.case("a user has what the user may have, from anywhere"):
            with connect_from("127.0.0.3", adit.address, ANY, origin.port, credentials=bob):
                equal(refused("127.0.0.4", adit, origin, credentials=bob), 1, "SOCKS5")
                equal(refused("127.0.0.4", adit, origin, "http", credentials=bob), 429, "HTTP")
                equal(refused("127.0.0.4", adit, origin, credentials=alice), 0, "alice")
                adit.wait_log(" warning: limit each: user bob: refused, too many connections")


def by_all(sshd, origin):
    with Adit(config(sshd, limit(per="all", connections=1)), name="adit, all") as adit:
        with tap.case("all together: 503"):
            with connect_from("127.0.0.3", adit.address, ANY, origin.port):
                equal(refused("127.0.0.4", adit, origin, "http"), 503, "another source")
    with Adit(config(sshd, gate={"max_connections": 1}), name="adit, max_connections") as adit:
        with tap.case("max_connections: 503"):
            with connect_from("127.0.0.3", adit.address, ANY, origin.port):
                equal(refused("127.0.0.4", adit, origin, "http"), 503, "the second")
                adit.wait_log(" warning: max_connections = 1: 1 connection refused")
            wait_until(lambda: refused("127.0.0.4", adit, origin) == 0, "served again")
    with Adit(config(sshd, limit(new=2, burst="2s")), name="adit, new") as adit:
        with tap.case("new connections a second"):
            equal([refused(FLOOD, adit, origin) for _ in range(4)], [0] * 4, "the burst")
            equal([refused(FLOOD, adit, origin) for _ in range(3)].count(1) >= 2, True,
                  "most of those after it")
            equal(refused("127.0.0.4", adit, origin), 0, "another source")
            wait_until(lambda: refused(FLOOD, adit, origin) == 0, "served again")


def rates(sshd):
    size = 2 << 20

    def fetch(source, proxy, port, results):
        began = time.monotonic()
        with connect_from(source, proxy, ANY, port) as conn:
            got, _ = read_digest(conn)
        results.append((got, time.monotonic() - began))

    def at_once(sources, port):
        results = []
        threads = [threading.Thread(target=fetch, args=(source, adit.address, port, results))
                   for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    with Adit(config(sshd, limit(rate="1m", burst="100ms")), name="adit, rate") as adit, \
            Origin(body_then_digest(size)) as origin, Origin(digest_then_answer) as sink:
        with tap.case("a source gets no more than its rate"):
            (got, seconds), = at_once([FLOOD], origin.port)
            equal(got, size, "bytes")
            true(seconds > 1.7, f"2 MiB at 1 MiB/s in {seconds:.2f} s")
        with tap.case("its connections share it fairly"):
            first, second = at_once([FLOOD, FLOOD], origin.port)
            equal((first[0], second[0]), (size, size), "bytes")
            true(second[1] > 3.5, f"4 MiB at 1 MiB/s in {second[1]:.2f} s")
            true(first[1] > 0.7 * second[1], f"one in {first[1]:.2f} s, one in {second[1]:.2f} s")
        with tap.case("another source has a rate of its own"):
            equal([got for got, _ in at_once([FLOOD, "127.0.0.4"], origin.port)], [size] * 2,
                  "bytes")
        with tap.case("up, too"):
            began = time.monotonic()
            with connect_from(FLOOD, adit.address, ANY, sink.port) as conn:
                conn.sendall(body_bytes(size))
                conn.shutdown(socket.SHUT_WR)
                true(read_all(conn).startswith(f"{size} ".encode()), "what came there")
            seconds = time.monotonic() - began
            true(seconds > 1.7, f"2 MiB at 1 MiB/s in {seconds:.2f} s")
        with tap.case("plain HTTP, one request behind the other"), Web() as web:
            client = http.client.HTTPConnection(*adit.address, timeout=patience(60),
                                                source_address=(FLOOD, 0))
            began = time.monotonic()
            for _ in range(2):
                client.request("GET", f"http://{ANY}:{web.port}/bytes/{size}")
                equal(len(client.getresponse().read()), size, "bytes")
            seconds = time.monotonic() - began
            client.close()
            true(seconds > 3.5, f"4 MiB at 1 MiB/s in {seconds:.2f} s")
        with tap.case("plain HTTP, requests ahead of their turn"), Web() as web:
            seconds = ahead(adit, web, 32, 65536)
            true(seconds > 1.7, f"2 MiB at 1 MiB/s in {seconds:.2f} s")


def ahead(adit, web, count, size):
    """So many requests at once behind a first one. Returns the seconds that the answers took."""
    one = f"GET http://{ANY}:{web.port}/bytes/{size} HTTP/1.1\r\nHost: {ANY}\r\n\r\n".encode()
    with From(FLOOD, adit.address).socket as conn:
        answers = conn.makefile("rb")
        for number in range(count + 1):
            if number == 0:
                conn.sendall(one)
            elif number == 1:
                began = time.monotonic()
                conn.sendall(one * count)
            while answers.readline() != b"\r\n":
                pass
            equal(len(answers.read(size)), size, "bytes")
        answers.close()
    return time.monotonic() - began


def opens(sshd, origin):
    with Adit(config(sshd, limit(opens=3)), name="adit, opens") as adit, Blackhole() as hole, \
            contextlib.ExitStack() as waiting:
        adit.sessions_up(1)
        with tap.case("unanswered opens of a source"):
            mark = sshd.mark()
            for _ in range(3):
                ask(waiting, FLOOD, adit.address, hole)
            wait_until(lambda: [port for _, port in sshd.targets(mark)] == [hole.port] * 3,
                       "the server was asked for three")
            equal(refused(FLOOD, adit, origin), 1, "the fourth is refused")
            equal(refused("127.0.0.4", adit, origin), 0, "another source")
        with tap.case("they count on when their clients have gone"):
            waiting.close()
            equal(refused(FLOOD, adit, origin), 1, "at once")
        with tap.case("for ten seconds"):
            wait_until(lambda: refused(FLOOD, adit, origin) == 0, "served again")


def ask(waiting, source, proxy, hole):
    """A client whose destination does not answer."""
    line = From(source, proxy)
    waiting.enter_context(line.socket)
    line.send(b"\x05\x01\x00\x05\x01\x00\x01" + socket.inet_aton(hole.address) +
              hole.port.to_bytes(2, "big"))


class Flood:
    """A process whose threads do the same again and again from one source, each once in `pace`
    seconds at most and at the lowest priority, so that what others see is adit's doing and not the
    machine's. (`make bench BENCH=flood` measures it.)"""

    def __init__(self, once, pace=0.01, threads=8):
        self.once, self.pace, self.thread_count = once, pace, threads
        self.attempts = multiprocessing.Value("i", 0)
        self.process = multiprocessing.get_context("fork").Process(target=self._main, daemon=True)

    def _main(self):
        os.nice(19)
        for _ in range(self.thread_count):
            threading.Thread(target=self._run, daemon=True).start()
        threading.Event().wait()

    def _run(self):
        while True:
            with contextlib.suppress(OSError, Closed, Refused):
                self.once()
            with self.attempts.get_lock():
                self.attempts.value += 1
            time.sleep(self.pace)

    @property
    def count(self):
        """(Without the lock, which dies with a process that is killed while it has it.)"""
        return self.attempts.get_obj().value

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


def times(adit, origin, count=200, **more):
    """What others see: how long each of some requests took, in milliseconds."""
    taken = []
    for _ in range(count):
        began = time.monotonic()
        true(works(adit.address, origin, **more), "echo")
        taken.append((time.monotonic() - began) * 1000)
    return statistics.median(taken)


def held(once, count):
    """Connections that stay: `count` of them are open at a time."""
    conns = []
    lock = threading.Lock()

    def again():
        conn = once()
        with lock:
            conns.append(conn)
            oldest = conns.pop(0) if len(conns) > count else None
        if oldest is not None:
            oldest.close()

    return again


def floods(sshd, origin):
    """Each flood alone, from one source, while another one's requests are measured."""
    at = {"auth": "password", "users": scratch("users", USERS)}
    text = config(sshd, listen("login", **at), limit(connections=64, before_login=32, opens=16))
    with Adit(text, name="adit, floods") as adit, Blackhole() as hole:
        login = adit_login(adit)

        def connection():
            return From(FLOOD, adit.address).socket

        def slow_head():
            conn = connection()
            conn.sendall(b"CONNECT a:1 HTTP/1.1\r\nx: ")
            return conn

        @functools.cache
        def big():
            return Origin(body_then_digest(64 << 20))  # (in the process of the flood)

        def slow_reader():
            return connect_from(FLOOD, adit.address, ANY, big().port)

        def black_hole():
            conn = connection()
            conn.sendall(b"\x05\x01\x00\x05\x01\x00\x01" + socket.inet_aton(hole.address) +
                         hole.port.to_bytes(2, "big"))
            return conn

        def wrong_password():
            connect_from(FLOOD, login.address, ANY, origin.port,
                         credentials=("alice", "wrong")).close()

        # (A slow reader costs the megabytes that its channel's window takes.)
        cases = [("connections", held(connection, 300), 0.01, adit, {}),
                 ("slow heads", held(slow_head, 300), 0.01, adit, {}),
                 ("slow readers", held(slow_reader, 60), 0.3, adit, {}),
                 ("black-holed opens", held(black_hole, 100), 0.01, adit, {}),
                 ("wrong passwords", wrong_password, 0.01, login,
                  {"credentials": ("bob", "builder")})]
        quiet = times(adit, origin)
        for name, once, pace, proxy, more in cases:
            with tap.case(f"a flood of {name}: no failure for others"):
                with Flood(once, pace) as flood:
                    # (Who guesses passwords waits for each answer longer than for the last one.)
                    begun = 10 if once is wrong_password else 50
                    wait_until(lambda: flood.count > begun, "the flood has begun")
                    median = times(proxy, origin, **more)
                tap.diag(f"median {median:.2f} ms, without a flood {quiet:.2f} ms; "
                         f"{flood.count} attempts")
        with tap.case("one warning a minute for each kind at most"):
            true(1 <= len(adit.find(" warning: limit few")) <= 8, "warnings")


def adit_login(adit):
    class Login:
        """The listener with passwords."""
        address = adit.listener("login")
    return Login


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        by_source(sshd, origin)
        loopback(sshd, origin)
        by_header(sshd, origin)
        by_user(sshd, origin)
        by_all(sshd, origin)
        rates(sshd)
        opens(sshd, origin)
        floods(sshd, origin)


tap.run(main)

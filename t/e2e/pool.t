#!/usr/bin/env -S python3 -B
"""The pool of sessions: grows, shrinks, loses only what it must, heals; clients wait for it."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, holds, scratch, tap, true, wait_until
from adit_test.clients import Refused, closed, connect, connected, exchange, refusal, works
from adit_test.load import Load
from adit_test.origins import Blackhole, Origin, echo
from adit_test.sshd import Sshd


def grows_and_shrinks(origin):
    with Sshd() as sshd, Adit(config(sshd, up={"sessions": "1-4", "channels": 2, "idle": "1s"}),
                              name="adit with few channels") as adit:
        conns = []

        def add(count):
            for _ in range(count):
                conns.append(connect(adit.address, ANY, origin.port))
                true(exchange(conns[-1]), "echo")

        with tap.case("one session to begin with"):
            adit.sessions_up(1)
            add(1)
            equal(len(sshd.sessions()), 1, "sessions")
        with tap.case("more channels than a session should carry: more sessions"):
            for wanted in (2, 3, 4):
                while len(sshd.sessions()) < wanted and len(conns) < 60:
                    add(1)
                    time.sleep(0.05)
                wait_until(lambda wanted=wanted: len(sshd.sessions()) >= wanted, f"{wanted} sessions")
        with tap.case("never more than it may have"):
            add(30)
            true(len(sshd.sessions()) <= 4, f"{len(sshd.sessions())} sessions")
        with tap.case("every connection works"):
            for conn in conns:
                true(exchange(conn), "echo")
        with tap.case("without load it goes back to the least number"):
            for conn in conns:
                conn.close()
            wait_until(lambda: len(sshd.sessions()) == 1, "one session is left", 60)
            true(works(adit.address, origin), "echo")


def session_killed(origin):
    with Sshd() as sshd, Adit(config(sshd, up={"sessions": "4-4"}), name="adit with 4") as adit:
        adit.sessions_up(4)
        conns = {}
        for _ in range(40):
            conn = connect(adit.address, ANY, origin.port)
            conns[conn.getsockname()[1]] = conn
        with tap.case("kill -9 of one of four sessions: new requests do not fail"):
            with Load(adit.address, origin, rate=100) as load:
                load.wait(50)
                mark = adit.mark()
                sshd.kill_session(sshd.sessions()[0])
                lost = adit.wait_log(r"upstream office: session (\d+) lost", mark)[1]
                load.wait(100)
            equal(load.refused, [], "requests that were refused")
            true(load.good > 100, f"{load.good} requests were good")
        with tap.case("... the pool is whole again"):
            adit.wait_log(rf"upstream office: session {lost} up", mark)
            equal(len(sshd.sessions()), 4, "sessions")
        with tap.case("... and only its own connections ended"):
            broken = {port for port, conn in conns.items() if not survives(conn)}
            for conn in conns.values():
                conn.close()
            adit.wait_log(r" info: connection ", 0, count=40 + load.done())
            by_port = {}
            for line in adit.accesses():  # (a later one of the load may have had the port again)
                by_port.setdefault(int(line["client"].rpartition(":")[2]), line)
            equal({by_port[port]["session"] for port in broken}, {lost}, "sessions of the broken")
            equal({port for port in conns if by_port[port]["session"] == lost}, broken,
                  "connections of the session")
            equal({by_port[port]["session"] for port in conns} >= {"0", "1", "2", "3"}, True,
                  "all sessions carried some")
            equal({by_port[port]["session"] for port, _ in load.cut} - {lost}, set(),
                  "sessions of requests that were cut")


def survives(conn):
    try:
        return exchange(conn)
    except OSError:
        return False


def unconfirmed(origin):
    with Sshd() as sshd, Blackhole() as hole, \
            Adit(config(sshd, up={"sessions": "2-2", "hold": "60s", "open_timeout": "120s"}),
                 name="adit with 2") as adit:
        adit.sessions_up(2)
        with tap.case("a channel that was not confirmed is opened again, unseen by the client"):
            got = []

            def client():
                with connected(adit.address, hole.address, hole.port, timeout=150) as conn:
                    got.append(exchange(conn))

            thread = threading.Thread(target=client)
            thread.start()
            wait_until(lambda: (ANY, hole.port) in sshd.targets(), "sshd is asked")
            mark, asked = adit.mark(), sshd.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            adit.wait_log(r"session \d+ lost", mark, count=2)
            wait_until(lambda: (ANY, hole.port) in sshd.targets(asked), "sshd is asked again")
            hole.open()
            thread.join()
            equal(got, [True], "echo")
            true(works(adit.address, origin), "echo beside it")


def server_restarts(origin):
    with Sshd() as sshd, Adit(config(sshd, up={"sessions": "2-8", "hold": "90s"}),
                              name="adit through a restart") as adit:
        adit.sessions_up(2)
        with tap.case("sshd is gone for 5 s under 50 new requests a second: none is refused"):
            with Load(adit.address, origin, rate=50) as load:
                load.wait(25)
                sshd.stop()
                time.sleep(5)
                sshd.start()
                load.wait(250)
            equal(load.refused, [], "requests that were refused")
            true(load.good >= 250, f"{load.good} requests were good")
            true(len(load.cut) < 25, f"cut: {load.cut}")  # those under way when it went


def server_freezes(origin):
    with Sshd() as sshd, Adit(config(sshd, up={"sessions": "2-2", "keepalive": "1s",
                                               "keepalive_max": 2, "hold": "90s"}),
                              name="adit with keepalive") as adit:
        adit.sessions_up(2)
        with tap.case("sessions that fall silent are found dead and replaced; nobody is refused"):
            conn = connect(adit.address, ANY, origin.port)
            true(exchange(conn), "echo")
            with Load(adit.address, origin, rate=20) as load:
                load.wait(10)
                mark = adit.mark()
                frozen = sshd.freeze(everything=False)
                adit.wait_log(r"session \d+ lost", mark, count=2)
                adit.sessions_up(2, mark)
                load.wait(20)
            for pid in frozen:
                sshd.kill_session(pid)
            equal(load.refused, [], "requests that were refused")
            true(works(adit.address, origin), "echo")
            true(closed(conn), "a connection of a dead session ends")
            conn.close()
    with Sshd() as sshd, Adit(config(sshd, up={"sessions": "1-1", "keepalive": "1s",
                                               "keepalive_max": 100}),
                              name="patient adit") as adit:
        adit.sessions_up(1)
        with tap.case("a server that pauses shorter than that keeps its sessions"):
            with connected(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo")
                frozen = sshd.freeze()
                time.sleep(2.5)
                sshd.thaw(frozen)
                true(exchange(conn), "echo")
            equal(adit.find(r"session \d+ lost"), [], "sessions lost")


def several_hosts(origin):
    one = Sshd()
    two = Sshd(address="127.0.0.2", user_key=one.user_key)
    hosts = scratch("known_hosts", open(one.known_hosts, encoding="ascii").read()
                    + open(two.known_hosts, encoding="ascii").read())
    up = {"host": f"{one.address}:{one.port}, {two.address}:{two.port}", "known_hosts": hosts,
          "sessions": "4-4", "hold": "60s", "port": None}
    with one, two, Adit(config(one, up=up), name="adit with two hosts") as adit:
        with tap.case("sessions are spread over the hosts of an upstream"):
            adit.sessions_up(4)
            true(one.sessions(), "sessions at the first")
            true(two.sessions(), "sessions at the second")
        with tap.case("one host goes: the other carries all"):
            with Load(adit.address, origin, rate=50) as load:
                load.wait(25)
                mark, losses = adit.mark(), len(two.sessions())
                two.stop()
                adit.wait_log(r"session \d+ lost", mark, count=losses)
                load.wait(50)
            equal(load.refused, [], "requests that were refused")
            wait_until(lambda: len(one.sessions()) == 4, "four sessions at the other host")
    up["sessions"] = "1-2"
    with Sshd(host_key=one.host_key, user_key=one.user_key, port=one.port) as one, \
            Adit(config(one, up=up), name="adit with a host down") as adit:
        with tap.case("one host is down from the start"):
            for _ in range(10):
                true(works(adit.address, origin), "echo")


def nobody_there(origin):
    with Sshd(start=False) as sshd:
        with Adit(config(sshd, up={"hold": "1s"}), name="adit without a server") as adit:
            for protocol, code in (("socks5", 1), ("socks4", 0x5b), ("http", 503)):
                with tap.case(f"no server within `hold`: {protocol} says {code}"):
                    mark = adit.mark()
                    equal(refusal(adit.address, ANY, origin.port, protocol), code, "the answer")
                    adit.access(mark, protocol=protocol)
            with tap.case("... and the log says why"):
                holds(r"(?i)refused", adit.text(), "the log")
        with Adit(config(sshd, up={"hold": "120s"}), name="adit before its server") as adit:
            with tap.case("a client that came before the server waits for it"):
                got = []
                thread = threading.Thread(target=lambda: got.append(works(adit.address, origin)))
                thread.start()
                adit.wait_log(r"(?i)refused")
                sshd.start()
                thread.join()
                equal(got, [True], "echo")
        sshd.stop()


def one_channel_stuck(origin):
    with Sshd() as sshd, Blackhole() as hole, \
            Adit(config(sshd, up={"sessions": "1-1", "open_timeout": "1s"}),
                 name="adit with a stuck channel") as adit:
        with tap.case("open_timeout costs the channel, never the session"):
            with connected(adit.address, ANY, origin.port) as conn:
                try:
                    connect(adit.address, hole.address, hole.port).close()
                    true(False, "the open fails")
                except Refused as refused:
                    equal(refused.code, 6, "the answer")
                true(exchange(conn), "echo beside it")
                true(works(adit.address, origin), "echo after it")
            equal(adit.find(r"session \d+ lost"), [], "sessions lost")


def main():
    with Origin(echo) as origin:
        for part in (grows_and_shrinks, session_killed, unconfirmed, server_restarts,
                     server_freezes, several_hosts, nobody_there, one_channel_stuck):
            part(origin)


tap.run(main)

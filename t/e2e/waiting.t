#!/usr/bin/env -S python3 -B
"""What does not answer holds nobody up: an address, one family of a name, a session, a server that
resolves a name. Without the next attempt each of these requests would wait for an hour."""

import contextlib
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, section, tap, true, wait_until
from adit_test.clients import connected, exchange, request, works
from adit_test.dns import AAAA, Dns
from adit_test.network import ip, isolate
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

# Addresses to which packets go and from which none comes.
SILENT_4, SILENT_6 = "10.9.0.66", "fd00:9::66"
PATIENT = {"open_timeout": "1h", "keepalive": "1h"}


def swallow():
    """Makes a network in which the silent addresses are."""
    ip("link", "add", "name", "near", "type", "veth", "peer", "name", "far")
    ip("address", "add", "10.9.0.1/24", "dev", "near")
    ip("-6", "address", "add", "fd00:9::1/64", "dev", "near", "nodad")
    for link in ("near", "far"):
        ip("link", "set", link, "up")
    for address in (SILENT_4, SILENT_6):
        ip("neighbour", "add", address, "lladdr", "02:00:00:00:00:66", "dev", "near",
           "nud", "permanent")


def addresses(sshd, origin):
    table = {"dead.test": [SILENT_6, ANY], "dead4.test": [SILENT_4, ANY],
             "dying.test": [SILENT_6, SILENT_4, "fd00:9::1", ANY], "late.test": [ANY]}
    with Dns(table, unanswered=[("late.test", AAAA)]) as dns, Adit(
            config(sshd, section("resolve", {"order": "tunnel", "servers": f"{ANY}:{dns.port}"}),
                   up=PATIENT), name="adit, order = tunnel") as adit:
        for name, tried in (("dead.test", [SILENT_6, ANY]), ("dead4.test", [SILENT_4, ANY])):
            with tap.case(f"{name}: an address that never answers, then one that does"):
                mark = sshd.mark()
                true(works(adit.address, origin, "socks5h", host=name), "echo")
                equal([host for host, port in sshd.targets(mark) if port == origin.port], tried,
                      "what sshd was asked for")
                for protocol in ("socks4a", "http"):
                    true(works(adit.address, origin, protocol, host=name), f"echo by {protocol}")
        with tap.case("two addresses that never answer, one that refuses, one that answers"):
            true(works(adit.address, origin, "socks5h", host="dying.test"), "echo")
        with tap.case("a hundred connections to such a name"), contextlib.ExitStack() as stack:
            for _ in range(100):
                conn = stack.enter_context(
                    connected(adit.address, "dead.test", origin.port, "socks5h"))
                true(exchange(conn), "echo")
        with tap.case("a name whose IPv6 addresses are never told"):
            for protocol in ("socks5h", "http"):
                true(works(adit.address, origin, protocol, host="late.test"), f"echo by {protocol}")


def stopped(sshd, origin):
    with Adit(config(sshd, up={**PATIENT, "sessions": "2-8", "hold": "1h"}),
              name="adit whose sessions are stopped") as adit:
        adit.sessions_up(2)
        with tap.case("all sessions are stopped: requests are served by a new one"):
            frozen = sshd.freeze(everything=False)
            true(frozen, "there are sessions to stop")
            for _ in range(5):
                for protocol in ("socks5", "socks5h", "http"):
                    true(works(adit.address, origin, protocol), f"echo by {protocol}")
        with tap.case("... and the late answers do no harm"):
            sshd.thaw(frozen)
            true(works(adit.address, origin), "echo")
            equal(adit.find(r"session \d+ lost"), [], "sessions lost")


def resolving(sshd, origin):
    with Adit(config(sshd, up={**PATIENT, "sessions": "1-8"}),
              name="adit beside a name that takes long") as adit, contextlib.ExitStack() as stack:
        adit.sessions_up(1)
        with tap.case("beside a name that the server is long at, others are served"):
            mark = sshd.mark()
            slow = stack.enter_context(socket.create_connection(adit.address))
            slow.sendall(request("socks5h", "stuck.test", origin.port))
            waiting = []
            for _ in range(20):
                waiting.append(stack.enter_context(socket.create_connection(adit.address)))
                waiting[-1].sendall(request("socks5", ANY, origin.port))
            for conn in waiting:
                true(conn.recv(2) == b"\5\0" and conn.recv(2) == b"\5\0", "a reply of success")
            wait_until(lambda: ("stuck.test", origin.port) in sshd.targets(mark),
                       "the server was asked for the name")


def main():
    if not isolate("addresses that never answer"):
        return
    swallow()
    with Sshd(names={"stuck.test": (ANY, 3600)}) as sshd, Origin(echo) as origin:
        addresses(sshd, origin)
        stopped(sshd, origin)
        resolving(sshd, origin)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Who looks names up: the SSH server, a name server through the tunnel, this machine; the order."""

import contextlib
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, has_ipv6, section, tap, true, wait_until)
from adit_test.clients import connected, exchange, refusal, request, works
from adit_test.dns import AAAA, A, Dns
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

UNKNOWN = 4
FAR = {"far.test": ANY, "both.test": ANY, "slow.test": (ANY, 3), "stuck.test": (ANY, 120)}


def resolve(dns=None, order=None):
    return section("resolve", {"order": order, "servers": dns and f"{ANY}:{dns.port}"})


def hosts(sshd, since, port):
    """What sshd was asked for at that port."""
    return [host for host, asked in sshd.targets(since) if asked == port]


def remote(sshd, origin):
    with Adit(config(sshd, resolve(order="remote")), name="adit, order = remote") as adit:
        with tap.case("remote: the server looks the name up"):
            mark = sshd.mark()
            for protocol in ("socks5h", "socks4a", "http"):
                true(works(adit.address, origin, protocol, host="far.test"), f"echo by {protocol}")
            equal(hosts(sshd, mark, origin.port), ["far.test"] * 3, "what sshd was asked for")
        with tap.case("remote: a name the server does not know"):
            mark = adit.mark()
            equal(refusal(adit.address, "nobody.test", origin.port, "socks5h"), UNKNOWN,
                  "the answer")
            adit.access(mark, target=f"nobody.test:{origin.port}")
    with Adit(config(sshd), name="adit without [resolve]") as adit:
        with tap.case("no [resolve]: the server looks the name up"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="far.test"), "echo")
            equal(hosts(sshd, mark, origin.port), ["far.test"], "what sshd was asked for")


def connected_by(adit, port):
    """Whether one of adit's own TCP sockets leads to that port."""
    inodes = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            words = line.split()
            if words[2].endswith(f":{port:04X}"):
                inodes.add(f"socket:[{words[9]}]")
    links = set()
    gateway = adit.gateway
    for name in os.listdir(f"/proc/{gateway}/fd"):
        try:
            links.add(os.readlink(f"/proc/{gateway}/fd/{name}"))
        except OSError:
            pass  # closed meanwhile
    return bool(inodes & links)


def tunnel(sshd, origin):
    table = {"web.test": [ANY], "two.test": ["127.0.0.9", ANY], "six.test": ["::1"],
             "nodata.test": [], "broken.test": None}
    with Dns(table) as dns, Adit(config(sshd, resolve(dns, "tunnel")),
                                 name="adit, order = tunnel") as adit:
        with tap.case("tunnel: the name server is asked through the tunnel, sshd for the address"):
            mark = sshd.mark()
            for protocol in ("socks5h", "socks4a", "http"):
                true(works(adit.address, origin, protocol, host="web.test"), f"echo by {protocol}")
            equal(hosts(sshd, mark, origin.port), [ANY] * 3, "what sshd was asked for")
            true(hosts(sshd, mark, dns.port), "sshd was asked for the name server")
            false(connected_by(adit, dns.port), "adit is connected to it directly")
            equal(adit.access(protocol="http")["target"], f"web.test:{origin.port}",
                  "the access line's target")
        with tap.case("tunnel: an answer is kept for its TTL"):
            before = len(dns.asked("web.test"))
            for _ in range(5):
                true(works(adit.address, origin, "socks5h", host="WEB.test."), "echo")
            equal(len(dns.asked("web.test")), before, "queries")
        with tap.case("tunnel: both families are asked for"):
            true({A, AAAA} <= set(dns.asked("web.test")), "A and AAAA")
        with tap.case("tunnel: all addresses of a name are tried"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="two.test"), "echo")
            true(hosts(sshd, mark, origin.port)[-1] == ANY, "the one that answers comes last")
        if has_ipv6():
            with tap.case("tunnel: a name with IPv6 only"), Origin(echo, "::1") as six:
                true(works(adit.address, six, "socks5h", host="six.test"), "echo")
        for name, what in (("nobody.test", "that does not exist"),
                           ("nodata.test", "without addresses"),
                           ("broken.test", "that the name server cannot tell"),
                           ("far.test", "that only the SSH server knows")):
            with tap.case(f"tunnel: a name {what}"):
                mark = sshd.mark()
                equal(refusal(adit.address, name, origin.port, "socks5h"), UNKNOWN, "the answer")
                equal(refusal(adit.address, name, origin.port, "http"), 502, "HTTP's answer")
                equal(hosts(sshd, mark, origin.port), [], "what sshd was asked for")
        with tap.case("tunnel: a name that does not exist is remembered for a while"):
            before = len(dns.asked("nobody.test"))
            for _ in range(20):
                refusal(adit.address, "nobody.test", origin.port, "socks5h")
            true(len(dns.asked("nobody.test")) - before < 20, "not each is asked for")
        with tap.case("tunnel: addresses need no name server"):
            before = len(dns.queries)
            true(works(adit.address, origin, "socks5h", host=ANY), "echo")
            true(works(adit.address, origin, "socks5", host=ANY), "echo")
            equal(len(dns.queries), before, "queries")


def fall_through(sshd, origin):
    with Dns({"tunnelled.test": [ANY], "both.test": ["127.0.0.9"]}) as dns:
        for order in ("remote, tunnel", None):
            with Adit(config(sshd, resolve(dns, order)), name=f"adit, order = {order}") as adit:
                with tap.case(f"order = {order}: the server first"):
                    mark, before = sshd.mark(), len(dns.queries)
                    true(works(adit.address, origin, "socks5h", host="both.test"), "echo")
                    equal(hosts(sshd, mark, origin.port), ["both.test"], "what sshd was asked for")
                    equal(len(dns.queries), before, "queries")
                with tap.case(f"order = {order}: then the name server"):
                    mark = sshd.mark()
                    true(works(adit.address, origin, "socks5h", host="tunnelled.test"), "echo")
                    equal(hosts(sshd, mark, origin.port), ["tunnelled.test", ANY],
                          "what sshd was asked for")
                with tap.case(f"order = {order}: a name that nobody knows"):
                    equal(refusal(adit.address, "nobody.test", origin.port, "socks5h"), UNKNOWN,
                          "the answer")
                    true(dns.asked("nobody.test"), "the name server was asked")
                with tap.case(f"order = {order}: a closed port is no unknown name"):
                    before = len(dns.asked("far.test"))
                    equal(refusal(adit.address, "far.test", 1, "socks5h"), 5, "the answer")
                    equal(len(dns.asked("far.test")), before, "queries")


def local(sshd, origin):
    with Adit(config(sshd, resolve(order="local")), name="adit, order = local") as adit:
        with tap.case("local: this machine looks the name up, sshd is asked for the address"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="localhost"), "echo")
            asked = hosts(sshd, mark, origin.port)
            equal(asked[-1], ANY, "what sshd was asked for")
            false("localhost" in asked, "sshd was asked for the name")
        with tap.case("local: that names leak is told at start"):
            true(adit.find(r"(?i)order has local|leak"), "a notice")
    with Adit(config(sshd, resolve(order="remote, local")),
              name="adit, order = remote, local") as adit:
        with tap.case("remote, local: a name that the server knows stays with it"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="far.test"), "echo")
            equal(hosts(sshd, mark, origin.port), ["far.test"], "what sshd was asked for")


def slow(sshd, origin):
    """sshd looks names up one at a time, and its whole session waits: nobody else should."""
    with Adit(config(sshd, up={"sessions": "1-4"}), name="adit with a slow name") as adit:
        with tap.case("a name that takes the server long holds up nobody for ever"):
            true(works(adit.address, origin), "echo")
            mark = adit.mark()
            with connected(adit.address, ANY, origin.port) as beside:
                with connected(adit.address, "slow.test", origin.port, "socks5h") as conn:
                    true(exchange(conn), "echo through the slow name")
                true(exchange(beside), "echo beside it")
            equal(adit.find(r"session \d+ lost", mark), [], "sessions lost")
            wait_until(lambda: adit.find(r"connection .*slow\.test", mark), "the access line")


def beside(sshd, origin):
    """Who transfers something does not stand still for names."""
    block = bytes(16384)
    with Adit(config(sshd, up={"sessions": "1-4", "idle": "1s"}),
              name="adit with slow names beside a transfer") as adit, contextlib.ExitStack() as stuck:
        def ask():
            conn = stuck.enter_context(socket.create_connection(adit.address))
            conn.sendall(request("socks5h", "stuck.test", origin.port))

        def up(count):
            return exchange(transfer, block) and \
                len(adit.find(r"office: session \d+ up")) >= count

        with connected(adit.address, ANY, origin.port) as transfer:
            with tap.case("beside a transfer there is a session without, before it is asked for"):
                wait_until(lambda: up(2), "another session")
            with tap.case("a transfer goes on beside names that the server is long at"):
                mark = sshd.mark()
                for _ in range(5):
                    ask()
                wait_until(lambda: exchange(transfer, block) and hosts(sshd, mark, origin.port),
                           "the server is at the first of them")
                true(all(exchange(transfer, block) for _ in range(50)), "echo")
            with tap.case("then there is another one, and a quick name is not held up by them"):
                wait_until(lambda: up(3), "another session")
                true(works(adit.address, origin, "socks5h", host="far.test"), "echo")
                true(exchange(transfer, block), "echo of the transfer")
                equal(adit.find(r"session \d+ (lost|closed)"), [], "sessions lost or closed")


def main():
    with Sshd(names=FAR) as sshd, Origin(echo) as origin:
        remote(sshd, origin)
        tunnel(sshd, origin)
        fall_through(sshd, origin)
        local(sshd, origin)
        slow(sshd, origin)
        beside(sshd, origin)


tap.run(main)

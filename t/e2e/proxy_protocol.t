#!/usr/bin/env -S python3 -B
"""Behind a balancer: the PROXY protocol's header, from HAProxy and made by hand."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, acl, config, equal, listen, patience, scratch, tap, true
from adit_test.clients import (closed, exchange, http_request, read_head, reply, request,
                               socks5_reply, works)
from adit_test.gateway import ACCESS, fields
from adit_test.origins import Origin, echo
from adit_test.proxy_protocol import (CRC32C, LOCAL, NOOP, SIGNATURE, TCP6, UDP4, UNIQUE_ID, UNIX,
                                      UNSPEC, Haproxy, connect_by, connect_from, tlv, v1, v2)
from adit_test.sshd import Sshd

CLIENT = "192.0.2.7"
BALANCED = {"proxy_protocol": "any", "proxy_from": "127.0.0.1, unix", "open": "yes"}


def sources(adit, origin):
    """What the header says is the client, for rules and log."""
    cases = [
        ("version 1", v1(CLIENT), f"{CLIENT}:4711"),
        ("version 1, IPv6", v1("2001:db8::7", family="TCP6", to="::1"), "[2001:db8::7]:4711"),
        ("version 2", v2(CLIENT), f"{CLIENT}:4711"),
        ("version 2, IPv6", v2("2001:db8::7", family=TCP6), "[2001:db8::7]:4711"),
        ("version 2 with a CRC32C", v2(CLIENT, tlvs=tlv(NOOP, b"xyz"), checked=True),
         f"{CLIENT}:4711"),
        ("version 2, unix", v2(family=UNIX, tlvs=bytes(216)), "unix"),
    ]
    for name, header, client in cases:
        for protocol in ("socks5", "socks4", "http"):
            with tap.case(f"{name}, then {protocol}"):
                mark = adit.mark()
                with connect_by(adit.address, header, ANY, origin.port, protocol,
                                drip=protocol == "http") as conn:
                    host, port = conn.getsockname()
                    true(exchange(conn), "echo")
                adit.access(mark, client=client, balancer=f"{host}:{port}", outcome="ok",
                            protocol=protocol)
    with tap.case("header, request and data in one segment"):
        with socket.create_connection(adit.address, timeout=patience(60)) as conn:
            conn.sendall(v2(CLIENT) + request("socks5", ANY, origin.port) + b"early")
            equal(reply(conn, 2), b"\x05\x00", "the method")
            equal(socks5_reply(conn)[0], 0, "the reply")
            equal(reply(conn, 5), b"early", "the echo")
    with tap.case("the unique id is in the log, and cannot forge a line"):
        mark = adit.mark()
        with connect_by(adit.address, v2(CLIENT, tlvs=tlv(UNIQUE_ID, b"a b\n%\xff")), ANY,
                        origin.port) as conn:
            true(exchange(conn), "echo")
        adit.access(mark, id="a%20b%0A%25%FF", outcome="ok")


def connections(adit, origin):
    """Headers that leave the connection's own addresses."""
    for name, header in (("LOCAL", v2(command=LOCAL, family=UNSPEC)),
                         ("LOCAL with bytes", v2(command=LOCAL, family=0xff, tlvs=b"\x03\xff")),
                         ("UNSPEC", v2(family=UNSPEC)), ("UNKNOWN", b"PROXY UNKNOWN x y\r\n")):
        with tap.case(f"{name}: the connection's own address"):
            mark = adit.mark()
            with connect_by(adit.address, header, ANY, origin.port) as conn:
                host, port = conn.getsockname()
                true(exchange(conn), "echo")
            found = adit.access(mark, client=f"{host}:{port}", outcome="ok")
            true("balancer" not in found, f"{found}")
    with tap.case("a health check has no line at info"):
        mark = adit.mark()
        with socket.create_connection(adit.address, timeout=patience(60)) as conn:
            port = conn.getsockname()[1]
            conn.sendall(v2(command=LOCAL, family=UNSPEC))
            conn.shutdown(socket.SHUT_WR)
            true(closed(conn), "closed")
        adit.wait_log(f" debug: connection connection=.* client={ANY}:{port} .*outcome=given-up",
                      mark)


def refused(adit):
    """Headers that are none end the connection, without an answer and without a client."""
    good = v2(CLIENT, checked=True)
    cases = [
        ("no header", request("socks5", ANY, 9), "does not begin with one"),
        ("no header, HTTP", b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", "does not begin with one"),
        ("a zero before a port", v1(CLIENT, port="04711"), "malformed"),
        ("IPv6 under TCP4", v1("2001:db8::1"), "malformed"),
        ("a line without end", b"PROXY TCP4 " + b"1" * 200, "longer than 107"),
        ("UDP", v2(CLIENT, family=UDP4), "address family"),
        ("version 1 in the binary form", SIGNATURE + b"\x11\x11\x00\x00", "version or command"),
        ("shorter than its addresses", v2(CLIENT, length=11), "shorter than its addresses"),
        ("half a TLV", v2(CLIENT, tlvs=b"\x04\x00"), "cut short"),
        ("a TLV beyond the end", v2(CLIENT, tlvs=b"\x04\x00\x09x"), "longer than the header"),
        ("a wrong CRC32C", good[:-1] + bytes([good[-1] ^ 1]), "CRC32C is wrong"),
        ("another address than the CRC32C's", good.replace(b"\xc0\x00\x02", b"\x0a\x00\x02"),
         "CRC32C is wrong"),
        ("two CRC32Cs", v2(CLIENT, tlvs=tlv(CRC32C, bytes(4)), checked=True), "not one CRC32C"),
        ("an id of 129 bytes", v2(CLIENT, tlvs=tlv(UNIQUE_ID, b"x" * 129)), "at most 128"),
    ]
    for name, header, why in cases:
        with tap.case(f"{name} is refused"):
            mark = adit.mark()
            with socket.create_connection(adit.address, timeout=patience(60)) as conn:
                port = conn.getsockname()[1]
                conn.sendall(header)
                true(closed(conn), "closed")
            found = adit.access(mark, client=f"{ANY}:{port}", outcome="malformed")
            true(found["end"].startswith("PROXY header: ") and why in found["end"], f"{found}")


def truncated(sshd):
    headers = (("version 1", v1(CLIENT)[:-1]), ("version 2", v2(CLIENT)[:-1]))
    with Adit(config(sshd, at=BALANCED, gate={"handshake_timeout": "300ms"}),
              name="adit, a short time") as adit:
        for name, header in headers:
            with tap.case(f"{name}, cut short, ends at handshake_timeout"):
                mark = adit.mark()
                with socket.create_connection(adit.address, timeout=patience(60)) as conn:
                    conn.sendall(header)
                    equal(conn.recv(100), b"", "what comes")
                adit.access(mark, outcome="handshake-timeout")
    with Adit(config(sshd, at=BALANCED), name="adit, a long time") as adit:
        for name, header in headers:
            with tap.case(f"{name}, cut short, and the end of data"):
                mark = adit.mark()
                with socket.create_connection(adit.address, timeout=patience(60)) as conn:
                    conn.sendall(header)
                    conn.shutdown(socket.SHUT_WR)
                    true(closed(conn), "closed")
                adit.access(mark, outcome="given-up", end="closed before asking")


def forged(sshd, origin):
    """A header gives nothing to a client that is no balancer."""
    text = config(sshd, listen("plain"), acl("allow from=192.0.2.0/24 to=*"),
                  at={**BALANCED, "proxy_from": "127.0.0.9", "open": "no"})
    with Adit(text, name="adit, other balancers") as adit:
        for name, header in (("version 1", v1(CLIENT)), ("version 2", v2(CLIENT))):
            for listener in ("browser", "plain"):
                with tap.case(f"a forged header of {name} at {listener}"):
                    mark = adit.mark()
                    with socket.create_connection(adit.listener(listener),
                                                  timeout=patience(60)) as conn:
                        port = conn.getsockname()[1]
                        conn.sendall(header + request("socks5", ANY, origin.port))
                        true(closed(conn), "closed")
                    found = adit.access(mark, client=f"{ANY}:{port}", outcome="malformed")
                    true("a header of the PROXY protocol came" in found["end"], f"{found}")
        with tap.case("a client that is no balancer is judged by its own address"):
            mark = adit.mark()
            with socket.create_connection(adit.address, timeout=patience(60)) as conn:
                conn.sendall(http_request(ANY, origin.port))
                true(b" 403 " in read_head(conn), "403")
            adit.access(mark, outcome="denied", verdict="deny")
        with tap.case("and one behind the balancer by the header's"):
            mark = adit.mark()
            with connect_from("127.0.0.9", adit.address) as conn:
                conn.sendall(v1(CLIENT) + request("socks5", ANY, origin.port))
                equal(reply(conn, 2), b"\x05\x00", "the method")
                equal(socks5_reply(conn)[0], 0, "the reply")
            adit.access(mark, outcome="ok", rule="allow = from=192.0.2.0/24 to=*")
        with tap.case("but not by the balancer's own"):
            mark = adit.mark()
            with connect_from("127.0.0.9", adit.address) as conn:
                conn.sendall(v1("198.51.100.1") + request("socks5", ANY, origin.port))
                equal(reply(conn, 2), b"\x05\x00", "the method")
                equal(socks5_reply(conn)[0], 2, "the reply")
            adit.access(mark, outcome="denied", client="198.51.100.1:4711")


def versions(sshd, origin):
    text = config(sshd, listen("two", **{**BALANCED, "proxy_protocol": "v2"}),
                  at={**BALANCED, "proxy_protocol": "v1"})
    with Adit(text, name="adit, one version") as adit:
        with tap.case("v1 reads version 1 only"):
            with connect_by(adit.address, v1(CLIENT), ANY, origin.port) as conn:
                true(exchange(conn), "echo")
            with socket.create_connection(adit.address, timeout=patience(60)) as conn:
                conn.sendall(v2(CLIENT))
                true(closed(conn), "closed")
        with tap.case("v2 reads version 2 only"):
            with connect_by(adit.listener("two"), v2(CLIENT), ANY, origin.port) as conn:
                true(exchange(conn), "echo")
            with socket.create_connection(adit.listener("two"), timeout=patience(60)) as conn:
                conn.sendall(v1(CLIENT))
                true(closed(conn), "closed")


def by_haproxy(adit, origin):
    if not tap.have("by HAProxy", "haproxy"):
        return
    host, port = adit.address
    path = adit.listener("unix")
    v2_words = "send-proxy-v2 proxy-v2-options crc32c,unique-id"
    with Haproxy(f"{host}:{port}", ["send-proxy", v2_words]) as haproxy, \
            Haproxy(f"unix@{path}", [v2_words]) as by_unix:
        for name, at in (("send-proxy", haproxy.ports[0]), ("send-proxy-v2", haproxy.ports[1]),
                         ("send-proxy-v2 over a unix socket", by_unix.ports[0])):
            for protocol in ("socks5", "http"):
                with tap.case(f"HAProxy's {name}, {protocol}"):
                    mark = adit.mark()
                    with connect_from("127.0.0.5", (ANY, at)) as conn:
                        mine = conn.getsockname()[1]
                        conn.sendall(request(protocol, ANY, origin.port))
                        if protocol == "http":
                            true(b" 200 " in read_head(conn), "200")
                        else:
                            equal(reply(conn, 2), b"\x05\x00", "the method")
                            equal(socks5_reply(conn)[0], 0, "the reply")
                        true(exchange(conn), "echo")
                    found = adit.access(mark, client=f"127.0.0.5:{mine}", outcome="ok")
                    if "v2" in name:
                        equal(found["id"], f"id-127.0.0.5-{mine}", "the id")
                    true(found["balancer"].startswith("unix" if "unix" in name else ANY),
                         f"{found}")
    with Haproxy(f"{host}:{port}", ["send-proxy-v2 check inter 50ms check-send-proxy"]):
        with tap.case("HAProxy's health checks have no line at info"):
            mark = adit.mark()
            adit.wait_log(r" debug: connection connection=.* outcome=given-up", mark, count=3)
            equal([line for line in adit.lines[mark:] if ACCESS in line
                   and fields(line)["listen"] == "browser"], [], "access lines at info")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        with Adit(config(sshd, listen("unix", **{**BALANCED, "address": f"unix:{scratch('s')}"}),
                         at=BALANCED, gate={"log": "debug"})) as adit:
            sources(adit, origin)
            connections(adit, origin)
            refused(adit)
            by_haproxy(adit, origin)
        truncated(sshd)
        forged(sshd, origin)
        versions(sshd, origin)
        with Adit(config(sshd, at={**BALANCED, "proxy_from": "10.0.0.0/8"}),
                  name="adit, plain clients") as adit:
            with tap.case("a client that is no balancer needs no header"):
                true(works(adit.address, origin), "echo")


tap.run(main)

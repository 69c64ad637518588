#!/usr/bin/env -S python3 -B
"""What clients may say, and what they hear: SOCKS5, SOCKS4, SOCKS4a and HTTP CONNECT."""

import itertools
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, free_port, has_ipv6, holds, listen, patience,
                       scratch, tap, true, upstream)
from adit_test.clients import (HELLO, PROTOCOLS, Closed, Line, Refused, closed, connect, connected,
                               exchange, http_fields, http_request, password_request, read_all,
                               refusal, request, socks4_request, socks5_request, works)
from adit_test.origins import (Blackhole, Origin, body_bytes, body_then_digest, digest,
                               digest_then_answer, echo, how_it_ends, read_digest,
                               read_exactly, reset, reset_after_one_byte)
from adit_test.sshd import Sshd

SIZE = 400_000
TARGET = socks5_request(ANY, 9)


def carried(adit, origin):
    """Every protocol, whole or in single bytes, with the first data in the same segment."""
    for protocol in PROTOCOLS:
        host = "localhost" if protocol in ("socks5h", "socks4a") else ANY
        for drip in (False, True):
            with tap.case(f"{protocol}: request and data {'byte by byte' if drip else 'at once'}"):
                with connected(adit.address, host, origin.port, protocol, early=b"early",
                               drip=drip) as conn:
                    equal(read_exactly(conn, 5), b"early", "the echo of the early data")
                    true(exchange(conn), "echo")
        with tap.case(f"{protocol}: request, much data and its end at once"), \
                Origin(digest_then_answer) as digester:
            line = Line(adit.address)
            line.send(request(protocol, host, digester.port) + body_bytes(SIZE))
            line.socket.shutdown(socket.SHUT_WR)
            got = read_all(line.socket)
            line.socket.close()
            true(got.endswith(f"{SIZE} {digest(SIZE)}\n".encode()), f"the digest ends {got!r}")


def literals(sshd, adit, origin):
    for name, wanted in ((ANY, ANY), ("LocalHost.", "localhost")):
        with tap.case(f"SOCKS5: the name {name} goes to the server as {wanted}"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host=name), "echo")
            equal(sshd.targets(mark), [(wanted, origin.port)], "what sshd was asked for")
    if not has_ipv6():
        tap.leave_out("IPv6 literals", "no IPv6 on loopback")
        return
    with Origin(echo, "::1") as far:
        for protocol in ("socks5", "socks5h", "http"):
            with tap.case(f"{protocol}: an IPv6 literal"):
                mark = adit.mark()
                true(works(adit.address, far, protocol, host="::1"), "echo")
                adit.access(mark, target=f"[::1]:{far.port}", outcome="ok")


def listeners(adit, origin):
    for place in adit.listeners()["many"]:
        with tap.case(f"every protocol on {place if isinstance(place, str) else place[0]}"):
            for protocol in PROTOCOLS:
                true(works(place, origin, protocol), f"echo by {protocol}")
    with tap.case("a listener that speaks SOCKS5 alone refuses the rest"):
        only = adit.listener("only5")
        true(works(only, origin, "socks5"), "echo by socks5")
        for protocol in ("socks4", "socks4a", "http"):
            try:
                connect(only, ANY, origin.port, protocol).close()
            except (Refused, Closed, OSError):
                continue
            true(False, f"{protocol} is refused")


# What is malformed: (name, bytes, what may be answered); a close alone is always right.
NO_SUCCESS_5 = rb"\x05\x00(\x05[\x01-\x08]\x00\x01.{6})?"
BAD_REQUEST = rb"HTTP/1\.1 4\d\d .*"
NO_SUCCESS = rb"(?s)\A(\x05\xff|\x05\x00(\x05[^\x00].*)?|\x00[^\x5a].*|HTTP/1.1 [45].*)?\Z"
REJECTED = rb"\x00[\x5b-\x5d].{6}"
MALFORMED = [
    ("SOCKS5: no methods", b"\x05\x00", rb"\x05\xff"),
    ("SOCKS5: methods we do not have", b"\x05\x02\x01\x80", rb"\x05\xff"),
    ("SOCKS5: request of another version", HELLO + b"\x04" + TARGET[1:], NO_SUCCESS_5),
    ("SOCKS5: command 0", HELLO + socks5_request(ANY, 9, 0), rb"\x05\x00\x05\x07\x00.*"),
    ("SOCKS5: command 4", HELLO + socks5_request(ANY, 9, 4), rb"\x05\x00\x05\x07\x00.*"),
    ("SOCKS5: command 255", HELLO + socks5_request(ANY, 9, 255), rb"\x05\x00\x05\x07\x00.*"),
    ("SOCKS5: UDP ASSOCIATE", HELLO + socks5_request(ANY, 9, 3), rb"\x05\x00\x05\x07\x00.*"),
    ("SOCKS5: address type 0", HELLO + b"\x05\x01\x00\x00\x01\x02\x03\x04\x00\x09",
     rb"\x05\x00\x05\x08\x00.*"),
    ("SOCKS5: address type 2", HELLO + b"\x05\x01\x00\x02\x01\x02\x03\x04\x00\x09",
     rb"\x05\x00\x05\x08\x00.*"),
    ("SOCKS5: an empty name", HELLO + b"\x05\x01\x00\x03\x00\x00\x09", NO_SUCCESS_5),
    ("SOCKS5: a name with NUL", HELLO + b"\x05\x01\x00\x03\x03a\x00b\x00\x09", NO_SUCCESS_5),
    ("SOCKS5: a name with a newline", HELLO + b"\x05\x01\x00\x03\x03a\nb\x00\x09", NO_SUCCESS_5),
    ("SOCKS5: a name with a space", HELLO + b"\x05\x01\x00\x03\x03a b\x00\x09", NO_SUCCESS_5),
    ("SOCKS5: port 0", HELLO + socks5_request(ANY, 0), NO_SUCCESS_5),
    ("SOCKS4: command 0", socks4_request(ANY, 9, 0), REJECTED),
    ("SOCKS4: command 9", socks4_request(ANY, 9, 9), REJECTED),
    ("SOCKS4: a user id without end", b"\x04\x01\x00\x09\x7f\x00\x00\x01" + b"u" * 600, REJECTED),
    ("SOCKS4: port 0", socks4_request(ANY, 0), REJECTED),
    ("SOCKS4a: an empty name", b"\x04\x01\x00\x09\x00\x00\x00\x01\x00\x00", REJECTED),
    ("SOCKS4a: a name without end", b"\x04\x01\x00\x09\x00\x00\x00\x01\x00" + b"n" * 600, REJECTED),
    ("SOCKS4a: a name with a newline", b"\x04\x01\x00\x09\x00\x00\x00\x01\x00a\nb\x00", REJECTED),
    ("HTTP: a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD_REQUEST),
    ("HTTP: SSH", b"SSH-2.0-OpenSSH_9.2\r\n", BAD_REQUEST),
    ("HTTP: SOCKS of the future", b"\x06\x01\x00", BAD_REQUEST),
    ("HTTP: the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_REQUEST),
]
MALFORMED += [
    (f"HTTP: {name}", head.encode("latin-1") if isinstance(head, str) else head, BAD_REQUEST)
    for name, head in (
        ("an origin-form target", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a target in https", "GET https://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n\r\n"),
        ("a target in ftp", "GET ftp://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n\r\n"),
        ("CONNECT without a port", "CONNECT localhost HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT to port 0", "CONNECT localhost:0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT to port 65536", "CONNECT localhost:65536 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT to port +9", "CONNECT localhost:+9 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT to no host", "CONNECT :9 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT to a target with a path", "CONNECT localhost:9/x HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("CONNECT with an absolute target", "CONNECT http://localhost:9/ HTTP/1.1\r\n\r\n"),
        ("an open bracket", "CONNECT [::1:9 HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("no version", "CONNECT localhost:9\r\n\r\n"),
        ("HTTP/3.0", "CONNECT localhost:9 HTTP/3.0\r\n\r\n"),
        ("a version in lower case", "CONNECT localhost:9 http/1.1\r\n\r\n"),
        ("four words", "CONNECT localhost:9 x HTTP/1.1\r\n\r\n"),
        ("a method that is none", "GE(T http://localhost:9/ HTTP/1.1\r\n\r\n"),
        ("a field without a colon", "CONNECT localhost:9 HTTP/1.1\r\nHost localhost\r\n\r\n"),
        ("a space before the colon", "CONNECT localhost:9 HTTP/1.1\r\nHost : localhost\r\n\r\n"),
        ("a field without a name", "CONNECT localhost:9 HTTP/1.1\r\n: x\r\n\r\n"),
        ("a folded field", "CONNECT localhost:9 HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"),
        ("NUL in a field", "CONNECT localhost:9 HTTP/1.1\r\nHost: x\0y\r\n\r\n"),
        ("a bare CR in a field", "CONNECT localhost:9 HTTP/1.1\r\nHost: x\ry\r\n\r\n"),
        ("a length and chunks", "POST http://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n"
         "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("two lengths", "POST http://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n"
         "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("a negative length", "POST http://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n"
         "Content-Length: -5\r\n\r\nhello"),
        ("a length over 64 bits", "POST http://localhost:9/ HTTP/1.1\r\nHost: localhost:9\r\n"
         "Content-Length: 18446744073709551617\r\n\r\nh"),
        ("a coding that is not chunked", "POST http://localhost:9/ HTTP/1.1\r\nHost: x\r\n"
         "Transfer-Encoding: gzip\r\n\r\nhello"),
        ("a head without end", "CONNECT localhost:9 HTTP/1.1\r\n" + "X: y\r\n" * 20000),
    )
]
MALFORMED_1929 = [
    ("another version", b"\x05\x05alice\x03abc"),
    ("NUL in the user", b"\x01\x02a\x00\x03abc"),
    ("NUL in the password", b"\x01\x05alice\x03a\x00c"),
    ("an empty user", b"\x01\x00\x03abc"),
    ("an empty password", b"\x01\x05alice\x00"),
]


def answer(address, data, drip):
    """Sends bytes and returns all that comes until the close; an early close is no error here."""
    line = Line(address, drip)
    got = b""
    try:
        line.send(data)
    except OSError:
        pass  # it closed before it had all: as it should
    try:
        while part := line.socket.recv(1 << 16):
            got += part
    except ConnectionError:
        pass
    finally:
        line.socket.close()
    return got


def malformed(adit, origin):
    before = len(origin.connections)
    near = b"localhost:%d" % origin.port
    for name, data, wanted in MALFORMED:
        data = data.replace(b"localhost:9", near).replace(b"\x7f\0\0\x01\x00\x09",
                                                          b"\x7f\0\0\x01" +
                                                          origin.port.to_bytes(2, "big"))
        with tap.case(f"malformed {name}"):
            for drip in ((False, True) if len(data) < 2000 else (False,)):
                got = answer(adit.address, data, drip)
                true(got == b"" or re.fullmatch(wanted, got, re.DOTALL),
                     f"{'by bytes' if drip else 'at once'}: {got[:200]!r} is {wanted!r}")
                true(not got.startswith(b"\x05\x00\x05\x00"), "it is no success")
    with tap.case("UDP ASSOCIATE is answered, not only closed"):
        got = answer(adit.address, HELLO + socks5_request(ANY, origin.port, 3), False)
        equal(got[:4], b"\x05\x00\x05\x07", "the answer")
    guarded = adit.listener("guarded")
    for name, data in MALFORMED_1929:
        with tap.case(f"malformed RFC 1929: {name}"):
            for drip in (False, True):
                got = answer(guarded, b"\x05\x01\x02" + data + TARGET, drip)
                holds(rb"\A\x05\x02(\x01[^\x00])?\Z", got, "the answer")
    with tap.case("nothing malformed reached the origin"):
        equal(len(origin.connections), before, "connections")
    with tap.case("after all that"):
        true(works(adit.address, origin), "echo")


def cut_short(adit, origin):
    """Requests that end, or stall, after each of their bytes."""
    requests = {
        "SOCKS5": HELLO + socks5_request("localhost", origin.port),
        "SOCKS4a": socks4_request("localhost", origin.port, user=b"me"),
        "HTTP": http_request("localhost", origin.port),
    }
    before = len(origin.connections)
    for name, whole in requests.items():
        for how in ("is cut", "stalls"):
            with tap.case(f"{name}: a request that {how} after any byte ends in a close"):
                lines = []
                for length in range(len(whole)):
                    lines.append(Line(adit.address))
                    lines[-1].send(whole[:length])
                    if how == "is cut":
                        lines[-1].socket.shutdown(socket.SHUT_WR)
                for length, line in enumerate(lines):
                    line.socket.settimeout(patience(60))
                    try:
                        got = read_all(line.socket)
                    except ConnectionError:
                        got = b""
                    line.socket.close()
                    holds(NO_SUCCESS, got, f"after {length} bytes")
    with tap.case("RFC 1929: a request that stalls ends in a close"):
        line = Line(adit.listener("guarded"))
        line.send(b"\x05\x01\x02" + password_request("alice", "secret")[:-1])
        equal(read_all(line.socket)[:2], b"\x05\x02", "the method")
        line.socket.close()
    with tap.case("no part of a request reached the origin"):
        equal(len(origin.connections), before, "connections")


def failures(adit, hole):
    """The failures of wire/outcome.c, as far as a real server can be made to say them."""
    port = free_port()
    table = [
        # outcome, listener, host, port, SOCKS5, SOCKS4, HTTP
        ("refused", "browser", "localhost", port, 0x05, 0x5b, 502),
        ("unknown-host", "browser", "nobody.test", port, 0x04, 0x5b, 502),
        ("prohibited", "closed", "localhost", port, 0x02, 0x5b, 403),
        ("denied", "browser", "denied.test", port, 0x02, 0x5b, 403),
        ("open-timeout", "hasty", hole.address, hole.port, 0x06, 0x5b, 504),
    ]
    for outcome, listener, host, number, *codes in table:
        address = adit.listener(listener)
        for protocol, code in zip(("socks5h", "socks4a", "http"), codes):
            with tap.case(f"{outcome}: {protocol} says {code if code > 99 else hex(code)}"):
                mark = adit.mark()
                equal(refusal(address, host, number, protocol), code, "the answer")
                adit.access(mark, target=f"{host}:{number}", outcome=outcome,
                            protocol=protocol.rstrip("ah"), listen=listener,
                            verdict="deny" if outcome == "denied" else "allow")
    with tap.case("HTTP says more: Proxy-Status and a body"):
        try:
            connect(adit.address, "localhost", port, "http").close()
        except Refused as refused:
            head, _, body = refused.reply.partition(b"\r\n\r\n")
            said = http_fields(head)
            holds(r"\badit; *error=connection_refused", said["proxy-status"], "Proxy-Status")
            equal(said["content-type"].split(";")[0], "text/plain", "Content-Type")
            equal(said["connection"].lower(), "close", "Connection")
            equal(int(said["content-length"]), len(body), "Content-Length")
            holds(b"localhost:%d" % port, body, "the body names the target")
            holds(b"(?i)refused", body, "the body names the cause")


def half_close(adit):
    for protocol in ("socks5", "socks4", "http"):
        with tap.case(f"{protocol}: the client's end of data, then the answer"), \
                Origin(digest_then_answer) as origin, \
                connected(adit.address, ANY, origin.port, protocol) as conn:
            conn.sendall(body_bytes(SIZE))
            conn.shutdown(socket.SHUT_WR)
            equal(read_all(conn), f"{SIZE} {digest(SIZE)}\n".encode(), "the origin's answer")
        with tap.case(f"{protocol}: the origin's end of data, then the client's data"), \
                Origin(body_then_digest(SIZE)) as origin:
            with connected(adit.address, ANY, origin.port, protocol) as conn:
                equal(read_digest(conn), (SIZE, digest(SIZE)), "what the client got")
                conn.sendall(body_bytes(SIZE))
            equal(origin.result(), (SIZE, digest(SIZE)), "what the origin got")


def resets(adit):
    with tap.case("the origin's RST ends the client's connection"), \
            Origin(reset_after_one_byte) as origin:
        mark = adit.mark()
        with connected(adit.address, ANY, origin.port) as conn:
            conn.sendall(b"x")
            true(closed(conn), "it ends")
        adit.access(mark, target=f"{ANY}:{origin.port}")
    with tap.case("the client's RST ends the origin's connection"), Origin(how_it_ends) as origin:
        mark = adit.mark()
        conn = connect(adit.address, ANY, origin.port)
        equal(read_exactly(conn, 5), b"hello", "hello")
        reset(conn)
        origin.result()
        adit.access(mark, target=f"{ANY}:{origin.port}")
    with tap.case("a client that resets before the answer"), Blackhole() as hole:
        mark = adit.mark()
        line = Line(adit.address)
        line.send(HELLO + socks5_request(hole.address, hole.port))
        equal(line.socket.recv(2), b"\x05\x00", "the method")
        reset(line.socket)
        adit.access(mark, target=f"{ANY}:{hole.port}")


def many(adit, origin):
    with tap.case("300 connections at once, and no descriptor left behind"):
        before = adit.descriptors()
        mark = adit.mark()
        protocols = itertools.cycle(PROTOCOLS)
        conns = [connect(adit.address, ANY, origin.port, next(protocols))
                 for _ in range(300)]
        for number, conn in enumerate(conns):
            conn.sendall(b"%08d" % number)
        for number, conn in enumerate(conns):
            equal(read_exactly(conn, 8), b"%08d" % number, "echo")
            conn.close()
        adit.wait_log(r" info: connection .* outcome=ok ", mark, count=300)
        # sessions opened for the crowd may stay a while
        true(adit.descriptors() < before + 100, "the descriptors of the connections are closed")


def main():
    users = scratch("users", "alice:$5$adit$wIKiDX.f2o0jhEggTC2N4whdJkQQaH3V1NWpR4ykGM0\n")
    guarded = listen("guarded", auth="password", users=users)
    places = f"{ANY}:0, unix:{scratch('adit.sock')}" + (", [::1]:0" if has_ipv6() else "")
    with Sshd(names={}) as sshd, Sshd(options={"AllowTcpForwarding": "no"}) as prohibiting, \
            Origin(echo) as origin, Blackhole() as hole:
        with Adit(config(sshd, upstream(prohibiting, "closed"), listen("closed", via="closed"),
                         upstream(sshd, "hasty", open_timeout="2s"), listen("hasty", via="hasty"),
                         listen("many", address=places), listen("only5", protocols="socks5"),
                         guarded, acl("deny to=denied.test", "allow to=*"),
                         up={"sessions": "1-8"})) as adit:
            carried(adit, origin)
            literals(sshd, adit, origin)
            listeners(adit, origin)
            malformed(adit, origin)
            failures(adit, hole)
            half_close(adit)
            resets(adit)
            many(adit, origin)
        with Adit(config(sshd, guarded, gate={"handshake_timeout": "3s"}),
                  name="adit with little time") as adit:
            adit.sessions_up(1)
            cut_short(adit, origin)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Plain HTTP over connections that stay open: by hand, and what origins and the log see of it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, acl, config, equal, free_port, holds, scratch, tap, true, \
    wait_until
from adit_test.clients import Line, basic, closed, http_fields, http_status, read_all, read_head
from adit_test.origins import Origin, read_exactly
from adit_test.sshd import Sshd
from adit_test.web import Web

PASSWORD = "open sesame"
USERS = """\
alice:$6$aditadit$kS43ewz49BYpu9dfN8aIeoYPg42PNCtrZPeSQ1o6Xr188m1pj4YojvhFcNTpgIfwPg7/pQqeuQVcZKT.c8.05/
bob:$6$aditadit$kS43ewz49BYpu9dfN8aIeoYPg42PNCtrZPeSQ1o6Xr188m1pj4YojvhFcNTpgIfwPg7/pQqeuQVcZKT.c8.05/
"""


class Client:
    """A client that asks again and again over one connection."""

    def __init__(self, adit, listener="browser"):
        self.line = Line(adit.listener(listener))
        self.socket = self.line.socket

    def send(self, text):
        self.line.send(text if isinstance(text, bytes) else text.encode())

    def hear(self, body=True):
        """(status, fields, body) of the next response, which has a Content-Length."""
        head = read_head(self.socket)
        fields = http_fields(head)
        size = int(fields.get("content-length", 0)) if body else 0
        return http_status(head), fields, read_exactly(self.socket, size)

    def ask(self, port, path="/", *fields, method="GET", host=ANY):
        lines = [f"{method} http://{host}:{port}{path} HTTP/1.1", f"Host: {host}", *fields]
        self.send("\r\n".join([*lines, "", ""]))
        return self.hear(method != "HEAD")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def counting(conn, origin):
    """Answers each request with the number of its connection, and with that of the request there;
    a request for /close is the last one, and one for /then-close as well, without a word of it."""
    number = len(origin.connections)
    count = 0
    while True:
        try:
            head = read_head(conn)
        except Exception:  # pylint: disable=broad-except
            return None
        path = head.split(b" ")[1]
        read_exactly(conn, int(http_fields(head).get("content-length", 0)))
        count += 1
        content = f"{number} {count}".encode()
        close = b"Connection: close\r\n" if path == b"/close" else b""
        conn.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s"
                     % (close, len(content), content))
        if path in (b"/close", b"/then-close"):
            return None


def asks(client, origin, path="/", *fields, **more):
    status, _, content = client.ask(origin.port, path, *fields, **more)
    equal(status, 200, "status")
    return content.decode()


def one_connection(adit, sshd):
    with Origin(counting) as first, Origin(counting) as second, Client(adit) as client:
        with tap.case("a hundred requests over one connection go by one channel"):
            mark = adit.mark()
            equal([asks(client, first) for _ in range(100)],
                  [f"1 {count}" for count in range(1, 101)], "answers")
            wait_until(lambda: len(adit.accesses(mark)) >= 100, "access lines")
            lines = [line for line in adit.accesses(mark) if line["command"] == "request"]
            equal(len(lines), 100, "access lines")
            equal(len({line["connection"] for line in lines}), 1, "numbers of connections")
            equal({(line["outcome"], line["target"], line["end"]) for line in lines},
                  {("ok", f"{ANY}:{first.port}", "answered")}, "outcome, target, end")
        with tap.case("another origin gets a channel of its own, and both are kept"):
            equal([asks(client, second), asks(client, first), asks(client, second)],
                  ["1 1", "1 101", "1 2"], "answers")
        with tap.case("so do requests that are not idempotent, and such with bodies"):
            equal(asks(client, second, method="POST"), "1 3", "the answer to a POST")
            client.send(f"POST http://{ANY}:{second.port}/ HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
            client.send("hello")
            equal(client.hear()[2], b"1 4", "the answer to a POST with a body")
        with tap.case("an origin that says close is asked over a new channel"):
            equal(asks(client, first, "/close"), "1 102", "the last one")
            equal(asks(client, first), "2 1", "the next one")
    with Origin(counting) as origin, Client(adit) as client:
        with tap.case("a channel that the origin closed meanwhile: the request is sent again"):
            for number in range(1, 4):
                equal(asks(client, origin, "/then-close"), f"{number} 1", "the answer")
    with Origin(counting) as origin, Client(adit) as client:
        with tap.case("requests that do not wait are answered in their order"):
            client.send(f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\n\r\n" * 20)
            equal([client.hear()[2].decode() for _ in range(20)],
                  [f"1 {count}" for count in range(1, 21)], "answers")
    with Origin(counting) as origin, Client(adit) as client:
        with tap.case("a session that is lost between two requests costs no request"):
            equal(asks(client, origin), "1 1", "the first answer")
            mark = adit.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            adit.sessions_up(1, mark)
            equal(asks(client, origin), "2 1", "the second answer")


def ends(adit):
    with Origin(counting) as origin:
        with tap.case("HTTP/1.0, and close in either field: one request a connection"):
            for version, fields in (("1.0", ""), ("1.0", "Connection: keep-alive\r\n"),
                                    ("1.1", "Connection: close\r\n"),
                                    ("1.1", "Proxy-Connection: close\r\n")):
                with Client(adit) as client:
                    client.send(f"GET http://{ANY}:{origin.port}/ HTTP/{version}\r\n{fields}\r\n")
                    equal(client.hear()[1].get("connection"), "close", "Connection")
                    equal(read_all(client.socket), b"", "what follows")
        with tap.case("a client that half-closes gets all its answers"):
            with Client(adit) as client:
                client.send(f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\n\r\n" * 2)
                client.socket.shutdown(1)
                equal([client.hear()[0], client.hear()[0]], [200, 200], "status")
                equal(read_all(client.socket), b"", "what follows")
    with Origin(counting) as origin:
        with tap.case("a client that leaves between two requests leaves no other access line"):
            mark = adit.mark()
            for _ in range(2):
                with Client(adit) as client:
                    asks(client, origin)
            def seen():
                return [line for line in adit.accesses(mark)
                        if line["target"] == f"{ANY}:{origin.port}"]
            wait_until(lambda: len(seen()) >= 2, "two access lines")
            lines = seen()
            equal([line["outcome"] for line in lines], ["ok", "ok"], "outcomes")
    with tap.case("an answer of adit's own closes the connection"):
        with Client(adit) as client:
            status, fields, _ = client.ask(free_port())
            equal((status, fields["connection"]), (502, "close"), "the answer")
            equal(fields["x-content-type-options"], "nosniff", "X-Content-Type-Options")
            equal(read_all(client.socket), b"", "what follows")


def logins_and_rules(sshd):
    users = scratch("users", USERS)
    rules = acl("allow user=alice", "deny user=bob to=localhost", "allow user=bob")
    with Origin(counting) as origin, \
            Adit(config(sshd, rules, at={"auth": "password", "users": users})) as adit:
        alice, bob = (f"Proxy-Authorization: {basic(*pair)}" for pair in
                      (("alice", PASSWORD), ("bob", PASSWORD)))
        with tap.case("each request has the login that it brings, and no channel of another login"):
            mark = adit.mark()
            with Client(adit) as client:
                equal([asks(client, origin, "/", who) for who in (alice, bob, alice)],
                      ["1 1", "2 1", "1 2"], "answers")
                equal(client.ask(origin.port)[0], 407, "without a login")
                equal(read_all(client.socket), b"", "what follows")
            adit.access(mark, outcome="authentication")
            equal([line.get("user") for line in adit.accesses(mark)],
                  ["alice", "bob", "alice", None], "users")
        with tap.case("each request is judged, although a channel to its target is kept"):
            with Client(adit) as client:
                equal(client.ask(origin.port, "/", alice, host="localhost")[0], 200, "alice")
                equal(client.ask(origin.port, "/", bob, host="localhost")[0], 403, "bob")


def reloads(sshd):
    text = config(sshd)
    with Origin(counting) as origin, Adit(text) as adit:
        with tap.case("a reload ends clients between two requests, and new ones go on"):
            with Client(adit) as client:
                asks(client, origin)
                adit.reload(text)
                equal(read_all(client.socket), b"", "what follows")
            with Client(adit) as client:
                asks(client, origin)
        with tap.case("draining waits for no client between two requests"):
            with Client(adit) as client:
                asks(client, origin)
                adit.finish()
                true(closed(client.socket), "the client is closed")


def frames(conn, _origin):
    """Switches, says something at once, and echoes."""
    head = read_head(conn)
    fields = http_fields(head)
    if fields.get("upgrade") != "websocket" or fields.get("connection", "").lower() != "upgrade":
        conn.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
        return fields
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                 b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
    while data := conn.recv(1 << 16):
        conn.sendall(data)
    return fields


def upgrades(adit):
    with tap.case("Upgrade passes, and 101 becomes a tunnel"), Origin(frames) as origin, \
            Client(adit) as client:
        mark = adit.mark()
        client.send(f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n"
                    "Upgrade: websocket\r\n\r\nearly")
        head = read_head(client.socket)
        equal(http_status(head), 101, "status")
        equal(http_fields(head).get("upgrade"), "websocket", "Upgrade")
        equal(read_exactly(client.socket, 10), b"helloearly", "the first bytes")
        for size in (1, 100_000):
            client.send(b"x" * size)
            equal(read_exactly(client.socket, size), b"x" * size, "what comes back")
        client.socket.shutdown(1)
        equal(read_all(client.socket), b"", "what follows")
        adit.access(mark, target=f"{ANY}:{origin.port}", outcome="ok", end="closed",
                    at_least={"up": 100_000, "down": 100_000})

    def switches(conn, _origin):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        return read_exactly(conn, 1)

    with tap.case("a 101 that was not asked for does not pass"), Origin(switches) as origin, \
            Client(adit) as client:
        equal(client.ask(origin.port)[0], 502, "status")


def odd(adit):
    def icy(conn, _origin):
        head = read_head(conn)
        conn.sendall(b"ICY 200 OK\r\nicy-name: radio\r\n\r\nmusic")
        return head

    with tap.case("ICY is a status line"), Origin(icy) as origin, Client(adit) as client:
        client.send(f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\n\r\n")
        head = read_head(client.socket)
        equal((http_status(head), http_fields(head)["icy-name"]), (200, "radio"), "the head")
        equal(read_all(client.socket), b"music", "the body")

    def answer(text):
        with Client(adit) as client:
            client.send(text)
            return client.hear()

    with tap.case("a fragment is cut off"), Web() as web:
        equal(answer(f"GET {web.url('/request?a')}#b HTTP/1.1\r\n\r\n")[0], 200, "status")
        equal(web.requests[-1]["path"], "/request?a", "the path")
    with tap.case("a head beyond the limit: 431"):
        equal(answer(b"GET http://a/ HTTP/1.1\r\nA: " + b"x" * 66_000)[0], 431, "status")
    with tap.case("what is not served here is told so"):
        for line, words in (("GET ftp://a/ HTTP/1.1", "only http: URLs are served here"),
                            ("GET https://a/ HTTP/1.1", "use CONNECT"),
                            ("GET / HTTP/1.1", "a proxy serves"),
                            ("CONNECT a#b:443 HTTP/1.1", "not a well-formed request")):
            status, _, content = answer(f"{line}\r\n\r\n")
            equal(status, 400, f"status of {line}")
            holds(words, content.decode(), f"the answer to {line}")
    with tap.case("OPTIONS with Max-Forwards: 0 is answered by adit"):
        status, fields, _ = answer(f"OPTIONS http://{ANY}:{free_port()} HTTP/1.1\r\n"
                                   "Max-Forwards: 0\r\n\r\n")
        equal(status, 200, "status")
        holds("GET", fields["allow"], "Allow")
    with tap.case("other protocols are named in the log"):
        for first, words in ((b"\x16\x03\x01\x02\x00\x01\x00", "TLS ClientHello"),
                             (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH banner"),
                             (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"),
                             (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", "PROXY protocol")):
            mark = adit.mark()
            with Client(adit) as client:
                client.send(first)
                equal(client.hear()[0], 400, "status")
            holds(words, adit.access(mark, outcome="malformed")["end"], "end")
    with tap.case("an origin that closes is told apart from one that does not speak HTTP"):
        for text, outcome in ((b"", "no-response"), (b"HTTP/1.1 200 OK\r\nA: b\r\n", "no-response"),
                              (b"220 ready\r\n", "bad-response")):
            def serve(conn, _origin, text=text):
                read_head(conn)
                conn.sendall(text)
            mark = adit.mark()
            with Origin(serve) as origin, Client(adit) as client:
                equal(client.ask(origin.port)[0], 502, "status")
            adit.access(mark, target=f"{ANY}:{origin.port}", outcome=outcome)


def main():
    with Sshd() as sshd:
        with Adit(config(sshd)) as adit:
            one_connection(adit, sshd)
            ends(adit)
            upgrades(adit)
            odd(adit)
        logins_and_rules(sshd)
        reloads(sshd)


tap.run(main)

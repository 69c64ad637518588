#!/usr/bin/env -S python3 -B
"""Clients that ask on without waiting for responses: what goes to the origin ahead, and what not."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, acl, config, equal, scratch, tap, wait_until
from adit_test.clients import Line, basic, http_fields, http_status, read_all, read_head
from adit_test.origins import Origin, read_exactly, reset
from adit_test.sshd import Sshd

PASSWORD = "open sesame"
HASH = "$6$aditadit$kS43ewz49BYpu9dfN8aIeoYPg42PNCtrZPeSQ1o6Xr188m1pj4YojvhFcNTpgIfwPg7/pQqeuQVcZKT.c8.05/"
# As in src/worker/client_ahead.c.
AHEAD_MAX = 16


class Requests:
    """The requests that come over one connection to an origin."""

    def __init__(self, conn):
        self.conn = conn
        self.buffer = b""

    def next(self):
        """Method and path of the next one, "" at the end; bodies are taken, too."""
        while b"\r\n\r\n" not in self.buffer:
            part = self.conn.recv(1 << 16)
            if not part:
                return ""
            self.buffer += part
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        size = int(http_fields(head).get("content-length", 0))
        while len(self.buffer) < size:
            self.buffer += self.conn.recv(1 << 16)
        self.buffer = self.buffer[size:]
        return head.decode().split(" HTTP")[0]

    def take(self, count):
        return [self.next() for _ in range(count)]

    def none_waits(self):
        """Nothing came behind those that were taken. (What goes ahead comes in one piece.)"""
        equal(self.buffer, b"", "what came behind them")


def response(content, *fields, status="200 OK"):
    size = (f"Content-Length: {len(content)}",) if "204" not in status else ()
    return "\r\n".join([f"HTTP/1.1 {status}", *size, *fields, "", content]).encode()


def answer(conn, requests):
    """Each with what it asked for, all in one piece."""
    conn.sendall(b"".join(response("" if request.startswith("HEAD ") else request)
                          for request in requests))


def get(origin, path, *fields, method="GET", body=""):
    size = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join([f"{method} http://{ANY}:{origin.port}{path} HTTP/1.1", *size, *fields, "",
                        body])


class Client:
    """Says all that it has to say at once, and hears what comes."""

    def __init__(self, adit, *requests):
        self.socket = Line(adit.address).socket
        self.socket.sendall("".join(requests).encode())

    def hear(self, has_body=True):
        head = read_head(self.socket)
        size = int(http_fields(head).get("content-length", 0))
        return http_status(head), read_exactly(self.socket, size if has_body else 0).decode()

    def hears(self, *contents):
        equal([self.hear() for _ in contents], [(200, content) for content in contents], "answers")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def paths(first, last):
    return [f"GET /{number}" for number in range(first, last + 1)]


def seen(origin):
    """What the origin's connections returned, in order. An error of theirs is raised."""
    result = origin.results.get(timeout=60)
    if isinstance(result, BaseException):
        raise result
    return result


def lines_for(adit, mark, origin, count):
    """The access lines of the requests to the origin, which are `count`."""
    def found():
        return [line for line in adit.accesses(mark)
                if line.get("target") == f"{ANY}:{origin.port}"]
    wait_until(lambda: len(found()) >= count, f"{count} access lines")
    equal(len(found()), count, "access lines")
    return found()


def go_ahead(adit):
    def gathers(conn, _origin):
        came = Requests(conn)
        first = came.take(1)
        came.none_waits()
        answer(conn, first)
        rest = came.take(7)
        answer(conn, rest)
        return first + rest

    with tap.case("requests go ahead once the origin has shown that its connection stays"), \
            Origin(gathers) as origin:
        mark = adit.mark()
        with Client(adit, *(get(origin, f"/{number}") for number in range(8))) as client:
            client.hears(*paths(0, 7))
            equal(seen(origin), paths(0, 7), "requests")
        lines = lines_for(adit, mark, origin, 8)
        equal({(line["outcome"], line["end"], line["connection"]) for line in lines},
              {("ok", "answered", lines[0]["connection"])}, "outcome, end, connection")
        equal(len({(line["up"], line["down"]) for line in lines}), 1, "bytes of the requests")

    def gathers_again(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        rest = came.take(3)
        answer(conn, rest)
        last = came.take(4)
        answer(conn, last)
        return rest + last

    with tap.case("on a connection that is kept they go with the first one"), \
            Origin(gathers_again) as origin, Client(adit, get(origin, "/0")) as client:
        client.hears("GET /0")
        client.socket.sendall("".join(get(origin, f"/{number}") for number in (1, 2, 3)).encode())
        client.hears(*paths(1, 3))
        client.socket.sendall(b"\r\n" + "\r\n".join(
            get(origin, f"/{number}") for number in (4, 5, 6, 7)).encode() + b"\r\n")
        client.hears(*paths(4, 7))
        equal(seen(origin), paths(1, 7), "requests")

    def counts(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        ahead = came.take(AHEAD_MAX + 1)
        came.none_waits()
        answer(conn, ahead)
        for _ in range(40 - AHEAD_MAX - 2):
            answer(conn, came.take(1))
        return len(ahead)

    with tap.case("no more than 16 are ahead"), Origin(counts) as origin:
        # (Behind the first response 16 go out, and behind the next one's turn one more.)
        with Client(adit, *(get(origin, f"/{number}") for number in range(40))) as client:
            client.hears(*paths(0, 39))
            equal(seen(origin), AHEAD_MAX + 1, "requests before an answer")

    def long_heads(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        ahead = came.take(3)
        came.none_waits()
        answer(conn, ahead)
        answer(conn, came.take(1))
        return len(ahead)

    with tap.case("nor more than 16 KiB"), Origin(long_heads) as origin:
        with Client(adit, get(origin, "/0"), *(get(origin, f"/{number}", "X: " + "x" * 7000)
                                               for number in range(1, 5))) as client:
            client.hears(*paths(0, 4))
            equal(seen(origin), 3, "requests before an answer")


def each_has_its_framing(adit):
    def mixes(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        rest = came.take(6)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
                     + response("", status="204 No Content")
                     + b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n"
                     + b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                     + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
                     + response("five") + response("six"))
        return rest

    with tap.case("HEAD, 204, 304, interim heads and chunks, all in one piece"), \
            Origin(mixes) as origin:
        with Client(adit, get(origin, "/0"), get(origin, "/1", method="HEAD"),
                    *(get(origin, f"/{number}") for number in range(2, 7))) as client:
            client.hears("GET /0")
            equal([client.hear(has_body=False)[0] for _ in range(4)], [200, 204, 304, 103], "heads")
            equal(client.hear(), (200, ""), "the chunked one's head")
            equal(read_exactly(client.socket, 15), b"5\r\nhello\r\n0\r\n\r\n", "chunks")
            client.hears("five", "six")
            equal(seen(origin), ["HEAD /1", *paths(2, 6)], "requests")

    def piecewise(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        whole = b"".join(response(request) for request in came.take(5))
        for at in range(0, len(whole), 7):
            conn.sendall(whole[at:at + 7])
        return came.next()

    with tap.case("responses in pieces"), Origin(piecewise) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(6))) as client:
            client.hears(*paths(0, 5))

    def large(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        for request in came.take(3):
            conn.sendall(response(request[-1] * 3_000_000))
        return "done"

    with tap.case("large responses"), Origin(large) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(4))) as client:
            client.hears("GET /0", *(str(number) * 3_000_000 for number in (1, 2, 3)))


def what_does_not_go_ahead(adit):
    def waits(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        first = came.take(1)
        came.none_waits()
        answer(conn, first)
        second = came.take(1)
        came.none_waits()
        answer(conn, second)
        answer(conn, last := came.take(1))
        return second + last

    for what, third in (("POST", {"method": "POST", "body": "hello"}),
                        ("POST without a body", {"method": "POST"}),
                        ("PUT", {"method": "PUT", "body": "hello"})):
        with tap.case(f"{what} goes at its turn, and nothing goes ahead of its response"), \
                Origin(waits) as origin:
            with Client(adit, get(origin, "/0"), get(origin, "/1"), get(origin, "/2", **third),
                        get(origin, "/3")) as client:
                client.hears("GET /0", "GET /1", f"{third['method']} /2", "GET /3")
                equal(seen(origin), [f"{third['method']} /2", "GET /3"], "requests")

    def keeps_as_1_0(conn, _origin):
        came = Requests(conn)
        for _ in range(3):
            request = came.next()
            came.none_waits()
            conn.sendall(response(request, "Connection: keep-alive").replace(b"/1.1", b"/1.0", 1))
        return "done"

    with tap.case("nothing goes ahead to an origin that speaks HTTP/1.0"), \
            Origin(keeps_as_1_0) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(3))) as client:
            client.hears(*paths(0, 2))
            equal(seen(origin), "done", "the origin")

    def one_by_one(conn, _origin):
        came = Requests(conn)
        requests = []
        while request := came.next():
            requests.append(request)
            answer(conn, [request])
        return requests

    with tap.case("another origin's request goes there, in its turn"), \
            Origin(one_by_one) as first, Origin(one_by_one) as second:
        with Client(adit, get(first, "/0"), get(first, "/1"), get(second, "/2"), get(first, "/3"),
                    get(second, "/4")) as client:
            client.hears(*paths(0, 4))
        equal((seen(first), seen(second)),
              ([f"GET /{number}" for number in (0, 1, 3)], ["GET /2", "GET /4"]), "requests")


def asked_again(adit):
    def closes(conn, origin):
        """Answers three of those that came, and ends; the next connection goes on alone."""
        came = Requests(conn)
        first = came.take(1)
        came.none_waits()
        answer(conn, first)
        if len(origin.connections) == 1:
            rest = came.take(5)
            answer(conn, rest[:2])
        else:
            answer(conn, came.take(2))
        return "done"

    with tap.case("an origin that closes in the middle is asked again for what it did not answer"), \
            Origin(closes) as origin:
        mark = adit.mark()
        with Client(adit, *(get(origin, f"/{number}") for number in range(6))) as client:
            client.hears(*paths(0, 5))
            equal((seen(origin), seen(origin)), ("done", "done"), "the origin's connections")
        equal({line["outcome"] for line in lines_for(adit, mark, origin, 6)}, {"ok"}, "outcomes")

    def says_close(conn, origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        if len(origin.connections) == 1:
            came.take(3)
            conn.sendall(response("GET /1", "Connection: close"))
            return "closed"
        answer(conn, came.take(1))
        return "done"

    with tap.case("the same with Connection: close"), Origin(says_close) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(4))) as client:
            client.hears(*paths(0, 3))

    def closes_each(conn, _origin):
        answer(conn, Requests(conn).take(1))

    with tap.case("an origin that ends each connection without a word is sent ever less ahead"), \
            Origin(closes_each) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(30))) as client:
            client.hears(*paths(0, 29))
        equal(len(origin.connections), 30, "connections")

    def head_with_body(conn, origin):
        came = Requests(conn)
        first = came.take(1)
        came.none_waits()
        answer(conn, first)
        if len(origin.connections) == 1:
            came.take(2)
            conn.sendall(response("a body that HEAD has not"))
        return came.take(1)

    with tap.case("behind a response that was longer than it said the next one is asked for alone"), \
            Origin(head_with_body) as origin:
        with Client(adit, get(origin, "/0"), get(origin, "/1", method="HEAD"),
                    get(origin, "/2")) as client:
            client.hears("GET /0")
            equal(client.hear(has_body=False)[0], 200, "HEAD")
            client.hears("GET /2")


def ends(adit):
    def answers_two(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        rest = came.take(4)
        answer(conn, rest[:1])
        conn.sendall(response("half of it").removesuffix(b" of it"))
        return came.next()

    with tap.case("a client that is cut: each request that the origin got has its line"), \
            Origin(answers_two) as origin:
        mark = adit.mark()
        with Client(adit, *(get(origin, f"/{number}") for number in range(5))) as client:
            client.hears(*paths(0, 1))
            # (So that the third one's turn has come.)
            read_head(client.socket)
            equal(read_exactly(client.socket, 4), b"half", "the third answer")
            reset(client.socket)
        equal(seen(origin), "", "the end at the origin")
        lines = lines_for(adit, mark, origin, 5)
        equal([line["outcome"] for line in lines], ["ok"] * 3 + ["given-up"] * 2, "outcomes")
        equal({line["end"] for line in lines[3:]}, {"sent ahead of its turn, which did not come"},
              "ends")
        equal({(line["up"], line["down"]) for line in lines[3:]}, {(lines[0]["up"], "0")}, "bytes")

    def answers_all(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        answer(conn, came.take(3))
        return came.next()

    with tap.case("a client that half-closes gets all its answers"), Origin(answers_all) as origin:
        with Client(adit, *(get(origin, f"/{number}") for number in range(4))) as client:
            client.socket.shutdown(1)
            client.hears(*paths(0, 3))
            equal(read_all(client.socket), b"", "what follows")
            equal(seen(origin), "", "the end at the origin")


def logins(sshd):
    users = scratch("users", f"alice:{HASH}\nbob:{HASH}\n")
    rules = acl("allow user=alice", "allow user=bob")

    def notes(conn, _origin):
        came = Requests(conn)
        answer(conn, came.take(1))
        ahead = came.take(2)
        came.none_waits()
        answer(conn, ahead)
        return ahead

    with Adit(config(sshd, rules, at={"auth": "password", "users": users})) as adit:
        alice, bob = (f"Proxy-Authorization: {basic(who, PASSWORD)}" for who in ("alice", "bob"))
        wrong = f"Proxy-Authorization: {basic('alice', 'other')}"
        for what, field, status in (("another login", bob, 200), ("a wrong password", wrong, 407),
                                    ("none", "X: y", 407)):
            with tap.case(f"a request with {what} does not go ahead with the others"), \
                    Origin(notes) as origin:
                mark = adit.mark()
                with Client(adit, *(get(origin, f"/{number}", alice) for number in range(3)),
                            get(origin, "/3", field)) as client:
                    client.hears(*paths(0, 2))
                    equal(client.hear()[0], status, "status")
                    equal(seen(origin), paths(1, 2), "requests over alice's connection")
                wait_until(lambda mark=mark: len(adit.accesses(mark)) >= 4, "access lines")
                equal([line.get("user") for line in adit.accesses(mark)],
                      ["alice"] * 3 + ["bob" if status == 200 else None], "users")


def main():
    with Sshd() as sshd:
        # (One session, so that no client moves to another worker.)
        with Adit(config(sshd, up={"sessions": "1"})) as adit:
            go_ahead(adit)
            each_has_its_framing(adit)
            what_does_not_go_ahead(adit)
            asked_again(adit)
            ends(adit)
        logins(sshd)


tap.run(main)

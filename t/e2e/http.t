#!/usr/bin/env -S python3 -B
"""Plain http:// through the proxy, by hand: absolute-form, and what reaches the origin."""

import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, false, free_port, holds, patience, tap, true
from adit_test.clients import Line, http_fields, http_status, read_all, read_head
from adit_test.origins import Origin, body_bytes, digest, read_exactly
from adit_test.sshd import Sshd
from adit_test.web import Web

SIZE = 300_000


def ask(adit, text, drip=False):
    """Sends a request; (status, fields, body) of the answer, which the close ends."""
    line = Line(adit.address, drip)
    text = text.encode() if isinstance(text, str) else text
    line.send(re.sub(rb"( HTTP/1\.\d)(\r?\n)", rb"\1\2Connection: close\2", text, count=1))
    head = read_head(line.socket)
    content = read_all(line.socket)
    line.socket.close()
    return http_status(head), http_fields(head), content


def get(web, path="/request", *fields, method="GET", version="1.1"):
    return "\r\n".join([f"{method} {web.url(path)} HTTP/{version}", *fields, "", ""])


def requests(adit, web):
    host = f"Host: {ANY}:{web.port}"
    for drip in (False, True):
        with tap.case(f"a GET {'byte by byte' if drip else 'at once'}"):
            status, fields, content = ask(adit, get(web, "/request?x", host), drip)
            equal(status, 200, "status")
            equal(json.loads(content)["line"], "GET /request?x HTTP/1.1", "the request line")
            equal(fields.get("connection", "").lower(), "close", "Connection in the answer")
    with tap.case("hop-by-hop fields and the proxy's own are left out; the rest goes through"):
        _, _, content = ask(adit, get(
            web, "/request", host, "X-Kept: one", "Connection: X-Hop, keep-alive", "X-Hop: two",
            "Keep-Alive: 300", "Proxy-Connection: keep-alive", "Proxy-Foo: bar", "TE: trailers",
            "Proxy-Authorization: Basic YTpi", "Upgrade: websocket", "x-kept-too: THREE"))
        seen = json.loads(content)["headers"]
        equal((seen.get("x-kept"), seen.get("x-kept-too")), ("one", "THREE"), "what is kept")
        equal(sorted(set(seen) - {"x-kept", "x-kept-too", "host", "connection", "via"}), [],
              "what should be gone")
        equal(seen["connection"].lower(), "close", "Connection to the origin")
    with tap.case("Host is the target's, whatever the client says"):
        for fields in (["Host: elsewhere.example"], [host]):
            _, _, content = ask(adit, get(web, "/request", *fields))
            equal(json.loads(content)["headers"]["host"], f"{ANY}:{web.port}", "Host")
    with tap.case("a target with user information, an empty path, a query alone"):
        for target, path in (("http://user:pass@{}/request", "/request"), ("http://{}", "/"),
                             ("http://{}?q=/request", "/?q=/request"),
                             ("HTTP://{}/request", "/request")):
            before = len(web.requests)
            target = target.format(f"{ANY}:{web.port}")
            ask(adit, f"GET {target} HTTP/1.1\r\n{host}\r\n\r\n")
            equal([seen["path"] for seen in web.requests[before:]], [path], f"the path of {target}")
    with tap.case("HTTP/1.0, empty lines before the request, and bare line feeds"):
        for text in (get(web, "/request", version="1.0"), "\r\n\r\n" + get(web, "/request", host),
                     get(web, "/request", host).replace("\r\n", "\n")):
            equal(ask(adit, text)[0], 200, f"status of {text!r}")
    with tap.case("OPTIONS and DELETE go through as any method"):
        for method in ("OPTIONS", "DELETE"):
            _, _, content = ask(adit, get(web, "/request", host, method=method))
            equal(json.loads(content)["method"], method, "the method")
    with tap.case("HEAD has no body, and does not wait for one"):
        status, fields, content = ask(adit, get(web, f"/bytes/{SIZE}", host, method="HEAD"))
        equal((status, fields["content-length"], content), (200, str(SIZE), b""), "the answer")
    with tap.case("two requests in one segment, the first with close: only that one is served"):
        before = len(web.requests)
        ask(adit, get(web, "/request?first", host) + get(web, "/request?second", host))
        equal([seen["path"] for seen in web.requests[before:]], ["/request?first"], "requests")


def bodies(adit, web):
    host = f"Host: {ANY}:{web.port}"
    for drip in (False, True):
        content = body_bytes(700 if drip else SIZE)
        checksum = hashlib.sha256(content).hexdigest()
        how = "byte by byte" if drip else "at once"
        with tap.case(f"a body with a length {how}, and what follows it is not sent on"):
            _, _, got = ask(adit, get(web, "/request", host, f"Content-Length: {len(content)}",
                                      method="POST").encode() + content + b"GET / HTTP/1.1\r\n\r\n",
                            drip)
            equal(json.loads(got)["sha256"], checksum, "the checksum")
        with tap.case(f"a body in chunks {how}, with extensions and trailers"):
            chunks = b"".join(b"%X;ext=\"1\"\r\n%s\r\n" % (len(part), part) for part in
                              (content[at:at + 257] for at in range(0, len(content), 257)))
            _, _, got = ask(adit, get(web, "/request", host, "Transfer-Encoding: chunked",
                                      method="PUT").encode() + chunks
                            + b"0\r\nX-Trailer: here\r\n\r\n", drip)
            equal(json.loads(got)["sha256"], checksum, "the checksum")
    for path in (f"/bytes/{SIZE}", f"/chunked/{SIZE}"):
        with tap.case(f"an answer's body: {path.split('/')[1]}"):
            _, fields, got = ask(adit, get(web, path, host))
            if fields.get("transfer-encoding") == "chunked":
                got = unchunk(got)
            equal(hashlib.sha256(got).hexdigest(), digest(SIZE), "the checksum")
    with tap.case("malformed chunks end the request; the origin is not told it was whole"):
        before = len(web.seen("/request?broken"))
        line = Line(adit.address)
        line.send(get(web, "/request?broken", host, "Transfer-Encoding: chunked",
                      method="POST").encode() + b"5\r\nhello\r\nxyz\r\n")
        got = read_all(line.socket)
        line.socket.close()
        false(got.startswith(b"HTTP/1.1 2"), f"success: {got[:100]!r}")
        equal(len(web.seen("/request?broken")), before, "whole requests")


def unchunk(data):
    whole = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        size = int(size, 16)
        whole, data = whole + data[:size], data[size + 2:]
    return whole


def odd_origins(adit):
    """Origins that are not as http.server is."""

    def answers(text, cut=False):
        def serve(conn, _origin):
            head = read_head(conn)
            conn.sendall(text)
            if not cut:
                return head
            conn.settimeout(patience(30))
            return read_exactly(conn, 1)  # until the proxy lets go

        return serve

    def through(serve, wanted_status, wanted_body, name):
        with tap.case(name), Origin(serve) as origin:
            status, fields, content = ask(adit, f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\n\r\n")
            equal(status, wanted_status, "status")
            if wanted_body is not None:
                equal(content, wanted_body, "body")
            return fields
        return {}

    through(answers(b"HTTP/1.0 200 OK\r\n\r\nuntil the close"), 200, b"until the close",
            "a body that the close ends")
    through(answers(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b"", "an answer without a body")
    through(answers(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), 200, b"ok",
            "an answer with bare line feeds")
    through(answers(b"not HTTP at all\r\n\r\n"), 502, None, "an answer that is not HTTP: 502")
    through(answers(b""), 502, None, "a close without an answer: 502")
    fields = through(answers(b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\n"
                             b"Keep-Alive: 5\r\nX-Hop: 1\r\nX-Kept: 1\r\n"
                             b"Content-Length: 2\r\n\r\nok"), 200, b"ok",
                     "an answer's hop-by-hop fields")
    with tap.case("... are left out"):
        equal([key for key in ("keep-alive", "x-hop") if key in fields], [], "fields")
        equal(fields.get("connection", "").lower(), "close", "Connection")
        equal(fields.get("x-kept"), "1", "what is kept")
    with tap.case("interim answers come before the final one"):
        with Origin(answers(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as origin:
            line = Line(adit.address)
            line.send(f"GET http://{ANY}:{origin.port}/ HTTP/1.1\r\n"
                      "Connection: close\r\n\r\n".encode())
            equal(http_status(read_head(line.socket)), 103, "the first status")
            equal(http_status(read_head(line.socket)), 200, "the second status")
            equal(read_all(line.socket), b"ok", "the body")
            line.socket.close()
    with tap.case("an answer before the request's body is whole ends the request"):
        with Origin(answers(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")) as origin:
            status, _, _ = ask(adit, f"POST http://{ANY}:{origin.port}/ HTTP/1.1\r\n"
                                     "Content-Length: 1000000\r\n\r\nonly the beginning")
            equal(status, 413, "status")


def failures(adit):
    with tap.case("a closed port: 502 with a body"):
        status, fields, content = ask(adit, f"GET http://{ANY}:{free_port()}/ HTTP/1.1\r\n\r\n")
        equal(status, 502, "status")
        holds("error=connection_refused", fields["proxy-status"], "Proxy-Status")
        true(content, "there is a body")


def main():
    with Sshd() as sshd, Web() as web, Adit(config(sshd)) as adit:
        requests(adit, web)
        bodies(adit, web)
        odd_origins(adit)
        failures(adit)


tap.run(main)

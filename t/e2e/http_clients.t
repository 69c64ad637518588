#!/usr/bin/env -S python3 -B
"""Programs that ask for many URLs by plain HTTP: curl, wget, apt-get, Python, mpg123, WebSocket."""

import base64
import functools
import gzip
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, holds, scratch, tap, true, wait_until, \
    workdir
from adit_test.clients import http_fields, read_head
from adit_test.origins import Origin, read_exactly
from adit_test.programs import run
from adit_test.sshd import Sshd
from adit_test.web import Web

PAGES = 30
PACKAGES = 200
COMPONENTS = ("main", "contrib")


class Files:
    """A web server for the files of a folder, whose connections stay open."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    def __init__(self, folder):
        self.server = ThreadingHTTPServer((ANY, 0), functools.partial(
            self.Handler, directory=folder))
        self.server.daemon_threads = True
        self.url = f"http://{ANY}:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def folder(name):
    path = os.path.join(workdir(), name)
    os.makedirs(path)
    return path


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def lines_of(adit, mark):
    return [line for line in adit.accesses(mark) if line.get("command") == "request"]


def asked(adit, mark, requests):
    """That many requests were answered; returns over how many connections they came."""
    wait_until(lambda: len(lines_of(adit, mark)) >= requests, f"{requests} access lines")
    lines = lines_of(adit, mark)
    equal([line["outcome"] for line in lines], ["ok"] * requests, "outcomes")
    return len({line["connection"] for line in lines})


def curl(adit, web):
    mark = adit.mark()
    got = run("curl", "-q", "-sSf", "-x", f"http://{ANY}:{adit.port}",
              web.url("/request?[1-100]"))
    equal(got.count(b'"method"'), 100, "answers")
    equal(asked(adit, mark, 100), 1, "connections")


def python(adit, web):
    mark = adit.mark()
    connection = http.client.HTTPConnection(ANY, adit.port)
    for number in range(30):
        connection.request("POST" if number % 2 else "GET", web.url("/request"),
                           body=b"x" * number if number % 2 else None)
        response = connection.getresponse()
        equal((response.status, len(response.read()) > 0), (200, True), "the answer")
    connection.close()
    equal(asked(adit, mark, 30), 1, "connections")


def wget(adit, _web):
    pages = folder("pages")
    for number in range(PAGES):
        write(f"{pages}/{number}.html", "".join(
            f'<a href="{other}.html">' for other in range(PAGES)).encode())
    with Files(pages) as files:
        mark, mirror = adit.mark(), folder("mirror")
        run("wget", "-q", "--mirror", "-e", "robots=off", "-P", mirror, f"{files.url}/0.html",
            http_proxy=f"http://{ANY}:{adit.port}")
        found = [name for _, _, names in os.walk(mirror) for name in names]
        equal(len(found), PAGES, "pages")
        equal(asked(adit, mark, PAGES), 1, "connections")


def repository():
    """An archive of packages that do not exist, as apt-get reads it."""
    top = folder("repository")
    packages = "\n".join(
        f"Package: p{number}\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: x\n"
        f"Filename: p{number}.deb\nSize: 1\nSHA256: {'0' * 64}\n"
        for number in range(PACKAGES)).encode()
    sums = []
    for component in COMPONENTS:
        for name, content in (("Packages", packages), ("Packages.gz", gzip.compress(packages))):
            path = f"{component}/binary-all/{name}"
            write(f"{top}/dists/x/{path}", content)
            sums.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}\n")
    write(f"{top}/dists/x/Release", (
        f"Suite: x\nCodename: x\nComponents: {' '.join(COMPONENTS)}\nArchitectures: all\n"
        f"Date: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n{''.join(sums)}").encode())
    return top


def apt_get(adit, _web):
    state, cache = folder("apt-state"), folder("apt-cache")
    os.makedirs(f"{state}/lists/partial")
    os.makedirs(f"{cache}/archives/partial")
    with Files(repository()) as files:
        sources = scratch("sources.list",
                          f"deb [trusted=yes] {files.url}/ x {' '.join(COMPONENTS)}\n")
        options = {"Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "/dev/null",
                   "Dir::State": state, "Dir::Cache": cache, "Dir::Etc::Parts": "/dev/null",
                   "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "0",
                   "APT::Architecture": "all",
                   "Acquire::http::Proxy": f"http://{ANY}:{adit.port}"}
        mark = adit.mark()
        got = run("apt-get", *(f"-o{key}={value}" for key, value in options.items()), "update")
        equal([line for line in got.decode().splitlines() if line.startswith(("E:", "W:", "Err"))],
              [], "complaints")
        lists = os.listdir(f"{state}/lists")
        equal(len([name for name in lists if "Packages" in name]), len(COMPONENTS), "lists")
        lines = lines_of(adit, mark)
        true(len(lines) > len({line["connection"] for line in lines}), "requests share connections")


def icy(conn, _origin):
    """Silence for a moment, as a SHOUTcast server sends it."""
    head = read_head(conn)
    frame = bytes.fromhex("fffb9064") + bytes(413)
    conn.sendall(b"ICY 200 OK\r\nicy-name: silence\r\nContent-Type: audio/mpeg\r\n\r\n" + frame * 40)
    return head


def mpg123(adit, _web):
    with Origin(icy) as radio:
        done = subprocess.run(
            ["mpg123", "-t", "-p", f"{ANY}:{adit.port}", f"http://{ANY}:{radio.port}/x.mp3"],
            capture_output=True, timeout=90, check=False)
        equal(done.returncode, 0, f"exit status ({done.stderr.decode()[-500:]!r})")
        holds(r"silence|40|Decoding of x\.mp3 finished", done.stderr.decode(), "what mpg123 says")


def websocket(conn, _origin):
    """Echoes the text messages of a WebSocket (RFC 6455), which are short."""
    key = http_fields(read_head(conn))["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(
        f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept.encode())
    while len(start := read_exactly(conn, 2)) == 2:
        mask = read_exactly(conn, 4)
        content = bytes(byte ^ mask[number % 4] for number, byte in
                        enumerate(read_exactly(conn, start[1] & 127)))
        conn.sendall(bytes([start[0], len(content)]) + content)


AIOHTTP = """
import asyncio, aiohttp, sys
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(sys.argv[2], proxy=sys.argv[1]) as socket:
            for number in range(5):
                await socket.send_str(f"message {number}")
                print((await socket.receive()).data)
asyncio.run(main())
"""


def python_with(module):
    """A Python that has the module; None: there is none."""
    for program in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(program) and subprocess.run([program, "-c", f"import {module}"],
                                                    capture_output=True,
                                                    check=False).returncode == 0:
            return program
    return None


def aiohttp(adit, _web):
    with Origin(websocket) as origin:
        mark = adit.mark()
        got = run(python_with("aiohttp"), "-c", AIOHTTP, f"http://{ANY}:{adit.port}",
                  f"ws://{ANY}:{origin.port}/")
        equal(got.decode().split("\n")[:5], [f"message {number}" for number in range(5)],
              "messages")
        adit.access(mark, protocol="http", command="request", outcome="ok",
                    target=f"{ANY}:{origin.port}")


def main():
    parts = ((curl, shutil.which("curl")), (python, True), (wget, shutil.which("wget")),
             (apt_get, shutil.which("apt-get")), (mpg123, shutil.which("mpg123")),
             (aiohttp, python_with("aiohttp")))
    with Sshd() as sshd, Web() as web, Adit(config(sshd)) as adit:
        for part, there in parts:
            name = part.__name__.replace("_", "-")
            if not there:
                tap.leave_out(name, f"{name} is not installed")
                continue
            with tap.case(name):
                part(adit, web)


tap.run(main)

"""What is asked of adit's status server ([status]) over HTTP."""

import base64
import json
import re
import socket

from .checks import equal
from .gateway import section
from .net import ANY
from .process import patience


def watched(**keys):
    """[status] on a port of 127.0.0.1 that the kernel picks. adit ends without announcing it."""
    return section("status", {"address": f"{ANY}:0", "drain_announce": "0s", **keys})


def place(adit, index=-1, since=0):
    """Where the status server of a running adit listens: (host, port), or a path."""
    found = adit.wait_log(r"status is served on (\S+)", since) and adit.find(
        r"status is served on (\S+)", since)
    text = found[index][1]
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port))


def dial(where, seconds=30):
    family = socket.AF_UNIX if isinstance(where, str) else (
        socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    conn = socket.socket(family)
    conn.settimeout(patience(seconds))
    conn.connect(where)
    return conn


class Answer:
    """A response: status, fields (by name in lower case), body."""

    def __init__(self, source, head_only=False):
        line = source.readline()
        if not line:
            raise EOFError("no answer")
        self.status = int(line.split()[1])
        self.fields = {}
        while (line := source.readline().strip()):
            name, _, value = line.partition(b":")
            self.fields[name.decode().lower()] = value.strip().decode()
        length = 0 if head_only else int(self.fields["content-length"])
        self.body = source.read(length)

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Watcher:
    """A connection to the status server that asks one thing after another."""

    def __init__(self, where):
        self.conn = dial(where)
        self.source = self.conn.makefile("rb")

    def send(self, data):
        self.conn.sendall(data)

    def answer(self, head_only=False):
        return Answer(self.source, head_only)

    def get(self, path, method="GET", host=ANY, login=None, **fields):
        lines = [f"{method} {path} HTTP/1.1"]
        if host is not None:
            lines.append(f"Host: {host}")
        if login is not None:
            lines.append("Authorization: Basic "
                         + base64.b64encode(":".join(login).encode()).decode())
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self.answer(method == "HEAD")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.source.close()
        self.conn.close()


def get(where, path, **more):
    """The answer to one request."""
    with Watcher(where) as watcher:
        return watcher.get(path, **more)


def got(where, path, **more):
    """The body of an answer that has to be 200."""
    answer = get(where, path, **more)
    equal(answer.status, 200, f"the status of {path}")
    return answer


def is_ready(where):
    return get(where, "/readyz").status == 200


SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")


def samples(where, **more):
    """{(name, ((label, value), ...)): number} of /metrics."""
    found = {}
    for line in got(where, "/metrics", **more).text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            pairs = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
            found[name, pairs] = float(value)
    return found

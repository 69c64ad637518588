"""Servers at the far end of the tunnel."""

import hashlib
import queue
import socket
import struct

from .net import ANY
from .process import patience
from .server import Server, listening

BLOCK = 1 << 16
_filler = hashlib.shake_256(b"adit").digest(BLOCK - 8)


def body(size):
    """`size` bytes by blocks, no two alike: a lost, doubled or swapped one shows."""
    for number in range(0, size, BLOCK):
        yield (struct.pack("!Q", number) + _filler)[:size - number]


def body_bytes(size):
    return b"".join(body(size))


def digest(size):
    """The SHA-256 of body(size)."""
    total = hashlib.sha256()
    for block in body(size):
        total.update(block)
    return total.hexdigest()


def read_exactly(conn, size):
    """`size` bytes, or fewer if the stream ends first."""
    parts = []
    while size > 0:
        part = conn.recv(min(size, 1 << 18))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_digest(conn):
    """Reads to the end: (bytes, SHA-256)."""
    total, size = hashlib.sha256(), 0
    while part := conn.recv(1 << 18):
        total.update(part)
        size += len(part)
    return size, total.hexdigest()


def reset(conn):
    """Closes with RST instead of FIN."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


class Origin(Server):
    """A TCP server that runs `serve(conn, origin)` in a thread a connection.

    What `serve` returns (not None), or the OSError it ended with, goes into `results`.
    """

    def __init__(self, serve, address=ANY, port=0, backlog=1024):
        self.serve = serve
        self.results = queue.Queue()
        self.connections = []
        super().__init__(self._accepted, listening(address, port, backlog))

    def _accepted(self, conn):
        self.connections.append(conn)
        return lambda: self._one(conn)

    def _one(self, conn):
        try:
            result = self.serve(conn, self)
        except OSError as error:
            result = error
        finally:
            conn.close()
        if result is not None:
            self.results.put(result)

    def result(self, seconds=60):
        return self.results.get(timeout=patience(seconds))

    def __exit__(self, *_):
        self.close()
        for conn in self.connections:
            conn.close()


def echo(conn, _origin):
    """Everything comes back, the end of data too."""
    while part := conn.recv(1 << 16):
        conn.sendall(part)
    conn.shutdown(socket.SHUT_WR)


def unix_echo(path):
    """An echo server at a path."""
    return Server(lambda conn: lambda: echo(conn, None), listening(path))


def digest_then_answer(conn, _origin):
    """Reads to the end of data, and only then says what came: needs an exact half-close."""
    size, checksum = read_digest(conn)
    conn.sendall(f"{size} {checksum}\n".encode())
    return size, checksum


def body_then_digest(size):
    """Sends a body, ends its half, and goes on reading: the other half-close. Result: what came."""

    def serve(conn, _origin):
        for block in body(size):
            conn.sendall(block)
        conn.shutdown(socket.SHUT_WR)
        return read_digest(conn)

    return serve


def reset_after_one_byte(conn, _origin):
    conn.recv(1)
    reset(conn)


def how_it_ends(conn, _origin):
    """Says hello, reads on, and tells how it ended: by FIN ("end") or RST (an OSError)."""
    conn.sendall(b"hello")
    while conn.recv(1 << 16):
        pass
    return "end"


class Flood:
    """Sends without end and counts what the kernel took: for readers that do not read."""

    def __init__(self):
        self.sent = 0

    def __call__(self, conn, _origin):
        block = bytes(BLOCK)
        while True:
            self.sent += conn.send(block)


class Blackhole:
    """An address where connecting neither succeeds nor fails: a listener whose queue is full.

    `open()` makes it an echo server after all.
    """

    def __init__(self):
        self.listener = listening(backlog=0)
        self.server = None
        self.address, self.port = self.listener.getsockname()
        self.fill = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self.address, self.port))
            self.fill.append(filler)

    def open(self):
        for filler in self.fill:
            filler.close()

        self.server = Server(lambda conn: lambda: self._one(conn), self.listener)

    @staticmethod
    def _one(conn):
        with conn:
            echo(conn, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.server is not None:
            self.server.close()
        self.listener.close()
        for filler in self.fill:
            filler.close()

"""Name servers, over TCP and UDP, that know a handful of names (RFC 1035, RFC 7766, RFC 2782)."""

import ctypes
import os
import socket
import struct
import subprocess
import threading

from .origins import read_exactly
from .process import scratch
from .server import Server

A, SOA, AAAA, SRV = 1, 6, 28, 33
CLONE_NEWNS, MS_BIND, MS_REC_PRIVATE = 0x20000, 0x1000, 0x44000


def read_name(message, at):
    labels = []
    while length := message[at]:
        labels.append(message[at + 1:at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def write_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def cannot_mount():
    """Why there can be no mounts of our own, if so: no right, or a chroot whose root is no mount
    point, where they could show elsewhere too."""
    tried = subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], check=False,
                           capture_output=True, text=True)
    return tried.returncode and (tried.stderr.strip() or "unshare failed")


def own_resolv_conf(server):
    """For a child: before it begins, it gets an /etc/resolv.conf of its own (mount_namespaces(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = scratch("resolv.conf", f"nameserver {server}\n", mode=0o644)

    def before():
        if libc.unshare(CLONE_NEWNS) != 0 or \
                libc.mount(None, b"/", None, MS_REC_PRIVATE, None) != 0 or \
                libc.mount(wanted.encode(), b"/etc/resolv.conf", None, MS_BIND, None) != 0:
            raise OSError(ctypes.get_errno(), "a mount of our own")
    return before


class Zone:
    """`names`: {name: [address or (priority, weight, port, target), ...]}. All else does not exist; a
    name with None fails (SERVFAIL).

    `queries` notes (name, type). Those of `unanswered` get no answer.
    """

    def __init__(self, names, ttl=300, negative_ttl=60, unanswered=()):
        self.names = names
        self.unanswered = unanswered
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self.queries = []

    def reply(self, query):
        name, end = read_name(query, 12)
        kind = struct.unpack("!H", query[end:end + 2])[0]
        question = query[12:end + 4]
        self.queries.append((name, kind))
        addresses = self.names.get(name, [])
        records = [] if addresses is None else [
            record for address in addresses if (record := self.record(address, kind))]
        code = 2 if addresses is None else 0 if name in self.names else 3
        authority = b""
        if not records and code != 2:
            data = write_name("ns.test") * 2 + struct.pack("!5I", 1, 60, 60, 60, self.negative_ttl)
            authority = write_name("test") + struct.pack("!HHIH", SOA, 1, self.negative_ttl,
                                                         len(data)) + data
        flags = 0x8580 | code  # a response, authoritative, recursion as asked
        return query[:2] + struct.pack("!5H", flags, 1, len(records), 1 if authority else 0, 0) \
            + question + b"".join(records) + authority

    def record(self, address, kind):
        """A resource record for the question's name; None: it is of another type."""
        if isinstance(address, tuple):
            *numbers, target = address
            data = struct.pack("!3H", *numbers) + (write_name(target) if target else b"\0")
            return self.resource(SRV, data) if kind == SRV else None
        family, mine = (socket.AF_INET6, AAAA) if ":" in address else (socket.AF_INET, A)
        if kind != mine:
            return None
        return self.resource(kind, socket.inet_pton(family, address))

    def resource(self, kind, data):
        return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, len(data)) + data

    def asked(self, name):
        return [kind for queried, kind in self.queries if queried == name]


class Dns(Zone, Server):
    """Over TCP, on a free port."""

    def __init__(self, names, **more):
        Zone.__init__(self, names, **more)
        Server.__init__(self, lambda conn: lambda: self._serve(conn))

    def _serve(self, conn):
        with conn:
            while len(head := read_exactly(conn, 2)) == 2:
                query = read_exactly(conn, struct.unpack("!H", head)[0])
                reply = self.reply(query)
                if self.queries[-1] in self.unanswered:
                    continue
                conn.sendall(struct.pack("!H", len(reply)) + reply)


class UdpDns(Zone):
    """Over UDP, at port 53 of an address, for what asks as resolv.conf(5) says."""

    def __init__(self, names, address, **more):
        super().__init__(names, **more)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(1 << 12)
            reply = self.reply(query)
            if self.queries[-1] not in self.unanswered:
                self.socket.sendto(reply, client)

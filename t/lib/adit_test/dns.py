"""A name server over TCP that knows a handful of names (RFC 1035, RFC 7766)."""

import socket
import struct

from .origins import read_exactly
from .server import Server

A, SOA, AAAA = 1, 6, 28


def read_name(message, at):
    labels = []
    while length := message[at]:
        labels.append(message[at + 1:at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def write_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Dns(Server):
    """`names`: {name: [address, ...]}. All else does not exist; a name with None fails (SERVFAIL).

    `queries` notes (name, type). Those of `unanswered` get no answer.
    """

    def __init__(self, names, ttl=300, negative_ttl=60, unanswered=()):
        self.names = names
        self.unanswered = unanswered
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self.queries = []
        super().__init__(lambda conn: lambda: self._serve(conn))

    def _serve(self, conn):
        with conn:
            while len(head := read_exactly(conn, 2)) == 2:
                query = read_exactly(conn, struct.unpack("!H", head)[0])
                reply = self.reply(query)
                if self.queries[-1] in self.unanswered:
                    continue
                conn.sendall(struct.pack("!H", len(reply)) + reply)

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
        """A resource record for the question's name; None: the address is of the other family."""
        family, mine = (socket.AF_INET6, AAAA) if ":" in address else (socket.AF_INET, A)
        if kind != mine:
            return None
        data = socket.inet_pton(family, address)
        return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, len(data)) + data

    def asked(self, name):
        return [kind for queried, kind in self.queries if queried == name]

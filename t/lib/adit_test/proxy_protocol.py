"""The PROXY protocol: headers made by hand, and HAProxy, which sends them."""

import socket
import struct

from .clients import PROTOCOLS, Line
from .net import ANY, free_port
from .process import Process, scratch, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, TCP6, UDP4, UNIX = 0x00, 0x11, 0x21, 0x12, 0x31
CRC32C, NOOP, UNIQUE_ID = 3, 4, 5


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def v1(source, port=4711, family="TCP4", to=ANY, to_port=1080):
    return f"PROXY {family} {source} {to} {port} {to_port}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(source=None, port=4711, tlvs=b"", command=PROXY, family=TCP4, checked=False, length=None):
    """A header of version 2; source None: without addresses."""
    kind = socket.AF_INET6 if family == TCP6 else socket.AF_INET
    addresses = b"" if source is None else \
        socket.inet_pton(kind, source) * 2 + struct.pack("!HH", port, 1080)
    rest = addresses + tlvs + (tlv(CRC32C, bytes(4)) if checked else b"")
    header = SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest
    if length is not None:
        header = header[:14] + struct.pack("!H", length) + header[16:]
    return header[:-4] + struct.pack("!I", crc32c(header)) if checked else header


def connect_by(proxy, header, host, port, protocol="socks5", drip=False, **more):
    """As clients.connect, for a client whose connection a balancer passes on with such a header."""
    line = Line(proxy, drip)
    try:
        line.send(header)
        PROTOCOLS[protocol](line, host, port, None, **more)
    except BaseException:
        line.socket.close()
        raise
    return line.socket


class Haproxy(Process):
    """HAProxy with one frontend for each word of `servers`: what follows the address of its only
    server there ("send-proxy")."""

    def __init__(self, to, servers):
        self.ports = [free_port() for _ in servers]
        text = ("global\n    maxconn 100\ndefaults\n    mode tcp\n    timeout connect 20s\n"
                "    timeout client 60s\n    timeout server 60s\n")
        for i, (port, words) in enumerate(zip(self.ports, servers)):
            text += (f"listen l{i}\n    bind {ANY}:{port}\n    unique-id-format id-%ci-%cp\n"
                     f"    server s {to} {words}\n")
        super().__init__("haproxy", ["haproxy", "-db", "-f", scratch("haproxy.cfg", text)])
        for port in self.ports:
            wait_until(lambda port=port: self._listens(port), "haproxy listens")

    @staticmethod
    def _listens(port):
        try:
            socket.create_connection((ANY, port), timeout=5).close()
        except OSError:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def connect_from(source, to):
    """A connection from another loopback address."""
    return socket.create_connection(to, timeout=60, source_address=(source, 0))

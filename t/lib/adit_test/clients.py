"""Proxy clients made by hand: each protocol's bytes, and connections that speak them."""

import base64
import contextlib
import ipaddress
import re
import socket
import struct
import time

from .net import ANY
from .origins import read_exactly
from .process import patience


HELLO = b"\x05\x01\x00"  # RFC 1928 section 3: one method, none


class Refused(Exception):
    """The proxy said no. `code`: REP, CD or the HTTP status; `reply`: all it said."""

    def __init__(self, protocol, code, reply=b""):
        super().__init__(f"{protocol} says {code:#04x} ({code}): {reply[:200]!r}")
        self.protocol = protocol
        self.code = code
        self.reply = reply


class Closed(Exception):
    """The proxy closed instead of answering."""


def literal(host):
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def socks5_address(host, port, as_name=False):
    """ATYP, DST.ADDR, DST.PORT (RFC 1928 section 4)."""
    address = None if as_name else literal(host)
    if address is None:
        name = host.encode()
        return bytes([3, len(name)]) + name + struct.pack("!H", port)
    return bytes([1 if address.version == 4 else 4]) + address.packed + struct.pack("!H", port)


def socks5_request(host, port, command=1, as_name=False):
    return bytes([5, command, 0]) + socks5_address(host, port, as_name)


def socks4_request(host, port, command=1, user=b"", as_name=False):
    """SOCKS4, or SOCKS4a for a name."""
    address = None if as_name else literal(host)
    packed, name = (b"\0\0\0\x01", host.encode() + b"\0") if address is None \
        else (address.packed, b"")
    return bytes([4, command]) + struct.pack("!H", port) + packed + user + b"\0" + name


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def hostport(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def http_request(host, port, credentials=None):
    """CONNECT."""
    target = hostport(host, port)
    proof = f"Proxy-Authorization: {basic(*credentials)}\r\n" if credentials else ""
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{proof}\r\n".encode()


def password_request(user, password):
    """RFC 1929."""
    user, password = user.encode(), password.encode()
    return bytes([1, len(user)]) + user + bytes([len(password)]) + password


def request(protocol, host, port):
    """All that a client of this protocol says before its data, in one piece."""
    if protocol == "http":
        return http_request(host, port)
    if protocol in ("socks4", "socks4a"):
        return socks4_request(host, port, as_name=protocol == "socks4a")
    return HELLO + socks5_request(host, port, as_name=protocol == "socks5h")


def read_head(conn):
    """An HTTP head, byte by byte, so that nothing after it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = conn.recv(1)
        if not byte:
            raise Closed(f"after {head!r}")
        head += byte
    return head


def http_status(head):
    return int(re.match(rb"HTTP/1\.[01] (\d{3}) ", head)[1])


def http_fields(head):
    """{lower-case name: value}"""
    return {key.strip().lower(): value.strip() for key, _, value in
            (line.partition(":") for line in head.decode("latin-1").splitlines()[1:] if line)}


def read_all(conn):
    parts = []
    while part := conn.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def reply(conn, size):
    got = read_exactly(conn, size)
    if len(got) < size:
        raise Closed(f"after {got!r}")
    return got


def socks5_reply(conn):
    """RFC 1928 section 6: (REP, the whole reply)."""
    head = reply(conn, 4)
    rest = {1: 4, 4: 16}.get(head[3])
    if rest is None:
        length = reply(conn, 1)
        head, rest = head + length, length[0]
    return head[1], head + reply(conn, rest + 2)


class Line:
    """A connection to a proxy that sends as told: whole, or byte by byte."""

    def __init__(self, proxy, drip=False, timeout=None):
        if isinstance(proxy, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout or patience(60))
            self.socket.connect(proxy)
        else:
            self.socket = socket.create_connection(proxy, timeout=timeout or patience(60))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.drip = drip

    def send(self, data):
        if not self.drip:
            self.socket.sendall(data)
            return
        for byte in data:
            self.socket.sendall(bytes([byte]))
            time.sleep(0.001)  # lets each byte be a segment, and a read, of its own


def _socks5(line, host, port, early, as_name=False, credentials=None, command=1):
    methods = HELLO if credentials is None else b"\x05\x02\x00\x02"
    request = socks5_request(host, port, command, as_name)
    if early is not None and credentials is None:
        line.send(methods + request + early)
    else:
        line.send(methods)
    chosen = reply(line.socket, 2)
    if chosen[1] == 0xff:
        raise Refused("socks5 method", 0xff, chosen)
    if chosen[1] == 2:
        line.send(password_request(*credentials))
        status = reply(line.socket, 2)
        if status[1] != 0:
            raise Refused("socks5 password", status[1], status)
    if early is None or credentials is not None:
        line.send(request + (early or b""))
    code, whole = socks5_reply(line.socket)
    if code != 0:
        raise Refused("socks5", code, whole)
    return whole


def _socks4(line, host, port, early, as_name=False, credentials=None, command=1):
    user = credentials[0].encode() if credentials else b""
    line.send(socks4_request(host, port, command, user, as_name) + (early or b""))
    got = reply(line.socket, 8)
    if got[0] != 0 or got[1] != 0x5a:
        raise Refused("socks4", got[1], got)
    return got


def _http(line, host, port, early, as_name=False, credentials=None, command=1):
    assert not as_name and command == 1, "HTTP knows no such thing"
    line.send(http_request(host, port, credentials) + (early or b""))
    head = read_head(line.socket)
    if http_status(head) != 200:
        line.socket.settimeout(patience(20))
        raise Refused("http", http_status(head), head + read_all(line.socket))
    return head


PROTOCOLS = {
    "socks5": _socks5,
    "socks5h": lambda *a, **k: _socks5(*a, as_name=True, **k),
    "socks4": _socks4,
    "socks4a": lambda *a, **k: _socks4(*a, as_name=True, **k),
    "http": _http,
}


def connect(proxy, host, port, protocol="socks5", early=None, drip=False, timeout=None, **more):
    """A socket through the proxy (address pair or unix path), or Refused, or Closed.

    early  bytes sent in the same segment as the request (b"" puts all of the request in one)
    drip   everything up to there byte by byte
    """
    line = Line(proxy, drip, timeout)
    try:
        PROTOCOLS[protocol](line, host, port, early, **more)
    except BaseException:
        line.socket.close()
        raise
    return line.socket


def refusal(*args, **more):
    """The code with which the proxy refuses what it is asked; fails if it does not."""
    try:
        connect(*args, **more).close()
    except Refused as refused:
        return refused.code
    return 0


@contextlib.contextmanager
def connected(*args, **more):
    conn = connect(*args, **more)
    try:
        yield conn
    finally:
        conn.close()


def exchange(conn, data=b"the quick brown fox"):
    """Whether data comes back from an echo server."""
    conn.sendall(data)
    return read_exactly(conn, len(data)) == data


def works(proxy, origin, protocol="socks5", host=None, **more):
    """Whether a new connection through the proxy to an echo server carries data both ways."""
    with connected(proxy, host or origin.address, origin.port, protocol, **more) as conn:
        return exchange(conn)


def closed(conn):
    """Waits for the end of the stream, FIN or RST, and drops what comes. False: it timed out."""
    try:
        while conn.recv(1 << 16):
            pass
    except socket.timeout:
        return False
    except OSError:
        pass
    return True


def echoes(port, address=ANY):
    """Whether a plain connection there leads to an echo."""
    try:
        with socket.create_connection((address, port), timeout=patience(20)) as conn:
            return exchange(conn)
    except OSError:
        return False


def refuses(port, address=ANY):
    """Whether the port is refused."""
    try:
        socket.create_connection((address, port), timeout=patience(20)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # the listener was closed at that moment
        pass
    return False

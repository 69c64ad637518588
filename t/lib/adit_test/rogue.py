"""An SSH server that breaks the protocol as a test tells it to.

rogue_transport.c does the transport; what is above it is a scenario: a function that is called
with a Session for each connection, in a thread of its own. When it returns the connection is
closed; `linger()` waits until the client has closed it.

    def early_data(session):
        session.login()
        number, _ = session.opened()             # the client asked for a channel
        session.data(number, b"before its time") # ... and gets data instead of a confirmation
        session.linger()

    with Rogue(early_data) as rogue, Adit(config(rogue)) as adit: ...
"""

import getpass
import os
import struct
import subprocess

from .keys import keypair
from .net import ANY
from .process import patience, scratch
from .server import Server, listening
from .tap import BailOut

DISCONNECT, IGNORE, UNIMPLEMENTED = 1, 2, 3
SERVICE_REQUEST, SERVICE_ACCEPT = 5, 6
KEXINIT = 20
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
CHANNEL_OPEN, OPEN_CONFIRMATION, OPEN_FAILURE = 90, 91, 92
WINDOW_ADJUST, CHANNEL_DATA, EXTENDED_DATA, CHANNEL_EOF, CHANNEL_CLOSE = 93, 94, 95, 96, 97
CHANNEL_REQUEST = 98

STEPS = ("connect", "version-part", "version", "their-version", "kexinit-part", "kexinit",
         "their-kexinit", "ecdh", "reply-part", "reply", "newkeys", "their-newkeys")


def program():
    """The helper, in the build that is tested."""
    builds = [os.environ.get("ADIT_BUILDDIR"), os.path.dirname(os.environ.get("ADIT", ""))]
    for build in filter(None, builds):
        path = os.path.join(build, "t", "lib", "rogue_transport")
        if os.access(path, os.X_OK):
            return path
    raise BailOut("no t/lib/rogue_transport: make check builds it")


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("!I", len(value)) + value


def numbers(*values):
    return struct.pack(f"!{len(values)}I", *values)


class Reader:
    """The fields of a payload, one after the other."""

    def __init__(self, payload):
        self.rest = payload[1:]

    def number(self):
        value, self.rest = struct.unpack("!I", self.rest[:4])[0], self.rest[4:]
        return value

    def text(self):
        length = self.number()
        value, self.rest = self.rest[:length], self.rest[length:]
        return value


class Gone(Exception):
    """The client closed the connection."""


class Session:
    """One connection, keys exchanged: payloads in, payloads out."""

    def __init__(self, rogue, conn, stop=()):
        self.rogue = rogue
        self.seen = []  # the type of each message that came
        # (The tests' Process reads lines; this one carries packets.)
        self.child = subprocess.Popen(
            [program(), rogue.verb, rogue.seed, str(conn.fileno()), *stop], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=[conn.fileno()], bufsize=0)
        conn.close()

    # Packets.

    def send(self, kind, *parts):
        """One message; raises Gone if the client has left."""
        payload = bytes([kind]) + b"".join(parts)
        data = struct.pack("!I", len(payload)) + payload
        try:
            while data:
                data = data[os.write(self.child.stdin.fileno(), data):]
        except OSError as error:
            raise Gone from error

    def receive(self):
        """The next payload; raises Gone if the client has left."""
        length = struct.unpack("!I", self._read(4))[0]
        payload = self._read(length)
        self.seen.append(payload[0])
        return payload

    def _read(self, length):
        parts = b""
        while len(parts) < length:
            part = os.read(self.child.stdout.fileno(), length - len(parts))
            if not part:
                raise Gone
            parts += part
        return parts

    def expect(self, kind):
        """The next message of that type; what comes before it is dropped."""
        while True:
            payload = self.receive()
            if payload[0] == kind:
                return payload

    def linger(self):
        """Waits until the client has closed the connection."""
        while True:
            self.receive()

    def rekey(self, seed=None):
        """Exchanges keys anew, with another host key if one is given."""
        self.send(0, bytes.fromhex(seed or self.rogue.seed))

    def deafen(self):
        """From here on nothing is read from the client."""
        self.send(0)

    def refuse_rekey(self):
        """The client's KEXINIT is not answered any more, but received as other messages are."""
        self.send(0, b"\1")

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(patience(10))
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()

    # What most scenarios begin with.

    def accept_service(self):
        self.send(SERVICE_ACCEPT, text(Reader(self.expect(SERVICE_REQUEST)).text()))

    def login(self):
        """Lets in whoever asks first, by whatever method."""
        self.accept_service()
        self.expect(USERAUTH_REQUEST)
        self.send(USERAUTH_SUCCESS)

    def opened(self):
        """The next channel that the client asks for: (its number, its initial window)."""
        fields = Reader(self.expect(CHANNEL_OPEN))
        fields.text()
        return fields.number(), fields.number()

    def listens(self):
        """The next request for a remote forward, which is granted: (address, port)."""
        while True:
            fields = Reader(self.expect(GLOBAL_REQUEST))
            if fields.text() == b"tcpip-forward":
                break
        fields.rest = fields.rest[1:]
        where = fields.text(), fields.number()
        self.send(REQUEST_SUCCESS)
        return where

    # Messages about channels.

    def confirm(self, number, window=1 << 20, packet=32768, ours=0):
        self.send(OPEN_CONFIRMATION, numbers(number, ours, window, packet))

    def deny(self, number, words="no"):
        self.send(OPEN_FAILURE, numbers(number, 1), text(words), text(""))

    def data(self, number, data):
        self.send(CHANNEL_DATA, numbers(number), text(data))

    def stderr(self, number, data):
        self.send(EXTENDED_DATA, numbers(number, 1), text(data))

    def adjust(self, number, size):
        self.send(WINDOW_ADJUST, numbers(number, size))

    def eof(self, number):
        self.send(CHANNEL_EOF, numbers(number))

    def shut(self, number):
        self.send(CHANNEL_CLOSE, numbers(number))

    def forward(self, where, ours, window=1 << 20, packet=32768):
        """A connection came to what the client listens on."""
        self.send(CHANNEL_OPEN, text("forwarded-tcpip"), numbers(ours, window, packet),
                  text(where[0]), numbers(where[1]), text("192.0.2.1"), numbers(4711))

    def echo(self, number):
        """An honest channel from here on: what the client sends comes back, until it closes."""
        while True:
            payload = self.receive()
            if payload[0] == CHANNEL_DATA:
                fields = Reader(payload)
                fields.number()
                self.data(number, fields.text())
            elif payload[0] in (CHANNEL_EOF, CHANNEL_CLOSE):
                self.shut(number)
                return


class Rogue(Server):
    """The server. Has what adit_test.upstream() asks of an Sshd.

    scenario    a function of a Session, or one for each connection in turn, the last for all others
    stop        (step, how): no session at all; each connection ends at that step of the transport
    """

    seed = "5e" * 32
    verb = "serve"

    def __init__(self, *scenarios, stop=()):
        self.scenarios = scenarios
        self.stop = stop
        self.user = getpass.getuser()
        self.user_key = keypair("user_key")
        self.count = 0  # connections so far
        listener = listening()
        self.port = listener.getsockname()[1]
        self.host_key = subprocess.run([program(), "public", self.seed], check=True,
                                       capture_output=True, encoding="ascii").stdout
        self.known_hosts = scratch("known_hosts", f"[{ANY}]:{self.port} {self.host_key}")
        self.sessions = []
        super().__init__(self._accepted, listener)

    def _accepted(self, conn):
        session = Session(self, conn, self.stop)
        self.sessions.append(session)
        scenario = self.scenarios[min(self.count, len(self.scenarios) - 1)] \
            if self.scenarios else Session.linger
        self.count += 1
        return lambda: self._serve(session, scenario)

    @staticmethod
    def _serve(session, scenario):
        try:
            scenario(session)
        except Gone:
            pass
        finally:
            session.close()

    def __exit__(self, *_):
        self.close()
        for session in self.sessions:
            if session.child.poll() is None:
                session.child.kill()
        for thread in self.threads:
            thread.join()

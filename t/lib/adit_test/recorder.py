"""An SSH server that records what a client does: its algorithms, its methods and keys in order, its
answers, and what it asks for after the login."""

import base64
import threading

from .keys import public
from .rogue import (CHANNEL_OPEN, CHANNEL_REQUEST, GLOBAL_REQUEST, KEXINIT, REQUEST_SUCCESS,
                    SERVICE_ACCEPT, SERVICE_REQUEST, USERAUTH_FAILURE, USERAUTH_REQUEST,
                    USERAUTH_SUCCESS, Gone, Reader, Rogue, numbers, text)

VERSION = 0  # (of the helper: no SSH message has this number)
EXT_INFO = 7
# The answer to a publickey request without a signature, or a question of keyboard-interactive.
PK_OK = INFO_REQUEST = 60
INFO_RESPONSE = 61

LISTS = ("kex", "host keys", "ciphers", "ciphers back", "macs", "macs back", "compression",
         "compression back")
# Names in the list of key exchanges that are no key exchange (RFC 8308; OpenSSH's PROTOCOL).
MARKS = ("ext-info-c", "kex-strict-c-v00@openssh.com")
SIGNATURES = ("ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
              "rsa-sha2-512,rsa-sha2-256")


class Record:
    """One connection.

    lists    what it proposed, by the names of LISTS
    auth     the user, then "METHOD ..." for each request, in order; a key that was asked about and
             then signed with is one request
    after    what it asked for once it was logged in
    peer     the address that it came from
    """

    def __init__(self, peer):
        self.peer = peer
        self.version = None
        self.lists = {}
        self.marks = []
        self.auth = []
        self.after = []
        self.over = threading.Event()  # the client has closed the connection

    def fields(self):
        """All of it, to be compared."""
        return {**self.lists, "marks": self.marks, "auth": self.auth, "after": self.after,
                "peer": self.peer}


class Recorder(Rogue):
    """The server.

    keys      {name: path of a key}, to name those that are offered
    accepts   the methods that let a client in; others, and what they ask for, are refused
    methods   those that it says can go on
    until     how many requests after the login set `done`
    """

    verb = "record"

    def __init__(self, keys, accepts=("publickey",),
                 methods="publickey,keyboard-interactive,password", until=1):
        self.names = {self._blob(path): name for name, path in keys.items()}
        self.accepts = accepts
        self.methods = methods
        self.until = until
        self.records = []
        self.done = threading.Event()
        super().__init__(self._record)

    @staticmethod
    def _blob(path):
        line = open(path, encoding="ascii").read() if path.endswith(".pub") else public(path)
        return base64.b64decode(line.split()[1])

    def _accepted(self, conn):
        self.records.append(Record(conn.getpeername()[0]))
        return super()._accepted(conn)

    def _record(self, session):
        record = self.records[self.sessions.index(session)]
        handlers = {VERSION: self._version, KEXINIT: self._kexinit,
                    SERVICE_REQUEST: self._service, USERAUTH_REQUEST: self._request,
                    INFO_RESPONSE: self._answer, GLOBAL_REQUEST: self._global,
                    CHANNEL_OPEN: self._open, CHANNEL_REQUEST: self._channel_request}
        try:
            while True:
                payload = session.receive()
                handler = handlers.get(payload[0])
                if handler:
                    handler(session, record, Reader(payload))
        except Gone:
            pass
        finally:
            record.over.set()

    # Before the login.

    @staticmethod
    def _version(_session, record, fields):
        record.version = fields.rest.decode("ascii", "backslashreplace")

    @staticmethod
    def _kexinit(_session, record, fields):
        fields.rest = fields.rest[16:]
        for name in LISTS:
            record.lists[name] = fields.text().decode("ascii").split(",")
        record.marks = sorted(set(record.lists["kex"]) & set(MARKS))
        record.lists["kex"] = [name for name in record.lists["kex"] if name not in MARKS]

    @staticmethod
    def _service(session, _record, fields):
        session.send(EXT_INFO, numbers(1), text("server-sig-algs"), text(SIGNATURES))
        session.send(SERVICE_ACCEPT, text(fields.text()))

    def _refuse(self, session):
        session.send(USERAUTH_FAILURE, text(self.methods), b"\0")

    def _request(self, session, record, fields):
        user = fields.text().decode()
        fields.text()
        method = fields.text().decode()
        if not record.auth:
            record.auth.append(f"user {user}")
        if method == "publickey":
            self._publickey(session, record, fields)
        elif method == "password":
            fields.rest = fields.rest[1:]
            self._tried(session, record, method, fields.text().decode())
        elif method == "keyboard-interactive":
            record.auth.append(method)
            session.send(INFO_REQUEST, text(""), text(""), text(""), numbers(1), text("Code: "),
                         b"\0")
        else:
            self._tried(session, record, method)

    def _tried(self, session, record, *words):
        record.auth.append(" ".join(words))
        if words[0] in self.accepts:
            session.send(USERAUTH_SUCCESS)
        else:
            self._refuse(session)

    def _publickey(self, session, record, fields):
        has_signature, fields.rest = fields.rest[0], fields.rest[1:]
        algorithm, blob = fields.text(), fields.text()
        tried = f"publickey {algorithm.decode()} {self.names.get(blob, 'another key')}"
        if record.auth[-1] != tried:
            record.auth.append(tried)
        if "publickey" not in self.accepts:
            self._refuse(session)
        elif has_signature:
            session.send(USERAUTH_SUCCESS)
        else:
            session.send(PK_OK, text(algorithm), text(blob))

    def _answer(self, session, record, fields):
        answers = [fields.text().decode() for _ in range(fields.number())]
        record.auth[-1] += " " + ",".join(answers)
        if "keyboard-interactive" in self.accepts:
            session.send(USERAUTH_SUCCESS)
        else:
            self._refuse(session)

    # After the login.

    def _after(self, record, words):
        record.after.append(words)
        if len(record.after) == self.until:
            self.done.set()

    def _global(self, session, record, fields):
        name = fields.text().decode()
        wants, fields.rest = fields.rest[0], fields.rest[1:]
        where = f" {fields.text().decode()}:{fields.number()}" if "tcpip-forward" in name else ""
        path = f" {fields.text().decode()}" if "streamlocal-forward" in name else ""
        self._after(record, f"{name}{where}{path}{'' if wants else ' without a reply'}")
        if wants:
            session.send(REQUEST_SUCCESS, numbers(4711) if where.endswith(":0") else b"")

    def _open(self, session, record, fields):
        kind, number = fields.text().decode(), fields.number()
        fields.number(), fields.number()
        where = f" {fields.text().decode()}"
        if kind == "direct-tcpip":
            where += f":{fields.number()}"
        self._after(record, kind + where)  # first: the client may leave at any answer
        session.confirm(number)
        session.eof(number)
        session.shut(number)

    def _channel_request(self, _session, record, fields):
        fields.number()
        self._after(record, f"channel request {fields.text().decode()}")

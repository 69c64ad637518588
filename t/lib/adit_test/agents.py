"""Agents with a mind of their own, between a client and a real ssh-agent."""

import base64
import os
import socket
import struct
import threading

from .keys import public
from .process import scratch

FAILURE, SIGN_REQUEST, SIGN_RESPONSE = 5, 13, 14


def _receive(conn):
    """The next message, or b"" at the end."""
    head = conn.recv(4, socket.MSG_WAITALL)
    length = struct.unpack("!I", head)[0] if len(head) == 4 else 0
    return conn.recv(length, socket.MSG_WAITALL) if length else b""


def _send(conn, message):
    conn.sendall(struct.pack("!I", len(message)) + message)


def _blob(key):
    return base64.b64decode(public(key).split()[1])


class Filter:
    """Passes messages on to an Agent and back.

    refuses      keys with which it does not sign, as where a person says no (ssh-add -c)
    refusal      what it answers then
    hangs_up_at  a key at whose use it closes the connection
    """

    def __init__(self, agent, refuses=(), hangs_up_at=None, refusal=bytes([FAILURE])):
        self.agent = agent
        self.refusal = refusal
        self.refused = [_blob(key) for key in refuses]
        self.deadly = _blob(hangs_up_at) if hangs_up_at else None
        self.requests = []  # the type of each message that came
        self.socket = scratch("agent")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        os.chmod(self.socket, 0o600)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn, socket.socket(socket.AF_UNIX) as real:
            real.connect(self.agent.socket)
            while message := _receive(conn):
                self.requests.append(message[0])
                if message[0] == SIGN_REQUEST:
                    length = struct.unpack("!I", message[1:5])[0]
                    blob = message[5:5 + length]
                    if blob == self.deadly:
                        return
                    if blob in self.refused:
                        _send(conn, self.refusal)
                        continue
                _send(real, message)
                _send(conn, _receive(real))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

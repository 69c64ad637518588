"""A slow link between adit and an SSH server: a TCP relay on loopback."""

import queue
import socket
import threading
import time

from .keys import known_hosts
from .net import ANY
from .server import Server, listening

# What the relay's sockets hold each: little, so that the sender notices the link and not a buffer.
BUFFER = 16384
# How many pieces may be under way where there is a delay.
PIECES = 4096


class Link(Server):
    """Leads to an Sshd; `up` is what adit sends, `down` what it receives.

    up_rate     bytes a second, upward (None: as fast as they come)
    up_delay    seconds that each byte upward takes
    down_gather seconds for which what comes down is gathered, before it goes on in one piece
    """

    def __init__(self, sshd, up_rate=None, up_delay=0, down_gather=0):
        self.sshd = sshd
        self.up_rate = up_rate
        self.up_delay = up_delay
        self.down_gather = down_gather
        self.sockets = []
        listener = listening()
        if up_rate is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        super().__init__(self._accepted, listener)

    def upstream(self, **keys):
        """Keys of an [upstream] that goes by this link."""
        return {"host": ANY, "port": self.port, "sessions": "1-1",
                "known_hosts": known_hosts(self.sshd.host_key, (ANY, self.port)), **keys}

    def _accepted(self, near):
        far = socket.create_connection((self.sshd.address, self.sshd.port))
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets += (near, far)
        up = self._up_delayed if self.up_delay else self._up
        down = self._down_gathered if self.down_gather else self._plain
        threading.Thread(target=self._carry, args=(up, near, far), daemon=True).start()
        return lambda: self._carry(down, far, near)

    @staticmethod
    def _carry(carry, source, sink):
        try:
            carry(source, sink)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end is gone: so is the other
            for sock in (source, sink):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def _plain(source, sink):
        while part := source.recv(1 << 16):
            sink.sendall(part)

    def _up(self, source, sink):
        if self.up_rate is None:
            self._plain(source, sink)
            return
        due = time.monotonic()
        while part := source.recv(4096):
            due = max(due, time.monotonic() - 0.01) + len(part) / self.up_rate
            time.sleep(max(0, due - time.monotonic()))
            sink.sendall(part)

    def _up_delayed(self, source, sink):
        under_way = queue.Queue(PIECES)

        def read():
            try:
                while part := source.recv(1 << 16):
                    under_way.put((time.monotonic() + self.up_delay, part))
            except OSError:
                pass
            under_way.put((0, b""))

        threading.Thread(target=read, daemon=True).start()
        while True:
            due, part = under_way.get()
            if not part:
                return
            time.sleep(max(0, due - time.monotonic()))
            sink.sendall(part)

    def _down_gathered(self, source, sink):
        while part := source.recv(1 << 18):
            time.sleep(self.down_gather)
            try:
                part += source.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            sink.sendall(part)

    def __exit__(self, *_):
        self.close()
        for sock in self.sockets:
            sock.close()

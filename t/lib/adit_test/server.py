"""A server that gives each connection a thread: what all servers of this library are."""

import socket
import threading

from .net import ANY


def listening(address=ANY, port=0, backlog=1024):
    """A socket that listens at an address, or at a path."""
    if address.startswith("/"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen(backlog)
        return listener
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


class Server:
    """Calls `accepted(conn)` for each connection, in the thread that accepts, and what this returns
    (None: nothing) in a thread of its own; an OSError that a thread meets ends that thread.

    address, port   where it listens, if that is no path
    """

    def __init__(self, accepted, listener=None):
        self.accepted = accepted
        self.listener = listener or listening()
        self.is_unix = self.listener.family == socket.AF_UNIX
        if not self.is_unix:
            self.address, self.port = self.listener.getsockname()[:2]
        self.threads = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_unix:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve = self.accepted(conn)
            if serve is not None:
                thread = threading.Thread(target=self._run, args=(serve,), daemon=True)
                self.threads.append(thread)
                thread.start()

    @staticmethod
    def _run(serve):
        try:
            serve()
        except OSError:
            pass

    def close(self):
        """Listens no more; connections stay. Nothing is accepted after the return."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(2): close(2) alone does not
        except OSError:
            pass  # closed already
        self.listener.close()
        self.accepting.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

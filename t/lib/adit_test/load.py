"""Short requests, many a second, beside whatever else goes on."""

import threading
import time

from .clients import Closed, Refused, connect, exchange
from .process import patience


class Load:
    """`rate` requests a second to an echo server, each in its own thread, until the block ends.

    refused  what those said that never got a connection (an answer that is no, a close, a time-out)
    cut      (local port, what happened) of those that had one and lost it
    """

    def __init__(self, address, origin, rate, protocol="socks5", size=200):
        self.address = address
        self.origin = origin
        self.rate = rate
        self.protocol = protocol
        self.data = bytes(index % 251 for index in range(size))
        self.good = 0
        self.refused = []
        self.cut = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = []
        self.pacer = threading.Thread(target=self._pace, daemon=True)

    def _pace(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            thread = threading.Thread(target=self._one, daemon=True)
            thread.start()
            self.threads.append(thread)
            due = max(due + 1 / self.rate, time.monotonic() - 1)  # no burst after a stall
            time.sleep(max(0, due - time.monotonic()))

    def _one(self):
        try:
            conn = connect(self.address, self.origin.address, self.origin.port, self.protocol,
                           timeout=patience(90))
        except (OSError, Refused, Closed) as error:
            with self.lock:
                self.refused.append(f"{type(error).__name__}: {error}")
            return
        port = conn.getsockname()[1]
        try:
            what = None if exchange(conn, self.data) else "end of data"
        except OSError as error:
            what = str(error)
        conn.close()
        with self.lock:
            if what is None:
                self.good += 1
            else:
                self.cut.append((port, what))

    def __enter__(self):
        self.pacer.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        if kind is None:
            self.pacer.join()
            for thread in self.threads:
                thread.join()

    def wait(self, more):
        """Waits until so many more requests have come to their end, good or bad."""
        wanted = self.done() + more
        end = time.monotonic() + patience(120)
        while self.done() < wanted and time.monotonic() < end:
            time.sleep(0.01)

    def done(self):
        return self.good + len(self.refused) + len(self.cut)

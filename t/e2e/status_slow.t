#!/usr/bin/env -S python3 -B
"""Clients of the status server that are slow, or many: they are dropped, and cost nobody anything."""

import contextlib
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, config, equal, tap, true, wait_until
from adit_test.clients import works
from adit_test.gateway import sanitized
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.watch import Watcher, dial, get, got, place, watched

MANY = 1000
MOST = 128  # STATUS_CLIENTS_MAX
ASK = b"GET /api/status.json HTTP/1.1\r\n\r\n"


def fill(conn):
    """Asks and reads nothing until adit takes no more of it."""
    conn.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            conn.send(ASK * 100)
    conn.settimeout(120)


def ended(conn):
    """Reads until the end, however adit ends it."""
    size = 0
    with contextlib.suppress(ConnectionResetError):
        while part := conn.recv(1 << 16):
            size += len(part)
    return size


def crowds(adit, origin, where):
    def say_nothing(conn):
        del conn

    def say_half(conn):
        conn.sendall(b"GET /livez HTT")

    def read_nothing(conn):
        with contextlib.suppress(BlockingIOError, ConnectionResetError, BrokenPipeError):
            conn.setblocking(False)
            while True:
                conn.send(ASK * 100)

    for kind in (say_nothing, say_half, read_nothing):
        with tap.case(f"{MANY} clients that {kind.__name__.replace('_', ' ')}"), \
                contextlib.ExitStack() as stack:
            before = adit.descriptors()
            for _ in range(MANY // 100):
                for _ in range(100):
                    kind(stack.enter_context(dial(where)))
                equal(get(where, "/readyz").status, 200, "an honest client's answer")
                true(works(adit.address, origin), "a client of the gateway")
            true(adit.descriptors() <= before + MOST + 8, "descriptors are bounded")
            # (A sanitiser keeps what was freed for a while.)
            most = 1000 if sanitized() else 300
            true(adit.rss() < most << 20, f"memory is bounded: {adit.rss() >> 20} MiB")
        wait_until(lambda: adit.descriptors() < before + 16, "their descriptors are given back")


def deadlines(adit, where):
    before = adit.descriptors()
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(dial(where, 120))
        fill(reader)
        silent, half, dripping = (stack.enter_context(dial(where, 120)) for _ in range(3))
        half.sendall(b"GET /livez HT")
        idle = stack.enter_context(Watcher(where))
        equal(idle.get("/livez").status, 200, "a first answer")
        with tap.case("who asks nothing, or half a request, is dropped"):
            equal((ended(silent), ended(half)), (0, 0), "what they are sent")
        with tap.case("more of a request does not buy time"):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                end = wait_until(lambda: drip(dripping), "it is dropped", 60)
                equal(end, True, "the end")
        with tap.case("who does not take an answer is dropped"):
            wait_until(lambda: adit.descriptors() == before + 1, "only the idle client is left", 120)
            ended(reader)  # what had gone into the kernel's buffers, and then a reset
        with tap.case("who is idle between two requests has more time"):
            equal(idle.get("/livez").status, 200, "a second answer")


def drip(conn):
    """One byte of a head that never ends. True once the connection has ended."""
    try:
        conn.settimeout(0.2)
        conn.sendall(b"G")
        return conn.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with Sshd() as sshd, Origin(echo) as origin, \
            Adit(config(sshd, watched()), name="adit") as adit:
        adit.sessions_up(1)
        where = place(adit)
        crowds(adit, origin, where)
        deadlines(adit, where)
        with tap.case("afterwards everything is answered"):
            equal(got(where, "/readyz").json["ready"], True, "/readyz")
    del soft


tap.run(main)

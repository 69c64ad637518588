#!/usr/bin/env -S python3 -B
"""One bit is flipped between adit and sshd, at random places of a transfer, with every cipher and
kind of MAC that adit offers: the session ends, and no changed byte reaches the client or the server.

    ADIT_TEST_FLIPS   places for each cipher and direction (default 100, 5 with a sanitizer)
    ADIT_TEST_SEED    of the places, as printed
"""

import contextlib
import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, equal, gateway, listen, patience, sanitized, tap, true, upstream,
                       wait_until)
from adit_test.clients import connect
from adit_test.keys import known_hosts
from adit_test.origins import BLOCK, Origin, body_bytes
from adit_test.sshd import Sshd
from adit_test.variants import variant

FLIPS = int(os.environ.get("ADIT_TEST_FLIPS", "5" if sanitized() else "100"))
SEED = os.environ.get("ADIT_TEST_SEED") or os.urandom(4).hex()
SPAN = 3 * BLOCK  # the places are among so many first bytes of the transfer
STREAM = body_bytes(64 * BLOCK)
THREADS = 8

COMBINATIONS = [("aes128-gcm@openssh.com", None), ("aes256-gcm@openssh.com", None),
                ("chacha20-poly1305@openssh.com", None)]
COMBINATIONS += [(f"aes{bits}-ctr", mac) for bits in (128, 192, 256)
                 for mac in ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com",
                             "hmac-sha2-256", "hmac-sha2-512")]


class Flipper:
    """A relay to an Sshd for one connection, that flips one bit once it is armed."""

    def __init__(self, sshd):
        self.sshd = sshd
        self.left = {"down": None, "up": None}  # bytes until the flip
        self.bit = 0
        self.listener = socket.create_server((ANY, 0))
        self.address, self.port = self.listener.getsockname()
        self.user, self.user_key = sshd.user, sshd.user_key
        self.known_hosts = None
        threading.Thread(target=self._serve, daemon=True).start()

    def arm(self, direction, place, bit):
        self.bit = bit
        self.left[direction] = place

    def _serve(self):
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            self.listener.close()
            server = socket.create_connection((self.sshd.address, self.sshd.port))
            for conn in (client, server):
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(client, server, "up"), daemon=True).start()
            self._pass(server, client, "down")

    def _pass(self, source, sink, direction):
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                left = self.left[direction]
                if left is not None and left < len(data):
                    data = bytearray(data)
                    data[left] ^= 1 << self.bit
                    self.left[direction] = None
                elif left is not None:
                    self.left[direction] = left - len(data)
                sink.sendall(data)
        for conn in (source, sink):
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)


def flow(conn):
    """Sends all of the stream, or as much as is taken."""
    with contextlib.suppress(OSError):
        conn.sendall(STREAM)


def collect(conn):
    """What comes until the end: (how much of it is as it was sent, how much is not)."""
    same = 0
    with contextlib.suppress(OSError):
        while data := conn.recv(BLOCK):
            if data != STREAM[same:same + len(data)]:
                return same, len(data)
            same += len(data)
    return same, 0


class Results:
    """An origin that takes or gives the stream, and keeps what became of it by the number that each
    client says first. When it has heard that, it says so, and the client begins."""

    def __init__(self, direction):
        self.direction = direction
        self.found = {}

    def __call__(self, conn, _origin):
        number = conn.recv(1)[0]
        conn.sendall(b"k")
        if self.direction == "down":
            if conn.recv(1):
                flow(conn)
        else:
            self.found[number] = collect(conn)


def transfer(adit, origin, results, flipper, number, choice):
    conn = connect(adit.listener(f"place{number}"), ANY, origin.port)
    with contextlib.closing(conn):
        conn.settimeout(patience(60))
        conn.sendall(bytes([number]))
        equal(conn.recv(1), b"k", "the origin's answer")
        flipper.arm(results.direction, *choice)
        if results.direction == "down":
            conn.sendall(b"g")
            results.found[number] = collect(conn)
        else:
            flow(conn)
            with contextlib.suppress(OSError):
                conn.recv(1)


def run(sshd, cipher, mac, direction, flips, lost=True):
    """[(place, bytes that came as they were sent, bytes changed)] of so many transfers. (A relay
    takes one connection, so that a login may take its time.)

    lost  each session must end
    """
    choose = random.Random(f"{SEED} {cipher} {mac} {direction}")
    choices = [(choose.randrange(64, SPAN), choose.randrange(8)) for _ in range(flips)]
    flippers = [Flipper(sshd) for _ in range(flips)]
    hosts = known_hosts(sshd.host_key, *((ANY, flipper.port) for flipper in flippers))
    text = gateway(drain_timeout="1s")
    for number, flipper in enumerate(flippers):
        flipper.known_hosts = hosts
        text += upstream(flipper, f"u{number}", sessions="1-1", ciphers=cipher, macs=mac,
                         hold="10m", connect_timeout="10m")
        text += listen(f"place{number}", via=f"u{number}")
    results = Results(direction)
    with Origin(results) as origin, Adit(text) as adit:
        work = list(zip(range(flips), flippers, choices))
        lock = threading.Lock()
        failures = []

        def some():
            while True:
                with lock:
                    if not work:
                        return
                    number, flipper, choice = work.pop()
                try:
                    transfer(adit, origin, results, flipper, number, choice)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(f"transfer {number}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=some) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(failures, [], "failures")
        if lost:
            adit.wait_log(r"session \d lost: ", count=flips)
        wait_until(lambda: len(results.found) == flips, "every transfer has ended")
    return [(choices[number], *found) for number, found in results.found.items()]


def judged(sshd, cipher, mac, direction):
    with tap.case(f"{cipher} {mac or ''} {direction}: {FLIPS} flipped bits change no byte"):
        found = run(sshd, cipher, mac, direction, FLIPS)
        equal(len(found), FLIPS, "transfers")
        for choice, same, changed in found:
            true(changed == 0 and same < len(STREAM),
                 f"at {choice}: {same} bytes as they were, then {changed} changed")


def unwatched():
    """A libssh that does not call the guard: that is known before a login begins."""
    def start(sshd):
        return Adit(gateway(drain_timeout="1s") + listen()
                    + upstream(sshd, sessions="1-1", ciphers="aes128-gcm@openssh.com,aes128-ctr"))

    options = {"Ciphers": "aes128-gcm@openssh.com", "LogLevel": "DEBUG2"}
    with tap.case("a guard that is not called: no key is offered over AES-GCM"), \
            variant("adit-unwatched"), Sshd(options=options) as sshd, start(sshd) as adit:
        adit.wait_log("the packets of cipher aes128-gcm@openssh.com cannot be checked")
        sshd.process.wait_log("userauth-request for user .* method none")
        sshd.process.wait_log("Disconnected from|Connection closed")
        equal(sshd.process.find("userauth-request for user .* method publickey"), [], "keys")
    options["Ciphers"] += ",aes128-ctr"
    with tap.case("... and another cipher is used instead"), \
            variant("adit-unwatched"), Sshd(options=options) as sshd, start(sshd) as adit:
        adit.sessions_up(1)
        true(adit.find("AES-GCM is offered no more"), "the log says so")


def unguarded(sshd):
    """That the test would see it: a build that takes a wrong tag for a right one."""
    with tap.case("... which is seen without the guard"):
        with variant("adit-unguarded"):
            found = run(sshd, "aes128-gcm@openssh.com", None, "down", 20, lost=False)
        true(any(changed for _, _, changed in found), "changed bytes are delivered")


def main():
    tap.diag(f"ADIT_TEST_SEED={SEED}")
    unwatched()
    with Sshd(start=False) as sshd:
        sshd.configure(LogLevel="INFO", Ciphers=",".join(sorted({c for c, _ in COMBINATIONS})),
                       MACs=",".join(sorted({m for _, m in COMBINATIONS if m})))
        sshd.start()
        unguarded(sshd)
        for cipher, mac in COMBINATIONS:
            for direction in ("down", "up"):
                judged(sshd, cipher, mac, direction)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""One changed bit of what the server sends ends the connection, with every MAC and every cipher
that needs none, and no changed byte is passed on; so it is with ssh. (The intent of OpenSSH's
regress/integrity; t/e2e/integrity.t changes many more bits of adit's sessions, both ways.)"""

import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, sanitized, tap, true
from adit_test.algorithms import known, of_ssh
from adit_test.as_ssh import PROGRAMS, call
from adit_test.keys import known_hosts
from adit_test.origins import Origin
from adit_test.server import Server
from adit_test.sshd import Sshd
from adit_test.together import Together

PLACES = (3, 40, 3000)  # bytes behind the beginning of the transfer
LENGTH = 1  # in the length of a packet, so that its end is waited for, until keepalives are lost
TEXT = "".join(f"this is line {number} of what the origin has to say\n" for number in range(400))
KEEPALIVE = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"]


class Flipper(Server):
    """A relay to an Sshd, that changes a bit of what the server sends once `armed` is set."""

    def __init__(self, sshd, place):
        self.sshd = sshd
        self.left = place
        self.armed = threading.Event()
        self.flipped = False
        super().__init__(self._accepted)

    def _accepted(self, near):
        far = socket.create_connection((self.sshd.address, self.sshd.port))
        threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
        return lambda: self._carry(far, near, self._change)

    @staticmethod
    def _carry(source, sink, change=bytes):
        try:
            while part := source.recv(1 << 16):
                sink.sendall(change(part))
        except OSError:
            pass
        for conn in (source, sink):
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _change(self, part):
        if not self.armed.is_set() or self.flipped:
            return part
        if self.left >= len(part):
            self.left -= len(part)
            return part
        changed = bytearray(part)
        changed[self.left] ^= 1
        self.flipped = True
        return bytes(changed)

    def __exit__(self, *_):
        self.close()


def attempt(program, sshd, words, place):
    """-W to an origin that speaks once it is asked; what of it came. (The connection is confirmed
    then: an open that is not would be asked for again on another session.)"""
    with Flipper(sshd, place) as relay:
        def speak(conn, _origin):
            if not conn.recv(1 << 16):
                return
            relay.armed.set()
            conn.sendall(TEXT.encode())
            while conn.recv(1 << 16):
                pass

        with Origin(speak) as origin:
            result = call(program, [
                "-F", "none", *words, *KEEPALIVE, "-p", str(relay.port), "-i", sshd.user_key, "-o",
                "IdentityAgent=none", "-o",
                f"UserKnownHostsFile={known_hosts(sshd.host_key, (ANY, relay.port))}", "-W",
                f"{ANY}:{origin.port}", f"{sshd.user}@{ANY}"], data="speak\n")
        true(relay.flipped, f"a bit was changed ({result.said!r})")
    return result


def compare(sshd, words, places=PLACES):
    for place in places:
        for program in ("adit",) if sanitized() else PROGRAMS:
            result = attempt(program, sshd, words, place)
            equal(result.status, 255, f"{program}'s exit status, byte {place} ({result.said!r})")
            true(TEXT.startswith(result.output), f"{program}, byte {place}: nothing changed came")
            true(len(result.output) < len(TEXT), f"{program}, byte {place}: not all of it came")
            true(result.said, f"{program} says why")


def main():
    whole = of_ssh("cipher-auth")
    ciphers, macs = known("Ciphers", whole), known("MACs", of_ssh("mac"))
    together = Together()
    with Sshd(options={"Ciphers": ",".join([*whole, "aes128-ctr"]),
                       "MACs": ",".join(of_ssh("mac"))}) as sshd:
        for words in (["-c", ciphers[0]], ["-c", "aes128-ctr", "-m", macs[-1]]):
            together.add(f"a changed bit of a length with {words[-1]}", lambda words=words: compare(
                sshd, words, [LENGTH]))
        for cipher in ciphers:
            together.add(f"a changed bit with {cipher}", lambda cipher=cipher: compare(
                sshd, ["-c", cipher]))
        for mac in macs:
            together.add(f"a changed bit with {mac}", lambda mac=mac: compare(
                sshd, ["-c", "aes128-ctr", "-m", mac]))
        together.tell()


tap.run(main)

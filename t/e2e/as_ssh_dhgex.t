#!/usr/bin/env -S python3 -B
"""Key exchanges in which the server picks the group: what each program asks for, read on the wire,
and what it gets. adit(8) says that libssh asks for less than ssh. (The intent of OpenSSH's
regress/dhgex.)"""

import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, sanitized, tap, true
from adit_test.algorithms import known, of_ssh
from adit_test.as_ssh import PROGRAMS, Silence, call
from adit_test.keys import known_hosts
from adit_test.server import Server
from adit_test.sshd import Sshd
from adit_test.together import Together

GEX_GROUP, GEX_REQUEST = 31, 34  # RFC 4419 section 5
LEAST, MOST = 2048, 8192
# {cipher: the bits that ssh asks for, by the cipher's strength}
WANTED = {"3des-cbc": 3072, "aes128-ctr": 3072, "aes128-gcm@openssh.com": 3072, "aes192-ctr": 7680,
          "aes256-ctr": 8192, "chacha20-poly1305@openssh.com": 8192}
OF_LIBSSH = 2048


class Tap(Server):
    """A relay to an Sshd that keeps what goes over the first connection each way."""

    def __init__(self, sshd):
        self.sshd = sshd
        self.up, self.down = bytearray(), bytearray()
        super().__init__(self._accepted)

    def _accepted(self, near):
        far = socket.create_connection((self.sshd.address, self.sshd.port))
        threading.Thread(target=self._carry, args=(near, far, self.up), daemon=True).start()
        return lambda: self._carry(far, near, self.down)

    @staticmethod
    def _carry(source, sink, kept):
        try:
            while part := source.recv(1 << 16):
                kept += part
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()

    def __exit__(self, *_):
        self.close()


def message(stream, number):
    """The payload of the first packet of that type among those that are not encrypted yet."""
    at = stream.index(b"\n") + 1
    while True:
        length, padding = struct.unpack_from("!IB", stream, at)
        payload = bytes(stream[at + 5:at + 4 + length - padding])
        if payload[0] == number:
            return payload
        at += 4 + length


def attempt(program, sshd, silence, kex, cipher):
    """((least, wanted and most bits that it asked for), the bits that it got)"""
    with Tap(sshd) as relay:
        result = call(program, [
            "-F", "none", "-o", f"KexAlgorithms={kex}", "-c", cipher, "-p", str(relay.port), "-i",
            sshd.user_key, "-o", "IdentityAgent=none", "-o",
            f"UserKnownHostsFile={known_hosts(sshd.host_key, (ANY, relay.port))}", "-W",
            f"{ANY}:{silence.port}", f"{sshd.user}@{ANY}"])
        equal(result.status, 0, f"{program}'s exit status ({result.said!r})")
        asked = struct.unpack("!3I", message(relay.up, GEX_REQUEST)[1:])
        length = struct.unpack("!I", message(relay.down, GEX_GROUP)[1:5])[0]
        prime = int.from_bytes(message(relay.down, GEX_GROUP)[5:5 + length], "big")
        return asked, prime.bit_length()


def compare(sshd, silence, kex, cipher):
    for program in ("adit",) if sanitized() else PROGRAMS:
        asked, got = attempt(program, sshd, silence, kex, cipher)
        wanted = WANTED[cipher] if program == "ssh" else OF_LIBSSH
        equal(asked, (LEAST, wanted, MOST), f"what {program} asks for")
        true(LEAST <= got <= MOST, f"{program} got {got} bits")
        true(got >= wanted, f"{program} got {got} bits, which are less than it asked for")


def main():
    exchanges = known("KexAlgorithms", [name for name in of_ssh("kex") if "group-exchange" in name])
    ciphers = [cipher for cipher in of_ssh("cipher") if cipher in WANTED]
    silence, together = Silence(), Together()
    with Sshd(options={"KexAlgorithms": ",".join(exchanges), "Ciphers": ",".join(ciphers)}) as sshd:
        for kex in exchanges:
            for cipher in ciphers:
                together.add(f"{kex} with {cipher}", lambda kex=kex, cipher=cipher: compare(
                    sshd, silence, kex, cipher))
        together.tell()


tap.run(main)

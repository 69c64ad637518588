#!/usr/bin/env -S python3 -B
"""Mux clients that do not behave, at the control socket of a running adit: nothing is left of them,
and ssh goes on beside them."""

import array
import contextlib
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, scratch, tap, true, wait_until
from adit_test.mux import (ALIVE, CLOSE_FWD, EXT_INFO, GREETING, HELLO, NEW_SESSION, NEW_STDIO,
                           OPEN_FWD, PROXY, Master, descriptors, frame, shell_server, string)

ID = struct.pack("!I", 7)


def session(command=b"sleep 1000", tty=0, variables=()):
    return frame(NEW_SESSION, ID + string(b"") + struct.pack("!IIIII", tty, 0, 0, 0, 0xffffffff) +
                 string(b"vt100") + string(command) + b"".join(map(string, variables)))


class Client:
    """A mux client's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(30)

    def say(self, data):
        self.socket.sendall(data)
        return self

    def pass_on(self, *files):
        """One byte with these descriptors."""
        self.socket.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                       array.array("i", files))] if files else [])
        return self

    def hear(self):
        """The next answer's number, or None at the end."""
        head = self.socket.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return None
        body = self.socket.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL)
        return struct.unpack("!I", body[:4])[0]

    def closed(self):
        """Reads to the end."""
        try:
            while self.hear() is not None:
                pass
        except ConnectionResetError:
            pass
        self.socket.close()


def settled(master, before, what):
    wait_until(lambda: descriptors(master.adit.gateway) <= before, f"{what}: its descriptors are closed")
    equal(master.ssh("server", "echo alive").stdout, b"alive\n", f"ssh beside it: {what}")
    wait_until(lambda: descriptors(master.adit.gateway) <= before, f"{what}: and those of ssh")


def malformed(master, before):
    wrong = {
        "a frame of 4 GiB": b"\0\xff\xff\xff" + b"x" * 100, "an empty frame": b"\0\0\0\0",
        "version 3": frame(HELLO, struct.pack("!I", 3)), "no hello": frame(ALIVE, ID),
        "hello twice": GREETING * 2, "no number": GREETING + frame(ALIVE),
        "a session cut short": GREETING + frame(NEW_SESSION, ID),
        "a NUL in the command": GREETING + session(b"a\0b"),
        "a port of 70000": GREETING + frame(NEW_STDIO, ID + string(b"") + string(b"h") +
                                            struct.pack("!I", 70000)),
    }
    with tap.case("frames that are none close the connection"):
        for what, data in wrong.items():
            Client(master.path).say(data).closed()
            settled(master, before, what)


def unserved(master, before):
    def forward(kind, listen=b"", port=0, connect=b"", connect_port=0):
        return ID + struct.pack("!I", kind) + string(listen) + struct.pack("!I", port) + \
            string(connect) + struct.pack("!I", connect_port)
    failing = {
        "an unknown request": frame(0x10000033, ID), "proxy mode": frame(PROXY, ID),
        "a forward of kind 9": frame(OPEN_FWD, forward(9)),
        "a local forward to nowhere": frame(OPEN_FWD, forward(1, b"", 9)),
        "a host with a control character": frame(OPEN_FWD, forward(1, b"", 9, b"a\nb", 9)),
        "a cancel of nothing": frame(CLOSE_FWD, forward(2, b"", 9, b"h", 9)),
    }
    with tap.case("requests that cannot be served are answered, and the next one is served"):
        for what, data in failing.items():
            client = Client(master.path).say(GREETING + data + frame(ALIVE, ID))
            equal([client.hear() for _ in range(3)], [HELLO, 0x80000003, 0x80000005], what)
            client.socket.close()
        client = Client(master.path).say(GREETING + frame(EXT_INFO, ID + string(b"dance")))
        equal([client.hear() for _ in range(2)], [HELLO, 0x90000001], "information of no kind")
        client.socket.close()
        settled(master, before, "those")


def wrong_descriptors(master, before):
    with tap.case("wrong numbers of descriptors close the connection"), \
            open("/dev/null", "r+b") as null:
        one = null.fileno()
        for passed in ((), (one,) * 9, (one,) * 200):
            client = Client(master.path).say(GREETING + session())
            with contextlib.suppress(BrokenPipeError):  # (it may be closed before the last)
                client.pass_on(*passed).pass_on().pass_on()
            client.closed()
            settled(master, before, f"{len(passed)} of them")


def leaves(master, before):
    """A client that goes at each point of a session."""
    data = GREETING + session(tty=1, variables=[b"A=b", b"=", b"none"])
    with tap.case("a client that goes at each point of its request"), \
            open("/dev/null", "r+b") as null:
        for length in range(0, len(data) + 1, 7):
            Client(master.path).say(data[:length]).socket.close()
        for count in range(4):
            client = Client(master.path).say(data)
            for _ in range(count):
                client.pass_on(null.fileno())
            client.socket.close()
        settled(master, before, "those")
    with tap.case("a client that goes while its command runs, with pipes that nobody reads"):
        for _ in range(5):
            reading, writing = os.pipe()
            client = Client(master.path).say(GREETING + session(b"yes; sleep 1000"))
            for number in (reading, writing, writing):
                client.pass_on(number)
            equal([client.hear() for _ in range(2)], [HELLO, 0x80000006], "it is opened")
            client.socket.close()
            os.close(reading)
            os.close(writing)
        settled(master, before, "those")
    with tap.case("a client that reads no answers"):
        client = Client(master.path)
        client.socket.setblocking(False)
        sent = 0
        try:
            for _ in range(20000):
                sent += client.socket.send(GREETING if sent == 0 else frame(ALIVE, ID))
        except BlockingIOError:
            pass
        true(sent > 0, "it has asked")
        client.socket.close()
        settled(master, before, "it")


def odd_streams(master, before):
    with tap.case("streams that cannot be read or written"):
        for flags in (os.O_WRONLY, os.O_RDONLY):
            odd = os.open(scratch("odd", "x"), flags)
            client = Client(master.path).say(GREETING + session(b"echo a; echo b >&2; cat"))
            for _ in range(3):
                client.pass_on(odd)
            client.closed()
            os.close(odd)
        folder = os.open("/", os.O_RDONLY)
        client = Client(master.path).say(GREETING + session(b"cat"))
        for _ in range(3):
            client.pass_on(folder)
        client.closed()
        os.close(folder)
        settled(master, before, "those")


def main():
    with shell_server() as sshd, \
            Master(sshd, up={"sessions": "1"}) as master:
        equal(master.ssh("server", "true").returncode, 0, "the first")
        before = descriptors(master.adit.gateway)
        malformed(master, before)
        unserved(master, before)
        wrong_descriptors(master, before)
        leaves(master, before)
        odd_streams(master, before)


tap.run(main)

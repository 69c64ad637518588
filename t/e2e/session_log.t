#!/usr/bin/env -S python3 -B
"""What the debug log says about sessions and channels: one line an event, none a packet."""

import contextlib
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, free_port, tap, true, wait_until
from adit_test.clients import connected, exchange, read_all, refusal
from adit_test.gateway import section
from adit_test.origins import Origin, body_then_digest, echo, read_digest
from adit_test.sshd import Sshd

SIZE = 8 << 20
DEBUG = {"log": "debug"}
SESSION = r" debug: upstream office: session 0: "
CHANNEL = SESSION + r"channel (\d+): "


def about(adit, number, mark):
    """What the log says of a channel, in order."""
    return [found[1] for found in
            adit.find(SESSION + rf"channel {number}: (.*)", mark)]


def opens(adit, origin):
    with tap.case("a channel from its open to its close"):
        mark = adit.mark()
        with connected(adit.address, ANY, origin.port) as conn:
            true(exchange(conn), "echo")
            number = adit.wait_log(CHANNEL + f"open of {ANY} port {origin.port} asked", mark)[1]
            conn.shutdown(socket.SHUT_WR)
            equal(read_all(conn), b"", "what is left")
        adit.wait_log(SESSION + f"channel {number}: close to the server", mark)
        lines = about(adit, number, mark)
        packet = ", maximum packet 32768" if adit.libssh_before_0_11() else ""
        true(re.fullmatch(rf"confirmed after \d+ ms: window \d{{6,}}{packet}", lines[1]),
             f"the confirmation: {lines[1]}")
        equal(sorted(lines[2:]), ["close from the server", "close to the server",
                                  "end of data from the server", "end of data to the server"],
              "the end")
    with tap.case("a refusal and its reason"):
        mark, port = adit.mark(), free_port()
        refusal(adit.address, ANY, port)
        number = adit.wait_log(CHANNEL + f"open of {ANY} port {port} asked", mark)[1]
        adit.wait_log(SESSION + f"channel {number}: refused: reason 2: Connection refused", mark)


def packets(adit):
    with tap.case("a transfer has no line for a packet"), \
            Origin(body_then_digest(SIZE)) as origin:
        mark = adit.mark()
        with connected(adit.address, ANY, origin.port) as conn:
            equal(read_digest(conn)[0], SIZE, "bytes")
        adit.wait_log(CHANNEL + "close to the server", mark)
        lines = adit.find(SESSION, mark)
        true(len(lines) < 20, f"{len(lines)} lines")


def windows(adit):
    done = threading.Event()
    with tap.case("a window that holds an upload up"), \
            Origin(lambda conn, _: done.wait()) as origin, \
            connected(adit.address, ANY, origin.port) as conn:
        mark = adit.mark()
        conn.setblocking(False)

        def stalls():
            with contextlib.suppress(BlockingIOError):
                while True:
                    conn.send(bytes(1 << 16))
            return adit.find(CHANNEL + "waits for the server's window", mark)

        wait_until(stalls, "the line")
        equal(len(adit.find(CHANNEL + "waits for the server's window", mark)), 1, "lines")
        done.set()


def listens(sshd, origin):
    text = section("forward web", {"remote": f"{ANY}:0 {ANY}:{origin.port}"})
    with Adit(config(sshd, text, gate=DEBUG, up={"sessions": "1-1"}), name="adit, forwards") as adit, \
            tap.case("a remote forward, and a connection by it"):
        port = int(adit.wait_log(SESSION + rf"the server listens on '{ANY}' port (\d+)")[1])
        with socket.create_connection((ANY, port)) as conn:
            true(exchange(conn), "echo")
        adit.wait_log(SESSION + rf"the server opens a channel for '{ANY}' port {port}")
        adit.wait_log(SESSION + "the server's open is confirmed")
        adit.wait_log(SESSION + r"channel \?: close to the server")


def key_exchanges(sshd, adit):
    """libssh 0.10 tells when keys are taken into use, from 0.11.4 on it tells when one begins."""
    with Origin(body_then_digest(SIZE)) as large, connected(adit.address, ANY, large.port) as conn:
        equal(read_digest(conn)[0], SIZE, "bytes")
    if adit.libssh_before_0_11():
        adit.wait_log(SESSION + "new keys in one direction", count=2)
    elif adit.libssh_file() >= (10, 4):
        adit.wait_log(SESSION + "a key exchange begins", count=2)
        wait_until(lambda: len(adit.find(SESSION + "a key exchange begins")) ==
                   len(sshd.process.find("SSH2_MSG_KEXINIT received")) - 1,
                   "one line for each that the server saw after the first, which was the login's")


def life(origin):
    """Keepalives, key exchanges, silence, and the end."""
    up = {"sessions": "1-1", "keepalive": "1s", "keepalive_max": 2, "rekey": "1m"}
    with Sshd() as sshd, Adit(config(sshd, gate=DEBUG, up=up), name="adit, life") as adit:
        with tap.case("keepalives and their answers"):
            adit.wait_log(SESSION + "keepalive sent, 1 of 2 unanswered")
            adit.wait_log(SESSION + r"heard from again \d+ ms after a keepalive")
        with tap.case("key exchanges"):
            key_exchanges(sshd, adit)
        with tap.case("a server that stands still: silence, and then the loss"):
            mark = adit.mark()
            with connected(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo")
                frozen = sshd.freeze()
                with contextlib.suppress(Exception):
                    refusal(adit.address, ANY, free_port(), timeout=20)
                adit.wait_log(SESSION + r"overdue: silent for \d+ ms while an open waits", mark)
                adit.wait_log(CHANNEL + "cut: no answer to keepalives", mark)
                adit.wait_log(SESSION + r"lost: no answer to keepalives \(\d channels, "
                              r"last packet from the server \d+ ms ago\)", mark)
                sshd.thaw(frozen)


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        with Adit(config(sshd, gate=DEBUG, up={"sessions": "1-1"})) as adit:
            opens(adit, origin)
            packets(adit)
            windows(adit)
        listens(sshd, origin)
        life(origin)


tap.run(main)

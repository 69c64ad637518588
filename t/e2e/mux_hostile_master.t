#!/usr/bin/env -S python3 -B
"""Masters at a ControlPath that are none, or do not behave: adit -O says why it fails, and a tunnel
goes its own way."""

import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, scratch, tap, wait_until
from adit_test.clients import echoes
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary
from adit_test.mux import (DENIED, EXIT_MESSAGE, FAILURE, GREETING, HELLO, IS_ALIVE, OK, REMOTE_PORT,
                           frame, run, shell_server, string)
from adit_test.origins import Origin, echo

FIRST, SECOND = struct.pack("!I", 0), struct.pack("!I", 1)


class FakeMaster:
    """Sends `greeting` to whoever connects, then `answers`, one a request, and then closes, or, with
    `silent`, does nothing more. `drip`: each byte by itself."""

    def __init__(self, greeting=GREETING, answers=(), silent=False, drip=False):
        self.path = scratch("master")
        self.say = (greeting, answers, silent, drip)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        greeting, answers, silent, drip = self.say
        try:
            self._send(conn, greeting, drip)
            if greeting[:1] == b"\0":
                _read_frame(conn)  # its HELLO
            for answer in answers:
                if not _read_frame(conn):
                    break
                self._send(conn, answer, drip)
            if len(greeting) >= len(GREETING) and answers == ():
                _read_frame(conn)
        except OSError:
            pass
        if silent:
            self.held.append(conn)
        else:
            conn.close()

    @staticmethod
    def _send(conn, data, drip):
        for part in ([data[i:i + 1] for i in range(len(data))] if drip else [data]):
            conn.sendall(part)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        os.unlink(self.path)


def _read_frame(conn):
    head = conn.recv(4, socket.MSG_WAITALL)
    return len(head) == 4 and conn.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL)


def ask(master, *words):
    return run([binary(), "-F", "none", "-S", master.path, *words])


def wrong(name, why, command=("-O", "check"), status=255, **keys):
    with tap.case(name), FakeMaster(**keys) as master:
        done = ask(master, *command)
        equal((done.returncode, done.stdout), (status, b""), f"the status ({done.stderr})")
        holds(why, done.stderr, "why")


def refusal(kind, text):
    return frame(kind, FIRST + string(text))


def greetings():
    none = b"does not speak ssh's multiplexing protocol"
    wrong("a greeting of another version", none, greeting=frame(HELLO, struct.pack("!I", 5)))
    wrong("a frame that is too long", none, greeting=struct.pack("!I", 300 << 10) + b"x")
    wrong("a frame that is too short for a number", none, greeting=struct.pack("!I", 3) + b"xxx")
    wrong("a greeting that is cut short", b"has closed the connection", greeting=GREETING[:7])
    wrong("an answer instead of a greeting", b"does not greet as a master does",
          greeting=frame(OK, FIRST))
    wrong("a program that speaks something else", b"adit: check: ",
          greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    wrong("bytes without a meaning", b"adit: check: ", greeting=b"\xff" * 1000)
    wrong("a listener that closes at once", b"adit: check: ", greeting=b"")


def answers():
    wrong("the answer of another request", b"answers a request that was not made",
          answers=[frame(IS_ALIVE, SECOND + FIRST)])
    wrong("a second greeting", b"answers a request that was not made", answers=[GREETING])
    wrong("an answer of another kind", b"answers another request", answers=[frame(OK, FIRST)])
    wrong("an end that belongs to a session", b"answers another request",
          answers=[frame(EXIT_MESSAGE, FIRST + FIRST)])
    wrong("an answer that is cut short", b"does not speak", answers=[frame(IS_ALIVE, FIRST)])
    wrong("a number that has no meaning", b"answers another request",
          answers=[frame(0x12345678, FIRST)])
    wrong("a master that ends during the request", b"has closed the connection")
    wrong("a reason that would drive the terminal", rb"failed: \?\[2Jbad",
          answers=[refusal(FAILURE, b"\x1b[2Jbad")])
    wrong("a reason with a NUL", b"does not speak", answers=[refusal(FAILURE, b"a\0b")])
    wrong("a request that is not permitted", b"refused the alive check request: no",
          answers=[refusal(DENIED, b"no")])
    for command in ("stop", "exit"):
        wrong(f"-O {command} that is not permitted", b"refused the .* request: no",
              command=("-O", command), answers=[refusal(DENIED, b"no")])
    with tap.case("-O exit: a master that ends without an answer has done it"), \
            FakeMaster() as master:
        done = ask(master, "-O", "exit")
        equal((done.returncode, done.stderr), (0, b"Exit request sent.\r\n"), "what is said")
    forward = ("-O", "forward", "-R", "0:127.0.0.1:9")
    for port in (0, 70000):
        wrong(f"port {port} for a remote forward", b"names a port that there cannot be",
              command=forward, answers=[frame(REMOTE_PORT, FIRST + struct.pack("!I", port))])
    wrong("a port in the answer of -O cancel", b"answers another request",
          command=("-O", "cancel", "-L", "9:127.0.0.1:9"),
          answers=[frame(REMOTE_PORT, FIRST + struct.pack("!I", 9))])
    wrong("a master that ends during the second forward", b"has closed the connection",
          command=("-O", "forward", "-L", "9:a:9", "-L", "10:a:9", "-L", "11:a:9"),
          answers=[frame(OK, FIRST)])
    with tap.case("each byte by itself"), FakeMaster(answers=[frame(IS_ALIVE, FIRST + SECOND)],
                                                     drip=True) as master:
        done = ask(master, "-O", "check")
        equal((done.returncode, done.stderr), (0, b"Master running (pid=1)\r\n"), "what is said")


def silences():
    """Both deadlines at once."""
    found = {}

    def one(name, **keys):
        with FakeMaster(silent=True, **keys) as master:
            done = ask(master, "-O", "check")
            found[name] = (done.returncode, done.stderr)
    cases = {"silence": {"greeting": b""}, "silence after the greeting": {},
             "half a greeting": {"greeting": GREETING[:6]}}
    threads = [threading.Thread(target=one, args=(name,), kwargs=keys)
               for name, keys in cases.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in cases:
        with tap.case(f"{name} is not waited for without end"):
            equal(found[name][0], 255, "the status")
            holds(b"no answer|does not answer", found[name][1], "why")


def tunnels(sshd):
    """-fN and -W with such a ControlPath."""
    with Origin(echo) as origin:
        to = f"{ANY}:{origin.port}"
        for name, keys in (("that says nothing we know", {"greeting": b"\xff" * 100}),
                           ("whose greeting is cut short", {"greeting": GREETING[:7]}),
                           ("of another version", {"greeting": frame(HELLO, SECOND)}),
                           ("that ends during the request", {}),
                           ("that refuses the forward", {"answers": [refusal(FAILURE, b"no")]})):
            with FakeMaster(**keys) as master:
                hosts = ssh_config({"server": sshd}, ControlPath=master.path)
                port = free_port()
                with tap.case(f"a tunnel beside a master {name} has its own connection"):
                    with Tunnel(f"ssh -N -L {port}:{to} server", hosts, real=False):
                        wait_until(lambda p=port: echoes(p), "a connection through it")
        for name, greeting in (("says nothing we know", b"\xff" * 100), ("closes at once", b"")):
            with tap.case(f"-W beside a master that {name} has its own connection"), \
                    FakeMaster(greeting=greeting) as master:
                hosts = ssh_config({"server": sshd}, ControlPath=master.path)
                done = run([binary(), "-F", hosts, "-W", to, "server"], data=b"word")
                equal((done.returncode, done.stdout), (0, b"word"), "the echo")
        with tap.case("-W that a master refuses ends, as ssh's does"), \
                FakeMaster(answers=[refusal(FAILURE, b"no")]) as master:
            hosts = ssh_config({"server": sshd}, ControlPath=master.path)
            done = run([binary(), "-F", hosts, "-W", to, "server"], data=b"word")
            equal((done.returncode, done.stdout), (255, b""), "the status")
            holds(b"stdio forwarding request failed: no", done.stderr, "why")


def others():
    """Users other than the master's. (That a socket of another user is not asked is in master.t.)"""
    if os.geteuid() != 0:
        tap.skip("a master of another user", "it needs root")
        return
    with tap.case("a master of root is asked by others, too"):
        with FakeMaster(answers=[frame(IS_ALIVE, FIRST + SECOND)]) as master:
            os.chmod(os.path.dirname(master.path), 0o711)
            os.chmod(master.path, 0o777)
            words = [binary(), "-F", "none", "-S", master.path, "-O", "check"]
            done = run(["setpriv", "--reuid=65534", "--clear-groups", *words])
            equal((done.returncode, done.stderr), (0, b"Master running (pid=1)\r\n"), "root's")
            equal(run(words).returncode, 0, "asked by root")


def main():
    greetings()
    answers()
    silences()
    others()
    with shell_server() as sshd:
        tunnels(sshd)


tap.run(main)

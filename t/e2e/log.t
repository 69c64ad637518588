#!/usr/bin/env -S python3 -B
"""The log for those who run adit: what no peer can write into it, trouble and its end, -E, SIGHUP."""

import json
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, holds, run_adit, scratch, tap, true,
                       wait_until)
from adit_test.clients import HELLO, Line, closed, read_all, refusal, reply, socks5_reply, works
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

# Each in a name that a client asks for: (what, the bytes, the bytes as the text log has them).
HOSTILE = [
    ("CSI of C1", b"\xc2\x9b31m.invalid", rb"\xc2\x9b31m.invalid"),
    ("a line separator", b"a\xe2\x80\xa8b.invalid", rb"a\xe2\x80\xa8b.invalid"),
    ("right to left", b"a\xe2\x80\xaegpj.invalid", rb"a\xe2\x80\xaegpj.invalid"),
    ("no UTF-8", b"a\xff\x9bb.invalid", rb"a\xff\x9bb.invalid"),
]


def no_controls(data):
    """Whether a terminal that gets these bytes has nothing to act upon but line ends."""
    text = data.decode("utf-8")  # (raises where it is none)
    return all(c in "\r\n" or (c >= " " and not "\x7f" <= c <= "\x9f"
                               and c not in "\u2028\u2029\u202e") for c in text)


def ask_socks(adit, name):
    line = Line(adit.address)
    line.send(HELLO + b"\x05\x01\x00\x03" + bytes([len(name)]) + name + b"\x00\x50")
    reply(line.socket, 2)
    code = socks5_reply(line.socket)[0]
    line.socket.close()
    return code


def hostile_names(sshd):
    for log_format in ("text", "json"):
        file = scratch(f"{log_format}.log")
        with Adit(config(sshd, acl("deny to=*"), gate={"log_format": log_format}), ready=False,
                  arguments=("-E", file), name=f"adit, {log_format}") as adit:
            def lines(file=file):
                with open(file, "rb") as log:
                    return log.read().splitlines()

            wait_until(lambda file=file: os.path.exists(file), "the log's file")
            def matching(part, lines=lines):
                return wait_until(lambda: [line for line in lines() if part in line], part)

            matching(b"ready")
            listening = next(line for line in lines() if b"listening on" in line).decode()
            adit.lines.append(listening)  # (for adit.address)
            for what, name, written in HOSTILE:
                with tap.case(f"{what} in a SOCKS name, {log_format}"):
                    equal(ask_socks(adit, name), 2, "the reply")
                    if log_format == "text":
                        matching(b"target=" + written + b":80 ")
                    else:
                        shown = written.decode() if what == "no UTF-8" else name.decode()
                        wait_until(lambda shown=shown: any(
                            json.loads(line).get("target") == f"{shown}:80" for line in lines()),
                            "the line")
                if log_format == "text":
                    with tap.case(f"{what} in an HTTP target: the error's body"):
                        line = Line(adit.address)
                        line.send(b"CONNECT " + name + b":80 HTTP/1.1\r\n\r\n")
                        answer = read_all(line.socket)
                        line.socket.close()
                        holds(rb"^HTTP/1.1 4\d\d ", answer, "the answer")
                        true(no_controls(answer), f"{answer}")
            with tap.case(f"no byte of a {log_format} log drives a terminal"):
                true(no_controls(b"\n".join(lines())), "the log")
            adit.finish()


def trouble(sshd, origin):
    up = {"sessions": "1-1", "hold": "1h"}  # (longer than a busy machine may take)
    with Adit(config(sshd, gate={"log": "debug"}, up=up), name="adit, trouble") as adit:
        adit.sessions_up(1)
        with tap.case("a loss, repeats that are folded, and the end with who waited"):
            mark = adit.mark()
            sshd.stop()
            adit.wait_log(r"warning: upstream office: session 0 lost: ", mark)
            waiting = [Line(adit.address) for _ in range(3)]
            for line in waiting:
                line.send(HELLO + b"\x05\x01\x00\x01\x7f\x00\x00\x01" +
                          origin.port.to_bytes(2, "big"))
                reply(line.socket, 2)
            adit.wait_log(r"connection \d+: routing -> waiting ", mark, count=3)
            wait_until(lambda: dials(adit, mark) >= 4, "dials", 90)
            equal(len(adit.find(r"warning: upstream office: \S+: .*refused", mark)), 1, "lines")
            sshd.start()
            for line in waiting:
                equal(socks5_reply(line.socket)[0], 0, "a client that waited")
                line.socket.close()
            found = adit.wait_log(r"warning: upstream office: up again after \d+\.\d s: (.*)", mark)
            said = holds(r"^1 session, (\d+) failed dials, 3 clients waited$", found[1], "the line")
            true(int(said[1]) >= 4, "dials that failed")
        with tap.case("trouble that is over is over"):
            mark = adit.mark()
            true(works(adit.address, origin), "echo")
            equal(adit.find("up again", mark), [], "lines")


def dials(adit, mark):
    """How many failed, by the counters (the log does not tell each)."""
    adit.signal(signal.SIGUSR1)
    found = adit.find(r"dials so far .*transport=(\d+)|upstreams so far .*unreachable=(\d+)", mark)
    return int(found[-1][1] or found[-1][2]) if found else 0


def health_checks(sshd, origin):
    with Adit(config(sshd), name="adit, health checks") as adit:
        with tap.case("who connects and closes is no line of the log"):
            mark = adit.mark()
            for _ in range(3):
                socket.create_connection(adit.address).close()
            half = socket.create_connection(adit.address)
            half.shutdown(socket.SHUT_WR)
            true(closed(half), "the end")
            half.close()
            started = Line(adit.address)
            started.send(b"\x05")
            started.socket.close()
            adit.access(mark, protocol="socks5", outcome="malformed")
            true(works(adit.address, origin), "echo")
            adit.access(mark, outcome="ok")
            equal(len(adit.accesses(mark)), 2, "lines")
        with tap.case("... but counted"):
            adit.signal(signal.SIGUSR1)
            adit.wait_log(r"outcomes so far .*given-up=4\b")


def moved_file(sshd):
    file, control = scratch("adit.log"), scratch("control")

    def has(path, words):
        return os.path.exists(path) and words in open(path, encoding="utf-8").read()

    with Adit(config(sshd, gate={"control": control}), ready=False, arguments=("-E", file),
              name="adit, -E") as adit:
        wait_until(lambda: has(file, "ready"), "the file")
        with tap.case("SIGHUP opens a gateway's -E FILE again"):
            os.rename(file, f"{file}.1")
            adit.signal(signal.SIGHUP)
            wait_until(lambda: has(file, "reload"), "the new file")
            false(has(file, "ready"), "lines of before")
        with tap.case("-O reload does so, too"):
            os.rename(file, f"{file}.2")
            equal(run_adit("-S", control, "-O", "reload").returncode, 0, "the exit status")
            wait_until(lambda: has(file, "reload"), "the new file")
        adit.finish()


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        hostile_names(sshd)
        health_checks(sshd, origin)
        moved_file(sshd)
        trouble(sshd, origin)


tap.run(main)

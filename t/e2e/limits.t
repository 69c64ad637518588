#!/usr/bin/env -S python3 -B
"""The limit of descriptors: raised where it may be; else accept pauses, and recovers."""

import os
import re
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, holds, listen, patience, run_adit, scratch,
                       section, tap, true, upstream, wait_until)
from adit_test.clients import (HELLO, Line, Refused, closed, connect, exchange, refusal, works)
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

CLIENTS = 150


def limit(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raised(sshd, origin):
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
    with tap.case("the soft limit is raised to the hard one at start"):
        with Adit(config(sshd), name="adit with a low soft limit", before=limit(64, hard)) as adit:
            with open(f"/proc/{adit.gateway}/limits", encoding="ascii") as limits:
                got = re.search(r"Max open files +(\d+) +(\d+)", limits.read())
            true(int(got[1]) == int(got[2]) == hard, f"{got[0]!r}, hard limit {hard}")
            conns = [connect(adit.address, ANY, origin.port) for _ in range(CLIENTS)]
            true(all(exchange(conn) for conn in conns), f"echo on {CLIENTS} connections")
            for conn in conns:
                conn.close()


def reached(sshd, origin):
    """More clients than descriptors: those over the limit wait in the listener's queue."""
    control = scratch("control")
    with Adit(config(sshd, gate={"workers": 2, "handshake_timeout": "1h", "control": control},
                     up={"sessions": "1-1"}),
              name="adit with few descriptors", before=limit(100, 100)) as adit:
        true(works(adit.address, origin), "echo")
        lines = []
        with tap.case("at the limit it says so"):
            mark = adit.mark()
            for _ in range(CLIENTS):
                lines.append(Line(adit.address))
                lines[-1].send(HELLO)
            found = adit.wait_log(r" (warning|error): .*", mark)
            holds(r"(?i)descriptor|open files", found[0], "the log")
        with tap.case("... does not spin"):
            before, began = adit.cpu(), time.monotonic()
            time.sleep(2)
            used, wall = adit.cpu() - before, time.monotonic() - began
            true(used < wall / 4, f"{used:.2f} s of the processor in {wall:.2f} s")
            true(len(adit.lines) < mark + 200, "the log is not flooded")
        with tap.case("... and tells who asks how it does"):
            for _ in range(3):  # (the first to come over the limit is let in by every listener)
                done = run_adit("-S", control, "-O", "status", seconds=20)
                true(done.returncode == 0, f"the status of -O status: {done.stderr}")
        with tap.case("... and those who came in are served"):
            equal_answer(lines[0])
        with tap.case("when connections end, those who wait come in"):
            for line in lines[:-1]:
                line.socket.close()
            equal_answer(lines[-1])
            lines[-1].socket.close()
        with tap.case("... and all is as before"):
            for _ in range(20):
                true(works(adit.address, origin), "echo")
            wait_until(lambda: adit.descriptors() < 60, "the descriptors are closed")
            adit.wait_log(r"warning: .*: accepting goes on after \d+\.\d s", mark)


def by_remote_forwards(sshd, origin):
    """More clients of remote forwards than descriptors: all else goes on."""
    control, path = scratch("control"), scratch("echo.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(256)
    with Sshd() as other, Adit(
            config(sshd, section("forward far", {"remote": "0"}),
                   section("forward fixed", {"remote": f"0 {ANY}:{origin.port}"}),
                   section("forward path", {"remote": f"0 {path}"}),
                   upstream(other, "spare", sessions="1-1"), listen("second", via="spare"),
                   gate={"workers": 2, "control": control}, up={"sessions": "1-1"}),
            name="adit with few descriptors and remote forwards", before=limit(256, 256)) as adit:
        far, fixed, unix = (int(adit.wait_log(
            rf"remote forward {name}: listening on \S+:(\d+) ")[1])
            for name in ("far", "fixed", "path"))
        adit.sessions_up(1, upstream="spare")
        conns, codes = [], []
        with tap.case("clients of a remote forward's SOCKS are refused, as resources are short"):
            while not codes and len(conns) < 300:
                try:
                    conns.append(connect((ANY, far), ANY, origin.port))
                except Refused as refused:
                    codes.append(refused.code)
            equal(codes, [1], "a general failure")
            true(64 < len(conns) < 160, f"{len(conns)} came in before")
            adit.access(listen="far", outcome="shortage")
        for name, port in (("a fixed target", fixed), ("a unix socket", unix)):
            with tap.case(f"... and those that lead to {name}"):
                mark = adit.mark()
                with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
                    true(closed(conn), "the end")
                adit.access(mark, outcome="shortage", protocol="forward")
        with tap.case("... while clients here come in"):
            for _ in range(20):
                true(works(adit.address, origin), "echo")
        with tap.case("... adit -O check answers"):
            done = run_adit("-S", control, "-O", "check", seconds=20)
            true(done.returncode == 0, f"the status of -O check: {done.stderr}")
        with tap.case("... and sessions of another upstream come back"):
            mark = adit.mark()
            for pid in other.sessions():
                other.kill_session(pid)
            adit.sessions_up(1, mark, "spare")
            true(works(adit.listener("second"), origin), "echo")
        with tap.case("... and those who came in are served, and others when they have gone"):
            true(all(exchange(conn) for conn in conns), "echo")
            for conn in conns:
                conn.close()
            wait_until(lambda: refusal((ANY, far), ANY, origin.port) == 0, "one comes in")
    listener.close()


def equal_answer(line):
    line.socket.settimeout(patience(60))
    true(line.socket.recv(2) == b"\x05\x00", "the method is answered")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        raised(sshd, origin)
        reached(sshd, origin)
        by_remote_forwards(sshd, origin)


tap.run(main)

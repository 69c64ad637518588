#!/usr/bin/env -S python3 -B
"""-O ping: how long the way to a server and back is; -O watch: a line for each change."""

import contextlib
import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, holds, patience, scratch, tap, true,
                       upstream, wait_until)
from adit_test.control import ask, asked, asked_raw
from adit_test.gateway import binary, environment, run_adit
from adit_test.link import Link
from adit_test.process import Process
from adit_test.sshd import Sshd

SLOW_UP = 0.15
HELD = 256 * 1024


def milliseconds(line):
    holds(r"^office/\d+ \(.*\): [0-9.]+ ms\n$", line, "the line")
    return float(re.search(r"([0-9.]+) ms$", line.strip()).group(1))


def pings(sshd):
    path = scratch("control-ping")
    with Sshd(start=False) as down, \
            Adit(config(sshd, upstream(down, "spare"), gate={"control": path}),
                 name="adit that is asked") as adit:
        adit.sessions_up(1)
        with tap.case("-O ping measures over a session of the upstream"):
            true(milliseconds(asked(path, "ping", "office")) > 0, "a time")
            answer = json.loads(asked(path, "ping", "office", "--json"))
            equal((answer["upstream"], answer["session"]), ("office", 0), "which session")
            true(answer["ms"] > 0, "a time")
        with tap.case("-O ping by the name of the file"):
            done = run_adit("--config", adit.config, "-O", "ping", "office")
            equal((done.returncode, done.stderr), (0, ""), "the exit status")
            milliseconds(done.stdout)
        with tap.case("an upstream without a session, or of no such name, and none"):
            for words, why in ((("spare",), "upstream spare has no session: .*"),
                               (("elsewhere",), 'there is no upstream "elsewhere"'),
                               ((), "which upstream[?] -O status shows them")):
                done = ask(path, "ping", *words)
                equal((done.returncode, done.stdout), (1, ""), f"-O ping {words}")
                holds(f"^adit: ping: {why}\n$", done.stderr, "the words")
        with tap.case("many pings at once are all answered"), contextlib.ExitStack() as stack:
            conns = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(20)]
            for conn in conns:
                conn.settimeout(patience(30))
                conn.connect(path)
                conn.sendall(b'{"command": "ping", "upstream": "office"}\n')
            for conn in conns:
                true(json.loads(conn.makefile("rb").readline())["ms"] > 0, "a time")


def ping_of_a_silent_server(sshd):
    path = scratch("control-silent")
    with Adit(config(sshd, gate={"control": path}, up={"keepalive": "0"}),
              name="adit whose server is silent") as adit:
        adit.sessions_up(1)
        with tap.case("a server that is silent does not answer, and says so within 10 s"):
            pids = sshd.freeze(False)
            try:
                done = ask(path, "ping")
            finally:
                sshd.thaw(pids)
            equal(done.returncode, 1, "the exit status")
            holds("did not answer within 10 s", done.stderr, "the words")
            wait_until(lambda: ask(path, "ping").returncode == 0, "it answers again")


def ping_of_a_far_server(sshd):
    path = scratch("control-far")
    with Link(sshd, up_delay=SLOW_UP) as link, \
            Adit(config(sshd, gate={"control": path}, up=link.upstream()),
                 name="adit with a far server") as adit:
        adit.sessions_up(1)
        with tap.case("-O ping shows how far a server is"):
            true(milliseconds(asked(path, "ping")) >= SLOW_UP * 1000, "no less than the delay")


class Watcher:
    """-O watch, as a program; what it printed."""

    def __init__(self, path):
        self.process = Process("watcher", ["/bin/sh", "-c", 'exec "$0" -S "$1" -O watch >&2', binary(), path],
                               env=environment())

    def __enter__(self):
        self.process.wait_log(r'"ok"')
        return self

    def __exit__(self, *_):
        self.process.kill()

    def event(self, name, since=0, **wanted):
        """Waits for an event with these members; returns it."""
        def fits(line):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == name and wanted.items() <= event.items():
                    return event
            return None
        return self.process.wait_line(fits, f"an event {name} {wanted}", since)

    def mark(self):
        return self.process.mark()


def changes(sshd):
    path = scratch("control-watch")
    port = 0
    text = config(sshd, f"[forward back]\nremote = {port}:{ANY}:9\nvia = office\n",
                  gate={"control": path})
    with Sshd() as other, Adit(text, name="adit that is watched") as adit:
        adit.sessions_up(1)
        with Watcher(path) as watcher:
            with tap.case("-O watch: a session and with it its upstream and its forward are lost"):
                for pid in sshd.sessions():
                    sshd.kill_session(pid)
                lost = watcher.event("session-lost", upstream="office", session=0)
                true(lost["reason"] and lost["host"] and lost["time"] > 1.6e9, "what is told")
                watcher.event("upstream-down", upstream="office", reason=lost["reason"])
                watcher.event("forward-down", forward="back", upstream="office")
            with tap.case("-O watch: ... and they come back"):
                watcher.event("session-up", upstream="office")
                watcher.event("upstream-up", upstream="office")
                watcher.event("forward-up", forward="back")
            with tap.case("-O watch: a reload, with a new upstream"):
                mark = watcher.mark()
                adit.reload(text + upstream(other, "spare"))
                watcher.event("reload", mark)
                watcher.event("upstream-up", mark, upstream="spare")
            with tap.case("-O watch: a reload that was refused, and why"):
                adit.reload(text + "[listen\n")
                true(watcher.event("reload-refused")["reason"], "a reason")
            with tap.case("-O watch: one whose client has gone is forgotten"):
                with Watcher(path):
                    pass
                watched = socket.socket(socket.AF_UNIX)
                watched.connect(path)
                equal(asked_raw(watched, {"command": "watch"})["ok"], True, "one more")
                watched.close()
                asked(path, "ping", "office")
            with tap.case("-O watch: the drain; then it ends, and says so"):
                equal(ask(path, "stop").returncode, 0, "-O stop")
                watcher.event("drain")
                equal(watcher.process.wait(), 255, "the exit status")
                adit.finish(None)


def printed_nowhere(sshd):
    path = scratch("control-closed")
    with Adit(config(sshd, gate={"control": path}), name="adit whose watcher goes") as adit:
        adit.sessions_up(1)
        with tap.case("-O watch ends when nobody reads what it prints"):
            read, write = os.pipe()
            pid = os.posix_spawn(binary(), [binary(), "-S", path, "-O", "watch"], environment(),
                                 file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
            os.close(write)
            true(os.read(read, 1), "it watches")
            os.close(read)
            os.waitpid(pid, 0)


def slow_reader(sshd):
    """What is not read is held up to a bound."""
    path = scratch("control-slow")
    text = config(sshd, gate={"control": path})
    with Adit(text, name="adit with a slow watcher") as adit, \
            socket.socket(socket.AF_UNIX) as slow, Watcher(path) as watcher:
        adit.sessions_up(1)
        with tap.case("-O watch: who does not read is cut, and others are not"):
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            slow.connect(path)
            slow.sendall(b'{"command": "watch"}\n')
            long = text + f"[listen {'x' * 900}]\n"
            refused = 0
            while not adit.find("a client of watch does not read"):
                mark = watcher.mark()
                adit.reload(long)
                watcher.event("reload-refused", mark)
                refused += 1
                true(refused < 3000, f"it is cut ({refused} events)")
            asked(path, "ping", "office")


def main():
    with Sshd() as sshd:
        pings(sshd)
        ping_of_a_silent_server(sshd)
        ping_of_a_far_server(sshd)
        changes(sshd)
        printed_nowhere(sshd)
        slow_reader(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""SIGHUP to a tunnel of a command line: ssh_config is read again, and nothing that goes on ends."""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, patience, scratch, tap, true, wait_until
from adit_test.clients import echoes, exchange
from adit_test.command import Tunnel, section, ssh_config
from adit_test.control import ask, asked
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

RELOADED = r" info: reloaded ssh_config"


def rewrite(path, sshd, *lines):
    """The file has this server from now on, and these lines for it."""
    with open(ssh_config({"host": sshd}, *lines), encoding="utf-8") as source:
        text = source.read()
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


class Reloads:
    """A tunnel, and the file that it is of."""

    def __init__(self, first, second, origin):
        self.first, self.second, self.origin = first, second, origin
        self.control = scratch("control")
        self.file = scratch("ssh_config", "")
        self.here, self.asked_for = free_port(), free_port()
        rewrite(self.file, first)
        self.tunnel = None

    def reload(self, *lines, server=None, pattern=RELOADED):
        """SIGHUP after a change; where the log was before it."""
        rewrite(self.file, server or self.first, *lines)
        mark = self.tunnel.mark()
        self.tunnel.signal(signal.SIGHUP)
        self.tunnel.wait_log(pattern, mark)
        return mark

    def run(self):
        there = f"{ANY}:{self.origin.port}"
        line = f"ssh -v -M -S {self.control} -L {self.here}:{there} host"
        with Tunnel(line, self.file) as self.tunnel:
            wait_until(lambda: echoes(self.here), "-L is up")
            asked(self.control, "forward", "-L", f"{self.asked_for}:{there}")
            true(echoes(self.asked_for), "a forward that the control socket was asked for")
            with socket.create_connection((ANY, self.here), timeout=patience(60)) as live:
                true(exchange(live), "echo")
                self.changes(there)
                self.mistakes()
                self.waits()
                true(exchange(live), "the connection from the beginning goes on")

    def changes(self, there):
        with tap.case("another port of the host: new connections go there, and all forwards stay"):
            logins = len(self.second.logins())
            self.reload(server=self.second)
            wait_until(lambda: len(self.second.logins()) > logins, "a login there")
            before = len(self.second.targets())
            true(echoes(self.here), "-L")
            true(echoes(self.asked_for), "the forward that was asked for")
            wait_until(lambda: len(self.second.targets()) == before + 2, "both went there")
            self.reload()
        with tap.case("a LocalForward more"):
            more = free_port()
            self.reload(f"LocalForward {more} {there}")
            true(echoes(more), "echo")
        with tap.case("LogLevel"):
            mark = self.tunnel.mark()
            self.reload("LogLevel DEBUG")
            true(echoes(self.here), "echo")
            self.tunnel.wait_log(" debug: ", mark)
            self.reload()
        with tap.case("-O reload does the same"):
            equal(asked(self.control, "reload"), "", "what it prints")

    def mistakes(self):
        with tap.case("a file that ssh refuses changes nothing, and the log has ssh's words"):
            mark = self.reload("Port banana", pattern=" error: reload: nothing was changed")
            holds(rf" error: {self.file} ?line 1: .*banana|{self.file}: line 1: .*",
                  self.tunnel.text(mark), "the reason")
            true(echoes(self.here), "echo")
        with tap.case("... and -O reload says so, with 78"):
            done = ask(self.control, "reload")
            equal(done.returncode, 78, "the exit status")
            holds("line 1", done.stderr, "the reason")
        with tap.case("a value that adit refuses"):
            mark = self.reload("KnownHostsCommand relative/path",
                               pattern=" error: reload: nothing was changed")
            holds(" error: .*KnownHostsCommand", self.tunnel.text(mark), "the reason")
            true(echoes(self.here), "echo")
        with tap.case("right again"):
            self.reload()
            true(echoes(self.here), "echo")

    def waits(self):
        with tap.case("nothing waits while ssh reads the file"):
            gate = scratch("gate")
            os.mkfifo(gate)
            rewrite(self.file, self.first, f'Match exec "cat {gate}"', "LogLevel INFO")
            mark = self.tunnel.mark()
            self.tunnel.signal(signal.SIGHUP)
            # It is open for writing only once the command reads.
            end = os.open(gate, os.O_WRONLY)
            true(echoes(self.here), "echo meanwhile")
            equal(self.tunnel.find(RELOADED, mark), [], "reloads so far")
            rewrite(self.file, self.first)
            os.close(end)
            self.tunnel.wait_log(RELOADED, mark)


def main():
    with Sshd() as first, Sshd() as second, Origin(echo) as origin:
        Reloads(first, second, origin).run()
        with tap.case("the end while ssh reads the file is not waited for"):
            gate, file = scratch("gate"), scratch("ssh_config", "")
            os.mkfifo(gate)
            rewrite(file, first)
            port = free_port()
            with Tunnel(f"ssh -L {port}:{ANY}:{origin.port} host", file) as tunnel:
                wait_until(lambda: echoes(port), "-L is up")
                rewrite(file, first, f'Match exec "cat {gate}"', "LogLevel INFO")
                tunnel.signal(signal.SIGHUP)
                end = os.open(gate, os.O_WRONLY)
                tunnel.signal(signal.SIGTERM)
                wait_until(lambda: not tunnel.alive(), "adit's end")
                os.close(end)  # the end of the command, which is a child of nobody's now


tap.run(main)

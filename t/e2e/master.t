#!/usr/bin/env -S python3 -B
"""ssh's ControlPath: a running tunnel is asked, and lends itself to others."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, scratch, tap, true, wait_until
from adit_test.clients import echoes, refuses
from adit_test.command import Tunnel, call, ssh_config
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def masters(sshd):
    """ssh's command lines: ControlPath, -M, -S, and a live one's use."""
    path = scratch("master")
    hosts = ssh_config({"server": sshd}, ControlPath=path)
    ports = [free_port() for _ in range(4)]

    with Origin(echo) as origin:
        to = f"{ANY}:{origin.port}"
        with Tunnel(f"ssh -M -fN -L {ports[0]}:{to} server", hosts) as master:
            [pid] = master.pids()
            with tap.case("-O check finds the one in the background"):
                done = call("ssh -O check server", hosts)
                equal((done.returncode, done.stderr), (0, f"Master running (pid={pid})\n"), "check")
            with tap.case("a forward is left to the adit that runs (-f: and the new one ends)"):
                equal(call(f"ssh -fN -L {ports[1]}:{to} server", hosts).returncode, 0, "status")
                true(echoes(ports[1]), "a connection through it")
                equal(master.pids(), [pid], "its processes")
                equal(call(f"ssh -O cancel -L {ports[1]}:{to} server", hosts).returncode, 0,
                      "cancel")
                true(refuses(ports[1]), "the port is free")
            with tap.case("the port that the server picked is printed"):
                done = call(f"ssh -fN -R 0:{to} server", hosts)
                true(echoes(int(done.stdout)), "a connection through it")
            with tap.case("in the foreground it stays, and takes its forward along"):
                with Tunnel(f"ssh -N -L {ports[2]}:{to} server", hosts) as guest:
                    wait_until(lambda: echoes(ports[2]), "a connection through it")
                    true(guest.alive(), "it stays")
                    equal(len(sshd.sessions()), 1, "sessions")
                wait_until(lambda: refuses(ports[2]), "the port is free")
                true(echoes(ports[0]), "the first one's forward")
            with tap.case("a second master says so and goes on without the socket"):
                with Tunnel(f"ssh -M -N -L {ports[3]}:{to} server", hosts) as second:
                    second.wait_log(f"ControlSocket {path} already exists, disabling multiplexing")
                    wait_until(lambda: echoes(ports[3]), "a connection through it")
                equal(call("ssh -O check server", hosts).returncode, 0, "-O check of the first")
            with tap.case("in the foreground the new adit ends with the one that runs"):
                guest = Tunnel(f"ssh -N -L {ports[2]}:{to} server", hosts)
                wait_until(lambda: echoes(ports[2]), "a connection through it")
                done = call("ssh -O exit server", hosts)
                equal((done.returncode, done.stderr), (0, "Exit request sent.\n"), "-O exit")
                equal(guest.wait(), 255, "its exit status")
                holds("has ended", guest.text(), "its words")
                guest.kill()
            wait_until(lambda: not master.pids(), "the master has ended")
        with tap.case("no adit there: -O says so as ssh does, and a tunnel runs by itself"):
            done = call("ssh -O check server", hosts)
            equal((done.returncode, done.stderr),
                  (255, f"Control socket connect({path}): No such file or directory\n"), "check")
            with Tunnel(f"ssh -N -L {ports[1]}:{to} server", hosts):
                wait_until(lambda: echoes(ports[1]), "a connection through it")


def main():
    with Sshd() as sshd:
        masters(sshd)


tap.run(main)

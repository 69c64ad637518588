#!/usr/bin/env -S python3 -B
"""A tunnel without a ControlPath is found by its host's name, by -O."""

import json
import os
import re
import signal
import socket
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, scratch, tap, true, wait_until
from adit_test.command import Tunnel, call, ssh_config
from adit_test.process import gateway_of, send_signal
from adit_test.sshd import Sshd


def asks(hosts, command, runtime):
    return call(f"ssh {command}", hosts, XDG_RUNTIME_DIR=runtime)


def listed(hosts, runtime):
    done = asks(hosts, "-O list --json", runtime)
    equal(done.returncode, 0, f"the exit status ({done.stderr!r})")
    return json.loads(done.stdout)


def main():
    runtime = scratch("runtime")
    os.mkdir(runtime, 0o700)
    with Sshd() as sshd:
        hosts = ssh_config({"db": sshd, "web": sshd})

        def tunnel(host, more=""):
            return Tunnel(f"ssh -fN {more} -D {free_port()} {host}", hosts, XDG_RUNTIME_DIR=runtime)

        with tap.case("none runs"):
            equal(listed(hosts, runtime), [], "the list")
            done = asks(hosts, "-O list", runtime)
            equal((done.returncode, done.stdout), (0, ""), "the status and the table")
            holds(r"^adit: no tunnel runs\. .*-S PATH", done.stderr, "what it says")
            done = asks(hosts, "-O check db", runtime)
            equal(done.returncode, 255, "the exit status")
            holds(r"^adit: no tunnel to db runs, .*-O list.*\n$", done.stderr, "what it says")
        with tunnel("db") as first:
            pid, = first.pids()
            with tap.case("one runs: its host's name is enough"):
                done = asks(hosts, "-O check db", runtime)
                equal((done.returncode, done.stderr), (0, f"Master running (pid={pid})\n"),
                      "what it says")
                one, = listed(hosts, runtime)
                equal((one["host"], one["pid"]), ("db", pid), "the list")
                table = asks(hosts, "-O list", runtime).stdout
                holds(rf"(?m)^HOST +PID +STATE +CONTROL\ndb +{pid} +up +{re.escape(runtime)}/adit/db\.",
                      table.strip(), "the table")
            with tap.case("-O forward of a port that is taken names the port, and why"), \
                    socket.create_server((ANY, 0)) as taken:
                port = taken.getsockname()[1]
                for forward in (f"-L {port}:localhost:1", f"-D {port}"):
                    done = asks(hosts, f"-O forward {forward} db", runtime)
                    equal((done.returncode, done.stdout), (255, ""), f"the status of {forward}")
                    holds(rf"^adit: forward: bind \[{ANY}\]:{port}: Address already in use",
                          done.stderr, "what it says")
                equal(asks(hosts, f"-O forward -L {free_port()}:localhost:1 db", runtime).returncode,
                      0, "the status of one that is free")
            with tap.case("only this user can reach it"):
                directory = os.path.join(runtime, "adit")
                equal(stat.S_IMODE(os.stat(directory).st_mode), 0o700, "the directory")
                name, = os.listdir(directory)
                equal(stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode), 0o600,
                      "the socket")
            with tap.case("a forward is added, and taken back"):
                port, before = free_port(), len(listed(hosts, runtime)[0]["listeners"])
                equal(asks(hosts, f"-O forward -D {port} db", runtime).returncode, 0, "forward")
                true(len(listed(hosts, runtime)[0]["listeners"]) > before, "a listener more")
                equal(asks(hosts, f"-O cancel -D {port} db", runtime).returncode, 0, "cancel")
                equal(len(listed(hosts, runtime)[0]["listeners"]), before, "listeners")
            with tap.case("another host's is another one"), tunnel("web") as other:
                equal([one["host"] for one in listed(hosts, runtime)], ["db", "web"], "the list")
                done = asks(hosts, "-O check web", runtime)
                holds(str(other.pids()[0]), done.stderr, "its process")
            with tap.case("two to one host: they are told apart"), tunnel("db"):
                done = asks(hosts, "-O check db", runtime)
                equal(done.returncode, 255, "the exit status")
                paths = re.findall(r"(?m)^/.*/adit/db\.\w+$", done.stderr)
                equal(len(paths), 2, f"paths in {done.stderr!r}")
                for path in paths:
                    equal(asks(hosts, f"-S {path} -O check db", runtime).returncode, 0, path)
            with tap.case("one that does not answer is named, rather than that there is none"):
                gateway = gateway_of(pid)
                send_signal(gateway, signal.SIGSTOP)
                try:
                    for command, status in (("-O list", 0), ("-O check db", 255)):
                        done = asks(hosts, command, runtime)
                        equal(done.returncode, status, f"the exit status of {command}")
                        holds(rf"(?m)^adit: {re.escape(runtime)}/adit/db\..*: the tunnel there does not "
                              "answer", done.stderr, "what it says")
                finally:
                    send_signal(gateway, signal.SIGCONT)
            with tap.case("a ControlPath that nobody listens at"):
                done = asks(hosts, f"-S {scratch('nobody')} -O check db", runtime)
                equal(done.returncode, 0, f"the exit status ({done.stderr!r})")
            with tap.case("SIGHUP: it stays where it is"):
                before = listed(hosts, runtime)[0]["control"]
                send_signal(pid, signal.SIGHUP)
                equal(asks(hosts, "-O reload db", runtime).returncode, 0, "reload")
                equal(listed(hosts, runtime)[0]["control"], before, "its socket")
            with tap.case("-O exit: it has gone"):
                equal(asks(hosts, "-O exit db", runtime).returncode, 0, "the exit status")
                wait_until(lambda: not listed(hosts, runtime), "nothing is listed")
                equal(os.listdir(os.path.join(runtime, "adit")), [], "the directory")
        with tap.case("one that was killed is not listed, and its socket is removed when it is old"):
            with tunnel("db") as killed:
                name, = os.listdir(os.path.join(runtime, "adit"))
                killed.kill()
            path = os.path.join(runtime, "adit", name)
            equal(listed(hosts, runtime), [], "the list")
            true(os.path.exists(path), "a young one may not be listened on yet")
            os.utime(path, (0, 0))
            equal(listed(hosts, runtime), [], "the list")
            true(not os.path.exists(path), "the old one")
        with tap.case("a directory that others can write to is not used"):
            os.chmod(os.path.join(runtime, "adit"), 0o777)
            with tunnel("db"):
                equal(os.listdir(os.path.join(runtime, "adit")), [], "sockets")
                equal(asks(hosts, "-O check db", runtime).returncode, 255, "it is not found")


tap.run(main)

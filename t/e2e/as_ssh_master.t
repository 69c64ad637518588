#!/usr/bin/env -S python3 -B
"""adit and ssh(1) as the clients of a ControlMaster: -O COMMAND, and -L, -R, -D and -W with a ControlPath
where somebody listens. Each command goes to a master that is an ssh and to one that is adit."""

import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, scratch, tap, true, wait_until
from adit_test.clients import echoes, refuses, works
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary
from adit_test.mux import SshMaster, descriptors, run, shell_server
from adit_test.origins import Origin, echo
from adit_test.process import Process

CLIENTS = ("ssh", "adit")


class AditMaster:
    """A tunnel that is the master, with no forwards of its own."""

    def __init__(self, sshd):
        self.path = scratch("cm")
        self.hosts = ssh_config({"server": sshd}, ControlPath=self.path, ControlMaster="no")
        self.tunnel = Tunnel("ssh -M -fN server", self.hosts, real=False)

    @property
    def pid(self):
        return self.tunnel.pids()[0]

    def ended(self):
        return not self.tunnel.pids()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tunnel.kill()


class RealMaster(SshMaster):
    """An ssh that is the master."""

    @property
    def pid(self):
        return self.process.pid

    def ended(self):
        return not self.process.alive()


MASTERS = {"ssh": RealMaster, "adit": AditMaster}


def call(client, master, *words, data=None, hosts=None):
    """One of the two programs with that command line, to its end."""
    program = "ssh" if client == "ssh" else binary()
    return run([program, "-F", hosts or master.hosts, *words], data=data)


def order(client, master, command, *words):
    return call(client, master, "-O", command, *words, "server")


def answer(done):
    """(Lines of ssh 9.2 end with a carriage return, and so do those of adit that are ssh's.)"""
    return done.returncode, done.stdout, done.stderr


def fine(done, output=b"", what="what it says"):
    equal(answer(done), (0, output, b""), what)


def forwards(client, master, to):
    """-O forward and -O cancel."""
    for option, spec in (("-L", f"{free_port()}:{to}"), ("-R", f"{free_port()}:{to}"),
                         ("-L", f"127.0.0.1:{free_port()}:{to}"),
                         ("-R", f"127.0.0.1:{free_port()}:{to}")):
        port = int(re.search(r"(\d+):127.0.0.1:\d+$", spec)[1])
        fine(order(client, master, "forward", option, spec), what=f"forward {option} {spec}")
        true(echoes(port), "a connection through it")
        fine(order(client, master, "forward", option, spec), what="the same again")
        fine(order(client, master, "cancel", option, spec), what=f"cancel {option} {spec}")
        wait_until(lambda port=port: refuses(port), "the port is free")


def dynamic(client, master, origin):
    port, there = free_port(), free_port()
    fine(order(client, master, "forward", "-D", str(port), "-R", str(there)))
    true(works((ANY, port), origin), "SOCKS here")
    true(works((ANY, there), origin), "SOCKS at the server")
    fine(order(client, master, "cancel", "-D", str(port), "-R", str(there)))
    wait_until(lambda: refuses(port) and refuses(there), "the ports are free")


def says_word(path):
    with socket.socket(socket.AF_UNIX) as conn:
        conn.connect(path)
        conn.sendall(b"word")
        equal(conn.recv(4), b"word", "the echo")


def paths(client, kind, master, to):
    here, there, port = scratch("here.sock"), scratch("there.sock"), free_port()
    fine(order(client, master, "forward", "-L", f"{here}:{to}", "-L", f"{port}:{here}"))
    says_word(here)
    true(echoes(port), "a connection by way of the socket")
    fine(order(client, master, "cancel", "-L", f"{here}:{to}", "-L", f"{port}:{here}"))
    wait_until(lambda: refuses(port), "the port is free")
    if kind == "ssh":
        fine(order(client, master, "forward", "-R", f"{there}:{to}"))
        says_word(there)
        fine(order(client, master, "cancel", "-R", f"{there}:{to}"))


def picked(client, kind, master, to):
    first = order(client, master, "forward", "-R", f"0:{to}")
    equal((first.returncode, first.stderr), (0, b""), "the first time")
    true(re.fullmatch(rb"\d+\n", first.stdout), f"a port: {first.stdout}")
    true(echoes(int(first.stdout)), "a connection through it")
    fine(order(client, master, "forward", "-R", f"0:{to}"), first.stdout, "the second time")
    fine(order(client, master, "forward", "-R", f"0:{to}", "-R", f"0:{to}"), first.stdout, "twice")
    fine(order(client, master, "cancel", "-R", f"0:{to}"))
    wait_until(lambda: refuses(int(first.stdout)), "the port is free")


def refused(client, kind, master, to):
    """Two forwards, the first of a port that is taken."""
    port, free = int(to.rpartition(":")[2]), free_port()
    taken = f"{ANY}:{port}:{to}"
    done = order(client, master, "forward", "-L", taken, "-L", f"{free}:{to}")
    equal((done.returncode, done.stdout), (255, b""), "the status of forward")
    if kind == "ssh":
        holds(b"forwarding request failed: Port forwarding failed", done.stderr, "the reason")
        holds(b"master forward request failed", done.stderr, "the result")
        true(echoes(free), "the other forward is there")
        equal(order(client, master, "cancel", "-L", f"{free}:{to}").returncode, 0, "its end")
        done = order(client, master, "cancel", "-L", f"{free}:{to}", "-R", f"{free}:{to}")
        equal((done.returncode, done.stdout), (0, b""), "the status of cancel")
        equal(done.stderr.count(b"forwarding request failed: port not forwarded"), 2, "the reasons")
        holds(b"master cancel forward request failed", done.stderr, "the result")
    elif client == "adit":
        holds(b"Address already in use|listened on", done.stderr, "the reason")
        true(refuses(free), "adit on adit: all or none")


def others(client, kind, master):
    """What is not answered, or only by newer versions."""
    for command in ("proxy", "nothing"):
        done = order(client, master, command)
        if client == "adit":
            equal(done.returncode, 64, f"-O {command}")
            holds(command.encode() + b".*(not supported|no such command)", done.stderr, "why")
        elif command == "nothing":
            equal(done.returncode, 255, f"-O {command}")
    new = b"Invalid multiplex" not in run(["ssh", "-S", "none", "-O", "conninfo", "x"]).stderr
    for command in ("conninfo", "channels"):
        done = order(client, master, command)
        if client == "ssh" and not new:
            equal(done.returncode, 255, f"-O {command}")
        elif (client, kind, command) == ("adit", "adit", "channels"):
            equal(done.returncode, 255, "-O channels")
            holds(b"-O connections", done.stderr, "what there is instead")
        elif kind == "ssh" and not new:
            equal(done.returncode, 255, f"-O {command}")
            holds(b"too old", done.stderr, "why")
        else:
            equal((done.returncode, done.stderr), (0, b""), f"-O {command}")
            holds(b"\n", done.stdout, "lines")
    if (client, kind) == ("adit", "ssh"):
        for command in ("status", "ready", "connections", "reload", "upgrade"):
            done = order(client, master, command)
            equal((done.returncode, done.stdout), (255, b""), f"-O {command}")
            holds(b"an ssh is the master at .* and knows check, forward", done.stderr, "why")


def check(client, master):
    fine_words = f"Master running (pid={master.pid})\r\n".encode()
    equal(answer(order(client, master, "check")), (0, b"", fine_words), "with a destination")
    equal(answer(call(client, master, "-S", master.path, "-O", "check", "server")),
          (0, b"", fine_words), "with -S")
    equal(answer(call(client, master, "-o", f"ControlPath={master.path}", "-O", "check", "other")),
          (0, b"", fine_words), "with -o ControlPath, for another host")


def orders(client, kind, sshd, origin):
    to = f"{ANY}:{origin.port}"
    named = f"{client} -O at {kind}"
    with MASTERS[kind](sshd) as master:
        with tap.case(f"{named}: check"):
            check(client, master)
        before = descriptors(master.pid)
        with tap.case(f"{named}: forward, cancel"):
            forwards(client, master, to)
        with tap.case(f"{named}: forwards that serve SOCKS"):
            dynamic(client, master, origin)
        with tap.case(f"{named}: forwards of sockets with paths"):
            paths(client, kind, master, to)
        with tap.case(f"{named}: the port that the server picked"):
            picked(client, kind, master, to)
        with tap.case(f"{named}: forwards that fail"):
            refused(client, kind, master, to)
        with tap.case(f"{named}: other commands"):
            others(client, kind, master)
        if kind == "ssh":
            with tap.case(f"{named}: nothing is left of all this"):
                wait_until(lambda: descriptors(master.pid) <= before, "its descriptors")
        with tap.case(f"{named}: stop, and then there is nobody"):
            equal(answer(order(client, master, "stop")),
                  (0, b"", b"Stop listening request sent.\r\n"), "stop")
            gone = f"Control socket connect({master.path}): No such file or directory"
            wait_until(lambda: not os.path.exists(master.path), "the path is free")
            done = order(client, master, "check")
            equal((done.returncode, done.stdout, done.stderr.rstrip()), (255, b"", gone.encode()),
                  "check")
    with MASTERS[kind](sshd) as master:
        with tap.case(f"{named}: exit"):
            equal(answer(order(client, master, "exit")), (0, b"", b"Exit request sent.\r\n"), "exit")
            wait_until(master.ended, "the master has ended")
    with MASTERS[kind](sshd) as master:
        with tap.case(f"{named}: -q"):
            fine(call(client, master, "-q", "-O", "stop", "server"))


def json_answers(sshd, to):
    with RealMaster(sshd) as master, tap.case("adit -O at ssh: --json"):
        done = call("adit", master, "--json", "-O", "check", "server")
        holds(rb'"pid": %d\b' % master.pid, done.stdout, "check")
        done = call("adit", master, "--json", "-O", "forward", "-R", f"0:{to}", "server")
        holds(rb'"allocated": \[\s+\d+\s+\]', done.stdout, "forward")


def stale(sshd):
    """Nobody listens at the path any more."""
    with RealMaster(sshd) as master:
        os.kill(master.pid, signal.SIGKILL)
        wait_until(master.ended, "the master is killed")
        for client in CLIENTS:
            with tap.case(f"{client} -O: the socket of a master that was killed"):
                done = order(client, master, "check")
                refusal = f"Control socket connect({master.path}): Connection refused"
                equal((done.returncode, done.stderr.rstrip()), (255, refusal.encode()), "check")
            with tap.case(f"{client} -W: the socket of a master that was killed"):
                with Origin(echo) as origin:
                    fine_words = call(client, master, "-W", f"{ANY}:{origin.port}", "server",
                                      data=b"word")
                equal((fine_words.returncode, fine_words.stdout), (0, b"word"), "the echo")


def tunnels(sshd, origin):
    """-fN with a ControlPath where an ssh is the master: the forwards are the master's."""
    to = f"{ANY}:{origin.port}"
    with RealMaster(sshd) as master:
        mark = sshd.mark()
        for client in CLIENTS:
            with tap.case(f"{client} -fN -L, -R and -D over ssh's master"):
                here, there, proxy = free_port(), free_port(), free_port()
                fine(call(client, master, "-fN", "-L", f"{here}:{to}", "-R", f"{there}:{to}", "-D",
                          str(proxy), "server"))
                true(echoes(here) and echoes(there) and works((ANY, proxy), origin), "all three")
                for words in (("-L", f"{here}:{to}"), ("-R", f"{there}:{to}"), ("-D", str(proxy))):
                    fine(order(client, master, "cancel", *words), what="cancel")
                wait_until(lambda p=(here, there, proxy): all(map(refuses, p)), "the ports are free")
            with tap.case(f"{client} -fN: what stands in ssh_config is asked for, too"):
                port = free_port()
                with open(master.hosts, encoding="ascii") as old:
                    hosts = scratch("ssh_config", f"LocalForward {port} {to}\n{old.read()}")
                fine(call(client, master, "-fN", "server", hosts=hosts))
                true(echoes(port), "a connection through it")
                fine(call(client, master, "-fN", "server", hosts=hosts), what="again")
                fine(order(client, master, "cancel", "-L", f"{port}:{to}"), what="cancel")
        with tap.case("adit -fN -R 0: the port is told"):
            done = call("adit", master, "-fN", "-R", f"0:{to}", "server")
            equal(done.returncode, 0, "the status")
            equal(done.stderr, b"Allocated port %d for remote forward to %s\r\n" %
                  (int(done.stdout), to.encode()), "its words")
            true(echoes(int(done.stdout)), "a connection through it")
        equal(sshd.logins(mark), [], "logins of their own")


def foreground(sshd, origin):
    to = f"{ANY}:{origin.port}"
    with RealMaster(sshd) as master:
        port = free_port()
        with tap.case("adit -N in the foreground stays, and takes its forward along"):
            mark = sshd.mark()
            with Tunnel(f"ssh -N -L {port}:{to} server", master.hosts, real=False) as guest:
                wait_until(lambda: echoes(port), "a connection through it")
                true(guest.alive(), "it stays")
                equal(sshd.logins(mark), [], "logins of its own")
            wait_until(lambda: refuses(port), "the port is free")
        with tap.case("adit -N in the foreground ends with the master"):
            guest = Tunnel(f"ssh -N -L {port}:{to} server", master.hosts, real=False)
            wait_until(lambda: echoes(port), "a connection through it")
            os.kill(master.pid, signal.SIGKILL)
            equal(guest.wait(), 255, "its status")
            holds(f"the ssh master at {master.path} has ended", guest.text(), "its words")
            guest.kill()


def alone(sshd, origin):
    """Where a tunnel has its own connection although an ssh is the master."""
    to = f"{ANY}:{origin.port}"
    with RealMaster(sshd) as master:
        for words in ("--persist", "-o ControlPath=none", "-o ControlMaster=yes", "-S none"):
            with tap.case(f"adit with {words} has its own connection"):
                port, mark = free_port(), sshd.mark()
                with Tunnel(f"ssh -N {words} -L {port}:{to} server", master.hosts, real=False):
                    wait_until(lambda p=port: echoes(p), "a connection through it")
                    equal(len(sshd.logins(mark)), 1, "logins of its own")
        with tap.case("adit without a forward has its own proxy, which speaks HTTP, too"):
            mark = sshd.mark()
            tunnel = Process("adit", [binary(), "-F", master.hosts, "-v", "server"])
            wait_until(lambda: sshd.logins(mark), "a login of its own")
            tunnel.kill()
    for client in CLIENTS:
        with RealMaster(sshd) as master, \
                tap.case(f"{client} -fN: a forward that the master refuses is tried alone"):
            mark = sshd.mark()
            done = call(client, master, "-o", "ExitOnForwardFailure=yes", "-fN", "-L",
                        f"{ANY}:{origin.port}:{to}", "server")
            equal(done.returncode, 255, "the status")
            holds(b"master forward request failed", done.stderr, "what the master says")
            holds(b"Address already in use", done.stderr, "what comes of it")
            equal(order(client, master, "check").returncode, 0, "the master lives")


def stdio(sshd, origin):
    with RealMaster(sshd) as master:
        mark = sshd.mark()
        for client in CLIENTS:
            with tap.case(f"{client} -W over ssh's master"):
                data = os.urandom(3 << 20)
                fine(call(client, master, "-W", f"{ANY}:{origin.port}", "server", data=data), data)
            with tap.case(f"{client} -W over ssh's master: files, and /dev/null"):
                source, out = scratch("in", b"word"), scratch("out", "")
                program = "ssh" if client == "ssh" else binary()
                for name, expected in ((source, b"word"), ("/dev/null", b"")):
                    with open(name, "rb") as stdin, open(out, "wb") as stdout:
                        done = subprocess.run(
                            [program, "-F", master.hosts, "-W", f"{ANY}:{origin.port}", "server"],
                            stdin=stdin, stdout=stdout, check=False, timeout=60)
                    equal(done.returncode, 0, "the status")
                    with open(out, "rb") as written:
                        equal(written.read(), expected, "the echo")
            with tap.case(f"{client} -W to a port where nobody listens"):
                done = call(client, master, "-W", f"{ANY}:{free_port()}", "server")
                equal((done.returncode, done.stdout), (255, b""), "the status")
                holds(b"(?i)stdio forwarding request failed: Session open refused by peer",
                      done.stderr, "why")
            with tap.case(f"{client} -W that SIGTERM ends"):
                program = "ssh" if client == "ssh" else binary()
                child = Process(client, [program, "-F", master.hosts, "-W", f"{ANY}:{origin.port}",
                                         "server"])
                wait_until(origin_has(origin), "the connection is there")
                wait_until(lambda pid=child.pid: catches(pid, signal.SIGTERM), "it expects signals")
                child.signal(signal.SIGTERM)
                equal(child.wait(), 0, "the status")
        equal(sshd.logins(mark), [], "logins of their own")


def catches(pid, number):
    """Whether a process has a handler for that signal. (ssh has one once the master has answered.)"""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        caught = re.search(r"^SigCgt:\s+([0-9a-f]+)$", status.read(), re.MULTILINE)[1]
    return int(caught, 16) >> (number - 1) & 1 == 1


def origin_has(origin):
    before = len(origin.connections)
    return lambda: len(origin.connections) > before


def main():
    with shell_server() as sshd, Origin(echo) as origin:
        for client in CLIENTS:
            for kind in MASTERS:
                orders(client, kind, sshd, origin)
        json_answers(sshd, f"{ANY}:{origin.port}")
        stale(sshd)
        tunnels(sshd, origin)
        foreground(sshd, origin)
        alone(sshd, origin)
        stdio(sshd, origin)


tap.run(main)

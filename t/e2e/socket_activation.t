#!/usr/bin/env -S python3 -B
"""Sockets that systemd passes: listened on by name, through a reload and a restart."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Process, config, equal, free_port, has_ipv6, holds, listen,
                       patience, scratch, section, tap, true, wait_until)
from adit_test.clients import works
from adit_test.gateway import TOP, binary, environment
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

# What systemd does between fork and exec (sd_listen_fds(3)): the sockets become 3, 4, ...
LAUNCHER = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",") if fd]
for to, fd in enumerate(fds, 3):
    os.dup2(fd, to)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[3]))
os.environ["LISTEN_FDS"] = str(len(fds))
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[4], sys.argv[4:])
"""
AT = {"address": "systemd:browser", "open": "yes"}


class Activated(Adit):
    """adit with sockets, of which a name stands for each."""

    def __init__(self, text, sockets, names, other_pid=0, ready=True, name="adit"):
        self.config = scratch("adit.ini", text)
        self.finished = False
        fds = [one.fileno() for one in sockets]
        Process.__init__(self, name, [
            sys.executable, "-c", LAUNCHER, ",".join(map(str, fds)), ":".join(names),
            str(other_pid), binary(), "--config", self.config],
            env=environment(), pass_fds=fds)
        if ready:
            self.wait_log(r"(^|[ :])ready\b", seconds=60)


def bound(address=ANY, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    sock.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def served(sshd, origin):
    path = scratch("s")
    local = socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen(8)
    sockets = [bound(), bound("::1" if has_ipv6() else ANY), bound(), local]
    names = ["browser", "browser", "other", "local"]
    status = bound()
    text = config(sshd, listen("unix", address="systemd:local", open="yes"),
                  section("status", {"address": "systemd:status", "open": "yes"}), at=AT)
    with Activated(text, sockets + [status], names + ["status"]) as adit:
        with tap.case("[status] takes one, too"):
            with urllib.request.urlopen(f"http://{ANY}:{status.getsockname()[1]}/livez",
                                        timeout=patience(60)) as answer:
                equal(answer.status, 200, "the status")
        for index in range(2):
            with tap.case(f"socket {index} of the name is served"):
                true(works(sockets[index].getsockname()[:2], origin), "echo")
        with tap.case("a unix socket is served"):
            true(works(path, origin), "echo")
        with tap.case("the log has their addresses"):
            equal(adit.listener()[1], sockets[0].getsockname()[1], "the port")
            equal(adit.listener("unix"), path, "the path")
        with tap.case("no program that adit runs gets them"):
            with open(f"/proc/{adit.pid}/environ", "rb") as environ:
                true(b"LISTEN_FDS" in environ.read(), "adit itself was given them")
            for fd in range(3, 7):
                with open(f"/proc/{adit.pid}/fdinfo/{fd}", encoding="ascii") as info:
                    flags = int(holds(r"flags:\s+(\d+)", info.read(), "flags")[1], 8)
                true(flags & os.O_CLOEXEC, f"descriptor {fd} is closed on exec")
        reloads(sshd, origin, adit, sockets)
    sockets[0].close()
    restart(sshd, origin, sockets[1], sockets[2])


def reloads(sshd, origin, adit, sockets):
    with tap.case("a reload keeps them"):
        mark = adit.reload(config(sshd, at={**AT, "idle_timeout": "1h"}))
        adit.wait_log(" info: reloaded ", mark)
        true(works(sockets[0].getsockname(), origin), "echo")
        equal(adit.find("listening on", mark), [], "new sockets")
    with tap.case("a reload to another name, and back"):
        mark = adit.reload(config(sshd, at={**AT, "address": "systemd:other"}))
        adit.wait_log(" info: reloaded ", mark)
        true(works(sockets[2].getsockname(), origin), "echo at the other one")
        with socket.create_connection(sockets[0].getsockname(), timeout=patience(60)) as waiting:
            waiting.sendall(b"\x05\x01\x00")
            mark = adit.reload(config(sshd, at=AT))
            adit.wait_log(" info: reloaded ", mark)
            equal(waiting.recv(2), b"\x05\x00", "the one that came meanwhile")
        true(works(sockets[0].getsockname(), origin), "echo")
    with tap.case("a reload to a name that was not passed changes nothing"):
        mark = adit.reload(config(sshd, at={**AT, "address": "systemd:browsre"}))
        adit.wait_log(r"systemd:browsre: systemd has passed no socket of that name; the names .* "
                      "are: browser, browser, other, local, status", mark)
        true(works(sockets[0].getsockname(), origin), "echo")


def restart(sshd, origin, *sockets):
    at = sockets[0].getsockname()[:2]
    with tap.case("who comes while adit starts again waits and is served"):
        with Activated(config(sshd, at=AT), sockets, ["browser", "x"], name="adit, first") as adit:
            true(works(at, origin), "echo")
            adit.finish()
        with socket.create_connection(at, timeout=patience(60)) as waiting:
            waiting.sendall(b"\x05\x01\x00")
            with Activated(config(sshd, at=AT), sockets, ["browser", "x"], name="adit, second"):
                equal(waiting.recv(2), b"\x05\x00", "the method")


def errors(sshd):
    listening, datagram, deaf = bound(), bound(kind=socket.SOCK_DGRAM), socket.socket()
    deaf.bind((ANY, 0))
    cases = [
        ("no name", [listening], [], 0, r"the names .* are: unknown"),
        ("none at all", [], [], 0, r"the names .* are: none"),
        ("those of another process", [listening], ["browser"], 1, r"the names .* are: none"),
        ("a datagram socket", [datagram], ["browser"], 0, "the socket is no stream that listens"),
        ("one that does not listen", [deaf], ["browser"], 0,
         "the socket is no stream that listens"),
    ]
    for name, sockets, names, other, words in cases:
        with tap.case(f"{name}: an error says so"):
            adit = Activated(config(sshd, at=AT), sockets, names, other, False, f"adit, {name}")
            true(adit.wait() != 0, "it ends")
            holds(f"error: .*systemd:browser: .*{words}", adit.text(), "the log")
            adit.kill()


def by_systemd(sshd, origin):
    """systemd's own tool, and its opinion about the unit."""
    unit = os.path.join(TOP, "contrib", "systemd", "adit.socket")
    if shutil.which("systemd-socket-activate") is None:
        tap.diag("no systemd here: its tools are not used")
        return
    with tap.case("systemd-socket-activate"):
        port = free_port()
        text = config(sshd, at=AT)
        tool = Process("systemd-socket-activate", [
            "systemd-socket-activate", "-l", f"{ANY}:{port}", "--fdname=browser", binary(),
            "--config", scratch("adit.ini", text)], env=environment())
        wait_until(lambda: listens(port), "it listens")
        true(works((ANY, port), origin), "echo")
        tool.kill()
    with tap.case("adit.socket is right"):
        directory = scratch("units")
        os.mkdir(directory)
        for one in (unit, unit.replace(".socket", ".service")):
            with open(one, encoding="ascii") as source, \
                    open(os.path.join(directory, os.path.basename(one)), "w",
                         encoding="ascii") as out:
                out.write(source.read().replace("/usr/bin/adit", binary()))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                               os.path.join(directory, "adit.socket")], capture_output=True,
                              encoding="utf-8", timeout=patience(60), check=False)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")


def listens(port):
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
                   for line in table.readlines()[1:])


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        served(sshd, origin)
        errors(sshd)
        by_systemd(sshd, origin)


tap.run(main)

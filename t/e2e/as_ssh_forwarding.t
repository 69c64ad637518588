#!/usr/bin/env -S python3 -B
"""-L, -R and -W beside ssh(1): connections through a chain of forwards, a forward that cannot be
had, ClearAllForwardings, forwards of a configuration file, and sockets in the place of ports."""

import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import hashlib
import socket
import subprocess

from adit_test import (ANY, equal, free_port, holds, patience, sanitized, scratch, tap, true,
                       wait_connects)
from adit_test.as_ssh import PROGRAMS, call
from adit_test.clients import echoes, refuses
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary
from adit_test.origins import Origin, body_bytes, digest_then_answer, echo, read_exactly
from adit_test.sshd import Sshd

SIZE = 1 << 20


def digested(port):
    """Whether SIZE bytes come whole to a digest_then_answer there, and the answer back: each
    direction ends by itself."""
    data = body_bytes(SIZE)
    with socket.create_connection((ANY, port), timeout=patience(60)) as conn:
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        wanted = f"{SIZE} {hashlib.sha256(data).hexdigest()}\n".encode()
        equal(read_exactly(conn, len(wanted) + 1), wanted, "the answer")


def tunnel(program, hosts, words, **more):
    """In the background once all is up: ssh's status is 0 then, and so is adit's."""
    return Tunnel(f"ssh -fN -o ExitOnForwardFailure=yes {words} host", hosts, name=program,
                  real=program == "ssh", **more)


def chain(program, hosts, digest):
    """Nine local and nine remote forwards of one session, each of which leads to the next."""
    last, words = digest.port, []
    for _ in range(9):
        local, remote = free_port(), free_port()
        words += [f"-R {remote}:{ANY}:{last}", f"-L {local}:{ANY}:{remote}"]
        last = local
    with tap.case(f"{program}: a megabyte through eighteen forwards"), \
            tunnel(program, hosts, " ".join(words)):
        digested(last)


def failures(program, hosts, origin):
    to = f"{ANY}:{origin.port}"
    for letter in "LR":
        ports = [free_port() for _ in range(4)]
        words = [f"-{letter} {port}:{to}" for port in ports]
        with tap.case(f"{program}: four of -{letter} are had"):
            with tunnel(program, hosts, " ".join(words)):
                true(all(echoes(port) for port in ports), "each leads to the origin")
        with tap.case(f"{program}: the same -{letter} twice, ExitOnForwardFailure: 255"):
            words.insert(3, f"-{letter} {ports[0]}:localhost:{origin.port}")
            done = call(program, ["-F", hosts, "-N", "-o", "ExitOnForwardFailure=yes",
                                  *" ".join(words).split(), "host"])
            equal(done.status, 255, f"the status ({done.said!r})")
            holds(str(ports[0]), done.said, "what it says")
        with tap.case(f"{program}: -{letter} and ClearAllForwardings: no port"):
            with tunnel(program, hosts, f"-o ClearAllForwardings=yes {words[0]}"):
                true(refuses(ports[0]), "nobody listens")


def standard_streams(program, hosts, sshd, origin):
    """-W, as the ProxyCommand of the program itself."""
    name = binary() if program == "adit" else program
    inner = shlex.join([name, "-F", hosts, "-W", "%h:%p", "host"])
    far = ssh_config({"far": sshd}, f"Host far\n  ProxyCommand {inner}")
    with tap.case(f"{program}: -W through a -W"):
        proxied = subprocess.run(
            [name, "-F", far, "-W", f"{ANY}:{origin.port}", "far"], input=b"all of it",
            capture_output=True, timeout=patience(60), check=False)
        equal((proxied.returncode, proxied.stdout), (0, b"all of it"),
              f"the status and the echo ({proxied.stderr!r})")


def from_file(program, sshd, digest):
    local, remote = free_port(), free_port()
    hosts = ssh_config({"host": sshd}, f"LocalForward {local} {ANY}:{digest.port}",
                       f"RemoteForward {remote} {ANY}:{local}")
    with tap.case(f"{program}: LocalForward and RemoteForward of a file, one to the other"), \
            tunnel(program, hosts, ""):
        digested(remote)
    with tap.case(f"{program}: the same and ClearAllForwardings: no port"), \
            tunnel(program, hosts, "-o ClearAllForwardings=yes"):
        true(refuses(local) and refuses(remote), "nobody listens")


def sockets(program, hosts, digest):
    port, (first, second) = free_port(), (scratch("s"), scratch("s"))
    with tap.case(f"{program}: from a port to a socket, from socket to socket, to a port"), \
            tunnel(program, hosts, f"-L {second}:{ANY}:{digest.port}"), \
            tunnel(program, hosts, f"-L {first}:{second}"), \
            tunnel(program, hosts, f"-R {port}:{first}"):
        digested(port)


def remote_socket(programs, hosts, digest):
    """A socket on the server: adit(8) says that -R makes none."""
    path = scratch("s")
    if "ssh" in programs:
        with tap.case("ssh: -R with a socket on the server"), \
                tunnel("ssh", hosts, f"-R {path}:{ANY}:{digest.port}"):
            wait_connects(path, "the socket")
    with tap.case("adit: -R with a socket on the server is an error, as libssh cannot ask for one"):
        done = call("adit", ["-F", hosts, "-N", "-R", f"{scratch('s')}:{ANY}:1", "host"])
        equal(done.status, 78, "the status")
        holds("unix socket", done.said, "what it says")


def main():
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Sshd() as sshd, Origin(echo) as origin, Origin(digest_then_answer) as digest:
        hosts = ssh_config({"host": sshd})
        for program in programs:
            chain(program, hosts, digest)
            failures(program, hosts, origin)
            standard_streams(program, hosts, sshd, origin)
            from_file(program, sshd, digest)
            sockets(program, hosts, digest)
        remote_socket(programs, hosts, digest)


tap.run(main)

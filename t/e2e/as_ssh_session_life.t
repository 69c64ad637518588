#!/usr/bin/env -S python3 -B
"""What comes while a session lives, beside ssh(1): answers to keepalives, another host key, a loss
(Match exec is run again); and a master that is another user's."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import threading

from adit_test import (ANY, Adit, config, equal, free_port, holds, patience, scratch, tap, true,
                       wait_until)
from adit_test.clients import echoes, works
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary, environment, section
from adit_test.origins import Origin, echo
from adit_test.rogue import (CHANNEL_OPEN, GLOBAL_REQUEST, IGNORE, UNIMPLEMENTED, Reader, Rogue,
                             numbers)
from adit_test.sshd import Sshd


def echoes_or_refuses(port):
    try:
        return echoes(port)
    except OSError:
        return False


def commands(sshd, origin):
    """Match exec is run before each login, as by a new ssh."""
    count = scratch("count", "")
    hosts = ssh_config({"host": sshd}, f'Match host * exec "echo >>{count}"', "Match all")
    port = free_port()

    def runs():
        return os.path.getsize(count)

    with tap.case("Match exec is run again before a login after a loss"), \
            Tunnel(f"ssh -N -L {port}:{ANY}:{origin.port} host", hosts):
        wait_until(lambda: echoes_or_refuses(port), "a connection")
        before = runs()
        true(before > 0, "it was run at the start")

        def runs_after_loss():
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            return runs() > before

        wait_until(runs_after_loss, "it is run again")
        wait_until(lambda: echoes_or_refuses(port), "a connection")


def life(origin):
    """What comes while a session lives."""

    def unimplemented(session):
        session.login()
        session.rogue.packets = 0
        while True:
            payload = session.receive()
            if payload[0] == GLOBAL_REQUEST:
                session.send(UNIMPLEMENTED, numbers(0))
            session.rogue.packets += payload[0] in (GLOBAL_REQUEST, IGNORE)

    with Rogue(unimplemented) as rogue, tap.case("UNIMPLEMENTED is an answer to a keepalive"), \
            Adit(config(rogue, up={"keepalive": "1s", "keepalive_max": "1",
                                   "sessions": "1-1"})) as adit:
        adit.sessions_up(1)
        wait_until(lambda: rogue.packets >= 5, "five keepalives, or packets in their place")
        equal(adit.find("session 0 lost"), [], "a session lost")

    asked = []

    def any_server(session):
        session.login()
        fields = Reader(session.expect(CHANNEL_OPEN))
        asked.append(fields.text())
        number = fields.number()
        session.confirm(number)
        session.echo(number)

    port = free_port()
    with Rogue(any_server) as rogue, \
            tap.case("a socket of a server that does not call itself OpenSSH"), \
            Adit(config(rogue, section("forward s", {"local": f"{port} /run/a.sock"}))):
        with socket.create_connection((ANY, port), timeout=patience(30)):
            wait_until(lambda: asked, "the server is asked")
        equal(asked, [b"direct-streamlocal@openssh.com"], "what it is asked for")

    proceed = threading.Event()

    def other_key(session):
        session.login()
        proceed.wait()
        session.rekey("7b" * 32)
        session.linger()

    with Rogue(other_key) as rogue, tap.case("another host key at a rekey ends the session"), \
            Adit(config(rogue, up={"sessions": "1-1"})) as adit:
        adit.sessions_up(1)
        proceed.set()
        adit.wait_log("session 0 lost.*host key")

    def same_key(session):
        session.login()
        proceed.wait()
        session.rekey()
        number, _ = session.opened()
        session.confirm(number)
        session.echo(number)

    with Rogue(same_key) as rogue, tap.case("the same host key at a rekey does not"), \
            Adit(config(rogue, up={"sessions": "1-1"})) as adit:
        adit.sessions_up(1)
        true(works(adit.address, origin), "a connection after it")


def another_user(number):
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def master_of_another(sshd):
    """A process of another user, which answers as adit would, is not asked and lent nothing."""
    name = "-S PATH of another user is not believed"
    if os.geteuid() != 0:
        tap.leave_out(name, "only root can be another user")
        return
    if not all(os.stat(folder).st_mode & 0o001 for folder in pathlib.Path(binary()).parents):
        tap.leave_out(name, "another user cannot run adit where it lies")
        return
    path = scratch("foreign")
    child = os.fork()
    if child == 0:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o666)
            another_user(65533)
            listener.listen()
            while True:
                conn, _ = listener.accept()
                with conn, contextlib.suppress(OSError):
                    conn.recv(4096)
                    conn.sendall(b'{"ok":true,"pid":1}\n')
    try:
        wait_until(lambda: listens(path), "the socket")
        with tap.case(name):
            done = subprocess.run(
                [binary(), "-F", "none", "-S", path, "-O", "check", "host"], capture_output=True,
                stdin=subprocess.DEVNULL, preexec_fn=lambda: another_user(65534), check=False,
                timeout=patience(60), encoding="utf-8", env=environment())
            equal(done.returncode, 255, f"the status ({done.stderr!r})")
            holds("another user", done.stderr, "what it says")
            port = free_port()
            with Tunnel(f"ssh -v -S {path} -N -L {port}:{ANY}:1 host",
                        ssh_config({"host": sshd})) as tunnel:
                tunnel.wait_log("every upstream has a session")
                true(tunnel.alive(), "it stays")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def listens(path):
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as sockets:
        return any(line.split()[3:4] == ["00010000"] and line.endswith(f" {path}\n")
                   for line in sockets)


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        parts = {"commands": lambda: commands(sshd, origin), "life": lambda: life(origin),
                 "master_of_another": lambda: master_of_another(sshd)}
        for name, part in parts.items():
            if not sys.argv[1:] or name in sys.argv[1:]:
                part()


tap.run(main)

"""How long until it works: from the start, and after the session was killed."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from actors import Actor, Adit, Before, ByEngine, Other, addressed, ssh_words
from report import AGAINST, ENGINE, Case
from adit_test.gateway import binary, section, upstream
from adit_test.net import ANY, free_port
from adit_test.process import descendants, scratch, send_signal

PATIENCE = 60  # seconds; then it is reported as this long
SHORT = 0.002  # seconds from one try to the next


def request(port, origin):
    """One connection through the proxy, with one byte there and back. None: it worked; else what
    did not: "connect", "reply" (it was not led on) or "echo" (it broke when it was)."""
    stage = "connect"
    try:
        with socket.create_connection((ANY, port), PATIENCE) as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stage = "reply"
            conn.sendall(b"\x05\x01\x00")
            if conn.recv(2, socket.MSG_WAITALL) != b"\x05\x00":
                return stage
            conn.sendall(b"\x05\x01\x00\x01" + socket.inet_aton("127.0.1.1") +
                         origin.ports["echo"].to_bytes(2, "big"))
            reply = conn.recv(10, socket.MSG_WAITALL)
            if len(reply) < 10 or reply[1] != 0:
                return stage
            stage = "echo"
            conn.sendall(b"x")
            return None if conn.recv(1) == b"x" else stage
    except OSError:
        return stage


def first_success(port, origin):
    """Asks again and again until a request works. Returns how many did not."""
    began, failed = time.monotonic(), 0
    while request(port, origin) is not None and time.monotonic() - began < PATIENCE:
        failed += 1
        time.sleep(SHORT)
    return failed


# ---- start

def adit_file(sshd, port, engine=None):
    text = upstream(sshd, engine=engine) + section("listen browser", {"address": f"{ANY}:{port}"})
    return [binary(), "--config", scratch("adit.ini", text)]


def adit_line(sshd, port):
    return [binary(), *ssh_words(sshd), "-N", "-D", f"{ANY}:{port}", addressed(sshd)]


def ssh_line(sshd, port):
    return ["ssh", *ssh_words(sshd), "-N", "-D", f"{ANY}:{port}", addressed(sshd)]


def other(command):
    """What is compared with that command of adit's: the other adit's, the other engine's, or ssh's."""
    if ENGINE:
        return lambda *place: adit_file(*place, ENGINE)
    return (lambda *place: [AGAINST, *command(*place)[1:]]) if AGAINST else ssh_line


def start_once(room, command):
    port = free_port()
    words = command(room.sshd, port)
    began = time.monotonic()
    with Actor(words):
        first_success(port, room.origin)
        return {"start": (time.monotonic() - began) * 1e3}


def start(room):
    """From exec to the first byte that came back; a client tries every 2 ms."""
    for title, commands in (("with a configuration file", {Adit: adit_file, Other: other(adit_file)}),
                            ("with the same command line", {Adit: adit_line, Other: other(adit_line)})):
        case = Case("start", f"cold start, adit {title}")
        room.alternate(case, lambda kind, commands=commands: start_once(room, commands[kind]))
        yield case


# ---- recovery

AROUND = 1  # seconds of requests before the session is killed
AFTER = 3   # and after it


class Autossh(Actor):
    """ssh -D as people keep it alive: autossh starts it again when it has ended."""

    key = "ssh"

    def __init__(self, sshd):
        self.port = free_port()
        words = ["autossh", "-M", "0", *ssh_words(sshd), "-N", "-D", f"{ANY}:{self.port}",
                 "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3",
                 "-o", "ExitOnForwardFailure=yes", addressed(sshd)]
        super().__init__(words, env={**os.environ, "AUTOSSH_GATETIME": "0"})

    def end(self):
        tree = descendants(self.pid)
        self.child.terminate()  # it ends its ssh
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            pass
        for pid in tree:
            send_signal(pid, signal.SIGKILL)
        super().end()


KEPT = {Adit: Adit, Other: Before if AGAINST else ByEngine if ENGINE else Autossh}


def kill_sessions(sshd):
    for pid in sshd.sessions():
        sshd.kill_session(pid)


def recover_once(room, kind):
    with KEPT[kind](room.sshd) as proxy:
        first_success(proxy.port, room.origin)
        time.sleep(AROUND)
        kill_sessions(room.sshd)
        began = time.monotonic()
        failed = first_success(proxy.port, room.origin)
        return {"recovery": (time.monotonic() - began) * 1e3, "refused": failed}


def visitor(proxy, origin, end, results):
    while time.monotonic() < end:
        failed = request(proxy.port, origin)
        results.append(failed)
        if failed:
            time.sleep(SHORT)


def under_load(room, kind):
    """Four clients with one request after another, each with the next when the last is done."""
    with KEPT[kind](room.sshd) as proxy:
        first_success(proxy.port, room.origin)
        results = []
        end = time.monotonic() + AROUND + AFTER
        clients = [threading.Thread(target=visitor, args=(proxy, room.origin, end, results))
                   for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(AROUND)
        kill_sessions(room.sshd)
        for client in clients:
            client.join()
    return {"refused": results.count("connect") + results.count("reply"),
            "cut": results.count("echo")}


def recovery(room):
    """The session's sshd is killed; ssh -D is kept by autossh -M 0."""
    if not AGAINST and not ENGINE and shutil.which("autossh") is None:
        case = Case("recovery", "session killed")
        case.note("not measured: there is no autossh (contrib/packages bench)")
        yield case
        return
    case = Case("recovery", "session killed, a request at once")
    room.alternate(case, lambda kind: recover_once(room, kind))
    yield case
    case = Case("recovery", f"session killed under requests (4 clients, {AROUND + AFTER} s)")
    room.alternate(case, lambda kind: under_load(room, kind))
    yield case

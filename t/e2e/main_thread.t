#!/usr/bin/env -S python3 -B
"""The main thread never waits: whatever stands still, -O check is answered and signals are obeyed.

Each case holds something up that the main thread could wait for, asks while it is held up, and lets
it go afterwards. How long answers took is printed, not judged.
"""

import array
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, patience, raises, run_adit, scratch,
                       section, tap, true, upstream, wait_connects, wait_until)
from adit_test.clients import refuses, works
from adit_test.control import status
from adit_test.dns import cannot_mount, own_resolv_conf
from adit_test.gateway import binary, environment
from adit_test.origins import Origin, echo
from adit_test.process import send_signal
from adit_test.sshd import Sshd

SAMPLES = 200
F_SETPIPE_SZ = 1031  # fcntl(2)
CHECK = b'{"command":"check"}\n'
RELOADED = r" info: reloaded "
NAME_SERVER = "127.53.53.53"  # of this machine's own loopback, where nobody else listens


def line_of(conn):
    got = b""
    while not got.endswith(b"\n"):
        part = conn.recv(1 << 16)
        true(part, "there is an answer")
        got += part
    return json.loads(got)


@contextlib.contextmanager
def connected(path):
    with socket.socket(socket.AF_UNIX) as conn:
        conn.settimeout(patience(30))
        conn.connect(path)
        yield conn


def measure(path):
    """Asks many times; the main thread must not be waiting meanwhile."""
    took = []
    for _ in range(SAMPLES):
        begun = time.monotonic()
        with connected(path) as conn:
            conn.sendall(CHECK)
            true(line_of(conn)["ok"], "the answer's ok")
        took.append((time.monotonic() - begun) * 1000)
    took.sort()
    tap.diag(f"{SAMPLES} answers to check: median {took[SAMPLES // 2]:.1f} ms, "
             f"99 % {took[SAMPLES * 99 // 100]:.1f} ms, most {took[-1]:.1f} ms")
    equal(run_adit("-S", path, "-O", "check").returncode, 0, "-O check")


def answers(adit, path):
    """The same, and a signal is obeyed."""
    measure(path)
    mark = adit.mark()
    adit.signal(signal.SIGUSR1)
    adit.wait_log(r" info: upstream office: \d+ up", mark)


class Held:
    """An ssh that, while it is held, waits before it does what it does."""

    def __init__(self):
        self.directory = scratch("bin")
        os.mkdir(self.directory)
        self.hold, self.asked, self.gate = (os.path.join(self.directory, name)
                                            for name in ("hold", "asked", "gate"))
        os.mkfifo(self.gate)
        path = os.path.join(self.directory, "ssh")
        with open(path, "w", encoding="ascii") as out:
            out.write(f"#!/bin/sh\n[ -e {self.hold} ] && {{ echo $$ >> {self.asked}; read x < "
                      f"{self.gate}; }}\nPATH=${{PATH#*:}} exec ssh \"$@\"\n")
        os.chmod(path, 0o755)
        self.path = f"{self.directory}:{os.environ['PATH']}"

    def __enter__(self):
        """From here on it waits."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.asked)
        with open(self.hold, "w", encoding="ascii"):
            pass
        return self

    def pid(self):
        """That of one which waits."""
        def found():
            with contextlib.suppress(FileNotFoundError), open(self.asked, encoding="ascii") as lines:
                return [int(line) for line in lines][-1:]
            return []
        return wait_until(found, "ssh is asked")[0]

    def release(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.hold)
        with contextlib.suppress(OSError):  # nobody waits
            os.close(os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK))

    def __exit__(self, *_):
        self.release()


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def asking(sshd, control, *sections, **more):
    """A configuration whose second upstream is looked up in ssh_config."""
    ssh_config = more.pop("ssh_config", "none")
    return config(sshd, section("upstream far", {
        "host": sshd.address, "port": sshd.port, "user": sshd.user, "identity": sshd.user_key,
        "known_hosts": sshd.known_hosts, "agent": "no", "ssh_config": "yes",
        "ssh_config_file": ssh_config}), *sections,
        gate={"control": control, "log": "debug"}, **more)


def another_s_forward(sshd, origin, adit, held, control):
    """The first request waits for the server; a reload and then the second one come behind it."""
    port, remote = free_port(), free_port()
    local = {"kind": "local", "spec": f"{ANY}:{port}:{ANY}:{origin.port}"}
    far = {"kind": "remote", "spec": f"{remote}:{ANY}:{origin.port}"}
    with connected(control) as first, connected(control) as second:
        mark = adit.mark()
        frozen = sshd.freeze()
        try:
            first.sendall(json.dumps({"command": "forward", "forwards": [local, far]}).encode() + b"\n")
            adit.wait_log(rf"listening on {ANY}:{port} ", mark)
            with held:
                mark = adit.reload()
                held.pid()
                second.sendall(json.dumps({"command": "forward", "forwards": [local]}).encode() + b"\n")
                adit.wait_log("control: forward", mark)
            true(line_of(second)["ok"], "the answer to the second request")
            equal(line_of(first)["error"], "it is not configured any more", "the first one's answer")
        finally:
            sshd.thaw(frozen)
    equal([forward["bind"] for forward in status(control)["forwards"]], [f"{ANY}:{port}"],
          "the forwards")
    adit.reload()
    wait_until(lambda: status(control)["forwards"] == [], "a reload removes it")


def reload_by_ssh(sshd, origin):
    held, control = Held(), scratch("control")
    with Adit(asking(sshd, control), env={"PATH": held.path}) as adit:
        adit.sessions_up(1)
        with tap.case("ssh -G stands still during a reload"):
            with held:
                mark = adit.reload()
                held.pid()
                answers(adit, control)
                done = run_adit("-S", control, "-O", "status", "--json")
                equal(json.loads(done.stdout)["reloading"], True, "reloading, of -O status")
                true(works(adit.address, origin), "echo meanwhile")
                equal(adit.find(RELOADED, mark), [], "reloads that have ended meanwhile")
            adit.wait_log(RELOADED, mark)
            true(works(adit.address, origin), "echo")
        with tap.case("what is asked for meanwhile comes in order: reloads become one, then a forward"):
            port = free_port()
            spec = f"{ANY}:{port}:{ANY}:{origin.port}"
            order = {"command": "forward", "forwards": [{"kind": "local", "spec": spec}]}
            with held, connected(control) as asks, connected(control) as reloads:
                mark = adit.reload()
                held.pid()
                for _ in range(20):
                    adit.signal(signal.SIGHUP)
                adit.wait_signals()
                reloads.sendall(b'{"command":"reload"}\n')
                adit.wait_log("control: reload", mark)
                asks.sendall(json.dumps(order).encode() + b"\n")
                adit.wait_log("control: forward", mark)
                answers(adit, control)
                equal(adit.find(RELOADED, mark), [], "reloads that have ended meanwhile")
                held.release()
                true(line_of(reloads)["ok"], "the answer to reload")
                true(line_of(asks)["ok"], "the answer to forward")
            equal(len(adit.find(RELOADED, mark)), 2, "reloads")
            with socket.create_connection((ANY, port), patience(30)) as conn:
                conn.sendall(b"x")
                equal(conn.recv(1), b"x", "echo through the forward, which the reload has not undone")
            equal(run_adit("-S", control, "-O", "cancel", "-L", spec).returncode, 0, "-O cancel")
            with raises(ConnectionRefusedError, "connecting to the forward that is gone"):
                socket.create_connection((ANY, port), patience(30)).close()
        with tap.case("a forward that a reload has removed is not taken back once it is another's"):
            another_s_forward(sshd, origin, adit, held, control)
        with tap.case("a reload that is refused is answered as ever"):
            adit.write(asking(sshd, control) + "[listen x]\naddress = nonsense\n")
            done = run_adit("-S", control, "-O", "reload")
            equal(done.returncode, 78, "the exit status")
            true("nonsense" in done.stderr, f"the words: {done.stderr}")
            adit.write(asking(sshd, control))
            equal(run_adit("-S", control, "-O", "reload").returncode, 0, "-O reload")


def ended_by_signal(sshd):
    held, control = Held(), scratch("control")
    with tap.case("SIGTERM during a reload: adit ends, and so does the ssh it waits for"):
        with Adit(asking(sshd, control), env={"PATH": held.path}, name="adit that ends") as adit:
            adit.sessions_up(1)
            with held, connected(control) as reloads:
                reloads.sendall(b'{"command":"reload"}\n')
                pid = held.pid()
                adit.finish()
                wait_until(lambda: gone(pid), "the ssh it waited for has ended")
                equal(line_of(reloads)["error"], "adit is ending", "the answer to reload")
    with tap.case("SIGTERM while the file itself does not answer: adit ends"):
        with Adit(asking(sshd, control), env={"PATH": held.path}, name="adit that ends") as adit:
            adit.sessions_up(1)
            os.unlink(adit.config)
            os.mkfifo(adit.config)
            mark = adit.reload()
            with connected(control) as reloads:
                reloads.sendall(b'{"command":"reload"}\n')
                adit.wait_log("control: reload", mark)
                answers(adit, control)
                adit.finish()


def included(sshd, origin):
    """The file that ssh_config includes is a FIFO: ssh itself waits for somebody to write it."""
    control, fifo = scratch("control"), scratch("included")
    ssh_config = scratch("ssh_config", f"Include {fifo}\n")
    with open(fifo, "w", encoding="ascii"):
        pass
    with Adit(asking(sshd, control, ssh_config=ssh_config)) as adit, \
            tap.case("a file that ssh_config includes does not answer"):
        adit.sessions_up(1, upstream="far")  # whose dial has read the file
        os.unlink(fifo)
        os.mkfifo(fifo)
        mark = adit.reload()
        with open(fifo, "w", encoding="ascii"):  # (waits until it is read)
            answers(adit, control)
            true(works(adit.address, origin), "echo meanwhile")
            equal(adit.find(RELOADED, mark), [], "reloads that have ended meanwhile")
            os.replace(scratch("included", ""), fifo)
        adit.wait_log(RELOADED, mark)


def without_ssh(sshd, origin):
    """Where there is no ssh, the SSH library reads ssh_config, and runs what `Match exec` says."""
    control, hold, gate = scratch("control"), scratch("hold"), scratch("gate")
    command = f"test ! -e {hold} || read x < {gate}"
    ssh_config = scratch("ssh_config", f'Match exec "{command}"\nCompression no\n')
    empty = scratch("bin")
    os.mkdir(empty)
    os.mkfifo(gate)
    with Adit(asking(sshd, control, ssh_config=ssh_config, up={"engine": "libssh"}),
              env={"PATH": empty}) as adit, \
            tap.case("a program that ssh_config names does not end, and there is no ssh"):
        adit.sessions_up(1, upstream="far")  # whose dial has read the file
        with open(hold, "w", encoding="ascii"):
            pass
        mark = adit.reload()
        with open(gate, "w", encoding="ascii"):  # (waits until it is read)
            os.unlink(hold)
            answers(adit, control)
            true(works(adit.address, origin), "echo meanwhile")
            equal(adit.find(RELOADED, mark), [], "reloads that have ended meanwhile")
        adit.wait_log(RELOADED, mark)


def dialling(sshd, origin):
    """The control socket's path is somebody's who does not answer; so is the server of a dial."""
    control, taken = scratch("control"), scratch("taken")
    with socket.create_server((ANY, 0)) as silent, socket.socket(socket.AF_UNIX) as holder:
        holder.bind(taken)
        holder.listen(1)
        text = config(sshd, upstream(sshd, "silent", host=ANY, port=silent.getsockname()[1]),
                      gate={"control": control})
        with Adit(text) as adit, contextlib.ExitStack() as stack:
            adit.sessions_up(1)
            with tap.case("a server that says nothing"):
                answers(adit, control)
            with tap.case("a path for the control socket whose holder does not answer"):
                full = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)]
                for conn in full:
                    conn.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        conn.connect(taken)
                mark = adit.reload(text.replace(f"control = {control}", f"control = {taken}"))
                answers(adit, control)
                true(works(adit.address, origin), "echo meanwhile")
                holder.close()
                for conn in full:
                    conn.close()
                adit.wait_log("reload: nothing was changed|reloaded", mark)


def crowd(sshd, origin):
    control = scratch("control")
    with Adit(config(sshd, gate={"control": control})) as adit, contextlib.ExitStack() as stack:
        adit.sessions_up(1)
        with tap.case("control connections that say nothing, half a word, or take no answer"):
            for word in (b"", b'{"command":', b'{"command":"status"}\n' * 2000):
                for _ in range(20):
                    conn = stack.enter_context(socket.socket(socket.AF_UNIX))
                    conn.connect(control)
                    conn.setblocking(False)
                    with contextlib.suppress(BlockingIOError, BrokenPipeError):
                        conn.send(word)
            answers(adit, control)
            true(works(adit.address, origin), "echo meanwhile")


def names(sshd, origin):
    control, name = scratch("control"), "a name server that does not answer"
    if why := cannot_mount():
        tap.skip(name, why)
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((NAME_SERVER, 53))
        server.settimeout(patience(30))
        text = config(sshd, upstream(sshd, "far", host="far.example"), gate={"control": control})
        with Adit(text, before=own_resolv_conf(NAME_SERVER)) as adit, tap.case(name):
            adit.sessions_up(1)
            while b"\x03far\x07example" not in server.recv(1 << 12):
                pass
            answers(adit, control)
            true(works(adit.address, origin), "echo meanwhile")


def log_that_nobody_reads(sshd, origin):
    control, port = scratch("control"), free_port()
    address = (ANY, port)
    file = scratch("adit.ini", config(sshd, gate={"control": control, "log": "debug"},
                                      at={"address": f"{ANY}:{port}"}))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)  # little room, so that it is full soon

    def unread():
        waiting = array.array("i", [0])
        fcntl.ioctl(reading, termios.FIONREAD, waiting)
        return waiting[0]

    def is_full():
        before = unread()
        return works(address, origin) and before > 3000 and unread() == before

    with tap.case("a log that nobody reads"):
        child = subprocess.Popen([binary(), "--config", file, "-vv"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=writing, env=environment())
        os.close(writing)
        try:
            wait_connects(control, "adit's control socket", 60)
            wait_until(lambda: not refuses(port), "adit listens", 60)
            wait_until(is_full, "the log is full", 60)
            measure(control)
            send_signal(child.pid, signal.SIGUSR1)
            true(works(address, origin), "echo meanwhile")
            equal(os.get_blocking(reading), True, "the pipe's flags")
            send_signal(child.pid, signal.SIGTERM)
            equal(child.wait(patience(60)), 0, "the exit status, the log unread")
            with os.fdopen(reading, encoding="ascii") as log:
                lines = log.read().split("\n")
            equal([line for line in lines[:-1] if not re.match(r"\d{4}-\d\d-\d\dT", line)], [],
                  "lines that are no lines of the log")
        finally:
            child.kill()
            child.wait()


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        reload_by_ssh(sshd, origin)
        ended_by_signal(sshd)
        included(sshd, origin)
        without_ssh(sshd, origin)
        dialling(sshd, origin)
        crowd(sshd, origin)
        names(sshd, origin)
        log_that_nobody_reads(sshd, origin)


tap.run(main)

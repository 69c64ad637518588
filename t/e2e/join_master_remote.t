#!/usr/bin/env -S python3 -B
"""Remote forwards over a joined master: ports and unix sockets at the server, their bytes and ends, and
what becomes of them with the master's end and with adit's."""

import os
import re
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, run_adit, sanitized, scratch,
                       tap, true, wait_until, workdir)
from adit_test.clients import closed, exchange, read_all, refusal, refuses, works
from adit_test.gateway import section
from adit_test.mux import (FAILURE, GREETING, IS_ALIVE, OK, OPEN_FWD, REMOTE_PORT, SshMaster,
                           SshMasterAt, descriptors, frame, string)
from adit_test.origins import (Origin, body, body_then_digest, digest, digest_then_answer, echo,
                               how_it_ends, read_digest, unix_echo)
from adit_test.process import kill_tree, patience
from adit_test.sshd import Sshd

SIZE = 100 << 20
LOCKED = {} if sanitized() else {"sandbox": "require"}
INET = {"AddressFamily": "inet"}


def forward(name, remote, **keys):
    return section(f"forward {name}", {"remote": remote, **keys})


def text(sshd, path, *sections, **up):
    """A configuration whose only way to the server is the master: adit has no key to log in with."""
    return config(sshd, *sections, gate=LOCKED,
                  up={"join_master": path, "identity": "none", "agent": "no", **up})


def is_up(adit, name, since=0, seconds=60):
    """Waits until it is listened on; returns the port."""
    found = adit.wait_log(rf"remote forward {name}: listening on \S+:(\d+) at the server", since, seconds)
    return int(found[1])


def comes_back(place):
    with socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET) as conn:
        conn.settimeout(patience(30))
        conn.connect(place if isinstance(place, str) else (ANY, place))
        return exchange(conn)


def places(sshd):
    port, nobody = free_port(), free_port()
    target, at_server = scratch("echo.sock"), scratch("at-server.sock")
    unix_echo(target)
    with SshMaster(sshd) as master, Origin(echo) as origin, Adit(text(
            sshd, master.path, forward("fixed", f"{port} {ANY}:{origin.port}"),
            forward("any", f"0 {ANY}:{origin.port}"), forward("other", f"0 {ANY}:{origin.port}"),
            forward("path", f"0 {target}"), forward("nobody", f"0 {ANY}:{nobody}"),
            forward("socks", "0"), forward("unix", f"{at_server} {ANY}:{origin.port}"))) as adit:
        with tap.case("a fixed port; who came is not known"):
            equal(is_up(adit, "fixed"), port, "the port")
            mark = adit.mark()
            true(comes_back(port), "echo")
            line = adit.access(mark, listen="fixed", client="remote", protocol="forward",
                               target=f"{ANY}:{origin.port}", outcome="ok", upstream="office")
            equal((line["up"], line["down"]), ("19", "19"), "bytes up and down")
        with tap.case("port 0: the server picks, another one for each, and the log says what"):
            equal(len({is_up(adit, "any"), is_up(adit, "other"), port}), 3, "ports")
            true(comes_back(is_up(adit, "any")), "echo")
            true(comes_back(is_up(adit, "other")), "echo by the other one")
        with tap.case("to a unix socket"):
            true(comes_back(is_up(adit, "path")), "echo")
        with tap.case("from a unix socket at the server"):
            adit.wait_log(f"remote forward unix: listening on {re.escape(at_server)} at the server")
            true(comes_back(at_server), "echo")
        with tap.case("SOCKS for the far side"):
            true(works((ANY, is_up(adit, "socks")), origin), "echo")
            equal(refusal((ANY, is_up(adit, "socks")), ANY, nobody), 5, "a target that refuses")
        with tap.case("a target that refuses: the connection ends"):
            mark = adit.mark()
            with socket.create_connection((ANY, is_up(adit, "nobody")), timeout=patience(30)) as conn:
                true(closed(conn), "the connection ends")
            adit.access(mark, listen="nobody", outcome="refused")
        with tap.case("SIGHUP without them: the server listens no more; nothing of them is left"):
            true(ours(), "sockets of ours before")
            before = descriptors(master.process.pid)
            adit.reload(text(sshd, master.path))
            wait_until(lambda: refuses(port), "the port is closed")
            wait_until(lambda: not ours(), "our sockets are removed")
            wait_until(lambda: descriptors(master.process.pid) <= before, "the master's descriptors")
            true(works(adit.address, origin), "echo the other way")
        with tap.case("adit's end: what the server listens on is cancelled, and the master lives"):
            mark = adit.reload(text(sshd, master.path, forward("again", f"{port} {ANY}:{origin.port}")))
            is_up(adit, "again", mark)
            adit.finish()
            wait_until(lambda: refuses(port), "the port is closed")
            false(ours(), "our sockets")
            equal(master.ssh("-O", "check", "server").returncode, 0, "ssh -O check")


def ours():
    """The unix sockets that adit has bound for remote forwards."""
    directory = os.path.join(workdir(), "adit")
    return [name for name in os.listdir(directory) if name.startswith("forward-")]


def transfers(sshd, master):
    with Origin(digest_then_answer) as up, Origin(body_then_digest(SIZE)) as down, \
            Origin(how_it_ends) as end, Origin(lambda conn, _: conn.sendall(b"bye")) as short, Adit(text(
                sshd, master.path, forward("up", f"0 {ANY}:{up.port}"),
                forward("down", f"0 {ANY}:{down.port}"), forward("end", f"0 {ANY}:{end.port}"),
                forward("short", f"0 {ANY}:{short.port}"))) as adit:
        with tap.case("100 MiB to the target, the end of data, and the answer behind it"), \
                socket.create_connection((ANY, is_up(adit, "up")), timeout=patience(60)) as conn:
            for block in body(SIZE):
                conn.sendall(block)
            conn.shutdown(socket.SHUT_WR)
            equal(read_all(conn), f"{SIZE} {digest(SIZE)}\n".encode(), "the answer")
            equal(up.result(), (SIZE, digest(SIZE)), "what the target got")
        with tap.case("100 MiB from the target"), \
                socket.create_connection((ANY, is_up(adit, "down")), timeout=patience(60)) as conn:
            equal(read_digest(conn), (SIZE, digest(SIZE)), "what came")
            conn.shutdown(socket.SHUT_WR)
            equal(down.result()[0], 0, "bytes that the target got")
        with tap.case("the target closes: the far side's connection ends"), \
                socket.create_connection((ANY, is_up(adit, "short")), timeout=patience(60)) as conn:
            equal(read_all(conn), b"bye", "what came")
        with tap.case("the master is killed: the target sees a reset, not an end"), \
                socket.create_connection((ANY, is_up(adit, "end")), timeout=patience(60)) as conn:
            equal(conn.recv(5), b"hello", "what the target says")
            mark = adit.mark()
            master.process.kill()
            true(closed(conn), "the far end is closed")
            true(isinstance(end.result(), ConnectionResetError), "the target was reset")
            adit.wait_log("session 0 lost: the master that it joined has ended", mark)
        os.unlink(master.path)
        with tap.case("a new master is joined: the forwards are asked for again"), \
                SshMasterAt(sshd, master):
            port = is_up(adit, "short", mark)
            with socket.create_connection((ANY, port), timeout=patience(60)) as conn:
                equal(read_all(conn), b"bye", "what came")


def refusals(sshd):
    with socket.socket() as taken, SshMaster(sshd) as master, Origin(echo) as origin:
        taken.bind((ANY, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Adit(text(sshd, master.path, forward("late", f"{port} {ANY}:{origin.port}"),
                       forward("unix", f"/nowhere/at/all {ANY}:{origin.port}"))) as adit:
            with tap.case("a port that is taken: the master's words, once; up when it is free"):
                adit.wait_log(rf"remote forward late: remote port forwarding failed for listen port {port}: "
                              rf'the server refuses \("[^"]*remote port forwarding failed[^"]*"\)')
                taken.close()
                is_up(adit, "late")
                true(comes_back(port), "echo")
                equal(len(adit.find("remote forward late: remote port forwarding failed")), 1, "lines")
            with tap.case("a path that cannot be listened on"):
                adit.wait_log(r"remote forward unix: remote port forwarding failed for listen path "
                              r"/nowhere/at/all: the server refuses .*StreamLocalBindUnlink")
            with tap.case("what a person has of the master is left alone"):
                other = free_port()
                equal(master.ssh("-O", "forward", "-R", f"{other}:{ANY}:{origin.port}",
                                 "server").returncode, 0, "ssh -O forward")
                adit.finish()
                wait_until(lambda: refuses(port), "adit's is cancelled")
                true(comes_back(other), "echo by the person's")


def kill_all(adit):
    """Kills the keeper and the gateway, as a machine without memory does."""
    adit.finished = True
    kill_tree(adit.pid)
    adit.wait()


def adit_dies(sshd):
    port, other = free_port(), free_port()
    with SshMaster(sshd) as master, Origin(echo) as origin:
        said = text(sshd, master.path, forward("f", f"{port} {ANY}:{origin.port}"))
        with Adit(said) as adit:
            is_up(adit, "f")
            with tap.case("the gateway is killed: the next one has the forward"):
                mark = adit.mark()
                os.kill(adit.gateway, signal.SIGKILL)
                is_up(adit, "f", mark)
                true(comes_back(port), "echo")
            with tap.case("adit is executed anew: the next gateway has the forward; the former one "
                          "takes it to nobody"):
                mark = adit.mark()
                adit.signal(signal.SIGUSR2)
                is_up(adit, "f", mark, 90)
                true(comes_back(port), "echo")
                adit.wait_log("the gateway that listened before .* has ended", mark)
                true(comes_back(port), "echo when the former one has ended")
                equal(adit.find("remote port forwarding failed", mark), [], "refusals")
            kill_all(adit)
        with tap.case("all of adit is killed: the forward leads nowhere"):
            with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
                true(closed(conn), "the connection ends")
        with Adit(said) as adit:
            with tap.case("the next adit has it again"):
                equal(is_up(adit, "f"), port, "the port")
                true(comes_back(port), "echo")
            kill_all(adit)
        with Adit(text(sshd, master.path, forward("g", f"{other} {ANY}:{origin.port}"))) as adit, \
                tap.case("one that has it no more: it is cancelled"):
            is_up(adit, "g")
            wait_until(lambda: refuses(port), "the port is closed")
            true(comes_back(other), "echo")


def own_masters(sshd):
    """engine = openssh: masters that adit starts, and which end with it."""
    port, at_server = free_port(), scratch("own.sock")
    with Origin(echo) as origin, Adit(config(
            sshd, forward("fixed", f"{port} {ANY}:{origin.port}"), forward("any", f"0 {ANY}:{origin.port}"),
            forward("unix", f"{at_server} {ANY}:{origin.port}"), gate=LOCKED,
            up={"engine": "openssh", "sessions": "1"}), name="adit with its own ssh") as adit:
        with tap.case("engine = openssh: ports and a unix socket"):
            equal(is_up(adit, "fixed"), port, "the port")
            true(comes_back(port), "echo")
            true(comes_back(is_up(adit, "any")), "echo by the port of the server's choice")
            adit.wait_log(f"remote forward unix: listening on {re.escape(at_server)} at the server")
            true(comes_back(at_server), "echo by the unix socket")
        with tap.case("... SIGHUP: one of them goes, its port is closed, and may be had again"):
            former = config(sshd, forward("fixed", f"{port} {ANY}:{origin.port}"), gate=LOCKED,
                            up={"engine": "openssh", "sessions": "1"})
            adit.reload(config(sshd, gate=LOCKED, up={"engine": "openssh", "sessions": "1"}))
            wait_until(lambda: refuses(port), "the port is closed")
            mark = adit.reload(former)
            is_up(adit, "fixed", mark)
            true(comes_back(port), "echo")
        with tap.case("... the session's process is killed: asked for again"):
            mark = adit.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            is_up(adit, "fixed", mark)
            true(comes_back(port), "echo")
        with tap.case("... executed anew: the next gateway has it in the end"):
            mark = adit.mark()
            adit.signal(signal.SIGUSR2)
            is_up(adit, "fixed", mark, 90)
            true(comes_back(port), "echo")
        with tap.case("... all of adit is killed: its ssh ends, and the forward with it"):
            kill_all(adit)
            wait_until(lambda: refuses(port), "the port is closed")


def hostile(sshd):
    """Masters that answer an OPEN_FWD as none does."""
    first = struct.pack("!I", 1)
    for what, answer, words in (
            ("nothing, and ends the connection", b"", "the master closed the connection"),
            ("a port that there is not", frame(REMOTE_PORT, first + struct.pack("!I", 1 << 16)),
             "the master's answer is not understood"),
            ("yes, without the port", frame(OK, first), "the master's answer is not understood"),
            ("that it lives", frame(IS_ALIVE, first + first), "the master's answer is not understood"),
            ("half a frame", frame(OK, first)[:6], "the master closed the connection"),
            ("a frame without an end", struct.pack("!I", 1 << 30), "the master closed the connection"),
            ("another protocol", b"HTTP/1.1 200 OK\r\n\r\n" * 9, "the master closed the connection"),
            ("a reason of 200 KiB", frame(FAILURE, first + string(b"no " * 68000)), "no no no"),
            ("a reason that writes to terminals", frame(FAILURE, first + string(b"\x1b[2J" * 9)),
             r"[^\x1b]*2J")):
        def serve(conn, _origin, answer=answer):
            while (request := read_frame(conn)) is not None:
                number = struct.unpack("!I", request[:4])[0]
                if number == OPEN_FWD:
                    conn.sendall(answer)
                    return
                conn.sendall(GREETING if number == 1 else
                             frame(IS_ALIVE, request[4:8] + struct.pack("!I", os.getpid())))

        path = scratch("other")
        with tap.case(f"a master that answers {what}"), Origin(serve, address=path), \
                Adit(text(sshd, path, forward("f", f"0 {ANY}:1"))) as adit:
            adit.wait_log(f'remote forward f: remote port forwarding failed .*refuses \\("({words})')
            line = adit.find("remote forward f: remote port forwarding failed")[0].string
            true(len(line) < 1000, "the line's length")
            adit.finish()


def read_frame(conn):
    """The next frame behind its length; None: there is none."""
    head = conn.recv(4, socket.MSG_WAITALL)
    return conn.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else None


def main():
    with Sshd(options=INET) as sshd:
        places(sshd)
        with SshMaster(sshd) as master:
            transfers(sshd, master)
        refusals(sshd)
        adit_dies(sshd)
        own_masters(sshd)
        hostile(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""[upstream] join_master: connections over the master of an ssh that a person has logged in."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, holds, run_adit, sanitized, scratch,
                       tap, true, wait_until)
from adit_test.clients import (HELLO, connect, connected, exchange, read_all, refusal, socks5_request,
                               works)
from adit_test.gateway import section
from adit_test.mux import SshMaster, SshMasterAt, descriptors
from adit_test.origins import (Blackhole, Origin, body, body_then_digest, digest, digest_then_answer,
                               echo, read_digest, read_exactly, unix_echo)
from adit_test.process import patience, send_signal
from adit_test.sshd import Sshd, version

SIZE = 64 << 20
LEAVING, LEAVING_KEPT = 80, 64  # clients; CANCELLED_MAX of src/session_openssh/opening.c
LOCKED = {} if sanitized() else {"sandbox": "require"}


def joined(sshd, path, **keys):
    """An adit whose only way to the server is the master: it has no key to log in with."""
    up = {"join_master": path, "identity": "none", "agent": "no", **keys.pop("up", {})}
    return Adit(config(sshd, *keys.pop("more", ()), gate=LOCKED, up=up), **keys)


def ends_with(conn):
    """How the data end that are still to come: "end" or "cut"."""
    try:
        while conn.recv(1 << 16):
            pass
        return "end"
    except OSError:
        return "cut"


def bytes_and_ends(adit, sshd):
    with tap.case("64 MiB up, the end of data, and the answer behind it"), \
            Origin(digest_then_answer) as origin, \
            connected(adit.address, ANY, origin.port) as conn:
        for block in body(SIZE):
            conn.sendall(block)
        conn.shutdown(socket.SHUT_WR)
        equal(read_all(conn).decode(), f"{SIZE} {digest(SIZE)}\n", "the answer")
        equal(origin.result(), (SIZE, digest(SIZE)), "what the origin got")
    with tap.case("64 MiB down"), Origin(body_then_digest(SIZE)) as origin, \
            connected(adit.address, ANY, origin.port) as conn:
        equal(read_digest(conn), (SIZE, digest(SIZE)), "what came")
        conn.shutdown(socket.SHUT_WR)
        equal(origin.result()[0], 0, "bytes that the origin got")
    with tap.case("the server closes: the client's connection ends"), Origin(closes) as origin, \
            connected(adit.address, ANY, origin.port) as conn:
        equal(read_all(conn), b"bye", "what came")
    with tap.case("100 connections at once"), Origin(echo) as origin, \
            concurrent.futures.ThreadPoolExecutor(20) as pool:
        true(all(pool.map(lambda _: works(adit.address, origin), range(100))), "each echo")
    with tap.case("nothing is left of them: neither here nor in the master"):
        before = descriptors(adit.gateway)
        with Origin(echo) as origin:
            for _ in range(20):
                true(works(adit.address, origin), "echo")
        wait_until(lambda: descriptors(adit.gateway) <= before, "the descriptors are given back")
    equal(len(sshd.sessions()), 1, "sessions at the server")


def closes(conn, _origin):
    conn.sendall(b"bye")


def refusals(adit, master, idle):
    with tap.case("a target that refuses: 05, with the master's words; a listening one is reached"):
        equal(refusal(adit.address, ANY, free_port()), 5, "the reply")
        adit.wait_log('outcome=refused .*end="Session open refused by peer"')
    with tap.case("1,000 refused targets: the master lives, and has what it had"):
        before = descriptors(master.process.pid)
        port = free_port()
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            equal(set(pool.map(lambda _: refusal(adit.address, ANY, port), range(1000))), {5},
                  "the replies")
        equal(master.ssh("-O", "check", "server").returncode, 0, "ssh -O check")
        wait_until(lambda: descriptors(master.process.pid) <= before, "its descriptors")
        with Origin(echo) as origin:
            true(works(adit.address, origin), "echo")
    with tap.case("clients that leave while their opens wait: others go on"), Blackhole() as hole:
        # (Those of connections that have just ended are closed one by one.)
        wait_until(lambda: descriptors(adit.gateway) <= idle, "nothing is under way", 60)
        before, held = descriptors(adit.gateway), descriptors(master.process.pid)
        conns = [socket.create_connection(adit.address) for _ in range(LEAVING)]
        for conn in conns:
            conn.sendall(HELLO + socks5_request(ANY, hole.port))
        # (A client, a connection to the master, and two ends of pairs each.)
        wait_until(lambda: descriptors(adit.gateway) >= before + 4 * len(conns), "the opens")
        for conn in conns:
            conn.close()
        # (Of the newest the connection to the master is kept until the server answers.)
        wait_until(lambda: descriptors(adit.gateway) <= before + LEAVING_KEPT, "their sockets end")
        with Origin(echo) as origin:
            true(works(adit.address, origin), "another one")
        hole.open()
        wait_until(lambda: descriptors(adit.gateway) <= before, "what they had is given back", 60)
        wait_until(lambda: descriptors(master.process.pid) <= held, "ssh's are closed", 60)


def unix_target(path, port):
    with tap.case("a unix socket at the server"), unix_echo(path):
        with socket.create_connection((ANY, port)) as conn:
            true(exchange(conn), "echo")


def the_master_ends(sshd):
    with SshMaster(sshd) as master, joined(sshd, master.path, up={"hold": "1s"}) as adit:
        adit.sessions_up(1)
        with tap.case("the master is killed: what it carries is cut, and never ends in order"), \
                Origin(echo) as origin:
            opened = [connect(adit.address, ANY, origin.port) for _ in range(20)]
            for conn in opened:
                true(exchange(conn), "echo")
            mark = adit.mark()
            master.process.kill()
            equal({ends_with(conn) for conn in opened}, {"cut"}, "the ends")
            adit.wait_log("session 0 lost: the master that it joined has ended", mark)
            for conn in opened:
                conn.close()
        with tap.case("without one clients are told that there is no session, and the log says what "
                      "to do"):
            equal(refusal(adit.address, ANY, 9), 1, "the reply")
            adit.wait_log("join_master: .*there is no master: log in with `ssh -M -N -f -S`", mark)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(master.path)
        with Origin(echo) as origin, SshMasterAt(sshd, master) as second:
            with tap.case("a new master is joined"):
                adit.sessions_up(1, mark)
                true(works(adit.address, origin), "echo")
            with tap.case("ssh -O stop: what runs goes on, and nothing new is opened"), \
                    connected(adit.address, ANY, origin.port) as conn:
                mark = adit.mark()
                equal(second.ssh("-O", "stop", "server").returncode, 0, "ssh -O stop")
                equal(refusal(adit.address, ANY, origin.port), 1, "the reply")
                adit.wait_log("nobody listens at .* any more", mark)
                true(exchange(conn), "echo on the one that was open")


def adit_dies(sshd):
    with SshMaster(sshd) as master, tap.case("adit is killed under load: the master lives"), \
            Origin(echo) as origin:
        with joined(sshd, master.path) as adit:
            adit.sessions_up(1)
            conns = [connect(adit.address, ANY, origin.port) for _ in range(20)]
            for conn in conns:
                conn.sendall(b"x")
            mark = adit.mark()
            send_signal(adit.gateway, signal.SIGKILL)
            adit.sessions_up(1, mark)
            true(works(adit.address, origin), "echo by the next gateway")
            for conn in conns:
                conn.close()
        equal(master.ssh("-O", "check", "server").returncode, 0, "ssh -O check")
        equal(master.ssh("server", "echo", "yes").stdout, b"yes\n", "a command over the master")


def pours(conn, _origin):
    with contextlib.suppress(OSError):
        while True:
            conn.sendall(bytes(1 << 16))


def drinks(conn, _origin):
    while conn.recv(1 << 16):
        pass


class Transfer:
    """A client's that never ends by itself: `moved` is set when a MiB has gone."""

    def __init__(self, adit, origin, serve):
        self.conn, self.moved = connect(adit.address, ANY, origin.port), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(serve,))
        self.thread.start()

    def _run(self, serve):
        done = 0
        with contextlib.suppress(OSError):
            while count := len(self.conn.recv(1 << 16)) if serve is pours \
                    else self.conn.send(bytes(1 << 16)):
                done += count
                if done >= 1 << 20:
                    self.moved.set()

    def end(self):
        self.thread.join()
        self.conn.close()


def all_of_adit_dies(sshd):
    """The keeper and the gateway at once: nothing of adit's is left to tell the master anything."""
    with SshMaster(sshd) as master, Origin(pours) as source, Origin(drinks) as sink, \
            tap.case("adit is killed whole, with transfers and opens under way: the master lives, "
                     "and has what it had"):
        held = descriptors(master.process.pid)
        adit = joined(sshd, master.path)
        with Blackhole() as hole:
            adit.sessions_up(1)
            waiting = [socket.create_connection(adit.address) for _ in range(5)]
            for conn in waiting:
                conn.sendall(HELLO + socks5_request(ANY, hole.port))
            transfers = [Transfer(adit, origin, serve)
                         for origin, serve in ((source, pours), (sink, drinks)) for _ in range(4)]
            true(all(one.moved.wait(patience(60)) for one in transfers), "a MiB of each")
            equal(refusal(adit.address, ANY, free_port()), 5, "a target that refuses")
            whole, adit.finished = (adit.pid, adit.gateway), True
            for pid in whole:
                send_signal(pid, signal.SIGKILL)
            for one in transfers:
                one.end()
            adit.kill()
            for conn in waiting:
                conn.close()
        equal(master.ssh("-O", "check", "server").returncode, 0, "ssh -O check")
        equal(master.ssh("server", "echo", "yes").stdout, b"yes\n", "a command over the master")
        wait_until(lambda: descriptors(master.process.pid) <= held, "its descriptors", 90)


def another_master(sshd):
    """A reload names another master: new connections go there, those of the first go on."""
    with SshMaster(sshd) as first, SshMaster(sshd) as second, Origin(echo) as origin, \
            joined(sshd, first.path) as adit:
        adit.sessions_up(1)
        with tap.case("a reload that names another master"), \
                connected(adit.address, ANY, origin.port) as conn:
            true(exchange(conn), "echo")
            mark = adit.mark()
            adit.reload(config(sshd, gate=LOCKED, up={"join_master": second.path, "identity": "none",
                                                      "agent": "no"}))
            adit.sessions_up(1, mark)
            first.process.signal(signal.SIGSTOP)
            try:
                true(works(adit.address, origin), "a new connection, while the first stands still")
            finally:
                first.process.signal(signal.SIGCONT)
            true(exchange(conn), "echo on the old one")


def not_masters(sshd):
    def silent(conn, _origin):
        while conn.recv(1 << 16):
            pass

    def other(conn, _origin):
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
        silent(conn, _origin)

    def hangs_up(conn, _origin):
        pass

    for what, serve, words in (("a silent one", silent, "the master does not answer"),
                               ("another program", other, "no master of OpenSSH"),
                               ("one that hangs up", hangs_up, "closed the connection")):
        path = scratch("other")
        with tap.case(f"what listens there is {what}"), Origin(serve, address=path), \
                joined(sshd, path, up={"connect_timeout": "1s"}, ready=False) as adit:
            adit.wait_log(f"join_master: {path}: .*({words})")


def checks(sshd):
    for more, words in (({"jump": "office2"}, "join_master and jump exclude each other"),
                        ({"proxy_command": "nc a 1"},
                         "join_master and proxy_command exclude each other"),
                        ({"master_socket": "/tmp/x"},
                         "join_master and master_socket exclude each other"),
                        ({"host": "a, b"}, "join_master: one master leads to one host, and several are given"),
                        ({"post_quantum": "require"}, "post_quantum: the key exchange of a master "
                         "(join_master) is its own, and cannot be required"),
                        ({"join_master": "cm"}, "does not begin with / or ~/"),
                        ({"join_master": "/tmp/%q"}, "a token or a variable that is not known"),
                        ({"join_master": "/" + "x" * 120}, "longer than a socket's path may be")):
        with tap.case(f"an error: {words}"):
            text = config(sshd, section("upstream office2", {"host": ANY}),
                          up={"join_master": "/tmp/cm", **more})
            done = run_adit("--check", "--config", scratch("adit.ini", text))
            equal(done.returncode, 78, "status")
            holds(re.escape(words), done.stderr, "the words")


def main():
    with Sshd() as sshd:
        checks(sshd)
        with SshMaster(sshd) as master:
            target, port = scratch("unix-target"), free_port()
            with joined(sshd, master.path, more=[section("forward unix", {"local": f"{port}:{target}", "via": "office"})]) as adit:
                adit.sessions_up(1)
                idle = descriptors(adit.gateway)
                bytes_and_ends(adit, sshd)
                refusals(adit, master, idle)
                if version() >= (9, 4):
                    unix_target(target, port)
            equal(master.ssh("-O", "check", "server").returncode, 0, "the master after adit's end")
        the_master_ends(sshd)
        adit_dies(sshd)
        all_of_adit_dies(sshd)
        another_master(sshd)
        not_masters(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""The harness against ssh -D: when this fails, the other tests here say nothing about adit."""

import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, false, free_port, holds, patience, raises, tap, true, wait_until
from adit_test.clients import (Closed, Line, closed, connect, connected, exchange, read_all, reply,
                               socks5_reply, socks5_request, works)
from adit_test.dns import AAAA, A, Dns
from adit_test.origins import (Blackhole, Origin, body_bytes, body_then_digest, digest,
                               digest_then_answer, echo, read_digest, read_exactly,
                               reset_after_one_byte)
from adit_test.sshd import SshD, Sshd
from adit_test.web import Web

SIZE = 300_000


def carries(ssh):
    with Origin(echo) as origin:
        for protocol in ("socks5", "socks5h", "socks4", "socks4a"):
            with tap.case(f"{protocol}: an echo comes back"):
                true(works(ssh.address, origin, protocol), "echo")
        with tap.case("byte by byte, with early data"):
            with connected(ssh.address, "localhost", origin.port, "socks5h", early=b"early",
                           drip=True) as conn:
                equal(read_exactly(conn, 5), b"early", "the echo")
                true(exchange(conn), "echo")
    with tap.case("half-close towards the origin"), Origin(digest_then_answer) as origin, \
            connected(ssh.address, origin.address, origin.port) as conn:
        conn.sendall(body_bytes(SIZE))
        conn.shutdown(socket.SHUT_WR)
        equal(read_all(conn), f"{SIZE} {digest(SIZE)}\n".encode(), "the origin's answer")
        equal(origin.result(), (SIZE, digest(SIZE)), "the origin's result")
    with tap.case("half-close towards the client"), Origin(body_then_digest(SIZE)) as origin:
        with connected(ssh.address, origin.address, origin.port) as conn:
            equal(read_digest(conn), (SIZE, digest(SIZE)), "what came")
            conn.sendall(b"still here")
        equal(origin.result()[0], 10, "what the origin got after its own end of data")
    with tap.case("a reset ends the connection"), Origin(reset_after_one_byte) as origin, \
            connected(ssh.address, origin.address, origin.port) as conn:
        conn.sendall(b"x")
        true(closed(conn), "it ends")
    with tap.case("curl, and what the web server noted"), Web() as web:
        got = subprocess.run(["curl", "-sS", "--socks5-hostname", f"127.0.0.1:{ssh.port}",
                              web.url("/page", "localhost")], capture_output=True, check=True)
        holds(b"<title>adit</title>", got.stdout, "the page")
        equal(len(web.seen("/page")), 1, "requests")


def ports():
    with tap.case("a port is given to one of the tests that run"):
        words = ("import sys; from adit_test import net; net.PORTS = [int(sys.argv[1])]; "
                 "net.free_port()")
        done = subprocess.run([sys.executable, "-B", "-c", words, str(free_port())], check=False,
                              env={**os.environ, "PYTHONPATH": sys.path[0]}, capture_output=True)
        holds(b"no free port", done.stderr, "what another is told")


def names_and_holes(ssh, sshd):
    mark = sshd.mark()
    with Origin(echo) as origin:
        with tap.case("names that only the server knows"):
            true(works(ssh.address, origin, "socks5h", host="far.test"), "echo")
            equal(sshd.targets(mark)[-1], ("far.test", origin.port), "the target")
        with tap.case("names that nobody knows"), raises(Closed, "ssh -D answers no at all"):
            connect(ssh.address, "nobody.test", origin.port, "socks5h")
    with tap.case("a black hole, and then an origin"), Blackhole() as hole:
        line = Line(ssh.address, timeout=1)
        line.send(b"\5\1\0" + socks5_request(hole.address, hole.port) + b"late")
        equal(reply(line.socket, 2), b"\5\0", "the method")
        with raises(TimeoutError, "the reply is not there yet"):
            reply(line.socket, 1)
        hole.open()
        line.socket.settimeout(patience(30))
        equal(socks5_reply(line.socket)[0], 0, "the reply, in the end")
        equal(reply(line.socket, 4), b"late", "the echo")
        line.socket.close()


def ends(sshd):
    with tap.case("sshd is killed by session, and comes again on its port"):
        with SshD(sshd) as ssh, Origin(echo) as origin:
            conn = connect(ssh.address, origin.address, origin.port)
            true(exchange(conn), "echo")
            before = sshd.sessions()
            true(before, "there are sessions")
            frozen = sshd.freeze(everything=False)
            true(set(before) <= set(frozen), "all sessions are frozen")
            sshd.thaw(frozen)
            true(exchange(conn), "echo after the thaw")
            for pid in before:
                sshd.kill_session(pid)
            true(closed(conn), "it ends")
            wait_until(lambda: not sshd.sessions(), "the sessions are gone")
            conn.close()
        sshd.stop()
        sshd.start()
        with SshD(sshd) as ssh, Origin(echo) as origin:
            true(works(ssh.address, origin), "echo")


def name_server():
    with tap.case("the name server"), Dns({"web.test": ["127.0.0.1", "::1"]}) as dns:
        question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\x04test\0\0\x01\0\x01"
        answer = dns.reply(question)
        equal(answer[:2], question[:2], "the id")
        equal(answer[-4:], b"\x7f\0\0\x01", "the address")
        equal(dns.reply(question.replace(b"web", b"xxx"))[3] & 15, 3, "NXDOMAIN")
        equal(dns.asked("web.test"), [A], "the query")
        false(AAAA in dns.asked("web.test"), "another")


def main():
    ports()
    with Sshd() as sshd, SshD(sshd) as ssh:
        carries(ssh)
        ends(sshd)
    name_server()
    if tap.have("names that only the server knows", "cc"):
        with Sshd(names={"far.test": "127.0.0.1"}) as sshd, SshD(sshd) as ssh:
            names_and_holes(ssh, sshd)


tap.run(main)

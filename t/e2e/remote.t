#!/usr/bin/env -S python3 -B
"""Remote forwards: what the server listens on for us, who comes in by it, and how it heals."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, free_port, holds, raises, scratch, tap,
                       true, wait_until)
from adit_test.clients import (Closed, Refused, closed, connect, connected, exchange, read_all,
                               refusal, refuses, socks4_request, socks5_reply, socks5_request,
                               HELLO, Line, reply, works)
from adit_test.gateway import section
from adit_test.net import has_ipv6
from adit_test.origins import (Origin, body, body_then_digest, digest, digest_then_answer, echo,
                               how_it_ends, read_digest, unix_echo)
from adit_test.process import patience
from adit_test.sshd import Sshd

OTHER = "127.0.0.2"  # loopback too, but not what "localhost" listens on
MIB = 1 << 20
# Port 0 of both families is a port that is free in the one; in the other it may be a test's own.
INET = {"AddressFamily": "inet"}
ONE_SESSION = {"sessions": "1-1"}
BINDS = {"bind": "yes"}


def forward(name, remote, **keys):
    return section(f"forward {name}", {"remote": remote, **keys})


def is_up(adit, name, since=0, seconds=60):
    """Waits until it is listened on; returns the port."""
    found = adit.wait_log(rf"remote forward {name}: listening on \S+:(\d+) at the server", since,
                          seconds)
    return int(found[1])


def comes_back(port, address=ANY):
    """Whether a connection to the far side's port reaches an echo server."""
    with socket.create_connection((address, port), timeout=patience(30)) as conn:
        return exchange(conn)


def ends_at_once(port):
    """Whether a connection there is closed with not a byte."""
    with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
        return closed(conn)


class Squatter:
    """Somebody else who listens where "localhost" does."""

    def __init__(self, port):
        self.sockets = []
        for family, address in ((socket.AF_INET, ANY), (socket.AF_INET6, "::1")):
            if family == socket.AF_INET6 and not has_ipv6():
                continue
            squat = socket.socket(family, socket.SOCK_STREAM)
            squat.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squat.bind((address, port))
            squat.listen()
            self.sockets.append(squat)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for squat in self.sockets:
            squat.close()


def places(sshd):
    """Fixed ports, port 0, unix sockets, a target that is not there."""
    port, nobody = free_port(ANY, "::1"), free_port()
    path = scratch("echo.sock")
    unix_echo(path)
    with Origin(echo) as origin, Adit(config(
            sshd, forward("fixed", f"{port} {ANY}:{origin.port}"),
            forward("any", f"0 localhost:{origin.port}"), forward("path", f"0 {path}"),
            forward("nobody", f"0 {ANY}:{nobody}"), forward("nowhere", f"0 {path}.not"))) as adit:
        with tap.case("a fixed port"):
            equal(is_up(adit, "fixed"), port, "the port")
            mark = adit.mark()
            with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
                true(exchange(conn), "echo")
                client = "remote:%s:%d" % conn.getsockname()
            line = adit.access(mark, listen="fixed", client=client, protocol="forward",
                               target=f"{ANY}:{origin.port}", outcome="ok", upstream="office")
            equal((line["up"], line["down"]), ("19", "19"), "bytes up and down")
        with tap.case("port 0: the server picks, and the log says what"):
            allocated = is_up(adit, "any")
            found = adit.wait_log(r"Allocated port (\d+) for remote forward to (\S+)")
            equal(found[2], f"localhost:{origin.port}", "the target")
            equal(int(found[1]), allocated, "the port")
            true(comes_back(allocated), "echo")
        with tap.case("to a unix socket"):
            true(comes_back(is_up(adit, "path")), "echo")
        with tap.case("a target that refuses: whoever comes is sent away"):
            mark = adit.mark()
            true(ends_at_once(is_up(adit, "nobody")), "the connection ends")
            adit.access(mark, listen="nobody", outcome="refused")
            true(ends_at_once(is_up(adit, "nowhere")), "the connection ends")
            line = adit.access(mark, listen="nowhere")
            holds("No such file", line["end"], "the access line's end")
        with tap.case("SIGTERM: nobody comes in any more, who is in may finish"):
            with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
                true(exchange(conn), "echo before")
                adit.signal(signal.SIGTERM)
                adit.wait_log(r"draining \d+ connections")  # (one before may still be ending)
                wait_until(lambda: refuses(port), "the port is closed")
                true(exchange(conn), "echo after")
            adit.finish(None)


def transfers():
    """Exact half-close and equal digests both ways, with new keys on the way."""
    size = 24 * MIB
    with Sshd(options={"RekeyLimit": "4M", **INET}) as sshd, Origin(digest_then_answer) as up, \
            Origin(body_then_digest(size)) as down, Origin(how_it_ends) as end, Adit(config(
                sshd, forward("up", f"0 {ANY}:{up.port}"), forward("down", f"0 {ANY}:{down.port}"),
                forward("end", f"0 {ANY}:{end.port}"), up=ONE_SESSION),
                name="adit with transfers") as adit:
        def upload(answers):
            with socket.create_connection((ANY, is_up(adit, "up")), timeout=patience(60)) as conn:
                for block in body(size):
                    conn.sendall(block)
                conn.shutdown(socket.SHUT_WR)
                answers.append(read_all(conn))

        def download(answers):
            with socket.create_connection((ANY, is_up(adit, "down")), timeout=patience(60)) as conn:
                conn.shutdown(socket.SHUT_WR)
                answers.append(read_digest(conn))

        with tap.case("much data each way: exact half-close, equal digests"):
            answers = {upload: [], download: []}
            threads = [threading.Thread(target=way, args=(answers[way],), daemon=True)
                       for way in (upload, download) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(answers[download], 2 * [(size, digest(size))], "what came down")
            equal(answers[upload], 2 * [f"{size} {digest(size)}\n".encode()], "what went up")
            equal(adit.find(r"session \d+ lost"), [], "sessions lost")
        with tap.case("a session that dies: the target sees a reset, not an end"):
            with socket.create_connection((ANY, is_up(adit, "end")), timeout=patience(30)) as conn:
                equal(conn.recv(5), b"hello", "what the target says")
                for pid in sshd.sessions():
                    sshd.kill_session(pid)
                true(closed(conn), "the far end is closed")
                true(isinstance(end.result(), ConnectionResetError), "the target was reset")


def socks(sshd):
    """A port alone: SOCKS and HTTP for the far side, under the same rules."""
    with Origin(echo) as origin, Origin(echo) as forbidden:
        def text(*sections, **up):
            return config(sshd, forward("far", "0"), *sections, up=up)

        with Adit(text(), name="adit that serves SOCKS to the far side") as adit:
            address = (ANY, is_up(adit, "far"))
            for protocol in ("socks5", "socks5h", "socks4", "socks4a", "http"):
                with tap.case(f"the far side asks by {protocol}"):
                    mark = adit.mark()
                    host = "localhost" if protocol in ("socks5h", "socks4a") else ANY
                    true(works(address, origin, protocol, host=host), "echo")
                    line = adit.access(mark, listen="far", outcome="ok", command="connect",
                                       target=f"{host}:{origin.port}")
                    holds(r"^remote:127\.0\.0\.1:\d+$", line["client"], "the client")
                    true(works(address, origin, protocol, host=host, early=b""), "echo, in one")
            with tap.case("... byte by byte"):
                true(works(address, origin, drip=True), "echo")
                true(works(address, origin, "http", drip=True), "echo by HTTP")
            with tap.case("... and is told what fails"):
                equal(refusal(address, ANY, free_port()), 5, "connection refused")
                equal(refusal(address, "no-such-name.invalid", 80, "socks5h"), 4, "unknown host")
                equal(refusal(address, ANY, free_port(), "http"), 502, "connection refused by HTTP")
                equal(refusal(address, ANY, origin.port, command=2), 7, "a BIND")
            with tap.case("... and what is no request is sent away"):
                conn = Line(address)
                conn.send(b"\x16\x03\x01 nonsense\r\n\r\n")
                true(closed(conn.socket), "the end")
                conn.socket.close()
            with tap.case("[acl]: no network matches the far side's client"):
                mark = adit.reload(text(acl("allow from=127.0.0.0/8,0.0.0.0/0,::/0,unix")))
                adit.wait_log(r"\[forward far\] the rule in line \d+ .* never matches", mark)
                adit.wait_log(" info: reloaded ", mark)
                equal(refusal(address, ANY, origin.port), 2, "what no rule allows")
                adit.access(mark, listen="far", outcome="denied", rule="default")
                mark = adit.reload(text(acl("allow listen=far to=127.0.0.0/8")))
                adit.wait_log(" info: reloaded ", mark)
                true(works(address, origin), "echo, as listen= matches")
                equal(adit.find("never matches", mark), [], "notices")
            with tap.case("[acl]: from=remote does"):
                mark = adit.reload(text(acl(f"deny port={forbidden.port}",
                                            "allow listen=far from=remote")))
                adit.wait_log(" info: reloaded ", mark)
                true(works(address, origin), "echo, on the same port as before")
                equal(refusal(address, ANY, forbidden.port), 2, "what a rule denies")
                equal(refusal(address, "localhost", forbidden.port, "socks5h"), 2, "by name")
            with tap.case("PermitRemoteOpen"):
                mark = adit.reload(text(permit_remote_open=f"{ANY}:{origin.port}, *:1"))
                adit.wait_log(" info: reloaded ", mark)
                true(works((ANY, is_up(adit, "far")), origin), "echo")
                equal(refusal((ANY, is_up(adit, "far")), ANY, forbidden.port), 2, "what is not")
        if tap.have("curl over a remote forward", "curl"):
            with Origin(web) as site, Adit(text(), name="adit for curl") as adit, \
                    tap.case("curl over a remote forward"):
                port = is_up(adit, "far")
                for proxy in (f"socks5h://{ANY}:{port}", f"socks4a://{ANY}:{port}",
                              f"http://{ANY}:{port}"):
                    got = subprocess.run(
                        ["curl", "-sS", "--max-time", "30", "--noproxy", "", "-x", proxy,
                         f"http://localhost:{site.port}/"], capture_output=True, check=False)
                    equal((got.stdout, got.stderr), (b"here", b""), proxy)


def web(conn, _origin):
    conn.recv(1 << 16)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere")


def gateway_ports():
    """Where the server listens is its decision: sshd_config(5), GatewayPorts."""
    cases = {  # what the forward says, and whether others than loopback get in
        "no": {"": False, "*:": False, f"{OTHER}:": False},
        "yes": {"": True, "*:": True, "localhost:": True},
        "clientspecified": {"": False, "localhost:": False, "*:": True, f"{OTHER}:": True},
    }
    for word, binds in cases.items():
        with Sshd(options={"GatewayPorts": word, **INET}) as sshd, Origin(echo) as origin, Adit(
                config(sshd, *(forward(f"f{number}", f"{bind}0 {ANY}:{origin.port}")
                               for number, bind in enumerate(binds))),
                name=f"adit, GatewayPorts {word}") as adit, tap.case(f"GatewayPorts {word}"):
            for number, (bind, reachable) in enumerate(binds.items()):
                port = is_up(adit, f"f{number}")
                if bind != f"{OTHER}:" or not reachable:
                    true(comes_back(port), f"echo by {ANY}, bound to '{bind}'")
                if reachable:
                    true(comes_back(port, OTHER), f"echo by {OTHER}, bound to '{bind}'")
                else:
                    true(refuses(port, OTHER), f"refused by {OTHER}, bound to '{bind}'")


def healing(sshd):
    port, taken = free_port(ANY, "::1"), free_port(ANY, "::1")
    with Origin(echo) as origin, Adit(config(
            sshd, forward("fixed", f"{port} {ANY}:{origin.port}"),
            forward("any", f"0 {ANY}:{origin.port}"), up=ONE_SESSION),
            name="adit that heals") as adit:
        with tap.case("a session that was killed: its forwards are asked for again"):
            is_up(adit, "fixed")
            is_up(adit, "any")
            mark = adit.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            is_up(adit, "fixed", mark)
            true(comes_back(port), "echo")
            true(comes_back(is_up(adit, "any", mark)), "echo by the port of the server's choice")
        with tap.case("sshd started again"):
            mark = adit.mark()
            sshd.stop()
            sshd.start()
            is_up(adit, "fixed", mark)
            true(comes_back(port), "echo")
        with tap.case("a port still taken: degraded, said once, and up when it is free"):
            with Squatter(taken):
                mark = adit.reload(config(sshd, forward("late", f"{taken} {ANY}:{origin.port}"),
                                          up=ONE_SESSION))
                adit.wait_log(rf"remote forward late: remote port forwarding failed for listen port"
                              rf" {taken}", mark)
                # (It was asked for again, and refused again, in between.)
                wait_until(lambda: len(sshd.process.find(
                    rf"bind.* port {taken}|bind\[{taken}\]|Address already in use", 0)) > 3,
                    "it is tried again", 30)
            is_up(adit, "late", mark, 60)
            true(comes_back(taken), "echo")
            equal(len(adit.find("remote port forwarding failed", mark)), 1, "lines that say so")
    with Sshd(options={"AllowTcpForwarding": "local"}) as strict, Origin(echo) as origin, Adit(
            config(strict, forward("denied", f"0 {ANY}:{origin.port}")),
            name="adit at a strict server") as adit, \
            tap.case("a server that forbids it: said, and all else works"):
        adit.wait_log("remote forward denied: remote port forwarding failed for listen port 0")
        true(works(adit.address, origin), "echo the other way")


def changes(sshd):
    one, two = free_port(ANY, "::1"), free_port(ANY, "::1")
    with Origin(echo) as origin, Origin(how_it_ends) as other, Adit(
            config(sshd, forward("a", f"{one} {ANY}:{origin.port}")),
            name="adit that changes") as adit:
        is_up(adit, "a")
        live = socket.create_connection((ANY, one), timeout=patience(30))
        true(exchange(live), "echo")
        with tap.case("SIGHUP: another forward"):
            mark = adit.reload(config(sshd, forward("a", f"{one} {ANY}:{origin.port}"),
                                      forward("b", f"{two} {ANY}:{origin.port}")))
            is_up(adit, "b", mark)
            true(comes_back(two), "echo")
            true(comes_back(one), "echo by the one that was there")
            equal(adit.find("remote forward a: listening", mark), [], "it was not asked for again")
        with tap.case("SIGHUP: the same port leads elsewhere"):
            mark = adit.reload(config(sshd, forward("a", f"{one} {ANY}:{other.port}")))
            adit.wait_log(" info: reloaded ", mark)
            with socket.create_connection((ANY, one), timeout=patience(30)) as conn:
                equal(conn.recv(5), b"hello", "what the new target says")
            wait_until(lambda: refuses(two), "the one that is gone is closed")
        with tap.case("SIGHUP: the port changes hands"):
            mark = adit.reload(config(sshd, forward("c", f"{one} {ANY}:{origin.port}")))
            is_up(adit, "c", mark)
            true(comes_back(one), "echo")
        with tap.case("SIGHUP: none; who came in before goes on"):
            adit.reload(config(sshd))
            wait_until(lambda: refuses(one), "the port is closed")
            true(exchange(live), "the live connection")
            live.close()


def ask_bind(address, host="0.0.0.0", port=0):
    """A SOCKS5 BIND: (connection, the port of the first reply)."""
    line = Line(address)
    line.send(HELLO + socks5_request(host, port, command=2))
    equal(reply(line.socket, 2), b"\x05\x00", "the method")
    code, whole = socks5_reply(line.socket)
    if code != 0:
        raise Refused("socks5", code, whole)
    equal(whole[3:8], b"\x01" + socket.inet_aton(ANY), "the bound address")
    return line.socket, int.from_bytes(whole[-2:], "big")


def bind(sshd):
    """SOCKS BIND (RFC 1928 section 6): somebody connects to the client, at the server."""
    with Origin(echo) as origin, Adit(config(sshd, up=ONE_SESSION, at=BINDS), name="adit, BIND") as adit:
        with tap.case("BIND: two replies, then bytes both ways"):
            conn, port = ask_bind(adit.address)
            with conn, socket.create_connection((ANY, port), timeout=patience(30)) as peer:
                code, whole = socks5_reply(conn)
                equal((code, whole[4:8]), (0, socket.inet_aton(ANY)), "the second reply")
                equal(int.from_bytes(whole[-2:], "big"), peer.getsockname()[1], "the peer's port")
                peer.sendall(b"hello")
                equal(reply(conn, 5), b"hello", "what the peer says")
                conn.sendall(b"and you")
                equal(reply(peer, 7), b"and you", "what the client says")
                true(refuses(port), "one connection only")
        with tap.case("BIND: only who is expected gets in"):
            conn, port = ask_bind(adit.address, OTHER)
            with conn:
                true(ends_at_once(port), "somebody else is sent away")
                with socket.socket() as peer:
                    peer.settimeout(patience(30))
                    peer.bind((OTHER, 0))
                    peer.connect((ANY, port))
                    code, whole = socks5_reply(conn)
                    equal((code, whole[4:8]), (0, socket.inet_aton(OTHER)), "the second reply")
                    peer.sendall(b"hello")
                    equal(reply(conn, 5), b"hello", "what the peer says")
        with tap.case("BIND: a client that leaves takes its port along"):
            conn, port = ask_bind(adit.address)
            conn.close()
            wait_until(lambda: refuses(port), "the port is closed")
        with tap.case("BIND by SOCKS4"):
            line = Line(adit.address)
            line.send(socks4_request("0.0.0.0", 0, command=2))
            first = reply(line.socket, 8)
            equal((first[1], first[4:]), (0x5a, socket.inet_aton(ANY)), "the first reply")
            with line.socket, socket.create_connection(
                    (ANY, int.from_bytes(first[2:4], "big")), timeout=patience(30)) as peer:
                equal(reply(line.socket, 8)[1], 0x5a, "the second reply")
                peer.sendall(b"hello")
                equal(reply(line.socket, 5), b"hello", "what the peer says")
        with tap.case("BIND: every port is the right one, whatever else the session carries"):
            with Origin(body_then_digest(96 * MIB)) as big:
                busy = [threading.Thread(target=lambda: drain(adit.address, big.port), daemon=True)
                        for _ in range(2)]
                for thread in busy:
                    thread.start()
                for _ in range(40):
                    conn, port = ask_bind(adit.address)
                    with conn, socket.create_connection((ANY, port), timeout=patience(30)):
                        equal(socks5_reply(conn)[0], 0, "the second reply")
                for thread in busy:
                    thread.join()
            equal(adit.find("did not tell"), [], "ports that were not known")
        with tap.case("BIND: the session is lost"):
            conn, port = ask_bind(adit.address)
            with conn:
                for pid in sshd.sessions():
                    sshd.kill_session(pid)
                true(socks5_reply(conn)[0] != 0, "the second reply is a failure")
        with tap.case("BIND: the access line says what was opened, and for whom"):
            mark = adit.mark()
            conn, port = ask_bind(adit.address)
            with conn, socket.create_connection((ANY, port), timeout=patience(30)) as peer:
                equal(socks5_reply(conn)[0], 0, "the second reply")
                came = "%s:%d" % peer.getsockname()
            adit.access(mark, command="bind", target="0.0.0.0:0", bound=f"{ANY}:{port}", peer=came,
                        outcome="ok")
        with tap.case("BIND: a peer given by name is refused"):
            mark = adit.mark()
            equal(refusal(adit.address, "localhost", 80, "socks5h", command=2), 8, "SOCKS5")
            equal(refusal(adit.address, "localhost", 80, "socks4a", command=2), 0x5b, "SOCKS4a")
            adit.access(mark, command="bind", outcome="address-type", target="localhost:80")
        with tap.case("BIND: a client that has ended its half already is not waited for"):
            mark = adit.mark()
            with socket.create_connection(adit.address, timeout=patience(30)) as conn:
                conn.sendall(HELLO + socks5_request("0.0.0.0", 0, command=2))
                conn.shutdown(socket.SHUT_WR)
                equal(read_all(conn)[:2], HELLO[:1] + b"\x00", "the method, and the end")
            adit.access(mark, command="bind", end="closed while waiting")
        with tap.case("BIND: rules judge the peer that is named"):
            mark = adit.reload(config(sshd, acl(f"deny to={OTHER}", "allow to=*"), up=ONE_SESSION,
                                      at=BINDS))
            adit.wait_log(" info: reloaded ", mark)
            with raises(Refused, "a BIND for who is denied"):
                ask_bind(adit.address, OTHER)
            ask_bind(adit.address, ANY)[0].close()
        with tap.case("BIND: ... and who comes, where anybody is expected"):
            conn, port = ask_bind(adit.address)
            with conn:
                with socket.socket() as peer:
                    peer.settimeout(patience(30))
                    peer.bind((OTHER, 0))
                    peer.connect((ANY, port))
                    true(closed(peer), "who is denied is sent away")
                with socket.create_connection((ANY, port), timeout=patience(30)):
                    equal(socks5_reply(conn)[0], 0, "the second reply")
        with tap.case("BIND is off unless the listener says so"):
            mark = adit.reload(config(sshd, forward("here", None, dynamic=free_port()), up=ONE_SESSION))
            adit.wait_log(" info: reloaded ", mark)
            equal(refusal(adit.address, ANY, 0, command=2), 7, "SOCKS5")
            equal(refusal(adit.address, ANY, 0, "socks4", command=2), 0x5b, "SOCKS4")
            equal(refusal(adit.listener("here"), ANY, 0, command=2), 7, "a dynamic forward")
            adit.access(mark, command="bind", outcome="command")
            mark = adit.reload(config(sshd, up=ONE_SESSION, at=BINDS))
            adit.wait_log(" info: reloaded ", mark)
        with tap.case("too many BINDs at a time are refused, and no harm is done"):
            held = []
            with raises(Refused, "a BIND too many"):
                for _ in range(200):
                    held.append(ask_bind(adit.address)[0])
            for conn in held:
                conn.close()
            true(works(adit.address, origin), "echo")


def drain(address, port):
    with connected(address, ANY, port) as conn:
        conn.shutdown(socket.SHUT_WR)
        read_digest(conn)


def main():
    with Sshd(options=INET) as sshd:
        places(sshd)
        socks(sshd)
        healing(sshd)
        changes(sshd)
        bind(sshd)
    transfers()
    gateway_ports()


tap.run(main)

#!/usr/bin/env -S python3 -B
"""[upstream] engine = openssh: sessions that an ssh(1) carries, which adit starts."""

import concurrent.futures
import os
import re
import resource
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, run_adit, sanitized,
                       scratch, tap, true, wait_until)
from adit_test.clients import connect, connected, exchange, read_all, refusal, works
from adit_test.gateway import section, upstream
from adit_test.keys import keypair
from adit_test.mux import descriptors
from adit_test.origins import (Origin, body, body_then_digest, digest, digest_then_answer, echo,
                               read_digest)
from adit_test.process import descendants, processes, send_signal
from adit_test.sshd import Sshd

SIZE = 64 << 20
LOCKED = {} if sanitized() else {"sandbox": "require"}
ENDED = r"upstream office: ssh to \S+ has ended: "


def by_ssh(sshd, *more, up=None, gate=None, **keys):
    return Adit(config(sshd, *more, gate={**LOCKED, **(gate or {})},
                       up={"engine": "openssh", **(up or {})}), **keys)


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def masters(adit):
    """The ssh processes that carry sessions."""
    return [pid for pid in descendants(adit.pid) if command_of(pid)[:2] == ["ssh", "-M"]]


def lives(pid):
    return pid in processes()


def folder_of(pid):
    words = command_of(pid)
    return os.path.dirname(words[words.index("-S") + 1])


def ends_with(conn):
    """How the data end that are still to come: "end" or "cut"."""
    try:
        while conn.recv(1 << 16):
            pass
        return "end"
    except OSError:
        return "cut"


def carried(sshd):
    with by_ssh(sshd, up={"sessions": "1"}) as adit:
        adit.sessions_up(1)
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
        with tap.case("100 connections at once"), Origin(echo) as origin, \
                concurrent.futures.ThreadPoolExecutor(20) as pool:
            true(all(pool.map(lambda _: works(adit.address, origin), range(100))), "each echo")
        with tap.case("300 refused targets: 05 each, and ssh has what it had"):
            [ssh] = masters(adit)
            before, port = descriptors(ssh), free_port()
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                equal(set(pool.map(lambda _: refusal(adit.address, ANY, port), range(300))), {5},
                      "the replies")
            wait_until(lambda: descriptors(ssh) <= before, "its descriptors")
        with tap.case("its folder is nobody else's, and its connection comes from adit"):
            folder = folder_of(ssh)
            equal(os.stat(folder).st_mode & 0o777, 0o700, "the folder's mode")
            equal(len(sshd.sessions()), 1, "sessions at the server")
    with tap.case("ssh and its folder are gone with adit"):
        wait_until(lambda: not lives(ssh), "the process has ended")
        false(os.path.exists(folder), "the folder")


def told(sshd):
    control = scratch("control")
    with by_ssh(sshd, gate={"control": control}) as adit, \
            tap.case("-O conninfo says what ssh has agreed with the server"):
        adit.sessions_up(1)
        said = run_adit("-O", "conninfo", "--config", adit.config).stdout
        holds(r"login publickey", said, "the method")
        holds(rf"tcp {ANY}:\d+ -> {ANY}:{sshd.port}\n", said, "the connection")
        holds(r"server SSH-2.0-OpenSSH_", said, "the server")
        holds(r"kexalgorithm (sntrup761x25519-sha512|mlkem768x25519-sha256)", said, "the exchange")
        holds(r"hostkeyalgorithm ssh-ed25519 SHA256:", said, "the host key")
        holds(r"cipher \S+", said, "the cipher")
        holds(r"post-quantum yes", said, "what it withstands")


def pools(sshd):
    with by_ssh(sshd, up={"sessions": "3"}) as adit, Origin(echo) as origin:
        adit.sessions_up(3)
        with tap.case("sessions = 3: three ssh"):
            equal(len(masters(adit)), 3, "processes")
            equal(len(sshd.sessions()), 3, "sessions at the server")
        with tap.case("one is killed under load: its connections are cut, another one comes"):
            conns = [connect(adit.address, ANY, origin.port) for _ in range(30)]
            true(all(exchange(conn) for conn in conns), "echoes")
            mark = adit.mark()
            victim = masters(adit)[0]
            send_signal(victim, signal.SIGKILL)
            adit.wait_log(ENDED + r"it was killed by signal 9|session \d lost: its ssh has ended",
                          mark)
            adit.sessions_up(1, mark)
            wait_until(lambda: len(masters(adit)) == 3, "three ssh again")
            false(victim in masters(adit), "the one that was killed")
            for conn in conns:
                conn.close()
            true(works(adit.address, origin), "echo")
        with tap.case("a reload that removes the upstream ends them"):
            before = masters(adit)
            adit.reload(config(sshd, gate=LOCKED, up={"engine": "libssh"}))
            wait_until(lambda: not any(lives(pid) for pid in before), "their end")
            wait_until(lambda: works(adit.address, origin), "echo by the other engine")


def failures(sshd):
    cases = (
        ("a key that the server does not know",
         {"identity": keypair("stranger")}, r"Permission denied \(publickey"),
        ("a host key that is not known",
         {"known_hosts": scratch("empty", "")},
         r"No \S+ host key is known for .*Host key verification failed"),
        ("a host key that is another one",
         {"known_hosts": scratch("wrong", wrong_known_hosts(sshd))},
         r"has changed and you have requested strict checking.*Host key verification failed"),
        ("a cipher that ssh does not know", {"ciphers": "no-such-cipher"},
         r"Bad SSH2 cipher spec"),
    )
    for what, up, words in cases:
        with tap.case(f"{what}: ssh's words"), by_ssh(sshd, up=up, ready=False) as adit:
            adit.wait_log(words)
            wait_until(lambda a=adit: not masters(a), "no ssh is left")


def wrong_known_hosts(sshd):
    with open(keypair("another_host") + ".pub", encoding="ascii") as key:
        return f"[{sshd.address}]:{sshd.port} {key.read()}"


def keeper_dies(sshd):
    with tap.case("the keeper is killed: no ssh is left"), Origin(echo) as origin:
        adit = by_ssh(sshd, up={"sessions": "2"})
        try:
            adit.sessions_up(2)
            true(works(adit.address, origin), "echo")
            before = masters(adit)
            equal(len(before), 2, "processes")
            send_signal(adit.pid, signal.SIGKILL)
            wait_until(lambda: not any(lives(pid) for pid in before), "their end")
        finally:
            adit.finished = True
            adit.kill()


def keeper_is_full(sshd):
    with by_ssh(sshd, up={"sessions": "1"}) as adit, Origin(echo) as origin, \
            tap.case("the keeper has no descriptors: the gateway goes on, and dials again"):
        adit.sessions_up(1)
        gateway, before = adit.gateway, resource.prlimit(adit.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(adit.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        mark = adit.mark()
        send_signal(masters(adit)[0], signal.SIGKILL)
        adit.wait_log("ssh cannot be started: too many files are open in the keeper", mark)
        resource.prlimit(adit.pid, resource.RLIMIT_NOFILE, before)
        adit.sessions_up(1, mark)
        true(works(adit.address, origin), "echo")
        equal(adit.gateway, gateway, "the gateway's process")


def gateway_dies(sshd):
    with by_ssh(sshd) as adit, Origin(echo) as origin, \
            tap.case("the gateway is killed: its ssh ends, and the next one has its own"):
        adit.sessions_up(1)
        [before] = masters(adit)
        mark = adit.mark()
        send_signal(adit.gateway, signal.SIGKILL)
        adit.sessions_up(1, mark)
        wait_until(lambda: not lives(before), "the end of the first")
        true(works(adit.address, origin), "echo")


def upgraded(sshd):
    with by_ssh(sshd) as adit, Origin(echo) as origin, \
            tap.case("an upgrade cuts nothing, and ends the first ssh once its connections have"):
        adit.sessions_up(1)
        [before] = masters(adit)
        with connected(adit.address, ANY, origin.port) as conn:
            true(exchange(conn), "echo")
            mark = adit.mark()
            adit.signal(signal.SIGUSR2)
            adit.wait_log(r"upgrade: the new gateway \(process \d+\) listens", mark)
            true(works(adit.address, origin), "echo by the new one")
            true(exchange(conn), "echo on the connection from before")
            true(lives(before), "its ssh")
            equal(len(masters(adit)), 2, "processes")
        wait_until(lambda: not lives(before), "the end of the first")
        true(works(adit.address, origin), "echo")


def hops(sshd):
    with Sshd() as inner, Origin(echo) as origin:
        for engine in ("openssh", "libssh"):
            up = {"jump": "bastion", "known_hosts": inner.known_hosts, "port": inner.port,
                  "identity": inner.user_key}
            bastion = upstream(sshd, "bastion", engine=engine)
            with tap.case(f"through a jump host whose sessions {engine} carries"), \
                    by_ssh(sshd, bastion, up=up) as adit:
                adit.sessions_up(1)
                true(works(adit.address, origin), "echo")
                equal(len(inner.sessions()), 1, "sessions at the inner server")
        command = f"nc {sshd.address} {sshd.port}"
        with tap.case("by a ProxyCommand"), by_ssh(sshd, up={"proxy_command": command}) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")


def one_place(sshd):
    """A server listens at a place once, and so does a master that is asked twice."""
    far = free_port()
    with Origin(says(b"first")) as first, Origin(says(b"second")) as second, \
            tap.case("two remote forwards of one place: the first has it, all of it"), \
            by_ssh(sshd, *(section(f"forward {name}", {"remote": f"{far} {ANY}:{origin.port}"})
                           for name, origin in (("first", first), ("second", second)))) as adit:
        adit.wait_log(rf"remote forward first: listening on localhost:{far} ")
        adit.wait_log("remote forward second: .*another remote forward has this place already")
        equal({told_by(far) for _ in range(20)}, {b"first"}, "who answers")


def says(words):
    return lambda conn, _origin: conn.sendall(words)


def told_by(port):
    with socket.create_connection((ANY, port)) as conn:
        return read_all(conn)


def checks(sshd):
    for more, words in (
            ({"join_master": "/tmp/cm"},
             "join_master: the ssh that is joined carries the sessions already"),
            ({"master_socket": "/tmp/cm"}, "master_socket: shells go over libssh's sessions only; "
             "ssh's own ControlPath does the same"),
            ({"host_key": "SHA256:" + "A" * 43},
             "host_key: ssh knows no fingerprints: put the key into a known_hosts file"),
            ({"engine": "putty"}, "'putty' is not one of auto, libssh")):
        with tap.case(f"an error: {words}"):
            text = config(sshd, section("upstream office2", {"host": ANY}),
                          up={"engine": "openssh", **more})
            done = run_adit("--check", "--config", scratch("adit.ini", text))
            equal(done.returncode, 78, "status")
            holds(re.escape(words), done.stderr, "the words")


def main():
    with Sshd() as sshd:
        checks(sshd)
        carried(sshd)
        one_place(sshd)
        told(sshd)
        pools(sshd)
        failures(sshd)
        keeper_is_full(sshd)
        gateway_dies(sshd)
        keeper_dies(sshd)
        upgraded(sshd)
        hops(sshd)


tap.run(main)

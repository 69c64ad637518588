#!/usr/bin/env -S python3 -B
"""[status]: HTTP for balancers, monitors and people. What is answered, and to whom."""

import os
import signal
import socket
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, raises, run_adit,
                       scratch, tap, true, wait_until)
from adit_test.clients import read_all
from adit_test.control import status
from adit_test.programs import run
from adit_test.sshd import Sshd
from adit_test.watch import Watcher, dial, get, got, is_ready, place, watched

# Made by openssl passwd -5.
SECRET = "alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n"
OTHER = "alice:$5$abcd$e4w.SVYJxtzREbG42HkCnDNdQE.YlbQ9OA7ntdA2He7\n"
VOLATILE = ("seconds", "connections", "counters", "bytes_in", "bytes_out", "kib_per_second",
            "round_trip_ms", "retry_ms", "error", "reason", "dialling")


def steady(value):
    """Without what changes while nothing happens."""
    if isinstance(value, dict):
        return {key: steady(of) for key, of in value.items() if key not in VOLATILE}
    return [steady(of) for of in value] if isinstance(value, list) else value


def pages(sshd):
    path = scratch("control")

    with tap.case("without a session /livez is 200 and /readyz 503 with the reason"):
        adit = Adit(config(sshd, watched(), gate={"control": path}), name="adit before its server")
        adit.__enter__()
        where = place(adit)
        equal(got(where, "/livez").json, {"live": True}, "/livez")
        wait_until(lambda: "refused" in get(where, "/readyz").text, "the dial has failed")
        answer = get(where, "/readyz")
        equal(answer.status, 503, "the status of /readyz")
        equal(answer.json["ready"], False, "ready")
        holds("upstream office has no session: .*refused", answer.json["reason"], "the reason")
    with tap.case("with a session /readyz is 200; without one again 503"):
        sshd.start()
        wait_until(lambda: is_ready(where), "it is ready")
        equal(got(where, "/readyz").json, {"ready": True, "reason": None}, "/readyz")
        sshd.stop()
        wait_until(lambda: not is_ready(where), "it is not ready")
        sshd.start()
        wait_until(lambda: is_ready(where), "it is ready again")
    with tap.case("/api/status.json is the answer to -O status --json"):
        answer = got(where, "/api/status.json")
        equal(answer.fields["content-type"], "application/json", "Content-Type")
        equal(steady(answer.json), steady(status(path)), "the object")
    syntax(where)
    hosts(where)
    adit.__exit__(None, None, None)


def syntax(where):
    with tap.case("many requests on one connection, whole, in pieces and at once"), \
            Watcher(where) as watcher:
        for _ in range(3):
            equal(watcher.get("/livez").json, {"live": True}, "an answer")
        for byte in b"GET /livez?x=y HTTP/1.1\r\n\r\n":
            watcher.send(bytes([byte]))
        equal(watcher.answer().json, {"live": True}, "the answer to what came byte by byte")
        watcher.send(b"GET /livez HTTP/1.1\r\n\r\n" * 50)
        for _ in range(50):
            equal(watcher.answer().json, {"live": True}, "one of many answers")
        answer = watcher.get("/livez", Connection="close")
        equal(answer.fields["connection"], "close", "Connection")
        equal(watcher.source.read(), b"", "what follows")
    with tap.case("HEAD has the fields of GET and no body; a request's end of data is no error"), \
            Watcher(where) as watcher:
        head = watcher.get("/livez", method="HEAD")
        equal((head.status, int(head.fields["content-length"])),
              (200, len(watcher.get("/livez").body)), "the answer to HEAD")
        watcher.send(b"GET /livez HTTP/1.1\r\n\r\n")
        watcher.conn.shutdown(1)
        equal(watcher.answer().json, {"live": True}, "the answer after the end of data")
        equal(watcher.source.read(), b"", "what follows")
    with tap.case("HEAD with a body is refused, and the answer has none"), Watcher(where) as watcher:
        watcher.send(b"HEAD /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        equal(watcher.answer(head_only=True).status, 413, "the status")
        equal(watcher.source.read(), b"", "what follows")
    with tap.case("HTTP/1.0 is answered and closed"), Watcher(where) as watcher:
        watcher.send(b"GET /readyz HTTP/1.0\r\n\r\n")
        equal(watcher.answer().status, 200, "the answer")
        equal(watcher.source.read(), b"", "what follows")
    with tap.case("what cannot be answered is told so"):
        for data, wanted in ((b"GET /nothing HTTP/1.1\r\n\r\n", 404),
                             (b"POST /livez HTTP/1.1\r\n\r\n", 405),
                             (b"CONNECT a:80 HTTP/1.1\r\n\r\n", 405),
                             (b"OPTIONS * HTTP/1.1\r\n\r\n", 405),
                             (b"POST /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413),
                             (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
                             (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
                             (b"\x05\x01\x00", 400), (b"\x16\x03\x01", 400),
                             (b"GET / HTTP/1.1\r\nX: " + b"x" * 8200, 431)):
            with Watcher(where) as watcher:
                watcher.send(data)
                answer = watcher.answer()
                equal(answer.status, wanted, f"the status for {data[:40]}")
                true(answer.text.endswith(".\n"), "a sentence")
                equal(answer.fields["x-content-type-options"], "nosniff", "a field")
    with tap.case("curl is answered"):
        done = run("curl", "-sS", "-w", "%{http_code}", f"http://{ANY}:{where[1]}/livez")
        equal(done, b'{"live":true}200', "curl's output")


def hosts(where):
    names = {"localhost": 200, "LocalHost:1": 200, ANY: 200, "[::1]:9180": 200, "192.0.2.1": 200,
             "": 200, None: 200, "evil.example": 421, "localhost.evil.example": 421,
             "127.0.0.1.evil.example": 421, "0x7f000001": 421, "a b": 400}
    with tap.case("a Host that is another name is a site's that rebinds its own: 421"):
        for name, wanted in names.items():
            answer = get(where, "/readyz", host=name)
            equal(answer.status, wanted, f"the status for Host {name}")
            if wanted == 421:
                false("ready" in answer.text, "anything is given away")


def users(sshd):
    listed = scratch("users", SECRET)
    text = config(sshd, watched(address="0.0.0.0:0", users=listed))
    with Adit(text, name="adit with users") as adit:
        where = (ANY, place(adit)[1])
        with tap.case("without a password nothing is shown"):
            answer = get(where, "/livez")
            equal(answer.status, 401, "the status")
            holds('^Basic realm="adit"', answer.fields["www-authenticate"], "WWW-Authenticate")
            for login in (("alice", "wrong"), ("bob", "secret"), ("alice", "")):
                equal(get(where, "/api/status.json", login=login).status, 401, f"with {login}")
        with tap.case("with the right one all is, again and again"), Watcher(where) as watcher:
            for _ in range(3):
                equal(watcher.get("/livez", login=("alice", "secret")).status, 200, "the status")
            equal(watcher.get("/livez", login=("alice", "wrong")).status, 401, "with a wrong one")
        with tap.case("clients that leave while their password is checked cost nothing"):
            for _ in range(200):
                with Watcher(where) as watcher:
                    watcher.send(b"GET /livez HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n")
            equal(get(where, "/livez", login=("alice", "secret")).status, 200, "the status")
        with tap.case("a password under another Host is not looked at"):
            os.kill(adit.pid, signal.SIGSTOP)  # (the keeper, which checks passwords)
            try:
                for login in (("alice", "guess"), ("alice", "secret")):
                    equal(get(where, "/livez", host="evil.test", login=login).status, 421, login)
            finally:
                os.kill(adit.pid, signal.SIGCONT)
        with tap.case("passwords of the file before are forgotten by a reload"):
            with open(listed, "w", encoding="ascii") as out:
                out.write(OTHER)
            mark = adit.reload()
            adit.wait_log("reloaded", mark)
            equal(get(where, "/livez", login=("alice", "secret")).status, 401, "the old one")
            equal(get(where, "/livez", login=("alice", "other")).status, 200, "the new one")


def configurations(sshd):
    def refused(*sections, words):
        done = run_adit("--config", scratch("adit.ini", config(sshd, *sections)), "--check")
        equal(done.returncode, 78, "the exit status")
        holds(words, done.stderr, "the problem")

    with tap.case("beyond loopback there must be users or open = yes"):
        refused(watched(address="*:9180"), words=r"everybody who can reach 0\.0\.0\.0:9180 could see "
                "it: set users = FILE, or say open = yes")
        done = run_adit("--config", scratch("adit.ini", config(
            sshd, watched(address="*:9180", open="yes"))), "--check")
        equal(done.returncode, 0, "the exit status with open = yes")
        holds("everybody who can reach it may see it", done.stderr, "a notice")
    with tap.case("mistakes are named"):
        refused("[status]\n", words=r"\[status\] has no address")
        refused(watched(users="/nonexistent/users"), words="users: cannot read /nonexistent/users")
        taken = f"{ANY}:{free_port()}"
        refused(watched(address=taken), "[listen b]\n" f"address = {taken}\n",
                words=f"address: {taken} is there twice")
        refused(watched(adress="1"), words="did you mean 'address'")
    with tap.case("an address that is taken ends the start, and is named"):
        with socket.create_server((ANY, 0)) as taken:
            done = run_adit("--config", scratch("adit.ini", config(
                sshd, watched(address=f"{ANY}:{taken.getsockname()[1]}"))))
            equal(done.returncode, 255, "the exit status")
            holds(rf"error: status: {ANY}:\d+: Address already in use", done.stderr, "the log")


def reloads(sshd):
    path = scratch("status.sock")
    with Adit(config(sshd, watched()), name="adit that reloads") as adit:
        first = place(adit)
        with Watcher(first) as watcher:
            equal(watcher.get("/livez", host="gate.example").status, 421, "a name before")
            with tap.case("a reload adds an address and keeps the others, with their clients"):
                mark = adit.reload(config(sshd, watched(address=f"{ANY}:0, unix:{path}",
                                                        names="gate.example")))
                adit.wait_log("reloaded", mark)
                equal(place(adit, since=mark), path, "what is new")
                equal(watcher.get("/livez", host="Gate.Example:1").status, 200, "a name that is new")
                equal(got(path, "/livez").status, 200, "the unix socket's answer")
                equal(stat.filemode(os.stat(path).st_mode), "srw-------", "its mode")
            with tap.case("an error in the file changes nothing"):
                mark = adit.reload(config(sshd, watched(address=f"unix:{path}/none")))
                adit.wait_log("nothing was changed", mark)
                equal(got(first, "/livez").status, 200, "the first address's answer")
                equal(got(path, "/livez").status, 200, "the unix socket's answer")
            with tap.case("without the section nothing is listened on"):
                mark = adit.reload(config(sshd))
                adit.wait_log("reloaded", mark)
                false(os.path.exists(path), "the socket is there")
                with raises(ConnectionRefusedError, "a connection to the first address"):
                    dial(first)
                equal(read_all(watcher.conn), b"", "what clients see who stayed")


def main():
    with Sshd(start=False) as sshd:
        pages(sshd)
    with Sshd() as sshd:
        users(sshd)
        configurations(sshd)
        reloads(sshd)


tap.run(main)

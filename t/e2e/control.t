#!/usr/bin/env -S python3 -B
"""The control socket: who may ask, what a running gateway answers, and what it then does.
control_end.t has how it ends a gateway."""

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, free_port, holds, patience, run_adit,
                       scratch, tap, true, upstream, wait_until)
from adit_test.clients import connect, exchange, refuses, works
from adit_test.control import ask, asked, asked_check, raw, status
from adit_test.gateway import binary, listen
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

NOBODY = 65534


def the_socket(sshd):
    path = scratch("control")
    text = config(sshd, gate={"control": path})

    with tap.case("a stale socket is replaced"):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        with Adit(text, name="adit over a stale socket"):
            equal(asked_check(path), 0, "the status of -O check")
    with tap.case("it is removed at the end"):
        wait_until(lambda: not os.path.exists(path), "the path is gone")

    with Adit(text) as adit:
        adit.sessions_up(1)
        with tap.case("it is its owner's alone"):
            found = os.stat(path)
            equal(stat.filemode(found.st_mode), "srw-------", "the mode")
            equal(found.st_uid, os.geteuid(), "the owner")
        with tap.case("a second adit does not start, and names the one that runs"):
            second = run_adit("--config", scratch("second.ini", config(
                sshd, gate={"control": path})))
            equal(second.returncode, 255, "the exit status")
            holds(rf"another adit \(pid {adit.pid}\) listens on {path}", second.stderr, "the log")
            equal(asked_check(path), 0, "the first one's answer")
        if os.geteuid() == 0:
            another_user(path)
        garbage(adit, path)
        moves(adit, sshd, path)

    with tap.case("a file that is no socket is left alone"):
        kept = scratch("file", "precious")
        done = run_adit("--config", scratch("file.ini", config(sshd, gate={"control": kept})))
        equal(done.returncode, 255, "the exit status")
        holds(kept, done.stderr, "the log")
        with open(kept, encoding="ascii") as source:
            equal(source.read(), "precious", "the file")
    with tap.case("a path that is too long is an error at the start, and to -O"):
        long = "/tmp/" + "x" * 120
        done = run_adit("--config", scratch("long.ini", config(sshd, gate={"control": long})))
        true(done.returncode in (78, 255), f"an exit status that says so: {done.returncode}")
        holds("too long", done.stderr, "the log")
        done = ask(long, "check")
        equal(done.returncode, 255, "the status of -O check")
        holds(f"connect.{long}.: File name too long", done.stderr, "its words")
    with tap.case("no adit there"):
        done = ask(path, "check")
        equal((done.returncode, done.stderr, done.stdout),
              (255, f"Control socket connect({path}): No such file or directory\n", ""),
              "-O check")


def another_user(path):
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", binary(), "-S",
               path, "-O", "check"]

    def nobody():
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=patience(30), cwd="/", check=False)

    with tap.case("another user has no access"):
        done = nobody()
        equal(done.returncode, 255, "the exit status")
        holds("Permission denied", done.stderr, "the words")
    with tap.case("another user is refused even if the socket's mode lets the user in"):
        os.chmod(path, 0o666)
        done = nobody()
        os.chmod(path, 0o600)
        equal(done.returncode, 255, "the exit status")
        holds("another user", done.stderr, "the words")


def garbage(adit, path):
    samples = {
        "an empty line": b"\n", "no JSON": b"hello\n", "an array": b"[1]\n", "two objects": b"{}{}\n",
        "no command": b"{}\n", "a number for a command": b'{"command":7}\n',
        "an unknown command": b'{"command":"dance"}\n',
        "NUL and not UTF-8": b'{"command":"\xff\0"}\n', "deep nesting": b"[" * 60000 + b"\n",
        "a key twice": b'{"command":"check","command":"exit"}\n',
        "too long a line": b" " * (1 << 17),
        "forwards of the wrong kind": b'{"command":"forward","forwards":[7,{"kind":"up"}]}\n',
        "forwards that are none": b'{"command":"forward","forwards":[{"kind":"local","spec":"x"}]}\n',
    }
    with tap.case("garbage is answered with an error and harms nothing"):
        for what, data in samples.items():
            answer = json.loads(raw(path, data))
            equal(answer["ok"], False, f"the answer to {what}")
            true(answer["error"], f"words for {what}")
        equal(raw(path, b"\0\0\0\x0c\0\0\0\1\n"), b"", "the answer to half a frame of ssh's")
        equal(asked_check(path), 0, "-O check")
    with tap.case("connections that say nothing, or vanish, cost others nothing"):
        idle = []
        for _ in range(10):
            conn = socket.socket(socket.AF_UNIX)
            conn.connect(path)
            conn.sendall(b'{"command":')
            idle.append(conn)
        for conn in idle[::2]:
            conn.close()
        equal(asked_check(path), 0, "-O check")
        wait_until(lambda: not any(blocked(conn) for conn in idle[1::2]), "they are closed", 30)
        equal([conn.recv(1) for conn in idle[1::2]], [b""] * 5, "what they read")
        for conn in idle[1::2]:
            conn.close()
    with tap.case("a crowd that says nothing makes room; one that waits is the most there can be"):
        crowd = []

        def gather(word, count=60):
            for _ in range(count):
                conn = socket.socket(socket.AF_UNIX)
                conn.connect(path)
                with contextlib.suppress(BrokenPipeError):  # it may be refused already
                    conn.sendall(word)
                crowd.append(conn)

        gather(b"")
        equal(asked_check(path), 0, "-O check while they are there")
        gather(b'{"command":"wait"}\n')

        def refused():
            """(A connection whose word has not been read yet makes room, too: one more comes.)"""
            gather(b'{"command":"wait"}\n', 1)
            tried = ask(path, "check")
            return tried if tried.returncode else None

        done = wait_until(refused, "a refusal")
        equal(done.returncode, 255, "the exit status then")
        holds("too many", done.stderr, "the words")
        for conn in crowd:
            conn.close()
        wait_until(lambda: asked_check(path) == 0, "-O check is answered again")
        true(adit.alive(), "adit lives")


def blocked(conn):
    try:
        conn.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


def moves(adit, sshd, path):
    with tap.case("a reload moves it"):
        other = scratch("moved")
        mark = adit.reload(config(sshd, gate={"control": other}))
        adit.wait_log(r" info: reloaded ", mark)
        equal(asked_check(other), 0, "-O check there")
        wait_until(lambda: not os.path.exists(path), "the old path is gone")
    with tap.case("a path where it cannot be changes nothing"):
        adit.write(config(sshd, acl("deny to=*"), gate={"control": "/nonexistent/control"}))
        done = ask(other, "reload")
        equal(done.returncode, 255, "the exit status of -O reload")
        holds("/nonexistent/control", done.stderr, "its words")
        equal(asked_check(other), 0, "-O check")
        with Origin(echo) as origin:
            true(works(adit.address, origin), "the rules are the old ones")
    with tap.case("a reload can do without, and have it again"):
        mark = adit.reload(config(sshd))
        adit.wait_log(r" info: reloaded ", mark)
        wait_until(lambda: not os.path.exists(other), "the path is gone")
        mark = adit.reload(config(sshd, gate={"control": path}))
        adit.wait_log(r" info: reloaded ", mark)
        equal(asked_check(path), 0, "-O check")


def commands(sshd, other):
    path = scratch("control")
    port = free_port()

    def text(*sections, **more):
        return config(sshd, *sections, gate={"control": path}, at={"address": f"{ANY}:{port}"},
                      **more)

    with Origin(echo) as origin, Adit(text(upstream(other, "spare"))) as adit:
        adit.sessions_up(1)
        adit.sessions_up(1, upstream="spare")
        with tap.case("-O check, as ssh prints it"):
            done = ask(path, "check")
            equal((done.returncode, done.stdout, done.stderr),
                  (0, "", f"Master running (pid={adit.pid})\n"), "-O check")
        with tap.case("-O with --config finds the socket in the file"):
            equal(run_adit("--config", adit.config, "-O", "check").returncode, 0, "the exit status")
        with tap.case("-O status --json says all of it"):
            live = connect(adit.address, ANY, origin.port)
            schema(status(path), adit, port, origin)
        with tap.case("-O status is a table"):
            table = asked(path, "status")
            for pattern in (rf"^adit \S+, pid {adit.pid}, running for \d+s, 1 connections; ",
                            r"^UPSTREAM +VIA +HOSTS", r"^office +- +127.0.0.1 .* 1 +0 +up$",
                            r"^SESSION .*\n(.*\n)*office/0 ", rf"^browser +{ANY}:{port} ",
                            r"^connections/accepted +1$"):
                holds(f"(?m){pattern}", table, "the table")
            false(re.search(r"[^\x20-\x7e\n]", table), "control characters in it")
            live.close()
        with tap.case("-O conninfo, as ssh names things"):
            text_of = asked(path, "conninfo")
            for pattern in (rf"^Connection information for office/0 .* pid {adit.pid}$",
                            rf"^  tcp 127.0.0.1:\d+ -> 127.0.0.1:{sshd.port}$",
                            r"^  kexalgorithm \S", r"^  post-quantum (yes|no)$",
                            r"^  hostkeyalgorithm ssh-ed25519", r"^  cipher \S", r"^  mac \S", r"^  compression none$"):
                holds(f"(?m){pattern}", text_of, "what it prints")
            equal(len(json.loads(asked(path, "conninfo", "--json"))["connections"]), 2,
                  "connections in JSON")
        reloads(adit, path, text, other)
        with tap.case("commands that there are not"):
            for command, words in (("proxy", "not supported"), ("dance", "no such command"),
                                   ("statsu", r"no such command \(did you mean status\?\)"),
                                   ("forward", "which -L"), ("cancel", "which -L")):
                done = ask(path, command)
                true(done.returncode != 0, f"an exit status for {command}")
                holds(words, done.stderr, f"the words for {command}")
        true(adit.alive(), "adit lives")


def schema(answer, adit, port, origin):
    def fits(value, shape, where):
        if isinstance(shape, dict):
            equal(sorted(value), sorted(shape), f"the members of {where}")
            for key, inner in shape.items():
                fits(value[key], inner, f"{where}.{key}")
        elif isinstance(shape, list):
            true(isinstance(value, list), f"{where} is a list")
            for item in value:
                fits(item, shape[0], f"{where}[]")
        else:
            true(isinstance(value, shape) and (shape != (int,) or not isinstance(value, bool)),
                 f"{where} is {shape}, not {value!r}")

    text, maybe, number = (str,), (str, type(None)), (int,)
    some = (int, type(None))
    session = {"session": number, "state": text, "host": text, "worker": number,
               "channels": number, "kib_per_second": number, "bytes_in": number,
               "bytes_out": number, "seconds": number, "round_trip_ms": some, "overdue": (bool,),
               "kexalgorithm": maybe, "post_quantum": (bool, type(None))}
    fits({key: value for key, value in answer.items() if key != "counters"}, {
        "ok": (bool,), "version": text, "pid": number, "file": maybe, "state": text,
        "ready": (bool,), "reason": maybe, "reloading": (bool,),
        "seconds": number, "connections": number,
        "upstreams": [{"name": text, "via": maybe, "hosts": [text], "srv": (type(None),),
                       "state": text, "error": maybe,
                       "retry_ms": some, "up": number, "dialling": number, "wanted": number,
                       "min": number, "max": number, "channels": number, "waiting": number,
                       "sessions": [session]}],
        "listeners": [{"name": text, "address": text, "target": maybe, "via": text}],
        "forwards": [{"name": text, "kind": text, "bind": text, "target": maybe, "via": text,
                      "state": text, "error": maybe, "retry_ms": some, "port": some}],
    }, "status")
    equal((answer["pid"], answer["state"], answer["connections"], answer["file"]),
          (adit.pid, "running", 1, adit.config), "the gateway")
    equal([(up["name"], up["state"], up["up"]) for up in answer["upstreams"]],
          [("office", "up", 1), ("spare", "up", 1)], "the upstreams")
    equal(answer["upstreams"][0]["channels"], 1, "its channels")
    equal(answer["listeners"], [{"name": "browser", "address": f"{ANY}:{port}", "target": None,
                                 "via": "office"}], "the listeners")
    equal(sorted(answer["counters"]), ["connections", "dials", "outcomes", "upstreams"], "counters")
    equal(answer["counters"]["connections"]["accepted"], 1, "connections accepted")
    true(origin.port, "an origin")


def reloads(adit, path, text, other):
    with tap.case("-O reload does what SIGHUP does"):
        adit.write(text())
        equal(asked(path, "reload"), "", "what it prints")
        equal([up["name"] for up in status(path)["upstreams"]], ["office"], "the upstreams")
    with tap.case("-O reload says every problem, with 78, and nothing is changed"):
        adit.write(text(upstream(other, "spare"), "[listen x]\naddress = nonsense\nfoo = bar\n"))
        done = ask(path, "reload")
        equal(done.returncode, 78, "the exit status")
        holds(rf"(?m)^{adit.config}:\d+: .*nonsense", done.stderr, "the first problem")
        holds(rf"(?m)^{adit.config}:\d+: .*foo", done.stderr, "the second")
        equal([up["name"] for up in status(path)["upstreams"]], ["office"], "the upstreams")
    with tap.case("-O reload of an address that is taken"):
        with Origin(echo) as taken:
            adit.write(text(listen("x", address=f"{ANY}:{taken.port}")))
            done = ask(path, "reload")
            equal(done.returncode, 255, "the exit status")
            holds(f"{taken.port}: Address already in use", done.stderr, "the words")
    adit.write(text())
    asked(path, "reload")


def down(sshd):
    path = scratch("control")
    with tap.case("the status of an upstream that is down says why, and when it is tried again"):
        sshd.stop()
        with Adit(config(sshd, gate={"control": path}), name="adit without upstream"):
            def shown():
                [found] = status(path)["upstreams"]
                return found["state"] == "down" and found["error"] and found
            found = wait_until(shown, "it is down")
            holds("(?i)connection refused", found["error"], "why")
            wait_until(lambda: isinstance(status(path)["upstreams"][0]["retry_ms"], int),
                       "the next try")
            equal(json.loads(asked(path, "conninfo", "--json"))["connections"], [], "connections")
        sshd.start()


def main():
    with Sshd() as sshd, Sshd() as other:
        the_socket(sshd)
        commands(sshd, other)
        down(other)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""-W: standard input and output become the connection, whatever kind of descriptor they are."""

import hashlib
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, patience, scratch, tap, true, wait_until
from adit_test.command import call, parse, ssh_config
from adit_test.gateway import binary, environment
from adit_test.origins import (Flood, Origin, body_bytes, body_then_digest, digest,
                               digest_then_answer, echo, read_digest)
from adit_test.process import workdir
from adit_test.sshd import Sshd

MIB = 1 << 20


def start(hosts, port, host="bastion", **streams):
    """A running -W that leads to a port of 127.0.0.1."""
    arguments, _ = parse(f"adit -W {ANY}:{port} {host}", hosts)
    return subprocess.Popen(arguments, env=environment(), cwd=workdir(), bufsize=0, **{
        "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
        **streams})


def ended(process, status=0, pattern=r"^$"):
    """Waits for the end: its exit status and what it said."""
    said = process.stderr.read().decode() if process.stderr else ""
    equal(process.wait(patience(60)), status, f"the exit status ({said!r})")
    holds(pattern, said, "standard error")
    true(said.count("\n") <= 1, f"one line at most: {said!r}")


def kinds(hosts):
    size = 8 * MIB
    whole = (size, digest(size))
    with Origin(digest_then_answer) as origin, Origin(body_then_digest(size)) as source:
        with tap.case("pipes, with exact half-close"):
            process = start(hosts, origin.port, stdin=subprocess.PIPE)
            out, _ = process.communicate(body_bytes(size), patience(60))
            equal(out, f"{size} {whole[1]}\n".encode(), "the answer after the end of data")
            equal(process.returncode, 0, "the exit status")
        with tap.case("files"):
            with open(scratch("in", body_bytes(size)), "rb") as given, \
                    open(scratch("out", ""), "w+b") as taken:
                ended(start(hosts, origin.port, stdin=given, stdout=taken))
                taken.seek(0)
                equal(taken.read(), f"{size} {whole[1]}\n".encode(), "what was written")
        with tap.case("a file is appended to, with all that came"):
            path = scratch("out", "before")
            with open(path, "ab") as taken:
                ended(start(hosts, source.port, stdout=taken))
            with open(path, "rb") as got:
                equal(got.read(6), b"before", "what was there")
                equal(hashlib.file_digest(got, "sha256").hexdigest(), whole[1], "what came")
            equal(source.result(), (0, hashlib.sha256().hexdigest()), "what went")
        with tap.case("a socket for both"):
            ours, theirs = socket.socketpair()
            ours.settimeout(patience(60))
            with ours, start(hosts, source.port, stdin=theirs, stdout=theirs) as process:
                theirs.close()
                ours.sendall(b"something")
                ours.shutdown(socket.SHUT_WR)
                equal(read_digest(ours), whole, "what came")
                ended(process)
            equal(source.result(), (9, hashlib.sha256(b"something").hexdigest()), "what went")
        with tap.case("through two hops"):
            done = call(f"adit -J bastion -W {ANY}:{origin.port} inner", hosts, data="words")
            holds(r"^5 ", done.stdout, "the answer")
            equal(done.returncode, 0, "the exit status")


def endings(hosts, sshd):
    with tap.case("a target that refuses is one line and 255"):
        ended(start(hosts, free_port()), 255, "^adit: stdio forwarding failed: .*refused")
    with tap.case("a server that is not there is one line and 255"):
        ended(start(hosts, 1, host="absent"), 255, "^adit: .*Connection refused")
    with Origin(echo) as origin, Origin(Flood()) as flood:
        with tap.case("nobody reads any more: an end in order"):
            process = start(hosts, flood.port)
            true(process.stdout.read(10), "it flows")
            process.stdout.close()
            ended(process)
        with tap.case("an output that takes no more is an error"):
            with open("/dev/full", "wb") as full:
                ended(start(hosts, flood.port, stdout=full), 255, "^adit: .*No space left")
        with tap.case("SIGTERM ends it at once"):
            process = start(hosts, origin.port, stdin=subprocess.PIPE)
            process.stdin.write(b"x")
            equal(process.stdout.read(1), b"x", "the echo")
            process.send_signal(signal.SIGTERM)
            ended(process)
        with tap.case("-O stop lets it finish"):
            control = scratch("control")
            arguments, _ = parse(f"adit -M -S {control} -W {ANY}:{origin.port} bastion", hosts)
            process = subprocess.Popen(arguments, env=environment(), cwd=workdir(), bufsize=0,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            for word in (b"x", b"y"):
                process.stdin.write(word)
                equal(process.stdout.read(1), word, "the echo")
                if word == b"x":
                    equal(call(f"adit -S {control} -O stop bastion", hosts).returncode, 0, "-O stop")
            process.stdin.close()
            ended(process)
        with tap.case("the session is lost in the middle: one line and 255"):
            process = start(hosts, origin.port, stdin=subprocess.PIPE)
            process.stdin.write(b"x")
            equal(process.stdout.read(1), b"x", "the echo")
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            equal(process.wait(patience(60)), 255, "the exit status")
            holds("(?m)^adit: stdio forwarding failed: ", process.stderr.read().decode(), "stderr")


def as_proxy_command(hosts, inner):
    proxy = f"{binary()} -F {hosts} -W %h:%p bastion"
    options = ["-F", hosts, "-o", "BatchMode=yes", "-o", f"ProxyCommand={proxy}"]

    def run(*command):
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              env=environment(), cwd=workdir(), timeout=patience(120))

    if tap.have("ssh", "ssh", "scp"):
        with tap.case("ssh -o ProxyCommand='adit -W %h:%p bastion'"):
            done = run("ssh", *options, f"{inner.user}@inner", "echo hello; exit 7")
            equal((done.stdout, done.returncode), (b"hello\n", 7), "its output and status")
        with tap.case("100 MiB each way by scp through it"):
            size = 100 * MIB
            here, there, back = scratch("here", body_bytes(size)), scratch("there"), scratch("back")
            equal(run("scp", "-q", *options, here, f"inner:{there}").returncode, 0, "scp there")
            equal(run("scp", "-q", *options, f"inner:{there}", back).returncode, 0, "scp back")
            with open(back, "rb") as got:
                equal(hashlib.file_digest(got, "sha256").hexdigest(), digest(size), "the digest")
            for path in (here, there, back):
                os.unlink(path)
        with tap.case("... and nothing of it is left"):
            wait_until(lambda: not running(hosts), "its processes have ended")


def running(word):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as source:
                if word.encode() in source.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def main():
    with Sshd() as bastion, Sshd(options={"Subsystem": "sftp internal-sftp"}) as inner, \
            Sshd(start=False) as absent:
        hosts = ssh_config({"bastion": bastion, "inner": inner, "absent": absent})
        kinds(hosts)
        endings(hosts, bastion)
        as_proxy_command(hosts, inner)


tap.run(main)

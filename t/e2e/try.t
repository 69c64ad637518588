#!/usr/bin/env -S python3 -B
"""--try and -O try: a dial, the host key, the login and a forward, a line each; what fails is named
with its reason, as a run of the same would say it, and nothing else is disturbed."""

import contextlib
import json
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, fingerprint, free_port, holds, keypair,
                       patience, sanitized, scratch, tap, true, upstream)
from adit_test.as_ssh import Silence
from adit_test.control import ask, asked
from adit_test.gateway import binary, environment, run_adit, section
from adit_test.keys import known_hosts_lines, public
from adit_test.network import isolate
from adit_test.origins import Origin, echo
from adit_test.process import Process, gateway_of
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal

UNREACHABLE = "a server that cannot be reached"
STEPS = ["connection", "server", "host key", "login", "forwarding"]


def words(sshd, *more, key=None, known=None, host=None, port=None, user=True):
    """A command line that leads to a server, without a user's own files."""
    return ["-F", "none", "-i", key or sshd.user_key, "-p", str(port or sshd.port),
            *(word for option in (f"UserKnownHostsFile={known or sshd.known_hosts}",
                                  "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes",
                                  "StrictHostKeyChecking=yes") for word in ("-o", option)),
            *more, (f"{sshd.user}@" if user else "") + (host or sshd.address)]


def tried(*arguments, status, **variables):
    """What --try says as JSON; the text has the same, a line a step."""
    done = run_adit("--try", *arguments, env=environment(**variables))
    equal(done.returncode, status, f"the exit status ({done.stdout!r}, {done.stderr!r})")
    answer = json.loads(run_adit("--try", "--json", *arguments, env=environment(**variables)).stdout)
    equal(answer["well"], status == 0, "well")
    for host in answer["tries"]:
        holds(rf"(?m)^{re.escape(host['upstream'])}, host {re.escape(host['host'])}", done.stdout,
              "the host's line")
        for step in host["steps"]:
            verdict = "ok" if step["ok"] else "FAILED"
            holds(rf"(?m)^  {step['step']} +{verdict} ", done.stdout, "the step's line")
    return answer["tries"]


def steps(host):
    """The names of the steps that passed, and the one that failed."""
    failed = [step for step in host["steps"] if not step["ok"]]
    equal(host["ok"], not failed, "ok")
    return [step["step"] for step in host["steps"] if step["ok"]], failed[0] if failed else None


def seen(host, name):
    return next(step["seen"] for step in host["steps"] if step["step"] == name)


def all_well(sshd):
    with tap.case("a server that works: each step with what was seen, and status 0"):
        host, = tried(*words(sshd), status=0)
        equal(steps(host), (STEPS, None), "the steps")
        equal(seen(host, "connection"), f"{sshd.address}:{sshd.port}", "the address")
        holds("^SSH-2.0-OpenSSH", seen(host, "server"), "the server")
        equal(seen(host, "host key"),
              f"ssh-ed25519 {fingerprint(sshd.host_key)}, known by {sshd.known_hosts}:1", "the key")
        equal(seen(host, "login"), f"{sshd.user} by publickey {sshd.user_key}", "the login")
        equal(seen(host, "forwarding"), "allowed", "the forward")
    with tap.case("a local forward's target is what the channel leads to"), Origin(echo) as origin:
        for port, what in ((origin.port, "allowed, and {} answers"),
                           (free_port(), "allowed, but {}: Connection refused")):
            host, = tried(*words(sshd, "-L", f"{free_port()}:{ANY}:{port}"), status=0)
            equal(seen(host, "forwarding"), what.format(f"{ANY} port {port}"), "the forward")
    with tap.case("with -R alone the server is not asked to listen, nor to connect"):
        mark = sshd.mark()
        host, = tried(*words(sshd, "-R", f"{free_port()}:localhost:1"), status=0)
        holds("^not tried", seen(host, "forwarding"), "the forward")
        false(sshd.process.find("tcpip-forward", mark), "a listen")


def failing(name, step, arguments, *patterns, **variables):
    """The step fails, those before it do not; the reason is what a run says."""
    with tap.case(f"{name}: {step} fails, with the reason that a run gives"):
        host = tried(*arguments, status=1, **variables)[-1]
        passed, failed = steps(host)
        equal(failed["step"], step, f"the step of {failed}")
        equal(passed, [each for each in STEPS[:STEPS.index(step)] if each in passed], "before it")
        for pattern in patterns:
            holds(pattern, failed["reason"], "the reason")
        if step != "forwarding":
            run = run_adit("-N", "-L", f"{free_port()}:localhost:1", *arguments,
                           env=environment(**variables))
            equal(run.returncode, 255, "the exit status of a run")
            true(failed["reason"] in run.stderr, f"{failed['reason']!r} in {run.stderr!r}")
        return failed


def logins(sshd):
    stranger = keypair("stranger")
    failing("wrong key", "login", words(sshd, key=stranger), r"Permission denied \(publickey\)",
            re.escape(f"{stranger} {fingerprint(stranger)}"), "authorized_keys")
    keys = [word for n in range(9) for word in ("-i", keypair(f"foreign{n}"))]
    failing("too many keys", "login", [*keys, *words(sshd)], "Too many authentication failures",
            "IdentitiesOnly=yes -i FILE")
    other = keypair("other_host_key")
    changed = scratch("changed", known_hosts_lines(other, (sshd.address, sshd.port)))
    failing("changed key", "host key", words(sshd, known=changed),
            re.escape(fingerprint(other)), re.escape(fingerprint(sshd.host_key)), "ssh-keygen -f")
    failing("unknown key", "host key", words(sshd, known=scratch("none")),
            re.escape(fingerprint(sshd.host_key)), "accept-new")
    failing("known_hosts that is no file", "host key", words(sshd, known="/"), "^the known_hosts file / ")
    locked = keypair("locked", "open sesame")
    with open(sshd.authorized_keys, "a", encoding="ascii") as out:
        out.write(f"{public(locked)}\n")
    failing("passphrase in a daemon", "login", words(sshd, "-o", "BatchMode=yes", key=locked),
            re.escape(locked), "encrypted", "BatchMode is set")
    with tap.case("a key that accept-new adds: it is said, and the next trial knows it"):
        new = scratch("new")
        accept = ["-o", "StrictHostKeyChecking=accept-new", *words(sshd, known=new)]
        for how in (f"new, and added to {new}", f"known by {new}:1"):
            host = json.loads(run_adit("--try", "--json", *accept).stdout)["tries"][0]
            equal(seen(host, "host key").split(", ", 1)[1], how, "how it is known")


def connections(sshd, isolated):
    port = free_port()
    failing("unknown name", "connection", words(sshd, host="nowhere.invalid"),
            r"Could not resolve hostname nowhere\.invalid: \w")
    failing("nobody listens", "connection", words(sshd, port=port), f"port {port}: Connection refused")
    if isolated:
        failing("unreachable server", "connection", words(sshd, host="192.0.2.1"),
                "Network is unreachable")
    failing("a ProxyCommand that fails", "connection",
            words(sshd, "-o", "ProxyCommand=sh -c 'exit 3'"), "ProxyCommand exited with status 3")

    def says(answer):
        def serve(conn, _):
            with conn.makefile("rb") as lines:
                lines.readline()
                conn.sendall(answer)
        return serve

    for what, answer, pattern in (
            ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", 'begins with "HTTP/1.1 400 Bad Request"'),
            ("TLS", b"\x15\x03\x01\x00\x02\x02\x16", "begins with bytes that are no text")):
        with Origin(says(answer)) as origin:
            failing(f"not an SSH server: {what}", "server", words(sshd, port=origin.port),
                    "this is no SSH server", pattern)
    with Origin(lambda conn, _: None) as origin:
        failing("not an SSH server: it only hangs up", "server", words(sshd, port=origin.port),
                "during the key exchange")
    with silent() as listener:
        failing("a server that says nothing: no longer than ConnectTimeout", "server",
                words(sshd, "-o", "ConnectTimeout=1", port=listener.getsockname()[1]), "timed out|[Tt]imeout")


@contextlib.contextmanager
def silent():
    """A listener whose connections get no word."""
    with socket.create_server((ANY, 0)) as listener:
        listener.settimeout(patience(60))
        yield listener


def forwards(sshd, closed):
    failed = failing("forwarding refused", "forwarding", words(closed),
                     f"{ANY} port 1: administratively prohibited: ")
    with tap.case("forwarding refused: the advice names what decides at the server"):
        holds("AllowTcpForwarding.*PermitOpen.*authorized_keys", failed["advice"], "the advice")
    with Sshd(options={"PermitOpen": f"{ANY}:7"}) as narrow:
        failing("another target is allowed, this one is not", "forwarding",
                words(narrow, "-W", f"{ANY}:9"), f"{ANY} port 9: administratively prohibited: ")
        with tap.case("... and the one that is allowed"):
            host, = tried(*words(narrow, "-W", f"{ANY}:7"), status=0)
            holds("^allowed, but .* port 7: Connection refused", seen(host, "forwarding"), "it")
    with tap.case("a jump host is tried first, and named where it is the reason"):
        text = config(sshd, upstream(closed, "bastion"), up={"jump": "bastion"})
        jump, host = tried("--config", scratch("jump.ini", text), status=1)
        equal([jump["upstream"], host["upstream"], host["jump"]], ["bastion", "office", "bastion"],
              "the order")
        equal(steps(jump)[1]["step"], "forwarding", "what fails at the jump host")
        equal(steps(host)[1]["step"], "connection", "what fails behind it")
        holds("^bastion could not reach it: administratively prohibited", steps(host)[1]["reason"], "why")
    with tap.case("a jump host that works"), Sshd() as bastion:
        text = config(sshd, upstream(bastion, "bastion"), up={"jump": "bastion"})
        jump, host = tried("--config", scratch("jump.ini", text), status=0)
        equal(seen(jump, "forwarding"), f"allowed, and {sshd.address} port {sshd.port} answers", "it")
        equal(seen(host, "connection"), f"{sshd.address}:{sshd.port} through jump host bastion",
              "the way")


def several(sshd, closed):
    dead = free_port()
    text = config(sshd, upstream(closed, "closed"), upstream(sshd, "last"),
                  up={"host": f"{ANY}:{dead}, {sshd.address}:{sshd.port}", "port": None})
    file = scratch("several.ini", text)
    with tap.case("each host of each upstream is tried, whatever failed before"):
        hosts = tried("--config", file, status=1)
        equal([(host["upstream"], host["host"], host["ok"]) for host in hosts],
              [("office", f"{ANY}:{dead}", False), ("office", f"{sshd.address}:{sshd.port}", True),
               ("closed", f"{closed.address}:{closed.port}", False),
               ("last", f"{sshd.address}:{sshd.port}", True)], "what was tried")
    with tap.case("named upstreams alone, in that order"):
        equal([host["upstream"] for host in tried("--config", file, "last", "closed", status=1)],
              ["last", "closed"], "what was tried")
        equal(len(tried("--config", file, "last", status=0)), 1, "what was tried")
    with tap.case("an upstream that the file does not have, and options that make no sense"):
        for arguments, why in ((("--config", file, "--try", "nope"), 'has no upstream "nope"'),
                               (("--try",), "which host"),
                               (("--try", "-f", "host"), "goes with no -f"),
                               (("--try", "--check", "host"), "goes with no --check"),
                               (("--try", "host", "more"), "'more' after the host")):
            done = run_adit(*arguments)
            equal((done.returncode, done.stdout), (64, ""), f"{arguments}")
            holds(why, done.stderr, "the words")


def beside_a_running_one(sshd, closed, origin):
    path, port = scratch("control"), free_port()
    text = config(sshd, upstream(closed, "closed"), gate={"control": path},
                  at={"address": f"{ANY}:{port}"})
    with contextlib.ExitStack() as stack:
        adit = stack.enter_context(Adit(text, name="adit that serves"))
        adit.wait_log("every upstream has a session")
        conn = stack.enter_context(
            socket.create_connection((ANY, port), timeout=patience(60)))
        conn.sendall(f"CONNECT {ANY}:{origin.port} HTTP/1.1\r\n\r\n".encode())
        reply = conn.makefile("rb")
        holds(b"200", reply.readline(), "the answer")
        reply.readline()
        before = json.loads(asked(path, "status", "--json"))["upstreams"]
        with tap.case("-O try: the same lines, by a dial of its own; status 1 if one fails"):
            done = ask(path, "try")
            equal(done.returncode, 1, "the exit status")
            holds(r"(?m)^office, host .*: all is well$", done.stdout, "what works")
            holds(r"(?m)^closed, host .*: FAILED$", done.stdout, "what fails")
            done = ask(path, "try", "office", "--json")
            equal(done.returncode, 0, "the exit status of one")
            host, = json.loads(done.stdout)["tries"]
            equal(steps(host), (STEPS, None), "the steps")
        with tap.case("--try of the file that runs: it listens nowhere and disturbs nothing"):
            tried("--config", adit.config, "office", status=0)
        with tap.case("the sessions are the same, and the connection goes on"):
            after = json.loads(asked(path, "status", "--json"))["upstreams"]
            equal([len(each["sessions"]) for each in after],
                  [len(each["sessions"]) for each in before], "the sessions")
            false(adit.find("session [0-9]+ (lost|closed)"), "a session that ended")
            conn.sendall(b"still here")
            equal(reply.read(10), b"still here", "what comes back")
        with tap.case("an upstream that is not there"):
            done = ask(path, "try", "nope")
            equal((done.returncode, done.stdout), (1, ""), "the exit status")
            equal(done.stderr, 'adit: try: there is no upstream "nope"\n', "the words")


def orders_at_once(sshd):
    """The server is stopped, so that the first order has not ended when the second comes."""
    path = scratch("control-twice")
    with Adit(config(sshd, gate={"control": path}, up={"keepalive": "0"}), name="adit") as adit:
        adit.sessions_up(1)
        pids = sshd.freeze()
        first = Process("the first", [binary(), "-S", path, "-O", "try"], env=environment())
        try:
            with tap.case("a second order while the first is under way is refused"):
                adit.wait_log("control: try")
                done = ask(path, "try")
                equal(done.returncode, 1, "the exit status")
                holds("another -O try has not ended", done.stderr, "the words")
        finally:
            sshd.thaw(pids)
        with tap.case("... and the first ends well"):
            equal(first.wait(), 0, "the exit status")


def given_up(sshd):
    """Ctrl-C of -O try: the gateway's dial ends, too."""
    path = scratch("control-given-up")
    with silent() as listener:
        text = config(sshd, section("upstream silent", {
            "host": ANY, "port": listener.getsockname()[1], "connect_timeout": "300s",
            "required": "no"}), gate={"control": path})
        with Adit(text, name="adit with a silent upstream") as adit:
            listener.accept()[0].detach()  # (the pool's own dial)
            for number in (signal.SIGINT, signal.SIGKILL):
                with tap.case(f"-O try is ended by {number.name}: so is its dial, and another can "
                              "be asked for"):
                    trial = Process("-O try", [binary(), "-S", path, "-O", "try", "silent"],
                                    env=environment())
                    mark = adit.mark()
                    with listener.accept()[0] as conn:
                        conn.settimeout(patience(60))
                        trial.signal(number)
                        trial.wait()
                        while conn.recv(4096):
                            pass
                    adit.wait_log("control: try: who asked has gone", mark)
                    equal(ask(path, "try", "office").returncode, 0, "the status of another one")


def interrupted(sshd):
    for number in (signal.SIGINT, signal.SIGTERM):
        with tap.case(f"{number.name} ends a trial, which is locked meanwhile, with status 255"), \
                silent() as listener:
            trial = Process("trial", [binary(), "--try", *words(
                sshd, "-o", "ConnectTimeout=300", port=listener.getsockname()[1])],
                            env=environment())
            with listener.accept()[0]:
                if not sanitized():
                    equal(seccomp(trial.pid), 2, "the gateway's lock")
                trial.signal(number)
                equal(trial.wait(), 255, "the exit status")


def seccomp(pid):
    with open(f"/proc/{gateway_of(pid)}/status", encoding="ascii") as status:
        return int(re.search(r"^Seccomp:\s+(\d)", status.read(), re.M)[1])


def questions(sshd):
    new = scratch("asked")
    asking = ["-o", "StrictHostKeyChecking=ask", *words(sshd, known=new)]
    failing("a question without a terminal", "host key", asking, "there is no terminal to ask on")
    with tap.case("... and with one it is asked"), \
            Terminal([binary(), "--try", *asking], environment()) as terminal:
        terminal.expect("continue connecting")
        terminal.type("yes\n")
        equal(terminal.wait(), 0, "the exit status")
        holds(f"new, and added to {re.escape(new)}", terminal.text, "how the key is known")


def main():
    isolated = isolate(UNREACHABLE)
    with Sshd() as sshd, Sshd(options={"AllowTcpForwarding": "no"}) as closed, \
            Origin(echo) as origin:
        all_well(sshd)
        logins(sshd)
        connections(sshd, isolated)
        forwards(sshd, closed)
        several(sshd, closed)
        beside_a_running_one(sshd, closed, origin)
        orders_at_once(sshd)
        given_up(sshd)
        interrupted(sshd)
        questions(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Set-ups that are broken in the ways in which set-ups are: what adit says, that it says it as soon
as ssh does, with the same exit status, and that doing what it says mends the set-up.

t/e2e/broken_setups.t --table prints what was said, by adit and by ssh, as a table.
"""

import base64
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, acl, config, equal, fingerprint, free_port, holds, keypair,
                       sanitized, scratch, tap, true)
from adit_test.as_ssh import PROGRAMS, Silence
from adit_test.gateway import REPORT, binary, environment
from adit_test.keys import known_hosts_lines, public
from adit_test.network import isolate
from adit_test.origins import Origin, echo
from adit_test.process import patience, workdir
from adit_test.sshd import Sshd

UNREACHABLE = "a server that cannot be reached"
# A program that waits for a time-out, where it could know at once, is not there by LIMIT.
TIMEOUT, LIMIT = 300, 60

rows = []


class Attempt:
    """One program's run of a command line that is ssh's: message, status, seconds."""

    def __init__(self, program, words, **variables):
        began = time.monotonic()
        done = subprocess.run(
            [binary() if program == "adit" else program, "-F", "none", *words],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=workdir(),
            timeout=patience(LIMIT), encoding="utf-8", errors="backslashreplace",
            start_new_session=True, env=environment(**variables))
        self.seconds = time.monotonic() - began
        self.status, self.said = done.returncode, done.stderr
        if REPORT.search(self.said):
            raise AssertionError(f"a sanitiser's report:\n{self.said}")


class Setup:
    """What a command line says; a case breaks a part of it."""

    def __init__(self, sshd, *action, key=None, known=None, host=None, port=None, options=()):
        self.sshd = sshd
        self.keys = key if isinstance(key, list) else [key or sshd.user_key]
        self.known = known or sshd.known_hosts
        self.host, self.port = host or sshd.address, port or sshd.port
        self.action = action
        self.options = options

    def words(self):
        options = (f"UserKnownHostsFile={self.known}", "GlobalKnownHostsFile=/dev/null",
                   "IdentitiesOnly=yes", f"ConnectTimeout={TIMEOUT}",
                   "ExitOnForwardFailure=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no")
        return [*(word for key in self.keys for word in ("-i", key)),
                *(word for option in (*self.options, *options) for word in ("-o", option)),
                "-p", str(self.port), *self.action, f"{self.sshd.user}@{self.host}"]

    def attempt(self, program):
        return Attempt(program, self.words())


def broken(name, setup, *patterns, lines=1):
    """One case: both programs end with 255; adit says so in one line. Returns adit's message."""
    said = None
    with tap.case(f"{name}: status 255, in time, and one line that says what failed"):
        for program in PROGRAMS if not sanitized() else ("adit",):
            attempt = setup.attempt(program)
            rows.append((name, program, attempt))
            equal(attempt.status, 255, f"the exit status of {program} ({attempt.said!r})")
            if program == "adit":
                said = attempt.said
        equal(len(said.splitlines()), lines, f"lines in {said!r}")
        holds(r"^adit: \S", said, "how it begins")
        for pattern in patterns:
            holds(pattern, said, "what it says")
    return said or ""


def mended(name, setup):
    """... and it works with what the message advised."""
    with tap.case(f"{name}: with what the message advises it works"):
        attempt = setup.attempt("adit")
        equal(attempt.status, 0, f"the exit status ({attempt.said!r})")


def in_words(said, pattern):
    """What a message advises, out of the message."""
    found = re.search(pattern, said)
    true(found, f"/{pattern}/ in {said!r}")
    return found[1]


def sh(command):
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, cwd=workdir(),
                   env=environment())

def logins(sshd, silence):
    """What a person has to mend: keys and host keys."""
    to = ("-W", f"{ANY}:{silence.port}")

    name, stranger = "wrong key", keypair("stranger")
    broken(name, Setup(sshd, *to, key=stranger), r"Permission denied \(publickey\)",
           re.escape(f"{stranger} {fingerprint(stranger)}"), "authorized_keys", r"identity \(-i\)")
    mended(f"{name}, another one by -i", Setup(sshd, *to))
    with open(sshd.authorized_keys, "a", encoding="ascii") as out:
        out.write(f"{public(stranger)}\n")
    mended(f"{name}, its public half in authorized_keys", Setup(sshd, *to, key=stranger))

    name = "too many keys"
    keys = [keypair(f"foreign{n}") for n in range(9)]
    broken(name, Setup(sshd, *to, key=[*keys, sshd.user_key]), "Too many authentication failures",
           re.escape(f"{keys[0]} {fingerprint(keys[0])}"), "IdentitiesOnly=yes -i FILE")
    mended(name, Setup(sshd, *to))

    name = "changed key"
    other = keypair("other_host_key")
    changed = scratch("known_hosts", known_hosts_lines(other, ("192.0.2.9", 22),
                                                       (sshd.address, sshd.port)))
    said = broken(name, Setup(sshd, *to, known=changed), re.escape(fingerprint(other)),
                  re.escape(fingerprint(sshd.host_key)), re.escape(f"{changed}:2 "))
    with tap.case(f"{name}: the command in the message removes the line, and no other"):
        sh(in_words(said, r"`(ssh-keygen .*?)`"))
        with open(changed, encoding="ascii") as known:
            equal(known.read(), known_hosts_lines(other, ("192.0.2.9", 22)), "what is left")

    name, new = "unknown key", scratch("new_hosts")
    said = broken(name, Setup(sshd, *to, known=new), re.escape(fingerprint(sshd.host_key)))
    mended(name, Setup(sshd, *to, known=new, options=[in_words(said, r"\(-o (\S+?)\)")]))
    mended(f"{name}, accepted once", Setup(sshd, *to, known=new))
    with tap.case(f"{name}: ... or with the pin that the message names"), \
            Adit(config(sshd, up={"host_key": in_words(said, r"host_key = (SHA256:\S+)"),
                                  "known_hosts": scratch("none")}), name="adit, pinned") as adit:
        adit.sessions_up(1)


def passphrase(sshd, silence):
    """A daemon asks nobody."""
    name, locked = "passphrase in a daemon", keypair("locked", "open sesame")
    with open(sshd.authorized_keys, "a", encoding="ascii") as out:
        out.write(f"{public(locked)}\n")
    setup = Setup(sshd, "-W", f"{ANY}:{silence.port}", key=locked, options=["BatchMode=yes"])
    said = broken(name, setup, re.escape(locked), "encrypted", "BatchMode is set")
    with tap.case(f"{name}: the gateway says the same, and with passphrase_file it works"):
        with Adit(config(sshd, up={"identity": locked}), name="adit, locked") as adit:
            adit.wait_log(rf"Permission denied .*identity {re.escape(locked)} is encrypted and "
                          r"there is no passphrase_file")
        path = scratch("passphrase", "open sesame\n")
        with Adit(config(sshd, up={"identity": locked, "passphrase_file": path}),
                  name="adit, unlocked") as adit:
            adit.sessions_up(1)
    with tap.case(f"{name}: with the key in an agent, as the message says, it works"), \
            Agent() as agent:
        askpass = scratch("askpass", "#!/bin/sh\necho open sesame\n", 0o755)
        subprocess.run(["setsid", "-w", "sh", "-c", in_words(said, "`(ssh-add .*?)`")], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       env=environment(SSH_AUTH_SOCK=agent.socket, SSH_ASKPASS=askpass,
                                       SSH_ASKPASS_REQUIRE="force"))
        attempt = Attempt("adit", setup.words(), SSH_AUTH_SOCK=agent.socket)
        equal(attempt.status, 0, f"the exit status ({attempt.said!r})")


def forwards(sshd, closed, silence, origin):
    name = "port taken"
    said = broken(name, Setup(sshd, "-N", "-D", f"{ANY}:{origin.port}"),
                  rf"bind \[{ANY}\]:{origin.port}: Address already in use")
    with tap.case(f"{name}: the command in the message shows the listener"):
        done = subprocess.run(["sh", "-c", in_words(said, "`(ss .*?)`")], check=True,
                              capture_output=True, encoding="utf-8")
        holds(rf"{ANY}:{origin.port}\b.*pid={os.getpid()}\b", done.stdout, "what it shows")

    port = free_port()
    broken("forwarding refused, -R", Setup(closed, "-N", "-R", f"{port}:{ANY}:{origin.port}"),
           rf"listen port {port}: the server refuses", "AllowTcpForwarding and PermitListen")
    target = f"{ANY}:{silence.port}"
    broken("forwarding refused, -W", Setup(closed, "-W", target),
           re.escape(target), "administratively prohibited")
    down = f"{ANY}:{free_port()}"
    broken("target down", Setup(sshd, "-W", down), re.escape(down), "Connection refused")
    for what, server, name in (("what the message names allowed", sshd, "forwarding refused"),
                               ("a target that is up", sshd, "target down")):
        mended(f"{name}, {what}", Setup(server, "-W", target))


def no_answer(sshd, silence, isolated):
    """Servers that are not there, or are no SSH servers."""
    to = ("-W", f"{ANY}:{silence.port}")
    port = free_port()
    broken("unknown name", Setup(sshd, *to, host="nowhere.invalid"),
           r"Could not resolve hostname nowhere\.invalid: \w")
    broken("nobody listens", Setup(sshd, *to, port=port), rf"port {port}: Connection refused")
    if isolated:
        broken("unreachable server", Setup(sshd, *to, host="192.0.2.1"),
               r"192\.0\.2\.1 port \d+: Network is unreachable")

    def says(words):
        def serve(conn, _):
            with conn.makefile("rb") as lines:
                lines.readline()
                conn.sendall(words)
        return serve

    for what, words, pattern in (
            ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", 'begins with "HTTP/1.1 400 Bad Request"'),
            ("TLS", b"\x15\x03\x01\x00\x02\x02\x16", "begins with bytes that are no text"),
            ("a line to a terminal", b"\x1b]0;owned\x07\xc2\x9b31m\r\n", r'begins with "\]0;owned31m"')):
        with Origin(says(words)) as other:
            broken(f"not an SSH server: {what}", Setup(sshd, *to, port=other.port),
                   "this is no SSH server: it " + pattern, "check host and port")
    with Origin(lambda conn, _: None) as other:
        broken("not an SSH server: it only hangs up", Setup(sshd, *to, port=other.port),
               r"the server closed the connection|the connection broke", "during the key exchange")


def asked_by_http(adit, target, *lines):
    """The status line that a CONNECT gets, and seconds."""
    began = time.monotonic()
    with socket.create_connection(adit.address, timeout=patience(LIMIT)) as conn:
        conn.sendall("\r\n".join([f"CONNECT {target} HTTP/1.1", f"Host: {target}", *lines, "", ""])
                     .encode())
        answer = conn.makefile("rb").readline().decode().strip()
    return answer, time.monotonic() - began


def clients(sshd, origin):
    """What only a proxy has: rules and passwords. (ssh has neither.)"""
    target = f"{ANY}:{origin.port}"
    with Adit(config(sshd, acl("allow to=192.0.2.0/24", f"deny to={ANY}")),
              name="adit, rules") as adit, \
            tap.case("rule denies: 403, and the log has the rule; without the rule it works"):
        adit.sessions_up(1)
        mark = adit.mark()
        answer, seconds = asked_by_http(adit, target)
        rows.append(("rule denies", "adit", (answer, "-", seconds)))
        holds(r"^HTTP/1\.1 403 ", answer, "the answer")
        adit.wait_log(rf"target={target} verdict=deny rule=\S", mark)
        adit.wait_log("reloaded", adit.reload(config(sshd, acl(f"allow to={ANY}"))))
        holds(r"^HTTP/1\.1 200 ", asked_by_http(adit, target)[0], "the answer with another rule")
    users = scratch("users", f"alice:{crypt_of('right')}\n")
    with Adit(config(sshd, at={"auth": "password", "users": users}), name="adit, users") as adit, \
            tap.case("wrong proxy password: 407, and the log says so; the right one works"):
        adit.sessions_up(1)
        mark = adit.mark()
        answer, seconds = asked_by_http(adit, target, basic("alice", "wrong"))
        rows.append(("wrong proxy password", "adit", (answer, "-", seconds)))
        holds(r"^HTTP/1\.1 407 ", answer, "the answer")
        adit.wait_log(r"outcome=authentication .*credentials are missing or wrong", mark)
        holds(r"^HTTP/1\.1 200 ", asked_by_http(adit, target, basic("alice", "right"))[0],
              "the answer to the right one")


def basic(user, password):
    return "Proxy-Authorization: Basic " + base64.b64encode(
        f"{user}:{password}".encode()).decode()


def crypt_of(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True,
                          encoding="ascii").stdout.strip()


def table():
    """name, program, message, status, seconds; one line each."""
    for name, program, row in rows:
        said, status, seconds = row if isinstance(row, tuple) else (row.said, row.status,
                                                                    row.seconds)
        said = re.sub(rf"{re.escape(workdir())}/\d+\.", "", " / ".join(
            line for line in said.splitlines() if line.strip("@ ")))
        print(f"| {name} | {program} | {said} | {status} | {seconds:.2f} |")


def main():
    isolated = isolate(UNREACHABLE)
    # One family, so that a port taken in it is taken.
    with Sshd(options={"AddressFamily": "inet"}) as sshd, Origin(echo) as origin, \
            Sshd(options={"AllowTcpForwarding": "no"}) as closed:
        silence = Silence()
        logins(sshd, silence)
        passphrase(sshd, silence)
        forwards(sshd, closed, silence, origin)
        no_answer(sshd, silence, isolated)
        clients(sshd, origin)
    if "--table" in sys.argv:
        table()


tap.run(main)

#!/usr/bin/env -S python3 -B
"""New keys in the middle of a connection: after an amount of data or a time, by either side's
RekeyLimit, with every key exchange, cipher and MAC; no byte is lost, and it is done as often as ssh
promises. (The intent of OpenSSH's regress/rekey.)"""

import contextlib
import functools
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Process, equal, free_port, tap, true, wait_until
from adit_test.algorithms import Each, known, of_ssh
from adit_test.as_ssh import PROGRAMS, call
from adit_test.clients import connected, works
from adit_test.gateway import binary, environment
from adit_test.origins import Origin, body_bytes, echo, read_exactly
from adit_test.sshd import Sshd
from adit_test.together import Together

NEW_KEYS = "SSH2_MSG_NEWKEYS sent"
KIB = 1024
# (RekeyLimit, bytes each way, whether that is over the limit)
AMOUNTS = [("16", 200, True), ("1k", 4 * KIB, True), ("128k", 200 * KIB, True),
           ("256k", 4 * KIB, False)]


def command(program, sshd, *words):
    return [binary() if program == "adit" else program, "-F", "none", "-p", str(sshd.port), "-i",
            sshd.user_key, "-o", "IdentityAgent=none", "-o",
            f"UserKnownHostsFile={sshd.known_hosts}", *words, f"{sshd.user}@{sshd.address}"]


def lines(size):
    return ("one line of what goes there and back\n" * (size // 37 + 1))[:size]


def brings(program, sshd, origin, words, size, over):
    """The program brings that to the echo and back; over the limit there are new keys."""
    wait_until(lambda: not sshd.sessions(), "the end of the session before")
    since = sshd.mark()
    result = call(program, command(program, sshd, *words, "-W", f"{ANY}:{origin.port}")[1:],
                  data=lines(size))
    equal(result.status, 0, f"the exit status ({result.said!r})")
    true(result.output == lines(size), "what went out came back")
    found = len(sshd.process.find(NEW_KEYS, since))
    true(found > 1 if over else found == 1, f"{found} times new keys")


def amounts(origin, together, stack):
    plain = stack.enter_context(Sshd())
    limited = {limit: stack.enter_context(Sshd(
        host_key=plain.host_key, user_key=plain.user_key, options={"RekeyLimit": limit}))
        for limit, _, _ in AMOUNTS}
    for limit, size, over in AMOUNTS:
        for whose, sshd, words in (("RekeyLimit", plain, ["-o", f"RekeyLimit={limit}"]),
                                   ("the server's RekeyLimit", limited[limit], [])):
            for program in PROGRAMS:
                together.add(f"{program}: {whose} {limit}, {size} bytes", functools.partial(
                    brings, program, sshd, origin, words, size, over), alone=sshd)


def waits(program, origin, words, options):
    """Nothing but keepalives goes over the session: the time alone brings new keys."""
    port = free_port()
    with Sshd(options=options) as sshd:
        process = Process(f"{program} -D", command(
            program, sshd, "-N", "-D", f"{ANY}:{port}", "-o", "ServerAliveInterval=1", *words),
            env=environment())
        try:
            sshd.process.wait_log(NEW_KEYS, count=3)
            true(works((ANY, port), origin), "a connection after that")
        finally:
            process.kill()


def times(origin, together):
    for name, words, options in (
            ("RekeyLimit", ["-o", "RekeyLimit=default 1"], {}),
            ("the server's RekeyLimit", [], {"RekeyLimit": "default 1"})):
        for program in PROGRAMS:
            together.add(f"{program}: {name} default 1", functools.partial(
                waits, program, origin, words, options))


def limits(origin):
    """(Those that wait for a time leave the processors to the others.)"""
    together = Together(width=8)
    with contextlib.ExitStack() as stack:
        times(origin, together)
        amounts(origin, together, stack)
        together.tell()


def algorithms(origin):
    """Each, and in the middle of data to and fro new keys by it."""
    lists = {"KexAlgorithms": of_ssh("kex"), "Ciphers": of_ssh("cipher"), "MACs": of_ssh("mac")}
    each = {}
    for name in known("KexAlgorithms", lists["KexAlgorithms"]):
        each[f"kex: algorithm: {name}"] = {"kex": name}
    for name in known("Ciphers", lists["Ciphers"]):
        each[f"kex: client->server cipher: {name}"] = {"ciphers": name,
                                                       "macs": "hmac-sha2-256-etm@openssh.com"}
    for name in known("MACs", lists["MACs"]):
        each[f"kex: client->server cipher: aes192-ctr MAC: {name}"] = {"ciphers": "aes192-ctr",
                                                                       "macs": name}
    data = body_bytes(300 * KIB)
    with Sshd(options={word: ",".join(names) for word, names in lists.items()}) as sshd, \
            Each(sshd, {line: {**keys, "rekey": "64k"} for line, keys in each.items()}) as all_:
        for line in each:
            with tap.case(f"new keys in the middle: {line}"):
                pattern, proxy = rf"{re.escape(line)}(?: |$)", all_.proxy(line)
                before = len(sshd.process.find(pattern))
                with connected(proxy, ANY, origin.port) as conn:
                    conn.sendall(data)
                    true(read_exactly(conn, len(data)) == data, "what went out came back")
                true(len(sshd.process.find(pattern)) > before, "the server's log says so")
        with tap.case("no session was lost"):
            equal(all_.adit.find(r"session \d+ lost"), [], "lines")


def many(origin):
    """A small limit, and many connections at once on one session."""
    data = body_bytes(256 * KIB)
    with Sshd() as sshd, Each(sshd, {"one": {"rekey": "16k"}}) as each, \
            tap.case("sixteen connections over one session, new keys all the time"):
        with contextlib.ExitStack() as stack:
            conns = [stack.enter_context(connected(each.proxy("one"), ANY, origin.port))
                     for _ in range(16)]
            for conn in conns:
                conn.sendall(data)
            for conn in conns:
                true(read_exactly(conn, len(data)) == data, "what went out came back")
        true(len(sshd.process.find(NEW_KEYS)) > 8, "new keys, often")
        equal(each.adit.find(r"session \d+ lost"), [], "sessions lost")


def main():
    with Origin(echo) as origin:
        for part in (limits, algorithms, many):
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(origin)


tap.run(main)

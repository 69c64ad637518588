#!/usr/bin/env -S python3 -B
"""Servers and agents that misbehave while somebody is logged in, and servers that answer global
requests as RFC 4253 section 11.4 allows: no secret goes astray, no live session is lost, the log
stays small."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, config, equal, gateway, keypair, listen, sanitized,
                       scratch, tap, upstream, wait_until)
from adit_test.agents import SIGN_RESPONSE, Filter
from adit_test.clients import connected
from adit_test.gateway import section
from adit_test.keys import public
from adit_test.rogue import (CHANNEL_OPEN, GLOBAL_REQUEST, IGNORE, UNIMPLEMENTED, USERAUTH_BANNER,
                             USERAUTH_FAILURE, USERAUTH_REQUEST, USERAUTH_SUCCESS, Reader, Rogue,
                             numbers, text)
from adit_test.sshd import Sshd

PASSWORD = "open sesame"
ONCE = {"sessions": "1-1"}


def knows_no_requests(session):
    """A server that has never heard of global requests, and confirms whatever is opened."""
    session.login()
    session.rogue.signs = 0
    while True:
        payload = session.receive()
        if payload[0] == GLOBAL_REQUEST:
            session.send(UNIMPLEMENTED, numbers(0))
        if payload[0] == CHANNEL_OPEN:
            fields = Reader(payload)
            fields.text()
            session.confirm(fields.number())
        session.rogue.signs += payload[0] in (GLOBAL_REQUEST, IGNORE)


def unimplemented():
    up = {"keepalive": "1s", "keepalive_max": "1", **ONCE}
    with Rogue(knows_no_requests) as rogue, \
            tap.case("keepalives answered with UNIMPLEMENTED, after a channel was opened"), \
            Adit(config(rogue, up=up)) as adit:
        adit.sessions_up(1)
        with connected(adit.address, ANY, 9):
            wait_until(lambda: rogue.signs >= 5, "five keepalives, or packets in their place")
        equal(adit.find("session 0 lost"), [], "a session lost")

    forward = section("forward s", {"remote": f"20000 {ANY}:9"})
    with Rogue(knows_no_requests) as rogue, \
            tap.case("a request to listen that is answered with UNIMPLEMENTED is refused"), \
            Adit(config(rogue, forward, up=up)) as adit:
        adit.wait_log("remote forward s: .*the server refuses")
        wait_until(lambda: rogue.signs >= 5, "four keepalives, or packets in their place")
        equal(adit.find("session 0 lost"), [], "a session lost")


def offers_password(session):
    session.accept_service()
    session.expect(USERAUTH_REQUEST)
    session.send(USERAUTH_FAILURE, text("password"), b"\0")


def takes_password(session):
    """Lets in whoever sends a password."""
    while True:
        fields = Reader(session.expect(USERAUTH_REQUEST))
        fields.text(), fields.text()
        if fields.text() == b"password":
            session.rogue.passwords.append(fields.rest[5:])
            session.send(USERAUTH_SUCCESS)
            session.linger()
        session.send(USERAUTH_FAILURE, text("password"), b"\0")


def banners():
    def talks(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        for number in range(200):
            session.send(USERAUTH_BANNER, text(f"banner {number}\n" + "more of it\n" * 50),
                         text(""))
        session.send(USERAUTH_SUCCESS)
        session.linger()

    with Rogue(talks) as rogue, tap.case("banners without end: the log has 1000 lines of them"), \
            Adit(config(rogue, up=ONCE)) as adit:
        adit.sessions_up(1)
        equal(len(adit.find("the server says: ")), 1000, "lines in the log")
        equal(len(adit.find("not shown")), 1, "lines that say that more came")


def signatures():
    first, second = keypair("first"), keypair("second")
    known = scratch("keys", f"{public(first)}\n{public(second)}\n", 0o600)
    name = "an agent with a signature that is none"
    if sanitized():
        tap.leave_out(name, "libssh 0.10 loses 152 bytes where an agent signs twice")
        return
    replies = {"a signature of no kind": text(b"abcd"), "a length beyond the end": b"\xff" * 4,
               "nothing": b"", "no bytes": text(b""),
               "a foreign kind": text(text("ssh-foo") + text(b"x" * 64)),
               "a short one": text(text("ssh-ed25519") + text(b"x")), "200,000 bytes": b"z" * 200000}
    with Sshd(options={"AuthorizedKeysFile": known}) as sshd, Agent(first, second) as agent:
        for what, reply in replies.items():
            with Filter(agent, [first], refusal=bytes([SIGN_RESPONSE]) + reply) as liar, \
                    tap.case(f"{name} ({what}): the next key logs in"), \
                    Adit(config(sshd, up={"agent": "yes", "identity": None, **ONCE}),
                         env={"SSH_AUTH_SOCK": liar.socket}) as adit:
                adit.sessions_up(1)


def two_ways():
    """A name that leads to two servers by two ProxyCommands: what is typed for one is its own."""
    reached = threading.Event()

    def first(session):
        offers_password(session)
        takes_password(session)

    def second(session):
        reached.wait(60)
        offers_password(session)
        takes_password(session)

    notes = scratch("asked", "")
    askpass = scratch("askpass", f"#!/bin/sh\necho x >>{notes}\necho '{PASSWORD}'\n", 0o755)
    with Rogue(first) as one, Rogue(second) as other, \
            tap.case("a password that was given for one server is not sent to another of its name"):
        one.passwords, other.passwords = [], []
        with open(one.known_hosts, encoding="ascii") as known:
            inner = scratch("inner", "inner " + known.read().split(" ", 1)[1])
        keys = {"host": "inner", "port": None, "identity": None, "known_hosts": inner,
                "askpass": askpass, **ONCE}
        text_ = "".join([gateway(), listen(), *(
            upstream(rogue, name, proxy_command=f"nc {ANY} {rogue.port}", **keys)
            for name, rogue in (("office", one), ("other", other)))])
        with Adit(text_) as adit:
            adit.sessions_up(1)
            reached.set()
            adit.sessions_up(1, upstream="other")
        with open(notes, encoding="ascii") as asked:
            equal(len(asked.readlines()), 2, "questions")


def main():
    for part in (unimplemented, banners, signatures, two_ways):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part()


tap.run(main)

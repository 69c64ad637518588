#!/usr/bin/env -S python3 -B
"""Servers that leave at each step, that ask without end, and that open channels by the thousand."""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, equal, gateway, listen, sanitized, tap, true, upstream,
                       wait_until)
from adit_test.clients import Closed, Refused, closed, connected, exchange, read_all, works
from adit_test.hostile import at_once, beside, outcome
from adit_test.origins import Blackhole, Origin, echo, read_exactly
from adit_test.rogue import (CHANNEL_DATA, CHANNEL_EOF, DISCONNECT, GLOBAL_REQUEST, KEXINIT,
                             OPEN_CONFIRMATION, OPEN_FAILURE, STEPS, USERAUTH_FAILURE,
                             USERAUTH_REQUEST, Gone, Reader, Rogue, numbers, text)
from adit_test.sshd import Sshd

MIB = 1 << 20
OPENS = 1000


def refused_by_all(sshd, origin, what, rogues):
    """Clients of all of these, which nobody logs in to, are told a failure."""
    with tap.case(what), contextlib.ExitStack() as stack:
        for rogue in rogues.values():
            stack.enter_context(rogue)
        with beside(sshd, origin, logins=False, **rogues) as adit:
            equal(at_once(lambda name: outcome(adit, name), rogues),
                  {name: "failed" for name in rogues}, "the clients' ends")


def transport(sshd, origin):
    for how in ("close", "reset", "disconnect", "garbage", "hang"):
        refused_by_all(sshd, origin, f"{how} at each step of the transport",
                       {step: Rogue(stop=(step, how)) for step in STEPS})


def leave(session):
    session.close()
    raise Gone


def disconnect(session):
    session.send(DISCONNECT, numbers(2), text("rogue"), text(""))
    leave(session)


def hang(session):
    session.linger()


def authentication(sshd, origin):
    """At each of its steps; what is asked before a login is refused too."""
    def before_service(session):
        session.receive()

    def after_service(session):
        session.accept_service()

    def after_request(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)

    def after_failure(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(USERAUTH_FAILURE, text("publickey"), b"\0")
        session.expect(USERAUTH_REQUEST)

    def after_half(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(USERAUTH_FAILURE, text("publickey"), b"\1")
        session.expect(USERAUTH_REQUEST)

    def early_channel(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.forward(("", 22), ours=1)
        session.send(OPEN_CONFIRMATION, numbers(1, 1, 1, 1))
        session.data(1, b"hello")

    steps = (before_service, after_service, after_request, after_failure, after_half, early_channel)
    for end in (leave, disconnect, hang):
        def scenario(step, end=end):
            return lambda session: (step(session), end(session))

        refused_by_all(sshd, origin, f"{end.__name__} at each step of authentication",
                       {step.__name__: Rogue(scenario(step)) for step in steps})


def channels(sshd, origin):
    """In a channel's life. Before its confirmation it is a failure; later the client's end."""
    def after_login(session):
        session.login()

    def asked(session):
        session.login()
        session.opened()

    def confirmed(session):
        session.login()
        number, _ = session.opened()
        session.confirm(number)

    def in_data(session):
        confirmed_with_data(session, b"hello")

    def confirmed_with_data(session, data):
        session.login()
        number, _ = session.opened()
        session.confirm(number)
        session.data(number, data)
        return number

    def after_eof(session):
        session.eof(confirmed_with_data(session, b"hello"))

    def after_close(session):
        session.shut(confirmed_with_data(session, b"hello"))

    def after_its_data(session):
        confirmed_with_data(session, b"hello")
        session.expect(CHANNEL_DATA)

    steps = (after_login, asked, confirmed, in_data, after_eof, after_close, after_its_data)
    for end in (leave, disconnect):
        def scenario(step, end=end):
            return lambda session: (step(session), end(session))

        rogues = {step.__name__: Rogue(scenario(step)) for step in steps}
        with tap.case(f"{end.__name__} at each step of a channel's life"), \
                contextlib.ExitStack() as stack:
            for rogue in rogues.values():
                stack.enter_context(rogue)
            with beside(sshd, origin, logins=False, **rogues) as adit:
                def ask(name):
                    try:
                        with connected(adit.listener(name), ANY, 9) as conn:
                            conn.sendall(b"x")
                            return closed(conn)
                    except (Refused, Closed, OSError):
                        return "failed"

                found = at_once(ask, rogues)
                equal({found["after_login"], found["asked"]}, {"failed"}, "before a confirmation")
                true(all(found.values()), f"each client's connection ends: {found}")


def thousand_opens(sshd, origin):
    """They come to a remote forward whose target does not answer, and to one whose target does."""
    answers = {"yes": 0, "no": 0}

    def counting(payload):
        answers["yes"] += payload[0] == OPEN_CONFIRMATION
        answers["no"] += payload[0] == OPEN_FAILURE

    def silent(session):
        session.login()
        where = session.listens()
        for number in range(OPENS):
            session.forward(where, ours=number)
        while True:
            counting(session.receive())

    def quiet(session):
        session.login()
        session.linger()

    def to_nowhere(session):
        session.login()
        for number in range(OPENS):
            session.forward(("", 4711), ours=number)
        for _ in range(OPENS):
            session.expect(OPEN_FAILURE)
        session.rogue.refused = True
        session.linger()

    hole = Blackhole()
    forward = f"[forward hole]\nvia = rogue\nremote = 20000 {ANY}:{hole.port}\n\n"
    with tap.case(f"{OPENS} opens to a target that does not answer: 128 wait, the others are refused"), \
            Rogue(silent, quiet) as rogue, beside(sshd, origin, more=forward, rogue=rogue) as adit:
        wait_until(lambda: answers["no"] >= OPENS - 128 - 8, "the others are refused")
        true(adit.descriptors() < 128 + 100, "descriptors are bounded")
        adit.wait_log(r"warning: 128 connections of a session's remote forwards wait")
        equal(len(adit.find("connections of a session's remote forwards wait")), 1, "lines of that")
        for session in rogue.sessions:
            session.child.kill()  # then those that wait are dropped
        wait_until(lambda: adit.descriptors() < 60, "the descriptors are closed")
    with tap.case(f"{OPENS} opens of what nobody listens to are refused"), \
            Rogue(to_nowhere) as rogue, beside(sshd, origin, rogue=rogue):
        wait_until(lambda: getattr(rogue, "refused", False), "all are refused")
    opened(sshd, origin)


def opened(sshd, origin):
    """Each of a thousand is served, in its turn, when its target answers."""
    done = []

    def scenario(session):
        session.login()
        where = session.listens()
        theirs = {}
        for first in range(0, OPENS, 100):
            for number in range(first, first + 100):
                session.forward(where, ours=number)
            for _ in range(100):
                fields = Reader(session.expect(OPEN_CONFIRMATION))
                ours = fields.number()
                theirs[ours] = fields.number()
            for number in range(first, first + 100):
                session.data(theirs[number], b"hello")
            for _ in range(100):
                session.expect(CHANNEL_DATA)
            for number in range(first, first + 100):
                session.shut(theirs[number])
        done.append(True)
        session.linger()

    forward = f"[forward echo]\nvia = rogue\nremote = 20000 {ANY}:{origin.port}\n\n"
    with tap.case(f"{OPENS} opens, a hundred at a time, are all served"), Rogue(scenario) as rogue, \
            beside(sshd, origin, more=forward, rogue=rogue):
        wait_until(lambda: done, "all are served")


def unread_answers(sshd, origin):
    """Requests without end by a server that does not read the answers."""
    def asks(session):
        session.login()
        session.deafen()
        for _ in range(4 * MIB):
            session.send(GLOBAL_REQUEST, text("keepalive@openssh.com"), b"\1")

    def opens(session):
        session.login()
        where = session.listens()
        session.deafen()
        for number in range(4 * MIB):
            session.forward(where, ours=number)

    forward = f"[forward echo]\nvia = rogue\nremote = 20000 {ANY}:1\n\n"
    for name, scenario, more in (("keepalives", asks, ""), ("opens", opens, forward)):
        with tap.case(f"{name} without end, and the answers are not read: memory is bounded"), \
                Rogue(scenario) as rogue, beside(sshd, origin, more=more, rogue=rogue) as adit:
            before = adit.rss()
            adit.wait_log("upstream rogue: session . lost: the server asks and does not read",
                          seconds=150)
            if not sanitized():
                true(adit.rss() - before < 64 * MIB, f"{(adit.rss() - before) >> 20} MiB more")


def unanswered_kexinit(sshd, origin):
    """libssh keeps what it answers until the server has answered its KEXINIT."""
    def scenario(session):
        session.login()
        number, _ = session.opened()
        session.confirm(number)
        session.refuse_rekey()
        for _ in range(40):
            session.data(number, bytes(32768))
        session.expect(KEXINIT)
        for _ in range(4 * MIB):
            session.send(GLOBAL_REQUEST, text("keepalive@openssh.com"), b"\1")

    def drain(conn):
        with contextlib.suppress(OSError):
            while conn.recv(65536):
                pass

    text_ = "".join([gateway(workers=2, drain_timeout="1s"), upstream(sshd), listen()])
    with tap.case("requests without end, and the KEXINIT is not answered: memory is bounded"), \
            Rogue(scenario) as rogue, \
            Adit(text_ + upstream(rogue, "rogue", sessions="1-1", rekey="1M")
                 + listen("rogue", via="rogue")) as adit:
        adit.sessions_up(1, upstream="rogue")
        before = adit.rss()
        with connected(adit.listener("rogue"), ANY, 9) as conn:
            drain(conn)
        adit.wait_log("upstream rogue: session . lost: the server .*does not answer the key exchange",
                      seconds=150)
        if not sanitized():
            true(adit.rss() - before < 64 * MIB, f"{(adit.rss() - before) >> 20} MiB more")
        true(works(adit.address, origin), "another upstream goes on")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        transport(sshd, origin)
        authentication(sshd, origin)
        channels(sshd, origin)
        thousand_opens(sshd, origin)
        unread_answers(sshd, origin)
        unanswered_kexinit(sshd, origin)


tap.run(main)

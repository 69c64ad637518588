#!/usr/bin/env -S python3 -B
"""Servers that break the protocol of channels: the session ends, clients are told a failure and
never a success, and the other upstreams go on."""

import contextlib
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, equal, gateway, listen, sanitized, tap, true, upstream, wait_until
from adit_test.clients import Closed, Refused, closed, connected, exchange, read_all, works
from adit_test.hostile import at_once, beside, outcome
from adit_test.origins import Origin, echo, read_exactly
from adit_test.rogue import CHANNEL_DATA, Rogue, numbers, text
from adit_test.sshd import Sshd

MIB = 1 << 20

def failing(sshd, origin, name, scenario, words):
    """The client of this scenario is told a failure, and the log says what the server did."""
    with tap.case(f"{name}: the client is told a failure"), Rogue(scenario) as rogue, \
            beside(sshd, origin, rogue=rogue) as adit:
        equal(outcome(adit, "rogue"), "failed", "the client's end")
        adit.wait_log(f"upstream rogue: session . lost: {words}")


def packet_sizes(sshd, origin):
    def confirms(size):
        def scenario(session):
            session.login()
            number, _ = session.opened()
            session.confirm(number, packet=size)
            session.echo(number)
            session.linger()
        return scenario

    sizes = {f"size{size}": size for size in (*range(17), 100, 1023, 1024, 32768)}
    with contextlib.ExitStack() as stack:
        rogues = {name: stack.enter_context(Rogue(confirms(size))) for name, size in sizes.items()}
        with tap.case("a confirmed maximum packet size below 1,024 ends the session, 1,024 is used"), \
                beside(sshd, origin, **rogues) as adit:

            def ask(name):
                try:
                    with connected(adit.listener(name), ANY, 9) as conn:
                        conn.sendall(sent)
                        return "ok" if read_exactly(conn, len(sent)) == sent else "other bytes"
                except (Refused, Closed, OSError):
                    return "failed"

            sent = os.urandom(65536)
            # From 0.11 on libssh does not tell the size, and what counts are the packets of each
            # write. (Below 10 it takes them for no limit.)
            least = 1024 if adit.libssh_before_0_11() else 101
            ends = at_once(ask, sizes)
            judged = {name: size for name, size in sizes.items()
                      if least == 1024 or size in (0, *range(10, least)) or size >= 1024}
            equal({name: ends[name] for name in judged},
                  {name: "ok" if size >= 1024 else "failed" for name, size in judged.items()},
                  "the clients' ends")
            for name, size in judged.items():
                if 0 < size < 1024:
                    adit.wait_log(f"upstream {name}: session . lost: .*maximum packet size",
                                  seconds=150)


def forwarded_packet_sizes(sshd, origin):
    """The size of a channel that the server opens is not known before the first write."""
    def opens(size):
        def scenario(session):
            session.login()
            session.forward(session.listens(), ours=7, packet=size)
            while session.receive()[0] != CHANNEL_DATA:
                pass
            session.linger()
        return scenario

    sizes = {f"size{size}": size for size in (0, 1, 9, 10, 11, 12, 100)}
    with contextlib.ExitStack() as stack, Origin(lambda conn, _: conn.sendall(bytes(MIB))) as talker:
        rogues = {name: stack.enter_context(Rogue(opens(size))) for name, size in sizes.items()}
        forwards = "".join(
            f"[forward {name}]\nvia = {name}\nremote = 20000 {ANY}:{talker.port}\n"
            for name in rogues)
        text_ = "".join([gateway(workers=2, drain_timeout="1s"), upstream(sshd), listen(), forwards]
                        + [upstream(rogue, name, sessions="1-1") for name, rogue in rogues.items()])
        with tap.case("a maximum packet size of 10 to 100 in the server's open ends the session"), \
                Adit(text_) as adit:
            for name, size in sizes.items():
                if 10 <= size:
                    adit.wait_log(f"upstream {name}: session . lost: .*maximum packet size",
                                  seconds=150)
            true(works(adit.address, origin), "another upstream goes on")


def beyond_the_window(sshd, origin):
    def flood(as_stderr=False, piece=32768, done=b""):
        def scenario(session):
            session.login()
            number, _ = session.opened()
            session.confirm(number)
            for _ in range(64 * MIB // piece):
                (session.stderr if as_stderr else session.data)(number, bytes(piece))
            session.data(number, done)
            session.linger()
        return scenario

    for name, scenario in (("64 MiB at once", flood()),
                           ("64 MiB in pieces of 1,000 bytes", flood(piece=1000))):
        with tap.case(f"{name} to a client that does not read: the session ends"), \
                Rogue(scenario) as rogue, beside(sshd, origin, rogue=rogue) as adit:
            before = adit.rss()
            with contextlib.suppress(Refused, Closed), \
                    connected(adit.listener("rogue"), ANY, 9) as conn:
                adit.wait_log("upstream rogue: session . lost: the server sent more than the window")
                if not sanitized():
                    true(adit.rss() - before < 16 * MIB, "memory is bounded")
                true(closed(conn), "the client's connection ends")
    def with_stderr(session):
        """For a byte on standard error libssh announces a window, whatever it keeps of the data."""
        session.login()
        number, _ = session.opened()
        session.confirm(number)
        for _ in range(64 * MIB // 640000):
            for _ in range(20):
                session.data(number, bytes(32000))
            session.stderr(number, b"x")
            session.data(number, b"xx")
            session.stderr(number, b"x")
        session.linger()

    with tap.case("64 MiB and a byte on standard error now and then, to a client that does not read: "
                  "the session ends"), \
            Rogue(with_stderr) as rogue, beside(sshd, origin, rogue=rogue) as adit:
        before = adit.rss()
        with contextlib.suppress(Refused, Closed), \
                connected(adit.listener("rogue"), ANY, 9) as conn:
            adit.wait_log("upstream rogue: session . lost: the server sent more than the window")
            if not sanitized():
                true(adit.rss() - before < 16 * MIB, "memory is bounded")
            true(closed(conn), "the client's connection ends")
    with tap.case("64 MiB on standard error, which nobody reads: memory is bounded"), \
            Rogue(flood(True, done=b"done")) as rogue, beside(sshd, origin, rogue=rogue) as adit:
        before = adit.rss()
        with connected(adit.listener("rogue"), ANY, 9) as conn:
            equal(read_exactly(conn, 4), b"done", "what comes behind it")
        if not sanitized():
            true(adit.rss() - before < 16 * MIB, "memory is bounded")


def before_the_confirmation(sshd, origin):
    def then(*acts, confirm=False):
        def scenario(session):
            session.login()
            number, _ = session.opened()
            for act in acts:
                act(session, number)
            if confirm:
                session.confirm(number)
            session.linger()
        return scenario

    def data(session, number):
        session.data(number, b"early")

    def stderr(session, number):
        session.stderr(number, b"early")

    def eof(session, number):
        session.eof(number)

    def shut(session, number):
        session.shut(number)

    def adjust(session, number):
        session.adjust(number, 100)

    cases = {
        "data": (data,), "standard error": (stderr,), "EOF": (eof,), "CLOSE": (shut,),
        "EOF and CLOSE": (eof, shut), "data and CLOSE": (data, shut),
        "a larger window and CLOSE": (adjust, shut), "data, EOF and CLOSE": (data, eof, shut),
    }
    for name, acts in cases.items():
        failing(sshd, origin, f"{name} before a confirmation", then(*acts), "the server .*confirmed")
    for name in ("data", "EOF", "CLOSE"):
        failing(sshd, origin, f"{name} and then a confirmation", then(*cases[name], confirm=True),
                "the server .*confirmed")


def all_at_once(sshd, origin):
    """Confirmation, data, EOF and CLOSE in one go are an honest, short connection."""
    def scenario(session):
        session.login()
        while True:
            number, _ = session.opened()
            session.confirm(number)
            session.data(number, b"hello")
            session.eof(number)
            session.shut(number)

    def no_data(session):
        session.login()
        while True:
            number, _ = session.opened()
            session.confirm(number)
            session.shut(number)

    with tap.case("confirmation, data, EOF and CLOSE at once are a success"), \
            Rogue(scenario) as rogue, Rogue(no_data) as empty, \
            beside(sshd, origin, rogue=rogue, empty=empty) as adit:
        for _ in range(50):
            with connected(adit.listener("rogue"), ANY, 9) as conn:
                equal(read_all(conn), b"hello", "what came")
            with connected(adit.listener("empty"), ANY, 9) as conn:
                equal(read_all(conn), b"", "what came")
        true(not adit.find("lost"), "no session was lost")


def answers(sshd, origin):
    def unasked(session):
        session.login()
        session.opened()
        session.confirm(4711)
        session.linger()

    def denied_then_confirmed(session):
        session.login()
        number, _ = session.opened()
        session.deny(number)
        session.confirm(number)
        session.linger()

    failing(sshd, origin, "a confirmation for another channel", unasked, "the server confirmed")
    with tap.case("refused and then confirmed: a failure"), Rogue(denied_then_confirmed) as rogue, \
            beside(sshd, origin, rogue=rogue) as adit:
        equal(outcome(adit, "rogue"), "failed", "the client's end")
        adit.wait_log("upstream rogue: session . lost: the server confirmed a channel")

    def confirmed_twice(session):
        session.login()
        number, _ = session.opened()
        session.confirm(number)
        session.data(number, b"hello")
        session.expect(CHANNEL_DATA)
        session.confirm(number, ours=4711)
        session.linger()

    with tap.case("confirmed twice: the session ends"), Rogue(confirmed_twice) as rogue, \
            beside(sshd, origin, rogue=rogue) as adit, \
            connected(adit.listener("rogue"), ANY, 9) as conn:
        equal(read_exactly(conn, 5), b"hello", "what came first")
        conn.sendall(b"x")
        adit.wait_log("upstream rogue: session . lost: the server confirmed a channel")
        true(closed(conn), "the client's connection ends")

    def denied_twice(session):
        session.login()
        while True:
            number, _ = session.opened()
            session.deny(number)
            session.deny(number)

    def confirmed_then_denied(session):
        session.login()
        while True:
            number, _ = session.opened()
            session.confirm(number)
            session.deny(number)
            session.data(number, b"hello")
            session.shut(number)

    with tap.case("refused twice: a failure each time"), Rogue(denied_twice) as rogue, \
            beside(sshd, origin, rogue=rogue) as adit:
        equal([outcome(adit, "rogue") for _ in range(20)], 20 * ["failed"], "the clients' ends")
    with tap.case("confirmed and then refused: nobody is harmed"), \
            Rogue(confirmed_then_denied) as rogue, beside(sshd, origin, rogue=rogue) as adit:
        for _ in range(20):
            outcome(adit, "rogue")


def after_the_end(sshd, origin):
    """What comes behind the end of data does not reach the client."""
    def ends_with(*messages):
        def scenario(session):
            session.login()
            number, _ = session.opened()
            session.confirm(number)
            session.data(number, b"hello")
            for message in messages:
                getattr(session, message)(number, *([b"late"] if message in ("data", "stderr")
                                                    else [100] if message == "adjust" else []))
            session.linger()
        return scenario

    for messages in (("eof", "data"), ("eof", "stderr"), ("shut", "data"), ("eof", "eof", "shut"),
                     ("shut", "shut"), ("shut", "eof"), ("shut", "adjust"),
                     ("eof", "shut", "data", "shut")):
        with tap.case(f"hello, then {', '.join(messages)}"), Rogue(ends_with(*messages)) as rogue, \
                beside(sshd, origin, rogue=rogue) as adit:
            try:
                with connected(adit.listener("rogue"), ANY, 9) as conn:
                    got = read_all(conn)
            except (Refused, Closed, OSError):
                got = b""  # a breach that came with the confirmation lets nothing through
            true(b"hello".startswith(got), f"the client gets no more than hello: {got!r}")


def no_window(sshd, origin):
    """A server that never takes a byte, and one that answers nothing: SIGTERM ends adit all the
    same (which beside() shows)."""
    def deaf(session):
        session.login()
        number, _ = session.opened()
        session.confirm(number, window=0)
        session.linger()

    def huge(session):
        session.login()
        number, _ = session.opened()
        session.confirm(number, window=0xffffffff)
        session.adjust(number, 0xffffffff)  # 2^32 - 2 in 32 bits
        session.echo(number)
        session.linger()

    def mute(session):
        session.login()
        session.opened()
        session.linger()

    with tap.case("a window of nothing, no answer at all"), Rogue(deaf) as first, \
            Rogue(mute) as second, beside(sshd, origin, deaf=first, mute=second) as adit:
        with connected(adit.listener("deaf"), ANY, 9) as conn:
            conn.sendall(bytes(1000))
        equal(outcome(adit, "deaf"), "failed", "no second answer")
    with tap.case("a window that wraps around"), Rogue(huge) as rogue, \
            beside(sshd, origin, huge=rogue) as adit:
        echoed = False
        with contextlib.suppress(OSError, Closed, Refused), \
                connected(adit.listener("huge"), ANY, 9) as conn:
            echoed = exchange(conn)
        if not echoed:  # libssh 0.11 ends such a session (RFC 4254 section 5.2)
            adit.wait_log("upstream huge: session 0 lost: .*overflows remote window")


def strange_messages(sshd, origin):
    """Each number of a message, with nothing and with rubbish behind it: only adit's life counts."""
    bodies = [b"", b"\0", numbers(0), numbers(1), numbers(1, 0xffffffff), numbers(0xffffffff),
              numbers(1, 5) + b"x", text("keepalive@openssh.com") + b"\1", bytes(64), b"\xff" * 64]

    def sends(kinds):
        def scenario(session):
            session.login()
            while kinds:
                number, _ = session.opened()
                session.confirm(number)
                session.data(number, b"hello")
                while kinds:
                    kind = kinds.pop()
                    for body in bodies:
                        session.send(kind, body)
                session.shut(number)
            while True:  # a client whose session was lost asks again
                session.deny(session.opened()[0])
        return scenario

    left = {f"from{first}": list(range(first, min(first + 4, 256))) for first in range(1, 256, 4)}
    with contextlib.ExitStack() as stack, \
            tap.case("every kind of message, empty and with rubbish"):
        rogues = {name: stack.enter_context(Rogue(sends(kinds))) for name, kinds in left.items()}
        with beside(sshd, origin, **rogues) as adit:
            def ask(name):
                wait_until(lambda: not left[name] or not outcome(adit, name), "all were sent")
                return True
            equal(at_once(ask, left), {name: True for name in left}, "what was sent")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        packet_sizes(sshd, origin)
        forwarded_packet_sizes(sshd, origin)
        beyond_the_window(sshd, origin)
        before_the_confirmation(sshd, origin)
        all_at_once(sshd, origin)
        answers(sshd, origin)
        after_the_end(sshd, origin)
        no_window(sshd, origin)
        strange_messages(sshd, origin)


tap.run(main)

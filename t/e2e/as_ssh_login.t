#!/usr/bin/env -S python3 -B
"""Logins of several steps, too many failures, and servers that hang up, beside ssh(1): with the same
files, the same command line and the same server adit's verdict, its questions and what the server
sees of it are those of ssh."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Agent, equal, holds, keypair, scratch, tap, true
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import authorized
from adit_test.rogue import (DISCONNECT, USERAUTH_FAILURE, USERAUTH_REQUEST, Rogue, numbers, text)
from adit_test.sshd import Sshd

PASSWORD, CODE = "the tunnel's password", "314159"
NO_AGENT = "IdentityAgent=none"


def several_steps(silence):
    """AuthenticationMethods: what succeeded in part can be needed again."""
    first, second = keypair("first"), keypair("second")
    keyboard = {"KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}
    both = {"KbdInteractiveAuthentication": "yes"}
    cases = [
        # (methods, options of the server, keys of -i, answers, whether it is a login)
        ("publickey,publickey", {}, [first, second], [], True),
        ("publickey,publickey", {}, [first], [], False),
        ("publickey,publickey,publickey", {}, [first, second], [], False),
        ("publickey,password", {}, [first], [PASSWORD], True),
        ("password,publickey", {}, [first], [PASSWORD], True),
        ("publickey,keyboard-interactive", keyboard, [first], [PASSWORD, CODE], True),
        ("keyboard-interactive,publickey", keyboard, [first], [PASSWORD, CODE], True),
        ("keyboard-interactive,password", both, [], [PASSWORD] * 2, True),
        ("password,keyboard-interactive", both, [], [PASSWORD] * 2, True),
        ("keyboard-interactive,keyboard-interactive", keyboard, [],
         [PASSWORD, CODE, PASSWORD, CODE], True),
        ("publickey,keyboard-interactive,publickey", keyboard, [first, second],
         [PASSWORD, CODE], True),
        ("publickey,password,publickey", {}, [first, second], [PASSWORD], True),
        ("publickey,publickey,keyboard-interactive", keyboard, [first, second], [PASSWORD, CODE],
         True),
        ("publickey,publickey password", {}, [first], [PASSWORD], True),
        ("publickey,keyboard-interactive", keyboard, [first],
         ["wrong", PASSWORD, "000000", PASSWORD, CODE], True),
        ("publickey,keyboard-interactive", keyboard, [first], ["1", "2", "3", "4"], False),
        ("password,password", {}, [], [PASSWORD] * 2, True),
    ]
    for methods, options, keys, answers, comes in cases:
        with Sshd(password=PASSWORD, code=CODE if CODE in answers else None, options={
                **options, "AuthenticationMethods": methods,
                "AuthorizedKeysFile": authorized(first, second)}) as sshd, \
                tap.case(f"{methods}: {len(keys)} keys, {len(answers)} answers"):
            adit, _ = side_by_side(sshd, silence, NO_AGENT, "IdentitiesOnly=yes", keys=keys or [
                scratch("none")], answers=answers)
            equal(adit.came, comes, f"a login ({adit.said!r})")


def too_many(silence):
    """The server has had enough."""
    foreign = [keypair(f"foreign{n}") for n in range(9)]
    with Sshd() as sshd:
        with tap.case("nine foreign keys on the command line: too many failures, at once"):
            adit, _ = side_by_side(sshd, silence, NO_AGENT, "IdentitiesOnly=yes", keys=foreign)
            holds("Too many authentication failures", adit.said, "what it says")
            true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")
        with Agent(*foreign) as agent:
            with tap.case("an agent with nine foreign keys: the same"):
                adit, _ = side_by_side(sshd, silence, keys=[scratch("none")],
                                       SSH_AUTH_SOCK=agent.socket)
                holds("Too many authentication failures", adit.said, "what it says")
                true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")
            with tap.case("... and -i FILE: with IdentitiesOnly a login"):
                side_by_side(sshd, silence, "IdentitiesOnly=yes", SSH_AUTH_SOCK=agent.socket)
    with Sshd(password=PASSWORD, options={"MaxAuthTries": "2"}) as sshd, \
            tap.case("two wrong passwords where two are too many"):
        adit, _ = side_by_side(sshd, silence, NO_AGENT, keys=[scratch("none")],
                               answers=["a", "b", "c"])
        holds("Too many authentication failures", adit.said, "what it says")
        true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")


def hang_ups(silence):
    """A server that disconnects in the middle: its words, at once."""

    def with_words(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(USERAUTH_FAILURE, text("publickey,password"), b"\0")
        session.expect(USERAUTH_REQUEST)
        session.send(DISCONNECT, numbers(11), text("maintenance until noon \033[31m\u009b31m"),
                     text(""))
        session.linger()

    def at_service(session):
        session.send(DISCONNECT, numbers(2), text("no more of you"), text(""))
        session.linger()

    def at_none(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(DISCONNECT, numbers(14), text("No supported authentication methods"), text(""))
        session.linger()

    def without_words(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(USERAUTH_FAILURE, text("publickey,password"), b"\0")
        session.expect(USERAUTH_REQUEST)

    for name, scenario, words in (("in the middle", with_words, "maintenance until noon"),
                                  ("before the service", at_service, "no more of you"),
                                  ("after none", at_none, "No supported authentication methods"),
                                  ("without words", without_words, None)):
        class Place(Rogue):
            process = None

        with Place(scenario) as rogue, tap.case(f"a server that hangs up {name}"):
            adit, _ = side_by_side(rogue, silence, NO_AGENT, "IdentitiesOnly=yes",
                                   answers=[PASSWORD] * 3)
            true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")
            if words:
                holds(words, adit.said, "what it says")
            true("\033" not in adit.said and "\u009b" not in adit.said,
                 f"no control characters: {adit.said!r}")


def main():
    silence = Silence()
    for part in (several_steps, too_many, hang_ups):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part(silence)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Logins beside ssh(1): with the same files, the same command line and the same server adit's
verdict, its questions and what the server sees of it are those of ssh."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Agent, certify, equal, false, holds, keypair, sanitized, scratch, tap, true)
from adit_test.as_ssh import Silence, side_by_side
from adit_test.agents import Filter
from adit_test.keys import public
from adit_test.rogue import (DISCONNECT, USERAUTH_FAILURE, USERAUTH_REQUEST, Rogue, numbers, text)
from adit_test.sshd import Sshd

PASSWORD, CODE = "the tunnel's password", "314159"
PASSPHRASE = "open sesame"
NO_AGENT = "IdentityAgent=none"


def authorized(*keys):
    return scratch("authorized_keys", "".join(f"{public(key)}\n" for key in keys), 0o644)


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


def switches(silence):
    """What ssh_config says of methods, for passwords and for questions."""
    cases = [
        ([], [PASSWORD]),
        ([], ["a", "b", PASSWORD]),
        ([], ["a", "b", "c", PASSWORD]),
        (["NumberOfPasswordPrompts=1"], ["a", PASSWORD]),
        (["NumberOfPasswordPrompts=0"], [PASSWORD]),
        (["PasswordAuthentication=no"], [PASSWORD]),
        (["KbdInteractiveAuthentication=no"], [PASSWORD]),
        (["KbdInteractiveAuthentication=no", "PasswordAuthentication=no"], [PASSWORD]),
        (["PubkeyAuthentication=no"], [PASSWORD]),
        (["BatchMode=yes"], [PASSWORD]),
        (["PreferredAuthentications=password"], [PASSWORD]),
        (["PreferredAuthentications=password,keyboard-interactive"], ["a", "b", "c", PASSWORD]),
        (["PreferredAuthentications=nonesuch"], [PASSWORD]),
        (["PreferredAuthentications=publickey"], [PASSWORD]),
        ([], []),
        ([], [""]),
    ]
    for server in ({"KbdInteractiveAuthentication": "yes"},
                   {"KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}, {}):
        with Sshd(password=PASSWORD, options={**server, "MaxAuthTries": "20"}) as sshd:
            what = ", ".join(f"{key} {value}" for key, value in server.items()) or "password"
            for options, answers in cases:
                with tap.case(f"a server with {what}; {' '.join(options)}; answers {answers}"):
                    # (Where nobody answers, ssh sends an empty password and asks again.)
                    differs = () if PASSWORD in answers else ("asked", "seen")
                    side_by_side(sshd, silence, NO_AGENT, *options, keys=[scratch("none")],
                                 answers=answers, differs=differs)


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


def agents(silence):
    first, second, third = keypair("first"), keypair("second"), keypair("third")
    with Sshd(user_key=second) as sshd, Agent(first, second, third) as agent:
        def three(name, *options, **keys):
            with tap.case(f"an agent with three keys: {name}"):
                side_by_side(sshd, silence, *options, SSH_AUTH_SOCK=agent.socket, **keys)

        three("no -i", keys=[scratch("none")])
        three("-i of the second", keys=[second])
        three("-i of the third and the second", keys=[third, second])
        three("-i of public halves, third and first", keys=[f"{third}.pub", f"{first}.pub"])
        three("-i and IdentitiesOnly", "IdentitiesOnly=yes", keys=[third, second])
        three("-i of a foreign key, IdentitiesOnly", "IdentitiesOnly=yes", keys=[keypair("other")])
        three("IdentityAgent", f"IdentityAgent={agent.socket}", keys=[scratch("none")])
        three("IdentityAgent none", NO_AGENT, keys=[scratch("none")])
        three("PubkeyAcceptedAlgorithms of another kind",
             "PubkeyAcceptedAlgorithms=rsa-sha2-512", keys=[scratch("none")])
    with Sshd(user_key=second) as sshd, Agent(first, second) as agent:
        name = "an agent that refuses to sign with one key: the next one logs in"
        if sanitized():
            tap.leave_out(name, "libssh 0.10 loses 152 bytes where an agent signs twice")
        else:
            with Filter(agent, refuses=[first]) as picky, \
                    Sshd(options={"AuthorizedKeysFile": authorized(first, second)}) as both, \
                    tap.case(name):
                side_by_side(both, silence, keys=[scratch("none")], SSH_AUTH_SOCK=picky.socket)
        with Filter(agent, refuses=[second]) as picky, \
                tap.case("an agent that refuses the only right key: no login"):
            side_by_side(sshd, silence, keys=[scratch("none")], SSH_AUTH_SOCK=picky.socket)
        with Filter(agent, refuses=[second]) as picky, \
                Sshd(user_key=second, password=PASSWORD) as with_password, \
                tap.case("an agent that refuses the only right key: a password"):
            side_by_side(with_password, silence, keys=[scratch("none")], answers=[PASSWORD],
                         SSH_AUTH_SOCK=picky.socket)
        with Filter(agent, hangs_up_at=second) as picky, \
                Sshd(user_key=second, password=PASSWORD) as with_password, \
                tap.case("an agent that ends when it shall sign: a password"):
            side_by_side(with_password, silence, keys=[scratch("none")], answers=[PASSWORD],
                         SSH_AUTH_SOCK=picky.socket)
        for value in ("$ADIT_TEST_UNSET", "$ADIT_TEST_EMPTY"):
            with tap.case(f"IdentityAgent {value}, which is not set, while SSH_AUTH_SOCK is"):
                side_by_side(sshd, silence, f"IdentityAgent={value}", keys=[scratch("none")],
                             SSH_AUTH_SOCK=agent.socket, ADIT_TEST_EMPTY="")
        home = scratch("home")
        os.makedirs(f"{home}/.ssh")
        os.symlink(second, f"{home}/.ssh/id_ed25519")
        for value in ("none", "/nonexistent/key"):
            for options in ([NO_AGENT], ["IdentitiesOnly=yes"]):
                with tap.case(f"IdentityFile {value}, {options[0]}: no key in ~/.ssh either"):
                    adit, _ = side_by_side(sshd, silence, f"IdentityFile={value}", *options,
                                           keys=[], SSH_AUTH_SOCK=agent.socket, HOME=home)
                    false(adit.came, "a login")
        with tap.case("an agent that is gone: -i logs in"):
            side_by_side(sshd, silence, SSH_AUTH_SOCK=scratch("gone"))


def formats(silence):
    """Files that libssh cannot read, or can."""
    good = keypair("good")
    with Sshd(user_key=good) as sshd, Agent(good) as agent:
        for name, arguments in (
                ("RSA in PEM", ["-t", "rsa", "-m", "PEM"]), ("ECDSA in PEM", [
                    "-t", "ecdsa", "-m", "PEM"]), ("RSA in PKCS#8", ["-t", "rsa", "-m", "PKCS8"]),
                ("ECDSA in PKCS#8", ["-t", "ecdsa", "-m", "PKCS8"])):
            for passphrase in ("", PASSPHRASE):
                path = scratch("key")
                subprocess.run(["ssh-keygen", "-q", *arguments, "-N", passphrase, "-f", path],
                               check=True)
                with Sshd(user_key=path) as other, \
                        tap.case(f"{name}{', encrypted' if passphrase else ''}"):
                    side_by_side(other, silence, NO_AGENT, keys=[path], answers=["no", PASSPHRASE])
        for cipher in ("aes128-ctr", "aes256-cbc"):
            path = scratch("key")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-Z", cipher, "-N", PASSPHRASE,
                            "-f", path], check=True)
            with Sshd(user_key=path) as other, tap.case(f"encrypted with {cipher}"):
                side_by_side(other, silence, NO_AGENT, keys=[path], answers=["no", PASSPHRASE])
        locked = scratch("key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-Z", "aes256-gcm@openssh.com", "-N",
                        PASSPHRASE, "-f", locked], check=True)
        with tap.case("a key that libssh cannot decrypt, and a good one"):
            side_by_side(sshd, silence, NO_AGENT, keys=[locked, good], answers=["", ""],
                         differs=("asked", "seen"))
        with Sshd(user_key=locked) as other, Agent() as holder:
            subprocess.run(["ssh-add", "-q", locked], check=True, stdin=subprocess.DEVNULL, env={
                **os.environ, "SSH_AUTH_SOCK": holder.socket, "SSH_ASKPASS_REQUIRE": "force",
                "SSH_ASKPASS": scratch("askpass", f"#!/bin/sh\necho {PASSPHRASE}\n", 0o755)})
            with tap.case("a key that libssh cannot decrypt goes by the agent"):
                side_by_side(other, silence, keys=[locked], SSH_AUTH_SOCK=holder.socket)
        pkcs8 = scratch("key")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pkcs8], check=True,
                       capture_output=True)
        os.chmod(pkcs8, 0o600)
        with tap.case("Ed25519 in PKCS#8, and a good one"):
            side_by_side(sshd, silence, NO_AGENT, keys=[pkcs8, good], differs=("seen",))
        open_key = keypair("open")
        os.chmod(open_key, 0o644)
        with Sshd(user_key=open_key) as other, \
                tap.case("a key that others may read is not used"):
            adit, _ = side_by_side(other, silence, NO_AGENT, keys=[open_key])
            holds("0644", adit.said, "what it says")
            holds("too open", adit.said, "what it says")
        with tap.case("... but by the agent it is"):
            os.chmod(good, 0o644)
            side_by_side(sshd, silence, SSH_AUTH_SOCK=agent.socket)
            os.chmod(good, 0o600)
        with tap.case("a key of which only the public half is there, and no agent"):
            half = scratch("half")
            os.symlink(f"{good}.pub", f"{half}.pub")
            side_by_side(sshd, silence, NO_AGENT, keys=[half])
        with tap.case("... and an agent"):
            side_by_side(sshd, silence, keys=[half], SSH_AUTH_SOCK=agent.socket)


def certificates(silence):
    authority, key, other = keypair("authority"), keypair("certified"), keypair("other")
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    with Sshd(options={"TrustedUserCAKeys": trust, "AuthorizedKeysFile": "none"}) as sshd:
        certificate = certify(authority, key, sshd.user)
        elsewhere = scratch("elsewhere.pub")
        os.rename(certificate, elsewhere)
        with tap.case("CertificateFile"):
            side_by_side(sshd, silence, NO_AGENT, f"CertificateFile={elsewhere}", keys=[key])
        with tap.case("CertificateFile of another key"):
            side_by_side(sshd, silence, NO_AGENT, f"CertificateFile={elsewhere}", keys=[other],
                         differs=("seen",))
        with tap.case("CertificateFile, and the key in an agent only"), Agent(key) as agent:
            side_by_side(sshd, silence, f"CertificateFile={elsewhere}", keys=[scratch("none")],
                         SSH_AUTH_SOCK=agent.socket)
        with tap.case("... and IdentitiesOnly"), Agent(other, key) as agent:
            side_by_side(sshd, silence, "IdentitiesOnly=yes", f"CertificateFile={elsewhere}",
                         keys=[f"{key}.pub"], SSH_AUTH_SOCK=agent.socket)
        with tap.case("a certificate in KEY-cert.pub"):
            os.symlink(elsewhere, f"{key}-cert.pub")
            side_by_side(sshd, silence, NO_AGENT, keys=[key])
        with tap.case("a certificate in an agent, beside the key"), Agent(key) as agent:
            side_by_side(sshd, silence, keys=[scratch("none")], SSH_AUTH_SOCK=agent.socket)
        os.unlink(f"{key}-cert.pub")
        with tap.case("a certificate in KEY.pub"):
            moved = scratch("moved")
            os.symlink(key, moved)
            os.symlink(elsewhere, f"{moved}.pub")
            side_by_side(sshd, silence, NO_AGENT, keys=[moved])


def words(silence):
    """What a server tells a person: a banner, and why an account is closed."""
    banner = scratch("banner", b"Ask \033[31mthe \xc2\x9bowner\x07 first.\nUn caf\xc3\xa9.\n",
                     0o644)
    with Sshd(options={"Banner": banner}) as sshd:
        with tap.case("a banner is shown, without control characters"):
            adit, _ = side_by_side(sshd, silence, NO_AGENT)
            holds("(?s)Ask .*the .*owner.* first\\..*Un café\\.", adit.said, "what it says")
            true(not any(c in adit.said for c in "\033\u009b\x07"), f"as it is: {adit.said!r}")
        for options in (["LogLevel=ERROR"], ["LogLevel=QUIET"]):
            with tap.case(f"a banner is not shown with {options[0]}"):
                adit, _ = side_by_side(sshd, silence, NO_AGENT, *options)
                equal(adit.said, "", "what it says")
    with Sshd(password=PASSWORD, account="This account is closed until June.") as sshd, \
            tap.case("a PAM account that is refused: the reason is told, at once"):
        adit, _ = side_by_side(sshd, silence, NO_AGENT)
        holds("This account is closed until June\\.", adit.said, "what it says")
        true(adit.seconds < 10, f"it took {adit.seconds:.1f} s")


def main():
    silence = Silence()
    for part in (several_steps, switches, too_many, hang_ups, agents, formats, certificates,
                 words):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part(silence)


tap.run(main)

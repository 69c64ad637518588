#!/usr/bin/env -S python3 -B
"""An agent's keys beside ssh(1): every kind of key, with and without a certificate, which keys are
offered and in what order, keys that the agent gives up, and agents that refuse."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Agent, certify, equal, false, holds, keypair, run_adit, sanitized, scratch,
                       tap, true)
from adit_test.agents import Filter
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import authorized, fingerprint, public
from adit_test.sshd import Sshd

PASSWORD = "the tunnel's password"
KINDS = ("ed25519", "ecdsa", "rsa")


def ssh_add(agent, *words):
    subprocess.run(["ssh-add", "-q", *words], check=True, stdin=subprocess.DEVNULL,
                   capture_output=True, env={**os.environ, "SSH_AUTH_SOCK": agent.socket})


def half(key):
    """The public half of a key, somewhere else: the agent has the private one."""
    path = scratch("half")
    os.symlink(f"{key}.pub", f"{path}.pub")
    return f"{path}.pub"


def kinds(silence):
    """Each kind of key by the agent alone, named by its public half; then with a certificate."""
    authority = keypair("authority")
    keys = {kind: keypair(kind, kind=kind) for kind in KINDS}
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    with Sshd(options={"AuthorizedKeysFile": authorized(*keys.values()),
                       "MaxAuthTries": "64"}) as sshd, \
            Sshd(options={"AuthorizedKeysFile": "none", "TrustedUserCAKeys": trust}) as certified, \
            Agent(*keys.values()) as agent:
        with tap.case("a login with what the agent has"):
            adit, _ = side_by_side(sshd, silence, keys=[scratch("none")],
                                   SSH_AUTH_SOCK=agent.socket)
            true(adit.came, "a login")
        for kind, key in keys.items():
            with tap.case(f"{kind}: the agent's key, by its public half"):
                adit, _ = side_by_side(sshd, silence, "IdentitiesOnly=yes", keys=[half(key)],
                                       SSH_AUTH_SOCK=agent.socket)
                equal(adit.seen, [f"publickey {fingerprint(key)} accepted"], "what the server saw")
            with tap.case(f"{kind}: a certificate in a file, the key in the agent"):
                adit, _ = side_by_side(
                    certified, silence, "IdentitiesOnly=yes",
                    f"CertificateFile={certify(authority, key, certified.user)}",
                    keys=[half(key)], SSH_AUTH_SOCK=agent.socket)
                true(adit.came, f"a login ({adit.said!r})")


def removed(silence):
    """What is taken from the agent between two logins is not there for the second."""
    first, second = keypair("first"), keypair("second")
    with Sshd(options={"AuthorizedKeysFile": authorized(first, second)}) as sshd, \
            Agent(first, second) as agent:
        def login(what, comes):
            with tap.case(what):
                adit, _ = side_by_side(sshd, silence, keys=[scratch("none")],
                                       SSH_AUTH_SOCK=agent.socket)
                equal(adit.came, comes, f"a login ({adit.said!r})")

        ssh_add(agent, "-d", first)
        login("one of two keys is removed: the other", True)
        ssh_add(agent, "-D")
        login("all keys are removed: no login", False)
        ssh_add(agent, second)
        login("a key is added again", True)
    with Sshd() as sshd:
        with tap.case("an agent that is gone: -i logs in"):
            side_by_side(sshd, silence, SSH_AUTH_SOCK=scratch("gone"))
        with tap.case("... and without -i there is no login"):
            side_by_side(sshd, silence, keys=[scratch("none")], SSH_AUTH_SOCK=scratch("gone"))


def order(silence):
    """Which of an agent's keys are offered."""
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
        three("IdentityAgent none", "IdentityAgent=none", keys=[scratch("none")])
        three("PubkeyAcceptedAlgorithms of another kind",
              "PubkeyAcceptedAlgorithms=rsa-sha2-512", keys=[scratch("none")])
        for value in ("$ADIT_TEST_UNSET", "$ADIT_TEST_EMPTY"):
            three(f"IdentityAgent {value}, which is not set, while SSH_AUTH_SOCK is",
                  f"IdentityAgent={value}", keys=[scratch("none")], ADIT_TEST_EMPTY="")
        home = scratch("home")
        os.makedirs(f"{home}/.ssh")
        os.symlink(second, f"{home}/.ssh/id_ed25519")
        for value in ("none", "/nonexistent/key"):
            for option in ("IdentityAgent=none", "IdentitiesOnly=yes"):
                with tap.case(f"IdentityFile {value}, {option}: no key in ~/.ssh either"):
                    adit, _ = side_by_side(sshd, silence, f"IdentityFile={value}", option,
                                           keys=[], SSH_AUTH_SOCK=agent.socket, HOME=home)
                    false(adit.came, "a login")


def refusals(silence):
    """Agents that refuse to sign, or end."""
    first, second = keypair("first"), keypair("second")
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
        for what, how in (("refuses the only right key", {"refuses": [second]}),
                          ("ends when it shall sign", {"hangs_up_at": second})):
            with Filter(agent, **how) as picky, \
                    Sshd(user_key=second, password=PASSWORD) as with_password, \
                    tap.case(f"an agent that {what}: a password"):
                side_by_side(with_password, silence, keys=[scratch("none")], answers=[PASSWORD],
                             SSH_AUTH_SOCK=picky.socket)


def forwarding():
    """A tunnel forwards no agent, and says so where it is asked to."""
    for words in (("-A",), ("-o", "ForwardAgent=yes"), ("-o", "ForwardAgent=/run/agent")):
        with tap.case(f"{' '.join(words)}: a warning, as adit(8) says"):
            done = run_adit("--dump", "-F", "none", *words, "h")
            equal(done.returncode, 0, "the status")
            holds("(?i)agent", done.stderr, "what it says")


def main():
    silence = Silence()
    kinds(silence)
    removed(silence)
    order(silence)
    refusals(silence)
    forwarding()


tap.run(main)

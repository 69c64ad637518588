#!/usr/bin/env -S python3 -B
"""Keys that an agent lends for certain hosts only (ssh-add -h), beside ssh(1)."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Agent, equal, fingerprint, holds, keypair, sanitized, scratch, tap,
                       true)
from adit_test.as_ssh import Silence, login, side_by_side
from adit_test.keys import authorized, known_hosts_lines
from adit_test.sshd import Sshd
from adit_test.variants import variant


OLD_KEX = ("diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256")


class Place:
    """Two servers, host_a and host_b, who may come to both, and an empty agent."""

    def __init__(self, key, silence):
        self.silence = silence
        self.key = key
        # (OpenSSH 10 offers finite-field groups only if it is told to.)
        self.hosts = {name: Sshd(user_key=key, options={"KexAlgorithms": "+" + ",".join(OLD_KEX)})
                      for name in ("host_a", "host_b")}
        self.known = scratch("known_hosts", "".join(
            known_hosts_lines(sshd.host_key, (name, 22)) for name, sshd in self.hosts.items()))
        self.agent = Agent()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.agent.process.kill()
        for sshd in self.hosts.values():
            sshd.stop()

    def add(self, *words, keep=False):
        """Adds a key to the agent, which has no other then, unless they are kept."""
        environment = {**os.environ, "SSH_AUTH_SOCK": self.agent.socket}
        commands = [["ssh-add", "-qD"], ["ssh-add", "-q", "-H", self.known, *words]]
        for command in commands[1:] if keep else commands:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True,
                           env=environment)

    def options(self, name):
        return (f"UserKnownHostsFile={self.known}", f"HostKeyAlias={name}",
                "StrictHostKeyChecking=yes")

    def by_both(self, name, *options, keys=None, **more):
        return side_by_side(self.hosts[name], self.silence, *self.options(name), *options,
                            keys=keys or [scratch("none")], SSH_AUTH_SOCK=self.agent.socket,
                            **more)


def restrictions(place):
    user = place.hosts["host_a"].user
    for words, hosts, comes in (
            ("every host", (), {"host_a", "host_b"}),
            ("host_a", ("-h", "host_a"), {"host_a"}),
            ("both hosts", ("-h", "host_a", "-h", "host_b"), {"host_a", "host_b"}),
            ("the user at host_a", ("-h", f"{user}@host_a"), {"host_a"}),
            ("any user at host_a", ("-h", "*@host_a"), {"host_a"}),
            ("another user at host_a", ("-h", "nobody-else@host_a"), set()),
            ("host_b by way of host_a", ("-h", "host_a", "-h", "host_a>host_b"), {"host_a"})):
        place.add(*hosts, place.key)
        for name in place.hosts:
            with tap.case(f"a key for {words}: {name}"):
                adit, _ = place.by_both(name)
                equal(adit.came, name in comes, f"a login ({adit.said!r})")


def key_exchanges(place):
    """The server's proof is found in each kind of key exchange, with each kind of host key."""
    place.add("-h", "host_a", place.key)
    for method in ("curve25519-sha256", "ecdh-sha2-nistp256", *OLD_KEX):
        with tap.case(f"a key for host_a: {method}"):
            adit, _ = place.by_both("host_a", f"KexAlgorithms={method}")
            true(adit.came, f"a login ({adit.said!r})")
    for kind in ("ecdsa", "rsa"):
        host_key = keypair("host_key", kind=kind)
        with Sshd(user_key=place.key, host_key=host_key) as sshd:
            known = scratch("known_hosts", known_hosts_lines(host_key, ("host_c", 22)))
            place.add("-H", known, "-h", "host_c", place.key)
            with tap.case(f"a key for a host whose own key is of the kind {kind}"):
                adit, _ = side_by_side(
                    sshd, place.silence, f"UserKnownHostsFile={known}", "HostKeyAlias=host_c",
                    keys=[scratch("none")], SSH_AUTH_SOCK=place.agent.socket)
                true(adit.came, f"a login ({adit.said!r})")


def other_keys(place):
    """A key that the agent does not lend here is lost alone."""
    other = keypair("other")
    place.add("-h", "host_b", other)
    place.add(place.key, keep=True)
    with Sshd(host_key=place.hosts["host_a"].host_key, user_key=place.key, options={
            "AuthorizedKeysFile": authorized(place.key, other)}) as sshd, \
            tap.case("a key for another host, then one for every host"):
        if sanitized():
            tap.diag("libssh 0.10 loses 152 bytes where an agent signs twice")
        else:
            adit, _ = side_by_side(sshd, place.silence, *place.options("host_a"),
                                   keys=[scratch("none")], SSH_AUTH_SOCK=place.agent.socket)
            equal(adit.seen, [f"publickey {fingerprint(place.key)} accepted"],
                  "what the server saw")
    place.add("-h", "host_a", place.key)
    with tap.case("the key's file is there, too"):
        adit, _ = place.by_both("host_a", keys=[place.key])
        true(adit.came, f"a login ({adit.said!r})")


def unseen(place):
    """Where libssh does not read by recv(2) of the program, the agent refuses, and it is said."""
    place.add("-h", "host_a", place.key)
    with variant("adit-unhooked"), tap.case("a libssh whose reads are not seen"):
        done = login("adit", place.hosts["host_a"], place.silence, *place.options("host_a"),
                     keys=[scratch("none")], SSH_AUTH_SOCK=place.agent.socket)
        equal(done.status, 255, "the status")
        holds("the agent refused to sign with key", done.said, "what it says")


def main():
    with Place(keypair("key"), Silence()) as place:
        restrictions(place)
        key_exchanges(place)
        other_keys(place)
        unseen(place)


tap.run(main)

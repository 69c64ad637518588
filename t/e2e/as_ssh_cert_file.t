#!/usr/bin/env -S python3 -B
"""Certificates that are named, or that lie beside their keys: adit finds and offers those that ssh
does, from files and with an agent. (The intent of OpenSSH's regress/cert-file.)"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Agent, certify, equal, keypair, scratch, tap
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import public
from adit_test.sshd import Sshd
from adit_test.together import Together

ONLY = "IdentitiesOnly=yes"


class Files:
    """Keys, and certificates of a trusted authority and of one that nobody knows.

    key, other     keys with their public halves; key has both certificates, other has none
    bare           a key without a public half, its certificate beside it
    orphan         a trusted certificate whose key is nowhere
    """

    def __init__(self, user):
        self.user = user
        self.trusted, self.foreign = keypair("trusted"), keypair("foreign")
        self.key, self.other, self.bare, lost = (keypair(name) for name in (
            "key", "other", "bare", "lost"))
        self.good, self.bad = (self.elsewhere(authority, self.key) for authority in (
            self.trusted, self.foreign))
        self.orphan = self.elsewhere(self.trusted, lost)
        certify(self.trusted, self.bare, user)
        os.unlink(f"{self.bare}.pub")

    def elsewhere(self, authority, key):
        """A certificate where no program looks for it by itself."""
        path = scratch("certificate.pub")
        os.rename(certify(authority, key, self.user), path)
        return path


def certificate(*paths):
    return [f"CertificateFile={path}" for path in paths]


def from_files(files):
    """(name, keys of -i, options, whether it is a login)"""
    both = [files.key, files.other]
    return [
        ("a certificate beside a key without a public half", [files.bare], [], True),
        ("the same, the certificate named", [files.bare],
         certificate(f"{files.bare}-cert.pub"), True),
        ("keys without certificates", both, [], False),
        ("a certificate of an unknown authority", both, certificate(files.bad), False),
        ("a trusted certificate, but another key", [files.other], certificate(files.good), False),
        ("a trusted certificate", both, certificate(files.good), True),
        ("a trusted certificate behind an unknown one", both,
         certificate(files.bad, files.good), True),
        ("a trusted certificate before an unknown one", both,
         certificate(files.good, files.bad), True),
        ("a certificate whose key is nowhere", both, certificate(files.orphan), False),
        ("the same, and a trusted one", both, certificate(files.orphan, files.good), True),
        ("a certificate file that is not there", both, certificate(scratch("none")), False),
        ("a public key in the place of a certificate", both,
         certificate(f"{files.key}.pub"), False),
    ]


def with_agent(files):
    """The same, the keys in an agent and in no file."""
    return [
        ("an agent, and no certificate", [], False),
        ("an agent, and a certificate of an unknown authority", certificate(files.bad), False),
        ("an agent, and a trusted one too", certificate(files.bad, files.good), True),
        ("an agent, and a certificate whose key is nowhere", certificate(files.orphan), False),
    ]


def main():
    silence = Silence()
    with Sshd(start=False) as sshd:
        files = Files(sshd.user)
        sshd.configure(AuthorizedKeysFile=scratch(
            "authorized_keys", f"cert-authority {public(files.trusted)}\n", 0o644))
        sshd.start()
        together = Together()

        def add(name, comes, *options, **keys):
            def work():
                adit, _ = side_by_side(sshd, silence, *options, **keys)
                equal(adit.came, comes, f"a login ({adit.said!r})")

            together.add(name, work, alone=sshd)

        with Agent(files.other, files.key) as agent:
            for name, keys, options, comes in from_files(files):
                add(name, comes, ONLY, *options, keys=keys)
            for name, options, comes in with_agent(files):
                add(name, comes, *options, keys=[scratch("none")], SSH_AUTH_SOCK=agent.socket)
            together.tell()


tap.run(main)

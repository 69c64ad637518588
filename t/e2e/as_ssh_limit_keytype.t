#!/usr/bin/env -S python3 -B
"""A server that takes only some types of keys, for all users or for some: adit logs in with the
keys with which ssh logs in, and with no others. (The intent of OpenSSH's regress/limit-keytype.)"""

import functools
import getpass
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import certify, equal, keypair, scratch, tap, true
from adit_test.as_ssh import Silence, login, side_by_side
from adit_test.keys import public
from adit_test.sshd import Sshd
from adit_test.together import Together

PRINCIPAL = "lighthouse"
ED25519 = "ssh-ed25519"
RSA = "rsa-sha2-256,rsa-sha2-512"
CERTIFICATES = "*-cert-v01@openssh.com"


class Keys:
    """Two keys that the server has, one that has only a certificate, one that is unknown."""

    def __init__(self):
        authority = keypair("authority")
        self.ed25519, self.rsa = keypair("ed25519"), keypair("rsa", kind="rsa")
        self.certified, self.unknown = keypair("certified", kind="rsa"), keypair("unknown")
        # (Elsewhere, so that it is offered where it is named and only there.)
        self.certificate = scratch("certificate.pub")
        os.rename(certify(authority, self.certified, PRINCIPAL), self.certificate)
        self.server = {
            "AuthenticationMethods": "publickey",
            "AuthorizedKeysFile": scratch("authorized_keys", "".join(
                f"{public(key)}\n" for key in (self.ed25519, self.rsa)), 0o644),
            "TrustedUserCAKeys": f"{authority}.pub",
            "AuthorizedPrincipalsFile": scratch("principals", f"{PRINCIPAL}\n", 0o644)}

    def logins(self):
        """{name: (keys of -i, options)}"""
        return {"ed25519": ([self.ed25519], []), "rsa": ([self.rsa], []),
                "certificate": ([self.certified], [f"CertificateFile={self.certificate}"]),
                "unknown": ([self.unknown], [])}


def accepted(types):
    return {"PubkeyAcceptedAlgorithms": types}


def match(user, types):
    return {"Match": f"user {user}\n  PubkeyAcceptedAlgorithms {types}"}


def told_late():
    """Whether OpenSSH here tells a user of Match what it takes, in an extension of its own."""
    with open(shutil.which("ssh"), "rb") as program:
        return b"ext-info-in-auth@openssh.com" in program.read()


def alike(sshd, silence, files, words, comes):
    adit, _ = side_by_side(sshd, silence, "IdentitiesOnly=yes", *words, keys=files)
    equal(adit.came, comes, f"a login ({adit.said!r})")


def not_told(sshd, silence, files, words, _comes):
    """libssh has not that extension: adit(8) says that RSA keys are not offered then."""
    ssh, adit = (login(program, sshd, silence, "IdentitiesOnly=yes", *words, keys=files)
                 for program in ("ssh", "adit"))
    true(ssh.came, f"ssh logs in ({ssh.said!r})")
    equal(adit.status, 255, f"adit's exit status ({adit.said!r})")
    equal(adit.seen, [], "keys that adit offered")


def main():
    silence, keys, me = Silence(), Keys(), getpass.getuser()
    cases = [
        # (what the server takes, its options, the keys that log in)
        ("every type", {}, ["ed25519", "rsa", "certificate"]),
        ("Ed25519 and RSA", accepted(f"{RSA},{ED25519}"), ["ed25519", "rsa"]),
        ("Ed25519", accepted(ED25519), ["ed25519"]),
        ("certificates", accepted(CERTIFICATES), ["certificate"]),
        ("RSA, and Ed25519 of a user that is not there",
         {**accepted(RSA), **match(f"x{me}", f"+{ED25519}")}, ["rsa"]),
        ("Ed25519, and of this user the usual ones too",
         {**accepted(ED25519), **match(me, f"+{ED25519}")}, ["ed25519", "rsa", "certificate"]),
        ("every type, and of this user RSA by SHA-512", match(me, "rsa-sha2-512"), ["rsa"]),
    ]
    # The server names RSA to nobody before it knows the user.
    later = {(cases[5][0], name) for name in ("rsa", "certificate")} if told_late() else ()
    servers, together = [], Together()
    try:
        for what, options, good in cases:
            servers.append(Sshd(options={**keys.server, **options}))
            for name, (files, words) in keys.logins().items():
                compare = not_told if (what, name) in later else alike
                together.add(f"a server that takes {what}: {name}", functools.partial(
                    compare, servers[-1], silence, files, words, name in good), alone=servers[-1])
        together.tell()
    finally:
        for sshd in servers:
            sshd.stop()


tap.run(main)

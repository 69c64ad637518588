#!/usr/bin/env -S python3 -B
"""Certificates of users, of every type of key: where the server's principals, dates, addresses and
lists of revoked keys let ssh in, they let adit in. (The intent of OpenSSH's regress/cert-userkey;
its commands mean nothing to a tunnel.)"""

import contextlib
import getpass
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, keypair, scratch, tap
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import public
from adit_test.sshd import Sshd
from adit_test.together import Together

ME = getpass.getuser()
GUEST = "lighthouse"
KINDS = {"ed25519": ["ed25519"], "ecdsa-256": ["ecdsa", "-b", "256"],
         "ecdsa-384": ["ecdsa", "-b", "384"], "ecdsa-521": ["ecdsa", "-b", "521"],
         "rsa": ["rsa", "-b", "2048"]}
SIGNED_BY = ("rsa-sha2-256", "rsa-sha2-512")


def sign(authority, key, *options):
    """A copy of the key with a certificate beside it; returns the copy's path."""
    copy = scratch("certified")
    for suffix in ("", ".pub"):
        shutil.copy(key + suffix, copy + suffix)
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "a user of the test", *options,
                    f"{copy}.pub"], check=True, stdin=subprocess.DEVNULL)
    return copy


class Scene:
    """The authority, keys, servers that trust it, and cases for them."""

    def __init__(self, stack):
        self.stack = stack
        self.silence = Silence()
        self.authority = keypair("authority", kind="rsa")
        self.keys = {}
        for name, arguments in KINDS.items():
            self.keys[name] = scratch(name)
            subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", *arguments, "-f", self.keys[name]],
                           check=True, stdin=subprocess.DEVNULL)
        self.trusted = {"TrustedUserCAKeys": f"{self.authority}.pub", "AuthorizedKeysFile": "none"}
        self.together = Together()

    def authorized(self, options):
        """What has sshd read the authority from authorized_keys, with options there."""
        line = ",".join(filter(None, ("cert-authority", options)))
        return {"AuthorizedKeysFile": scratch(
            "authorized_keys", f"{line} {public(self.authority)}\n", 0o644)}

    def server(self, **options):
        return self.stack.enter_context(Sshd(options=options))

    def add(self, name, sshd, key, comes, *options):
        def work():
            adit, _ = side_by_side(sshd, self.silence, "IdentitiesOnly=yes", *options, keys=[key])
            equal(adit.came, comes, f"a login ({adit.said!r})")

        self.together.add(name, work, alone=sshd)


def types(scene):
    """Every type of key, and of signature of the authority."""
    trusting, listing = scene.server(**scene.trusted), scene.server(**scene.authorized(""))
    guests = scene.server(**scene.trusted, AuthorizedPrincipalsFile=scratch(
        "principals", f"{GUEST}\n", 0o644))
    for name, key in scene.keys.items():
        mine, other = sign(scene.authority, key, "-n", ME), sign(scene.authority, key, "-n", GUEST)
        if name in ("ed25519", "rsa"):
            scene.add(f"{name}: cert-authority", listing, mine, True)
        scene.add(f"{name}: a principal of AuthorizedPrincipalsFile", guests, other, True)
        scene.add(f"{name}: a certificate by itself", trusting,
                  sign(key, key, "-n", ME), False)
        pattern = {"ed25519": "ssh-ed25519", "rsa": "rsa-sha2"}.get(name, "ecdsa") + "*-cert-*"
        scene.add(f"{name}: PubkeyAcceptedAlgorithms {pattern}", trusting, mine, True,
                  f"PubkeyAcceptedAlgorithms={pattern}")
    for signature in SIGNED_BY:
        scene.add(f"RSA, signed by the authority with {signature}", trusting,
                  sign(scene.authority, scene.keys["rsa"], "-n", ME, "-t", signature), True)
        scene.add(f"RSA, to log in with {signature}", trusting,
                  sign(scene.authority, scene.keys["rsa"], "-n", ME), True,
                  f"PubkeyAcceptedAlgorithms={signature}-cert-v01@openssh.com")
    scene.add("the authority's own key", trusting, scene.authority, False)


def principals(scene):
    """What the server wants of the certificate's principals."""
    key = scene.keys["ed25519"]
    for name, lines, comes in (
            ("a file that is not there", None, False), ("an empty file", "\n", False),
            ("another principal", "somebody\n", False), ("an option that is none",
                                                         f"blah {GUEST}\n", False),
            ("a principal with a command", f'command="false" {GUEST}\n', True),
            ("a principal that may not forward", f"no-port-forwarding {GUEST}\n", False)):
        path = scratch("principals", lines, 0o644)
        sshd = scene.server(**scene.trusted, AuthorizedPrincipalsFile=path)
        scene.add(f"AuthorizedPrincipalsFile: {name}", sshd,
                  sign(scene.authority, key, "-n", GUEST), comes)
    for wanted in ("somebody", GUEST):
        sshd = scene.server(**scene.authorized(f'principals="{wanted}"'))
        scene.add(f"principals={wanted}", sshd, sign(scene.authority, key, "-n", GUEST),
                  wanted == GUEST)
        scene.add(f"principals={wanted}, and a certificate for nobody", sshd,
                  sign(scene.authority, key), False)


def certificates(scene):
    """What the certificate itself says."""
    sshd = scene.server(**scene.trusted)
    for name, options, comes in (
            ("for this user", ["-n", ME], True), ("for several", ["-n", f"{GUEST},{ME}"], True),
            ("of a host", ["-n", ME, "-h"], False), ("for others", ["-n", "foo,*"], False),
            ("not valid yet", ["-n", ME, "-V", "20990101:20991231"], False),
            ("expired", ["-n", ME, "-V", "19800101:19900101"], False),
            ("valid for weeks", ["-n", ME, "-V", "-1w:+2w"], True),
            ("for an address", ["-n", ME, "-O", "source-address=127.0.0.0/8"], True),
            ("for other addresses", ["-n", ME, "-O", "source-address=10.0.0.0/8"], False),
            ("with a command", ["-n", ME, "-O", "force-command=false"], True),
            ("without forwarding", ["-n", ME, "-O", "no-port-forwarding"], False)):
        scene.add(f"a certificate {name}", sshd,
                  sign(scene.authority, scene.keys["ed25519"], *options), comes)


def revoked(scene):
    """RevokedKeys: a list of keys, a KRL, an empty KRL, the authority."""
    key = sign(scene.authority, scene.keys["rsa"], "-n", ME)
    krl, empty = scratch("krl"), scratch("krl")
    subprocess.run(["ssh-keygen", "-k", "-q", "-f", krl, f"{key}.pub"], check=True)
    subprocess.run(["ssh-keygen", "-k", "-q", "-f", empty], check=True)
    for name, path, comes in (
            ("the key, in a list", f"{key}.pub", False), ("the key, in a KRL", krl, False),
            ("nothing, in a KRL", empty, True),
            ("the authority", f"{scene.authority}.pub", False)):
        os.chmod(path, 0o644)
        scene.add(f"RevokedKeys has {name}", scene.server(**scene.trusted, RevokedKeys=path), key,
                  comes)


def main():
    with contextlib.ExitStack() as stack:
        scene = Scene(stack)
        for part in (types, principals, certificates, revoked):
            part(scene)
        scene.together.tell()


tap.run(main)

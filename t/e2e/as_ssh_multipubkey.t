#!/usr/bin/env -S python3 -B
"""A server that wants two public keys, beside ssh(1): one key is too few, a key and its own
certificate are one key, two keys are two; wherever sshd_config says so."""

import getpass
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import certify, equal, keypair, scratch, tap
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import authorized, public
from adit_test.sshd import Sshd


def apart(key, certificate):
    """KEY under another name, with its certificate beside it."""
    path = scratch("certified")
    os.symlink(key, path)
    os.symlink(f"{key}.pub", f"{path}.pub")
    os.symlink(certificate, f"{path}-cert.pub")
    return path


def servers(first, second, authority):
    """The places of sshd_config where two keys can be asked for, and what is authorized there:
    (words, options, whether it is a login with both keys and the certificate of the first)."""
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    both, one, two = authorized(first, second), authorized(first), authorized(second)
    for where, ask in (("for all", {"AuthenticationMethods": "publickey,publickey"}),
                       ("in a Match", {"AuthenticationMethods": "none",
                                       "PubkeyAuthentication": "no",
                                       "Match": "all\nPubkeyAuthentication yes\n"
                                                "AuthenticationMethods publickey,publickey"})):
        plain = {"AuthorizedKeysFile": one}
        yield f"{where}: one key of two", {**plain, **ask}, False
        trusted = {"TrustedUserCAKeys": trust}
        yield f"{where}: a key and its own certificate", {**plain, **trusted, **ask}, False
        yield f"{where}: two keys", {"AuthorizedKeysFile": both, **ask}, True
        yield f"{where}: a key and another's certificate", {
            "AuthorizedKeysFile": two, **trusted, **ask}, True


def main():
    silence = Silence()
    first, second, authority = keypair("first"), keypair("second"), keypair("authority")
    elsewhere = scratch("certificate.pub")
    os.rename(certify(authority, first, getpass.getuser()), elsewhere)
    certified = apart(first, elsewhere)
    for words, options, comes in servers(first, second, authority):
        with Sshd(options=options) as sshd, tap.case(words):
            adit, _ = side_by_side(sshd, silence, "IdentityAgent=none", "IdentitiesOnly=yes",
                                   keys=[certified, first, second])
            equal(adit.came, comes, f"a login ({adit.said!r})")


tap.run(main)

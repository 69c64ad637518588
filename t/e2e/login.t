#!/usr/bin/env -S python3 -B
"""How adit and an SSH server come to trust each other: host keys; keys, certificates, passwords."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, certify, config, equal, false, fingerprint, holds, keypair,
                       scratch, tap, true)
from adit_test.clients import refusal, works
from adit_test.keys import known_hosts, public
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

NO_SESSION = 1
PASSPHRASE = "open sesame, please"
PASSWORD = "the tunnel's password"


def comes_up(name, origin, sshd, env=None, **up):
    """One case: with these keys of the upstream there is a session, and the log holds no secret."""
    with tap.case(name):
        with Adit(config(sshd, up=up, gate={"log": "debug"}), name=f"adit: {name}",
                  env=env) as adit:
            true(works(adit.address, origin), "echo")
            log = adit.text()
            false(PASSPHRASE in log or PASSWORD in log, "a secret is in the log")


def stays_down(name, origin, sshd, *patterns, env=None, **up):
    """One case: there is no session; clients hear so after `hold`, and the log says why."""
    with tap.case(name):
        with Adit(config(sshd, up={"hold": "1s", **up}), name=f"adit: {name}", env=env) as adit:
            # so that the answer is about the failed attempt, not about one that still runs
            adit.wait_log(patterns[0])
            equal(refusal(adit.address, ANY, origin.port), NO_SESSION, "the answer")
            log = adit.text()
            for pattern in patterns:
                holds(pattern, log, "the log")
            false(PASSPHRASE in log or PASSWORD in log, "a secret is in the log")


def host_keys(origin):
    other = keypair("other_host_key")
    with Sshd() as sshd:
        place = (sshd.address, sshd.port)
        pin, wrong_pin = fingerprint(sshd.host_key), fingerprint(other)
        told, wrong_told = re.escape(pin), re.escape(wrong_pin)
        comes_up("strict: a known key", origin, sshd)
        stays_down("strict: a changed key is refused, with both fingerprints", origin, sshd,
                   told, wrong_told,
                   known_hosts=known_hosts(other, place))
        stays_down("strict: an unknown key is refused, with its fingerprint", origin, sshd,
                   told, known_hosts=scratch("known_hosts", ""))
        stays_down("strict: no known_hosts file at all", origin, sshd, told,
                   known_hosts=scratch("none"))
        fresh = scratch("known_hosts")
        comes_up("accept-new: an unknown key is taken", origin, sshd, host_key="accept-new",
                 known_hosts=fresh)
        with tap.case("... and written down"):
            with open(fresh, encoding="ascii") as written:
                true(public(sshd.host_key).split()[1] in written.read(), "the file has the key")
        comes_up("... and known from then on", origin, sshd, known_hosts=fresh)
        stays_down("accept-new: a changed key is refused", origin, sshd, told,
                   wrong_told, host_key="accept-new",
                   known_hosts=known_hosts(other, place))
        comes_up("a pin needs no known_hosts", origin, sshd, host_key=pin,
                 known_hosts=scratch("none"))
        comes_up("several pins", origin, sshd, host_key=f"{wrong_pin}, {pin}",
                 known_hosts=scratch("none"))
        stays_down("a wrong pin refuses even a known key", origin, sshd, told,
                   host_key=wrong_pin)
        comes_up("hashed known_hosts", origin, sshd, known_hosts=hashed(sshd))
        comes_up("one of several files", origin, sshd,
                 known_hosts=f"{scratch('none')}, {sshd.known_hosts}")


def hashed(sshd):
    path = scratch("hashed")
    shutil.copy(sshd.known_hosts, path)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    return path


def keys(origin):
    stranger = keypair("stranger")
    for kind in ("ed25519", "ecdsa", "rsa"):
        key = keypair(kind, kind=kind)
        with Sshd(user_key=key) as sshd:
            comes_up(f"a key: {kind}", origin, sshd)
    locked = keypair("locked", PASSPHRASE)
    with Sshd(user_key=locked) as sshd:
        comes_up("an encrypted key with passphrase_file", origin, sshd,
                 passphrase_file=scratch("passphrase", PASSPHRASE + "\n"))
        stays_down("an encrypted key with a wrong passphrase", origin, sshd,
                   r"(?i)passphrase|decrypt", passphrase_file=scratch("passphrase", "not it\n"))
        stays_down("an encrypted key without passphrase_file", origin, sshd,
                   r"(?i)passphrase|encrypted")
    with Sshd() as sshd:
        comes_up("the second of two keys", origin, sshd, identity=f"{stranger}, {sshd.user_key}")
        stays_down("a key the server does not know", origin, sshd, r"(?i)authenticat|denied",
                   identity=stranger)
        stays_down("a user the server does not know", origin, sshd, r"(?i)authenticat|denied",
                   user="nobody-of-that-name")
        with Agent(stranger, sshd.user_key) as agent:
            comes_up("an agent", origin, sshd, env={"SSH_AUTH_SOCK": agent.socket}, agent="yes",
                     identity=None)
        stays_down("an agent that is gone", origin, sshd, r"(?i)authenticat|denied|agent",
                   env={"SSH_AUTH_SOCK": agent.socket}, agent="yes", identity=None)


def certificates(origin):
    authority, key = keypair("authority"), keypair("certified")
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    with Sshd(options={"TrustedUserCAKeys": trust, "AuthorizedKeysFile": "none"}) as sshd:
        certificate = certify(authority, key, sshd.user)
        comes_up("a certificate beside its key", origin, sshd, identity=key)
        elsewhere = scratch("elsewhere-cert.pub")
        os.rename(certificate, elsewhere)
        comes_up("a certificate by its name", origin, sshd, identity=key, certificate=elsewhere)
        stays_down("the key without its certificate", origin, sshd, r"(?i)authenticat|denied",
                   identity=key)


def passwords(origin):
    good, wrong = scratch("password", PASSWORD + "\n"), scratch("password", "guess\n")
    ways = {"password": {"PasswordAuthentication": "yes", "KbdInteractiveAuthentication": "no"},
            "keyboard-interactive": {"PasswordAuthentication": "no",
                                     "KbdInteractiveAuthentication": "yes"}}
    for way, options in ways.items():
        with Sshd(password=PASSWORD, options={**options, "PubkeyAuthentication": "no"}) as sshd:
            comes_up(way, origin, sshd, password_file=good)
            stays_down(f"{way}: a wrong one", origin, sshd, r"(?i)authenticat|denied",
                       password_file=wrong)
    with Sshd(password=PASSWORD, options={"AuthenticationMethods": "publickey,password"}) as sshd:
        comes_up("a key and then a password", origin, sshd, password_file=good)


def main():
    with Origin(echo) as origin:
        host_keys(origin)
        keys(origin)
        certificates(origin)
        passwords(origin)


tap.run(main)

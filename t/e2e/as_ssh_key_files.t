#!/usr/bin/env -S python3 -B
"""Files of keys and certificates, beside ssh(1): formats that libssh cannot read, or can, modes, and
where a certificate may lie."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Agent, certify, holds, keypair, scratch, tap
from adit_test.as_ssh import Silence, side_by_side
from adit_test.keys import public
from adit_test.sshd import Sshd

PASSPHRASE = "open sesame"
NO_AGENT = "IdentityAgent=none"


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


def main():
    silence = Silence()
    for part in (formats, certificates):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part(silence)


tap.run(main)

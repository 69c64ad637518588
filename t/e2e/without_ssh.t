#!/usr/bin/env -S python3 -B
"""A machine without ssh(1), where libssh reads ssh_config: its lists of algorithms are what is proposed
and signed with, those of the command line go before them, and what neither has is adit's."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, certify, equal, holds, keypair, patience, scratch, tap, true,
                       wait_until)
from adit_test.gateway import binary, environment
from adit_test.keys import known_hosts_lines
from adit_test.recorder import Recorder
from adit_test.sshd import Sshd

LISTS = {
    "Ciphers": ("ciphers", "aes256-ctr,aes128-ctr"),
    "KexAlgorithms": ("kex", "ecdh-sha2-nistp384,curve25519-sha256"),
    "MACs": ("macs", "hmac-sha2-512,hmac-sha2-256"),
    "HostKeyAlgorithms": ("host keys", "rsa-sha2-512,ssh-ed25519"),
}


class Machine:
    """A server that records, and what a client of it has."""

    def __init__(self):
        self.rsa, self.key = keypair("rsa", kind="rsa"), keypair("key")
        self.nowhere = scratch("nowhere")
        os.mkdir(self.nowhere)

    def record(self, lines, *words, identity=None):
        """The record of one login with these lines of ssh_config, and options of the command line."""
        with Recorder({"rsa": self.rsa, "key": self.key}) as recorder:
            place = f"[{ANY}]:{recorder.port} " + " ".join(recorder.host_key.split())
            text = f"Host h\n  HostName {ANY}\n  Port {recorder.port}\n  User me\n"
            file = scratch("ssh_config", text + "".join(f"  {line}\n" for line in lines))
            done = subprocess.run(
                [binary(), "-F", file, "-i", identity or self.rsa, "-o",
                 f"UserKnownHostsFile={scratch('known', place)}", "-o", "IdentityAgent=none", *words,
                 "-W", "target.example:7", "h"], capture_output=True, check=False, encoding="utf-8",
                stdin=subprocess.DEVNULL, timeout=patience(60),
                env=environment(PATH=self.nowhere))
            equal(done.returncode, 0, f"the status ({done.stderr!r})")
            holds("there is no ssh on this machine", done.stderr, "what it says")
            wait_until(lambda: recorder.records and recorder.records[0].over.is_set(), "the end")
            return recorder.records[0]


def lists(machine):
    usual = machine.record([]).lists
    for keyword, (field, value) in LISTS.items():
        with tap.case(f"{keyword} of a file"):
            found = machine.record([f"{keyword} {value}"]).lists
            equal(found[field], value.split(","), "what is proposed")
            for other in usual:
                if not other.startswith(field):
                    equal(found[other], usual[other], other)
        with tap.case(f"{keyword} of another host: the usual list"):
            equal(machine.record(["", "Host other", f"{keyword} {value}"]).lists, usual, "the lists")
        with tap.case(f"{keyword} of the command line goes before the file's"):
            wanted = value.split(",")[1]
            found = machine.record([f"{keyword} {value}"], "-o", f"{keyword}={wanted}").lists
            equal(found[field], [wanted], "what is proposed")
    with tap.case("without any, adit's own: AES-GCM is there, and no certificate of a host"):
        true("aes128-gcm@openssh.com" in usual["ciphers"], usual["ciphers"])
        true(not [name for name in usual["host keys"] if "cert" in name], usual["host keys"])


def signatures(machine):
    for value, name in (("rsa-sha2-256", "rsa-sha2-256"), ("rsa-sha2-512", "rsa-sha2-512")):
        with tap.case(f"PubkeyAcceptedAlgorithms {value} of a file"):
            record = machine.record([f"PubkeyAcceptedAlgorithms {value}"])
            equal(record.auth[-1], f"publickey {name} rsa", "how it logs in")
    with tap.case("... and of the command line"):
        record = machine.record(["PubkeyAcceptedAlgorithms rsa-sha2-512"], "-o",
                                "PubkeyAcceptedAlgorithms=rsa-sha2-256")
        equal(record.auth[-1], "publickey rsa-sha2-256 rsa", "how it logs in")
    with tap.case("a certificate of RSA, without a list"):
        authority = keypair("authority")
        certify(authority, machine.rsa, "me")
        with Sshd(user_key=machine.rsa) as sshd:
            options = open(sshd.authorized_keys, "w", encoding="ascii")
            with options, open(f"{authority}.pub", encoding="ascii") as key:
                options.write(f'cert-authority,principals="me" {key.read()}')
            file = scratch("ssh_config", f"Host h\n  HostName {ANY}\n  Port {sshd.port}\n")
            known = scratch("known", known_hosts_lines(sshd.host_key, (ANY, sshd.port)))
            done = subprocess.run(
                [binary(), "-F", file, "-i", machine.rsa, "-o", f"UserKnownHostsFile={known}", "-o",
                 "IdentityAgent=none", "-W", f"{ANY}:{sshd.port}", "h"], capture_output=True,
                check=False, stdin=subprocess.DEVNULL, timeout=patience(60),
                env=environment(PATH=machine.nowhere))
            equal(done.returncode, 0, f"the status ({done.stderr!r})")
            true(sshd.process.find("Accepted publickey .* RSA-CERT"), "a login by the certificate")


def main():
    machine = Machine()
    lists(machine)
    signatures(machine)


tap.run(main)

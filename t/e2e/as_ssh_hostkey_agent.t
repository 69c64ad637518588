#!/usr/bin/env -S python3 -B
"""A server whose host keys are in an agent, beside ssh(1): every kind of key, several at once, and
with host certificates, where adit(8) says what differs."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import subprocess

from adit_test import Agent, equal, holds, keypair, sanitized, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, Silence, login, side_by_side
from adit_test.keys import known_hosts_lines, public
from adit_test.sshd import Sshd

KINDS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "rsa-sha2-512"}


def keys_of_agent():
    """Keys of each kind, certified; an agent that alone has their private halves."""
    authority = keypair("authority")
    keys = {kind: keypair(kind, kind=kind) for kind in KINDS}
    for key in keys.values():
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-h", "-I", "adit test", "-n",
                        "the-alias", f"{key}.pub"], check=True, stdin=subprocess.DEVNULL)
    agent = Agent()
    for key in keys.values():
        subprocess.run(["ssh-add", "-qk", key], check=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "SSH_AUTH_SOCK": agent.socket})
        os.unlink(key)
    return keys, authority, agent


def server(agent, *keys, **options):
    return Sshd(host_key=keys[0], options={
        "HostKeyAgent": agent.socket, "HostKey": [f"{key}.pub" for key in keys], **options})


def certificates(silence, keys, authority, agent):
    """Only the authority is known: adit has an ssh carry its sessions, which asks for a certificate."""
    known = scratch("known_hosts", f"@cert-authority the-alias {public(authority)}\n")
    here = (f"UserKnownHostsFile={known}", "HostKeyAlias=the-alias", "StrictHostKeyChecking=yes")
    with server(agent, *keys.values(),
                HostCertificate=[f"{key}-cert.pub" for key in keys.values()]) as sshd:
        with tap.case("only the host certificates' authority is known: both log in"):
            adit, _ = side_by_side(sshd, silence, *here)
            true(adit.came, f"a login ({adit.said!r})")
        with open(known, "a", encoding="ascii") as more:
            more.write(known_hosts_lines(keys["ecdsa"], ("the-alias", 22)))
        with tap.case("the authority and one of the keys are known: both log in"):
            adit, _ = side_by_side(sshd, silence, *here)
            true(adit.came, f"a login ({adit.said!r})")


def main():
    silence = Silence()
    keys, authority, agent = keys_of_agent()
    with agent:
        for kind, algorithm in KINDS.items():
            with server(agent, keys[kind]) as sshd, tap.case(f"{kind}: the agent's host key"):
                adit, _ = side_by_side(sshd, silence, f"HostKeyAlgorithms={algorithm}",
                                       "StrictHostKeyChecking=yes")
                true(adit.came, f"a login ({adit.said!r})")
        with server(agent, *keys.values()) as sshd:
            for kind in KINDS:
                known = scratch("known_hosts", known_hosts_lines(
                    keys[kind], (sshd.address, sshd.port)))
                with tap.case(f"host keys of every kind, of which {kind} is known"):
                    adit, _ = side_by_side(sshd, silence, f"UserKnownHostsFile={known}",
                                           "StrictHostKeyChecking=yes", "UpdateHostKeys=yes")
                    true(adit.came, f"a login ({adit.said!r})")
        certificates(silence, keys, authority, agent)
        with server(agent, keys["ed25519"]) as sshd:
            subprocess.run(["ssh-add", "-qD"], check=True, capture_output=True,
                           env={**os.environ, "SSH_AUTH_SOCK": agent.socket})
            with tap.case("the agent has lost the host key: neither logs in, and it is said"):
                adit, _ = side_by_side(sshd, silence)
                equal(adit.status, 255, "the status")
                true(adit.said.strip(), "a reason")


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Every type of key, for the user and for the host, with nothing else allowed on either side: adit
logs in where ssh does. (The intent of OpenSSH's regress/keytype; keys of FIDO tokens need a token.)"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, holds, scratch, tap, true
from adit_test.algorithms import told_in_manual
from adit_test.as_ssh import Silence, login, side_by_side
from adit_test.sshd import Sshd
from adit_test.together import Together

# {type: [(name, arguments of ssh-keygen, algorithms that sign with it)]}
KINDS = {
    "ssh-ed25519": [("ed25519", ["ed25519"], ["ssh-ed25519"])],
    "ssh-rsa": [(f"rsa-{bits}", ["rsa", "-b", bits],
                 ["rsa-sha2-512,rsa-sha2-256", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"])
                for bits in ("2048", "3072")],
    **{f"ecdsa-sha2-nistp{bits}": [(f"ecdsa-{bits}", ["ecdsa", "-b", bits],
                                    [f"ecdsa-sha2-nistp{bits}"])]
       for bits in ("256", "384", "521")},
    "ssh-dss": [("dsa", ["dsa"], ["ssh-dss"])],
    "ssh-mldsa44-ed25519@openssh.com": [("mldsa44-ed25519", ["mldsa44-ed25519"],
                                         ["ssh-mldsa44-ed25519@openssh.com"])],
}
# What libssh is not built for: adit says so and does not begin.
UNKNOWN = ("ssh-dss", "ssh-mldsa44-ed25519@openssh.com")


def make(name, arguments):
    path = scratch(name)
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", *arguments, "-f", path], check=True,
                   stdin=subprocess.DEVNULL)
    return path


def options(algorithms):
    return [f"PubkeyAcceptedAlgorithms={algorithms}", f"HostKeyAlgorithms={algorithms}",
            "IdentitiesOnly=yes", "RequiredRSASize=1024"]


def alike(sshd, silence, algorithms):
    adit, _ = side_by_side(sshd, silence, *options(algorithms))
    true(adit.came, f"a login ({adit.said!r})")
    name = algorithms.split(",")[0]
    equal({found[1] for found in sshd.process.find(r"kex: host key algorithm: (\S+)")}, {name},
          "the host key's algorithm")


def unknown(sshd, silence, algorithms):
    ssh, adit = (login(program, sshd, silence, *options(algorithms)) for program in ("ssh", "adit"))
    true(ssh.came, f"ssh logs in ({ssh.said!r})")
    equal(adit.status, 255, "adit's exit status")
    holds(f'"{algorithms}": libssh knows none of them', adit.said, "what it says")


def main():
    known = subprocess.run(["ssh", "-Q", "key-plain"], check=True, capture_output=True,
                           encoding="ascii").stdout.split()
    silence, together, servers = Silence(), Together(), []
    with tap.case("every type of key that ssh has is tried, but for those of tokens"):
        equal([kind for kind in known if kind not in KINDS and not kind.startswith("sk-")], [],
              "those that are not")
    with tap.case("types of keys that libssh has not are in adit(8)"):
        equal(told_in_manual(UNKNOWN), list(UNKNOWN), "those that adit(8) names")
    try:
        for kind, keys in KINDS.items():
            for name, arguments, ways in keys if kind in known else ():
                key = make(name, arguments)
                for way in ways:
                    servers.append(Sshd(host_key=key, user_key=key, options={
                        "PubkeyAcceptedAlgorithms": way, "HostKeyAlgorithms": way}))
                    work = unknown if kind in UNKNOWN else alike
                    together.add(f"{name}: {way}", lambda work=work, sshd=servers[-1], way=way: work(
                        sshd, silence, way), alone=servers[-1])
        together.tell()
    finally:
        for sshd in servers:
            sshd.stop()


tap.run(main)

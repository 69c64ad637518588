#!/usr/bin/env -S python3 -B
"""Files of keys that are none: each is named in the log with what to do, adit lives, and
the next key is tried."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Adit, Agent, certify, config, equal, holds, keypair, run_adit, scratch, tap,
                       true, wait_until)
from adit_test.clients import works
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

PASSPHRASE = "pw12345"
READ_BY_NEWER = "Ed25519 in PKCS#8"  # OpenSSH, from 9.6 on
UNKNOWN = r"no private key that ssh-add knows \(.+\)"
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")


def encrypted(cipher):
    path = scratch(f"key.{cipher}")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-Z", cipher, "-N", PASSPHRASE, "-f", path],
                   check=True)
    return path


def pkcs8(kind, *options):
    path = scratch(f"pkcs8.{kind}")
    subprocess.run(["openssl", "genpkey", "-algorithm", kind, *options, "-out", path], check=True,
                   capture_output=True)
    return path


def fifo():
    path = scratch("fifo")
    os.mkfifo(path)
    return path


def part(path, length):
    with open(path, encoding="ascii") as source:
        return scratch("part", source.read(length))


def bad_files(sshd):
    """{name: (path, what the log says of it)}"""
    with open(sshd.user_key, encoding="ascii") as source:
        good = source.read()
    lines = good.splitlines()
    big = scratch("big", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "A" * (2 << 20))
    return {
        READ_BY_NEWER: (pkcs8("ed25519"), UNKNOWN),
        "Ed448 in PKCS#8": (pkcs8("ed448"), UNKNOWN),
        "X25519 in PKCS#8": (pkcs8("x25519"), UNKNOWN),
        "an empty file": (scratch("empty", ""), "The file is empty"),
        "a FIFO": (fifo(), "Not a regular file"),
        "a device": ("/dev/zero", "Not a regular file"),
        "a huge file": (big, "The file is larger than 1 MiB"),
        "rubbish": (scratch("rubbish", os.urandom(1000)), UNKNOWN),
        "two words, the second no base64": (scratch("words", "ssh-ed25519 !!!! nobody\n"),
                                            UNKNOWN),
        "half a key": (part(sshd.user_key, len(good) // 2), "damaged OpenSSH private key"),
        "a key without its last line": (scratch("open", "\n".join(lines[:-1])), "damaged"),
        "a key without a line": (scratch("hole", "\n".join(lines[:2] + lines[3:])), "damaged"),
        "half a PEM": (part(pkcs8("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), 800),
                       UNKNOWN),
    }


def alone(sshd, origin, files):
    for name, (path, words) in files.items():
        with tap.case(f"{name}, and then a good key: the good one logs in"), \
                Adit(config(sshd, up={"identity": f"{path}, {sshd.user_key}"})) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")
            if name == READ_BY_NEWER and "cannot be read" not in adit.text():
                continue
            holds(words, adit.text(), "the log")
            true(path in adit.text(), "the file is named")


def all_together(sshd, origin, files):
    """One may not spoil what comes after it."""
    with tap.case("all of them before a good key"), \
            Adit(config(sshd, up={"identity": ",\n  ".join([path for path, _ in files.values()]
                                                + [sshd.user_key])})) as adit:
        adit.sessions_up(1)
        true(works(adit.address, origin), "echo")


def with_passphrase(sshd, origin):
    """With the right passphrase and a wrong one. libssh knows none of the first ciphers."""
    for given in (PASSPHRASE, "wrong"):
        file = scratch("passphrase", f"{given}\n")
        with tap.case(f"aes256-gcm with the passphrase {given!r}"), \
                Adit(config(sshd, up={"identity": f"{encrypted('aes256-gcm@openssh.com')}, "
                                                  f"{sshd.user_key}",
                                      "passphrase_file": file})) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")
    for cipher in CIPHERS + ("aes256-ctr",):
        key = encrypted(cipher)
        with Sshd(user_key=key) as other, \
                tap.case(f"{cipher} with its passphrase logs in"), \
                Adit(config(other, up={"passphrase_file": scratch("passphrase", PASSPHRASE)})) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")


def agent_has_it(sshd, origin):
    """The user's agent has the key, whose passphrase is not known here."""
    key = keypair("agent_key")
    with Sshd(user_key=key) as other, Agent(key) as agent:
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-Z",
                        "aes256-gcm@openssh.com", "-f", key], check=True, capture_output=True)
        with tap.case("... but an agent that has the key logs in"), \
                Adit(config(other, up={"agent": "yes", "identity_agent": agent.socket})) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")


def certificates(sshd, origin):
    """FILE-cert.pub and FILE.pub beside a good key: what is no regular file is passed over."""
    for suffix in ("-cert.pub", ".pub"):
        for kind in ("FIFO", "directory", "empty file", "huge file", "rubbish"):
            key = scratch("key")
            shutil.copy(sshd.user_key, key)
            beside = key + suffix
            if kind == "FIFO":
                os.mkfifo(beside)
            elif kind == "directory":
                os.mkdir(beside)
            else:
                with open(beside, "wb") as out:
                    out.write({"empty file": b"", "huge file": b"A" * (2 << 20)}.get(
                        kind, os.urandom(2000)))
            with tap.case(f"{kind} as KEY{suffix}"), \
                    Adit(config(sshd, up={"identity": key})) as adit:
                adit.sessions_up(1)
                true(works(adit.address, origin), "echo")


def command_line(sshd):
    with tap.case("on a command line: a clear end, and no signal"):
        key = encrypted("aes256-gcm@openssh.com")
        done = run_adit("-F", "none", "-o", f"UserKnownHostsFile={sshd.known_hosts}", "-o",
                        "IdentityAgent=none", "-o", "BatchMode=yes", "-i", key, "-p",
                        str(sshd.port), "-W", "127.0.0.1:9", f"{sshd.user}@{sshd.address}")
        equal(done.returncode, 255, "the exit status")
        holds(r"Permission denied .*tried: " + key, done.stderr, "what is said")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        files = bad_files(sshd)
        alone(sshd, origin, files)
        all_together(sshd, origin, files)
        with_passphrase(sshd, origin)
        agent_has_it(sshd, origin)
        certificates(sshd, origin)
        command_line(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Host keys: adit and ssh side by side make the same of the same files (t/lib/known_hosts.table),
and what happens when a file cannot be read, or is written by two at once."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, false, fingerprint, holds, keypair, scratch, tap, true
from adit_test.command import call
from adit_test.gateway import REPORT, binary, environment
from adit_test.keys import known_hosts_lines, public
from adit_test.known_hosts import Expansion, read
from adit_test.process import patience, wait_until
from adit_test.sshd import Sshd, version

KINDS = {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256"}
MODES = ("yes", "accept-new", "ask")


class Silence:
    """A listener that closes each connection at once: a tunnel to it has come, and is over."""

    def __init__(self):
        self.socket = socket.create_server((ANY, 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            self.socket.accept()[0].close()


class Servers:
    """An sshd for each `server` of the table, on one port: they have the same keys, and which one
    is meant is asked for by HostKeyAlgorithms of the server."""

    def __init__(self):
        self.keys = {kind: keypair(f"host_{kind}", kind=kind) for kind in KINDS}
        self.silence = Silence()
        one = Sshd(host_key=self.keys["ed25519"])
        self.sshds = {"ed25519": one}
        for name, kinds in {"rsa": ["rsa"], "ecdsa": ["ecdsa"], "all": list(KINDS)}.items():
            self.sshds[name] = Sshd(host_key=self.keys["ed25519"], user_key=one.user_key, options={
                "HostKey": [self.keys[kind] for kind in kinds]})
        authority = keypair("authority")
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-h", "-I", "x", "-n", "h",
                        f"{self.keys['ed25519']}.pub"], check=True)
        with open(f"{self.keys['ed25519']}-cert.pub", encoding="ascii") as certificate:
            self.certificate = " ".join(certificate.read().split()[:2])

    def expansion(self, keys, server):
        own = {kind: " ".join(public(key).split()[:2]) for kind, key in self.keys.items()}
        sshd = self.sshds[server]
        return Expansion(keys, sshd.address, sshd.port, own, self.certificate)


def askpass():
    """A program that says yes, and the file that it notes this in."""
    note = scratch("asked")
    return scratch("askpass", f"#!/bin/sh\necho \"$1\" >>{note}\necho yes\n", 0o755), note


class Outcome:
    """What became of one login: whether it was one, whether somebody was asked about the key, and
    what is in the file afterwards."""

    def __init__(self, program, mode, sshd, to, files, alias=None, more=()):
        paths = [scratch("known hosts", text) for text in files]
        self.first = paths[0]
        program_path, note = askpass()
        # (The last of several files is the system's.)
        user, system = (paths[:-1], paths[-1]) if len(paths) > 1 else (paths, "/dev/null")
        options = [
            "UserKnownHostsFile=" + " ".join(f'"{path}"' for path in user),
            f'GlobalKnownHostsFile="{system}"', f"StrictHostKeyChecking={mode}",
            "HashKnownHosts=no", "IdentitiesOnly=yes", "UpdateHostKeys=no",
            *([f"HostKeyAlias={alias}"] if alias else []), *more]
        self.done = subprocess.run(
            [program, "-F", "none", "-p", str(sshd.port), "-i", sshd.user_key,
             *(word for option in options for word in ("-o", option)),
             "-W", f"{ANY}:{to}", f"{sshd.user}@{sshd.address}"],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=patience(60),
            env=environment(SSH_ASKPASS=program_path, SSH_ASKPASS_REQUIRE="force"),
            encoding="utf-8", errors="backslashreplace")
        self.said = self.done.stderr
        false(REPORT.search(self.said), self.said)
        self.came = self.done.returncode == 0
        self.asked = os.path.exists(note)
        with open(self.first, "rb") as source:
            self.left = source.read()


def expected(verdict, mode):
    """Whether there is a login, and whether somebody is asked first."""
    came = verdict == "match" or (verdict == "unknown" and mode != "yes")
    return came, verdict == "unknown" and mode == "ask"


def check(case, mode, servers, keys):
    """Runs one case with both programs; returns what is wrong, as lines."""
    sshd = servers.sshds[case.server]
    expansion = servers.expansion(keys, case.server)
    files = [expansion.file(text, case.server) for text in case.files]
    wrong = []
    left = {}
    for program, verdict in (("ssh", case.verdict_of_ssh(version())), (binary(), case.verdict)):
        outcome = Outcome(program, mode, sshd, servers.silence.port, files, case.alias)
        came, asked = expected(verdict, mode)
        if (outcome.came, outcome.asked) != (came, asked):
            wrong.append(f"{case.name}: {os.path.basename(program)} with {mode}: "
                         f"{'a' if outcome.came else 'no'} login, "
                         f"{'' if outcome.asked else 'not '}asked, but the table says {verdict}: "
                         f"{outcome.said!r}")
        left[program] = outcome.left
    # What both write is the same, where adit writes (no patterns) and ssh begins a line of its own.
    same = case.ssh is None and case.ssh10 is None and not re.search("[*]", case.alias or "") and \
        (not files[0] or files[0].endswith(b"\n"))
    if same and left["ssh"] != left[binary()]:
        wrong.append(f"{case.name}: with {mode} ssh left {left['ssh'][-300:]!r}, "
                     f"adit {left[binary()][-300:]!r}")
    return wrong


def side_by_side(servers):
    keys, cases = read()
    with ThreadPoolExecutor(4) as pool:
        for mode in MODES:
            with tap.case(f"StrictHostKeyChecking {mode}: {len(cases)} cases, adit and ssh", 900):
                wrong = [line for lines in pool.map(lambda case: check(case, mode, servers, keys),
                                                    cases) for line in lines]
                for line in wrong:
                    tap.diag(line)
                true(len(cases) >= 100, "a hundred cases")
                equal(len(wrong), 0, "how many differ")


def main():
    servers = Servers()
    side_by_side(servers)


tap.run(main)

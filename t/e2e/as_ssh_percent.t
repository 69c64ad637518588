#!/usr/bin/env -S python3 -B
"""Tokens (%h), variables (${NAME}) and what stands for itself (%%) in the options of ssh_config that
name files, sockets and commands, beside ssh(1): each is seen by what it does, and expanded once."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import getpass
import hashlib
import shlex
import socket

from adit_test import (ANY, Agent, certify, equal, free_port, holds, keypair, sanitized, scratch,
                       tap, true, wait_connects, wait_until)
from adit_test.as_ssh import PROGRAMS, Silence, call
from adit_test.command import Tunnel, section
from adit_test.keys import known_hosts_lines, public
from adit_test.origins import Origin, echo, read_exactly
from adit_test.process import patience
from adit_test.sshd import Sshd, version

NAME, ALIAS = "somehost", "the-alias"
VARIABLES = {"ADIT_TEST_A": "a value", "ADIT_TEST_B": "b%h", "ADIT_TEST_C": "c"}


class Scene:
    """An sshd, a file for -F that calls it somehost, and what the tokens stand for there."""

    def __init__(self, sshd, silence, programs):
        self.sshd = sshd
        self.silence = silence
        self.programs = programs
        machine = socket.gethostname()
        self.tokens = {
            "%%": "%", "%h": ANY, "%i": str(os.getuid()), "%k": ALIAS,
            "%L": machine.split(".", maxsplit=1)[0], "%l": machine, "%n": NAME,
            "%p": str(sshd.port), "%r": sshd.user, "%u": getpass.getuser()}
        # (The last part is the jump hosts, of which there are none.)
        self.tokens["%C"] = hashlib.sha1(
            f"{machine}{ANY}{sshd.port}{sshd.user}".encode()).hexdigest()
        self.file = self.write({"HostName": ANY, "Port": sshd.port, "User": sshd.user,
                                "HostKeyAlias": ALIAS})
        self.known = scratch("known_hosts", known_hosts_lines(sshd.host_key, (ALIAS, 22)))

    def write(self, options, *above):
        return scratch("ssh_config", "".join(f"{line}\n" for line in above)
                       + section(f"Host {NAME}", options))

    def all_of(self, *left_out):
        """A name with all tokens in it, and what it comes to."""
        tokens = [token for token in self.tokens if token not in left_out]
        return "-".join(tokens), "-".join(self.tokens[token] for token in tokens)

    def login(self, program, *options, keys=None, file=None):
        """A -W by that program. The first value of an option counts."""
        usual = [f"UserKnownHostsFile={self.known}", "GlobalKnownHostsFile=/dev/null",
                 "IdentityAgent=none", "BatchMode=yes", "UpdateHostKeys=no",
                 "IdentitiesOnly=yes"]
        keys = [self.sshd.user_key] if keys is None else keys
        return call(program, ["-F", file or self.file, *(
            word for key in keys for word in ("-i", key)), *(
            word for option in (*options, *usual) for word in ("-o", option)),
            "-W", f"{ANY}:{self.silence.port}", NAME], **VARIABLES)

    def tunnel(self, program, *words):
        words = ("-fN", "-i", self.sshd.user_key, "-o", "IdentitiesOnly=yes", "-o",
                 f"UserKnownHostsFile={self.known}", "-o", "StreamLocalBindUnlink=yes", *words)
        return Tunnel(f"ssh {shlex.join(words)} {NAME}", self.file, name=program,
                      real=program == "ssh", **VARIABLES)

    def by_both(self, comes, *options, **keys):
        for program in self.programs:
            done = self.login(program, *options, **keys)
            equal(done.came, comes, f"a login by {program} ({done.said!r})")


def spellings(scene):
    """(words, how a name is written, what it comes to)."""
    written, meant = scene.all_of()
    yield "all tokens", written, meant
    yield "a variable", "${ADIT_TEST_A}-%h", f"a value-{ANY}"
    yield "a variable with a token in it", "${ADIT_TEST_B}", "b%h"
    yield "%%h", "%%h", "%h"
    yield "%%%h", "%%%h", f"%{ANY}"


def directories(scene, names=None):
    """The same, each in a directory of its own, whose path has none of it."""
    for words, written, meant in names or spellings(scene):
        directory = scratch("d")
        os.mkdir(directory)
        yield words, f"{directory}/{written}", f"{directory}/{meant}"


def socket_names(scene):
    """The same for sockets, whose paths are short, and have no blanks where they are forwards."""
    for tokens in (("%C",), ("%h", "%i", "%k", "%n", "%p", "%r", "%u", "%%")):
        yield f"{len(tokens)} tokens", "-".join(tokens), "-".join(
            scene.tokens[token] for token in tokens)
    yield "a variable", "${ADIT_TEST_C}-%h", f"c-{ANY}"
    yield "%%h", "%%h", "%h"


def files(scene):
    certified, authority = keypair("certified"), keypair("authority")
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    elsewhere = scratch("certificate.pub")
    os.rename(certify(authority, certified, scene.sshd.user), elsewhere)
    for words, written, meant in directories(scene):
        with tap.case(f"UserKnownHostsFile: {words}"):
            os.symlink(scene.known, meant)
            scene.by_both(True, f'UserKnownHostsFile="{written}"')
    for words, written, meant in directories(scene):
        with tap.case(f"IdentityFile: {words}"):
            for suffix in ("", ".pub"):
                os.symlink(scene.sshd.user_key + suffix, meant + suffix)
            scene.by_both(True, f'IdentityFile="{written}"', keys=[])
    with Sshd(host_key=scene.sshd.host_key, options={
            "TrustedUserCAKeys": trust, "AuthorizedKeysFile": "none"}) as sshd:
        other = Scene(sshd, scene.silence, scene.programs)
        for words, written, meant in directories(other):
            with tap.case(f"CertificateFile: {words}"):
                os.symlink(elsewhere, meant)
                other.by_both(True, f'CertificateFile="{written}"', keys=[certified])
    with Agent(scene.sshd.user_key) as agent:
        for words, written, meant in directories(scene, socket_names(scene)):
            with tap.case(f"IdentityAgent: {words}"):
                os.symlink(agent.socket, meant)
                scene.by_both(True, f'IdentityAgent="{written}"', "IdentitiesOnly=no",
                              keys=[scratch("none")])
    with tap.case("a file that is meant as it stands is not looked for under another name"):
        directory = scratch("d")
        os.mkdir(directory)
        os.symlink(scene.known, f"{directory}/{ANY}")
        scene.by_both(False, f"UserKnownHostsFile={directory}/%%h", "StrictHostKeyChecking=yes")
    with tap.case("GlobalKnownHostsFile has no tokens"):
        scene.by_both(False, f"GlobalKnownHostsFile={directory}/%h",
                      "UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes")
    for option in ("UserKnownHostsFile", "IdentityAgent", "ControlPath"):
        with tap.case(f"{option}: a token that does not exist is an error"):
            for program in scene.programs:
                done = scene.login(program, f"{option}={directory}/%z")
                equal(done.status, 255, f"{program}'s status ({done.said!r})")


def revoked(scene):
    """(What OpenSSH 9.2 makes of tokens there is another matter: it looks for the name as it
    stands, and believes no key then.)"""
    other = keypair("other")
    written, meant = scene.all_of()
    directory = scratch("d")
    os.mkdir(directory)
    programs = [program for program in scene.programs
                if program == "adit" or version() >= (10, 0)]
    for key, comes in ((scene.sshd.host_key, False), (other, True)):
        with tap.case(f"RevokedHostKeys: all tokens, {'another' if comes else 'the'} key"):
            with open(f"{directory}/{meant}", "w", encoding="ascii") as out:
                out.write(public(key) + "\n")
            for program in programs:
                done = scene.login(program, f"RevokedHostKeys={directory}/{written}")
                equal(done.came, comes, f"a login by {program} ({done.said!r})")


def commands(scene):
    """What a command is told: the tokens that it is documented to know."""
    known_to = {"Match exec": scene.all_of("%%"),
                "ProxyCommand": scene.all_of("%%", "%i", "%k", "%L", "%l", "%u", "%C")}
    for what, (written, meant) in known_to.items():
        with tap.case(f"{what}: its tokens"):
            for program in scene.programs:
                note = scratch("note")
                script = scratch("script", f"""#!/bin/sh
printf '%s\\n' "$1" "$2" >{note}
shift 2
"$@"
""", 0o755)
                words = f"{script} '{written}-%%' '${{ADIT_TEST_A}}'"
                options = {"HostName": ANY, "Port": scene.sshd.port, "User": scene.sshd.user,
                           "HostKeyAlias": ALIAS}
                if what == "ProxyCommand":
                    options["ProxyCommand"] = f"{words} ncat %h %p"
                else:
                    options["Match"] = f'exec "{words} true"'
                done = scene.login(program, file=scene.write(options))
                true(done.came, f"a login by {program} ({done.said!r})")
                with open(note, encoding="utf-8") as source:
                    equal(source.read(), f"{meant}-%\n${{ADIT_TEST_A}}\n", f"{program}'s words")


def echoed(path, program):
    """Whether a socket that appears there leads to an echo."""
    wait_connects(path, f"{program}'s socket")
    with socket.socket(socket.AF_UNIX) as conn:
        conn.settimeout(patience(30))
        conn.connect(path)
        conn.sendall(b"hello")
        equal(read_exactly(conn, 5), b"hello", f"the echo by {program}")


def control_paths(scene):
    for words, written, meant in directories(scene, socket_names(scene)):
        with tap.case(f"ControlPath: {words}"):
            for program in scene.programs:
                with scene.tunnel(program, "-M", "-o", f"ControlPath={written}"):
                    wait_connects(meant, f"{program}'s socket")
                    wait_until(lambda path=meant: os.listdir(os.path.dirname(path)) ==
                               [os.path.basename(path)],
                               f"it is all that {program} makes (ssh's first name for it is gone)")


def local_forwards(scene, origin):
    """Sockets in the place of ports."""
    to = f"{ANY}:{origin.port}"
    for words, written, meant in directories(scene, socket_names(scene)):
        for program in scene.programs:
            with tap.case(f"{program}: LocalForward of a socket: {words}"), \
                    scene.tunnel(program, "-o", f"LocalForward={written} {to}"):
                echoed(meant, program)
            if words == "8 tokens":
                with tap.case(f"{program}: -L of a socket: {words}"), \
                        scene.tunnel(program, "-L", f"{written}:{to}"):
                    echoed(meant, program)


def users(scene):
    """Names that a command could trip over are refused, whatever was expanded."""
    for user in ("${ADIT_TEST_A}", "`id`", "a;b", "-oProxyCommand=x", "a\tb"):
        with tap.case(f"the user {user!r}"):
            for program in scene.programs:
                done = call(program, ["-F", scene.file, "-o", "BatchMode=yes", "-W", "a:1", "-l",
                                      user, NAME], **VARIABLES)
                true(done.status in (255, 64), f"{program}'s status {done.status}")
                if program == "adit":
                    holds("(?i)user", done.said, "what it says")


def main():
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Sshd() as sshd, Origin(echo) as origin:
        scene = Scene(sshd, Silence(), programs)
        parts = {"files": lambda: files(scene), "revoked": lambda: revoked(scene),
                 "commands": lambda: commands(scene),
                 "control_paths": lambda: control_paths(scene),
                 "local_forwards": lambda: local_forwards(scene, origin), "users": lambda: users(scene)}
        for name, part in parts.items():
            if not sys.argv[1:] or name in sys.argv[1:]:
                part()


tap.run(main)

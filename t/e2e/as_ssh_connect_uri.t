#!/usr/bin/env -S python3 -B
"""Destinations as ssh://[user@]host[:port], also of jump hosts: adit goes where ssh goes, and
refuses what ssh refuses. (The intent of OpenSSH's regress/connect-uri.)"""

import getpass
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, Silence, call
from adit_test.command import section
from adit_test.sshd import Sshd
from adit_test.together import Together


def hosts(sshd, **options):
    """A file for -F without port and user: these are the URI's."""
    return scratch("ssh_config", section("Host somehost", {
        "HostName": sshd.address, "HostKeyAlias": "somehost", **options}) + section("Host *", {
            "IdentityFile": sshd.user_key, "IdentitiesOnly": "yes", "GlobalKnownHostsFile":
            "/dev/null", "UserKnownHostsFile": known(sshd)}))


def known(sshd):
    with open(sshd.known_hosts, encoding="ascii") as lines:
        text = lines.read()
    return scratch("known_hosts", f"{text}somehost {text.split(' ', 1)[1]}")


def both(silence, to, *words):
    """{program: Result} of -W by that destination, with these words before it."""
    return {program: call(program, [*words, "-W", f"{ANY}:{silence.port}", to])
            for program in PROGRAMS}


def goes(sshd, silence, to, *words):
    """Both log in, as the same user."""
    since = sshd.process.mark()
    found = both(silence, to, *words)
    for program in PROGRAMS:
        equal(found[program].status, 0, f"{program}'s status ({found[program].said!r})")
    users = sshd.logins(since)
    equal(users, users[:1] * len(users), "the users")
    true(len(users) >= 2, f"a login each: {users}")


def goes_nowhere(silence, to, *words):
    found = both(silence, to, *words)
    equal(found["ssh"].status, 255, f"ssh's status ({found['ssh'].said!r})")
    # (78: a name that cannot be one is told before anything is looked up.)
    true(found["adit"].status in (255, 78), f"adit's status {found['adit'].status}")
    equal(len(found["adit"].said.splitlines()), 1, f"lines of {found['adit'].said!r}")
    true("usage" not in found["adit"].said, found["adit"].said)
    return found


def main():
    me, silence, together = getpass.getuser(), Silence(), Together()
    with Sshd() as sshd:
        port, config = sshd.port, hosts(sshd)
        coded = "".join(f"%{ord(c):02x}" for c in me)
        for name, to, words in (
                ("user, host, port", f"ssh://{me}@somehost:{port}", []),
                ("a slash behind them", f"ssh://{me}@somehost:{port}/", []),
                ("no user", f"ssh://somehost:{port}", []),
                ("an address", f"ssh://{me}@{sshd.address}:{port}", []),
                ("-l another user: the first one counts", f"ssh://x{me}@somehost:{port}",
                 ["-l", me]),
                ("a user in percent codes", f"ssh://{coded}@somehost:{port}", []),
                ("a user with parameters", f"ssh://{me};fingerprint=none@somehost:{port}", [])):
            def work(to=to, words=words):
                found = both(silence, to, "-F", config, *words)
                equal(found["adit"].came, found["ssh"].came, f"a login ({found['adit'].said!r}, "
                      f"ssh: {found['ssh'].said!r})")
                equal(found["adit"].status, found["ssh"].status, "adit's status, as ssh's")

            together.add(f"{name}: {to}", work, alone=sshd)
        for name, to, words in (
                ("user, host, port", f"ssh://{me}@somehost:{port}", []),
                ("port of -p before that of the URI", f"ssh://{me}@somehost:1", ["-p", str(port)]),
                ("a jump host", f"ssh://{me}@somehost:{port}",
                 ["-J", f"ssh://{me}@somehost:{port}"])):
            together.add(f"... where it goes: {name}", lambda to=to, words=words: goes(
                sshd, silence, to, "-F", config, *words), alone=sshd)
        for name, to in (("a path", f"ssh://{me}@somehost:{port}/path"),
                         ("no host", f"ssh://{me}@:{port}"), ("nothing", "ssh://"),
                         ("port 0", "ssh://somehost:0"), ("a port too big", "ssh://h:65536"),
                         ("a port that is a word", "ssh://somehost:ssh"),
                         ("percent codes that are none", f"ssh://{me}%zz@somehost:{port}"),
                         ("an IPv6 address", f"ssh://{me}@[::1]:{port}"),
                         ("a bracket that stays open", f"ssh://[::1:{port}"),
                         ("SSH:// in capitals", f"SSH://{me}@somehost:{port}")):
            together.add(f"{name}: {to} is refused", lambda to=to: goes_nowhere(
                silence, to, "-F", config))
        together.tell()
        with tap.case("the refusal of a path quotes the URI"):
            to = f"ssh://{me}@somehost:{port}/path"
            holds("ssh://.*/path", goes_nowhere(silence, to, "-F", config)["adit"].said,
                  "what it says")


tap.run(main)

"""The algorithms that ssh has, and which of them the libssh of this adit has."""

import os
import re
import subprocess

from .as_ssh import PROGRAMS, call
from .checks import equal, holds, true
from .clients import works
from .gateway import TOP, Adit, gateway, listen, run_adit, sanitized, upstream
from .net import ANY

KEYS = {"Ciphers": "ciphers", "MACs": "macs", "KexAlgorithms": "kex"}


def of_ssh(kind):
    """What ssh -Q prints: cipher, cipher-auth, mac, kex."""
    return subprocess.run(["ssh", "-Q", kind], check=True, capture_output=True,
                          encoding="ascii").stdout.split()


def known(keyword, names):
    """Those that adit takes alone as the value of Ciphers, MACs or KexAlgorithms."""
    found = []
    for name in names:
        done = run_adit("--check", "-F", "none", "-o", f"{keyword}={name}", "h")
        if done.returncode == 0:
            found.append(name)
        else:
            holds(rf'{KEYS[keyword]} "{re.escape(name)}": libssh knows none of them', done.stderr,
                  "what --check says")
    true(found, f"libssh knows some of {names}")
    return found


def told_in_manual(names):
    """Those that adit(8) names in its section of differences."""
    with open(os.path.join(os.environ.get("ADIT_SRCDIR", TOP), "doc", "adit.8"),
              encoding="utf-8") as page:
        text = page.read()
    text = text[text.index(".Sh DIFFERENCES"):text.index(".Sh ENVIRONMENT")]
    words = re.split(r"[\s,;]+|\.\n", text)
    return [name for name in names if name in words]


def verdicts(sshd, port, words, adit_comes=True):
    """A login by -W to that port with these words, by ssh and by adit. ssh comes in, and so does
    adit, or says that libssh has nothing of a list. (Many may be made at once.)"""
    for program in ("adit",) if sanitized() else PROGRAMS:
        result = call(program, [
            "-F", "none", *words, "-p", str(sshd.port), "-i", sshd.user_key, "-o",
            f"UserKnownHostsFile={sshd.known_hosts}", "-o", "IdentityAgent=none", "-W",
            f"{ANY}:{port}", f"{sshd.user}@{sshd.address}"])
        if program == "ssh" or adit_comes:
            equal(result.status, 0, f"{program}'s exit status ({result.said!r})")
        else:
            equal(result.status, 255, f"{program}'s exit status ({result.said!r})")
            holds("libssh knows none of them", result.said, "what it says")


class Each:
    """An adit with an upstream and a listener for each of these: {name: keys of the upstream}.

    sessions    how many of each upstream
    """

    def __init__(self, sshd, each, sessions=1):
        self.sessions = sessions
        self.names = {f"u{number}": name for number, name in enumerate(each)}
        text = gateway(drain_timeout="1s")
        for place, name in self.names.items():
            text += upstream(sshd, place, sessions=f"{sessions}-{sessions}", hold="60s",
                             **each[name])
            text += listen(place, via=place)
        self.adit = Adit(text)

    def works(self, name, origin):
        """Whether there are all sessions of that one, and a connection carries data."""
        return works(self.proxy(name), origin)

    def proxy(self, name):
        """Where the clients of that one come in; all of its sessions are there."""
        [place] = [place for place, each in self.names.items() if each == name]
        self.adit.sessions_up(self.sessions, upstream=place)
        return self.adit.listener(place)

    def __enter__(self):
        self.adit.__enter__()
        return self

    def __exit__(self, *error):
        return self.adit.__exit__(*error)

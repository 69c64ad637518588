#!/usr/bin/env -S python3 -B
"""No private key and no passphrase is in the gateway's memory at any time that is looked at: before,
during and after logins; a password is there only while it is sent."""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Adit, config, equal, keypair, sanitized, scratch, tap, true, wait_until)
from adit_test.keys import authorized
from adit_test.memory import count, private_parts
from adit_test.sshd import Sshd

PASSPHRASE = "a passphrase that is nowhere else, 27 words long"
PASSWORD = "a password that stands nowhere else, either"
LOGINS = 2


class Watcher:
    """Looks into the gateway's memory again and again, while logins are under way."""

    def __init__(self, adit, wanted):
        self.adit, self.wanted = adit, wanted
        self.most = dict.fromkeys(wanted, 0)
        self.looks = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def look(self):
        for name, times in count(self.adit.gateway, self.wanted).items():
            self.most[name] = max(self.most[name], times)
        self.looks += 1

    def _watch(self):
        while not self.ending.is_set():
            self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def log_in(adit, sshd, watcher):
    """The session ends, and another one is logged in, some times, and seen by the watcher."""
    for _ in range(LOGINS):
        mark, looks = adit.mark(), watcher.looks
        for pid in sshd.sessions():
            sshd.kill_session(pid)
        adit.sessions_up(1, since=mark)
        wait_until(lambda looks=looks: watcher.looks > looks + 1, "looks", 120)


def searched(sshd, name, secrets, up, passing=()):
    """secrets  {name: [bytes, ...]}, none of which may be there
    passing  names of those that may be while they are sent"""
    wanted = {**secrets, "the user's name": [sshd.user.encode()]}
    none = dict.fromkeys(secrets, 0)
    with Adit(config(sshd, up=up)) as adit:
        with tap.case(f"a login {name}"):
            with Watcher(adit, wanted) as watcher:
                adit.sessions_up(1)
                log_in(adit, sshd, watcher)
            true(watcher.most.pop("the user's name") > 0, "what is there is found")
            after = count(adit.gateway, secrets)
            tap.diag(f"{name}: at most {watcher.most}, afterwards {after}, {watcher.looks} looks")
            equal(after, none, "what is there afterwards")
            equal({key: 0 if key in passing else times for key, times in watcher.most.items()}, none,
                  "what was ever there")
        with tap.case(f"the same {name}: after a crash the next gateway has none either"):
            mark = adit.mark()
            os.kill(adit.gateway, signal.SIGKILL)
            adit.sessions_up(1, since=mark)
            equal(count(adit.gateway, secrets), none, "what is there")


def main():
    if os.getuid() != 0:
        tap.leave_out("secrets in memory", "only root may look into the gateway")
        return
    if sanitized():
        tap.leave_out("secrets in memory", "a sanitizer keeps what was freed")
        return
    for kind in ("ed25519", "rsa", "ecdsa"):
        key, locked = keypair(kind=kind), keypair(passphrase=PASSPHRASE, kind=kind)
        with Sshd(options={"AuthorizedKeysFile": authorized(key, locked)}) as sshd:
            searched(sshd, f"with a key ({kind})", {"the key": private_parts(key)},
                     {"identity": key})
            searched(sshd, f"with an encrypted key ({kind})",
                     {"the key": private_parts(locked, PASSPHRASE),
                      "the passphrase": [PASSPHRASE.encode()]},
                     {"identity": locked, "passphrase_file": scratch("pass", f"{PASSPHRASE}\n")})
    with Sshd(password=PASSWORD, options={"KbdInteractiveAuthentication": "yes"}) as sshd:
        for method in ("password", "keyboard-interactive"):
            searched(sshd, f"with a password ({method})", {"the password": [PASSWORD.encode()]},
                     {"identity": "none", "password_file": scratch("word", f"{PASSWORD}\n"),
                      "preferred_authentications": method}, passing=("the password",))


tap.run(main)

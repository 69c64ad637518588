#!/usr/bin/env -S python3 -B
"""[upstream] engine = openssh: files whose names mean something to ssh, where adit.ini means them as
they stand."""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, config, equal, holds, run_adit, scratch, tap, true
from adit_test.clients import works
from adit_test.keys import Agent, certify, keypair
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def names():
    """Of folders: a '%' begins a token, "${" a variable, and '"' ends a name."""
    for name in ("100%d", "${HOME}", "a$b ${x", 'q"\'\\ %%'):
        folder = f"{scratch('odd')} {name}"
        os.mkdir(folder)
        yield name, folder


def copied(key, folder):
    path = os.path.join(folder, "key")
    for end in ("", ".pub"):
        shutil.copy(key + end, path + end)
    return path


def logs_in(what, sshd, origin, **up):
    with tap.case(what), Adit(config(sshd, up={"engine": "openssh", **up})) as adit:
        adit.sessions_up(1)
        true(works(adit.address, origin), "echo")


def files(sshd, certified, authority, agent, origin):
    for name, folder in names():
        key = copied(sshd.user_key, folder)
        known = shutil.copy(sshd.known_hosts, os.path.join(folder, "known_hosts"))
        logs_in(f"{name}: identity and known_hosts", sshd, origin, identity=key, known_hosts=known,
                agent="no")
        socket = os.path.join(folder, "agent")
        os.symlink(agent.socket, socket)
        logs_in(f"{name}: identity_agent", sshd, origin, identity="none", agent="yes",
                identity_agent=socket)
        bare = keypair("bare")
        certificate = shutil.move(certify(authority, bare, certified.user),
                                  os.path.join(folder, "certificate.pub"))
        logs_in(f"{name}: certificate", certified, origin, identity=bare, certificate=certificate,
                agent="no")


def revoked(sshd):
    for name, folder in names():
        if "%" not in name and "${" not in name:
            continue
        path = shutil.copy(keypair("another") + ".pub", os.path.join(folder, "revoked"))
        text = config(sshd, up={"engine": "openssh", "revoked_host_keys": path})
        with tap.case(f"{name}: revoked_host_keys is refused, as versions of ssh differ"):
            done = run_adit("--check", "--config", scratch("adit.ini", text))
            equal(done.returncode, 78, "status")
            line = text.splitlines().index(f"revoked_host_keys = {path}") + 1
            holds(rf":{line}: revoked_host_keys: with engine = openssh, the file's name must not "
                  rf"have '%' or '\$\{{' \({re.escape(path)}\)", done.stderr, "the error")
        with tap.case(f"{name}: libssh takes it"):
            text = text.replace("engine = openssh", "engine = libssh")
            done = run_adit("--check", "--config", scratch("adit.ini", text))
            equal(done.returncode, 0, f"status ({done.stderr})")


def main():
    authority = keypair("authority")
    trust = f"{authority}.pub"
    with Sshd() as sshd, Origin(echo) as origin, Agent(sshd.user_key) as agent, \
            Sshd(options={"TrustedUserCAKeys": trust, "AuthorizedKeysFile": "none"}) as certified:
        files(sshd, certified, authority, agent, origin)
        revoked(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Advice in messages, each tried by doing what it says; --check tells all that a start would."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, holds, listen, patience, scratch, tap, true,
                       workdir)
from adit_test.gateway import binary, environment
from adit_test.sshd import Sshd

SERVICE = 65534  # a user and a group that own nothing here
HASH = "$2y$04$fwYM0UQ5XF5ZLXJd9kQXje7fSDMQJz20WV7mrz2bJ6Zvwq.1OnmpG"  # of "secret"


def shell(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False,
                          timeout=patience(60))
    equal((done.returncode, done.stderr), (0, ""), f"the status of {command}")


def check(program, text, user=None):
    """--check, as that user: (status, standard error)."""
    path = scratch("adit.ini", text, mode=0o644)
    become = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run([program, "--config", path, "--check"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=environment(), cwd=workdir(), check=False,
                          timeout=patience(60), **become)
    return done.returncode, done.stderr


def secret_files(sshd):
    """A users file that all may read, of the super-user and of the service's own user."""
    program = os.path.join(workdir(), "adit")
    shutil.copy(binary(), program)
    for owner, asker, gives, group in (
            (0, SERVICE, r"(chown :\S+ .+ && chmod 640 .+)", None),
            (SERVICE, SERVICE, r"(chmod o= .+)", None),
            (0, 0, r"(chown root:GROUP .+ && chmod 640 .+), where GROUP is", str(SERVICE))):
        for name in ("users", "users of 'x' && exit 1"):
            with tap.case(f"a file of {owner} that {asker} is told to close ({name})"):
                users = scratch(name, f"alice:{HASH}\n", mode=0o644)
                os.chown(users, owner, -1)
                text = config(sshd, listen("lan", auth="password", users=users))
                status, said = check(program, text, asker)
                equal(status, 0, f"the status ({said})")
                advice = holds(r"is open to every user of this machine: " + gives, said,
                               "the notice")[1]
                shell(advice.replace("GROUP", group) if group else advice)
                equal(os.stat(users).st_mode & 0o007, 0, "what others may do")
                status, said = check(program, text, SERVICE)
                equal(status, 0, f"the service can read it ({said})")
                true("is open to every user" not in said, f"no notice is left: {said}")


def commands_for_hashes(sshd):
    """What the manual and the messages name for making a users file."""
    for command in ("openssl passwd -6 secret", "htpasswd -nbB alice secret | cut -d: -f2",
                    "mkpasswd secret"):
        if shutil.which(command.split()[0]) is None:
            tap.diag(f"{command.split()[0]} is not installed: its hashes are not tried")
            continue
        with tap.case(f"a hash of {command}"):
            made = subprocess.run(command, shell=True, capture_output=True, text=True, check=True,
                                  timeout=patience(60)).stdout.strip()
            users = scratch("users", f"alice:{made}\n")
            equal(check(binary(), config(sshd, listen("lan", auth="password", users=users)))[0], 0,
                  "the status")


def all_notices(sshd):
    text = config(sshd, acl("deny to=10.0.0.0/8", "allow to=*"), "[resolve]\norder = remote, local\n",
                  listen("wide", address=f"{ANY}:0"), up={"host_key": "any"})
    with Adit(text, name="adit with notices") as adit, \
            tap.case("--check tells all that a start tells"):
        logged = {found[1] for found in adit.find(r" warning: (\[(?:upstream|listen|acl|resolve).*)")}
        status, said = check(binary(), text)
        equal(status, 0, "the status")
        equal({re.sub("^adit: ", "", line) for line in said.splitlines()}, logged, "the notices")
        true(len(logged) >= 3, f"there are some: {logged}")


def main():
    with Sshd() as sshd:
        all_notices(sshd)
        commands_for_hashes(sshd)
        if os.geteuid() == 0:
            secret_files(sshd)
        else:
            tap.diag("not the super-user: files of other users are not tried")


tap.run(main)

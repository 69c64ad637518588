#!/usr/bin/env -S python3 -B
"""Programs that run ssh, over adit's control socket: scp, sftp, git, rsync, Ansible."""

import hashlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, holds, sanitized, scratch, tap
from adit_test.mux import Master, run, shell_server

SIZE = (10 if sanitized() else 100) << 20


def digest(path):
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def big_file(path):
    with open(path, "wb") as out:
        for _ in range(SIZE >> 20):
            out.write(os.urandom(1 << 20))
    return path


def fine(done):
    equal((done.returncode, done.stderr), (0, b""), "how it ended")
    return done.stdout


def copies(master):
    source = big_file(scratch("source"))
    for name, options in (("scp", ()), ("scp -O", ("-O",))):
        with tap.case(f"{name}, {SIZE >> 20} MiB each way"):
            there, back = scratch("there"), scratch("back")
            fine(master.run("scp", "-q", *options, source, f"server:{there}", seconds=170))
            fine(master.run("scp", "-q", *options, f"server:{there}", back, seconds=170))
            equal((digest(there), digest(back)), (digest(source),) * 2, "the sums")
            os.unlink(there)
            os.unlink(back)
    with tap.case(f"sftp, {SIZE >> 20} MiB each way"):
        there, back = scratch("there"), scratch("back")
        batch = scratch("batch", f"put {source} {there}\nget {there} {back}\nls {there}\n")
        holds(there.encode(), master.run("sftp", "-q", "-b", batch, "server", seconds=170).stdout,
              "the list")
        equal((digest(there), digest(back)), (digest(source),) * 2, "the sums")
    with tap.case("a file that is not there: scp's own words and status"):
        done = master.run("scp", "-q", "server:/nonexistent", scratch("none"))
        equal(done.returncode, 1, "the status")
        holds(b"No such file", done.stderr, "the reason")


def git(master):
    command = " ".join(master.words("ssh"))
    names = {"GIT_SSH_COMMAND": command, "GIT_CONFIG_GLOBAL": "/dev/null",
             "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
             "GIT_COMMITTER_EMAIL": "a@b"}

    def call(*words, cwd=None):
        done = run(["git", *words], cwd=cwd, **names)
        equal(done.returncode, 0, f"git {words[0]}: {done.stderr}")
        return done.stdout
    with tap.case("git clone, push and fetch"):
        origin, copy, other = scratch("origin.git"), scratch("copy"), scratch("other")
        call("init", "-q", "--bare", "-b", "main", origin)
        call("clone", "-q", f"server:{origin}", copy)
        with open(os.path.join(copy, "file"), "wb") as out:
            out.write(os.urandom(3 << 20))
        call("checkout", "-q", "-b", "main", cwd=copy)
        call("add", "file", cwd=copy)
        call("commit", "-q", "-m", "one", cwd=copy)
        call("push", "-q", "origin", "main", cwd=copy)
        call("clone", "-q", f"server:{origin}", other)
        equal(digest(os.path.join(other, "file")), digest(os.path.join(copy, "file")), "the file")
        call("fetch", "-q", cwd=copy)


def rsync(master):
    if not shutil.which("rsync"):
        tap.skip("rsync copies a tree", "no rsync")
        return
    with tap.case("rsync copies a tree there and back"):
        source, there, back = scratch("tree"), scratch("there"), scratch("back")
        for number in range(50):
            os.makedirs(os.path.join(source, str(number % 7)), exist_ok=True)
            with open(os.path.join(source, str(number % 7), f"f{number}"), "wb") as out:
                out.write(os.urandom(number * 1000))
        shell = " ".join(master.words("ssh"))
        fine(run(["rsync", "-a", "-e", shell, f"{source}/", f"server:{there}/"]))
        fine(run(["rsync", "-a", "-e", shell, f"server:{there}/", f"{back}/"]))
        equal(subprocess.run(["diff", "-r", source, back], check=False).returncode, 0, "diff")


def ansible(master):
    if not shutil.which("ansible"):
        tap.skip("ansible -m ping", "no ansible")
        return
    with tap.case("ansible -m ping"):
        inventory = scratch("inventory", "server\n")
        options = f"-F {master.hosts} -o ControlPath={master.path} -o ControlMaster=no"
        done = run(["ansible", "-i", inventory, "all", "-m", "ping"], seconds=120,
                   ANSIBLE_SSH_ARGS=options, ANSIBLE_HOST_KEY_CHECKING="False",
                   ANSIBLE_LOCAL_TEMP=scratch("ansible"), ANSIBLE_NOCOLOR="1")
        equal(done.returncode, 0, f"the status: {done.stdout} {done.stderr}")
        holds(b'"ping": "pong"', done.stdout, "the answer")


def main():
    with shell_server(Subsystem="sftp internal-sftp") as sshd, Master(sshd) as master:
        copies(master)
        git(master)
        rsync(master)
        ansible(master)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""The ssh processes that the keeper starts: what a gateway that was taken over gets by them, an ssh that
says too much, and a folder of sockets that somebody removes."""

import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, holds, scratch, section, tap, true,
                       wait_until)
from adit_test.broken import SERVICE, answers, packet, program, run
from adit_test.clients import works
from adit_test.origins import Origin, echo
from adit_test.process import descendants, send_signal
from adit_test.sshd import Sshd

START, REACH, LEAVE, FORGET, ASKS, UP, ENDED, FAILED = (
    SERVICE[f"SERVICE_{name}"] for name in ("START_MASTER", "REACH_MASTER", "LEAVE", "FORGET",
                                            "MASTER_ASKS", "MASTER_UP", "MASTER_ENDED", "FAILED"))
LOST = 0  # enum service_master_end
QUOTA = 1024  # src/keeper/keeper_parts.h
ENOENT = 2


def fake_ssh(script):
    """The variables of an environment whose ssh is that script of sh(1)."""
    folder = scratch("bin")
    os.mkdir(folder)
    path = os.path.join(folder, "ssh")
    with open(path, "w", encoding="ascii") as out:
        out.write(f"#!/bin/sh\n{script}\n")
    os.chmod(path, 0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def masters(adit):
    return [pid for pid in descendants(adit.pid) if command_of(pid)[:2] == ["ssh", "-M"]]


def start(sshd, number, upstream=b"office", host=ANY.encode()):
    return [f"tcp:{sshd.port}", packet(START, number, upstream, host)]


def kinds_of(got):
    return [int(answer[:2], 16) for answer in got]


def asks_for_more(sshd, text):
    for what, place in (("an upstream that there is not", (b"nowhere", ANY.encode())),
                        ("an upstream that logs in itself", (b"plain", b"h")),
                        ("a host that there is not", (b"office", b"192.0.2.1")),
                        ("an option for a host", (b"office", b"-oProxyCommand=touch x"))):
        with tap.case(f"a gateway that wants an ssh for {what} gets none"):
            got = answers(text, "line", *start(sshd, 7, *place), "answer", "end")
            holds(f"^{packet(ENDED, 7, LOST).hex()}", got[0], "what it is told")
    with tap.case("an ssh without a connection to a server is not started"):
        got = answers(text, "line", packet(START, 7, b"office", ANY.encode()), "answer", "end")
        holds(f"^{packet(ENDED, 7, LOST).hex()}", got[0], "what it is told")
    with tap.case("a connection to an ssh that there is not"):
        equal(answers(text, "line", packet(REACH, 7, 1), "answer", "end"),
              [packet(FAILED, 7, ENOENT).hex()], "what it is told")


def leaves(sshd, text):
    with tap.case("a gateway that leaves an ssh before it is logged in ends it, and gets the next"):
        words = [word for number in range(1, 4)
                 for word in (*start(sshd, number), packet(LEAVE, number), *start(sshd, number + 10),
                              "answer")]
        got = answers(text, "line", *words, "end")
        equal(kinds_of(got), [UP] * 3, f"what it is told ({got})")
        wait_until(lambda: not sshd.sessions(), "the end of all of them")
    asking = fake_ssh('"$SSH_ASKPASS" "me@h\'s password: "; exec sleep 600')
    with tap.case("one that asks, and is left: the keeper lives"):
        got = answers(text, "line", *start(sshd, 1), packet(LEAVE, 1), *start(sshd, 2), "answer",
                      "end", **asking)
        equal(got, [packet(ASKS, 2, 1).hex()], "what it is told")


def quota(sshd, text):
    with tap.case("a gateway that wants more ssh processes than its quota gets no more"):
        begun = [word for number in range(QUOTA) for word in start(sshd, number)]
        got = answers(text, "line", *begun, *start(sshd, QUOTA), "answer", packet(FORGET, 3),
                      *start(sshd, 3), *start(sshd, QUOTA + 1), "answer", "end",
                      **fake_ssh("exec sleep 600"))
        for answer, number in zip(got, (QUOTA, QUOTA + 1)):
            holds(f"^{packet(ENDED, number, LOST).hex()}", answer, "what it is told")
            holds(b"this gateway has too many already".hex(), answer, "the reason")


def says_much(sshd):
    with tap.case("an ssh that says more than can be read: the keeper does its work beside it"):
        adit = Adit(config(sshd, up={"engine": "openssh"}), ready=False,
                    env=fake_ssh("yes >&2 & yes >&2 & yes >&2 & yes >&2 & exec yes >&2"))
        with adit:
            wait_until(lambda: any(command_of(pid)[:1] == ["yes"] for pid in descendants(adit.pid)),
                       "its ssh")
            mark = adit.mark()
            adit.reload(config(sshd, up={"engine": "libssh"}))
            adit.sessions_up(1, mark)


def asks_twice(sshd):
    """The first is a note of ssh's (a touch that is waited for), whose end may be known late."""
    with tap.case("a question that comes beside another one is answered"):
        given, go = scratch("given"), scratch("go")
        ssh = fake_ssh('SSH_ASKPASS_PROMPT=none "$SSH_ASKPASS" "Confirm user presence" &\n'
                       f"until [ -e {go} ]; do sleep 0.1; done\n"
                       f'"$SSH_ASKPASS" "me@h\'s password: " >{given}.new; mv {given}.new {given}\n'
                       "exec sleep 600")
        up = {"engine": "openssh", "password_file": scratch("password", "wonder\n")}
        with Adit(config(sshd, up=up), env=ssh, ready=False) as adit:
            adit.wait_log("ssh: Confirm user presence")
            with open(go, "w", encoding="ascii"):
                pass
            wait_until(lambda: os.path.exists(given), "the end of the question")
            with open(given, encoding="ascii") as answer:
                equal(answer.read(), "wonder\n", "the answer")


def folders(sshd, origin):
    odd = scratch("100%d")
    os.mkdir(odd)
    with tap.case("a folder for temporary files whose name means something to ssh"), \
            Adit(config(sshd, up={"engine": "openssh"}),
                 env={"XDG_RUNTIME_DIR": odd, "TMPDIR": odd}) as adit:
        adit.sessions_up(1)
        true(works(adit.address, origin), "echo")
    with Adit(config(sshd, up={"engine": "openssh", "sessions": "1"})) as adit:
        adit.sessions_up(1)
        [ssh] = masters(adit)
        words = command_of(ssh)
        folder = os.path.dirname(words[words.index("-S") + 1])
        with tap.case("the folder of the sockets is removed: the next ssh has it again"):
            mark = adit.mark()
            shutil.rmtree(folder)
            send_signal(ssh, signal.SIGKILL)
            adit.sessions_up(1, mark)
            true(works(adit.address, origin), "echo")
            equal(os.stat(folder).st_mode & 0o777, 0o700, "its mode")
        with tap.case("somebody puts another thing there: no ssh is started, and the log says why"):
            mark = adit.mark()
            [ssh] = masters(adit)
            shutil.rmtree(folder)
            other = scratch("other")
            os.mkdir(other, 0o777)
            os.symlink(other, folder)
            send_signal(ssh, signal.SIGKILL)
            adit.wait_log("ssh cannot be started: the folder for its socket has been replaced by "
                          "somebody: restart adit", mark)
            false(masters(adit), "an ssh")
            equal(os.listdir(other), [], "what is in the other folder")
            os.unlink(folder)


def folder_of(adit):
    [ssh] = masters(adit)
    words = command_of(ssh)
    return os.path.dirname(words[words.index("-S") + 1])


def left_folders(sshd, origin):
    """A keeper that is killed leaves its folder of sockets; whoever starts next removes it."""
    place = scratch("run")
    os.mkdir(place, 0o700)
    env = {"XDG_RUNTIME_DIR": place, "TMPDIR": place}

    def started(name):
        adit = Adit(config(sshd, up={"engine": "openssh", "sessions": "1"}), env=env, name=name)
        adit.sessions_up(1)
        return adit

    with started("an adit that lives") as lives:
        with tap.case("a keeper is killed: the next start removes its folder, and no other one"):
            killed = started("an adit that is killed")
            folder, ssh = folder_of(killed), masters(killed)[0]
            killed.finished = True
            send_signal(killed.pid, signal.SIGKILL)
            wait_until(lambda: command_of(ssh) == [], "the end of its ssh")
            killed.kill()
            true(os.path.exists(folder), "its folder")
            with started("the next one") as following:
                following.wait_log("is removed: it was left by an adit that was killed")
                false(os.path.exists(folder), "its folder")
                true(os.path.exists(folder_of(lives)), "that of an adit that lives")
                true(works(lives.address, origin), "echo")
        with tap.case("one that was upgraded keeps its folder"):
            mark, folder = lives.mark(), folder_of(lives)
            lives.signal(signal.SIGUSR2)
            lives.sessions_up(1, mark)
            with started("one behind the upgrade"):
                true(os.path.exists(folder), "its folder")
                true(works(lives.address, origin), "echo")
        with tap.case("what else is in such a place stays"):
            kept = os.path.join(place, "adit-ssh-abcdef")
            os.mkdir(kept, 0o700)
            with open(os.path.join(kept, "file"), "w", encoding="ascii"):
                pass
            public = os.path.join(place, "adit-ssh-public")
            os.mkdir(public)
            os.chmod(public, 0o755)
            with started("one that finds other things"):
                equal(sorted(os.listdir(kept)), ["file"], "a folder with a file")
                true(os.path.exists(public), "a folder that others can enter")
    equal(sorted(os.listdir(place)), ["adit-ssh-abcdef", "adit-ssh-public"], "what is left")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        left_folders(sshd, origin)
        says_much(sshd)
        asks_twice(sshd)
        folders(sshd, origin)
        if program() is None:
            tap.leave_out("a broken gateway", "t/lib/adit-broken is not built")
            return
        text = scratch("adit.ini", config(
            sshd, section("upstream plain", {"host": "h", "host_key": "accept-new",
                                             "ssh_config": "no"}),
            up={"engine": "openssh", "host": ANY, "port": sshd.port}))
        asks_for_more(sshd, text)
        leaves(sshd, text)
        quota(sshd, text)


tap.run(main)

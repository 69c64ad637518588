#!/usr/bin/env -S python3 -B
"""Private keys and their passphrases are the keeper's: an agent of its own has them, which ends with
it, goes on through an upgrade, loads a file again when the file is another one, and forgets a key that
no configuration has any more."""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, keypair, scratch, tap, true, wait_until)
from adit_test.clients import connect, exchange, works
from adit_test.gateway import upstream
from adit_test.keys import authorized, fingerprint, public
from adit_test.origins import Origin, echo
from adit_test.process import command_name, descendants, is_still, send_signal
from adit_test.sshd import Sshd

PASSPHRASE = "a passphrase that nothing else has in it"


def agents(adit):
    return [pid for pid in descendants(adit.pid) if command_name(pid) == "ssh-agent"]


def folder_of(agent):
    """The directory of its socket, by the environment of its parent, the program that holds it."""
    with open(f"/proc/{agent}/stat", encoding="latin-1") as stat:
        parent = stat.read().rpartition(")")[2].split()[1]
    with open(f"/proc/{parent}/environ", "rb") as variables:
        found, = [one for one in variables.read().split(b"\0") if one.startswith(b"SSH_AUTH_SOCK=")]
    return os.path.dirname(found.decode().split("=", 1)[1])


def running(sshd, **up):
    return Adit(config(sshd, up=up))


def end_sessions(sshd):
    for pid in sshd.sessions():
        sshd.kill_session(pid)


def memory(pid):
    """All that can be read of a process's memory."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(number, 16) for number in place.split("-"))
            if "r" in rights and end - begin < 1 << 31:
                try:
                    mem.seek(begin)
                    found.append(mem.read(end - begin))
                except (OSError, ValueError, OverflowError):
                    continue  # [vvar] and the like
    return found


def seed(key):
    """The 32 private bytes of an Ed25519 key (OpenSSH, PROTOCOL.key), and its public blob."""
    with open(key, encoding="ascii") as source:
        whole = base64.b64decode("".join(source.read().splitlines()[1:-1]))
    blob = base64.b64decode(public(key).split()[1])
    point = blob[-32:]
    at = whole.rindex(point)  # the private half is the seed and the point
    return whole[at - 32:at], blob


def primes(key):
    """Those of an RSA key, as bytes in both orders."""
    text = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    for name in ("prime1", "prime2"):
        digits = text.split(f"{name}:")[1].split("exponent")[0].split("prime")[0]
        number = int(digits.replace(":", "").replace("\n", "").replace(" ", ""), 16)
        size = (number.bit_length() + 7) // 8
        yield number.to_bytes(size, "big")
        yield number.to_bytes(size, "little")


def nothing_in_memory(origin):
    key, other = keypair("key"), scratch("rsa")
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", other, "2048"], check=True,
                   capture_output=True)
    os.chmod(other, 0o600)
    with open(f"{other}.pub", "w", encoding="ascii") as out:
        subprocess.run(["ssh-keygen", "-y", "-f", other], check=True, stdout=out)
    secret, blob = seed(key)
    secrets = {"the Ed25519 key": [secret], "the RSA key": list(primes(other)),
               "the passphrase": [PASSPHRASE.encode()]}
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key], check=True,
                   capture_output=True)
    with Sshd(user_key=key) as one, Sshd(user_key=other) as two:
        text = config(one, upstream(two, name="rsa"),
                      up={"passphrase_file": scratch("passphrase", PASSPHRASE)})
        with Adit(text) as adit:
            adit.sessions_up(1)
            adit.sessions_up(1, upstream="rsa")
            true(works(adit.address, origin), "echo")
            parts = memory(adit.gateway)
            with tap.case("what the gateway does know is found in its memory"):
                true(any(blob in part for part in parts), "the public half")
            for what, forms in secrets.items():
                with tap.case(f"{what} is not in the gateway's memory"):
                    false(any(form in part for form in forms for part in parts), "it is there")


def life(sshd):
    with tap.case("one agent, in a directory of its own, and it goes with adit"):
        with running(sshd) as adit:
            adit.sessions_up(1)
            agent, = agents(adit)
            folder = folder_of(agent)
            equal(os.stat(folder).st_mode & 0o777, 0o700, "its mode")
            with open(f"/proc/{adit.gateway}/environ", "rb") as variables:
                false(folder.encode() in variables.read(), "the gateway has its path")
        wait_until(lambda: is_still(agent) and not os.path.exists(folder), "its end")
    with tap.case("also by kill -9 of the keeper"):
        adit = running(sshd)
        adit.sessions_up(1)
        agent, = agents(adit)
        gateway, folder = adit.gateway, folder_of(agent)
        send_signal(adit.pid, signal.SIGKILL)
        adit.wait()
        wait_until(lambda: is_still(agent) and not os.path.exists(folder), "its end")
        wait_until(lambda: is_still(gateway), "the gateway's end")
    with tap.case("no key, no agent"):
        with running(sshd, identity="none") as adit:
            adit.wait_log("Permission denied")
            equal(agents(adit), [], "agents")
    with tap.case("an agent that was killed is replaced at the next login"):
        with running(sshd) as adit:
            adit.sessions_up(1)
            agent, = agents(adit)
            send_signal(agent, signal.SIGKILL)
            mark = adit.mark()
            end_sessions(sshd)
            adit.sessions_up(1, mark)
            adit.wait_log(rf"the agent with adit's keys \(process {agent}\) has ended", mark)


def asked_once(sshd_key):
    """A program answers, and counts."""
    count = scratch("count", "")
    program = scratch("askpass", f"#!/bin/sh\necho >> {count}\necho '{PASSPHRASE}'\n", 0o700)

    def times():
        with open(count, encoding="ascii") as lines:
            return len(lines.readlines())

    with Sshd(user_key=sshd_key) as sshd, running(sshd, askpass=program) as adit:
        adit.sessions_up(1)
        agent, = agents(adit)
        with tap.case("after an upgrade no passphrase is asked for again"):
            mark = adit.mark()
            adit.signal(signal.SIGUSR2)
            gateway = int(adit.wait_log(r"upgrade: the new gateway \(process (\d+)\) listens",
                                        mark)[1])
            equal(agents(adit), [agent], "the agent")
            equal(times(), 1, "questions")
        with tap.case("nor after a crash of the gateway"):
            mark = adit.mark()
            send_signal(gateway, signal.SIGKILL)
            adit.sessions_up(1, mark)
            equal(times(), 1, "questions")
            equal(agents(adit), [agent], "the agent")


def replaced():
    key, other = keypair("key"), keypair("other")
    with tap.case("a file that is another key at the next login"):
        both = authorized(other, key)
        with Sshd(user_key=key, options={"AuthorizedKeysFile": both}) as sshd, \
                running(sshd) as adit:
            adit.sessions_up(1)
            wanted = fingerprint(other)
            for suffix in (".pub", ""):
                os.replace(other + suffix, key + suffix)
            mark, seen = adit.mark(), sshd.mark()
            end_sessions(sshd)
            adit.sessions_up(1, mark)
            sshd.process.wait_log(f"Accepted publickey .* {re.escape(wanted)}", seen)
            equal(len(agents(adit)), 1, "agents")


def held(adit):
    """How many keys its agent has."""
    agent, = agents(adit)
    folder = folder_of(agent)
    socket, = os.listdir(folder)
    done = subprocess.run(["ssh-add", "-l"], capture_output=True, text=True, check=False,
                          env={**os.environ, "SSH_AUTH_SOCK": os.path.join(folder, socket)})
    return 0 if done.returncode == 1 else len(done.stdout.splitlines())


def left_out(sshd, origin):
    key = keypair("more")
    with Sshd(user_key=key) as other:
        without = config(sshd)
        both = without + upstream(other, name="more")
        with Adit(both) as adit:
            adit.sessions_up(1)
            adit.sessions_up(1, upstream="more")
            with tap.case("a reload without a key: it is forgotten, and the others stay"):
                equal(held(adit), 2, "keys before")
                mark = adit.reload(without)
                adit.wait_log("reloaded", mark)
                adit.wait_log(f"info: {re.escape(key)}: no configuration in use has this key", mark)
                wait_until(lambda: held(adit) == 1, "one key")
                end_sessions(sshd)
                adit.sessions_up(1, mark)
            with tap.case("a reload with it: it is loaded again"):
                mark = adit.reload(both)
                adit.sessions_up(1, mark, upstream="more")
                equal(held(adit), 2, "keys")
            with tap.case("an upgrade: it goes with the last gateway that may log in with it"):
                with connect(adit.address, ANY, origin.port) as conn:
                    true(exchange(conn), "echo")
                    adit.write(without)
                    mark = adit.mark()
                    adit.signal(signal.SIGUSR2)
                    adit.wait_log(r"upgrade: the new gateway \(process \d+\) listens", mark)
                    mark = adit.reload()
                    adit.wait_log("reloaded", mark)
                    true(exchange(conn), "echo by the gateway from before")
                    equal(held(adit), 2, "keys")
                adit.wait_log(r"the gateway that listened before \(process \d+\) has ended", mark)
                wait_until(lambda: held(adit) == 1, "one key")


def without_tools(sshd, origin):
    nowhere = scratch("nowhere")
    os.mkdir(nowhere)
    os.symlink(shutil.which("ssh"), os.path.join(nowhere, "ssh"))
    with tap.case("without ssh-agent: the gateway reads keys, and one warning says so"):
        with Adit(config(sshd), env={"PATH": nowhere}) as adit:
            adit.sessions_up(1)
            mark = adit.mark()
            end_sessions(sshd)
            adit.sessions_up(1, mark)
            true(works(adit.address, origin), "echo")
            equal(len(adit.find("ssh-agent and ssh-add of OpenSSH are not in PATH")), 1, "warnings")
            equal(agents(adit), [], "agents")
    with tap.case("... and with sandbox = require adit does not start"):
        adit = Adit(config(sshd, gate={"sandbox": "require"}), env={"PATH": nowhere}, ready=False)
        equal(adit.wait(), os.EX_CONFIG, "the status")
        true(adit.find("error: sandbox = require: .* not in PATH"), "the reason")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        nothing_in_memory(origin)
        life(sshd)
        asked_once(keypair("locked", PASSPHRASE))
        replaced()
        left_out(sshd, origin)
        without_tools(sshd, origin)


tap.run(main)

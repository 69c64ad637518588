#!/usr/bin/env -S python3 -B
"""A second factor without a person: the program of adit.ini(5) computes a one-time code each login;
what such a program gets is what ssh's gets, and the names of what asks.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, config, equal, holds, keypair, sanitized, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, Silence
from adit_test.clients import works
from adit_test.gateway import TOP, binary, environment
from adit_test.mux import SshMaster
from adit_test.net import ANY
from adit_test.origins import Origin, echo
from adit_test.process import patience, workdir
from adit_test.sshd import Sshd

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BOTH = {"AuthenticationMethods": "publickey,keyboard-interactive",
        "KbdInteractiveAuthentication": "yes"}

# RFC 6238 with steps of 30 s, the step before too, each code once: what a server checks.
CHECK = f"""#!{sys.executable} -SE
import base64, hashlib, hmac, struct, sys, time

def code(step):
    mac = hmac.digest(base64.b32decode("{SECRET}"), struct.pack("!Q", step), hashlib.sha1)
    at = mac[-1] & 15
    return "%06d" % ((struct.unpack("!I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000)

step = int(time.time()) // 30
with open("@USED@", "r+") as used:
    last = int(used.read())
    for good in (step - 1, step):
        if good > last and hmac.compare_digest(sys.argv[1], code(good)):
            used.seek(0)
            used.write(str(good))
            sys.exit(0)
sys.exit(1)
"""


def server():
    """An sshd that wants a key and then a code, and the file with the last code's step."""
    used = scratch("used", "1")
    check = scratch("check", CHECK.replace("@USED@", used), 0o755)
    return Sshd(code_check=check, options=BOTH), used


def recipe(directory):
    """The program of the manual, with its files in a directory of the test's."""
    with open(os.path.join(TOP, "doc", "adit.ini.5.in"), encoding="utf-8") as manual:
        text = re.search(r"^#!/bin/sh\n.*?(?=^\.Ed$)", manual.read(), re.M | re.S)[0]
    return scratch("answer", text.replace("/etc/adit", directory), 0o755)


def codes(origin):
    if not tap.have("a one-time code is computed at each login", "oathtool"):
        return
    directory = scratch("etc")
    os.mkdir(directory)
    with open(os.path.join(directory, "totp.office"), "w", encoding="ascii") as out:
        out.write(SECRET + "\n")
    sshd, used = server()
    steps = []

    def step():
        with open(used, encoding="ascii") as source:
            steps.append(int(source.read()))

    with sshd, Adit(config(sshd, up={"askpass": recipe(directory), "sessions": "1-1",
                                     "hold": "60s"}),
                    env={"RUNTIME_DIRECTORY": directory}) as adit:
        with tap.case("a one-time code is computed at each login"):
            true(works(adit.address, origin, timeout=patience(60)), "an echo")
            step()
        with tap.case("... and another one when the session was lost"):
            mark = adit.mark()
            for session in sshd.sessions():
                sshd.kill_session(session)
            adit.wait_log("session 0 lost", mark)
            adit.wait_log(r"upstream office: session 0 up", mark, seconds=60)
            true(works(adit.address, origin, timeout=patience(60)), "an echo")
            step()
            true(steps[1] > steps[0], f"the codes were of steps {steps}")
            equal(adit.find("Permission denied"), [], "refusals")
    joined(origin, directory)
    with tap.case("the program has no answer to another question: the error says so"), \
            Sshd(password="pw", options={"PubkeyAuthentication": "no"}) as other, \
            Adit(config(other, up={"askpass": recipe(directory)}), name="adit, a password") as adit:
        adit.wait_log(r"askpass \S+answer\S* gave no answer: the program exited with status 1")
        adit.wait_log(r"Permission denied \(password\) .*; no answer was given")


def joined(origin, directory):
    sshd, used = server()
    with tap.case("a master of ssh that a code has logged in is joined: no other code is needed"), \
            sshd, SshMaster(sshd, SSH_ASKPASS=recipe(directory), SSH_ASKPASS_REQUIRE="force",
                            ADIT_UPSTREAM="office", RUNTIME_DIRECTORY=scratch_folder()) as master:
        with open(used, encoding="ascii") as source:
            before = source.read()
        true(before != "1", "a code was taken")
        with Adit(config(sshd, up={"join_master": master.path, "identity": "none",
                                   "agent": "no"})) as adit:
            for _ in range(10):
                true(works(adit.address, origin), "an echo")
        with open(used, encoding="ascii") as source:
            equal(source.read(), before, "the step of the last code")
        equal(len(sshd.sessions()), 1, "sessions at the server")


def scratch_folder():
    path = scratch("folder")
    os.mkdir(path)
    return path


def surroundings():
    """What the program is run with, by ssh and by adit."""
    silence, key = Silence(), keypair("locked", "a passphrase")
    seen = {}
    for program in PROGRAMS if not sanitized() else ("adit",):
        note = scratch("note", "")
        askpass = scratch("askpass", f"""#!/bin/sh
printf '%s|%s|%s|%s|%s\\n' "$#" "$1" "${{SSH_ASKPASS_PROMPT-unset}}" "$DISPLAY" \
    "${{SSH_ASKPASS_REQUIRE-unset}}" >>{note}
printf '%s@%s\\n' "$ADIT_UPSTREAM" "$ADIT_HOST" >>{note}.names
echo a passphrase
""", 0o755)
        with Sshd(user_key=key) as sshd:
            done = subprocess.run(
                [binary() if program == "adit" else program, "-F", "none", "-i", key,
                 "-p", str(sshd.port), "-o", f"UserKnownHostsFile={sshd.known_hosts}",
                 "-o", "IdentitiesOnly=yes", "-W", f"{ANY}:{silence.port}",
                 f"{sshd.user}@{sshd.address}"],
                stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False,
                cwd=workdir(), timeout=patience(60), start_new_session=True,
                env=environment(SSH_ASKPASS=askpass, DISPLAY=":nowhere"))
        with tap.case(f"{program}: one argument, no SSH_ASKPASS_PROMPT, the rest as it is"):
            equal(done.returncode, 0, f"the exit status ({done.stderr!r})")
            with open(note, encoding="utf-8") as source:
                seen[program] = source.read()
            equal(seen[program], f"1|Enter passphrase for key '{key}': |unset|:nowhere|unset\n",
                  "what it got")
        if program == "adit":
            with tap.case("... and the names of the upstream and of the host"), \
                    open(f"{note}.names", encoding="utf-8") as source:
                holds(rf"\A\S+@{re.escape(ANY)}\n\Z", source.read(), "the names")


def main():
    with Origin(echo) as origin:
        codes(origin)
    surroundings()


tap.run(main)

#!/usr/bin/env -S python3 -B
"""[upstream] post_quantum: what is said of a key exchange that a quantum computer breaks, and that no
login follows it where it is required."""

import json
import os
import re
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, false, free_port, holds, scratch, tap, true, wait_until
from adit_test.gateway import Adit, binary, config, section
from adit_test.mux import run
from adit_test.sshd import Sshd

WEAK = "curve25519-sha256"
SAID = "does not withstand a quantum computer"


def library():
    """The version of libssh, as numbers."""
    text = subprocess.run([binary(), "-V"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"libssh (\d+)\.(\d+)", text).groups()))


HYBRIDS = library() >= (0, 12)


def ask(path, *words):
    done = run([binary(), "-S", path, "-O", *words])
    equal(done.returncode, 0, f"the status of -O {words[0]}: {done.stderr}")
    return done.stdout.decode()


def shown(adit, path, page, yes):
    """All places that show it."""
    sessions = json.loads(ask(path, "status", "--json"))["upstreams"][0]["sessions"]
    equal([one["post_quantum"] for one in sessions], [yes] * len(sessions), "in the status")
    true(all(one["kexalgorithm"] for one in sessions), "the names in the status")
    word = "yes" if yes else "no"
    holds(rf"(?m)^SESSION .* POST-QUANTUM +STATE$\n.* {word} +up$", ask(path, "status"),
          "in the table")
    holds(rf"(?m)^  post-quantum {word}$", ask(path, "conninfo"), "in conninfo")
    with urllib.request.urlopen(f"http://{ANY}:{page}/metrics") as answer:
        holds(rf'adit_session_info{{upstream="office",.*post_quantum="{word}"}} 1',
              answer.read().decode(), "in the metrics")
    true(adit.alive(), "adit lives")


def gateway(sshd, page=None, path=None, **up):
    more = section("status", {"address": f"{ANY}:{page}"}) if page else ""
    return Adit(config(sshd, up=up, gate={"control": path} if path else None) + more)


def weak(sshd):
    """A server that has no other key exchange."""
    path, page = scratch("control"), free_port()
    with gateway(sshd, page, path, sessions="2") as adit:
        adit.sessions_up(2)
        with tap.case("warn: one line for an upstream, whatever the number of its sessions"):
            line = adit.wait_log(f"upstream office: the key exchange {WEAK}.*{SAID}")
            true(line, "the line")
            holds("the server knows none" if HYBRIDS else
                  "has no post-quantum key exchange: libssh 0.12", adit.text(), "what to do")
            holds("post_quantum = no keeps adit from telling", adit.text(), "and how to end it")
            mark = adit.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            adit.wait_log("session . up", mark, count=2)
            equal(adit.text().count(SAID), 1, "lines after both sessions were made again")
        with tap.case("a weak one is shown in the status, in conninfo and in the metrics"):
            wait_until(lambda: len(json.loads(ask(path, "status", "--json"))["upstreams"][0]
                                   ["sessions"]) == 2, "two sessions")
            shown(adit, path, page, False)
    with tap.case("no: not a word"), gateway(sshd, post_quantum="no") as adit:
        adit.sessions_up(1)
        false(adit.find(SAID), "a line")
    with tap.case("require: no login, and the log says why"):
        mark = sshd.mark()
        with gateway(sshd, post_quantum="require", engine="libssh") as adit:
            adit.wait_log(f"the key exchange {WEAK} {SAID}, which post_quantum = require asks for: ")
            equal(sshd.logins(mark), [], "logins")
            false(adit.find("session 0 up"), "a session")


def tunnels(sshd):
    hosts = scratch("ssh_config", f"""Host server
  HostName {sshd.address}
  Port {sshd.port}
  User {sshd.user}
  IdentityFile {sshd.user_key}
  UserKnownHostsFile {sshd.known_hosts}
""")
    with tap.case("a tunnel has the default, and -v shows what is said"):
        done = run([binary(), "-F", hosts, "-v", "-o", f"KexAlgorithms={WEAK}", "-W",
                    f"{ANY}:{sshd.port}", "server"])
        holds(SAID.encode(), done.stderr, "the line")


def hybrid(sshd):
    """OpenSSH 9.2 and later have sntrup761x25519-sha512@openssh.com."""
    path, page = scratch("control"), free_port()
    for value in ("warn", "require"):
        with tap.case(f"{value}: a session with a hybrid key exchange is used, without a word"), \
                gateway(sshd, page, path, post_quantum=value) as adit:
            adit.sessions_up(1)
            shown(adit, path, page, True)
            false(adit.find(SAID), "a line")


def by_ssh(sshd, strong):
    """Where libssh has none, ssh's is used, if there is one."""
    up = {"post_quantum": "require", "engine": "openssh" if HYBRIDS else "auto"}
    with tap.case("require: no common key exchange, in ssh's words"), gateway(sshd, **up) as adit:
        adit.wait_log("no matching key exchange method found. Their offer: " + WEAK)
        false(adit.find("session 0 up"), "a session")
    path, page = scratch("control"), free_port()
    with gateway(strong, page, path, **up) as adit, \
            tap.case("require: an ssh carries the session where libssh has no such exchange"):
        if not HYBRIDS:
            line = ("upstream office: an ssh carries its sessions (engine = auto): "
                    "post_quantum = require, and this libssh has no such key exchange")
            adit.wait_log(re.escape(line))
        adit.sessions_up(1)
        shown(adit, path, page, True)
    with gateway(strong, post_quantum="require", engine="openssh",
                 kex="curve25519-sha256, sntrup761x25519-sha512@openssh.com") as adit, \
            tap.case("require: of kex those are offered that will do"):
        adit.sessions_up(1)
    with gateway(strong, post_quantum="require", engine="openssh", kex=WEAK) as adit, \
            tap.case("require: a kex that has none is a refused session"):
        adit.wait_log(f"the key exchange '{WEAK}' {SAID}, as post_quantum = require asks for")
        false(adit.find("session 0 up"), "a session")


def main():
    with Sshd(options={"KexAlgorithms": WEAK}) as sshd:
        weak(sshd)
        with Sshd() as strong:
            by_ssh(sshd, strong)
        tunnels(sshd)
    if HYBRIDS:
        with Sshd() as sshd:
            hybrid(sshd)


tap.run(main)

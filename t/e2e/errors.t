#!/usr/bin/env -S python3 -B
"""A tunnel that cannot be: exit status 255 and one line that says why. 64: usage. 78: a file.

ADIT_TEST_PROGRAM=ssh shows that ssh ends with 255 too; it says so in other words and more lines.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Agent, equal, fingerprint, free_port, holds, keypair, run_adit, scratch,
                       tap)
from adit_test.command import REAL, call, ssh_config
from adit_test.keys import known_hosts_lines
from adit_test.network import isolate
from adit_test.origins import Blackhole, Origin, echo
from adit_test.sshd import Sshd

STRICT = "-o ExitOnForwardFailure=yes"
UNREACHABLE = "a network that cannot be reached"


def refused(name, line, hosts, *patterns, seconds=30, **variables):
    """One case: a command line that ends with 255, and what its one line says."""
    with tap.case(name):
        done = call(line, hosts, seconds=seconds, **variables)
        equal(done.returncode, 255, f"the exit status (it said {done.stderr!r})")
        if not REAL:
            equal(len(done.stderr.splitlines()), 1, f"lines in {done.stderr!r}")
            holds(r"^(adit: \S|Control socket )", done.stderr, "how it begins")
            for pattern in patterns:
                holds(pattern, done.stderr, "what it says")
            equal(done.stdout, "", "on standard output")


def forwards(sshd, origin):
    hosts = ssh_config({"host": sshd})
    taken = rf"{origin.port}.*(?i:address already in use)"
    for word, target in (("L", f":localhost:{origin.port}"), ("D", "")):
        refused(f"-{word}: the port is in use",
                f"ssh {STRICT} -{word} {ANY}:{origin.port}{target} host", hosts, taken)
    if not REAL:  # ssh goes on without it
        refused("-L: the port is in use, and it is not said that this is fatal",
                f"ssh -L {ANY}:{origin.port}:localhost:22 host", hosts, taken)
    refused("-f -L: the port is in use; the parent ends so too",
            f"ssh -fN {STRICT} -L {ANY}:{origin.port}:localhost:22 host", hosts, taken)
    refused("-R: the port is in use over there", f"ssh {STRICT} -R {origin.port}:localhost:22 host",
            hosts, rf"{origin.port}")
    refused("-W: nobody listens over there", f"ssh -W localhost:{free_port()} host", hosts,
            r"(?i)refused")
    port = free_port()
    with Sshd(options={"AllowTcpForwarding": "no"}) as closed:
        hosts = ssh_config({"host": closed})
        refused("-R: the server does not allow it",
                f"ssh {STRICT} -R {port}:localhost:22 host", hosts, rf"{port}",
                r"(?i)refused|denied|allow")
        refused("-fN -R: the server does not allow it",
                f"ssh -fN {STRICT} -R {port}:localhost:22 host", hosts, rf"{port}")
        refused("-W: the server does not allow it", f"ssh -W localhost:{origin.port} host", hosts,
                r"(?i)prohibited|denied|allow")


def host_keys(sshd):
    other = keypair("other_host_key")
    place = [(sshd.address, sshd.port)]
    changed = scratch("known_hosts", "# of last year\n" + known_hosts_lines(other, *place))
    port = free_port()
    for check in ("ask", "yes", "accept-new"):
        refused(f"StrictHostKeyChecking {check}: the host key is not the known one",
                f"ssh -o StrictHostKeyChecking={check} -D {port} host",
                ssh_config({"host": sshd}, f"UserKnownHostsFile {changed}"),
                re.escape(fingerprint(sshd.host_key)), re.escape(fingerprint(other)),
                rf"{re.escape(changed)}:2\b")
    for check in ("ask", "yes"):
        refused(f"StrictHostKeyChecking {check}: the host key is not known, and nobody is there",
                f"ssh -o StrictHostKeyChecking={check} -D {port} host",
                ssh_config({"host": sshd}, f"UserKnownHostsFile {scratch('none')}"),
                re.escape(fingerprint(sshd.host_key)))


def authentication(sshd):
    stranger, locked = keypair("stranger"), keypair("locked", "a passphrase")
    port = free_port()

    def with_key(key, **options):
        return ssh_config({"host": sshd}, f"IdentityFile {key}", "IdentitiesOnly yes", **options)

    sshd.user_key, known = stranger, sshd.user_key
    try:
        refused("no authentication is left: what was tried", f"ssh -D {port} host",
                with_key(stranger), r"(?i)public.?key", re.escape(stranger), r"(?i)denied|refused")
        with Agent(keypair("in_the_agent")) as agent:
            refused("no authentication is left: the agent was tried", f"ssh -D {port} host",
                    ssh_config({"host": sshd}, "IdentitiesOnly no"), r"(?i)agent",
                    SSH_AUTH_SOCK=agent.socket)
    finally:
        sshd.user_key = known
    refused("a user that is not there", f"ssh -D {port} nobody-of-that-name@host",
            ssh_config({"host": sshd}), r"nobody-of-that-name", r"(?i)denied|refused")
    sshd.user_key = locked
    try:
        refused("an encrypted key, and nobody to ask", f"ssh -o BatchMode=yes -D {port} host",
                ssh_config({"host": sshd}), re.escape(locked), r"(?i)passphrase|encrypted")
    finally:
        sshd.user_key = known


def connecting(sshd, isolated):
    port = free_port()
    with Sshd(start=False) as down, Blackhole() as hole:
        hosts = ssh_config({"host": sshd, "down": down})
        refused("a host that nobody knows", f"ssh -D {port} nowhere.invalid", hosts,
                r"nowhere\.invalid", r"(?i)not known|unknown|resolve|resolution")
        refused("nobody listens there", f"ssh -D {port} down", hosts, rf"{down.port}",
                r"(?i)connection refused")
        refused("-f: nobody listens there", f"ssh -fN -D {port} down", hosts,
                r"(?i)connection refused")
        if isolated:
            refused(UNREACHABLE, f"ssh -D {port} 192.0.2.1", hosts, r"192\.0\.2\.1",
                    r"(?i)unreachable")
        refused("a host that does not answer",
                f"ssh -o ConnectTimeout=1 -p {hole.port} -D {port} {ANY}", hosts,
                r"(?i)timed? ?out")
        refused("a jump host that is not there", f"ssh -J down -D {port} host", hosts,
                rf"{down.port}", r"(?i)connection refused")
        refused("a host that the jump host cannot reach", f"ssh -J host -D {port} down", hosts,
                r"(?i)refused")
        refused("a ProxyCommand that fails", f"ssh -o 'ProxyCommand=false' -D {port} host", hosts,
                r"(?i)proxy.?command|closed")
        refused("a port that is none", f"ssh -p 70000 -D {port} host", hosts, "70000")
        refused("an option that ssh does not know", f"ssh -o NoSuchThing=1 -D {port} host", hosts)
        refused("a file for -F that is not there",
                f"ssh -F {hosts} -D {port} -F {scratch('none')} host", hosts)
        refused("-O check: nobody listens there", f"ssh -S {scratch('s')} -O check host", hosts)


USAGE = [
    [], ["-D", "1080"], ["-L", "host"], ["-L", "nonsense", "host"], ["-L", "1:a:b:c:d", "host"],
    ["-L", "99999:localhost:22", "host"], ["-R", "70000", "host"], ["-D", "x:y:z", "host"],
    ["-W", "nowhere", "host"],
    ["-Z", "host"], ["--no-such-option"], ["--config"], ["-O", "dance", "-S", "/nowhere", "host"],
    ["--config", "/dev/null", "host"],
]


def usage():
    for words in USAGE:
        with tap.case(f"adit {' '.join(words)}"):
            done = run_adit(*words)
            equal(done.returncode, 64, f"the exit status (it said {done.stderr!r})")
            holds(r"(?m)^(adit: |[Uu]sage: )", done.stderr, "what it says")
            equal(done.stdout, "", "on standard output")
    with tap.case("adit --config FILE: every problem with its place"):
        path = scratch("adit.ini", "[upstream a]\nhots = b\n[forward c]\nlocal = nonsense\n")
        done = run_adit("--config", path)
        equal(done.returncode, 78, "the exit status")
        holds(rf"(?m)^{re.escape(path)}:2: ", done.stderr, "the first problem")
        holds(rf"(?m)^{re.escape(path)}:4: ", done.stderr, "the second")
    with tap.case("adit --config FILE: no such file"):
        equal(run_adit("--config", scratch("none")).returncode, 78, "the exit status")


def main():
    isolated = isolate(UNREACHABLE)
    # One family, so that a port taken in it is taken.
    with Sshd(options={"AddressFamily": "inet"}) as sshd, Origin(echo) as origin:
        forwards(sshd, origin)
        host_keys(sshd)
        authentication(sshd)
        connecting(sshd, isolated)
    if not REAL:
        usage()


tap.run(main)

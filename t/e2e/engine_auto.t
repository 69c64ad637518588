#!/usr/bin/env -S python3 -B
"""What only ssh(1) can do, beside it: host certificates, a key in a FIDO token, and ssh's questions.
adit then has an ssh carry its sessions (engine = auto), and says why."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, holds, keypair, run_adit, sanitized,
                       scratch, tap, true, wait_until)
from adit_test.as_ssh import PROGRAMS, Silence, login, side_by_side
from adit_test.clients import works
from adit_test.command import ssh_config
from adit_test.gateway import binary, environment
from adit_test.keys import authorized, known_hosts_lines, public
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")
STRICT = "StrictHostKeyChecking=yes"


def certificate(authority, key, *words):
    """A host certificate for a copy of the key: its path, which sshd finds the key beside."""
    copy = scratch("certified")
    for end in ("", ".pub"):
        with open(key + end, "rb") as source, open(copy + end, "wb") as out:
            os.chmod(copy + end, 0o600)
            out.write(source.read())
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-h", "-I", "adit test", *words,
                    f"{copy}.pub"], check=True, stdin=subprocess.DEVNULL)
    return f"{copy}-cert.pub"


def server(key, cert, **keys):
    return Sshd(host_key=key, options={"HostCertificate": cert}, **keys)


def certificates(silence):
    authority, other, key = keypair("authority"), keypair("other"), keypair("host")
    authorities = f"@cert-authority the-alias {public(authority)}\n"
    revoked = scratch("revoked", f"{public(authority)}\n")
    good = ("-n", "the-alias")
    cases = (
        ("the right one", good, authorities, (), True),
        ("another authority's", good, f"@cert-authority the-alias {public(other)}\n", (), False),
        ("an authority that a line revokes", good,
         authorities + f"@revoked the-alias {public(authority)}\n", (), False),
        ("an authority that RevokedHostKeys has", good, authorities,
         (f"RevokedHostKeys={revoked}",), False),
        ("one that has expired", (*good, "-V", "-2d:-1d"), authorities, (), False),
        ("one that is not valid yet", (*good, "-V", "+1d:+2d"), authorities, (), False),
        ("one for another name", ("-n", "elsewhere"), authorities, (), False),
        ("one for every name", (), authorities, (), None),
    )
    for what, words, known, options, comes in cases:
        with server(key, certificate(authority, key, *words)) as sshd, \
                tap.case(f"a host certificate: {what}"):
            path = scratch("known_hosts", known)
            adit, _ = side_by_side(sshd, silence, f"UserKnownHostsFile={path}",
                                   "HostKeyAlias=the-alias", STRICT, *options)
            if comes is not None:
                equal(adit.came, comes, f"a login ({adit.said!r})")
            if not adit.came:
                holds("Host key verification failed", adit.said, "ssh's words")


def gateway(authority, key):
    cert = certificate(authority, key, "-n", ANY)
    with server(key, cert) as sshd, Origin(echo) as origin:
        known = scratch("known_hosts", f"@cert-authority * {public(authority)}\n")
        with Adit(config(sshd, up={"engine": "auto", "known_hosts": known})) as adit, \
                tap.case("a gateway says why an ssh carries its sessions"):
            adit.wait_log(re.escape(
                "info: upstream office: an ssh carries its sessions (engine = auto): " + known +
                ":1 has a certificate authority (@cert-authority) for the host"))
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")


def provider():
    path = scratch("provider.so")
    subprocess.run([os.environ.get("CC", "cc").split()[0], "-shared", "-fPIC", "-o", path,
                    os.path.join(LIB, "sk_provider.c"), "-lcrypto"], check=True)
    return path


def token(silence):
    library, key = provider(), scratch("token")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519-sk", "-w", library, "-N", "", "-f", key],
                   check=True, stdin=subprocess.DEVNULL)
    with Sshd(user_key=key) as sshd, Origin(echo) as origin:
        with tap.case("a key in a FIDO token"):
            # (That a touch is waited for is told in the log and on the terminal, by no program.)
            adit, _ = side_by_side(sshd, silence, f"SecurityKeyProvider={library}", STRICT,
                                   differs=("asked",))
            true(adit.came, f"a login ({adit.said!r})")
        with tap.case("a token that is not there"):
            adit, _ = side_by_side(sshd, silence, "SecurityKeyProvider=/nowhere", STRICT,
                                   differs=("asked",))
            holds("Permission denied", adit.said, "ssh's words")
        hosts = scratch("ssh_config", f"Host *\nSecurityKeyProvider {library}\n")
        up = {"engine": "auto", "ssh_config": "yes", "ssh_config_file": hosts, "sessions": "2"}
        with Adit(config(sshd, up=up)) as adit, \
                tap.case("a gateway with two sessions by a token"):
            adit.wait_log(re.escape(
                "the key of " + key + " is in a FIDO token (sk-ssh-ed25519@openssh.com)"))
            adit.sessions_up(2)
            true(works(adit.address, origin), "echo")


def questions(silence):
    """(A line with an authority has an ssh carry the sessions, whatever else the file has.)"""
    forced = f"@cert-authority * {public(keypair('unused'))}\n"

    def known(sshd):
        return scratch("known_hosts", forced + known_hosts_lines(
            sshd.host_key, (sshd.address, sshd.port)))

    with Sshd(password="right") as sshd:
        for what, answers in (("the right password", ["right"]),
                              ("a wrong one, then the right one", ["wrong", "right"]),
                              ("three wrong ones", ["a", "b", "c"]), ("no answer", [])):
            with tap.case(f"a password is asked for: {what}"):
                side_by_side(sshd, silence, STRICT, f"UserKnownHostsFile={known(sshd)}",
                             "PubkeyAuthentication=no", "PreferredAuthentications=password",
                             keys=[], answers=answers)
        with tap.case("BatchMode: nothing is asked"):
            adit, _ = side_by_side(sshd, silence, STRICT, f"UserKnownHostsFile={known(sshd)}",
                                   "PubkeyAuthentication=no", "BatchMode=yes", keys=[],
                                   answers=["right"])
            equal(adit.asked, [], "questions")
        with tap.case("password_file answers"), Origin(echo) as origin, \
                Adit(config(sshd, up={"identity": "none", "known_hosts": known(sshd),
                                      "password_file": scratch("password", "right\n")})) as adit:
            adit.sessions_up(1)
            true(works(adit.address, origin), "echo")
    locked = keypair("locked", "secret")
    with Sshd(user_key=locked, options={"AuthorizedKeysFile": authorized(locked)}) as sshd:
        for answers in (["secret"], ["wrong", "secret"], ["a", "b", "c"]):
            with tap.case(f"a passphrase is asked for: {answers}"):
                side_by_side(sshd, silence, STRICT, f"UserKnownHostsFile={known(sshd)}",
                             answers=answers)
        with tap.case("passphrase_file answers"), \
                Adit(config(sshd, up={"passphrase_file": scratch("phrase", "secret\n"),
                                      "known_hosts": known(sshd)})) as adit:
            adit.sessions_up(1)
    with Sshd() as sshd:
        for answer in ("yes", "no"):
            with tap.case(f"a new host key, and the answer is {answer}"):
                path = scratch("known_hosts", forced)
                for program in PROGRAMS if not sanitized() else ("adit",):
                    with open(path, "w", encoding="ascii") as known_hosts:
                        known_hosts.write(forced)
                    done = login(program, sshd, silence, "StrictHostKeyChecking=ask",
                                 f"UserKnownHostsFile={path}", answers=[answer])
                    equal(done.came, answer == "yes", f"a login by {program} ({done.said!r})")
                    equal(len(done.asked), 1, "questions")
                    holds("authenticity of host", done.asked[0], "the question")
                    with open(path, encoding="ascii") as known_hosts:
                        equal(public(sshd.host_key).split()[1] in known_hosts.read(),
                              answer == "yes", "whether the key was added")


def carries(port, origin):
    def ready():
        try:
            return works((ANY, port), origin)
        except OSError:
            return False

    wait_until(ready, f"an echo through port {port}")


def at_terminal(control, *words):
    return Terminal([binary(), "-S", control, *words, "host"], environment())


def terminals():
    """A person at a terminal is asked by adit, for the ssh that it has started."""
    forced = f"@cert-authority * {public(keypair('unused'))}\n"
    with Sshd(password="right") as sshd, Origin(echo) as origin:
        sshd.known_hosts = scratch("known_hosts", forced)
        hosts = ssh_config({"host": sshd}, PubkeyAuthentication="no")
        port, control = free_port(), scratch("control")
        with tap.case("a new host key and a password, at the terminal"), \
                at_terminal(control, "-F", hosts, "-ND", str(port)) as terminal:
            terminal.expect(r"(?s)authenticity of host .*\(yes/no/\[fingerprint\]\)\? ")
            terminal.answer("yes")
            terminal.expect(r"'s password: ")
            terminal.answer("wrong", echo=False)
            terminal.expect(r"'s password: ")
            terminal.answer("right", echo=False)
            carries(port, origin)
            terminal.type("\x03")
            equal(terminal.wait(), 0, "the exit status after Ctrl-C")
            true(terminal.echoes(), "the terminal echoes")
            true("wrong" not in terminal.text, "no password is on the screen")
        with tap.case("-f: it asks, goes to the background, and does not ask again"), \
                at_terminal(control, "-F", hosts, "-fND", str(port)) as terminal:
            terminal.expect(r"'s password: ")
            terminal.answer("right", echo=False)
            equal(terminal.wait(), 0, "the exit status")
            carries(port, origin)
            [session] = sshd.sessions()
            mark = sshd.mark()
            sshd.kill_session(session)
            sshd.process.wait_log("^Accepted password for ", mark)
            carries(port, origin)
            run_adit("-S", control, "-O", "exit", "host")
            wait_until(lambda: not sshd.sessions(), "its end")


def main():
    silence = Silence()
    terminals()
    certificates(silence)
    gateway(keypair("authority"), keypair("host"))
    token(silence)
    questions(silence)


tap.run(main)

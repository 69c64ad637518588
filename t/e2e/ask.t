#!/usr/bin/env -S python3 -B
"""What a login needs of a person: asked of a program, kept for the next login, and not asked for
where an agent does; and what the server is asked for."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, certify, config, equal, false, fingerprint, holds, keypair,
                       scratch, tap, true, upstream, wait_until)
from adit_test.clients import connected, exchange, works
from adit_test.gateway import upstream
from adit_test.keys import public
from adit_test.origins import Origin, echo
from adit_test.process import descendants, is_of_keeper
from adit_test.sshd import Sshd

PASSPHRASE, PASSWORD, CODE = "open sesame, please", "the tunnel's password", "31415926"
PASSWORDS = {"PubkeyAuthentication": "no", "KbdInteractiveAuthentication": "no"}
INTERACTIVE = {"PubkeyAuthentication": "no", "PasswordAuthentication": "no",
               "KbdInteractiveAuthentication": "yes"}


class Askpass:
    """A program that answers, and notes what it was asked."""

    def __init__(self, script):
        self.notes = scratch("asked")
        self.path = scratch("askpass",
                            f"#!/bin/sh\nprintf '%s|' \"$1\" >>{self.notes}\n{script}\n", 0o755)

    def asked(self):
        """The prompts so far."""
        if not os.path.exists(self.notes):
            return []
        with open(self.notes, encoding="utf-8") as notes:
            return notes.read().split("|")[:-1]


def says(answer):
    return Askpass(f"echo \"{answer}\"")


def by_prompt(**answers):
    """Answers by a word of the prompt."""
    return Askpass("case $1 in " + "".join(f"*{word}*) echo \"{answer}\";;"
                                           for word, answer in answers.items()) + " esac")


def start(sshd, name, env=None, **up):
    return Adit(config(sshd, up=up, gate={"log": "debug"}), name=f"adit: {name}", env=env)


def heals(adit, sshd, origin):
    """Loses its sessions, and carries again."""
    mark = adit.mark()
    for session in sshd.sessions():
        sshd.kill_session(session)
    adit.sessions_up(1, since=mark)
    true(works(adit.address, origin), "an echo after healing")


def no_secrets(adit):
    log = adit.text()
    for secret in (PASSPHRASE, PASSWORD, CODE):
        false(secret in log, "a secret is in the log")


def kept(origin):
    """Asked once, and kept."""
    locked = keypair("locked", PASSPHRASE)
    cases = [
        ("a passphrase", {"user_key": locked}, says(PASSPHRASE),
         r"Enter passphrase for key '{key}': "),
        ("a password", {"password": PASSWORD, "options": PASSWORDS}, says(PASSWORD),
         r"{user}@{host}'s password: "),
        ("a password asked for by keyboard-interactive",
         {"password": PASSWORD, "options": INTERACTIVE}, says(PASSWORD),
         r"\({user}@{host}\) Password: "),
    ]
    for name, server, askpass, prompt in cases:
        with tap.case(f"{name} is asked for once, and kept for the sessions that follow"), \
                Sshd(**server) as sshd, start(sshd, name, askpass=askpass.path) as adit:
            true(works(adit.address, origin), "an echo")
            heals(adit, sshd, origin)
            equal(len(askpass.asked()), 1, "how often it was asked")
            holds("^" + prompt.format(key=re.escape(locked), user=sshd.user,
                                      host=re.escape(sshd.address)) + "$",
                  askpass.asked()[0], "the prompt")
            no_secrets(adit)


def second_factor(origin):
    askpass = by_prompt(assword=PASSWORD, code=CODE)
    with Sshd(password=PASSWORD, code=CODE, options=INTERACTIVE) as sshd:
        with tap.case("a second factor is asked for at each login, its password is not"), \
                start(sshd, "second factor", askpass=askpass.path, sessions="1-4",
                      channels=1) as adit:
            with connected(adit.address, ANY, origin.port) as first, \
                    connected(adit.address, ANY, origin.port) as second:
                true(exchange(first) and exchange(second), "two at once")
                time.sleep(1)
                equal(len(sshd.sessions()), 1, "sessions: more would cost an answer each")
            equal(len(askpass.asked()), 2, "prompts of the first login")
            heals(adit, sshd, origin)
            equal([prompt.rpartition(") ")[2] for prompt in askpass.asked()],
                  ["Password: ", "Verification code: ", "Verification code: "], "what was asked")
            no_secrets(adit)
        with tap.case("a password from a file, and only the second factor is asked for"):
            askpass = by_prompt(code=CODE)
            with start(sshd, "password_file and askpass", askpass=askpass.path,
                       password_file=scratch("password", PASSWORD + "\n")) as adit:
                true(works(adit.address, origin), "an echo")
                equal(len(askpass.asked()), 1, "prompts")


def slow_and_silent(origin):
    with Sshd(password=PASSWORD, options=PASSWORDS) as sshd:
        with tap.case("a slow answer is not cut off"):
            askpass = Askpass(f"sleep 8; echo \"{PASSWORD}\"")  # (a login may take 6 s)
            with start(sshd, "slow", askpass=askpass.path, connect_timeout="3s", hold="60s") as adit:
                true(works(adit.address, origin), "an echo")
                equal(len(askpass.asked()), 1, "how often it was asked")
        with tap.case("without an answer the server is left alone"):
            askpass = Askpass("exit 1")
            with start(sshd, "silent", askpass=askpass.path) as adit:
                adit.wait_log(r"Permission denied \(password\).*no answer was given")
                mark = sshd.mark()
                time.sleep(3)
                equal(len(askpass.asked()), 1, "how often it was asked")
                false(sshd.process.find("Connection from", mark), "it is dialled again")
        with tap.case("a wrong password is asked for as often as password_prompts says"):
            askpass = says("a guess")
            with start(sshd, "wrong", askpass=askpass.path, password_prompts=2) as adit:
                adit.wait_log(r"Permission denied \(password\) for \S+; tried: password, password")
                equal(len(askpass.asked()), 2, "how often it was asked")
        with tap.case("batch_mode: the program is not asked either"):
            askpass = says(PASSWORD)
            with start(sshd, "batch", askpass=askpass.path, batch_mode="yes") as adit:
                adit.wait_log(r"Permission denied \(password\).*nobody was asked: BatchMode is set")
                equal(askpass.asked(), [], "what was asked")
        with tap.case("nobody to ask: the error says so"):
            with start(sshd, "nobody") as adit:
                adit.wait_log(r"Permission denied .*nobody was asked: there is no askpass program")
        with tap.case("a signal while a program answers ends both"):
            askpass = Askpass("exec sleep 600")
            with start(sshd, "ends", askpass=askpass.path) as adit:
                wait_until(askpass.asked, "the program is asked")
                child = [pid for pid in descendants(adit.pid) if not is_of_keeper(pid)]
                equal(len(child), 1, "children")
                adit.finish(signal.SIGTERM, seconds=5)
                false(os.path.exists(f"/proc/{child[0]}"), "the program lives on")


def questions_about_hosts(origin):
    with Sshd() as sshd:
        pin = fingerprint(sshd.host_key)
        for answer, good in (("yes", True), (pin, True), ("no", False), (PASSWORD, False)):
            askpass, known = says(answer), scratch("known_hosts")
            with tap.case(f"host_key = ask: a program says {answer[:10]}"), \
                    start(sshd, "ask", askpass=askpass.path, host_key="ask",
                          known_hosts=known) as adit:
                if good:
                    true(works(adit.address, origin), "an echo")
                    holds(re.escape(public(sshd.host_key).split()[1]),
                          open(known, encoding="ascii").read(), "known_hosts")
                else:
                    adit.wait_log(r"Host key verification failed: .* it was not accepted")
                    false(os.path.exists(known), "the key is noted")
                equal(len(askpass.asked()), 1, "how often it was asked")
                holds(rf"(?s)^The authenticity of host '\[{ANY}\]:{sshd.port} \(\[{ANY}\]:"
                      rf"{sshd.port}\)' can't be established\.\nED25519 key fingerprint is "
                      rf"{re.escape(pin)}\.\nThis key is not known by any other names\.\n"
                      r"Are you sure you want to continue connecting "
                      r"\(yes/no/\[fingerprint\]\)\? $", askpass.asked()[0], "the question")
        with tap.case("... and where else the key is known"):
            askpass = says("yes")
            known = scratch("known_hosts", "# old friends\n\n"
                            f"other,192.0.2.7 {public(sshd.host_key)}\n")
            with start(sshd, "other names", askpass=askpass.path, host_key="ask",
                       known_hosts=known) as adit:
                true(works(adit.address, origin), "an echo")
                holds(rf"other names/addresses:\n    {re.escape(known)}:3: other,192\.0\.2\.7\n",
                      askpass.asked()[0], "the question")
        with tap.case("an accepted key that cannot be stored is asked about once"):
            askpass = says("yes")
            with start(sshd, "nowhere to write", askpass=askpass.path, host_key="ask",
                       known_hosts="/proc/none/known_hosts") as adit:
                true(works(adit.address, origin), "an echo")
                heals(adit, sshd, origin)
                equal(len(askpass.asked()), 1, "how often it was asked")


def host_keys(origin):
    other = keypair("other_host_key")
    with Sshd() as sshd:
        place, key = f"[{sshd.address}]:{sshd.port}", " ".join(public(sshd.host_key).split()[:2])
        wrong = " ".join(public(other).split()[:2])

        def carries(name, known, **up):
            with tap.case(name), start(sshd, name, known_hosts=scratch("known_hosts", known),
                                       **up) as adit:
                true(works(adit.address, origin), "an echo")

        def refuses(name, pattern, known, **up):
            with tap.case(name), start(sshd, name, known_hosts=scratch("known_hosts", known),
                                       **up) as adit:
                adit.wait_log(pattern)

        carries("host_key_alias: known by another name", f"vault {key}\n", host_key_alias="vault")
        refuses("... and by that only", "Host key verification failed", f"{place} {key}\n",
                host_key_alias="vault")
        refuses("a revoked key is refused, by file and line", r"REVOKED by \S+:2\b",
                f"{place} {key}\n@revoked {place} {key}\n")
        refuses("... for every host", r"REVOKED by \S+:1\b", f"@revoked * {key}\n{place} {key}\n")
        carries("another key, or another host's, may be revoked",
                f"@revoked * {wrong}\n@revoked elsewhere {key}\n{place} {key}\n")
        refuses("an authority for an unknown host is named", r"the certificate authority of \S+:1 ",
                f"@cert-authority * {wrong}\n", engine="libssh")
        carries("host_key = any: an unknown key", "", host_key="any")
        refuses("... but a changed one is refused, as nothing is forwarded by it",
                r"host key of \S+ has changed: .*:1 has", f"{place} {wrong}\n", host_key="any")
        with tap.case("... and what one upstream takes, another that is strict does not"):
            loose = config(sshd, up={"host_key": "any", "known_hosts": scratch("known_hosts", "")})
            strict = upstream(sshd, "vault", known_hosts=scratch("known_hosts", ""))
            with Adit(loose, name="adit: any and strict") as adit:
                true(works(adit.address, origin), "an echo")
                mark = adit.reload(loose + strict)
                adit.wait_log(r"\bvault\b.*Host key verification failed", mark)


def offered(sshd, since):
    """The keys the server was shown, as fingerprints."""
    return {found[1] for found in sshd.process.find(r"userauth_pubkey: .*(SHA256:\S+)", since)}


def agents(origin):
    strangers = [keypair(f"stranger{i}") for i in range(3)]
    locked = keypair("locked", PASSPHRASE)
    unknown = keypair("unknown")
    lone = scratch("lone")
    shutil.copy(f"{locked}.pub", f"{lone}.pub")
    unlocked = scratch("unlocked")
    shutil.copy(locked, unlocked)
    shutil.copy(f"{locked}.pub", f"{unlocked}.pub")
    open_key(unlocked)
    strange = set(map(fingerprint, strangers))
    with Sshd() as sshd, socket.socket(socket.AF_UNIX) as silent, \
            tap.case("an agent that says nothing is named, when the login's time is over"):
        silent.bind(scratch("silent"))
        silent.listen()
        with start(sshd, "silent agent", agent="yes", identity_agent=silent.getsockname(),
                   connect_timeout="1s") as adit:
            adit.wait_log(r" info: .*agent \S+: the agent does not answer which keys it has")
    with Sshd(user_key=locked) as sshd, Agent(*strangers, unlocked) as agent:

        def carries(name, only, env=None, **up):
            askpass = Askpass("exit 1")
            with tap.case(name):
                mark = sshd.mark()
                with start(sshd, name, env=env, agent="yes", askpass=askpass.path, **up) as adit:
                    true(works(adit.address, origin), "an echo")
                    equal(askpass.asked(), [], "what was asked")
                    false(only and strange & offered(sshd, mark), "others were offered")
                    true(only or strange <= offered(sshd, mark), "the others were offered")

        here = {"SSH_AUTH_SOCK": agent.socket}
        carries("an encrypted key that the agent has needs no passphrase", True, here,
                identity=locked)
        carries("the public half is enough", True, here, identity=lone)
        carries("... by its own name", True, here, identity=f"{locked}.pub")
        carries("identity_agent: the agent of that path", True, identity=locked,
                identity_agent=agent.socket)
        carries("identities_only: no other key of the agent is offered", True, here,
                identity=f"{unknown}, {lone}", identities_only="yes")
        carries("else they are", False, here, identity=unknown)
        with tap.case("identities_only: ... even if one of them would do"), \
                start(sshd, "identities_only", env=here, agent="yes", identity=strangers[0],
                      identities_only="yes") as adit:
            adit.wait_log(r"Permission denied \(publickey\)")
    authority = keypair("authority")
    trust = scratch("ca.pub", public(authority) + "\n", 0o644)
    certificate = certify(authority, unlocked, Sshd(start=False).user)
    elsewhere = scratch("elsewhere-cert.pub")
    os.rename(certificate, elsewhere)
    with Sshd(options={"TrustedUserCAKeys": trust, "AuthorizedKeysFile": "none"}) as sshd, \
            Agent(*strangers, unlocked) as agent:
        with tap.case("a certificate for a key that only the agent has"), \
                start(sshd, "agent and certificate", env={"SSH_AUTH_SOCK": agent.socket},
                      agent="yes", identity=lone, certificate=elsewhere,
                      identities_only="yes") as adit:
            true(works(adit.address, origin), "an echo")


def open_key(path):
    """Takes the passphrase off a key."""
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", PASSPHRASE, "-N", "", "-f", path], check=True,
                   capture_output=True)


def algorithms(origin):
    with Sshd() as sshd:
        cases = [
            ("a list of one", {"kex": "ecdh-sha2-nistp384"}, r"kex: algorithm: ecdh-sha2-nistp384"),
            ("one first", {"ciphers": "^aes192-ctr"}, r"kex: client->server cipher: aes192-ctr"),
            ("one more, and one that nobody knows", {"macs": "hmac-rot13,hmac-sha2-512",
                                                     "ciphers": "aes128-ctr"},
             r"kex: client->server cipher: aes128-ctr MAC: hmac-sha2-512"),
            ("some less", {"kex": "-curve*,*group*"}, r"kex: algorithm: ecdh-sha2-nistp256"),
            ("host keys, without certificates",
             {"host_key_algorithms": "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519"},
             r"kex: host key algorithm: ssh-ed25519 "),
        ]
        for name, keys, pattern in cases:
            with tap.case(f"algorithms: {name}"):
                mark = sshd.mark()
                with start(sshd, name, **keys) as adit:
                    true(works(adit.address, origin), "an echo")
                    holds(pattern, sshd.process.text(mark), "what was agreed")
                    if "macs" in keys:
                        holds("macs: libssh does not know hmac-rot13", adit.text(), "the log")
        with tap.case("algorithms: nothing is left"), start(sshd, "none", kex="rot13") as adit:
            adit.wait_log(r'kex "rot13": libssh knows none of them')


def bastions(origin):
    with Sshd(password=PASSWORD, options=PASSWORDS) as edge, Sshd() as sshd:
        askpass = Askpass(f"sleep 8; echo \"{PASSWORD}\"")
        with tap.case("upstreams behind a bastion wait while a person is asked there"):
            text = config(sshd, upstream(edge, "edge", askpass=askpass.path),
                          up={"jump": "edge", "connect_timeout": "3s", "hold": "60s"})
            with Adit(text, name="adit: a bastion that asks") as adit:
                true(works(adit.address, origin), "an echo")
                equal(len(askpass.asked()), 1, "how often it was asked")
                false(adit.find("upstream office: .*(timed out|no session)"), "it was given up")


def without_ssh(origin):
    with Sshd() as sshd:
        file = scratch("ssh_config", f"Host vault\n  HostName {sshd.address}\n  Port {sshd.port}\n"
                                     f"  User {sshd.user}\n  IdentityFile {sshd.user_key}\n")
        with tap.case("ssh_config = yes where there is no ssh: libssh reads it"), \
                start(sshd, "no ssh", env={"PATH": scratch("nowhere")}, host="vault", port=None,
                      user=None, identity=None, ssh_config="yes", ssh_config_file=file,
                      engine="libssh") as adit:
            true(works(adit.address, origin), "an echo")


def main():
    with Origin(echo) as origin:
        kept(origin)
        second_factor(origin)
        slow_and_silent(origin)
        questions_about_hosts(origin)
        host_keys(origin)
        agents(origin)
        algorithms(origin)
        bastions(origin)
        without_ssh(origin)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""As a person would try it: adit -D 1080 user@host at a terminal, with what ssh would ask there."""

import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, equal, false, fingerprint, free_port, holds, keypair, scratch, tap,
                       true, wait_until)
from adit_test.clients import works
from adit_test.command import REAL, bearers, parse, ssh_config
from adit_test.gateway import environment
from adit_test.keys import public
from adit_test.network import isolate
from adit_test.origins import Origin, echo
from adit_test.process import send_signal
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal

PORT = 1080 if isolate() else free_port()
LINE = f"ssh -D {PORT} host"
PROXY = (ANY, PORT)
PASSPHRASE, PASSWORD = "open sesame, please", "the tunnel's password"
CTRL_C = "\x03"


def at_terminal(line, hosts, **variables):
    arguments, more = parse(line, hosts)
    return Terminal(arguments, environment(**more, **variables))


def up(origin):
    """The proxy carries, or will very soon."""

    def ready():
        try:
            return works(PROXY, origin)
        except OSError:
            return False

    wait_until(ready, f"an echo through port {PORT}")


def ended(terminal):
    """Ctrl-C ends it, and leaves the terminal as it was."""
    terminal.type(CTRL_C)
    status = terminal.wait()
    if not REAL:
        equal(status, 0, "the exit status")
    true(terminal.echoes(), "the terminal echoes")


def interrupted(terminal):
    """Types Ctrl-C at a question without echo, which is over then. (ssh misses a signal that comes
    before it reads: again.)"""
    if not terminal.echoes():
        terminal.type(CTRL_C)
    return terminal.echoes()


def the_first(origin):
    locked = keypair("id_ed25519", PASSPHRASE)
    with Sshd(user_key=locked) as sshd:
        known = sshd.known_hosts = scratch("known_hosts")
        hosts = ssh_config({"host": sshd})
        key = re.escape(fingerprint(sshd.host_key))
        with tap.case("adit -D 1080 host: an unknown host key and an encrypted key"), \
                at_terminal(LINE, hosts) as terminal:
            said = terminal.expect(r"(?s)The authenticity of host '(\S+) ?(\S*)' can't be "
                                   rf"established\.\r\nED25519 key fingerprint is {key}\.\r\n.*"
                                   r"Are you sure you want to continue connecting "
                                   r"\(yes/no/\[fingerprint\]\)\? ")
            holds(rf"{sshd.port}", said[0], "where it is")
            terminal.answer("maybe")
            terminal.expect(r"Please type 'yes', 'no' or the fingerprint: ")
            terminal.answer("yes")
            terminal.expect(r"Warning: Permanently added '\S+' \(ED25519\) to the list of known "
                            r"hosts\.")
            terminal.expect(rf"Enter passphrase for key '{re.escape(locked)}': ")
            terminal.answer("open sesam", echo=False)
            terminal.expect(rf"Enter passphrase for key '{re.escape(locked)}': ")
            terminal.answer(PASSPHRASE, echo=False)
            up(origin)
            true(terminal.echoes(), "the terminal echoes again")
            ended(terminal)
            false("sesam" in terminal.text, "a passphrase is on the screen")
            with open(known, encoding="ascii") as lines:
                equal([line.split()[1:3] for line in lines],
                      [public(sshd.host_key).split()[:2]], "the keys noted")
        with tap.case("... and the second time only the passphrase is asked for"), \
                at_terminal(LINE, hosts) as terminal:
            terminal.expect(r"Enter passphrase for key")
            false("authenticity" in terminal.text, "it asks about the host")
            terminal.answer(PASSPHRASE, echo=False)
            up(origin)
            ended(terminal)
        with tap.case("adit -fN -D 1080 host: it asks, and then goes into the background"), \
                at_terminal(LINE.replace("-D", "-fN -D"), hosts, THE_ONE="yes") as terminal:
            terminal.expect(r"Enter passphrase for key")
            terminal.answer(PASSPHRASE, echo=False)
            equal(terminal.wait(), 0, "the exit status")
            try:
                true(works(PROXY, origin), "an echo")
            finally:
                for pid in bearers("THE_ONE=yes"):
                    send_signal(pid, signal.SIGTERM)
            wait_until(lambda: not bearers("THE_ONE=yes"), "its end")
        with tap.case("Ctrl-C instead of a passphrase leaves the terminal as it was"), \
                at_terminal(LINE, hosts) as terminal:
            terminal.expect(r"Enter passphrase for key")
            wait_until(lambda: not terminal.echoes(), "the terminal does not echo")
            wait_until(lambda: interrupted(terminal), "the terminal echoes again")
            true(terminal.wait() != 0, "an exit status that is not 0")
            true(terminal.echoes(), "the terminal echoes")
        with tap.case("BatchMode: nobody is asked"), \
                at_terminal(LINE.replace("-D", "-o BatchMode=yes -D"), hosts) as terminal:
            equal(terminal.wait(), 255, "the exit status")
            false("Enter" in terminal.text, "it asks")


def the_host(origin):
    with Sshd() as sshd:
        for said, known in (("no", False), (fingerprint(sshd.host_key), True),
                            ("SHA256:" + 43 * "x", None)):
            sshd.known_hosts = scratch("known_hosts")
            with tap.case(f"the question about the host is answered with {said[:11]}"), \
                    at_terminal(LINE, ssh_config({"host": sshd})) as terminal:
                terminal.expect(r"\(yes/no/\[fingerprint\]\)\? ")
                terminal.answer(said)
                if known:
                    up(origin)
                    ended(terminal)
                elif known is None:
                    terminal.expect(r"Please type 'yes', 'no' or the fingerprint: ")
                    terminal.answer("no")
                if not known:
                    equal(terminal.wait(), 255, "the exit status")
                    holds(r"(?i)host key verification failed", terminal.text, "what it says")
                equal(os.path.exists(sshd.known_hosts) and os.path.getsize(sshd.known_hosts) > 0,
                      bool(known), "something is in known_hosts")


def passwords(origin):
    ways = (("password", r"(?i)\S+@\S+'s password: "), ("keyboard-interactive", r"Password: "))
    for way, prompt in ways:
        options = {"PubkeyAuthentication": "no", "PasswordAuthentication": "no",
                   "KbdInteractiveAuthentication": "no",
                   {"password": "PasswordAuthentication"}.get(
                       way, "KbdInteractiveAuthentication"): "yes"}
        with Sshd(password=PASSWORD, options=options) as sshd:
            hosts = ssh_config({"host": sshd})
            with tap.case(f"{way}: wrong once, then right"), at_terminal(LINE, hosts) as terminal:
                terminal.expect(prompt)
                terminal.answer("a guess", echo=False)
                terminal.expect(prompt)
                terminal.answer(PASSWORD, echo=False)
                up(origin)
                ended(terminal)
                false(PASSWORD in terminal.text, "a password is on the screen")
            with tap.case(f"{way}: SSH_ASKPASS_REQUIRE=force asks a program instead"):
                asked = scratch("asked")
                program = scratch("askpass", f"#!/bin/sh\necho \"$1\" >>{asked}\n"
                                             f"echo \"{PASSWORD}\"\n", 0o755)
                with at_terminal(LINE, hosts, SSH_ASKPASS=program,
                                 SSH_ASKPASS_REQUIRE="force") as terminal:
                    up(origin)
                    ended(terminal)
                    false("assword" in terminal.text, "the terminal asks")
                with open(asked, encoding="ascii") as prompts:
                    holds(prompt.rstrip(), prompts.read(), "what the program was asked")
            with tap.case(f"{way}: wrong as often as one may be"), \
                    at_terminal(LINE.replace("-D", "-o NumberOfPasswordPrompts=2 -D"),
                                hosts) as terminal:
                for _ in range(2):
                    terminal.expect(prompt)
                    terminal.answer("a guess", echo=False)
                equal(terminal.wait(), 255, "the exit status")
                holds(r"(?i)denied", terminal.text, "what it says")


def the_default(origin):
    """Who gives no forward is told what adit makes of it; ssh would have a shell there."""
    told = r"adit: port 1080 of this machine is a SOCKS and HTTP proxy now, which leads through host"
    with Sshd() as sshd:
        hosts = ssh_config({"host": sshd})
        with tap.case("adit host says where its proxy is, once it is up"), \
                at_terminal("ssh host", hosts) as terminal:
            terminal.expect(told + "; Ctrl-C ends it")
            true(works(PROXY, origin), "echo")
            ended(terminal)
        for line in ("ssh -q host", LINE):
            with tap.case(f"{line.replace('ssh', 'adit')} says nothing"), \
                    at_terminal(line, hosts) as terminal:
                up(origin)
                ended(terminal)
                false("proxy" in terminal.text, terminal.text)


def main():
    with Origin(echo) as origin:
        for part in (the_first, the_host, passwords):
            part(origin)
        if PORT == 1080 and not REAL:
            the_default(origin)


tap.run(main)

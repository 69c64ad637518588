#!/usr/bin/env -S python3 -B
"""What adit is told not to do it does not do: methods of logging in that ssh_config forbids, and
names that would run a command."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, acl, config, equal, false, holds, keypair, patience,
                       run_adit, scratch, tap, workdir)
from adit_test.clients import refusal
from adit_test.gateway import environment
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

PASSWORD, WRONG = "the tunnel's password", "no password of anybody"
EXIT_SSH = 255


def run_ssh(*arguments, env):
    return subprocess.run(["ssh", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          env=env, cwd=workdir(), timeout=patience(60), encoding="utf-8",
                          check=False)


def methods(sshd, mark):
    """The methods that the server was asked for since then by a connection that has ended, in
    order, without repetitions."""
    sshd.process.wait_log(r"(closed by|isconnect(ed)? from|reset by) .*port \d+", mark)
    asked = [match[1] for match in sshd.process.find(
        r"userauth-request for user \S+ service ssh-connection method (\S+)", mark)]
    return [method for i, method in enumerate(asked)
            if method != "none" and method not in asked[:i]]


def switches():
    """Each switch, and both programs side by side."""
    table = [
        [],
        ["PubkeyAuthentication=no"],
        ["PubkeyAuthentication=unbound"],
        ["PubkeyAuthentication=host-bound"],
        ["PasswordAuthentication=no"],
        ["KbdInteractiveAuthentication=no"],
        ["ChallengeResponseAuthentication=no"],
        ["PasswordAuthentication=no", "KbdInteractiveAuthentication=no"],
        ["PubkeyAuthentication=no", "PasswordAuthentication=no"],
        ["PubkeyAuthentication=no", "PasswordAuthentication=no",
         "KbdInteractiveAuthentication=no"],
        ["NumberOfPasswordPrompts=0"],
        ["BatchMode=yes"],
        ["PreferredAuthentications=password"],
        ["PreferredAuthentications=password,publickey"],
        ["PreferredAuthentications=password,keyboard-interactive,publickey"],
        ["PreferredAuthentications=keyboard-interactive,foo,publickey"],
        ["PreferredAuthentications=gssapi-with-mic,hostbased"],
        ["PreferredAuthentications=foo"],
        ["PreferredAuthentications=password,publickey", "PasswordAuthentication=no"],
        ["GSSAPIAuthentication=yes", "HostbasedAuthentication=yes"],
    ]
    askpass = scratch("askpass", f"#!/bin/sh\necho '{WRONG}'\n", 0o755)
    other = keypair("other_user_key")
    env = environment(SSH_ASKPASS=askpass, SSH_ASKPASS_REQUIRE="force", DISPLAY=":none")
    with Sshd(password=PASSWORD, options={"KbdInteractiveAuthentication": "yes",
                                          "MaxAuthTries": 40}) as sshd:
        common = ["-F", "none", "-p", str(sshd.port), "-l", sshd.user, "-i", other]
        for option in ["IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes",
                       f"UserKnownHostsFile={sshd.known_hosts}", "GlobalKnownHostsFile=none"]:
            common += ["-o", option]
        for options in table:
            with tap.case(f"as ssh: {' '.join(options) or 'no switch'}"):
                words = [word for option in [*options, "NumberOfPasswordPrompts=1"]
                         for word in ("-o", option)]
                mark = sshd.process.mark()
                done = run_ssh("-N", *common, *words, sshd.address, env=env)
                equal(done.returncode, EXIT_SSH, "ssh's status")
                theirs = methods(sshd, mark)
                mark = sshd.process.mark()
                done = run_adit("-W", "127.0.0.1:9", *common, *words, sshd.address, env=env)
                equal(done.returncode, EXIT_SSH, "adit's status")
                holds("Permission denied", done.stderr, "adit's error")
                equal(methods(sshd, mark), theirs, "what the server was asked for")


def without_ssh():
    """What a file of ssh_config forbids, where there is no ssh to ask; the SSH library, which reads
    the file then, would not mind."""
    every = ["publickey", "keyboard-interactive", "password"]
    table = [
        ("", every),
        ("PubkeyAuthentication no", every[1:]),
        ("PasswordAuthentication no", every[:2]),
        ("ChallengeResponseAuthentication no", ["publickey", "password"]),
        ("PreferredAuthentications password,publickey", ["password", "publickey"]),
        ("NumberOfPasswordPrompts 0", every[:1]),
        ("BatchMode yes", every[:1]),
    ]
    askpass = scratch("askpass", f"#!/bin/sh\necho '{WRONG}'\n", 0o755)
    env = environment(SSH_ASKPASS=askpass, SSH_ASKPASS_REQUIRE="force", DISPLAY=":none",
                      PATH=workdir())
    with Sshd(password=PASSWORD, options={"KbdInteractiveAuthentication": "yes",
                                          "MaxAuthTries": 40}) as sshd:
        for line, wanted in table:
            with tap.case(f"without ssh, a file has: {line or 'nothing'}"):
                mark = sshd.process.mark()
                done = run_adit("-F", scratch("ssh_config", f"Host *\n {line}\n"), "-p",
                                str(sshd.port), "-l", sshd.user, "-i", keypair("other_user_key"),
                                "-o", f"UserKnownHostsFile={sshd.known_hosts}", "-o",
                                "StrictHostKeyChecking=yes", "-W", "127.0.0.1:9", sshd.address,
                                env=env)
                equal(done.returncode, EXIT_SSH, "the status")
                equal(methods(sshd, mark), wanted, "what the server was asked for")


def file_keys(origin):
    """The same of a file, where a password is configured, or a program that knows it."""
    askpass = scratch("knows", f"#!/bin/sh\necho \"{PASSWORD}\"\n", 0o755)
    password = scratch("password", PASSWORD + "\n")
    both = {"password_authentication": "no", "kbd_interactive_authentication": "no"}
    off = r"password is off \(password_authentication = no\)"
    table = [
        ("a password of a file", {"password_file": password, **both}, [], off),
        ("a program's password", {"askpass": askpass, **both}, [], off),
        ("the same by one method", {"password_file": password, "password_authentication": "no",
                                    "preferred_authentications": "password"}, [],
         r"keyboard-interactive is off \(preferred_authentications does not list it\)"),
        ("a key", {"pubkey_authentication": "no", "batch_mode": "yes"}, [],
         r"publickey is off \(pubkey_authentication = no\)"),
        ("no method at all", {"preferred_authentications": "none"}, [],
         r"publickey is off \(preferred_authentications does not list it\)"),
        ("no questions", {"password_prompts": "0", "askpass": askpass,
                          "pubkey_authentication": "no"}, [],
         "nobody was asked: password_prompts is 0"),
    ]
    with Sshd(password=PASSWORD, options={"KbdInteractiveAuthentication": "yes"}) as sshd:
        for name, keys, wanted, said in table:
            identity = {} if "key" in name or "method at all" in name else {
                "pubkey_authentication": "no"}
            with tap.case(f"forbidden: {name}"):
                mark = sshd.process.mark()
                with Adit(config(sshd, up={"hold": "1s", **identity, **keys}),
                          name=f"adit: {name}") as adit:
                    adit.wait_log("Permission denied")
                    equal(refusal(adit.address, ANY, origin.port), 1, "the answer")
                    holds(said, adit.text(), "the log")
                equal(methods(sshd, mark), wanted, "what the server was asked for")
        with tap.case("the order is the list's, and what is allowed works"):
            for first in ("password", "keyboard-interactive"):
                mark = sshd.process.mark()
                with Adit(config(sshd, up={"password_file": password,
                                           "preferred_authentications": f"{first}, publickey"}),
                          name=f"adit: {first}") as adit:
                    adit.wait_log("session 0 up")
                equal(methods(sshd, mark), [first], "what the server was asked for")


def agent_keys():
    """IdentitiesOnly: of an agent full of keys those alone that are named."""
    with Sshd() as sshd, Agent(keypair("agent_1"), keypair("agent_2"), sshd.user_key) as agent:
        with tap.case("IdentitiesOnly: an agent's other keys are not offered"):
            mark = sshd.process.mark()
            with Adit(config(sshd, up={"agent": "yes", "identity_agent": agent.socket,
                                       "identities_only": "yes"}), name="adit: one key") as adit:
                adit.wait_log("session 0 up")
                offered = sshd.process.find(r"method publickey", mark)
                failed = sshd.process.find(r"Failed publickey", mark)
                equal((len(offered) > 0, len(failed)), (True, 0), "keys offered, and refused")


def names():
    """Names of hosts and users that a shell would obey: nothing is run, with ssh and without."""
    ran, made = scratch("ran"), scratch("made")
    command = f"ProxyCommand=touch {ran}; echo %h %r %n %k"
    evil = f"$(touch${{IFS}}{made})"
    table = [
        ("the destination", [evil], "the destination: '"),
        ("a user", [f"{evil}@h"], "the destination: '"),
        ("-l", ["-l", evil, "h"], "-l or -o User: '"),
        ("a URI", [f"ssh://a%3Btouch%20{made.replace('/', '%2f')}@h"], "the destination: '"),
        ("-o HostName", ["-o", f"HostName={evil}", "h"], "-o HostName: '"),
        ("-o HostKeyAlias", ["-o", f"HostKeyAlias={evil}", "h"], "-o HostKeyAlias: '"),
        ("an option", ["--", "-oProxyCommand=touch"], "it begins with '-'"),
        ("a terminal's escape", ["h\x1b[31m"], r"'h\\x1b\[31m' is no host's name"),
    ]
    for where, path in (("with ssh", os.environ["PATH"]), ("without ssh", workdir())):
        for name, words, said in table:
            with tap.case(f"{where}: {name} is refused, and nothing is run"):
                done = run_adit("-F", "none", "-o", command, "-W", "127.0.0.1:9", *words,
                                env=environment(PATH=path))
                equal(done.returncode, EXIT_SSH, "the status")
                holds(f"^adit: .*{said if said[0] == chr(39) else re.escape(said)}", done.stderr,
                      "what was said")
                false("\x1b" in done.stderr, "an escape on the terminal")
                false(os.path.exists(ran) or os.path.exists(made), "a command was run")
    with tap.case("a host's name of ssh_config is refused, and nothing is run"):
        ssh_config = scratch("ssh_config", f"Host h\n HostName {evil}\n")
        done = run_adit("-F", ssh_config, "-o", command, "-W", "127.0.0.1:9", "h")
        false(os.path.exists(ran) or os.path.exists(made), "a command was run")
        holds("host: '.*' is no host's name", done.stderr, "what was said")
        equal(done.returncode, 78, "the status")
    with tap.case("a destination without a host, or a user, is told and no crash"):
        for destination in ("root@", "@", "@host", "ssh://", "ssh://h:0", "ssh://@h"):
            done = run_adit("-W", "a:1", destination)
            equal(done.returncode, EXIT_SSH, f"the status of {destination}")
            equal(done.stderr.count("\n"), 1, f"lines about {destination}")


def resolvers():
    """names = resolve with nobody to ask: this machine's resolvers are not asked instead."""
    text = config(sshd=Sshd(start=False), gate=None) + acl("deny to=10.0.0.0/8", "allow to=*",
                                                           names="resolve")
    file = scratch("adit.ini", text)
    line = text[:text.index("names = resolve")].count("\n") + 1
    for mode in (["--check"], ["--dump"], []):
        with tap.case(f"names = resolve without servers is refused: {' '.join(mode) or 'a start'}"):
            done = run_adit("--config", file, *mode)
            equal(done.returncode, 78, "the status")
            holds(rf"^{re.escape(file)}:{line}: names: .*servers = .*order = local", done.stderr,
                  "what was said")


def main():
    with Origin(echo) as origin:
        switches()
        without_ssh()
        file_keys(origin)
    agent_keys()
    names()
    resolvers()


tap.run(main)

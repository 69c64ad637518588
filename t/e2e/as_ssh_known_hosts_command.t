#!/usr/bin/env -S python3 -B
"""KnownHostsCommand beside ssh(1): how the program is run, each of its tokens, what it says of a key,
and what its failure does."""

import os
import pwd
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, fingerprint, holds, keypair, scratch, tap, true,
                       wait_until)
from adit_test.as_ssh import PROGRAMS, Silence, call, login
from adit_test.command import Tunnel, ssh_config
from adit_test.keys import known_hosts_lines, public
from adit_test.network import ip, isolate
from adit_test.process import processes
from adit_test.sshd import Sshd, version

SERVER = "10.9.0.1"
# In the order of ssh_config(5), TOKENS: all that KnownHostsCommand takes.
TOKENS = "CdfHhIiKkLlnprtu"
STRICT, NONE = "StrictHostKeyChecking=yes", "UserKnownHostsFile=/dev/null"


class Command:
    """A program that notes its arguments, one line a run, and prints what it is to."""

    def __init__(self, output="", after="", name="keys"):
        self.note = scratch("note", "")
        self.output = scratch("output", output)
        self.path = scratch(name, f"""#!/bin/sh
(for word; do printf '%s\\037' "$word"; done; echo) >>{self.note}
cat {self.output}
{after}
""", 0o755)

    def runs(self):
        """The arguments of each run since the last call."""
        with open(self.note, encoding="utf-8") as note:
            lines = note.read().splitlines()
        os.truncate(self.note, 0)
        return [line.split("\037")[:-1] for line in lines]


class Host:
    """A server, and logins there by both programs whose only known keys are a command's."""

    def __init__(self, sshd):
        self.sshd, self.silence = sshd, Silence()
        self.right = known_hosts_lines(sshd.host_key, (sshd.address, sshd.port))

    def login(self, program, value, *options, **keys):
        return login(program, self.sshd, self.silence, f"KnownHostsCommand={value}", NONE, *options,
                     **keys)

    def both(self, command, value, *options, **keys):
        """{program: (Result, runs)}."""
        found = {}
        for program in PROGRAMS:
            result = self.login(program, value, *options, **keys)
            found[program] = result, command.runs()
        return found

    def alike(self, name, came, command, value, *options, pattern=None, **keys):
        with tap.case(name):
            found = self.both(command, value, *options, **keys)
            for program, (result, _) in found.items():
                equal(result.status, 0 if came else 255, f"{program}: status ({result.said!r})")
            equal(found["adit"][1], found["ssh"][1], "the runs, as ssh's")
            equal(found["adit"][0].asked, found["ssh"][0].asked, "the questions, as ssh's")
            if pattern:
                holds(pattern, found["adit"][0].said, "what adit says")
            return found["adit"][1]


def tokens(host):
    command = Command(host.right)
    for token in TOKENS + "%":
        # (ssh takes the home directory from the user's entry, adit from HOME first.)
        runs = host.alike(f"%{token}", True, command, f"{command.path} x%{token}y", STRICT,
                          HOME=pwd.getpwuid(os.getuid()).pw_dir)
        with tap.case(f"%{token}: two runs, and it is replaced"):
            equal(len(runs or []), 2, f"the runs {runs}")
            true(f"%{token}" not in runs[1][0] or token == "%", f"it is replaced in {runs}")
    runs = host.alike("what the key's tokens are", True, command,
                      f"{command.path} %I %H %t %f %K %p", STRICT) or []
    with tap.case("what the key's tokens are: NONE before it is known"):
        kind, base64 = public(host.sshd.host_key).split()[:2]
        equal(runs, [["ORDER", SERVER, "NONE", "NONE", "NONE", "22"],
                     ["HOSTNAME", SERVER, kind, fingerprint(host.sshd.host_key), base64, "22"]],
              "the runs")
    named = ssh_config({"the-host": host.sshd}, "Host the-host",
                       f"  KnownHostsCommand {command.path} %h %n %k %H %C",
                       UserKnownHostsFile="/dev/null")
    for options in ([], ["-o", "HostKeyAlias=The-Alias"]):
        with tap.case(f"names of a host of ssh_config: {''.join(options[1:]) or 'no alias'}"):
            runs = {}
            for program in PROGRAMS:
                call(program, ["-F", named, "-o", STRICT, *options, "-W",
                               f"{ANY}:{host.silence.port}", "the-host"])
                runs[program] = command.runs()
            equal(len(runs["ssh"]), 2, "the runs")
            if version() < (9, 3) and options:  # (its %H has no alias for ORDER)
                runs["ssh"][0][3] = "the-alias"
            equal(runs["adit"], runs["ssh"], "the runs, as ssh's")


def words(host):
    """No shell: words are split, then tokens replaced in each."""
    command = Command(host.right)
    for name, value in (
            ("quotes", "'a b' \"c d\" e'f g'h '' \"%H x\""),
            ("backslashes", r"""\' \" \\ a\ b \x "a\"b" 'a\'b' "a\ b" """),
            ("what a shell would take", "$HOME $(id) `id` ; | & > # * ~ && x"),
            ("blanks", "a   b\tc "),
            ("variables", "${ADIT_TEST_WORD} x${ADIT_TEST_WORD}y $ADIT_TEST_WORD"),
            ("what tokens stand for is no token", "${ADIT_TEST_WORD}%%H %%%%"),
            ("no argument", "")):
        host.alike(name, True, command, f"{command.path} {value}", STRICT,
                   ADIT_TEST_WORD="a %H ${HOME} 'b")
    blank = Command(host.right, name="the keys")
    host.alike("a path with a blank", True, blank, f"'{blank.path}' a", STRICT)
    host.alike("another with a backslash", True, blank, blank.path.replace(" ", "\\ "), STRICT)


def refused_values(host):
    """ssh goes on without the command, or ends; to adit each is an error (adit(8), DIFFERENCES)."""
    for name, value, pattern in (
            ("a path that is not absolute", "keys %H", "does not begin with the absolute path"),
            ("a tilde", "~/keys", "does not begin with the absolute path"),
            ("a quote without an end", "/bin/true 'a", "has a quote without an end|invalid quotes"),
            ("an unknown token", "/bin/true %Z", "begins no token that is known"),
            ("%T", "/bin/true %T", "begins no token that is known"),
            ("a variable that is not set", "/bin/true ${ADIT_TEST_NOT_SET}", "cannot be expanded")):
        with tap.case(f"refused: {name}"):
            ssh, adit = (host.login(program, value, STRICT) for program in ("ssh", "adit"))
            equal(ssh.status, 255, f"ssh's status ({ssh.said!r})")
            # (255: ssh -G itself refuses it.)
            true(adit.status in (78, 255), f"adit's status {adit.status} ({adit.said!r})")
            holds(pattern, adit.said, "what it says")


def verdicts(host):
    other = keypair("other")
    name = SERVER
    wrong = known_hosts_lines(other, (name, 22))
    key = " ".join(public(host.sshd.host_key).split()[:2])
    file = scratch("known_hosts", host.right)
    for title, output, came, options, pattern in (
            ("a key that only the command knows", host.right, True, [STRICT], None),
            ("nothing is known", "", False, [STRICT], "is not known"),
            ("another key", wrong, False, [STRICT],
             r"has changed: the server offers SHA256:\S+, but KnownHostsCommand \S+:1 says that it "
             rf"is {re.escape(fingerprint(other))}; if the change is meant, correct what that "
             r"program prints, else"),
            ("a revoked key", f"@revoked {name} {key}\n{host.right}", False, [STRICT],
             r"is REVOKED by KnownHostsCommand \S+:1: do not"),
            ("the file has it, the command another", wrong, True,
             [STRICT, f"UserKnownHostsFile={file}"], None),
            ("the file has it, the command revokes it", f"@revoked * {key}\n", False,
             [STRICT, f"UserKnownHostsFile={file}"], "is REVOKED by KnownHostsCommand"),
            ("lines that are none", f"# x\n\nx\n{name} ssh-ed25519 AAAA\n\0\n{host.right}", True,
             [STRICT], None),
            ("a last line without an end", host.right.rstrip("\n"), True, [STRICT], None)):
        command = Command(output)
        with tap.case(title):
            for program in PROGRAMS:
                # (The first value of an option counts.)
                result = login(program, host.sshd, host.silence, *options,
                               f"KnownHostsCommand={command.path} %I", NONE)
                equal(result.status, 0 if came else 255, f"{program}: status ({result.said!r})")
                equal(command.runs(), [["ORDER"], ["HOSTNAME"]], f"{program}'s runs")
                if program == "adit" and pattern:
                    holds(pattern, result.said, "what it says")
    with tap.case("a new key is written to the file, the command's keys are not"):
        command = Command(known_hosts_lines(other, ("elsewhere", 22)))
        for program in PROGRAMS:
            file = scratch("known_hosts", "")
            result = login(program, host.sshd, host.silence, f"UserKnownHostsFile={file}",
                           f"KnownHostsCommand={command.path}", "StrictHostKeyChecking=accept-new")
            equal(result.status, 0, f"{program}: the status ({result.said!r})")
            with open(file, encoding="ascii") as written:
                equal(written.read(), host.right, f"what {program} wrote")
        command = Command(host.right)
        for program in PROGRAMS:
            file = scratch("known_hosts", "")
            login(program, host.sshd, host.silence, f"UserKnownHostsFile={file}",
                  f"KnownHostsCommand={command.path}", "StrictHostKeyChecking=accept-new")
            equal(os.path.getsize(file), 0, f"{program}: bytes written of a key that is known")


def failures(host):
    for name, after, pattern in (
            ("exits with 3", "echo no database >&2; exit 3",
             r'exited with status 3 when it was run for ORDER: "no database"; without it no host '
             r"key can be verified"),
            ("is killed", "kill -9 $$", r"was killed by signal 9 \(Killed\) when it was run"),
            ("fails for HOSTNAME only", '[ "$1" != HOSTNAME ]',
             "exited with status 1 when it was run for HOSTNAME;"),
            ("says control characters", r"printf 'a\033[1mb\nc' >&2; exit 1",
             r'exited with status 1 when it was run for ORDER: "a\\x1b\[1mb c"; without')):
        command = Command(host.right, after)
        host.alike(f"it {name}: both end with 255", False, command, f"{command.path} %I", STRICT,
                   pattern=rf"KnownHostsCommand {command.path} {pattern}")
    with tap.case("a program that is not there: adit fails, where ssh goes on without it"):
        file = f"UserKnownHostsFile={scratch('known_hosts', host.right)}"
        results = {program: login(program, host.sshd, host.silence, file,
                                  "KnownHostsCommand=/nonexistent/keys") for program in PROGRAMS}
        equal(results["ssh"].status, 0, f"ssh's status ({results['ssh'].said!r})")
        equal(results["adit"].status, 255, f"adit's ({results['adit'].said!r})")
        holds("KnownHostsCommand /nonexistent/keys cannot be run: No such file or directory when",
              results["adit"].said, "what it says")
    with tap.case("a program that prints without an end"):
        command = Command(host.right, "exec yes")
        result = host.login("adit", command.path, STRICT)
        equal(result.status, 255, "the status")
        holds("printed more than 16 MiB for ORDER", result.said, "what it says")


def order(host):
    """What it prints decides which kind of key is asked for."""
    rsa = keypair("rsa", kind="rsa")
    host.sshd.stop()
    host.sshd.configure(HostKey=[host.sshd.host_key, rsa])
    host.sshd.start()
    command = Command(known_hosts_lines(rsa, (SERVER, 22)))
    runs = host.alike("the kind of key that it prints is asked for", True, command,
                      f"{command.path} %I %t", STRICT)
    with tap.case("the kind of key that it prints is asked for: RSA"):
        equal(runs, [["ORDER", "NONE"], ["HOSTNAME", "ssh-rsa"]], "the runs")
    command = Command(host.right + known_hosts_lines(rsa, (SERVER, 22)))
    for algorithms, count in (("rsa-sha2-512", 1), ("-ssh-ed25519", 2), ("+ssh-rsa", 2),
                              ("^rsa-sha2-512", 1)):
        runs = host.alike(f"HostKeyAlgorithms {algorithms}", True, command,
                          f"{command.path} %I", STRICT, f"HostKeyAlgorithms={algorithms}")
        with tap.case(f"HostKeyAlgorithms {algorithms}: {count} runs"):
            equal(len(runs or []), count, f"{runs}")


def ports(sshd):
    """The name has the port. OpenSSH 9.2 leaves it out for ORDER, a newer one does not."""
    host = Host(sshd)
    command = Command(host.right)
    with tap.case("another port than 22"):
        found = host.both(command, f"{command.path} %I %H", STRICT)
        name = f"[{SERVER}]:{sshd.port}"
        for program, (result, runs) in found.items():
            equal(result.status, 0, f"{program}: the status ({result.said!r})")
            ordered = SERVER if program == "ssh" and version() < (9, 3) else name
            equal([run for run in runs if run[0] == "HOSTNAME"], [["HOSTNAME", name]], program)
            if program == "adit" or version() >= (10, 0) or version() < (9, 3):
                equal(runs[0], ["ORDER", ordered], program)
    command = Command(known_hosts_lines(sshd.host_key, (SERVER, 22)))
    with tap.case("a line for the name without the port is none for the command"):
        for program, (result, _) in host.both(command, command.path, STRICT).items():
            equal(result.status, 255, f"{program}: the status ({result.said!r})")


def local():
    with Sshd() as sshd:
        host = Host(sshd)
        command = Command("")
        with tap.case("NoHostAuthenticationForLocalhost: only ORDER"):
            for program, (result, runs) in host.both(
                    command, f"{command.path} %I", "NoHostAuthenticationForLocalhost=yes").items():
                equal((result.status, runs), (0, [["ORDER"]]), f"{program} ({result.said!r})")


def own_file(sshd):
    """The key of adit.ini."""
    command = Command(known_hosts_lines(sshd.host_key, (SERVER, 22)))
    with tap.case("known_hosts_command of a file"):
        value = f"{command.path} %I 'a b;c' %p"
        with Adit(config(sshd, up={"known_hosts": scratch("none", ""),
                                   "known_hosts_command": value})) as adit:
            adit.sessions_up(1)
        equal(command.runs(), [["ORDER", "a b;c", "22"], ["HOSTNAME", "a b;c", "22"]], "the runs")


def waits(sshd):
    """A program that does not end is ended with the dial, and what it started with it."""
    gate, pids = scratch("gate"), scratch("pids", "")
    os.mkfifo(gate)
    command = Command("", f"echo $$ >>{pids}; cat {gate} & echo $! >>{pids}; wait")
    hosts = ssh_config({"host": sshd}, f"Host host\n  KnownHostsCommand {command.path}")
    with tap.case("adit ends while the program runs: the program ends, too"):
        tunnel = Tunnel("ssh -N -o BatchMode=yes --persist host", hosts, real=False)
        try:
            wait_until(lambda: len(open(pids, encoding="ascii").read().split()) == 2, "the program")
            tunnel.signal(signal.SIGTERM)
            tunnel.wait()
            started = [int(pid) for pid in open(pids, encoding="ascii").read().split()]
            wait_until(lambda: not set(started) & set(processes()), "its end")
        finally:
            tunnel.kill()


def main():
    if not isolate("KnownHostsCommand beside ssh's"):
        return
    ip("address", "add", f"{SERVER}/32", "dev", "lo")
    local()
    with Sshd(address=SERVER) as sshd:
        ports(sshd)
    with Sshd(address=SERVER, port=22) as sshd:
        host = Host(sshd)
        tokens(host)
        words(host)
        refused_values(host)
        verdicts(host)
        failures(host)
        own_file(sshd)
        waits(sshd)
        order(host)


tap.run(main)

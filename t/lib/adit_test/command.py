"""ssh's command lines, run with adit in the place of ssh and autossh.

With ADIT_TEST_PROGRAM=ssh OpenSSH and autossh themselves are run: that proves what a test expects.
"""

import itertools
import os
import re
import shlex
import signal
import subprocess

from .checks import equal, false
from .gateway import REPORT, binary, check_reports, environment
from .process import Process, is_of_keeper, patience, scratch, send_signal, wait_until, workdir

REAL = os.environ.get("ADIT_TEST_PROGRAM") == "ssh"

_serial = itertools.count(1)


def _marker():
    """A variable of the environment by which `bearers` finds the processes it was given to."""
    return "ADIT_TEST_TUNNEL", f"{os.getpid()}.{next(_serial)}"


def _short(letter, words):
    return any(re.fullmatch(rf"-[A-Za-z]*{letter}[A-Za-z]*", word) for word in words)


def parse(line, ssh_config="none", real=REAL):
    """A shell's command line as (arguments, environment): "VARIABLE=value ssh -N ... host".

    real   run OpenSSH's (or autossh's) program, not adit in its place
    """
    words = shlex.split(line)
    variables = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    program = os.path.basename(words.pop(0))
    if not real:
        return [binary(), "-F", ssh_config, *words], variables
    # What adit never does and always does: run a command there, and have a SOCKS port if told
    # nothing else.
    quiet = [] if any(_short(letter, words) for letter in "fNOWG") else ["-N"]
    return [program, "-F", ssh_config, *quiet, *words], variables


def ssh_config(hosts, *lines, **options):
    """A file for -F: {name: Sshd}, each with its address, port, user, key and host key.

    lines     what stands above all of that
    options   keywords for every host, over the usual ones
    """
    usual = {"GlobalKnownHostsFile": "/dev/null", "IdentitiesOnly": "yes", **options}
    text = "".join(f"{line}\n" for line in lines)
    for name, sshd in hosts.items():
        text += section(f"Host {name}", {
            "HostName": sshd.address, "Port": sshd.port, "User": sshd.user,
            "IdentityFile": sshd.user_key, "UserKnownHostsFile": sshd.known_hosts})
    return scratch("ssh_config", text + section("Host *", usual))


def section(title, options):
    return f"{title}\n" + "".join(f"  {key} {value}\n" for key, value in options.items())


def call(line, ssh_config="none", data=None, seconds=60, **variables):
    """Runs a command line to its end: a CompletedProcess with text in stdout and stderr. Nothing of
    it stays in the background."""
    arguments, more = parse(line, ssh_config)
    name, value = _marker()
    try:
        done = subprocess.run(
            arguments, input=data if data is not None else "", capture_output=True, cwd=workdir(),
            env=environment(**more, **variables, **{name: value}), check=False,
            timeout=patience(seconds), encoding="utf-8", errors="backslashreplace")
    finally:
        for pid in bearers(f"{name}={value}"):
            send_signal(pid, signal.SIGKILL)
    false(REPORT.search(done.stderr), f"a sanitiser's report:\n{done.stderr}")
    return done


def bearers(variable):
    """The processes with this "NAME=value" in their environment, whoever their parent is now."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as source:
                if variable.encode() in source.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Tunnel(Process):
    """A command line that stays, in the foreground or (-f) in the background; that it ends cleanly
    is part of the case that uses it. `real`: as for parse()."""

    def __init__(self, line, ssh_config="none", name=None, real=REAL, **variables):
        arguments, more = parse(line, ssh_config, real)
        self.real = real
        variable, value = _marker()
        self.marker = f"{variable}={value}"
        self.background = _short("f", arguments[3:])
        super().__init__(name or line.split()[0], arguments, env=environment(
            **more, **variables, **{variable: value}))
        if self.background:
            equal(self.wait(), 0, "the exit status of what went into the background")

    def pids(self):
        """Its processes, but for what keepers start: what went into the background is a child of
        nobody's."""
        return [pid for pid in self.everything() if not is_of_keeper(pid)]

    def everything(self):
        return bearers(self.marker)

    def finish(self, number=signal.SIGTERM):
        """Ends it, or (number None) waits until it has ended; raises unless it ends cleanly."""
        try:
            if number is not None:
                for pid in self.pids() if self.background or self.real else [self.pid]:
                    send_signal(pid, number)
            wait_until(lambda: not self._left(number), "the tunnel's end", 60)
            if not self.background and not self.real:
                equal(self.wait(), 0, "the exit status")
            check_reports(self)
        finally:
            self.kill()

    def _left(self, number):
        """Its processes. ssh 9.2 can miss a signal that comes just before it waits: again."""
        pids = self.everything()
        for pid in pids if self.real and number is not None else ():
            send_signal(pid, number)
        return pids

    def kill(self):
        for pid in self.everything():
            send_signal(pid, signal.SIGKILL)
        super().kill()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()
        else:
            self.kill()

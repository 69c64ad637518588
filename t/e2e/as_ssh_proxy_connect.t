#!/usr/bin/env -S python3 -B
"""A ProxyCommand that is the server itself, over pipes, for a name that is no address: with and
without compression, for a user with a style. (The intent of OpenSSH's regress/proxy-connect.)"""

import getpass
import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, call
from adit_test.keys import known_hosts
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd, sshd_path

NOWHERE = "999.999.999.999"
WORDS = "by pipes " * 2000 + "\n"


def pipes(sshd, log):
    """A ProxyCommand that is sshd -i with an Sshd's configuration and this log."""
    command = shlex.join([sshd_path(), "-i", "-f", sshd.config, "-E", log])
    return f"ProxyCommand={command.replace('%', '%%')}"


def come(name, sshd, origin, user, told, *options):
    """Both programs log in, by pipes, and bring WORDS to the echo and back; `told` are patterns of
    what the server logs."""
    for program in PROGRAMS:
        with tap.case(f"{program}: {name}"):
            log = scratch("log", "")
            result = call(program, [
                "-F", "none", "-i", sshd.user_key, "-o", "IdentitiesOnly=yes", "-o",
                f"UserKnownHostsFile={known_hosts(sshd.host_key, (NOWHERE, 22))}", "-o",
                pipes(sshd, log), *options, "-W", f"{ANY}:{origin.port}", f"{user}@{NOWHERE}"],
                data=WORDS)
            equal(result.status, 0, f"the exit status ({result.said!r})")
            true(result.output == WORDS, "what went out came back")
            with open(log, encoding="utf-8", errors="replace") as lines:
                text = lines.read()
            for pattern in told:
                holds(pattern, text, "the server's log")


def main():
    me = getpass.getuser()
    accepted = f"Accepted publickey for {me} "
    with Sshd() as sshd, Origin(echo) as origin:
        for compression, name in (("no", "none"), ("yes", "zlib@openssh.com")):
            come(f"Compression {compression}", sshd, origin, me, [
                accepted, "from UNKNOWN port 65535",
                rf"client->server cipher: .* compression: {name}"],
                "-o", f"Compression={compression}")
        come("a user with a style", sshd, origin, f"{me}:style", [accepted])
        come("a user of -l with a style", sshd, origin, me, [accepted], "-l", f"{me}:style")


tap.run(main)

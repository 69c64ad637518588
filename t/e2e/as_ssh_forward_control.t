#!/usr/bin/env -S python3 -B
"""What a server allows of -L and -R, beside ssh(1): AllowTcpForwarding, PermitOpen and
PermitListen, and the options of an authorized key. Each combination is a user of one server."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, keypair, sanitized, scratch, tap, true
from adit_test.as_ssh import PROGRAMS, call
from adit_test.clients import echoes
from adit_test.command import Tunnel, ssh_config
from adit_test.keys import public
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

ALLOWED = {"yes": (True, True), "local": (True, False), "remote": (False, True),
           "no": (False, False)}

# How a remote forward was answered, as ssh -v and adit -v say it.
ANSWERED = r"remote forward (success|failure) for|: listening on .* at the server|; trying again"


class Permission:
    """What one user may do.

    lines     of sshd_config, for this user
    options   of the user's authorized key
    expected  whether -L, and whether -R carries connections
    ports     {program: where its remote forward is to listen}
    """

    def __init__(self, words, lines, options, expected, ports):
        self.words = words
        self.lines = lines
        self.options = options
        self.expected = expected
        self.ports = ports
        self.user = None


def permissions(origin, programs):
    for allow, (local, remote) in ALLOWED.items():
        def one(words, expected, *lines, options="", ports=None, allow=allow):
            return Permission(f"AllowTcpForwarding {allow}{words}",
                              [f"AllowTcpForwarding {allow}", *lines], options, expected,
                              ports or {program: free_port() for program in programs})

        # (Nobody is sent to these places: they are what the user's place is not.)
        elsewhere = f"{ANY}:22 127.0.0.2:22"
        here = f"{ANY}:{origin.port}"
        away = f'permitopen="{ANY}:22",permitopen="127.0.0.2:22"'
        to = f'permitopen="{ANY}:22",permitopen="{here}"'
        ports = {program: free_port() for program in programs}
        listen = " ".join(f"{ANY}:{port}" for port in ports.values())
        both = (local, remote)
        yield one("", both)
        yield one(", PermitOpen of elsewhere", (False, remote), f"PermitOpen {elsewhere}")
        yield one(", PermitOpen", both, f"PermitOpen {elsewhere} {here}")
        yield one(", the key's permitopen of elsewhere", (False, remote), options=away)
        yield one(", the key's permitopen", both, options=to)
        yield one(", no-port-forwarding", (False, False), options="no-port-forwarding")
        yield one(", restrict", (False, False), options="restrict")
        yield one(", restrict and port-forwarding", both, options="restrict,port-forwarding")
        yield one(", PermitListen of elsewhere", (local, False), f"PermitListen {elsewhere}")
        yield one(", PermitListen", both, f"PermitListen {elsewhere} {listen}", ports=ports)


def server(cases):
    """An sshd with a user for each of them."""
    key = keypair("user_key")
    directory = scratch("keys")
    os.mkdir(directory)
    for number, case in enumerate(cases):
        case.user = f"user{number}end"
        with open(os.path.join(directory, case.user), "w", encoding="ascii") as out:
            out.write(f"{case.options} {public(key)}\n")
    return Sshd(user_key=key, users={case.user: [key] for case in cases}, options={
        "AuthorizedKeysFile": f"{directory}/%u",
        "Match": ["\n".join((f"User {case.user}", *case.lines)) for case in cases]})


class Forwards:
    """-L and -R by one program as one user."""

    def __init__(self, program, hosts, case, origin):
        self.local = free_port()
        self.remote = case.ports[program]
        self.tunnel = Tunnel(
            f"ssh -v -N -l {case.user} -L {self.local}:{ANY}:{origin.port} "
            f"-R {ANY}:{self.remote}:{ANY}:{origin.port} host", hosts, real=program == "ssh",
            name=f"{program} of {case.user}")

    def carries(self):
        """Whether each does, once the server has answered."""
        self.tunnel.wait_log(ANSWERED)
        return echoes(self.local), echoes(self.remote)


def main():
    programs = PROGRAMS if not sanitized() else ("adit",)
    with Origin(echo) as origin:
        cases = list(permissions(origin, programs))
        with server(cases) as sshd:
            hosts = ssh_config({"host": sshd})
            for first in range(0, len(cases), 5):
                group = cases[first:first + 5]
                running = [{program: Forwards(program, hosts, case, origin)
                            for program in programs} for case in group]
                for case, forwards in zip(group, running):
                    with tap.case(case.words):
                        for program, pair in forwards.items():
                            equal(pair.carries(), case.expected, f"-L and -R by {program}")
                            pair.tunnel.finish()
                for pair in (pair for forwards in running for pair in forwards.values()):
                    pair.tunnel.kill()
            refused = next(case for case in cases if not case.expected[1])
            with tap.case("a refused -R with ExitOnForwardFailure: 255, and a reason"):
                for program in programs:
                    done = call(program, [
                        "-F", hosts, "-N", "-o", "ExitOnForwardFailure=yes", "-l", refused.user,
                        "-R", f"{ANY}:{refused.ports[program]}:{ANY}:{origin.port}", "host"])
                    equal(done.status, 255, f"{program}'s status ({done.said!r})")
                    true(str(refused.ports[program]) in done.said, f"{program} says {done.said!r}")


tap.run(main)

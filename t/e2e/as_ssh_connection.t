#!/usr/bin/env -S python3 -B
"""The connection to a server beside ssh(1): the interface that it comes from (BindInterface), its class
of service (IPQoS), TCP's keepalive (TCPKeepAlive), and how often it is tried (ConnectionAttempts)."""

import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, tap, true, wait_until
from adit_test.as_ssh import PROGRAMS, Silence, call, login
from adit_test.command import Tunnel, ssh_config
from adit_test.network import ip, isolate
from adit_test.sshd import Sshd

# The line that says that it is logged in.
UP = {"ssh": "Entering interactive session", "adit": "every upstream has a session"}
SERVER, NEAR, OTHER = "10.9.0.1", "10.9.0.7", "10.9.0.8"


class Seen:
    """One program's connection to the server, as the kernel has it (ss(8))."""

    def __init__(self, program, sshd, hosts, *options):
        words = "".join(f' -o "{option}"' for option in options)
        with Tunnel(f"ssh -vN{words} host", hosts, real=program == "ssh") as tunnel:
            tunnel.wait_log(UP[program])
            wait_until(lambda: self._read(sshd) and not self.busy, "a connection that is idle")
        wait_until(lambda: not sshd.sessions(), "the end of the session")

    def _read(self, sshd):
        done = subprocess.run(
            ["ss", "-Htno", "--tos", "-6" if ":" in sshd.address else "-4", "state", "established",
             "dport", "=", f":{sshd.port}"], check=True, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        if len(lines) != 1:
            return False
        fields = lines[0].split()
        self.local = fields[2].rpartition(":")[0]
        self.busy = "timer:(on" in lines[0]
        self.keepalive = "timer:(keepalive" in lines[0]
        classes = re.search(r"\b(?:tos|tclass):(0x[0-9a-f]+)", lines[0])
        self.service = int(classes[1], 16) if classes else 0
        return True


def alike(what, field, sshd, hosts, expected, *options):
    """Both programs' connections have that value in the field."""
    for program in PROGRAMS:
        with tap.case(f"{program}: {what}"):
            equal(getattr(Seen(program, sshd, hosts, *options), field), expected, field)


def services(sshd, hosts, address):
    alike(f"{address}: IPQoS of one class", "service", sshd, hosts, 0x48, "IPQoS=af21")
    alike(f"{address}: IPQoS of two: the first", "service", sshd, hosts, 0x68, "IPQoS=af31 cs1")
    alike(f"{address}: IPQoS as a number", "service", sshd, hosts, 0x24, "IPQoS=36")
    alike(f"{address}: IPQoS none", "service", sshd, hosts, 0, "IPQoS=none")
    with tap.case(f"{address}: without IPQoS adit leaves it to the system"):
        equal(Seen("adit", sshd, hosts).service, 0, "the class")


def keepalives(sshd, hosts):
    alike("TCPKeepAlive yes", "keepalive", sshd, hosts, True, "TCPKeepAlive=yes")
    alike("TCPKeepAlive no", "keepalive", sshd, hosts, False, "TCPKeepAlive=no")
    alike("without TCPKeepAlive", "keepalive", sshd, hosts, True)


def interfaces(sshd, hosts):
    ip("link", "add", "own", "type", "veth", "peer", "name", "empty")
    ip("link", "set", "own", "up")
    ip("link", "set", "empty", "up")
    ip("address", "add", f"{NEAR}/32", "dev", "own")
    ip("address", "add", f"{OTHER}/32", "dev", "own")
    alike("BindInterface", "local", sshd, hosts, NEAR, "BindInterface=own")
    alike("BindAddress goes before BindInterface", "local", sshd, hosts, OTHER,
          f"BindAddress={OTHER}", "BindInterface=own")
    silence = Silence()
    for name, options, words in (("-B with an interface that is not there", (), ("-B", "nix")),
                                 ("-B with one that has no address", (), ("-B", "empty")),
                                 ("BindInterface none: that is a name", ("BindInterface=none",),
                                  ())):
        with tap.case(name):
            adit, ssh = (login(program, sshd, silence, *options, words=words)
                         for program in ("adit", "ssh"))
            equal((adit.status, ssh.status), (255, 255), f"{adit.said!r}, {ssh.said!r}")
            interface = words[-1] if words else "none"
            holds(f"{SERVER} port {sshd.port}: the network interface {interface} is not there, is "
                  r"down, or has no IPv4 address to connect from \(BindInterface\)", adit.said,
                  "what it says")


def failed():
    """How many TCP connections were tried in vain in this network."""
    with open("/proc/net/snmp", encoding="ascii") as lines:
        names, values = [line.split() for line in lines if line.startswith("Tcp:")]
    return int(values[names.index("AttemptFails")])


def attempts(sshd, hosts):
    """Nobody listens at the server's port."""
    for program in PROGRAMS:
        for words, count in ((["ConnectionAttempts=1"], 1), (["ConnectionAttempts=3"], 3), ([], 1)):
            with tap.case(f"{program}: {''.join(words) or 'without ConnectionAttempts'}"):
                before = failed()
                result = call(program, ["-F", hosts, *(word for option in words
                                                       for word in ("-o", option)), "-N", "host"])
                equal(result.status, 255, f"the status ({result.said!r})")
                holds("Connection refused", result.said, "what it says")
                equal(failed() - before, count, "the attempts")
                true(result.seconds >= count - 1, f"a second between two ({result.seconds:.2f} s)")
        with tap.case(f"{program}: ConnectionAttempts 0"):
            result = call(program, ["-F", hosts, "-o", "ConnectionAttempts=0", "-N", "host"])
            true(result.status in (255, 78), f"the status {result.status} ({result.said!r})")
            holds("ConnectionAttempts|connection_attempts", result.said, "what it says")


def comes(sshd, program, hosts, name, *words):
    """The server starts when the second attempt has failed."""
    with tap.case(f"{program}: {name}: a server that starts between two attempts is reached"):
        before = failed()
        silence = Silence()
        done = []
        thread = threading.Thread(target=lambda: done.append(call(
            program, ["-F", hosts, *words, "-W", f"{ANY}:{silence.port}", "host"],
            seconds=120)))
        thread.start()
        try:
            wait_until(lambda: failed() >= before + 2, "two attempts")
            sshd.start()
            thread.join()
            equal(done[0].status, 0, f"the status ({done[0].said!r})")
        finally:
            sshd.stop()
            thread.join()


def background(sshd, hosts):
    for program in PROGRAMS:
        with tap.case(f"{program}: -fN fails when all attempts have"):
            before = failed()
            result = call(program, ["-F", hosts, "-o", "ConnectionAttempts=2", "-fN", "host"])
            equal(result.status, 255, f"the status ({result.said!r})")
            equal(failed() - before, 2, "the attempts")


def afterwards(sshd, hosts):
    """A host that was logged in to: each dial is one attempt."""
    with Tunnel("ssh -vN -o ConnectionAttempts=100000 host", hosts, real=False) as tunnel:
        tunnel.wait_log(UP["adit"])
        sshd.stop()
        with tap.case("adit: after a loss each dial is one attempt"):
            tunnel.wait_log("Connection refused")


def main():
    if not isolate("connections beside ssh's"):
        return
    ip("address", "add", f"{SERVER}/32", "dev", "lo")
    with Sshd(address=SERVER) as sshd:
        hosts = ssh_config({"host": sshd})
        services(sshd, hosts, "IPv4")
        keepalives(sshd, hosts)
        interfaces(sshd, hosts)
        afterwards(sshd, hosts)
    with Sshd(address="::1") as sshd:
        services(sshd, ssh_config({"host": sshd}), "IPv6")
    sshd = Sshd(address=SERVER, start=False)
    hosts = ssh_config({"host": sshd})
    attempts(sshd, hosts)
    background(sshd, hosts)
    for program in PROGRAMS:
        comes(sshd, program, hosts, "-o", "-o", "ConnectionAttempts=600")
    behind = Sshd(address=SERVER)
    with behind:
        hosts = ssh_config({"host": behind, "jump": sshd}, "Host host", "  ProxyJump jump",
                           "Host jump", "  ConnectionAttempts 600")
        for program in PROGRAMS:
            comes(sshd, program, hosts, "a jump host's own ConnectionAttempts")


tap.run(main)

"""Who takes part: the two proxies, and the load generator as client and as origin."""

import atexit
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess

from adit_test.checks import Failed
from adit_test.gateway import binary, environment, section, upstream
from adit_test.keys import known_hosts
from adit_test.net import ANY, free_port
from adit_test.process import (descendants, gateway_of, scratch, send_signal, wait_until,
                               workdir)
from report import AGAINST, ENGINE

PATIENCE = 120  # seconds for an answer of the load generator
GCM = "aes128-gcm@openssh.com"

# As high as it may go; what is started here inherits it.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def processor(pid):
    """Processor seconds that a process has used so far, by all its threads."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        used = stat.read().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024


def proportional(pid):
    """Bytes of a process, of a page that several have its part (proc(5), Pss)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as rollup:
        return int(re.search(r"Pss:\s+(\d+) kB", rollup.read())[1]) * 1024


class Actor:
    """A child that is ended with the program, its standard error in a file: whoever reads it while
    it is measured would take processor time from it."""

    def __init__(self, command, **popen):
        self.log = scratch(f"{os.path.basename(command[0])}.log", "")
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(command, **{
                "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": log,
                "cwd": workdir(), "env": environment(), **popen})
        self.name = os.path.basename(command[0])
        self.pid = self.child.pid
        atexit.register(self.end)

    def said(self):
        """Its log; raises if it has ended."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            text = log.read()
        if self.child.poll() is not None:
            raise Failed(f"{self.name} ended:\n{text[-2000:]}")
        return text

    def end(self):
        atexit.unregister(self.end)
        if self.child.poll() is None:
            gateway = gateway_of(self.pid)
            self.child.kill()
            send_signal(gateway, signal.SIGKILL)
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def processes(self):
        """Its own number, and those of all that it has started."""
        return [self.pid, *descendants(self.pid)]

    def resident(self):
        """Resident bytes of all its processes."""
        return sum(map(resident, self.processes()))

    def proportional(self):
        """Proportional bytes of all its processes."""
        return sum(map(proportional, self.processes()))

    def processor(self):
        """Processor seconds used so far, by all threads of all its processes."""
        return sum(map(processor, self.processes()))


class Adit(Actor):
    """adit as a user runs it: all defaults but what is named."""

    key = "adit"
    program = staticmethod(binary)
    engine = None

    def __init__(self, sshd, cipher=None, sessions=None, more="", master_socket=None):
        text = upstream(sshd, ciphers=cipher, sessions=sessions, engine=self.engine,
                        master_socket=master_socket) + section(
            "listen browser", {"address": f"{ANY}:0"}) + more
        super().__init__([self.program(), "--config", scratch("adit.ini", text)])
        wait_until(lambda: re.search(r"session \d+ up", self.said()), "adit's first session")
        self.port = self.listening("browser")

    def listening(self, listener):
        """The port of a listener."""
        return int(re.search(rf"listening on 127\.0\.0\.1:(\d+) \(listen {listener}\)",
                             self.said())[1])


def ssh_words(sshd):
    """ssh's options for a login at `sshd`, and adit's."""
    return ["-F", "none", "-p", str(sshd.port), "-i", sshd.user_key, "-o", "IdentitiesOnly=yes",
            "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={sshd.known_hosts}"]


def addressed(sshd):
    return f"{sshd.user}@{sshd.address}"


class SshD(Actor):
    """ssh -D."""

    key = "ssh"

    def __init__(self, sshd, cipher=None, sessions=None):
        del sessions  # it has one
        self.port = free_port()
        super().__init__([
            "ssh", *ssh_words(sshd), "-N", "-D", f"{ANY}:{self.port}",
            "-o", "ExitOnForwardFailure=yes", *(["-c", cipher] if cipher else []),
            addressed(sshd)])
        wait_until(self.listens, "ssh -D's port")

    def listens(self):
        self.said()
        with socket.socket() as probe:
            return probe.connect_ex((ANY, self.port)) == 0


class Before(Adit):
    """Another adit in the place of ssh -D."""

    key = "before"
    program = staticmethod(lambda: AGAINST)


class ByEngine(Adit):
    """This adit by another engine."""

    key = "engine"
    engine = ENGINE


Other = Before if AGAINST else ByEngine if ENGINE else SshD


class Helper(Actor):
    """A program of this directory, which answers by lines of JSON."""

    def __init__(self, program, *arguments):
        path = os.path.join(os.path.dirname(binary()), "t", "bench", program)
        super().__init__([path, *map(str, arguments)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)

    def answer(self):
        ready, _, _ = select.select([self.child.stdout], [], [], PATIENCE)
        line = self.child.stdout.readline() if ready else b""
        if not line:
            raise Failed(f"{self.name} does not answer: {self.said()}")
        return json.loads(line)


class Link(Helper):
    """A link of some length to an Sshd, and that Sshd as it is seen through it: for Adit and SshD.

    delay   milliseconds each way
    mbit    the bottleneck, each way; None: there is none
    queue   KiB that wait before it at most
    """

    def __init__(self, sshd, delay, mbit=None, queue=None):
        super().__init__("relay", sshd.port, delay, *([mbit, queue] if mbit else []))
        self.address = ANY
        self.port = self.answer()["port"]
        self.user = sshd.user
        self.user_key = sshd.user_key
        self.known_hosts = known_hosts(sshd.host_key, (ANY, self.port))


class Load(Helper):
    """The load generator, which answers each command by one line of JSON."""

    def __init__(self, *arguments):
        super().__init__("load", *arguments)

    def begin(self, *command):
        """`answer` has the answer."""
        self.child.stdin.write(" ".join(map(str, command)).encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, *command):
        self.begin(*command)
        return self.answer()


class Origin(Load):
    """Echo, source and sink behind the proxies."""

    def __init__(self):
        super().__init__("origin")
        self.ports = self.answer()

    def client(self, proxy, *more):
        return Load("client", proxy.port, self.ports["echo"], self.ports["source"],
                    self.ports["sink"], self.ports["answer"], self.ports["hole"], *more)

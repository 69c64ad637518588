"""ssh, scp and others over the control socket of an adit: adit in the place of a ControlMaster."""

import os
import re
import struct
import subprocess

from .checks import false
from .command import ssh_config
from .gateway import REPORT, Adit, config, environment
from .process import Process, patience, scratch, wait_connects, workdir
from .sshd import Sshd


# Numbers of the frames (OpenSSH's PROTOCOL.mux), and what frames are made of.
HELLO, NEW_SESSION, ALIVE, NEW_STDIO = 1, 0x10000002, 0x10000004, 0x10000008
OPEN_FWD, CLOSE_FWD, PROXY, EXT_INFO = 0x10000006, 0x10000007, 0x1000000f, 0x20000001
OK, DENIED, FAILURE, EXIT_MESSAGE = 0x80000001, 0x80000002, 0x80000003, 0x80000004
IS_ALIVE, OPENED, REMOTE_PORT = 0x80000005, 0x80000006, 0x80000007


def string(text):
    return struct.pack("!I", len(text)) + text


def frame(number, body=b""):
    return string(struct.pack("!I", number) + body)


GREETING = frame(HELLO, struct.pack("!I", 4))


def shell_server(**options):
    """An Sshd whose commands write to standard error what they mean to: neither its own debug lines
    nor what the start files of the person's shell say."""
    return Sshd(options={"LogLevel": "INFO", "SetEnv": f"HOME={workdir()}", **options})


class Master:
    """A gateway whose upstream `office` has a master_socket, and ssh programs that find it there. They
    cannot log in by themselves: what does not go by the control socket fails.

    up, gate  further keys of the upstream and of the gateway
    env       variables of adit's environment
    """

    def __init__(self, sshd, up=None, gate=None, env=None):
        self._find(sshd, "PubkeyAuthentication no")
        self.adit = Adit(config(sshd, up={"master_socket": self.path, **(up or {})}, gate=gate),
                         env=env)

    def _find(self, sshd, *lines):
        self.sshd = sshd
        self.path = scratch("cm")
        self.hosts = ssh_config({"server": sshd}, *lines, ControlPath=self.path,
                                ControlMaster="no", LogLevel="INFO")

    def words(self, program, *words):
        return [program, "-F", self.hosts, *words]

    def run(self, program, *words, data=None, seconds=60, **variables):
        """Runs ssh (or scp, sftp) to its end: a CompletedProcess with bytes."""
        return run(self.words(program, *words), data, seconds, **variables)

    def ssh(self, *words, **keys):
        return self.run("ssh", *words, **keys)

    def __enter__(self):
        self.adit.__enter__()
        return self

    def __exit__(self, *what):
        return self.adit.__exit__(*what)


class SshMaster(Master):
    """The same with an ssh as the master, which has these variables."""

    def __init__(self, sshd, **variables):  # pylint: disable=super-init-not-called
        self._find(sshd)
        self.process = Process("ssh -M", self.words("ssh", "-M", "-N", "server"),
                               env=environment(**variables))
        wait_connects(self.path, "ssh listens")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


class SshMasterAt(SshMaster):
    """Another master at the path of one that has ended."""

    def __init__(self, sshd, former):
        self.former = former
        super().__init__(sshd)

    def _find(self, sshd, *lines):
        self.sshd, self.path, self.hosts = sshd, self.former.path, self.former.hosts


def run(words, data=None, seconds=60, cwd=None, **variables):
    done = subprocess.run(words, input=data if data is not None else b"", capture_output=True,
                          cwd=cwd or workdir(), env=environment(**variables), check=False,
                          timeout=patience(seconds))
    false(re.search(REPORT, done.stderr.decode("utf-8", "replace")), "a sanitiser's report")
    return done


def descriptors(pid):
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))

"""ssh, scp and others over the control socket of an adit: adit in the place of a ControlMaster."""

import os
import re
import subprocess

from .checks import false
from .command import ssh_config
from .gateway import REPORT, Adit, config, environment
from .process import patience, scratch, workdir


class Master:
    """A gateway whose upstream `office` has a master_socket, and ssh programs that find it there.

    up    further keys of the upstream
    real  an ssh is the master instead, to compare with
    """

    def __init__(self, sshd, up=None, gate=None):
        self.sshd = sshd
        self.path = scratch("cm")
        self.hosts = ssh_config({"server": sshd}, ControlPath=self.path, ControlMaster="no",
                                LogLevel="INFO")
        self.adit = Adit(config(sshd, up={"master_socket": self.path, **(up or {})}, gate=gate))

    def words(self, program, *words):
        return [program, "-F", self.hosts, *words]

    def run(self, program, *words, data=None, seconds=60, check=False, **variables):
        """Runs ssh (or scp, sftp) to its end: a CompletedProcess with bytes. The key is not given
        away: what does not go by the control socket fails."""
        return run(self.words(program, *words), data, seconds, **variables)

    def ssh(self, *words, **keys):
        return self.run("ssh", "-o", "IdentityFile=/dev/null", *words, **keys)

    def __enter__(self):
        self.adit.__enter__()
        return self

    def __exit__(self, *what):
        return self.adit.__exit__(*what)


def run(words, data=None, seconds=60, cwd=None, **variables):
    done = subprocess.run(words, input=data if data is not None else b"", capture_output=True,
                          cwd=cwd or workdir(), env=environment(**variables), check=False,
                          timeout=patience(seconds))
    false(re.search(REPORT, done.stderr.decode("utf-8", "replace")), "a sanitiser's report")
    return done


def descriptors(pid):
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def ssh_version():
    """(9, 2) for OpenSSH 9.2."""
    text = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return tuple(int(number) for number in re.search(r"OpenSSH_(\d+)\.(\d+)", text).groups())

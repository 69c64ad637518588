"""ssh(1) over adit's control socket, and over that of another ssh: a command, again and again."""

import statistics
import subprocess
import time

from actors import Actor, Adit, addressed, ssh_words
from adit_test.gateway import environment
from adit_test.mux import shell_server
from adit_test.process import scratch, wait_connects, workdir
from report import Case

COMMANDS = 40


class ByAdit(Adit):
    """adit as the master: `master_socket`."""

    def __init__(self, sshd):
        self.path = scratch("cm")
        super().__init__(sshd, master_socket=self.path)


class BySsh(Actor):
    """ssh -M."""

    key = "ssh -M"

    def __init__(self, sshd):
        self.path = scratch("cm")
        super().__init__(["ssh", *ssh_words(sshd), "-M", "-N", "-S", self.path, addressed(sshd)])
        wait_connects(self.path, "ssh listens")


def commands(proxy):
    before, times = proxy.processor(), []
    for _ in range(COMMANDS):
        began = time.monotonic()
        subprocess.run(["ssh", "-F", "none", "-S", proxy.path, "host", "true"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=workdir(),
                       env=environment())
        times.append(time.monotonic() - began)
    used = proxy.processor() - before
    return {"command_p50": statistics.median(times) * 1e3,
            "processor_command": used * 1e3 / COMMANDS}


def mux(room):
    """`ssh -S PATH host true`, one after another. (What the start files of the person's shell do
    is left out.)"""
    with shell_server() as sshd, ByAdit(sshd) as adit, BySsh(sshd) as ssh:
        proxies = {ByAdit: adit, BySsh: ssh}
        case = Case("mux", "ssh -S PATH host true", sides=(ByAdit.key, BySsh.key))
        room.alternate(case, lambda kind: commands(proxies[kind]), sides=tuple(proxies))
        yield case

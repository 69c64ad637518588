#!/usr/bin/env -S python3 -B
"""contrib/quickstart: what it promises at its start, and that nothing of it stays behind."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Process, equal, holds, patience, scratch, tap, true, wait_until
from adit_test.clients import connected
from adit_test.gateway import TOP, binary, environment
from adit_test.keys import public
from adit_test.process import processes
from adit_test.sshd import Sshd

PAGE = "This page came through adit and an SSH server."


class Quickstart(Process):
    """It, in a session and a temporary directory of its own; standard output is in the log too."""

    def __init__(self, *arguments, **more):
        self.temporary = scratch("tmp")
        os.mkdir(self.temporary)
        super().__init__("quickstart", ["sh", "-c", 'exec "$@" >&2', "sh",
                                        os.path.join(TOP, "contrib", "quickstart"), *arguments],
                         env=environment(**{"ADIT": binary(), "TMPDIR": self.temporary, **more}),
                         before=os.setsid)

    def said(self):
        return "\n".join(self.lines)

    def mates(self):
        """The processes of its session, itself too."""
        found = []
        for pid in processes():
            try:
                if os.getsid(pid) == self.pid:
                    found.append(pid)
            except ProcessLookupError:
                pass
        return found

    def leaves_nothing(self):
        equal(os.listdir(self.temporary), [], "temporary files")
        wait_until(lambda: not self.mates(), "all its processes are gone", 5)


def alone():
    with tap.case("alone it starts a server, fetches a page through adit and ends"):
        quickstart = Quickstart(QUICKSTART_ONCE="1")
        equal(quickstart.wait(), 0, "its exit status")
        holds(PAGE, quickstart.said(), "the page")
        quickstart.leaves_nothing()

    with tap.case("the line to try works, until Ctrl-C ends everything"):
        quickstart = Quickstart()
        quickstart.wait_log("Ctrl-C ends it", seconds=60)
        line = quickstart.wait_log(r"^ +(curl --socks5-hostname \S+ http://127\S+)$")[1]
        got = subprocess.run(line.split(), capture_output=True, text=True, check=True,
                             timeout=patience(30))
        holds(PAGE, got.stdout, "the page")
        true(len(quickstart.mates()) > 3, "adit, sshd and the page are running")
        os.killpg(quickstart.pid, signal.SIGINT)
        equal(quickstart.wait(), 130, "its exit status")
        quickstart.leaves_nothing()

    with tap.case("SIGTERM to it alone ends everything too"):
        quickstart = Quickstart()
        quickstart.wait_log("Ctrl-C ends it", seconds=60)
        quickstart.signal(signal.SIGTERM)
        equal(quickstart.wait(), 143, "its exit status")
        quickstart.leaves_nothing()


def with_a_server(sshd):
    home = scratch("home")
    os.makedirs(os.path.join(home, ".ssh"), mode=0o700)
    os.symlink(sshd.user_key, os.path.join(home, ".ssh", "id_ed25519"))
    known_hosts = os.path.join(home, ".ssh", "known_hosts")
    # ssh finds a home in the password file, which is not to be touched.
    adit = scratch("adit")
    with open(adit, "w", encoding="ascii") as script:
        script.write(f'#!/bin/sh\nexec {binary()} -F none -o UserKnownHostsFile={known_hosts} "$@"\n')
    os.chmod(adit, 0o700)

    with tap.case("with a server named it goes through that one"):
        quickstart = Quickstart(f"{sshd.user}@{sshd.address}:{sshd.port}", QUICKSTART_ONCE="1",
                                HOME=home, ADIT=adit)
        equal(quickstart.wait(), 0, "its exit status")
        holds("^SSH-2.0-OpenSSH", "\n".join(l for l in quickstart.lines if "SSH-2.0" in l),
              "the server's banner")
        equal(sshd.targets()[-1], ("127.0.0.1", sshd.port), "the target")
        with open(known_hosts, encoding="ascii") as known:
            holds(public(sshd.host_key).split()[1].replace("+", r"\+"), known.read(), "known_hosts")
        quickstart.leaves_nothing()

    other = f"127.0.0.2:{sshd.port}"
    with Sshd("127.0.0.2", sshd.port, user_key=sshd.user_key), \
            tap.case("with a server whose sshd is not at 127.0.0.1 it says so, and stays"):
        sshd.stop()
        quickstart = Quickstart(f"{sshd.user}@{other}", HOME=home, ADIT=adit)
        quickstart.wait_log("Ctrl-C ends it", seconds=60)
        holds(f"No sshd answered at 127.0.0.1:{sshd.port} of the server", quickstart.said(), "why")
        holds("It is up, but could not be tested: SOCKS5", quickstart.said(), "what is told")
        port = int(quickstart.wait_log(r"^ +curl --socks5-hostname 127.0.0.1:(\d+) https://")[1])
        with connected((ANY, port), "127.0.0.2", sshd.port) as conn:
            holds(b"^SSH-2.0-OpenSSH", conn.recv(100), "what the proxy carries")
        os.killpg(quickstart.pid, signal.SIGINT)
        equal(quickstart.wait(), 130, "its exit status")
        quickstart.leaves_nothing()
        quickstart = Quickstart(f"{sshd.user}@{other}", QUICKSTART_ONCE="1", HOME=home, ADIT=adit)
        equal(quickstart.wait(), 1, "the exit status with QUICKSTART_ONCE")
        quickstart.leaves_nothing()
        sshd.start()

    with tap.case("with a server that lets nobody in it says so"):
        os.unlink(os.path.join(home, ".ssh", "id_ed25519"))
        quickstart = Quickstart(f"{sshd.address}:{sshd.port}", QUICKSTART_ONCE="1", HOME=home,
                                ADIT=adit)
        equal(quickstart.wait(), 1, "its exit status")
        holds("adit: .*Permission denied", quickstart.said(), "why")
        holds("quickstart: adit did not start", quickstart.said(), "the last line")
        quickstart.leaves_nothing()


# apt-get as it is where packages are missing; what it is asked for is noted.
APT = """#!/bin/sh
echo "$*" >>"$NOTES"
case $* in
*--assume-no*)
    echo 'Need to get 6,012 kB of archives.'
    echo 'After this operation, 29.2 MB of additional disk space will be used.'
    exit 1 ;;
esac
"""


def packages():
    """contrib/packages with programs of the test's own in the place of Debian's."""
    directory, notes = scratch("bin"), scratch("notes")
    os.mkdir(directory)
    for name, text in {"apt-get": APT, "dpkg-query": "#!/bin/sh\necho installed dpkg\n", "id": "#!/bin/sh\necho 0\n",
                       "systemctl": "#!/bin/sh\n"}.items():
        path = os.path.join(directory, name)
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(path, 0o755)

    def run(**more):
        return subprocess.run(
            [os.path.join(TOP, "contrib", "packages"), "deb"], capture_output=True, text=True,
            env=environment(PATH=f"{directory}:{os.environ['PATH']}", NOTES=notes, **more),
            check=False, timeout=patience(30))

    with tap.case("what is missing is named, and how large it is, before it is installed"):
        done = run()
        equal((done.returncode, done.stdout), (0, "Installing Debian packages: build-essential"
                                               " debhelper lintian\nNeed to get 6,012 kB of archives."
                                               "\nAfter this operation, 29.2 MB of additional disk"
                                               " space will be used.\n"), "what is told")
        with open(notes, encoding="ascii") as lines:
            equal([holds("update|--assume-no|-y install", line, "a call")[0] for line in lines],
                  ["update", "--assume-no", "-y install"], "what apt-get is asked for, in order")
    with tap.case("what apt-get says is shown when it fails"):
        with open(os.path.join(directory, "apt-get"), "w", encoding="ascii") as out:
            out.write("#!/bin/sh\necho 'E: no network'; exit 100\n")
        done = run()
        equal((done.returncode, done.stderr), (1, "E: no network\n"), "what is told")


def main():
    packages()
    alone()
    with Sshd() as sshd:
        with_a_server(sshd)


tap.run(main)

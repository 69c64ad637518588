"""adit itself: configurations, the running program, its log."""

import os
import re
import shutil
import signal
import subprocess

from . import engine
from .checks import Failed, equal, false, true
from .net import ANY
from .process import Process, gateway_of, patience, scratch, workdir
from .tap import BailOut, tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

# What a sanitiser says when it found something.
REPORT = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer"
                    r"|(Address|Undefined\w*|Thread|Leak)Sanitizer:")

# What an access line begins with, behind its time.
ACCESS = " info: connection connection="


def binary():
    places = [os.environ.get("ADIT"), os.path.join(TOP, "adit"), os.path.join(TOP, "build", "adit")]
    for place in places:
        if place and os.access(place, os.X_OK):
            return os.path.abspath(place)
    raise BailOut("no adit: set ADIT to its path")


def public_binary():
    """A copy that each user can execute, as the folders above adit may be closed to others."""
    copy = scratch("adit")
    shutil.copy(binary(), copy)
    os.chmod(copy, 0o755)
    return copy


def sanitized():
    """The name of the sanitiser adit is built with, or None."""
    with open(binary(), "rb") as program:
        content = program.read()
    for name in ("asan", "tsan", "ubsan"):
        if f"__{name}_".encode() in content:
            return name
    return None


def section(title, keys):
    """One section as INI text. None leaves a key out; a list gives it several times."""
    pairs = keys.items() if isinstance(keys, dict) else keys
    lines = [f"{key} = {value}\n" for key, values in pairs if values is not None
             for value in (values if isinstance(values, list) else [values])]
    return f"[{title}]\n" + "".join(lines) + "\n"


def upstream(sshd, name="office", **keys):
    """[upstream NAME] that leads to an Sshd."""
    return section(f"upstream {name}", {
        "host": sshd.address, "port": sshd.port, "user": sshd.user, "identity": sshd.user_key,
        "known_hosts": sshd.known_hosts, "agent": "no", "ssh_config": "no", **engine.keys_of(keys), **keys})


def listen(name="browser", **keys):
    """[listen NAME] on a port of 127.0.0.1 that the kernel picks."""
    return section(f"listen {name}", {"address": f"{ANY}:0", "via": "office", **keys})


def gateway(**keys):
    """[gateway], with as many workers as the person who runs the tests wishes."""
    return section("gateway", {"workers": os.environ.get("ADIT_TEST_WORKERS"), **keys})


def acl(*rules, **keys):
    """[acl] of rules like "allow to=*", after its keys."""
    return section("acl", [*keys.items(), *(rule.split(" ", 1) for rule in rules)])


def config(sshd, *sections, gate=None, up=None, at=None):
    """The usual configuration: one upstream, `office`, and one listener, `browser`.

    gate, up, at  keys of [gateway], [upstream office] and [listen browser] over the usual ones
    sections      text of further ones
    """
    return "".join([gateway(**(gate or {})), upstream(sshd, **(up or {})), listen(**(at or {})),
                    *sections])


def environment(**more):
    """Nothing of the person who runs the test: no home, no agent."""
    clean = {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}
    return {**clean, "HOME": workdir(), "XDG_RUNTIME_DIR": workdir(), **more}


def run_adit(*arguments, env=None, seconds=60):
    """Runs adit to its end: a CompletedProcess with text in stdout and stderr."""
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          env=env or environment(), cwd=workdir(), timeout=patience(seconds),
                          encoding="utf-8", errors="backslashreplace", check=False)
    false(REPORT.search(done.stderr), f"a sanitiser's report:\n{done.stderr}")
    return done


def check_reports(process):
    """Raises if a sanitiser found something in this process."""
    reports = [line for line in process.lines if REPORT.search(line)]
    if reports:
        text = process.text()
        at = text.index(reports[0])
        raise Failed(f"a sanitiser's report:\n{text[max(0, at - 200):at + 6000]}")


def fields(line):
    """The key=value words of a log line."""
    return {key: re.sub(r"\\([\"\\])", r"\1", text[1:-1]) if text.startswith('"') else text
            for key, text in re.findall(r' (\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)}


class Adit(Process):
    """A running adit. A context manager ends it by SIGTERM; that it ends cleanly (exit status 0,
    no report of a sanitiser) is a test point of its own."""

    def __init__(self, text, name="adit", env=None, before=None, arguments=(), ready=True):
        self.config = scratch("adit.ini", text)
        self.finished = False
        super().__init__(name, [binary(), "--config", self.config, *arguments],
                         env=environment(**(env or {})), before=before)
        if ready:
            self.wait_log(r"(^|[ :])ready\b", seconds=60)

    def listeners(self, since=0):
        """{listener: [address, ...]}: (host, port) pairs and paths of unix sockets."""
        found = {}
        for match in self.find(r"listening on (\S+) \(listen (\S+)\)", since):
            if match[1].startswith("unix:"):
                place = match[1][len("unix:"):]
            else:
                host, _, port = match[1].rpartition(":")
                place = (host.strip("[]"), int(port))
            found.setdefault(match[2], []).append(place)
        return found

    def listener(self, name="browser", index=0):
        return self.listeners()[name][index]

    @property
    def address(self):
        return self.listener()

    @property
    def port(self):
        return self.address[1]

    def sessions_up(self, count, since=0, upstream="office", seconds=60):
        """Waits until so many sessions were reported up."""
        self.wait_log(rf"upstream {upstream}: session \d+ up", since, seconds, count)

    def accesses(self, since=0):
        """The access lines, as dicts."""
        self.settle()
        return [fields(line) for line in self.lines[since:] if ACCESS in line]

    def access(self, since=0, seconds=30, at_least=(), **wanted):
        """Waits for an access line with these fields and numbers at least so big; returns it all.

        The line of a connection comes when all of it has ended, so that those of connections before
        a mark may come after it: name what tells the wanted one apart.
        """
        wanted = {key: str(value) for key, value in wanted.items()}

        def fits(line):
            found = fields(line) if ACCESS in line else {}
            return wanted.items() <= found.items() and all(
                int(found.get(key, 0)) >= least for key, least in dict(at_least).items()) and found

        return self.wait_line(fits, f"a connection with {wanted} {at_least or ''}", since, seconds)

    def write(self, text):
        """Replaces the configuration file in one step, as an editor does."""
        fresh = scratch("adit.ini", text)
        os.replace(fresh, self.config)

    def reload(self, text=None):
        """SIGHUP, with a new file if one is given; the log after the mark returned is about it."""
        if text is not None:
            self.write(text)
        mark = self.mark()
        self.signal(signal.SIGHUP)
        return mark

    def wait_signals(self):
        """Waits until the gateway has all SIGHUPs that were sent so far. (A signal and a request
        to the control socket have no order. Of signals, adit takes SIGUSR1 after SIGHUP, and tells
        the gateway in that order.)"""
        mark = self.mark()
        self.signal(signal.SIGUSR1)
        self.wait_log(r" info: \d+ connections$", mark)

    @property
    def gateway(self):
        """The process that carries the connections; `pid` is the keeper, which started it."""
        return gateway_of(self.pid)

    def rss(self):
        """Resident bytes of the gateway."""
        with open(f"/proc/{self.gateway}/status", encoding="ascii", errors="replace") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024

    def cpu(self):
        """Processor seconds that the gateway has used so far."""
        with open(f"/proc/{self.gateway}/stat", encoding="latin-1") as stat:
            used = stat.read().rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def libssh_file(self):
        """The version in the name of libssh's file: (9, 6) of libssh.so.4.9.6, which is 0.10.6;
        (10, 4) is 0.11.4."""
        with open(f"/proc/{self.gateway}/maps", encoding="utf-8", errors="replace") as maps:
            found = re.search(r"/libssh\.so\.4\.(\d+)\.(\d+)", maps.read())
        true(found, "libssh's file has its version in its name")
        return (int(found[1]), int(found[2]))

    def libssh_before_0_11(self):
        return self.libssh_file() < (10, 0)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.gateway}/fd"))

    def finish(self, number=signal.SIGTERM, seconds=90):
        """Ends it (number None: waits until it has ended); raises unless it ends cleanly."""
        self.finished = True
        try:
            if number is not None:
                self.signal(number)
            equal(self.wait(seconds), 0, "adit's exit status")
            check_reports(self)
        finally:
            self.kill()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not self.finished:
            with tap.case(f"{self.name} ends cleanly"):
                self.finish()

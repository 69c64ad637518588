"""Processes of a test: started, listened to, ended; and the scratch directory they live in."""

import array
import atexit
import fcntl
import itertools
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

from .checks import Failed
from .tap import tap

_running = []
_workdir = None
_serial = itertools.count(1)


def workdir():
    """This test's own directory; gone when the test ends. Short, as unix socket paths must be."""
    global _workdir
    if _workdir is None:
        _workdir = tempfile.mkdtemp(prefix="adit-t.")
        os.chmod(_workdir, 0o755)
    return _workdir


def scratch(name, text=None, mode=0o600):
    """A fresh path in the work directory that ends in `name`; written if `text` is given."""
    path = os.path.join(workdir(), f"{next(_serial)}.{name}")
    if text is not None:
        with open(path, "wb") as out:
            out.write(text.encode() if isinstance(text, str) else text)
        os.chmod(path, mode)
    return path


def patience(seconds):
    """A time-out, stretched by ADIT_TEST_PATIENCE: the end of waiting, never a measure."""
    return seconds * float(os.environ.get("ADIT_TEST_PATIENCE", "1"))


def wait_until(condition, what, seconds=30):
    """Waits for an event that is not announced. Returns what `condition` returned."""
    end = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {patience(seconds):g} s in vain: {what}")
        time.sleep(0.02)


def wait_connects(path, what, seconds=30):
    """Waits until a unix socket takes connections. (Its path is there before it does: bind(2) makes
    that, and listen(2) comes later.)"""
    def connects():
        with socket.socket(socket.AF_UNIX) as conn:
            try:
                conn.connect(path)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True
    wait_until(connects, what, seconds)


def processes():
    """{pid: parent} of every process that can be seen."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents[int(name)] = int(fields[1])
    return parents


def descendants(pid):
    """All processes below `pid`, parents first."""
    parents = processes()
    found, layer = [], [pid]
    while layer:
        layer = [child for child, parent in parents.items() if parent in layer]
        found += layer
    return found


def gateway_of(pid):
    """The process of the gateway that this adit, its keeper, has started: what carries the
    connections. Any other program is its own."""
    for child, parent in processes().items():
        if parent == pid and is_gateway(child):
            return child
    return pid


def command_name(pid):
    """As ps(1) has it; "": there is no such process."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
            return comm.read().rstrip("\n")
    except OSError:
        return ""


def is_gateway(pid):
    return command_name(pid) == "adit-gateway"


def is_of_keeper(pid):
    """A gateway, or the agent with the keys and the program that holds it."""
    return command_name(pid) in ("adit-gateway", "ssh-agent", "cat")


def command_words(pid):
    """The words that it was started with; none: there is no such process, or it is a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as words:
            return words.read().split("\0")[:-1]
    except OSError:
        return []


def is_still(pid):
    """Whether it runs no more: it is stopped, or has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "TtZX"
    except OSError:
        return True


def freeze(pid, itself=True):
    """SIGSTOP to `pid` and all below it, or only to these. Returns their pids."""
    frozen = []
    while True:  # one that was about to fork has a child that was not there before
        found = [pid] if itself else []
        found = [one for one in found + descendants(pid) if one not in frozen]
        if not found:
            return frozen
        for one in found:
            send_signal(one, signal.SIGSTOP)
        for one in found:  # (the signal is sent, and a fork may still be under way)
            wait_until(lambda one=one: is_still(one), f"process {one} stands still")
        frozen += found


def kill_tree(pid):
    """SIGKILL to `pid` and all below it, none of whom can fork meanwhile."""
    for one in freeze(pid):
        send_signal(one, signal.SIGKILL)


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Process:
    """A child whose standard error is read line by line, kept, and can be waited on."""

    def __init__(self, name, command, env=None, cwd=None, before=None, pass_fds=()):
        self.name = name
        self.lines = []  # under `changed`, as is what is read of a line so far
        self.partial = b""
        self.changed = threading.Condition()
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            bufsize=0, env=env, cwd=cwd or workdir(), preexec_fn=before, pass_fds=pass_fds)
        self.pid = self.child.pid
        self.reader = threading.Thread(target=self._read, args=(self.child.stderr,), daemon=True)
        self.reader.start()
        _running.append(self)
        tap.logs.append(self.tail)

    def _read(self, stream):
        readable = select.poll()
        readable.register(stream, select.POLLIN)
        while True:
            readable.poll()
            with self.changed:
                data = os.read(stream.fileno(), 1 << 16)
                *lines, self.partial = (self.partial + data).split(b"\n")
                if not data and self.partial:
                    lines.append(self.partial)
                self.lines += [line.rstrip(b"\r").decode("utf-8", "backslashreplace")
                               for line in lines]
                self.changed.notify_all()
                if not data:
                    stream.close()
                    return

    def settle(self):
        """Waits until all that was written to the log so far is in `lines`."""
        while True:
            with self.changed:
                if self.child.stderr.closed:
                    return
                waiting = array.array("i", [0])
                fcntl.ioctl(self.child.stderr, termios.FIONREAD, waiting)
                if waiting[0] == 0:
                    return
            time.sleep(0.001)

    def tail(self, count=30):
        return self.name, self.lines[-count:]

    def mark(self):
        """A place in the log, for `since`."""
        self.settle()
        return len(self.lines)

    def find(self, pattern, since=0):
        """The matches of a regular expression in the log, one a line at most."""
        self.settle()
        return [found for line in self.lines[since:] if (found := re.search(pattern, line))]

    def wait_log(self, pattern, since=0, seconds=30, count=1):
        """Waits until `count` lines match; returns the last one's match."""
        return self.wait_line(lambda line: re.search(pattern, line), f"{count} x {pattern!r}",
                              since, seconds, count)

    def wait_line(self, test, what, since=0, seconds=30, count=1):
        """Waits until `test` is true for `count` lines; returns what it returned for the last."""
        end = time.monotonic() + patience(seconds)
        seen, found = since, 0
        while True:
            with self.changed:
                while seen == len(self.lines):
                    left = end - time.monotonic()
                    if left <= 0 or (not self.alive() and not self.reader.is_alive()):
                        raise Failed(f"{self.name} {'' if self.alive() else 'ended and '}"
                                     f"did not log {what}")
                    self.changed.wait(min(left, 0.5))
                lines = self.lines[seen:]
            seen += len(lines)
            for value in filter(None, map(test, lines)):
                found += 1
                if found == count:
                    return value

    def text(self, since=0):
        """The log so far, as one string."""
        self.settle()
        return "\n".join(self.lines[since:])

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        """(To stand still, or to go on, is meant for an adit's gateway, too.)"""
        if self.alive():
            if number in (signal.SIGSTOP, signal.SIGCONT):
                send_signal(gateway_of(self.pid), number)
            self.child.send_signal(number)

    def wait(self, seconds=60):
        """Its exit status, negative for a signal; all of its log has been read then."""
        try:
            status = self.child.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {patience(seconds):g} s") from None
        self.reader.join(5)
        return status

    def kill(self):
        """Ends it and all below it, whatever state they are in."""
        if self.alive():
            kill_tree(self.pid)
            self.child.wait()
            self.reader.join(5)
        if self in _running:
            _running.remove(self)
            tap.logs.remove(self.tail)
            tap.ended.append(self.tail)


def _clean_up():
    for process in list(_running):
        process.kill()
    if _workdir is not None and not os.environ.get("ADIT_TEST_KEEP"):
        shutil.rmtree(_workdir, ignore_errors=True)


def _stop(number, _frame):
    sys.exit(128 + number)


atexit.register(_clean_up)
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _stop)

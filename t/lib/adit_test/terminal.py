"""A person at a terminal: a program with a pseudo-terminal of its own, read and typed to."""

import fcntl
import os
import re
import select
import subprocess
import termios
import time

from .checks import Failed
from .process import kill_tree, patience, scratch, wait_until, workdir
from .tap import tap


# The terminal's session is a shell's, as in life: its end would hang up on what runs at the
# terminal, even on what is just about to go into the background.
SHELL = """trap : INT
status=$1
shift
"$@"
echo $? >"$status.new"
mv "$status.new" "$status"
read -r _"""


class Terminal:
    """A program whose standard streams and controlling terminal are a pseudo-terminal."""

    def __init__(self, command, env):
        self.text = ""
        self.seen = 0  # how much of `text` was expected already
        self.status = scratch("status")
        self.master, slave = os.openpty()
        self.child = subprocess.Popen(
            ["sh", "-c", SHELL, "sh", self.status, *command], stdin=slave, stdout=slave,
            stderr=slave, env=env, cwd=workdir(), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave  # kept open, so that the terminal lives on as a shell's would
        tap.logs.append(self.tail)

    def tail(self):
        return "the terminal", self.text.splitlines()[-30:]

    def _read(self, seconds):
        """Whether something came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.text += os.read(self.master, 1 << 16).decode("utf-8", "backslashreplace")
        return True

    def expect(self, pattern, seconds=30):
        """Waits for a regular expression in what is shown from here on; returns the match."""
        end = time.monotonic() + patience(seconds)
        while not (found := re.search(pattern, self.text[self.seen:])):
            if time.monotonic() > end or (self.ended() and not self._read(0.2)):
                raise Failed(f"the terminal does not show {pattern!r} but "
                             f"{self.text[self.seen:]!r}")
            self._read(0.1)
        self.seen += found.end()
        return found

    def answer(self, line, echo=True):
        """Types a line once the terminal shows what is typed, or (echo False) does not."""
        end = time.monotonic() + patience(10)
        while self.echoes() != echo:
            if time.monotonic() > end:
                raise Failed(f"the terminal {'does not echo' if echo else 'echoes'}")
            time.sleep(0.01)
        self.type(line + "\n")

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait(self, seconds=60):
        """Its exit status; all it said has been read then."""
        wait_until(lambda: (self._read(0), self.ended())[1], "the end of what runs at the terminal",
                   seconds)
        while self._read(0.2):
            pass
        with open(self.status, encoding="ascii") as status:
            return int(status.read())

    def ended(self):
        return os.path.exists(self.status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill_tree(self.child.pid)
        self.child.wait()
        os.close(self.slave)
        os.close(self.master)
        tap.logs.remove(self.tail)
        tap.ended.append(self.tail)

"""`adit -O`: what is asked of a running adit at its control socket."""

import json
import socket

from .checks import equal
from .gateway import run_adit
from .process import patience


def ask(path, command, *arguments):
    """The process, when it has ended."""
    return run_adit("-S", path, "-O", command, *arguments, seconds=30)


def asked(path, command, *arguments):
    """The same, which has to go well; its standard output."""
    done = ask(path, command, *arguments)
    equal((done.returncode, done.stderr), (0, ""), f"-O {command} {arguments}")
    return done.stdout


def asked_check(path):
    """0: -O check was answered, whether or not every upstream is up; else its exit status."""
    done = ask(path, "check")
    return 0 if done.stderr.startswith("Master running") else done.returncode


def status(path):
    """The answer to -O status, whether or not every upstream is up."""
    done = ask(path, "status", "--json")
    equal((done.returncode, done.stderr == "") in ((0, True), (1, False)), True,
          f"-O status: {done.returncode}, {done.stderr}")
    return json.loads(done.stdout)


def asked_raw(conn, request):
    """The answer to an object, over a connection to the socket."""
    conn.sendall(json.dumps(request).encode() + b"\n")
    return json.loads(conn.makefile("rb").readline())


def raw(path, data, seconds=30):
    """What comes back to these bytes until the other side closes, or one line has come."""
    with socket.socket(socket.AF_UNIX) as conn:
        conn.settimeout(patience(seconds))
        conn.connect(path)
        try:
            conn.sendall(data)
        except BrokenPipeError:
            pass
        got = b""
        while not got.endswith(b"\n"):
            part = conn.recv(1 << 16)
            if not part:
                break
            got += part
        return got

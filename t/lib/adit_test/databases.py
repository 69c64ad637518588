"""PostgreSQL and Redis at the far end of a tunnel: empty, on loopback, gone with the test."""

import glob
import os
import shutil
import socket
import subprocess

from .net import ANY
from .process import Process, scratch, wait_until

NOBODY = 65534


def postgres_program(name):
    """Debian keeps the server's programs out of PATH."""
    return shutil.which(name, path=":".join([*sorted(glob.glob("/usr/lib/postgresql/*/bin"))[::-1],
                                             os.environ.get("PATH", "")]))


def _as_nobody(*command):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


def _directory(name):
    path = scratch(name)
    os.mkdir(path, 0o700)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    return path


def _answers(port):
    try:
        socket.create_connection((ANY, port)).close()
    except OSError:
        return False
    return True


class Server:
    """A running server of either kind."""

    def __init__(self, name, command, port):
        self.process = Process(name, command, cwd="/")
        wait_until(lambda: _answers(port), f"{name} listens")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


def postgres(port, user, database):
    """A PostgreSQL that knows one user, whom it trusts, and one database."""
    data = _directory("postgres")
    subprocess.run(_as_nobody(postgres_program("initdb"), "-D", data, "-U", user, "-A", "trust",
                              "--no-sync", "--locale=C", "-E", "UTF8"),
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
    subprocess.run(_as_nobody(postgres_program("postgres"), "--single", "-F", "-D", data,
                              "postgres"), input=f"create database {database}\n".encode(),
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   cwd="/")
    return Server("postgres", _as_nobody(
        postgres_program("postgres"), "-F", "-D", data, "-p", str(port),
        "-c", f"listen_addresses={ANY}", "-c", "unix_socket_directories="), port)


def redis(port):
    """A Redis that writes nothing to disk."""
    return Server("redis", _as_nobody("redis-server", "--port", str(port), "--bind", ANY, "--save",
                                      "", "--dir", _directory("redis")), port)

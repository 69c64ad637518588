"""Asking a running adit by its control socket: adit -O."""

import json

from .checks import equal
from .gateway import run_adit


def ask(path, command, *arguments):
    return run_adit("-S", path, "-O", command, *arguments)


def asked(path, command, *arguments):
    """The same, which has to go well; its standard output."""
    done = ask(path, command, *arguments)
    equal((done.returncode, done.stderr), (0, ""), f"-O {command} {arguments}")
    return done.stdout


def asked_check(path):
    return ask(path, "check").returncode


def status(path):
    return json.loads(asked(path, "status", "--json"))

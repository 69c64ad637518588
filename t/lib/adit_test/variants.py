"""Builds of adit that differ from it in one thing: Makefile.am has them."""

import contextlib
import os

from .rogue import program


@contextlib.contextmanager
def variant(name):
    """What is started as adit meanwhile is this build of it."""
    ours = os.environ.get("ADIT")
    os.environ["ADIT"] = os.path.join(os.path.dirname(program()), name)
    try:
        yield
    finally:
        if ours is None:
            del os.environ["ADIT"]
        else:
            os.environ["ADIT"] = ours

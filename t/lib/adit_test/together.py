"""Test cases whose work is done at once, by some threads, and told one after the other."""

import concurrent.futures
import itertools

from .process import workdir
from .tap import tap

WIDTH = 4


class Together:
    """Collects cases and then runs them.

    width   so many cases at once
    """

    def __init__(self, width=WIDTH):
        self.width = width
        self.groups = {}
        self.cases = []
        self._serial = itertools.count()
        workdir()  # before threads make files in it

    def add(self, name, work, alone=None):
        """A case: work() is done in a thread. Those with the same `alone` are done one after the
        other, as an Sshd's log can tell only then who did what."""
        done = concurrent.futures.Future()
        self.cases.append((name, done))
        group = next(self._serial) if alone is None else id(alone)
        self.groups.setdefault(group, []).append((work, done))

    @staticmethod
    def _do(group):
        for work, done in group:
            try:
                done.set_result(work())
            except BaseException as error:  # pylint: disable=broad-except
                done.set_exception(error)

    def tell(self):
        """Does all of it; each case is good if its work raised nothing."""
        with concurrent.futures.ThreadPoolExecutor(self.width) as pool:
            for group in self.groups.values():
                pool.submit(self._do, group)
            for name, done in self.cases:
                with tap.case(name):
                    done.result()

"""The series of /metrics: what has changed there, and which families a test has moved."""

import os
import re

from .checks import equal
from .process import wait_until
from .tap import BailOut
from .watch import samples


def families():
    """The names of all families: the build makes adit-metrics(5) from the program's table of them."""
    builds = [os.environ.get("ADIT_BUILDDIR"), os.path.dirname(os.environ.get("ADIT", ""))]
    for build in filter(None, builds):
        path = os.path.join(build, "doc", "adit-metrics.5")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as manual:
                return re.findall(r"^\.It Cm (\w+)", manual.read(), re.M)
    raise BailOut("no doc/adit-metrics.5: make builds it")


class Series:
    """/metrics of an adit. `before`: what stood there when this began."""

    seen = set()  # families whose change, or constant value, was seen here

    def __init__(self, where):
        self.where = where
        self.before = samples(where)

    @staticmethod
    def _key(name, labels):
        return (name, tuple(sorted(labels.items())))

    def _note(self, name):
        self.seen.add(re.sub("_(bucket|sum|count)$", "", name))

    def now(self, name, **labels):
        return samples(self.where).get(self._key(name, labels), 0)

    def moved(self, name, **labels):
        return self.now(name, **labels) - self.before.get(self._key(name, labels), 0)

    def waits(self, wanted, name, **labels):
        """The number comes to have changed by `wanted`."""
        wait_until(lambda: self.moved(name, **labels) == wanted,
                   f"{name}{labels} has moved by {wanted}")
        if wanted != 0:
            self._note(name)

    def rises(self, name, **labels):
        wait_until(lambda: self.moved(name, **labels) > 0, f"{name}{labels} has risen", 60)
        self._note(name)

    def shows(self, wanted, name, **labels):
        """The number becomes `wanted`."""
        wait_until(lambda: self.now(name, **labels) == wanted, f"{name}{labels} is {wanted}")
        if wanted != self.before.get(self._key(name, labels), 0):
            self._note(name)

    def constant(self, name, **labels):
        """The number, of a family whose numbers do not change while adit runs."""
        number = self.now(name, **labels)
        equal(number, self.before.get(self._key(name, labels)), f"{name}{labels} before and now")
        self._note(name)
        return number

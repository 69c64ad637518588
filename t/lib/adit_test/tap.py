"""The Test Anything Protocol, for prove(1) and Automake's driver."""

import contextlib
import os
import shutil
import signal
import sys
import traceback

from . import engine
from .checks import Failed

# Sanitised builds on two busy cores are slow; this only keeps a broken test from hanging for ever.
CASE_LIMIT = int(os.environ.get("ADIT_TEST_CASE_LIMIT", "180"))


class BailOut(Exception):
    """No test can run: prove stops altogether."""


class Tap:
    """Counts and prints test points. The one instance is `tap`."""

    def __init__(self):
        self.count = 0
        self.failed = 0
        # Callables that return (name, last lines), shown when a case fails: of what runs, and of
        # what has ended since the case began.
        self.logs = []
        self.ended = []

    def diag(self, text):
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def point(self, good, name, directive=""):
        self.count += 1
        if not good:
            self.failed += 1
        name = name.replace("#", "\\#").replace("\n", " ")
        print(f"{'' if good else 'not '}ok {self.count} - {name}{directive}", flush=True)

    def skip(self, name, reason):
        """A skip is a failure unless ADIT_TEST_ALLOW_SKIP=1: nothing is left out silently."""
        if os.environ.get("ADIT_TEST_ALLOW_SKIP") == "1":
            self.point(True, name, f" # SKIP {reason}")
        else:
            self.point(False, name)
            self.diag(f"cannot run: {reason} (ADIT_TEST_ALLOW_SKIP=1 skips it)")

    def leave_out(self, name, reason):
        """A case that means nothing here (a memory bound under a sanitiser): a plain skip."""
        self.point(True, name, f" # SKIP {reason}")

    def have(self, name, *tools):
        """Whether all tools are installed; if not, the case `name` is skipped."""
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if missing:
            self.skip(name, f"{', '.join(missing)} not installed")
        return not missing

    @contextlib.contextmanager
    def case(self, name, limit=CASE_LIMIT):
        """One test point: good if the block ends, not good with diagnostics if it raises."""

        def overdue(_signal, frame):
            raise Failed(f"still not done after {limit} seconds\n"
                         + "".join(traceback.format_stack(frame, 8)))

        self.ended = []
        before = signal.signal(signal.SIGALRM, overdue)
        signal.alarm(limit)
        try:
            yield
        except BailOut:
            raise
        except Exception as error:  # pylint: disable=broad-except
            signal.alarm(0)
            how = engine.differs(name)
            if how is not None:
                self.leave_out(name, f"with {engine.NAME}: {how}")
                self.diag(f"{type(error).__name__}: {error}")
                return
            self.point(False, name)
            self.explain(error)
        else:
            signal.alarm(0)
            self.point(True, name)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def explain(self, error):
        """Where it happened, and what the logs say about it."""
        frames = traceback.extract_tb(error.__traceback__)
        self.diag(f"{type(error).__name__}: {error}")
        for number, frame in enumerate(frames, 1):
            unforeseen = number == len(frames) and not isinstance(error, Failed)
            if frame.filename == sys.argv[0] or unforeseen:
                self.diag(f"  at {frame.filename}:{frame.lineno}: {frame.line}")
        for log in self.logs + self.ended:
            name, lines = log()
            self.diag(f"--- the end of {name}'s log:")
            for line in lines:
                self.diag(f"  {line[:400]}")

    def run(self, main):
        """Runs main(), prints the plan, and exits: the last line of every test."""
        reason = engine.means_nothing()
        if reason is not None:
            print(f"1..0 # SKIP with {engine.NAME}: {reason}", flush=True)
            sys.exit(0)
        try:
            main()
        except BailOut as reason:
            print(f"Bail out! {reason}", flush=True)
            sys.exit(1)
        except Exception as error:  # pylint: disable=broad-except
            self.point(False, "the test runs to its end")
            self.explain(error)
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


tap = Tap()

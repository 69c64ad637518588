"""The engine that carries the sessions of the tests: ADIT_TEST_ENGINE=openssh gives each upstream
that says nothing of it engine = openssh. What then means nothing, or is otherwise, is listed here."""

import os
import re
import sys

NAME = os.environ.get("ADIT_TEST_ENGINE", "")

# Keys that say what carries the sessions, or that only one engine has.
OWN_WAYS = ("engine", "join_master", "master_socket", "libssh_config")

# {a test: why it means nothing}
FILES = {}

# {a test: [(what its case is called, how ssh differs)]}: such a case is run, and may fail.
CASES = {}


def keys_of(given):
    """The keys for an upstream that has these."""
    return {"engine": NAME} if NAME and not any(key in given for key in OWN_WAYS) else {}


def _test():
    return os.path.basename(sys.argv[0])


def means_nothing():
    """Why the running test is left out; None: it is not."""
    return FILES.get(_test()) if NAME == "openssh" else None


def differs(case):
    """How the case may end otherwise; None: it may not."""
    if NAME == "openssh":
        for pattern, how in CASES.get(_test(), ()):
            if re.search(pattern, case):
                return how
    return None

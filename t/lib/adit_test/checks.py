"""Assertions whose message says what was expected and what came."""

import contextlib
import re


class Failed(AssertionError):
    """A test's claim did not hold."""


def short(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def true(condition, claim):
    if not condition:
        raise Failed(f"does not hold: {claim}")


def false(condition, claim):
    true(not condition, f"not: {claim}")


def equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: wanted {short(wanted)}, got {short(got)}")


def holds(pattern, text, what):
    """`text` (str or bytes) matches the regular expression somewhere; returns the match."""
    found = re.search(pattern, text)
    if not found:
        raise Failed(f"{what}: {short(pattern)} is not in {short(text, 2000)}")
    return found


@contextlib.contextmanager
def raises(kind, what):
    """The block ends in an exception of that kind, or of one of those kinds."""
    try:
        yield
    except kind:
        return
    raise Failed(f"{what}: no {kind}")

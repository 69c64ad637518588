"""What the end-to-end tests are written with: throwaway servers, raw clients, adit, and TAP.

From the environment:
    ADIT                   the program to test; else what a build in or below the top left there
    ADIT_TEST_WORKERS      `workers` of every configuration
    ADIT_TEST_SIZE         how much transfer.t carries each way
    ADIT_TEST_PATIENCE     stretches every time-out, for slow machines
    ADIT_TEST_CASE_LIMIT   seconds after which a test case has failed
    ADIT_TEST_ALLOW_SKIP   1: a test whose tools are not installed is skipped, not failed
    ADIT_TEST_KEEP         1: leaves the tests' directories, /tmp/adit-t.*, where they are
"""

from .checks import equal, false, holds, raises, true
from .gateway import (Adit, acl, config, gateway, listen, run_adit, sanitized, section,
                      upstream)
from .keys import Agent, certify, fingerprint, keypair
from .net import ANY, free_port, has_ipv6
from .process import Process, patience, scratch, wait_connects, wait_until, workdir
from .tap import tap

__all__ = [
    "ANY", "Adit", "Agent", "Process", "acl", "certify", "config", "equal", "false", "fingerprint",
    "free_port", "gateway", "has_ipv6", "holds", "keypair", "listen", "patience", "raises",
    "run_adit", "sanitized", "scratch", "section", "tap", "true", "upstream", "wait_connects",
    "wait_until", "workdir",
]

#!/usr/bin/env -S python3 -B
"""A worker whose loop stands still is named in the log, and does not keep adit from ending."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, holds, sanitized, scratch, tap, true)
from adit_test.clients import connect, exchange, works
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd, shim


def stalling(sshd, marker, **more):
    environment = {"ADIT_TEST_STALL": marker, "LD_PRELOAD": shim("stall_shim")}
    if sanitized() == "asan":  # which wants to be the first library there is
        environment["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get(
            "ASAN_OPTIONS", "")
    return Adit(config(sshd, gate={"workers": 2, "drain_timeout": "1s"}, up={"sessions": "2-2"}),
                env=environment, **more)


def noticed(sshd, origin):
    marker = scratch("stall")
    with stalling(sshd, marker) as adit:
        adit.sessions_up(2)
        true(works(adit.address, origin), "echo")
        mark = adit.mark()
        with tap.case("a worker that stands still is named once"):
            with open(marker, "w", encoding="ascii"):
                pass
            found = adit.wait_log(r"error: worker (\d) has stood still for (\d+) s", mark)
            true(int(found[2]) >= 4, f"after about 5 s: {found[0]}")
            time.sleep(2)  # (two more looks at it)
            equal(len(adit.find("stood still", mark)), 1, "lines about it")
        with tap.case("... and again when it goes on"):
            os.unlink(marker)
            adit.wait_log(rf"error: worker {found[1]} goes on after \d+ s", mark)
            true(works(adit.address, origin), "echo")


def stopped(sshd, origin):
    """SIGSTOP and SIGCONT, to all of adit: nobody stood still by itself."""
    with tap.case("a process that was stopped has no worker that stood still"), \
            Adit(config(sshd, gate={"workers": 2})) as adit:
        adit.sessions_up(1)
        adit.signal(signal.SIGSTOP)
        time.sleep(7)  # more than the 5 s after which a worker would be named
        mark = adit.mark()
        adit.signal(signal.SIGCONT)
        adit.wait_log("time has passed unseen", mark)
        true(works(adit.address, origin), "echo")
        equal(adit.find("stood still"), [], "lines about it")


def ended(sshd, origin):
    marker = scratch("stall")
    adit = stalling(sshd, marker)
    with tap.case("SIGTERM ends adit although a worker never answers"):
        adit.sessions_up(2)
        conns = [connect(adit.address, ANY, origin.port) for _ in range(8)]
        true(all(exchange(conn) for conn in conns), "echo")
        with open(marker, "w", encoding="ascii"):
            pass
        adit.wait_log("stood still", seconds=60)
        adit.signal(signal.SIGTERM)
        equal(adit.wait(30), 255, "the exit status")
        holds(r"error: worker \d does not end: exiting without it", adit.text(), "the log")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        noticed(sshd, origin)
        stopped(sshd, origin)
        ended(sshd, origin)


tap.run(main)

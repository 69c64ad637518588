#!/usr/bin/env -S python3 -B
"""drain_announce: /readyz says that adit drains while clients are still accepted."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, holds, raises, scratch, tap, true, wait_until
from adit_test.clients import connected, exchange, works
from adit_test.control import ask
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.watch import dial, get, is_ready, place, watched


def announced(sshd, origin, end):
    """The whole way, from what `end` does to the end of the process."""
    path = scratch("control")
    text = config(sshd, watched(drain_announce="12s"), gate={"control": path})
    with Adit(text, name="adit that announces") as adit:
        where = place(adit)
        adit.sessions_up(1)
        true(is_ready(where), "it is ready")
        with connected(adit.address, ANY, origin.port) as before:
            mark = adit.mark()
            end(adit, path)
            wait_until(lambda: not is_ready(where), "/readyz says so")
            holds("soon it accepts no new connections", get(where, "/readyz").json["reason"],
                  "the reason")
            equal(get(where, "/livez").status, 200, "/livez")
            equal(get(where, "/api/status.json").json["state"], "draining", "the state")
            equal(ask(path, "ready").returncode, 1, "-O ready")
            mark_reload = adit.reload()
            adit.wait_log("adit is ending", mark_reload)
            true(works(adit.address, origin), "a client that comes meanwhile")
            equal(adit.find(r"draining \d+ connections", mark), [], "lines that it drains already")
            adit.wait_log(r"draining \d+ connections", mark)
            with raises(ConnectionRefusedError, "a connection to the listener"):
                dial(adit.address)
            holds("it accepts no new connections", get(where, "/readyz").json["reason"], "the reason")
            true(exchange(before), "the client from before goes on")
        adit.finish(None)


def cut_short(sshd):
    with Adit(config(sshd, watched(drain_announce="1h")), name="adit, ended twice") as adit:
        where = place(adit)
        wait_until(lambda: is_ready(where), "/readyz says that it is ready")
        adit.signal(signal.SIGTERM)
        wait_until(lambda: not is_ready(where), "/readyz says that it drains")
        adit.finish(signal.SIGTERM)


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        with tap.case("SIGTERM: announced, then drained"):
            announced(sshd, origin, lambda adit, _: adit.signal(signal.SIGTERM))
        with tap.case("-O stop: the same"):
            announced(sshd, origin, lambda _, path: equal(ask(path, "stop").returncode, 0, "-O stop"))
        with tap.case("a second SIGTERM ends adit at once"):
            cut_short(sshd)


tap.run(main)

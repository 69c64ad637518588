#!/usr/bin/env -S python3 -B
"""Which worker accepts: one with a session of the listener's upstream; none once it is closed."""

import os
import re
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, listen, patience, raises, run_adit,
                       scratch, tap, true, wait_until)
from adit_test.clients import Closed, Line, Refused, exchange, connect, works
from adit_test.origins import Origin, echo
from adit_test.process import send_signal
from adit_test.sshd import Sshd


def sleeps(adit):
    """How often the main thread went to sleep, hence was woken."""
    with open(f"/proc/{adit.gateway}/task/{adit.gateway}/status", encoding="ascii") as status:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.M)[1])


def moves(sshd, origin):
    with Adit(config(sshd, listen("second", address=f"{ANY}:{free_port()}"),
                     gate={"workers": 2, "log": "debug"}, up={"sessions": "1-1"}),
              name="adit with two workers") as adit:
        places = {name: "{}:{}".format(*adit.listener(name)) for name in ("browser", "second")}
        with tap.case("a listener moves to the worker that gets the session, as soon as it does"):
            adit.wait_log(r" info: every upstream has a session$")
            told = [match[0] for match in adit.find(r"\S+: worker \d accepts$|, worker \d\)$"
                                                    r"|every upstream has a session$")]
            equal(told, [f"{places['browser']}: worker 0 accepts",
                         f"{places['second']}: worker 1 accepts", ", worker 0)",
                         f"{places['second']}: worker 0 accepts",
                         "every upstream has a session"], "what the main thread did")
        with tap.case("... where those who come are served, without the main thread"):
            slept = sleeps(adit)
            for name in ("browser", "second") * 50:
                true(works(adit.listener(name), origin), "echo")
            woken = sleeps(adit) - slept
            true(woken < 50, f"the main thread was woken {woken} times for 100 clients")


def accepting(adit):
    """The workers that accept, one for each listener."""
    last = {match[1]: int(match[2]) for match in adit.find(r" (\S+): worker (\d) accepts$")}
    return sorted(last.values())


def follows(sshd, origin):
    with Adit(config(sshd, listen("second", address=f"{ANY}:{free_port()}"),
                     gate={"workers": 2, "log": "debug"}, up={"sessions": "2-2"}),
              name="adit with a session on each worker") as adit:
        adit.sessions_up(2)
        owners = {match[1]: int(match[2])
                  for match in adit.find(r" session (\d) up \(.*, worker (\d)\)")}
        with tap.case("two listeners spread over the workers that have a session"):
            wait_until(lambda: accepting(adit) == [0, 1], "each accepts on one")
        mark = adit.mark()
        with tap.case("a listener leaves the worker that lost its session"):
            send_signal(sshd.process.pid, signal.SIGSTOP)  # nobody logs in meanwhile
            try:
                sshd.kill_session(sshd.sessions()[0])
                loser = owners[adit.wait_log(r" session (\d) lost", mark)[1]]
                wait_until(lambda: accepting(adit) == [1 - loser] * 2, "the other accepts on both")
                for name in ("browser", "second"):
                    true(works(adit.listener(name), origin), "echo")
            finally:
                send_signal(sshd.process.pid, signal.SIGCONT)
        with tap.case("... and one comes back when it has a session again"):
            wait_until(lambda: accepting(adit) == [0, 1], "each accepts on one")
            for name in ("browser", "second"):
                true(works(adit.listener(name), origin), "echo")


def door(place):
    return listen("second", address=f"unix:{place}" if isinstance(place, str)
                  else f"{place[0]}:{place[1]}")


def refuses(place):
    try:
        Line(place).socket.close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


class Crowd:
    """Clients that come and go, all the time; what they get does not matter."""

    def __init__(self, *places):
        self.ended = threading.Event()
        self.came = 0
        self.threads = [threading.Thread(target=self._come, args=(place,)) for place in places]

    def _come(self, place):
        while not self.ended.is_set():
            try:
                connect(place, ANY, 1, timeout=patience(20)).close()
            except (Refused, Closed, OSError):
                self.came += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.came > 20, "the crowd comes")
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def closes(sshd, origin):
    control = scratch("control")
    port = free_port()

    def text(*sections):
        return config(sshd, *sections, gate={"control": control},
                      at={"address": f"{ANY}:{port}"})

    with Adit(text(), name="adit whose listeners come and go") as adit:
        adit.sessions_up(1)

        def reload(*sections):
            adit.write(text(*sections))
            done = run_adit("-S", control, "-O", "reload", seconds=20)
            equal(done.returncode, 0, f"the status of -O reload: {done.stderr}")

        for kind, place in (("a port", (ANY, free_port())), ("a path", scratch("door.sock"))):
            with tap.case(f"{kind} is refused as soon as the reload that drops it is done"):
                with Crowd(place):
                    for _ in range(5):
                        reload(door(place))
                        true(works(place, origin), "echo")
                        with connect(place, ANY, origin.port) as conn:
                            reload()
                            true(refuses(place), "refused")
                            true(exchange(conn), "who came by it goes on")
            with tap.case(f"{kind} can be dropped and opened again at once"):
                for _ in range(10):
                    reload(door(place))
                    reload()
                reload(door(place))
                true(works(place, origin), "echo")
                reload()


def ends(sshd):
    with tap.case("SIGTERM while clients come in all the time: it drains, and ends"):
        place = scratch("crowd.sock")
        for _ in range(5):
            with Adit(config(sshd, door(place), gate={"drain_timeout": "1h"}),
                      name="adit in a crowd") as adit:
                adit.sessions_up(1)
                with Crowd(adit.address, adit.address, place, place):
                    mark = adit.mark()
                    adit.signal(signal.SIGTERM)
                    adit.wait_log(r" info: draining \d+ connections", mark)
                    true(refuses(adit.address) and refuses(place), "refused")
                    adit.finish(None)


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        moves(sshd, origin)
        follows(sshd, origin)
        closes(sshd, origin)
        ends(sshd)


tap.run(main)

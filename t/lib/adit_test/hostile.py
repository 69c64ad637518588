"""An adit with servers that break the protocol as upstreams, and an honest one beside them."""

import contextlib
import threading

from .checks import true
from .clients import Closed, Refused, connected, exchange, works
from .gateway import Adit, gateway, listen, upstream
from .net import ANY
from .origins import read_exactly
from .process import wait_until

HOLD = "1s"  # how long a client waits for a session, and what a test has to wait for its refusal


def outcome(adit, listener, hears=b""):
    """What a client of that listener is told: "ok" (and then hears those bytes), or why not."""
    try:
        with connected(adit.listener(listener), ANY, 9) as conn:
            if hears and read_exactly(conn, len(hears)) != hears:
                return "something else"
            return "ok"
    except (Refused, Closed, OSError):
        return "failed"


@contextlib.contextmanager
def beside(sshd, origin, logins=True, more="", **rogues):
    """An adit with each of these servers as an upstream and behind a listener of its name, and with
    an honest one, `office` behind `browser`. Both it and the honest one must be as they were at the
    end, and SIGTERM must end it.

    logins  all of the servers let adit log in
    more    further sections of its configuration
    """
    sections = [gateway(workers=2, drain_timeout="1s"), upstream(sshd), listen(), more]
    for name, rogue in rogues.items():
        sections += [upstream(rogue, name, sessions="1-1", hold=HOLD), listen(name, via=name)]
    with Adit("".join(sections)) as adit:
        adit.sessions_up(1)
        with connected(adit.address, ANY, origin.port) as other:
            for name in rogues if logins else ():
                adit.sessions_up(1, upstream=name)
            before = adit.descriptors()
            yield adit
            true(exchange(other), "a connection of another upstream goes on")
            true(works(adit.address, origin), "another upstream takes new ones")
            # (A session that is being dialled may have a few.)
            wait_until(lambda: adit.descriptors() <= before + 4 * len(rogues),
                       "no descriptor is left open")


def at_once(work, names):
    """Runs work(name) for each of the names in a thread of its own: {name: result}."""
    results = {}
    threads = [threading.Thread(target=lambda n=name: results.__setitem__(n, work(n)))
               for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results

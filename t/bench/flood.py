"""One source's flood: what the requests of others take beside it, and without it.

The flood sleeps in between and runs at the lowest priority, so that it takes no processor time that
adit, the server or the other clients want. What adit itself spends on the flood counts.
"""

import os
import time

from actors import Adit, processor
from report import Case
from adit_test.gateway import section
from adit_test.net import ANY
from adit_test.process import scratch, wait_until

SIDES = ("flood", "quiet")
SOURCE = "127.0.0.66"
# For one source what the defaults are for one beyond loopback.
LIMIT = {"from": SOURCE, "connections": 1024, "opens": 64, "before_login": 256}
RATE = 100  # requests a second of the others
SECONDS = 4
# (kind, title, so many stay open, so many a second)
FLOODS = (("connections", "connections that say nothing", 1500, 500),
          ("heads", "heads that do not end", 1500, 500),
          ("readers", "downloads of a GiB each, read at 10 KiB/s", 64, 20),
          ("holes", "opens that nobody answers", 500, 200),
          ("passwords", "wrong passwords", 500, 200))
# crypt(3) of "builder".
USERS = "bob:$5$saltsalt$ZZafy3axKGVvwp5WrR36Vrb3IbPVQKjJhmtDxaFOvd2\n"
PASSWORD = "builder"


def measured(adit, client):
    before = adit.processor()
    answer = client.ask("rate", RATE, SECONDS)
    answer["used"] = (adit.processor() - before) / answer["seconds"]
    return answer


def flooded(case, adit, client, flooder, how):
    """The same beside a flood that is under way."""
    kind, _, most, rate = how
    flooder.ask("flood", kind, most, rate)
    time.sleep(most / rate)  # (as many are open as will be)
    before, began = processor(flooder.pid), time.monotonic()
    answer = measured(adit, client)
    used = (processor(flooder.pid) - before) / (time.monotonic() - began)
    ended = flooder.ask("flood_end")
    case.note(f"of {ended['begun']} connections of a flood adit ended {ended['ended']}; the flood's "
              f"own processor time: {used:.1%}")
    return answer


def resting(adit):
    """Waits until adit has nothing to do."""
    def rests():
        before = adit.processor()
        time.sleep(0.5)
        return adit.processor() - before <= 0.02
    wait_until(rests, "adit is at rest", 60)


def measure(room, how):
    kind, title, most, rate = how
    case = Case("flood", f"{title}: {rate} a second, {most} open at most", SIDES)
    more = section("limit one", LIMIT)
    words = ()
    if kind == "passwords":
        more += section("listen login", {"address": f"{ANY}:0", "auth": "password",
                                         "users": scratch("users", USERS)})
        words = (PASSWORD,)
    with Adit(room.sshd, more=more) as adit:
        if words:
            adit.port = adit.listening("login")
        with room.origin.client(adit, *words) as client, room.origin.client(adit) as flooder:
            os.setpriority(os.PRIO_PROCESS, flooder.pid, 19)
            client.ask("rate", RATE, 1)
            for pair in range(room.pairs):
                for side in SIDES if pair % 2 else reversed(SIDES):
                    resting(adit)
                    answer = flooded(case, adit, client, flooder, how) if side == "flood" else \
                        measured(adit, client)
                    case.add(side, {"latency_p50": answer["p50"], "latency_p99": answer["p99"],
                                    "latency_max": answer["max"], "lost": answer["failed"] +
                                    answer["late"], "processor_share": answer["used"] * 100})
    return case


def flood(room):
    """Each kind alone, from one source; the others' requests come from other ones."""
    for how in FLOODS:
        yield measure(room, how)

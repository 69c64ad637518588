"""Requests at a steady rate while adit is upgraded again and again, and while it is not."""

import os
import re
import signal
import time

from actors import Adit
from report import Case
from adit_test.process import wait_until

SIDES = ("upgrades", "quiet")
RATE = 200  # requests a second
COUNT = 5
EACH = 3    # seconds


def upgrade(adit):
    def listens():
        return len(re.findall(r"upgrade: the new gateway \(process \d+\) listens", adit.said()))
    before = listens()
    os.kill(adit.pid, signal.SIGUSR2)
    wait_until(lambda: listens() > before, "the new gateway")


def measure(room, case, side):
    with Adit(room.sshd) as adit, room.origin.client(adit) as client:
        client.ask("rate", RATE, 1)
        client.begin("rate", RATE, COUNT * EACH)
        for number in range(COUNT if side == "upgrades" else 0):
            began = time.monotonic()
            upgrade(adit)
            if number < COUNT - 1:
                time.sleep(max(0, began + EACH - time.monotonic()))
        answer = client.answer()
    if answer["done"] < RATE * COUNT * EACH:
        case.note(f"{side}: {answer['done']} of {RATE * COUNT * EACH} requests were done")
    return {"latency_p50": answer["p50"], "latency_p99": answer["p99"],
            "latency_max": answer["max"], "lost": answer["failed"] + answer["late"]}


def upgrades(room):
    """Requests come whether those before are done or not: one that waits somewhere is seen."""
    case = Case("upgrades", f"{RATE} requests a second, {COUNT} upgrades in {COUNT * EACH} s", SIDES)
    for pair in range(room.pairs):
        for side in SIDES if pair % 2 else reversed(SIDES):
            case.add(side, measure(room, case, side))
    yield case

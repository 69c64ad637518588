"""The comparisons: each yields its cases, measured pair by pair."""

import sys
import time

from actors import DESCRIPTORS, GCM, Adit, Other
from distance import distance
from flood import flood
from hops import hops
from life import recovery, start
from link import link
from memory import memory
from mux import mux
from names import names
from report import ENGINE, Case, note_failures
from upgrades import upgrades

PROXIES = (Adit, Other)


class Room:
    """What all comparisons share."""

    def __init__(self, sshd, origin, pairs):
        self.sshd = sshd
        self.origin = origin
        self.pairs = pairs

    def alternate(self, case, measure, pairs=None, sides=PROXIES):
        """measure(kind or proxy) for both sides, `pairs` times, each side first every other time.

        It gives {metric: value}; what the case must say besides, it notes itself.
        """
        pairs = pairs or self.pairs
        for pair in range(pairs):
            for side in sides if pair % 2 == 0 else reversed(sides):
                say(f"{case.bench}, {case.title}: {pair + 1} of {pairs}, {side.key}")
                case.add(side.key, measure(side))
        say("")

    def ask(self, case, proxy, *command):
        """What the load generator answers, its failures noted, and the processor seconds that the
        proxy took meanwhile."""
        with self.origin.client(proxy) as client:
            before = proxy.processor()
            answer = client.ask(*command)
            used = proxy.processor() - before
        note_failures(case, proxy, answer)
        return answer, used

    def carry(self, case, proxy, direction, streams, mib):
        """So much in all, counted at the far end."""
        answer, used = self.ask(case, proxy, direction, streams, mib)
        return {"throughput": answer["bytes"] / answer["seconds"] / 2**20,
                "processor_gib": used * 2**30 / answer["bytes"]}


def say(text):
    """Progress, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


# ---- held

HELD = (100, 1000, 5000, DESCRIPTORS)
HELD_BY_SSH = HELD[:2]  # (each is four descriptors of adit, and three of an ssh)
FILL_SECONDS = 60  # opening them takes ssh -D ever longer the more there are
HELD_SECONDS = 2


def hold(room, case, kind, count):
    with kind(room.sshd, sessions="1-64") as proxy, room.origin.client(proxy) as client:
        client.ask("hold", 1, FILL_SECONDS)
        alone, alone_proportional = proxy.resident(), proxy.proportional()
        filled = client.ask("hold", count - 1, FILL_SECONDS)
        note_failures(case, kind, filled)
        if filled["held"] < count:
            case.note(f"{kind.key} held {filled['held']:,} after {FILL_SECONDS} s and was "
                      "measured with these")
        time.sleep(0.5)
        resident = (proxy.resident() - alone) / (filled["held"] - 1)
        proportional = (proxy.proportional() - alone_proportional) / (filled["held"] - 1)
        echo = client.ask("echo", HELD_SECONDS)
        serial = client.ask("churn", 1, HELD_SECONDS)
        opens = client.ask("churn", 64, HELD_SECONDS)
        note_failures(case, kind, serial)
        note_failures(case, kind, opens)
    return {"opens_serial": serial["done"] / serial["seconds"],
            "opens": opens["done"] / opens["seconds"], "echo_p50": echo["p50"],
            "echo_p99": echo["p99"], "resident": resident, "proportional_each": proportional}


def held(room):
    """Idle connections, adit with a pool of 1-64 sessions: what one more costs beside them."""
    for count in HELD_BY_SSH if ENGINE == "openssh" else HELD:
        most = min(count, DESCRIPTORS - 500)
        case = Case("held", f"{most:,} idle connections")
        if most < count:
            case.note(f"as many as {DESCRIPTORS:,} descriptors allow; one pair")
        room.alternate(case, lambda kind, most=most, case=case: hold(room, case, kind, most),
                       pairs=1 if most < count else None)
        yield case


# ---- bulk

BULK_MIB = 1024
BULK = (("down", 1), ("up", 1), ("down", 8), ("up", 8))


def bulk(room):
    """A GiB in one stream and in eight, down and up."""
    for cipher, words in ((None, "default ciphers"), (GCM, "aes128-gcm")):
        with Adit(room.sshd, cipher=cipher) as adit, Other(room.sshd, cipher=cipher) as other:
            proxies = {Adit: adit, Other: other}
            for direction, streams in BULK:
                title = f"{streams} stream{'s' * (streams > 1)} {direction}, {words}"
                case = Case("bulk", title)
                room.alternate(case, lambda kind, case=case, how=(direction, streams): room.carry(
                    case, proxies[kind], *how, BULK_MIB))
                yield case


# ---- churn

CHURN_SECONDS = 3


def visit(room, case, proxy):
    answer, used = room.ask(case, proxy, "churn", 64, CHURN_SECONDS)
    return {"opens": answer["done"] / answer["seconds"],
            "processor_open": used * 1e6 / answer["done"],
            "latency_p50": answer["p50"], "latency_p99": answer["p99"]}


def churn(room):
    """Connect, one byte there and back, close: 64 at once."""
    with Adit(room.sshd) as adit, Other(room.sshd) as other:
        proxies = {Adit: adit, Other: other}
        case = Case("churn", "connect, 1 byte echoed, close; 64 at once")
        room.alternate(case, lambda kind: visit(room, case, proxies[kind]))
        yield case


COMPARISONS = {
    "held": held,
    "memory": memory,
    "bulk": bulk,
    "churn": churn,
    "distance": distance,
    "link": link,
    "names": names,
    "start": start,
    "recovery": recovery,
    "hops": hops,
    "mux": mux,
    "flood": flood,
    "upgrades": upgrades,
}
if ENGINE:  # (of ssh's own jump hosts and commands, and of one adit alone)
    for other_program in ("hops", "mux", "flood", "upgrades"):
        del COMPARISONS[other_program]

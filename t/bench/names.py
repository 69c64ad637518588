"""Names that the server's resolver answers after 5 s: how long transfers stand still meanwhile."""

from adit_test.net import ANY
from adit_test.sshd import Sshd
from report import Case

NAMES = 20
RESOLVER_SECONDS = 5  # what sshd_shim.c lets each getaddrinfo of sshd take
DOWN, UP = 4, 2
SECONDS = 12  # from the first name on; a stall that lasts longer counts as this long
PAUSE_US = 5000  # between two chunks of 16 KiB: a transfer that the far end limits
# (title, milliseconds from one name to the next)
CASES = (("all at once", 0), ("one each 100 ms", 100))


def stall(room, case, kind, sshd, interval_ms):
    with kind(sshd) as proxy, room.origin.client(proxy) as client:
        answer = client.ask("stall", DOWN, UP, PAUSE_US, NAMES, interval_ms, SECONDS)
    if answer["failed"]:
        case.note(f"{kind.key}: {answer['failed']} transfers ended")
    if answer["stall"] > (SECONDS - 1) * 1e3:
        case.note(f"{kind.key}: it went on when {SECONDS} s were over")
    return {"stall": answer["stall"], "stall_before": answer["stall_before"]}


def names(room):
    """20 names asked for beside transfers that have been running for 4 s."""
    slow = {f"n{number}.slow.test": (ANY, RESOLVER_SECONDS) for number in range(NAMES)}
    with Sshd(options={"LogLevel": "INFO", "MaxStartups": 200}, names=slow) as sshd:
        for title, interval_ms in CASES:
            case = Case("names", f"{NAMES} slow names, {title}; {DOWN} downloads, {UP} uploads")
            room.alternate(case, lambda kind, case=case, interval_ms=interval_ms: stall(
                room, case, kind, sshd, interval_ms))
            yield case

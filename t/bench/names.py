"""Names that the server's resolver answers after 5 s: how long transfers stand still meanwhile."""

from adit_test.net import ANY
from adit_test.sshd import Sshd
from report import Case

NAMES = 20
RESOLVER_SECONDS = 5  # what sshd_shim.c lets each getaddrinfo of sshd take
DOWN, UP = 4, 2
SECONDS = 12  # from the first name on; a stall that lasts longer counts as this long
# (title, microseconds between two chunks of 16 KiB, milliseconds from one name to the next)
CASES = (
    ("all at once; 4 downloads, 2 uploads of 3 MiB/s each", 5000, 0),
    ("one each 100 ms; 4 downloads, 2 uploads of 3 MiB/s each", 5000, 100),
    ("all at once; 4 downloads, 2 uploads as fast as they go", 0, 0),
)


def stall(room, case, kind, sshd, pause_us, interval_ms):
    with kind(sshd) as proxy, room.origin.client(proxy) as client:
        answer = client.ask("stall", DOWN, UP, pause_us, NAMES, interval_ms, SECONDS)
    if answer["failed"]:
        case.note(f"{kind.key}: {answer['failed']} transfers ended")
    if answer["stall"] > (SECONDS - 1) * 1e3:
        case.note(f"{kind.key}: it went on when {SECONDS} s were over")
    return {"stall": answer["stall"], "stall_before": answer["stall_before"]}


def names(room):
    """20 names asked for beside transfers that have been running for 4 s."""
    slow = {f"n{number}.slow.test": (ANY, RESOLVER_SECONDS) for number in range(NAMES)}
    with Sshd(options={"LogLevel": "INFO", "MaxStartups": 200}, names=slow) as sshd:
        for title, pause_us, interval_ms in CASES:
            case = Case("names", f"{NAMES} slow names, {title}")
            room.alternate(case, lambda kind, case=case, how=(pause_us, interval_ms): stall(
                room, case, kind, sshd, *how))
            yield case

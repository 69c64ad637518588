"""A narrow link that is full: what small requests take beside the transfers that fill it."""

from actors import GCM, Link
from report import Case, note_failures

DELAY = 20  # milliseconds each way
MBIT = 100

# KiB that wait before the bottleneck. What keeps queues short (CoDel, RFC 8289, aims at 5 ms) is the
# one case, a buffer of a whole round trip, which takes that long to go through, the other.
SHORT_QUEUE = MBIT * 1000 // 8 * 5 // 1024
LONG_QUEUE = MBIT * 1000 // 8 * 2 * DELAY // 1024
CASES = ((SHORT_QUEUE, None, "a queue of 5 ms, default ciphers"),
         (SHORT_QUEUE, GCM, "a queue of 5 ms, aes128-gcm"),
         (LONG_QUEUE, None, "a queue of 40 ms, default ciphers"))

DOWNLOADS = 4
UPLOADS = 2
BYTES = 1024
SECONDS = 12


def work(room, case, kind, queue, cipher):
    """One side by itself, from its start on."""
    with Link(room.sshd, DELAY, MBIT, queue) as far, kind(far, cipher=cipher) as proxy, \
            room.origin.client(proxy) as client:
        answer = client.ask("beside", DOWNLOADS, UPLOADS, BYTES, SECONDS)
    note_failures(case, kind, answer)
    return {"small_p50": answer["p50"], "small_p99": answer["p99"], "small_done": answer["done"],
            "bulk_down": answer["down"] / answer["seconds"] / 2**20,
            "bulk_up": answer["up"] / answer["seconds"] / 2**20}


def link(room):
    """100 Mbit/s and 20 ms each way, four downloads and two uploads, and requests one by one."""
    for queue, cipher, words in CASES:
        case = Case("link", f"requests beside {DOWNLOADS} downloads and {UPLOADS} uploads, {words}")
        room.alternate(case, lambda kind, case=case, queue=queue, cipher=cipher: work(
            room, case, kind, queue, cipher))
        yield case

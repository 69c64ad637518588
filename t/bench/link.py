"""A narrow link that is full: what small requests take beside the transfers that fill it."""

from actors import GCM, Link
from report import Case, note_failures

DELAY = 20  # milliseconds each way
MBIT = 100
QUEUE = MBIT * 1000 // 8 * 2 * DELAY // 1024  # KiB: what the link carries in a round trip

DOWNLOADS = 4
UPLOADS = 2
BYTES = 1024
SECONDS = 15


def work(room, case, kind, cipher):
    """One side by itself, from its start on."""
    with Link(room.sshd, DELAY, MBIT, QUEUE) as far, kind(far, cipher=cipher) as proxy, \
            room.origin.client(proxy) as client:
        answer = client.ask("beside", DOWNLOADS, UPLOADS, BYTES, SECONDS)
    note_failures(case, kind, answer)
    return {"small_p50": answer["p50"], "small_p99": answer["p99"], "small_done": answer["done"],
            "bulk_down": answer["down"] / answer["seconds"] / 2**20,
            "bulk_up": answer["up"] / answer["seconds"] / 2**20}


def link(room):
    """100 Mbit/s and 20 ms each way, four downloads and two uploads, and requests one by one."""
    for cipher, words in ((None, "default ciphers"), (GCM, "aes128-gcm")):
        case = Case("link", f"requests beside {DOWNLOADS} downloads and {UPLOADS} uploads, "
                            f"{words}")
        room.alternate(case, lambda kind, case=case, cipher=cipher: work(
            room, case, kind, cipher))
        yield case

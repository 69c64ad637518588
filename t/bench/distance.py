"""Over a distance: streams, and pages as a browser loads them."""

from actors import GCM, Adit, Link, SshD
from report import Case, note_failures

DELAY = 50  # milliseconds each way

# (direction, streams, MiB in all): some seconds, the start with them
STREAMS = (("down", 1, 192), ("up", 1, 96), ("down", 8, 768), ("up", 8, 768))

# A page: objects of so many bytes, over so many connections that are new each time.
CONNECTIONS = 6
OBJECTS = 40
OBJECT_BYTES = 16384
PAGE_SECONDS = 5


def carry(room, case, proxy, direction, streams, mib):
    with room.origin.client(proxy) as client:
        answer = client.ask(direction, streams, mib)
    note_failures(case, proxy, answer)
    return {"throughput": answer["bytes"] / answer["seconds"] / 2**20}


def load_pages(room, case, proxy):
    with room.origin.client(proxy) as client:
        answer = client.ask("pages", CONNECTIONS, OBJECTS, OBJECT_BYTES, PAGE_SECONDS)
    note_failures(case, proxy, answer)
    return {"page_p50": answer["p50"]}


def over(room, links, cipher, words):
    """The cases of one cipher; each side has a link of its own."""
    with Adit(links[Adit], cipher=cipher) as adit, SshD(links[SshD], cipher=cipher) as ssh:
        proxies = {Adit: adit, SshD: ssh}
        for how in STREAMS:
            direction, streams, mib = how
            case = Case("distance", f"{streams} stream{'s' * (streams > 1)} {direction}, "
                                    f"{mib} MiB, {words}")
            room.alternate(case, lambda kind, case=case, how=how: carry(
                room, case, proxies[kind], *how))
            yield case
        if cipher is None:
            case = Case("distance", f"a page: {OBJECTS} objects of {OBJECT_BYTES // 1024} KiB "
                                    f"over {CONNECTIONS} new connections")
            room.alternate(case, lambda kind: load_pages(room, case, proxies[kind]))
            yield case


def distance(room):
    """50 ms each way."""
    with Link(room.sshd, DELAY) as one, Link(room.sshd, DELAY) as other:
        for cipher, words in ((None, "default ciphers"), (GCM, "aes128-gcm")):
            yield from over(room, {Adit: one, SshD: other}, cipher, words)

"""Over a distance: streams, and pages as a browser loads them."""

from actors import GCM, Adit, Link, Other
from report import Case

DELAY = 50  # milliseconds each way

# Down for so long, what has come by then; up so much (MiB), until the origin has it.
FLOW_SECONDS = 8
STREAMS = (("1 stream down", ("flow", 1, FLOW_SECONDS)), ("1 stream up", ("up", 1, 128)),
           ("8 streams down", ("flow", 8, FLOW_SECONDS)), ("8 streams up", ("up", 8, 768)))

# A page: objects of so many bytes, over so many connections that are new each time.
CONNECTIONS = 6
OBJECTS = 40
OBJECT_BYTES = 16384
PAGE_SECONDS = 5


def carry(room, case, proxy, command):
    answer, _ = room.ask(case, proxy, *command)
    return {"throughput": answer["bytes"] / answer["seconds"] / 2**20}


def load_pages(room, case, proxy):
    answer, _ = room.ask(case, proxy, "pages", CONNECTIONS, OBJECTS, OBJECT_BYTES, PAGE_SECONDS)
    return {"page_p50": answer["p50"]}


def over(room, links, cipher, words):
    """The cases of one cipher; each side has a link of its own."""
    with Adit(links[Adit], cipher=cipher) as adit, Other(links[Other], cipher=cipher) as other:
        proxies = {Adit: adit, Other: other}
        for title, command in STREAMS:
            case = Case("distance", f"{title}, {words}")
            room.alternate(case, lambda kind, case=case, command=command: carry(
                room, case, proxies[kind], command))
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
            yield from over(room, {Adit: one, Other: other}, cipher, words)

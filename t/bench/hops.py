"""Two jump hosts on the way: one stream through the session at the end of three."""

import contextlib
import signal

from actors import GCM, Actor, processor
from life import first_success
from adit_test.command import ssh_config
from adit_test.gateway import binary
from adit_test.net import ANY, free_port
from adit_test.process import descendants, send_signal
from adit_test.sshd import Sshd
from report import Case

MIB = 512
HOSTS = ("one", "two", "last")


class Chain(Actor):
    """The same words for both: -J one,two -D PORT last."""

    def __init__(self, program, key, config):
        self.key = key
        self.port = free_port()
        super().__init__([program, "-F", config, "-N", "-J", "one,two", "-D",
                          f"{ANY}:{self.port}", "last"])

    def processor(self):
        """That of all its processes: ssh runs one more for each jump host."""
        return sum(map(processor, [self.pid, *descendants(self.pid)]))

    def end(self):
        below = descendants(self.pid)
        super().end()
        for pid in below:
            send_signal(pid, signal.SIGKILL)


def carry(room, case, proxy, direction):
    with room.origin.client(proxy) as client:
        before = proxy.processor()
        answer = client.ask(direction, 1, MIB)
        used = proxy.processor() - before
    if answer["failed"]:
        case.note(f"{proxy.key}: {answer['failed']} failed")
    return {"throughput": answer["bytes"] / answer["seconds"] / 2**20,
            "processor_gib": used * 2**30 / answer["bytes"]}


def hops(room):
    """One stream down and up."""
    with contextlib.ExitStack() as stack:
        servers = {host: stack.enter_context(Sshd(options={"LogLevel": "INFO"})) for host in HOSTS}
        for cipher, words in ((None, "default ciphers"), (GCM, "aes128-gcm")):
            config = ssh_config(servers, BatchMode="yes", **({"Ciphers": cipher} if cipher else {}))
            with Chain(binary(), "adit", config) as adit, Chain("ssh", "ssh", config) as ssh:
                proxies = {proxy.key: proxy for proxy in (adit, ssh)}
                for proxy in proxies.values():
                    first_success(proxy.port, room.origin)
                for direction in ("down", "up"):
                    case = Case("hops", f"-J with two hosts, 1 stream {direction}, {words}")
                    room.alternate(case, lambda kind, case=case, direction=direction: carry(
                        room, case, proxies[kind.key], direction))
                    yield case

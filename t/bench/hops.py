"""Two jump hosts on the way: one stream through the session at the end of three."""

import contextlib

from actors import GCM, Actor
from life import first_success
from adit_test.command import ssh_config
from adit_test.gateway import binary
from adit_test.net import ANY, free_port
from adit_test.process import kill_tree
from adit_test.sshd import Sshd
from report import AGAINST, SIDES, Case

MIB = 512
HOSTS = ("one", "two", "last")


class Chain(Actor):
    """The same words for both: -J one,two -D PORT last."""

    def __init__(self, program, key, config):
        self.key = key
        self.port = free_port()
        super().__init__([program, "-F", config, "-N", "-J", "one,two", "-D",
                          f"{ANY}:{self.port}", "last"])

    def end(self):
        kill_tree(self.pid)
        super().end()


def hops(room):
    """One stream down and up."""
    with contextlib.ExitStack() as stack:
        servers = {host: stack.enter_context(Sshd(options={"LogLevel": "INFO"})) for host in HOSTS}
        for cipher, words in ((None, "default ciphers"), (GCM, "aes128-gcm")):
            config = ssh_config(servers, BatchMode="yes", **({"Ciphers": cipher} if cipher else {}))
            with Chain(binary(), "adit", config) as adit, Chain(AGAINST or "ssh", SIDES[1], config) as other:
                proxies = {proxy.key: proxy for proxy in (adit, other)}
                for proxy in proxies.values():
                    first_success(proxy.port, room.origin)
                for direction in ("down", "up"):
                    case = Case("hops", f"-J with two hosts, 1 stream {direction}, {words}")
                    room.alternate(case, lambda kind, case=case, direction=direction: room.carry(
                        case, proxies[kind.key], direction, 1, MIB))
                    yield case

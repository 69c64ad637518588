"""HAProxy, as contrib/haproxy has it."""

import os
import re
import socket

from .checks import true
from .gateway import TOP
from .process import Process, patience, scratch, wait_connects, wait_until


class Haproxy(Process):
    """contrib/haproxy/haproxy.cfg with other gateways.

    changes  (pattern, text) of what else is changed in it; each must be there
    servers  (name, the rest of its line) of each gateway
    """

    def __init__(self, changes, servers):
        with open(os.path.join(TOP, "contrib", "haproxy", "haproxy.cfg"),
                  encoding="utf-8") as source:
            text = source.read()
        self.stats = scratch("haproxy.sock")
        for pattern, new in (
                (r"log /dev/log local0",
                 f"log stderr format raw local0\n    stats socket {self.stats}"),
                *changes, (r"    server gateway\d .*\n", ""), (r"\n*$", "\n")):
            text, found = re.subn(pattern, new, text)
            true(found, f"{pattern} is in haproxy.cfg")
        text += "".join(f"    server {name} {rest}\n" for name, rest in servers)
        super().__init__("haproxy", ["haproxy", "-db", "-f", scratch("haproxy.cfg", text)])

    def state(self, name):
        """What HAProxy thinks of a server: "UP", "DOWN", ..."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(patience(20))
            asked.connect(self.stats)
            asked.sendall(b"show stat\n")
            answer = b""
            while part := asked.recv(1 << 16):
                answer += part
        lines = answer.decode().lstrip("# ").splitlines()
        at = lines[0].split(",").index("status")
        return next((line.split(",")[at] for line in lines
                     if line.startswith(f"gateways,{name},")), "?")

    def wait_state(self, name, state):
        wait_connects(self.stats, "HAProxy's socket")
        wait_until(lambda: self.state(name).startswith(state), f"{name} is {state}")

    def server_of(self, client):
        """Which gateway a client's connection went to; "-" if none."""
        line = self.wait_log(rf"(?:^|\s){re.escape(client)} \[[^]]*\] \S+ gateways/(\S+) ")
        return line[1]

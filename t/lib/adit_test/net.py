"""Ports and addresses on loopback."""

import os
import random
import socket

ANY = "127.0.0.1"

# Below the kernel's ephemeral range, so that no outgoing connection takes the port of a server that
# is down for a while and means to come back.
PORTS = range(20000, 32000)
_given = set()


def free_port(*addresses):
    """A port on which nothing listens on any of the addresses (default: 127.0.0.1), and that this
    test was not given before."""
    choice = random.Random(os.urandom(8))
    for _ in range(1000):
        port = choice.choice(PORTS)
        if port in _given:
            continue
        try:
            for address in addresses or (ANY,):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        _given.add(port)
        return port
    raise OSError("no free port")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True

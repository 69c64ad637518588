"""Ports and addresses on loopback."""

import os
import random
import socket

ANY = "127.0.0.1"

# Below the kernel's ephemeral range, so that no outgoing connection takes the port of a server that
# is down for a while and means to come back.
PORTS = range(20000, 32000)
_claims = []  # kept until this process ends


def _claims_port(port):
    """Whether the port is this test's from now on, and no other's of the tests that run beside it: a
    name in this network namespace is the mark, which goes with the process."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0adit-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def free_port(*addresses):
    """A port on which nothing listens on any of the addresses (default: 127.0.0.1), and that no test
    that runs was given before."""
    choice = random.Random(os.urandom(8))
    for _ in range(1000):
        port = choice.choice(PORTS)
        if not _claims_port(port):
            continue
        try:
            for address in addresses or (ANY,):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        return port
    raise OSError("no free port")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True

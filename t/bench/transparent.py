"""sshuttle for t/bench/beside: it has no port, but takes what this network's programs send to some
addresses, and leads it through a server. The server and those addresses are in another network, and
nothing else leads there. It runs as root, in networks and mounts of its own."""

import os
import struct
import socket
import subprocess
import sys
import threading
import time

from actors import Actor
from adit_test.network import Network, ip, isolate
from adit_test.process import scratch

GATE, SERVER = "10.99.0.1/24", "10.99.0.2"
PLACE, RESOLVER = "10.98.0.1", "10.98.0.53"  # an address to ask, and the server's name server


def own_network():
    """Starts the program again where it may do all that; at the second time, goes on."""
    if not os.environ.get("ADIT_TEST_NETWORK"):
        os.environ["ADIT_TEST_NETWORK"] = "own"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private",
                              *sys.orig_argv])
    isolate()
    path = scratch("resolv.conf", f"nameserver {RESOLVER}\noptions timeout:30\n", 0o644)
    subprocess.run(["mount", "--bind", path, "/etc/resolv.conf"], check=True)
    far = Network(GATE, [SERVER], hidden=[PLACE, RESOLVER])
    # (A connection needs a route before the firewall takes it.)
    ip("link", "add", "name", "nowhere", "type", "veth", "peer", "name", "nobody")
    for end in ("nowhere", "nobody"):
        ip("link", "set", end, "up")
    ip("route", "add", "10.98.0.0/24", "dev", "nowhere")
    return far


def serve_names(slow):
    """A name server of the calling thread's network: slow.test is told after `slow` seconds, and
    no other name is known."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((RESOLVER, 53))

    def answer(packet, client):
        wanted = packet[12:].partition(b"\0\0")[0]
        kind, = struct.unpack_from("!H", packet, 12 + len(wanted) + 1)
        question = packet[12:12 + len(wanted) + 5]
        found = wanted.startswith(b"\4slow\4test")
        if found:
            time.sleep(slow)
        address = found and kind == 1
        names.sendto(packet[:2] + struct.pack("!5H", 0x8180 if found else 0x8183, 1, address, 0, 0)
                     + question + (b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4)
                                   + socket.inet_aton(PLACE) if address else b""), client)

    def loop():
        while True:
            packet, client = names.recvfrom(512)
            threading.Thread(target=answer, args=(packet, client), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


class Sshuttle(Actor):
    direct = True  # connections are made to the place itself
    place = PLACE

    def __init__(self, sshd):
        ssh = (f"ssh -F none -i {sshd.user_key} -o IdentitiesOnly=yes -o BatchMode=yes "
               f"-o UserKnownHostsFile={sshd.known_hosts} -o ServerAliveInterval=15")
        super().__init__(["sshuttle", "--method", "nat", "--dns", "-e", ssh, "-r",
                          f"{sshd.user}@{sshd.address}:{sshd.port}", "10.98.0.0/24"])

    def end(self):
        self.child.terminate()  # it takes its rules out of the firewall
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            pass
        super().end()

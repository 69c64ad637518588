#!/usr/bin/env -S python3 -B
"""The address of this machine changes under the sessions, as a laptop's does: what was sent from the
old one is answered by nobody, and no packet says so. Requests are served by a new session; without it
each would wait for an hour.
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, config, equal, tap, true
from adit_test.clients import works
from adit_test.network import Network, ip, isolate
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

OLD, NEW, SERVER = "10.9.0.1", "10.9.0.7", "10.9.0.2"
PATIENT = {"open_timeout": "1h", "keepalive": "1h", "hold": "1h"}


def main():
    if not isolate("an address that changes"):
        return
    with Network(f"{OLD}/24", [SERVER]):
        sshd = Sshd(address=SERVER)
        origin = Origin(echo, SERVER)
    with sshd, origin, Adit(config(sshd, up=PATIENT), name="adit on a machine that moves") as adit:
        adit.sessions_up(1)
        with tap.case("before it moves"):
            true(works(adit.address, origin), "echo")
        ip("address", "delete", f"{OLD}/24", "dev", "near")
        ip("address", "add", f"{NEW}/24", "dev", "near")
        served, took = [], []

        def request(protocol):
            began = time.monotonic()
            served.append(works(adit.address, origin, protocol))
            took.append(time.monotonic() - began)

        for name, count in (("the first request", 1), ("ten at once", 10), ("ten more", 10)):
            with tap.case(f"it has moved: {name}"):
                threads = [threading.Thread(target=request, args=("http" if i % 2 else "socks5",))
                           for i in range(count)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                equal([*served], [True] * len(served), "echoes")
                print(f"# the slowest took {max(took):.2f} s")


tap.run(main)

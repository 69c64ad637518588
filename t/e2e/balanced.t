#!/usr/bin/env -S python3 -B
"""Real HAProxy before three gateways, as contrib/haproxy has it: one is replaced, one is killed."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, free_port, patience, section, tap, true,
                       wait_until)
from adit_test.clients import Closed, exchange, reply, request, socks5_reply
from adit_test.haproxy import Haproxy
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

CLIENTS = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]


class Gateway:
    """One of the three: it can be started again on the same ports."""

    def __init__(self, sshd, name):
        self.name, self.port, self.status = name, free_port(), free_port()
        self.text = config(
            sshd, acl(f"allow from={','.join(CLIENTS)} to=*"),
            section("status", {"address": f"{ANY}:{self.status}", "drain_announce": "5s"}),
            at={"address": f"{ANY}:{self.port}", "proxy_protocol": "v2", "proxy_from": ANY})
        self.adit = None

    def start(self, name):
        self.adit = Adit(self.text, name=f"adit, {self.name}, {name}")
        self.adit.sessions_up(1)

    def served(self):
        return [one["client"].rpartition(":")[0] for one in self.adit.accesses()
                if one["outcome"] == "ok"]


def balancer(gateways):
    """HAProxy, and the port that it listens at."""
    port = free_port()
    return port, Haproxy(
        [("bind :1080", f"bind {ANY}:{port}"), ("maxconn 20000", "maxconn 200"),
         ("check port 9180 ", "check ")],
        [(one.name, f"{ANY}:{one.port} port {one.status}") for one in gateways])


class Load:
    """Clients that ask one after another; each request must succeed."""

    def __init__(self, port, origin):
        self.port, self.origin = port, origin
        self.failures = []
        self.done = threading.Event()
        self.asked = 0
        self.threads = [threading.Thread(target=self._run, args=(source,), daemon=True)
                        for source in CLIENTS * 2]

    def _run(self, source):
        while not self.done.is_set():
            try:
                with socket.create_connection((ANY, self.port), timeout=patience(60),
                                              source_address=(source, 0)) as conn:
                    conn.sendall(request("socks5", ANY, self.origin.port))
                    reply(conn, 2)
                    equal(socks5_reply(conn)[0], 0, "the reply")
                    true(exchange(conn), "echo")
            except (OSError, Closed, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.asked += 1
            self.done.wait(0.02)

    def more(self, count=60):
        """Waits until so many more requests were asked."""
        before = self.asked
        wait_until(lambda: self.asked > before + count, f"{count} more requests", 60)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


def replaced(haproxy, gateways, load):
    """Each is ended and started again, in turn."""
    for one in gateways:
        with tap.case(f"{one.name} is replaced: no request fails"):
            before = len(load.failures)
            began = time.monotonic()
            one.adit.finish()
            haproxy.wait_state(one.name, "DOWN")
            tap.diag(f"drained and ended after {time.monotonic() - began:.1f} s")
            load.more()
            one.start("again")
            haproxy.wait_state(one.name, "UP")
            load.more()
            equal(load.failures[before:], [], "failures")


def killed(haproxy, gateways, load):
    with tap.case("one is killed: only what it carried fails"):
        before = len(load.failures)
        gateways[0].adit.kill()
        haproxy.wait_state(gateways[0].name, "DOWN")
        settled = len(load.failures)
        load.more()
        true(settled - before <= len(load.threads), f"{load.failures[before:]}")
        equal(load.failures[settled:], [], "failures after that")
    with tap.case("it comes back"):
        gateways[0].start("after the kill")
        haproxy.wait_state(gateways[0].name, "UP")
        wait_until(lambda: len(gateways[0].served()) > 3, "it serves")


def main():
    if not tap.have("behind HAProxy", "haproxy"):
        return
    with Sshd(options={"MaxStartups": "100"}) as sshd, Origin(echo) as origin:
        gateways = [Gateway(sshd, f"gateway{i}") for i in (1, 2, 3)]
        for one in gateways:
            one.start("at first")
        port, haproxy = balancer(gateways)
        for one in gateways:
            haproxy.wait_state(one.name, "UP")
        with Load(port, origin) as load:
            with tap.case("all three serve, and see their clients' own addresses"):
                load.more(120)
                for one in gateways:
                    wait_until(lambda one=one: one.served(), f"{one.name} serves")
                    true(set(one.served()) <= set(CLIENTS), f"{set(one.served())}")
                equal(load.failures, [], "failures")
            replaced(haproxy, gateways, load)
            killed(haproxy, gateways, load)
            tap.diag(f"{load.asked} requests, {len(load.failures)} failed: {load.failures[:3]}")
        for one in gateways:
            with tap.case(f"{one.name} ends cleanly"):
                one.adit.finish()
        haproxy.kill()


tap.run(main)

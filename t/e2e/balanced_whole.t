#!/usr/bin/env -S python3 -B
"""HAProxy before three gateways, three bastions behind them, each in a network of its own, and 200
requests a second: gateways are upgraded and killed, bastions killed, added and removed, by reloads and by
DNS.

Each request that fails is looked up in the log of HAProxy, which says what gateway it went to, and in
the access lines, which say what session carried it.
"""

import contextlib
import itertools
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, acl, config, equal, holds, patience, run_adit, scratch, \
    section, tap, true, wait_until
from adit_test.clients import Closed, exchange, reply, request, socks5_reply
from adit_test.dns import UdpDns, cannot_mount, own_resolv_conf
from adit_test.haproxy import Haproxy
from adit_test.keys import keypair, known_hosts_lines
from adit_test.network import Network, forwarding, ip, isolate
from adit_test.origins import Origin, echo
from adit_test.process import send_signal
from adit_test.sshd import Sshd

BALANCER, ORIGIN = "10.7.0.1", "10.6.0.1"
CLIENTS, STRANGER = ["10.7.0.2", "10.7.0.3", "10.7.0.4"], "10.7.0.9"
SERVICE = "_ssh._tcp.bastions.test"  # which ORIGIN knows the records of
RATE = 200  # requests a second
THREADS = 20
PORT, STATUS_PORT, SSH_PORT = 1080, 9180, 2222
# Each client has a port of its own, by which the logs tell it apart.
PORTS = itertools.count(10000)


class Bastion:
    """An SSH server in a network of its own. All have one host key and let the same user in."""

    def __init__(self, number, keys):
        self.address, self.name = f"10.8.{number}.2", f"bastion{number}.test"
        self.network = Network(f"10.8.{number}.1/24", [self.address], name=f"bastion{number}")
        with self.network:
            self.sshd = Sshd(self.address, SSH_PORT, {"MaxStartups": "100", "LogLevel": "INFO"}, *keys)

    def is_used(self):
        return len(self.sshd.sessions()) > 0


class Gateway:
    """One of the three."""

    def __init__(self, number):
        self.name, self.address = f"gateway{number}", f"10.9.{number}.2"
        self.network = Network(f"10.9.{number}.1/24", [self.address], name=self.name)
        self.control = scratch(f"{self.name}.control")
        self.ended = []  # access lines of those that were killed
        self.adit = None

    def text(self, bastions, known, by_srv=False):
        host = f"srv:{SERVICE}" if by_srv else ", ".join(one.address for one in bastions)
        return config(
            bastions[0].sshd, acl(f"allow from={','.join(CLIENTS)} to=*"),
            section("status", {"address": f"{self.address}:{STATUS_PORT}", "open": "yes"}),
            gate={"control": self.control},
            up={"host": host, "known_hosts": known,
                "sessions": f"{len(bastions) + by_srv}-12"},
            at={"address": f"{self.address}:{PORT}", "proxy_protocol": "v2",
                "proxy_from": f"10.9.{self.address.split('.')[2]}.1"})

    def start(self, text):
        with self.network:
            self.adit = Adit(text, name=f"adit, {self.name}",
                             before=None if cannot_mount() else own_resolv_conf(ORIGIN))
        self.adit.sessions_up(1)

    def accesses(self):
        return self.ended + self.adit.accesses()

    def sessions(self, bastion):
        """The numbers of the sessions that are up at a bastion."""
        places = {}
        for found in self.adit.find(r"upstream office: session (\d+) (up\b.*|lost|closed)"):
            places[found[1]] = found[2]
        return [number for number, words in places.items() if bastion.address in words]

    def kill(self):
        """As a machine that loses its power."""
        self.ended += self.adit.accesses()
        self.adit.kill()


class Load:
    """Clients that ask at a steady rate; each request is a connection, an echo, and its end."""

    def __init__(self, network):
        self.network = network
        self.failures = []  # (client's address and port, why)
        self.asked = 0
        self.counting = threading.Lock()
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True)
                        for number in range(THREADS)]

    def _run(self, number):
        period = THREADS / RATE
        due = time.monotonic() + period * number / THREADS
        with self.network:
            while not self.done.wait(max(0, due - time.monotonic())):
                self._ask(CLIENTS[number % len(CLIENTS)])
                due = max(due + period, time.monotonic() - 1)

    def _ask(self, source):
        client = source
        try:
            with dial(source) as conn:
                client = "{}:{}".format(*conn.getsockname())
                true(exchange(conn), "echo")
        except (OSError, Closed, AssertionError) as error:
            client = getattr(error, "client", client)
            with self.counting:
                self.failures.append((client, f"{type(error).__name__}: {error}"))
        with self.counting:
            self.asked += 1

    def more(self, count=RATE):
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


def dial(source):
    """A client's connection to the origin; an error has the client's address."""
    conn = socket.create_connection((BALANCER, PORT), timeout=patience(60),
                                    source_address=(source, next(PORTS)))
    client = "{}:{}".format(*conn.getsockname())
    try:
        conn.sendall(request("socks5", ORIGIN, Scene.origin.port))
        reply(conn, 2)
        equal(socks5_reply(conn)[0], 0, "the reply")
        return conn
    except (OSError, Closed, AssertionError) as error:
        error.client = client
        conn.close()
        raise


class Scene:
    """All that takes part."""

    origin = None

    def __init__(self):
        forwarding()
        ip("address", "add", f"{ORIGIN}/32", "dev", "lo")
        Scene.origin = Origin(echo, ORIGIN)
        self.network = Network(f"{BALANCER}/24", [*CLIENTS, STRANGER], name="clients")
        keys = (keypair("host_key"), keypair("user_key"))
        self.bastions = [Bastion(number, keys) for number in (1, 2, 3, 4)]
        self.known = scratch("known_hosts", known_hosts_lines(
            keys[0], *((place, SSH_PORT) for one in self.bastions
                       for place in (one.address, one.name))))
        self.dns = UdpDns({one.name: [one.address] for one in self.bastions}, ORIGIN, ttl=1)
        self.used = self.bastions[:3]
        self.gateways = [Gateway(number) for number in (1, 2, 3)]
        for one in self.gateways:
            one.start(one.text(self.used, self.known))
        self.haproxy = Haproxy(
            [("maxconn 20000", "maxconn 2000")],
            [(one.name, f"{one.address}:{PORT}") for one in self.gateways])
        for one in self.gateways:
            self.haproxy.wait_state(one.name, "UP")

    def use(self, bastions):
        """All gateways go to these from now on."""
        self.used = bastions
        for one in self.gateways:
            mark = one.adit.reload(one.text(bastions, self.known))
            one.adit.wait_log(" info: reloaded ", mark)

    def say(self, bastions):
        """DNS names these from now on."""
        self.dns.names[SERVICE] = [(10, 10, SSH_PORT, one.name) for one in bastions]

    def use_dns(self, bastions):
        """All gateways go to those that DNS names."""
        self.say(bastions)
        for one in self.gateways:
            mark = one.adit.reload(one.text(bastions, self.known, by_srv=True))
            one.adit.wait_log(" info: reloaded ", mark)
            one.adit.sessions_up(len(bastions), mark)

    def accesses(self):
        return [line for one in self.gateways for line in one.accesses()]

    def line_of(self, client):
        """A client's access line, and the gateway that wrote it; None: there is none yet."""
        return next(((line, one) for one in self.gateways for line in one.accesses()
                     if line["client"] == client), None)

    def sources(self):
        return {one["client"].rpartition(":")[0] for one in self.accesses()}


class Kept:
    """Connections that stay while something is killed, from all clients by all gateways."""

    COUNT = 12

    def __init__(self, scene):
        with scene.network:
            self.conns = [dial(CLIENTS[number % len(CLIENTS)]) for number in range(self.COUNT)]
        true(all(exchange(conn) for conn in self.conns), "echoes")

    def lost(self):
        """The clients of those that do not work any more, of some at least; all are closed."""
        lost = []
        for conn in self.conns:
            client = "{}:{}".format(*conn.getsockname())
            with conn, contextlib.suppress(OSError, Closed):
                if exchange(conn):
                    continue
            lost.append(client)
        true(0 < len(lost) < self.COUNT, f"{len(lost)} of {self.COUNT} are lost")
        return lost


@contextlib.contextmanager
def no_failure(load):
    before = len(load.failures)
    yield
    load.more()
    equal(load.failures[before:], [], "failures")


def clients_addresses(scene, load):
    with tap.case("all three serve, and rules and logs see the clients' own addresses"):
        with no_failure(load):
            for one in scene.gateways:
                wait_until(lambda one=one: any(line["outcome"] == "ok" for line in one.accesses()),
                           f"{one.name} serves")
        equal(scene.sources(), set(CLIENTS), "the addresses in the access lines")
        with scene.network:
            try:
                dial(STRANGER).close()
                refused = None
            except AssertionError as error:
                refused = error.client
        true(refused, "a client that no rule allows is refused")
        wait_until(lambda: [line["outcome"] for line in scene.accesses()
                            if line["client"] == refused] == ["denied"], "its line says so")


def upgraded(scene, load):
    for one in scene.gateways:
        with tap.case(f"{one.name} is upgraded: no request fails, and what runs goes on"), \
                no_failure(load):
            with scene.network:
                kept = [dial(source) for source in CLIENTS]
            before, mark = one.adit.gateway, one.adit.mark()
            equal(run_adit("-S", one.control, "-O", "upgrade").returncode, 0, "-O upgrade")
            after = one.adit.wait_log(r"upgrade: the new gateway \(process (\d+)\) listens", mark)
            load.more()
            true(int(after[1]) != before, "another process")
            for conn in kept:
                true(exchange(conn), "echo")
                conn.close()


def gateway_process_killed(scene, load):
    one = scene.gateways[0]
    with tap.case(f"{one.name}'s process is killed: only what it carried fails"):
        kept, before = Kept(scene), len(load.failures)
        victim = one.adit.gateway
        send_signal(victim, signal.SIGKILL)
        wait_until(lambda: one.adit.gateway not in (victim, one.adit.pid), "another process")
        load.more(2 * RATE)
        carried_by(scene, kept.lost() + told(load.failures[before:]), one)


def told(failures):
    """The clients of requests that failed."""
    tap.diag(f"{len(failures)} requests failed: {sorted({why for _, why in failures})}")
    return [client for client, _ in failures]


def carried_by(scene, failed, gateway):
    """HAProxy says that all these went to one gateway, and no access line that they succeeded."""
    equal({scene.haproxy.server_of(client) for client in failed}, {gateway.name},
          "the gateways of those that failed")
    equal([line for line in scene.accesses() if line["client"] in failed], [],
          "access lines of those that failed: the process was killed before it wrote one")


def gateway_killed(scene, load):
    one = scene.gateways[1]
    with tap.case(f"{one.name} is killed, keeper and all: only what it carried fails"):
        kept, before = Kept(scene), len(load.failures)
        one.kill()
        scene.haproxy.wait_state(one.name, "DOWN")
        load.more(2 * RATE)
        carried_by(scene, kept.lost() + told(load.failures[before:]), one)
    with tap.case(f"{one.name} comes back: no request fails"), no_failure(load):
        one.start(one.text(scene.used, scene.known))
        scene.haproxy.wait_state(one.name, "UP")
        wait_until(lambda: len(one.adit.accesses()) > 10, "it serves")


def keeper_killed(scene, load):
    one = scene.gateways[2]
    with tap.case(f"{one.name}'s keeper is killed: no request fails"):
        with no_failure(load):
            gateway = one.adit.gateway
            send_signal(one.adit.pid, signal.SIGKILL)
            scene.haproxy.wait_state(one.name, "DOWN")
            wait_until(lambda: not os.path.exists(f"/proc/{gateway}"), "the gateway has drained", 90)
    one.kill()
    with tap.case("... and is started again: no request fails"), no_failure(load):
        one.start(one.text(scene.used, scene.known))
        scene.haproxy.wait_state(one.name, "UP")


def bastion_killed(scene, load):
    victim = scene.bastions[0]
    with tap.case("a bastion is killed: only what its sessions carried fails"):
        kept, before = Kept(scene), len(load.failures)
        lost = {one: one.sessions(victim) for one in scene.gateways}
        marks = {one: one.adit.mark() for one in scene.gateways}
        victim.sshd.stop()
        for one, sessions in lost.items():
            one.adit.wait_log(r"upstream office: session \d+ lost: ", marks[one],
                              count=len(sessions))
        load.more(2 * RATE)
        for client in kept.lost() + told(load.failures[before:]):
            line, one = wait_until(lambda client=client: scene.line_of(client),
                                   f"the line of {client}")
            true(line["session"] in lost[one], f"{line}: one of {lost[one]}")
            holds("^channel: ", line["end"], "what ended")
    with tap.case("it comes back: no request fails"), no_failure(load):
        with victim.network:
            victim.sshd.start()


def bastions_changed(scene, load):
    with tap.case("a bastion is added: no request fails, and it is used"), no_failure(load):
        scene.use(scene.bastions)
        wait_until(scene.bastions[3].is_used, "sessions there")
    with tap.case("one is removed: no request fails, and its sessions end"), no_failure(load):
        scene.use(scene.bastions[1:])
        wait_until(lambda: not scene.bastions[0].is_used(), "its sessions have ended", 90)


def bastions_changed_by_dns(scene, load):
    one, other = scene.bastions[0], scene.bastions[1]
    if why := cannot_mount():
        tap.skip("bastions added and removed by DNS", why)
        return
    with tap.case("gateways take their bastions from DNS: no request fails"), no_failure(load):
        scene.use_dns(scene.bastions[1:])
    with tap.case("DNS names one more: no request fails, and all use it"), no_failure(load):
        marks = [gate.adit.mark() for gate in scene.gateways]
        scene.say(scene.bastions)
        for gate, mark in zip(scene.gateways, marks):
            gate.adit.wait_log(rf"session \d+ up \({one.name}:", mark, 120)
    with tap.case("DNS names one less: no request fails, and its sessions end"), no_failure(load):
        scene.say([bastion for bastion in scene.bastions if bastion is not other])
        wait_until(lambda: not other.is_used(), "its sessions have ended", 90)


def main():
    if not tap.have("the whole of it", "haproxy") or not isolate("the whole of it"):
        return
    scene = Scene()
    with Load(scene.network) as load:
        began = time.monotonic()
        for part in (clients_addresses, upgraded, gateway_process_killed, gateway_killed,
                     keeper_killed, bastion_killed, bastions_changed, bastions_changed_by_dns):
            part(scene, load)
        seconds = time.monotonic() - began
    tap.diag(f"{load.asked} requests in {seconds:.0f} s, {load.asked / seconds:.0f} a second, "
             f"{len(load.failures)} failed")
    for one in scene.gateways:
        one.adit.signal(signal.SIGTERM)
    for one in scene.gateways:
        with tap.case(f"{one.name} ends cleanly"):
            one.adit.finish(None)
    scene.haproxy.kill()
    Scene.origin.close()
    for bastion in scene.bastions:
        bastion.sshd.stop()


tap.run(main)

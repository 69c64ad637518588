#!/usr/bin/env -S python3 -B
"""Hosts that SRV records name: they join and leave under transfers, by priority and weight; what a
failing name server says changes nothing."""

import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, holds, run_adit, scratch, tap, true,
                       wait_until)
from adit_test.clients import closed, connect, exchange, refusal
from adit_test.dns import SRV, UdpDns, cannot_mount, own_resolv_conf
from adit_test.keys import keypair, known_hosts
from adit_test.load import Load
from adit_test.network import isolate
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

NAME_SERVER, SERVICE, PORT = "127.0.0.53", "_ssh._tcp.office.test", 2222
NAMES = ["a.test", "b.test", "c.test"]


def service(*hosts):
    """Records of (name, priority, weight) or of names alone."""
    return [(host[1], host[2], PORT, host[0]) if isinstance(host, tuple) else (10, 10, PORT, host)
            for host in hosts]


class Told:
    """A program for on_change: what it was told."""

    def __init__(self):
        self.notes = scratch("told", "")
        self.path = scratch("tell", f'#!/bin/sh\necho "$ADIT_EVENT: $ADIT_REASON" >>{self.notes}\n',
                            0o755)

    def wait(self, *patterns):
        def lines():
            with open(self.notes, encoding="utf-8") as notes:
                return notes.read().split("\n")[:-1]

        wait_until(lambda: len(lines()) >= len(patterns), f"{len(patterns)} events", 90)
        for line, pattern in zip(lines(), patterns):
            holds(f"^{pattern}$", line, "the event")


class Scene:
    """Three servers, a name server that knows where each is, and which of them is asked for."""

    def __init__(self):
        self.host_key, self.user_key = keypair("host_key"), keypair("user_key")
        self.servers = {name: Sshd(f"127.0.1.{number}", PORT, None, self.host_key, self.user_key)
                        for number, name in enumerate(NAMES, 1)}
        self.dns = UdpDns({name: [sshd.address] for name, sshd in self.servers.items()}, NAME_SERVER,
                          ttl=1)
        self.control = scratch("control")
        self.known = known_hosts(self.host_key, *((name, PORT) for name in NAMES))
        self.origin = Origin(echo)

    @contextlib.contextmanager
    def adit(self, name, *hosts, ready=True, gate=None, more=(), **up):
        """An adit whose upstream is the service, with these hosts."""
        self.say(*hosts)
        text = config(self.servers["a.test"], *more, gate={"control": self.control, **(gate or {})},
                      up={"host": f"srv:{SERVICE}", "port": None, "known_hosts": self.known, **up})
        with Adit(text, name=name, before=own_resolv_conf(NAME_SERVER)) as adit:
            if ready:
                adit.sessions_up(1)
            yield adit

    def say(self, *hosts):
        """The records are these from now on; with None the name server fails."""
        self.dns.names[SERVICE] = None if hosts == (None,) else service(*hosts)

    def asked(self):
        return self.dns.asked(SERVICE).count(SRV)

    def is_asked_again(self, times=1, seconds=60):
        before = self.asked()
        wait_until(lambda: self.asked() >= before + times, "it is asked again", seconds)

    def sessions(self, name):
        return len(self.servers[name].sessions())

    def wait_sessions(self, seconds=60, **wanted):
        wait_until(lambda: all(self.sessions(f"{name}.test") == count
                               for name, count in wanted.items()), f"sessions: {wanted}", seconds)

    def upstream(self):
        done = run_adit("-S", self.control, "-O", "status", "--json")
        return json.loads(done.stdout)["upstreams"][0]


def joins_and_leaves(scene):
    with scene.adit("adit under transfers", "a.test", sessions="4-4") as adit:
        with tap.case("the host that the record names is used, by its name and port"):
            adit.sessions_up(4)
            holds(rf"session \d+ up \(a\.test:{PORT}, ", adit.text(), "the log")
            equal(scene.upstream()["hosts"], [f"a.test:{PORT}"], "the hosts of -O status")
        kept = [connect(adit.address, ANY, scene.origin.port) for _ in range(8)]
        with Load(adit.address, scene.origin, rate=100) as load:
            load.wait(100)
            with tap.case("one that joins gets its share, and nothing is cut"):
                scene.say("a.test", "b.test")
                adit.wait_log("host b.test:2222 joins")
                for conn in kept[4:]:
                    conn.close()
                wait_until(lambda: scene.sessions("b.test") == 2, "two sessions there", 90)
            with tap.case("one that leaves gets nothing new, and ends once idle"):
                mark = adit.mark()
                scene.say("b.test")
                adit.wait_log("host a.test:2222 leaves", mark)
                wait_until(lambda: scene.sessions("b.test") == 4, "all sessions elsewhere", 60)
                load.wait(100)
                for conn in kept[:4]:
                    true(exchange(conn), "what it carries goes on")
                true(0 < scene.sessions("a.test") <= 4, "sessions that carry something")
                for conn in kept[:4]:
                    conn.close()
                scene.wait_sessions(a=0)
        with tap.case("no request failed meanwhile"):
            equal(load.refused, [], "requests that were refused")
            true(load.good > 200, f"{load.good} requests were good")


def overdue(scene):
    with scene.adit("adit with a short drain_timeout", "a.test", sessions="1-1",
                    gate={"drain_timeout": "10s"}) as adit:
        with tap.case("a host that leaves is cut after drain_timeout"):
            conn = connect(adit.address, ANY, scene.origin.port)
            mark = adit.mark()
            scene.say("b.test")
            adit.sessions_up(1, mark)
            true(exchange(conn), "it goes on until then")
            adit.wait_log("still there after drain_timeout", mark)
            wait_until(lambda: closed(conn), "the connection is cut")
            scene.wait_sessions(a=0, b=1)
            false(adit.find(r"session \d+ lost", mark), "a loss in the log")


def failures(scene):
    failing = [("SERVFAIL", lambda: scene.dns.names.update({SERVICE: None})),
               ("NXDOMAIN", lambda: scene.dns.names.pop(SERVICE)),
               ("no record", lambda: scene.say()),
               ("no answer", lambda: setattr(scene.dns, "unanswered", [(SERVICE, SRV)])),
               ("names that are none", lambda: scene.say("-x.test", "10.0.0.1", ("", 1, 1))),
               ("many of them", lambda: scene.say(*(f"-{i}.test" for i in range(8))))]
    with scene.adit("adit with a failing name server", "a.test", sessions="1-1") as adit:
        for words, fail in failing:
            with tap.case(f"{words}: what was known stays, and it is told once"):
                mark = adit.mark()
                fail()
                adit.wait_log(r" warning: .*SRV _ssh\._tcp\.office\.test: .*hosts known so far",
                              mark)
                scene.is_asked_again()
                true(scene.upstream()["srv"]["error"], "the error of -O status")
                conn = connect(adit.address, ANY, scene.origin.port)
                true(exchange(conn), "echo")
                conn.close()
                equal(len(adit.find(r" warning: .*hosts known so far", mark)), 1, "warnings")
                scene.dns.unanswered = ()
                scene.say("a.test")
                adit.wait_log(r"SRV _ssh\._tcp\.office\.test: answered after \d+ s", mark)
                equal(scene.upstream()["srv"]["error"], None, "the error of -O status")
        with tap.case("of names that are none the log has a few"):
            holds(r"(?m)left out: '-0\.test' .*'-4\.test' \([^()]*\), and 3 more$", adit.text(), "it")
        equal(len(adit.find(r"session \d+ (lost|closed)|leaves")), 0, "sessions that ended")


def none(scene):
    told = Told()
    with scene.adit("adit whose service ends", "a.test", sessions="1-1", hold="1s",
                    gate={"on_change": told.path}) as adit:
        with tap.case('the target ".": there is no host, and clients are told so'):
            scene.dns.names[SERVICE] = [(0, 0, 0, "")]
            adit.wait_log('there is no such service')
            scene.wait_sessions(a=0)
            equal(scene.upstream()["hosts"], [], "hosts")
            done = run_adit("-S", scene.control, "-O", "try")
            true(done.returncode != 0, "the exit status of -O try")
            holds(r'hosts +FAILED +its one target is "\."', done.stdout, "-O try")
            refusal(adit.address, ANY, scene.origin.port)
            told.wait("upstream-up: ", "upstream-down: .*there is no such service")
        with tap.case("it comes again"):
            mark = adit.mark()
            scene.say("b.test")
            adit.sessions_up(1, mark)
            true(exchange(connect(adit.address, ANY, scene.origin.port)), "echo")


def at_start(scene):
    told = Told()
    with scene.adit("adit that starts before its name server", None, ready=False, sessions="1-1",
                    gate={"on_change": told.path}) as adit:
        with tap.case("a name server that fails at first: that is told, and clients wait for it"):
            adit.wait_log(r"no host is known")
            told.wait("upstream-down: .*DNS.*")
            scene.say("a.test")
            true(exchange(connect(adit.address, ANY, scene.origin.port, timeout=60)), "echo")
            told.wait("upstream-down: .*", "upstream-up: ")


def priorities(scene):
    with scene.adit("adit with priorities", ("a.test", 10, 3), ("b.test", 10, 1), ("c.test", 20, 1),
                    sessions="4-4") as adit:
        with tap.case("sessions are spread by weight over the lowest priority"):
            adit.sessions_up(4)
            scene.wait_sessions(a=3, b=1, c=0)
            equal([[host["priority"], host["weight"], host["sessions"], host["state"]]
                   for host in scene.upstream()["srv"]["targets"]],
                  [[10, 3, 3, "up"], [10, 1, 1, "up"], [20, 1, 0, "idle"]], "-O status")
            text = run_adit("-S", scene.control, "-O", "status").stdout
            holds(rf"SRV {SERVICE} +- +- +- +asked again in \d+ s", text, "-O status, a table")
            holds(r"a\.test:2222 +10 +3 +3 +up", text, "-O status, a host")
        with tap.case("-O try tries each of them, in the order of use"):
            scene.servers["b.test"].stop()
            done = run_adit("-S", scene.control, "-O", "try", "--json")
            scene.servers["b.test"].start()
            equal(done.returncode, 1, "the exit status, as one is down")
            equal([(host["host"], host["ok"], host["steps"][0].get("seen"))
                   for host in json.loads(done.stdout)["tries"]],
                  [("a.test:2222", True, "1 of 3 by SRV records (priority 10, weight 3)"),
                   ("b.test:2222", False, "2 of 3 by SRV records (priority 10, weight 1)"),
                   ("c.test:2222", True, "3 of 3 by SRV records (priority 20, weight 1)")], "each")


def fails_over(scene):
    with scene.adit("adit with a second priority", ("b.test", 10, 1), ("c.test", 20, 1),
                    sessions="2-2") as adit:
        with tap.case("the next priority serves while the first is down ..."):
            scene.wait_sessions(b=2, c=0)
            scene.servers["b.test"].stop()
            scene.wait_sessions(c=2)
            kept = connect(adit.address, ANY, scene.origin.port)
            true(exchange(kept), "echo")
        with tap.case("... and gives way, without a cut, once that returns"):
            scene.servers["b.test"].start()
            scene.wait_sessions(120, b=2, c=1)
            true(exchange(kept), "what runs goes on")
            kept.close()
            scene.wait_sessions(c=0)


def identity(scene):
    other = Sshd("127.0.1.9", PORT, None, keypair("host_key"), scene.user_key)
    scene.dns.names["d.test"] = ["127.0.1.9"]
    with scene.adit("adit with a false target", "a.test", sessions="1-1") as adit, other:
        with tap.case("a target whose host key is not known is not used"):
            scene.say("d.test")
            adit.wait_log(r"d\.test:2222: .*[Hh]ost key verification failed|d\.test:2222 is dialled rarely")
            equal(adit.find(r"session \d+ up \(d\.test"), [], "sessions there")
        with tap.case("a reload asks at once"):
            scene.dns.ttl = 3600
            mark = adit.mark()
            scene.say("a.test")
            adit.sessions_up(1, mark)
            mark = adit.mark()
            scene.say("b.test")
            adit.reload()
            adit.sessions_up(1, mark)
            equal([match[0] for match in adit.find(r"\(b\.test:2222", mark)], ["(b.test:2222"], "host")
        scene.dns.ttl = 1


def by_ssh(scene):
    rules = scratch("ssh_config", f"Host {SERVICE}\n  IdentityFile {scene.user_key}\n"
                                  f"  UserKnownHostsFile {scene.known}\n")
    of_ssh_config = {"ssh_config": "yes", "ssh_config_file": rules, "identity": None,
                     "known_hosts": None}
    for how, up in (("keys", {}), ("an ssh_config that knows the service", of_ssh_config)):
        with scene.adit(f"adit with engine = openssh, {how}", "a.test", sessions="1-1",
                        engine="openssh", **up) as adit:
            with tap.case(f"engine = openssh, {how}: the host that the record names"):
                holds(rf"session \d+ up \(a\.test:{PORT}, ", adit.text(), "the log")
                true(exchange(connect(adit.address, ANY, scene.origin.port)), "echo")
            with tap.case("... and the next one, by its own name"):
                mark = adit.mark()
                scene.say("b.test")
                adit.sessions_up(1, mark)
                true(exchange(connect(adit.address, ANY, scene.origin.port)), "echo")
                scene.wait_sessions(b=1)
    other = Sshd("127.0.1.9", PORT, None, keypair("host_key"), scene.user_key)
    scene.dns.names["d.test"] = ["127.0.1.9"]
    with tap.case("engine = openssh: a host whose key is not known is not used"), other, \
            scene.adit("adit with engine = openssh and a false target", "d.test", ready=False,
                       engine="openssh") as adit:
        adit.wait_log(r"d\.test:2222: .*Host key verification failed")
        equal(adit.find(r"session \d+ up"), [], "sessions")


def main():
    case = "hosts that SRV records name"
    if not isolate(case):
        return
    if why := cannot_mount():
        tap.skip(case, why)
        return
    scene = Scene()
    for part in (joins_and_leaves, overdue, failures, none, at_start, priorities, fails_over,
                 identity, by_ssh):
        part(scene)
    for sshd in scene.servers.values():
        sshd.stop()
    scene.origin.close()


tap.run(main)

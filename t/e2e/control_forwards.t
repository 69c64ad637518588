#!/usr/bin/env -S python3 -B
"""Forwards that adit -O adds to a running gateway and removes from it."""

import contextlib
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, has_ipv6, holds, scratch, tap, true,
                       wait_until)
from adit_test.clients import echoes, exchange, refuses, works
from adit_test.control import ask, asked, status
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def families():
    return [ANY, "::1"][:1 + has_ipv6()]


@contextlib.contextmanager
def taken(port):
    """Somebody else's, in both families."""
    with contextlib.ExitStack() as stack:
        for address in families():
            stack.enter_context(Origin(echo, address, port))
        yield


def degraded(adit, path, sshd, target):
    port = free_port()
    asked(path, "forward", "-R", f"{port}:{target}")
    sshd.stop()
    # (A process that is killed closes its sockets one by one.)
    wait_until(lambda: all(refuses(port, address) for address in families()), "the port is free")
    with taken(port):
        mark = adit.mark()
        sshd.start()
        adit.sessions_up(1, since=mark)

        def shown():
            [forward] = status(path)["forwards"]
            return forward["state"] == "degraded" and forward
        forward = wait_until(shown, "it is degraded")
        holds(f"listen port {port}", forward["error"], "why")
        true(0 <= forward["retry_ms"] <= 300000, f"the next try: {forward['retry_ms']}")
        holds(rf"(?m)^remote-{port} .* degraded: .*; next try in \d+ s$", asked(path, "status"),
              "the table")
    wait_until(lambda: status(path)["forwards"][0]["state"] == "up", "it heals", 90)
    asked(path, "cancel", "-R", f"{port}:{target}")


def forwards(adit, path, sshd, origin):
    local, proxy, remote = free_port(), free_port(), free_port()
    target = f"{ANY}:{origin.port}"

    with tap.case("-O forward -L"):
        equal(asked(path, "forward", "-L", f"{local}:{target}"), "", "what it prints")
        true(echoes(local), "a connection through it")
        equal([(f["kind"], f["state"], f["bind"], f["target"]) for f in status(path)["forwards"]],
              [("local", "up", str(local), target)], "its status")
        asked(path, "forward", "-L", f"{local}:{target}")
        equal(len(status(path)["forwards"]), 1, "asked for twice")
    with tap.case("-O cancel -L: nobody new, and who is there stays"):
        with socket.create_connection((ANY, local)) as conn:
            true(exchange(conn), "a connection through it")
            equal(asked(path, "cancel", "-L", f"{local}:{target}"), "", "what it prints")
            true(refuses(local), "the port is free")
            true(exchange(conn), "the connection goes on")
        done = ask(path, "cancel", "-L", f"{local}:{target}")
        equal(done.returncode, 255, "the status of a second time")
        holds("no such forward", done.stderr, "its words")
    with tap.case("-O forward and cancel -D"):
        asked(path, "forward", "-D", str(proxy))
        true(works((ANY, proxy), origin), "a connection through it")
        asked(path, "cancel", "-D", str(proxy))
        true(refuses(proxy), "the port is free")
    with tap.case("-O forward and cancel -R"):
        equal(asked(path, "forward", "-R", f"{remote}:{target}"), "", "what it prints")
        true(echoes(remote), "a connection through it")
        asked(path, "cancel", "-R", f"{remote}:{target}")
        wait_until(lambda: refuses(remote), "the server's port is free")
    with tap.case("-O forward -R 0 prints the port that the server picked"):
        port = int(asked(path, "forward", "-R", f"0:{target}"))
        true(echoes(port), "a connection through it")
        equal([(f["state"], f["port"]) for f in status(path)["forwards"]], [("up", port)], "status")
    with tap.case("... and again: the same port, as by ssh; and beside a new one"):
        equal(int(asked(path, "forward", "-R", f"0:{target}")), port, "the port")
        other, same = map(int, asked(path, "forward", "-R", f"0:{ANY}:1", "-R", f"0:{target}",
                                     "-R", f"0:{ANY}:1").split())
        equal(same, port, "the port")
        equal(len(status(path)["forwards"]), 2, "the forwards")
        asked(path, "cancel", "-R", f"0:{ANY}:1")
        asked(path, "cancel", "-R", f"0:{target}")
        for each in (port, other):
            wait_until(lambda each=each: refuses(each), "the server's port is free")
    with tap.case("several forwards are there all or not at all"):
        with taken(remote):
            done = ask(path, "forward", "-L", f"{local}:{target}", "-R", f"{remote}:{target}",
                       "-D", str(proxy))
        equal(done.returncode, 255, "the exit status")
        holds(f"remote port forwarding failed for listen port {remote}", done.stderr, "the words")
        wait_until(lambda: refuses(local) and refuses(proxy), "the others are gone")
        equal(status(path)["forwards"], [], "the forwards")
    with tap.case("-O forward -L of a port that is taken"):
        with taken(local):
            done = ask(path, "forward", "-L", f"{local}:{target}")
        equal(done.returncode, 255, "the exit status")
        holds(f"{local}: Address already in use", done.stderr, "the words")
        equal(status(path)["forwards"], [], "the forwards")
    with tap.case("a forward that the server refused later shows as degraded, with the next try"):
        degraded(adit, path, sshd, target)


def main():
    path = scratch("control")
    with Sshd() as sshd, Origin(echo) as origin, Adit(config(sshd, gate={"control": path})) as adit:
        adit.sessions_up(1)
        forwards(adit, path, sshd, origin)
        true(adit.alive(), "adit lives")


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Two processes: the gateway dies and another one takes its place, the keeper dies, and a gateway
that was taken over gains nothing by what it sends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, patience, run_adit,
                       sanitized, scratch, section, tap, true, wait_until)
from adit_test.broken import KEEPER, RIGHT, SERVICE, UNCHECKED, answers, packet, program
from adit_test.broken import run as broken_run
from adit_test.clients import connect, echoes, exchange
from adit_test.command import Tunnel, call, ssh_config
from adit_test.gateway import binary, environment, listen
from adit_test.origins import Origin, echo
from adit_test.process import gateway_of, is_still, processes, send_signal, workdir
from adit_test.sshd import Sshd

STARTED = "another one is started"


def gateway_dies(adit, number=signal.SIGKILL):
    """Returns the log's mark before."""
    gateway = wait_until(lambda: adit.gateway != adit.pid and adit.gateway, "a gateway")
    mark = adit.mark()
    send_signal(gateway, number)
    adit.wait_log(rf"error: the gateway was killed by signal {int(number)}\b.*: {STARTED}", mark)
    return mark


def replaced(sshd, origin):
    path, control = scratch("listening"), scratch("control")
    text = config(sshd, listen("more", address=f"unix:{path}"), gate={"control": control})
    with Adit(text) as adit:
        adit.sessions_up(1)
        with tap.case("-O check has the keeper's number"):
            holds(rf"\(pid={adit.pid}\)", run_adit("-S", control, "-O", "check").stderr, "-O check")
        with tap.case("a gateway that crashes: its connections end, nobody else is refused"):
            old = connect(adit.address, ANY, origin.port)
            true(exchange(old), "echo")
            mark = adit.mark()
            before = adit.gateway
            number = signal.SIGKILL if sanitized() else signal.SIGSEGV  # (which a sanitiser takes)
            send_signal(before, number)
            equal(old.recv(1), b"", "the end of the old connection")
            with socket.create_connection(adit.address, timeout=patience(60)) as waiting:
                adit.wait_log(rf"signal {int(number)} .*: {STARTED}", mark)
                waiting.sendall(b"\x05\x01\x00")
                equal(waiting.recv(2), b"\x05\x00", "the answer to who came meanwhile")
            with connect(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo by the new one")
            true(adit.gateway not in (before, adit.pid), "it is another process")
            equal(adit.listeners(mark), {}, "what was bound again")
            true(os.path.exists(path), "the path is there")
        with tap.case("forwards that were added stay"):
            port = free_port()
            equal(run_adit("-S", control, "-O", "forward", "-L",
                           f"{port}:{ANY}:{origin.port}").returncode, 0, "-O forward")
            gateway_dies(adit)
            wait_until(lambda: echoes(port), "an echo")
        with tap.case("one a second at most"):
            times = []
            for _ in range(3):
                mark = gateway_dies(adit)
                adit.wait_log(r"info: ready$", mark)
                times.append(time.monotonic())
            true(times[2] - times[0] > 1.8, f"the time of two starts ({times})")
        with tap.case("SIGHUP while there is none"):
            mark = gateway_dies(adit)
            adit.reload()
            adit.wait_log("reloaded", mark)
        with tap.case("a signal to the gateway itself is none"):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                send_signal(adit.gateway, number)
            mark = adit.mark()
            adit.signal(signal.SIGUSR1)
            adit.wait_log(r"info: upstream office: \d up,", mark)
            false(adit.find("draining", mark), "it drains")
    with tap.case("in the end the paths are gone"):
        false(os.path.exists(path) or os.path.exists(control), "one is there")


def keeper_dies(sshd, origin):
    with tap.case("the keeper dies: what runs goes on, nothing new, and then the gateway ends"):
        adit = Adit(config(sshd), name="adit whose keeper dies")
        adit.sessions_up(1)
        gateway = adit.gateway
        with connect(adit.address, ANY, origin.port) as conn:
            true(exchange(conn), "echo")
            send_signal(adit.pid, signal.SIGKILL)
            adit.wait_log("the keeper, adit's first process, has ended")
            adit.wait_log("draining 1 connections")
            true(exchange(conn), "echo after it")
            with tap_refused(adit.address):
                pass
        wait_until(lambda: is_still(gateway), "the gateway's end")
        equal(adit.wait(), -signal.SIGKILL, "the keeper's status")


class tap_refused:
    """Nobody listens there."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        try:
            socket.create_connection(self.address, timeout=patience(10)).close()
        except ConnectionRefusedError:
            return
        true(False, "a connection is refused")

    def __exit__(self, *_):
        pass


def stands_still(sshd):
    for what, signals in (("a second signal", (signal.SIGTERM, signal.SIGINT)),
                          ("one signal, after drain_timeout", (signal.SIGTERM,))):
        with tap.case(f"a gateway that stands still is ended by {what}"):
            adit = Adit(config(sshd, gate={"drain_timeout": "1s"}), name="adit that stands still")
            adit.sessions_up(1)
            send_signal(adit.gateway, signal.SIGSTOP)
            for number in signals:  # (The same one would be the same until it is taken.)
                adit.signal(number)
            equal(adit.wait(), 255, "the exit status")
            holds(r"the gateway \(process \d+\) does not end: it is killed", adit.text(), "the log")


def command_lines(sshd, origin):
    hosts = ssh_config({"host": sshd})
    port = free_port()
    line = f"ssh -N -L {port}:{ANY}:{origin.port} host"
    with tap.case("a tunnel's gateway dies before it was up: 255, and a reason"):
        frozen = sshd.freeze()
        tunnel = Tunnel(line, hosts)
        wait_until(lambda: gateway_of(tunnel.pid) != tunnel.pid, "the gateway")
        gateway = gateway_of(tunnel.pid)
        wait_until(lambda: sshd_waits(port), "the listener")
        send_signal(gateway, signal.SIGKILL)
        equal(tunnel.wait(), 255, "the exit status")
        holds(r"(?m)^adit: the gateway was killed by signal 9 \(Killed\)$", tunnel.text(), "the log")
        sshd.thaw(frozen)
    for words, what in ((line, "in the foreground"), (line.replace("-N", "-fN"), "by -f")):
        with tap.case(f"after that another one goes on: {what}"):
            with Tunnel(words, hosts) as tunnel:
                wait_until(lambda: echoes(port), "an echo")
                pid, = tunnel.pids()
                before = gateway_of(pid)
                send_signal(before, signal.SIGKILL)
                wait_until(lambda b=before, p=pid: gateway_of(p) not in (b, p), "another one")
                wait_until(lambda: echoes(port), "an echo by it")
                equal(os.getsid(gateway_of(pid)) == os.getsid(0), "-f" not in words.split()[1],
                      "it has this terminal")
    with tap.case("-W: 255"):
        process = subprocess.Popen(
            [binary(), "-F", hosts, "-W", f"{ANY}:{origin.port}", "host"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(), cwd=workdir())
        process.stdin.write(b"hello")
        process.stdin.flush()
        equal(process.stdout.read(5), b"hello", "echo")
        send_signal(gateway_of(process.pid), signal.SIGKILL)
        equal(process.wait(patience(60)), 255, "the exit status")
        holds(b"adit: the gateway was killed", process.communicate()[1], "standard error")


def sshd_waits(port):
    return f":{port:04X} 00000000:0000 0A" in open("/proc/net/tcp", encoding="ascii").read()


# ---- a broken gateway

READY, DETACHED, CHANGE, CHANGED, NOTIFY = (
    KEEPER[f"GATEWAY_{name}"] for name in ("READY", "DETACHED", "CHANGE", "CHANGED", "NOTIFY"))
PASSWORD, FORWARD, AGENT, MASTER, COMMAND, FORGET = (
    SERVICE[f"SERVICE_{name}"] for name in ("PASSWORD", "FORWARD", "AGENT", "MASTER", "COMMAND",
                                            "FORGET"))
VERDICT, CONNECTED, INPUT, OUTPUT, FAILED, EXITED = (
    SERVICE[f"SERVICE_{name}"] for name in ("VERDICT", "CONNECTED", "INPUT", "OUTPUT", "FAILED",
                                            "EXITED"))
# crypt(3) of "wonder".
USERS = "alice:$5$saltsalt$JuNF5Ru7okVD58N6eh6DVtqbCYLabS26H.Uw.jynqu/\n"


BROKEN = {
    "no kind that there is": bytes([99]),
    "what only the keeper sends": packet(3, 0),
    "half a number": bytes([CHANGED, 0, 0]),
    "a text that is longer than the packet": bytes([NOTIFY, 0, 0, 0, 3, 0, 0, 1, 0, 65]),
    "a text with a NUL": packet(NOTIFY, 3, b"a\0b"),
    "more than a packet may have": bytes([READY]) * 98305,
    "no change that there is": packet(CHANGE, 1, 77),
    "a reload with forwards": packet(CHANGE, 1, 0, b"local", b"1:a:1", b"", b""),
    "two texts of a forward": packet(CHANGE, 1, 1, b"local", b"1:a:1"),
    "that a change is in use which it was not offered": packet(CHANGED, 1, 1),
    "that it has left a terminal": packet(DETACHED),
    "no notice that there is": packet(NOTIFY, 9, b""),
}


# By a service line.
BROKEN_LINES = {
    "nothing that there is": bytes([99]),
    "an answer": packet(VERDICT, 1, 1),
    "half a number": bytes([FORGET, 0]),
    "a text that is longer than the packet": packet(FORWARD, 1) + b"\0\0\0\7x",
    "a text with a NUL": packet(FORWARD, 1, b"in\0"),
    "a path beside the name": packet(FORWARD, 1, b"in", b"/etc/passwd"),
}


def agent(run):
    """The user's agent is forwarded for an ssh that is served, where one is."""
    path = scratch("agent")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        with tap.case("the user's agent, where no ssh is served that could ask for it"):
            equal(run("line", packet(AGENT, 7, b"office"), "answer", "end", SSH_AUTH_SOCK=path),
                  [packet(FAILED, 7, 2).hex()], "what it is told")


def asks_for_more(run):
    """What a broken gateway asks for by a service line, and gets nothing of."""
    nothing = {
        "the path of a socket": packet(FORWARD, 7, b"/dev/log"),
        "a forward that there is not": packet(FORWARD, 7, b"out"),
        "a forward whose target is at the server": packet(FORWARD, 7, b"local"),
        "the agent of an upstream that there is not": packet(AGENT, 7, b"nowhere"),
        "the path of a master": packet(MASTER, 7, b"/dev/log"),
        "the master of an upstream that there is not": packet(MASTER, 7, b"nowhere"),
        "the master of an upstream that logs in itself": packet(MASTER, 7, b"office"),
        "a program": packet(COMMAND, 7, b"touch /tmp/x", b"h"),
        "the ProxyCommand of an upstream that has none": packet(COMMAND, 7, b"office", ANY.encode()),
        "that of a host that there is not": packet(COMMAND, 7, b"proxied", b"other"),
        "that of a host by its number": packet(COMMAND, 7, b"proxied", b"0"),
    }
    for what, data in nothing.items():
        with tap.case(f"a gateway that asks for {what} gets nothing"):
            equal(run("line", data, "answer", "end"), [packet(FAILED, 7, 2).hex()],  # ENOENT
                  "what it is told")
    with tap.case("more than a packet may have ends the line"):
        equal(run("line", bytes(8193), "answer", "end"), [], "what it is told")
    with tap.case("the target of a forward that leads to it is had"):
        equal(run("line", packet(FORWARD, 7, b"in"), "answer", "end"),
              [packet(CONNECTED, 7).hex() + " and a descriptor"], "what it is told")
    with tap.case("the master that an upstream joins is had"):
        equal(run("line", packet(MASTER, 7, b"joined"), "answer", "end"),
              [packet(CONNECTED, 7).hex() + " and a descriptor"], "what it is told")
    with tap.case("a ProxyCommand is run, and its end told"):
        equal(run("line", packet(COMMAND, 7, b"proxied", b"h"), *["answer"] * 3, "end"),
              [packet(INPUT, 7).hex() + " and a descriptor",
               packet(OUTPUT, 7).hex() + " and a descriptor", packet(EXITED, 7, 3, 0).hex()],
              "what it is told")
    for what, listener in (("a listener that there is not", b"nothing"),
                           ("a listener without users", b"browser")):
        with tap.case(f"a password for {what} is not looked at"):
            equal(run("line", packet(PASSWORD, 7, 0, 1, 0, listener, b"alice", b"wonder"),
                      "answer", "end"), [packet(VERDICT, 7, UNCHECKED).hex()], "what it is told")
    guess = packet(PASSWORD, 7, 0, 1, 0, b"users", b"alice", b"x")
    with tap.case("a flood of passwords from one source: those of another are looked at"):
        told = run("line", *[guess] * 1000, packet(FORGET, 8),
                   packet(PASSWORD, 9, 0, 2, 0, b"users", b"alice", b"wonder"),
                   *["answer"] * 750, "end")
        true(packet(VERDICT, 9, RIGHT).hex() in told, "the right one is right")
        true(packet(VERDICT, 7, RIGHT).hex() not in told, "no wrong one is right")
        true(700 < told.count(packet(VERDICT, 7, UNCHECKED).hex()) < 750, "those not looked at")


def changed(sshd):
    """The first command writes another configuration, in which the hosts are in another order; each
    of the others exits with its host's port as its status."""
    first, second = scratch("first.ini"), scratch("second.ini")
    for path, hosts in ((first, "one:4, two:5, gone:7, write:9"), (second, "new:6, two:5, one:4")):
        text = config(sshd, section("upstream by", {
            "host": hosts, "ssh_config": "no", "host_key": "accept-new",
            "proxy_command": f"sh -c 'if [ %p = 9 ]; then cp {second} {first}; fi; exit %p'"}))
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
    reload = ["keeper", packet(CHANGE, 1, 0), "config", "line"]

    def statuses(*words):
        return [int(found[1], 16) for found in
                (re.fullmatch(rf"{EXITED:02x}.{{8}}(.{{8}})0{{8}}", line, re.ASCII)
                 for line in answers(first, "config", "line", packet(COMMAND, 1, b"by", b"write:9"),
                                     *["answer"] * 3, *reload, *words, "end")) if found]

    def ask(host):
        return [packet(COMMAND, 2, b"by", host), *["answer"] * 3]

    with tap.case("while a reload is under way each host has its own ProxyCommand"):
        equal(statuses(*ask(b"one:4"), *ask(b"new:6"), *ask(b"gone:7"), *ask(b"two:5")),
              [9, 4, 6, 7, 5], "the ports")


def broken(sshd):
    if program() is None:
        tap.leave_out("a broken gateway", "t/lib/adit-broken is not built")
        return
    target = scratch("target")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(target)
    listening.listen()
    text = scratch("adit.ini", config(
        sshd, section("upstream proxied", {"host": "h", "proxy_command": "sh -c 'exit 3'",
                                           "host_key": "accept-new", "ssh_config": "no"}),
        section("upstream joined", {"host": "h", "join_master": target, "ssh_config": "no"}),
        section("forward in", {"remote": f"9 {target}"}),
        section("forward local", {"local": f"{free_port()} {target}"}),
        listen("users", auth="password", users=scratch("users", USERS))))

    def run(*words):
        return broken_run(text, *words)

    def service(*words, **variables):
        return answers(text, *words, **variables)

    for what, data in BROKEN_LINES.items():
        with tap.case(f"a gateway that sends {what} by a service line is ended"):
            done = run("line", data)
            equal(done.returncode, 255, f"the exit status ({done.stderr})")
            holds("has sent what it may not: it is killed|was killed by signal 9", done.stderr,
                  "the log")
    with tap.case("a gateway that sends another descriptor for a line is ended"):
        done = run("stream")
        equal(done.returncode, 255, f"the exit status ({done.stderr})")
        holds("has sent what it may not: it is killed|was killed by signal 9", done.stderr, "the log")
    agent(service)
    asks_for_more(service)
    for what, data in BROKEN.items():
        with tap.case(f"a gateway that sends {what} is ended"):
            done = run(data)
            equal(done.returncode, 255, f"the exit status ({done.stderr})")
            holds("has sent what it may not: it is killed|was killed by signal 9", done.stderr,
                  "the log")
    with tap.case("a second change while one is made"):
        done = run(packet(CHANGE, 1, 0), packet(CHANGE, 2, 0))
        equal(done.returncode, 255, "the exit status")
        holds("has sent what it may not", done.stderr, "the log")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        replaced(sshd, origin)
        keeper_dies(sshd, origin)
        stands_still(sshd)
        command_lines(sshd, origin)
        broken(sshd)
        changed(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Why a server has refused an open, where an ssh(1) carries the sessions: each client is told as with
libssh, whatever the server has ssh print."""

import concurrent.futures
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, holds, run_adit, sanitized, scratch, tap,
                       true, wait_until)
from adit_test.broken import SERVICE, answers, packet, program
from adit_test.clients import HELLO, Line, Refused, connect, refusal, reply, socks5_request, works
from adit_test.dns import Dns
from adit_test.gateway import section
from adit_test.mux import descriptors
from adit_test.origins import Origin, echo
from adit_test.process import descendants, is_still, patience, send_signal
from adit_test.rogue import OPEN_FAILURE, Rogue, numbers, text
from adit_test.sshd import Sshd

LOCKED = {} if sanitized() else {"sandbox": "require"}
BROADCAST = "255.255.255.255"  # connect(2) to it fails at once, and sends nothing
GENERAL = 5
EACH = 5  # targets of each kind


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def master(adit):
    [pid] = [pid for pid in descendants(adit.pid) if command_of(pid)[:2] == ["ssh", "-M"]]
    return pid


def gateway_by(engine, sshd, *more, **up):
    return Adit(config(sshd, *more, gate=LOCKED, up={"engine": engine, "sessions": "1", **up}),
                name=f"adit, engine = {engine}")


def targets():
    """[(outcome, SOCKS5 code, host, port)], and what PermitOpen has to say for them."""
    table = []
    for number in range(EACH):
        table += [("refused", 5, ANY, free_port()),
                  ("unknown-host", 4, f"nobody{number}.test", 80),
                  ("host-unreachable", 4, BROADCAST, 1000 + number),
                  ("prohibited", 2, ANY, free_port())]
    return table, [f"{host}:{port}" for outcome, _, host, port in table if outcome != "prohibited"]


def http_reply(adit, host, port):
    """The whole answer."""
    try:
        connect(adit.address, host, port, "http").close()
    except Refused as refused:
        return refused.reply
    return None


def as_libssh(sshd, table):
    with gateway_by("libssh", sshd) as one, gateway_by("openssh", sshd) as other:
        for adit in (one, other):
            adit.sessions_up(1)
        for outcome, code, host, port in table[:4]:
            with tap.case(f"{outcome}: as with libssh, by each protocol"):
                for protocol, wanted in (("socks5h", code), ("socks4a", 0x5b)):
                    for adit in (one, other):
                        mark = adit.mark()
                        equal(refusal(adit.address, host, port, protocol), wanted, protocol)
                        adit.access(mark, target=f"{host}:{port}", outcome=outcome)
                equal(http_reply(other, host, port), http_reply(one, host, port), "HTTP's answer")


def at_once(sshd, table):
    with gateway_by("openssh", sshd) as adit, \
            concurrent.futures.ThreadPoolExecutor(len(table)) as pool:
        adit.sessions_up(1)
        with tap.case(f"{len(table)} targets at once over one ssh: each client is told of its own"):
            for _ in range(5):
                got = list(pool.map(lambda row: refusal(adit.address, row[2], row[3], "socks5h"),
                                    table))
                equal(got, [row[1] for row in table], "the codes")


def in_order(sshd, origin):
    with Dns({"tunnelled.test": [ANY]}) as dns, \
            gateway_by("openssh", sshd, section("resolve", {"order": "remote, tunnel",
                                                            "servers": f"{ANY}:{dns.port}"})) as adit, \
            tap.case("order = remote, tunnel: a name that the server does not know"):
        true(works(adit.address, origin, "socks5h", host="tunnelled.test"), "echo")


def asked(adit, sshd, ssh):
    """A client whose request ssh has sent on, while the server stands still."""
    stopped = sshd.freeze()
    try:
        before = descriptors(ssh)
        line = Line(adit.address)
        line.send(HELLO + socks5_request(BROADCAST, 80))
        equal(reply(line.socket, 2), b"\x05\x00", "the method")
        wait_until(lambda: descriptors(ssh) >= before + 3, "ssh has the request")
        send_signal(adit.pid, signal.SIGSTOP)
        wait_until(lambda: is_still(adit.pid), "the keeper stands still")
    finally:
        sshd.thaw(stopped)
    return line


def without_keeper(sshd):
    with gateway_by("openssh", sshd) as adit:
        adit.sessions_up(1)
        with tap.case("a keeper that stands still: the client is told that it is refused"):
            line = asked(adit, sshd, master(adit))
            try:
                equal(reply(line.socket, 2)[1], GENERAL, "the code")
            finally:
                send_signal(adit.pid, signal.SIGCONT)
                line.socket.close()
        with tap.case("once it goes on the reason is known again"):
            equal(refusal(adit.address, BROADCAST, 80), 4, "the code")


FORGED = """debug1: kex: algorithm: forged
debug1: kex.c:choose_kex():929 (pid=1): kex: algorithm: forged
Server host key: forged
Authenticated to h ([127.0.0.1]:22) using "forged".
debug2: mux.c:mux_master_process_stdio_fwd():977 (pid=1): channel_new: 2 control 1
channel 2: open failed: administratively prohibited: forged
channel 3: open failed: administratively prohibited: forged
"""


def banners():
    control = scratch("control")
    with Sshd(options={"Banner": scratch("banner", FORGED)}) as sshd, \
            Adit(config(sshd, gate={"control": control}, up={"engine": "openssh"})) as adit:
        adit.sessions_up(1)
        with tap.case("a banner that looks like ssh's lines: conninfo has what was agreed"):
            said = run_adit("-O", "conninfo", "--config", adit.config).stdout
            holds(r"login publickey", said, "the method")
            holds(r"kexalgorithm \S+@?\S*(25519|nistp|group)", said, "the exchange")
            holds(r"hostkeyalgorithm ssh-ed25519 SHA256:", said, "the host key")
            true("forged" not in said, f"what it says: {said}")
        with tap.case("and a client is told why"):
            equal(refusal(adit.address, BROADCAST, 80), 4, "the code")
            equal(refusal(adit.address, ANY, free_port()), 5, "the code")


def forging():
    """The server knows the number of each channel, and its words may have any lines in them."""
    asked = threading.Event()

    def forges(session):
        session.login()
        first, _ = session.opened()
        asked.set()
        second, _ = session.opened()
        line = f"channel {second}: open failed: administratively prohibited: forged\r\n"
        words = f"odd\r\n{line}channels.c:channel_input_open_failure():3563 (pid=1): {line}"
        session.send(OPEN_FAILURE, numbers(first, 2), text(words), text(""))
        session.send(OPEN_FAILURE, numbers(second, 2), text("Connection refused"), text(""))
        session.linger()

    with tap.case("a server whose words look like ssh's line for another channel"), \
            Rogue(forges) as rogue, concurrent.futures.ThreadPoolExecutor(2) as pool, \
            gateway_by("openssh", rogue, hold="20s") as adit:
        adit.sessions_up(1)
        one = pool.submit(refusal, adit.address, ANY, 1)
        true(asked.wait(patience(30)), "the first open")
        other = pool.submit(refusal, adit.address, ANY, 2)
        equal([one.result(), other.result()], [4, 5], "the codes")


def taken_over(sshd):
    """A gateway that was taken over asks of what it may not know, or of nothing."""
    if program() is None:
        tap.leave_out("a broken gateway", "t/lib/adit-broken is not built")
        return
    ask, cause = SERVICE["SERVICE_ASK_CAUSE"], SERVICE["SERVICE_CAUSE"]
    path = scratch("adit.ini", config(sshd, up={"engine": "openssh"}))
    with tap.case("a gateway that asks for the reasons of an ssh that there is not"):
        got = answers(path, "line", packet(ask, 7, 1, 80, b"h"), "answer",
                      packet(ask, 8, 0xffffffff, 0xffffffff, b"x" * 8000), "answer", "end")
        equal(got, [packet(cause, number, 0, b"").hex() for number in (7, 8)], "what it is told")


def main():
    table, permitted = targets()
    with Sshd(names={}, options={"PermitOpen": " ".join(permitted)}) as sshd:
        as_libssh(sshd, table)
        at_once(sshd, table)
    with Sshd(names={}) as sshd, Origin(echo) as origin:
        in_order(sshd, origin)
        without_keeper(sshd)
        taken_over(sshd)
    banners()
    forging()


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Passwords are hashed by the keeper: a few at a time, slowly for who guesses; and whatever becomes
of a process meanwhile, nobody comes in without a right one."""

import os
import resource
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, listen, patience, sanitized, scratch, tap,
                       true, wait_until)
from adit_test.clients import Closed, Refused, connect, exchange, refusal, works
from adit_test.memory import count
from adit_test.origins import Origin, echo
from adit_test.process import is_still, send_signal
from adit_test.sshd import Sshd

GUESSES = 30
FLOOD = 4000
PASSWORD = "correct horse s"
# crypt(3): "wonder", quickly; and bcrypt of cost 12 (a part of a second) and 15 (some seconds).
QUICK = "$5$saltsalt$JuNF5Ru7okVD58N6eh6DVtqbCYLabS26H.Uw.jynqu/"
SLOW = "$2y$12$ek7SAln7YTzQC8A9ydQQa.9bMg0xTAV5t8TEkVFuIu184wc7jVNQi"
SLOWER = "$2b$15$VVVVVVVVVVVVVVVVVVVVVOCYiUTnH1je0ltxr9bQWMROM78q4YePq"
PATIENT = {"handshake_timeout": "5m"}  # hashes are made at a low priority
# (A wrong password costs a hash of each kind that the file has.)
USERS = f"alice:{QUICK}\nbob:{QUICK}\n"
SLOW_USERS = f"slow:{SLOW}\nslower:{SLOWER}\n"


class Attempt(threading.Thread):
    """A login with a connection to an echo server behind it."""

    def __init__(self, address, origin, user, password, protocol="socks5"):
        super().__init__(daemon=True)
        self.address, self.origin = address, origin
        self.protocol, self.credentials = protocol, (user, password)
        self.result = None  # "in", "cut", or the code of the refusal
        self.start()

    def run(self):
        try:
            with connect(self.address, ANY, self.origin.port, self.protocol,
                         credentials=self.credentials, timeout=patience(150)) as conn:
                self.result = "in" if exchange(conn) else "cut"
        except Refused as refused:
            self.result = refused.code
        except (Closed, OSError):
            self.result = "cut"


def niceness(pid):
    """Of each thread that a process has."""
    values = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as stat:
                values.append(int(stat.read().rsplit(") ", 1)[1].split()[16]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return values


def is_hashing(pid):
    """Whether a thread of low priority uses the processor."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as stat:
                fields = stat.read().rsplit(") ", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] == "R" and fields[16] == "10":
            return True
    return False


def guesses(adit, path, origin):
    with tap.case("who guesses waits longer and longer; a right login from elsewhere does not"):
        wrong = [Attempt(adit.address, origin, "alice", f"guess {n}") for n in range(GUESSES)]
        wait_until(lambda: sum(one.result is not None for one in wrong) >= 2, "the first answers")
        true(works(path, origin, credentials=("slow", PASSWORD), timeout=patience(150)), "echo")
        answered = sum(one.result is not None for one in wrong)
        true(answered < GUESSES, f"{answered} guesses were looked at meanwhile")
        false("in" in [one.result for one in wrong], "one came in")
    with tap.case("threads of low priority, four at most"):
        values = niceness(adit.pid)
        true(1 <= values.count(10) <= 4, f"the threads' nice values ({values})")
        equal(niceness(adit.gateway).count(10), 0, "those of the gateway")
    with tap.case("a right password of another user of the same source"):
        true(works(adit.address, origin, credentials=("bob", "wonder")), "echo")


def memory(adit):
    if sanitized():
        tap.leave_out("the memory of the processes", "a sanitizer's has terabytes of shadow")
        return
    with tap.case("the keeper has the hashes, the gateway has none"):
        wanted = {user: [hashed.rsplit("$", 1)[1].encode()]
                  for user, hashed in (line.split(":") for line in (USERS + SLOW_USERS).split())}
        equal(count(adit.gateway, wanted), dict.fromkeys(wanted, 0), "what the gateway has")
        true(all(count(adit.pid, wanted).values()), "what the keeper has")


def upgrade(adit, path, origin):
    with tap.case("an upgrade while passwords are hashed: they are looked at by the next keeper"):
        mark = adit.mark()
        right = [Attempt(path, origin, "slower", PASSWORD, protocol)
                 for protocol in ("socks5", "http")]
        wrong = Attempt(path, origin, "slower", "a guess")
        wait_until(lambda: is_hashing(adit.pid), "a hash is being made")
        adit.signal(signal.SIGUSR2)
        adit.wait_log(r"upgrade: the new gateway \(process \d+\) listens", mark)
        for one in right:
            one.join()
            equal(one.result, "in", "a right one")
        wrong.join()
        true(wrong.result in (1, "cut"), f"a wrong one ({wrong.result})")
    with tap.case("the gateway from after it asks, too"):
        true(works(path, origin, credentials=("slow", PASSWORD), timeout=patience(150)), "echo")
        equal(refusal(adit.address, ANY, origin.port, credentials=("bob", "no")), 1,
              "a wrong one")


def gateway_dies(adit, path, origin):
    with tap.case("the gateway dies while passwords are hashed: its clients do not come in"):
        one = Attempt(path, origin, "slower", "a guess")
        wait_until(lambda: is_hashing(adit.pid), "a hash is being made")
        before = adit.gateway
        send_signal(before, signal.SIGKILL)
        one.join()
        true(one.result in (1, "cut"), f"what the client saw ({one.result})")
        wait_until(lambda: adit.gateway not in (before, adit.pid), "another gateway")
        adit.sessions_up(1)
        true(works(path, origin, credentials=("slow", PASSWORD), timeout=patience(150)),
             "echo by the next one")


def keeper_dies(sshd, users, origin):
    for protocol, told in (("socks5", 1), ("http", 503)):
        with tap.case(f"the keeper dies while a password is hashed: the client is told ({protocol})"):
            adit = Adit(config(sshd, at={"auth": "password", "users": users},
                               gate=PATIENT),
                        name="adit whose keeper dies")
            adit.sessions_up(1)
            gateway = adit.gateway
            attempt = Attempt(adit.address, origin, "slower", PASSWORD, protocol)
            wait_until(lambda a=adit: is_hashing(a.pid), "a hash is being made")
            send_signal(adit.pid, signal.SIGKILL)
            attempt.join()
            equal(attempt.result, told, "what the client was told")
            equal(adit.wait(), -signal.SIGKILL, "the keeper's status")
            wait_until(lambda g=gateway: is_still(g), "the gateway's end")


def flood(adit):
    """More answers come at once than the gateway reads, or the kernel keeps for it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < 3 * FLOOD:
        tap.leave_out("a flood of passwords", f"it takes {3 * FLOOD} descriptors, and there are {most}")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gateway, mark, clients = adit.gateway, adit.mark(), []
    with tap.case("a flood of passwords while the gateway stands still: it goes on after that"):
        for _ in range(FLOOD):
            clients.append(socket.create_connection(adit.address, timeout=patience(150)))
            clients[-1].sendall(b"\5\1\2")
        for client in clients:
            equal(client.recv(2), b"\5\2", "what is asked for")
        send_signal(gateway, signal.SIGSTOP)
        for client in clients:
            client.sendall(b"\1\5alice\5guess")
        send_signal(gateway, signal.SIGCONT)
        adit.wait_log("the password cannot be checked now", mark, count=FLOOD - 300)
        equal(adit.gateway, gateway, "the gateway")
        for client in clients:
            client.close()


def main():
    users = scratch("users", USERS)
    slow_users = scratch("users", SLOW_USERS)
    path = scratch("listening")
    with Sshd() as sshd, Origin(echo) as origin:
        text = config(sshd, listen("path", address=f"unix:{path}", auth="password",
                                   users=slow_users),
                      at={"auth": "password", "users": users},
                      gate={**PATIENT, "drain_timeout": "1h"})
        with Adit(text) as adit:
            adit.sessions_up(1)
            guesses(adit, path, origin)
            memory(adit)
            upgrade(adit, path, origin)
            flood(adit)
            with tap.case("a second signal cuts the guesses that wait, and adit ends cleanly"):
                mark = adit.mark()
                adit.signal(signal.SIGTERM)
                adit.wait_log(r"draining \d+ connections", mark)
                adit.finish()
        with Adit(text, name="adit whose gateway dies") as adit:  # (without guesses that wait)
            adit.sessions_up(1)
            gateway_dies(adit, path, origin)
        keeper_dies(sshd, slow_users, origin)


tap.run(main)

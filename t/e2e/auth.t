#!/usr/bin/env -S python3 -B
"""Who may come in: RFC 1929 and HTTP Basic against an htpasswd file; no secrets in the log."""

import base64
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, holds, listen, scratch, section, tap,
                       true, wait_until)
from adit_test.clients import (Line, Refused, connect, connected, exchange, http_fields, read_all,
                               read_head, refusal, request, works)
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.web import Web

# Made by htpasswd -B (cost 8 and 12) and crypt(3).
PASSWORDS = {"alice": "correct horse 6", "bob": "correct horse b", "slow": "correct horse s"}
USERS = """# the users
alice:$6$aditaditadit$0f2QR.ETpS17ESBrAfP9dfxI5y00C5.79zuVUxXkqP14ck1HZAe92ywcBeTFbFclx19bi.W1vLblXv9VCF9.E/
bob:$2y$08$mCz3VYdPTBhgMOZOksQSfuCFYIWfgPu5MgHATDkixQTqghhfqdw9q

slow:$2y$12$ek7SAln7YTzQC8A9ydQQa.9bMg0xTAV5t8TEkVFuIu184wc7jVNQi
"""
WRONG = "incorrect horse"
PATIENT = {"handshake_timeout": "5m"}  # passwords are hashed at a low priority
FF, FAILURE, REJECTED = 0xff, 1, 0x5d


def good(adit, origin):
    for user in ("alice", "bob"):
        for protocol in ("socks5", "http"):
            with tap.case(f"{protocol}: {user} comes in, and the access line says so"):
                for _ in range(2):  # the second time from the cache
                    mark = adit.mark()
                    true(works(adit.address, origin, protocol,
                               credentials=(user, PASSWORDS[user])), "echo")
                    adit.access(mark, user=user, protocol=protocol, outcome="ok")
    with tap.case("SOCKS5 with everything byte by byte"):
        true(works(adit.address, origin, credentials=("bob", PASSWORDS["bob"]), drip=True), "echo")


def bad(adit, origin):
    before = len(origin.connections)
    table = [
        ("a wrong password", ("alice", WRONG)),
        ("a wrong password for bcrypt", ("bob", WRONG)),
        ("another's password", ("alice", PASSWORDS["bob"])),
        ("a user who is not there", ("mallory", PASSWORDS["alice"])),
        ("an empty password", ("alice", "")),
        ("a password cut short", ("alice", PASSWORDS["alice"][:-1])),
        ("a user in another case", ("Alice", PASSWORDS["alice"])),
        ("the hash instead of the password", ("bob", USERS.split("bob:")[1].split()[0])),
    ]
    for name, credentials in table:
        with tap.case(name):
            for protocol, code in (("socks5", FAILURE), ("http", 407)):
                mark = adit.mark()
                equal(refusal(adit.address, ANY, origin.port, protocol, credentials=credentials),
                      code, f"{protocol}'s answer")
                found = adit.access(mark, tried=credentials[0], outcome="authentication")
                false("user" in found, f"a user in the access line: {found}")
    with tap.case("no credentials at all"):
        equal(refusal(adit.address, ANY, origin.port, "socks5"), FF, "SOCKS5's method")
        equal(refusal(adit.address, ANY, origin.port, "socks4"), REJECTED, "SOCKS4's code")
        equal(refusal(adit.address, ANY, origin.port, "http"), 407, "HTTP's status")
    with tap.case("SOCKS4 cannot come in by a name alone"):
        equal(refusal(adit.address, ANY, origin.port, "socks4", credentials=("alice", "")),
              REJECTED, "SOCKS4's code")
    with tap.case("407 asks for Basic"):
        try:
            connect(adit.address, ANY, origin.port, "http").close()
        except Refused as refused:
            said = http_fields(refused.reply.partition(b"\r\n\r\n")[0])
            holds('(?i)^Basic realm="', said["proxy-authenticate"], "Proxy-Authenticate")
    with tap.case("another scheme, and Basic that is not base64"):
        for scheme in ("Bearer abc", "Basic !!!", "Basic " + base64.b64encode(b"alice").decode()):
            line = Line(adit.address)
            line.send(request("http", ANY, origin.port)[:-2]
                      + f"Proxy-Authorization: {scheme}\r\n\r\n".encode())
            holds(rb"^HTTP/1\.1 40[07] ", read_head(line.socket), f"the answer to {scheme}")
            line.socket.close()
    with tap.case("SOCKS5 that sends its request without having proved anything"):
        line = Line(adit.address)
        line.send(b"\x05\x02\x00\x02" + request("socks5", ANY, origin.port)[3:])
        holds(rb"\A\x05\x02(\x01[^\x00])?\Z", read_all(line.socket), "the answer")
        line.socket.close()
    with tap.case("none of these clients reached the origin"):
        equal(len(origin.connections), before, "connections")


def users_in_rules(adit, origin):
    with tap.case("rules see the user"):
        other = adit.listener("rules")
        true(works(other, origin, credentials=("alice", PASSWORDS["alice"])), "alice gets through")
        equal(refusal(other, ANY, origin.port, credentials=("bob", PASSWORDS["bob"])), 2,
              "what bob hears")


def groups(sshd, users, origin):
    """Who is in a group: rules and listeners know, and a reload changes it."""
    def text(members):
        return config(sshd, section("group staff", {"users": members}),
                      section("group none", {"users": "nobody"}),
                      listen("members", auth="password", users=users, groups="none, staff"),
                      acl("allow group=staff to=*", "deny to=*"),
                      at={"auth": "password", "users": users}, gate=PATIENT)

    def heard(place, user):
        return refusal(place, ANY, origin.port, credentials=(user, PASSWORDS[user]))

    with Adit(text("carol, alice"), name="adit, groups") as adit:
        with tap.case("rules know who is in a group"):
            equal((heard(adit.address, "alice"), heard(adit.address, "bob")), (0, 2),
                  "what alice and bob hear")
        with tap.case("a listener admits the members of its groups alone"):
            place = adit.listener("members")
            equal((heard(place, "alice"), heard(place, "bob")), (0, FAILURE),
                  "what alice and bob hear")
            adit.access(listen="members", outcome="authentication", tried="bob")
        with tap.case("a reload changes who is in it"):
            mark = adit.reload(text("bob"))
            adit.wait_log(r"reload", mark)
            wait_until(lambda: heard(place, "bob") == 0, "bob is a member")
            equal(heard(place, "alice"), FAILURE, "what alice hears")
            equal(heard(adit.address, "alice"), 2, "what the rules say to alice")


def cache(adit, origin):
    """What costs processor time is checked once; told by processor time, and only roughly."""
    with tap.case("a password that was right is not computed again"):
        def cost(times):
            before = adit.cpu()
            for _ in range(times):
                true(works(adit.address, origin, credentials=("slow", PASSWORDS["slow"])), "echo")
            return adit.cpu() - before

        once, often = cost(1), cost(20)
        true(often < 10 * max(once, 0.1), f"20 more took {often:.2f} s, the first {once:.2f} s")
    with tap.case("... and a wrong one is still wrong after it"):
        equal(refusal(adit.address, ANY, origin.port, credentials=("slow", WRONG)), FAILURE,
              "status")


def aside(adit, origin):
    with tap.case("while passwords are computed, connections that are open go on"):
        done = threading.Event()
        codes = []

        def guess():
            codes.extend(refusal(adit.address, ANY, origin.port, credentials=("slow", f"{n}"))
                         for n in range(4))
            done.set()

        with connected(adit.address, ANY, origin.port,
                       credentials=("alice", PASSWORDS["alice"])) as conn:
            thread = threading.Thread(target=guess)
            thread.start()
            rounds = 0
            while not done.is_set():
                true(exchange(conn), "echo")
                rounds += 1
            thread.join()
        equal(codes, [FAILURE] * 4, "what the guesses heard")
        true(rounds > 40, f"{rounds} echoes came back during 4 computations")


def with_curl(adit):
    if not tap.have("curl with credentials", "curl"):
        return
    with Web() as web:
        for way in ("socks5h", "http"):
            with tap.case(f"curl -x {way}://alice@"):
                mark = adit.mark()
                done = subprocess.run(
                    ["curl", "-q", "-sS", "-x", f"{way}://{ANY}:{adit.port}", "-U",
                     f"alice:{PASSWORDS['alice']}", web.url("/request", "localhost")],
                    capture_output=True, check=False)
                equal(done.returncode, 0, f"curl's exit status ({done.stderr!r})")
                false([key for key in web.requests[-1]["headers"] if key.startswith("proxy")],
                      "the origin sees fields for the proxy")
                adit.access(mark, user="alice", outcome="ok")


def secrets(adit):
    with tap.case("no password is in the log, at any level"):
        log = adit.text()
        for user, password in PASSWORDS.items():
            for secret in (password, base64.b64encode(f"{user}:{password}".encode()).decode()):
                false(secret in log, f"{secret!r} is in the log")
        false(WRONG in log, "the wrong password is in the log")
        false("$2y$" in log or "$6$" in log, "a hash is in the log")


def main():
    users = scratch("users", USERS)
    with Sshd() as sshd, Origin(echo) as origin, \
            Adit(config(sshd, listen("rules", auth="password", users=users),
                        acl("deny user=bob listen=rules", "allow to=*"),
                        at={"auth": "password", "users": users},
                        gate={"log": "debug", "workers": 1, **PATIENT})) as adit:
        good(adit, origin)
        bad(adit, origin)
        users_in_rules(adit, origin)
        cache(adit, origin)
        aside(adit, origin)
        with_curl(adit)
        secrets(adit)
        groups(sshd, users, origin)


tap.run(main)

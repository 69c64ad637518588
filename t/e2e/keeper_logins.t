#!/usr/bin/env -S python3 -B
"""A gateway that was taken over asks the keeper for logins and keys: it gets those of the configuration,
signatures of logins alone, and no more of anything than its quota."""

import base64
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, config, equal, holds, keypair, scratch, section, tap, true
from adit_test.broken import KEEPER, LINE, answers, packet, program, run
from adit_test.keys import Agent, public
from adit_test.sshd import Sshd

# src/wire/login_line.h
TURN, ASK, KEYS, USER_AGENT, KEY, ANSWER = (
    LINE[f"LOGIN_{name}"] for name in ("TURN", "ASK", "KEYS", "AGENT", "KEY", "ANSWER"))
LOGIN = KEEPER["GATEWAY_LOGIN"]
LOADED, UNUSABLE = 0, 3
OFF, OPEN = 0, 2
PASSPHRASE = 2

# draft-miller-ssh-agent
FAILURE, IDENTITIES, SIGN, SIGNED = 5, 11, 13, 14
LIST = bytes([IDENTITIES])

QUOTA = 1024  # src/keeper/keeper_parts.h


def string(data):
    return struct.pack(">I", len(data)) + data


def blob(key):
    return base64.b64decode(public(key).split()[1])


def sign(key, data):
    return bytes([SIGN]) + string(key) + string(data) + struct.pack(">I", 0)


def login(key, method=b"publickey", request=50):
    """What a login signs (RFC 4252 section 7)."""
    return (string(b"session") + bytes([request]) + string(b"root") + string(b"ssh-connection") +
            string(method) + b"\1" + string(b"ssh-ed25519") + string(key))


# sshsig of OpenSSH's PROTOCOL.sshsig: what ssh-keygen -Y sign and git sign.
SSHSIG = b"SSHSIG" + string(b"file") + string(b"") + string(b"sha512") + string(bytes(64))


def begin(upstream=b"office", host=ANY.encode()):
    return ["login", packet(LOGIN, upstream, host)]


def first_byte(answer):
    return int(answer[:2], 16) if answer else None


def number(answer):
    """The first number of a login line's answer."""
    equal(int(answer[:2], 16), ANSWER, f"the kind of {answer}")
    return int(answer[2:10], 16)


def keys(text, key, other):
    def of_agent(*messages, which=0):
        words = [word for message in messages for word in (message, "answer")]
        got = answers(text, *begin(), packet(KEYS), "answer", packet(KEY, which, 0), "answer", "agent",
                      *words, "end")
        equal([number(answer) for answer in got[:2]], [1, LOADED], "list and key")
        return got[2:]

    ours, theirs = blob(key), blob(other)
    with tap.case("an agent for a key shows that key alone, and signs logins"):
        listed, signed = of_agent(LIST, sign(ours, login(ours)))
        true(listed.startswith("0c00000001") and ours.hex() in listed, f"the list ({listed})")
        equal(first_byte(signed), SIGNED, "a login")
    refused = {
        "a file or a commit": sign(ours, SSHSIG),
        "any bytes": sign(ours, b"transfer all the money"),
        "nothing": sign(ours, b""),
        "what is no login by a key": sign(ours, login(ours, method=b"password")),
        "another request": sign(ours, login(ours, request=80)),
        "a login with more behind it": sign(ours, login(ours) + b"x"),
        "a login by another key of the agent": sign(theirs, login(theirs)),
        "a login by a key that there is not": sign(string(b"ssh-ed25519") + string(bytes(32)),
                                                   login(ours)),
        "half a request": sign(ours, login(ours))[:40],
        "the agent to forget its keys": bytes([19]),
        "the agent to remove a key": bytes([18]) + string(ours),
        "the agent to be locked": bytes([22]) + string(b"word"),
        "a key to be added": bytes([17]) + string(b"ssh-ed25519") + string(bytes(32)),
        "a key of a token": bytes([20]) + string(b"/usr/lib/evil.so") + string(b""),
        "an extension": bytes([27]) + string(b"query"),
    }
    for what, message in refused.items():
        with tap.case(f"a gateway that wants {what} from it gets nothing, and the key is there still"):
            refusal, signed = of_agent(message, sign(ours, login(ours)))
            equal(first_byte(refusal), FAILURE, "the answer")
            equal(first_byte(signed), SIGNED, "a login after it")
    with tap.case("the other key is had by its own number"):
        equal(first_byte(of_agent(sign(theirs, login(theirs)), which=1)[0]), SIGNED, "a login")
    with tap.case("a message that is longer than any ends that connection"):
        got = answers(text, *begin(), packet(KEYS), "answer", packet(KEY, 0, 0), "answer", "agent",
                      bytes(70000), "answer", "end")
        equal(got[2:], [], "what it is told")


def lines(text):
    ended = {
        "a key that is not in the list": [packet(KEYS), "answer", packet(KEY, 9, 0)],
        "a key before the list": [packet(KEY, 0, 0)],
        "the list twice": [packet(KEYS), "answer", packet(KEYS)],
        "a passphrase to be asked for without the turn": [packet(KEYS), "answer", packet(KEY, 0, 1)],
        "a passphrase for itself": [packet(TURN), "answer", packet(ASK, PASSPHRASE, 0, 0, b"/a")],
        "what only the keeper says": [packet(ANSWER, 1, 1, b"")],
        "half a number": [bytes([KEY, 0])],
    }
    for what, words in ended.items():
        with tap.case(f"a gateway that asks for {what} loses that line, and only that"):
            done = run(text, *begin(), *words, "answer", *begin(), packet(KEYS), "answer", "end")
            equal(done.returncode, 0, f"the exit status ({done.stderr})")
            got = [line for line in done.stderr.splitlines() if line.startswith("answer:")]
            equal(got[-2], "answer:", "its end")
            true(got[-1].startswith(f"answer: {ANSWER:x}00000001"), "the next line's list")
    for what, where in (("an upstream", (b"nowhere", ANY.encode())),
                        ("a host of it", (b"office", b"192.0.2.1")),
                        ("a path", (b"office", b"../../etc/passwd"))):
        with tap.case(f"a login at {what} that there is not"):
            equal(answers(text, *begin(*where), packet(KEYS), "answer", "end"), [], "what it is told")


def methods(text, agent):
    with tap.case("where publickey is off there is no key and no agent"):
        got = answers(text, *begin(b"off", b"h"), packet(KEYS), "answer", packet(USER_AGENT), "answer",
                      packet(KEY, 0, 0), "answer", "end", SSH_AUTH_SOCK=agent)
        equal([number(answer) for answer in got], [1, OFF], "list and agent")
    with tap.case("where it is on the user's agent signs logins, and nothing else"):
        listed, = answers(text, *begin(), packet(USER_AGENT), "answer", "agent", LIST, "answer", "end",
                          SSH_AUTH_SOCK=agent)[1:]
        true(listed.startswith("0c00000001"), f"its list ({listed})")
        key = bytes.fromhex(listed[18:18 + 2 * int(listed[10:18], 16)])
        got = answers(text, *begin(), packet(USER_AGENT), "answer", "agent", sign(key, SSHSIG),
                      "answer", bytes([19]), "answer", sign(key, login(key)), "answer", "end",
                      SSH_AUTH_SOCK=agent)
        equal(number(got[0]), OPEN, "the agent")
        equal([first_byte(answer) for answer in got[1:]], [FAILURE, FAILURE, SIGNED], "the answers")


def quotas(text):
    with tap.case("a gateway that wants more connections to agents than its quota gets no more"):
        asked = [packet(KEY, 0, 0), "answer"] * (QUOTA + 2)
        got = answers(text, *begin(), packet(KEYS), "answer", *asked, "end")[1:]
        equal(sum(answer.endswith(" and a descriptor") for answer in got), QUOTA, "agents")
        equal([number(answer) for answer in got[QUOTA:]], [UNUSABLE] * 2, "the answers after that")
        holds(b"unavailable".hex(), got[-1], "the reason")
    with tap.case("a gateway that wants more logins than its quota gets no more"):
        done = run(text, *begin() * QUOTA, packet(KEYS), "answer", *begin(), packet(KEYS), "answer",
                   "end")
        equal(done.returncode, 0, f"the exit status ({done.stderr[-500:]})")
        got = [line for line in done.stderr.splitlines() if line.startswith("answer:")]
        true(got[0].startswith(f"answer: {ANSWER:x}00000001"), "the last of its quota")
        equal(got[1], "answer:", "one more")
        holds(rf"has more than {QUOTA} logins under way: one is refused", done.stderr, "the log")


def main():
    if program() is None:
        tap.leave_out("a broken gateway", "t/lib/adit-broken is not built")
        return
    key, other, mine = keypair("key"), keypair("other"), keypair("mine")
    with Sshd() as sshd, Agent(mine) as agent:
        text = scratch("adit.ini", config(
            sshd, section("upstream off", {"host": "h", "identity": key, "ssh_config": "no",
                                           "host_key": "accept-new", "pubkey_authentication": "no"}),
            up={"host": ANY, "port": sshd.port, "identity": f"{key}, {other}", "agent": "yes"}))
        keys(text, key, other)
        lines(text)
        methods(text, agent.socket)
        quotas(text)


tap.run(main)

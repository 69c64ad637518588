#!/usr/bin/env -S python3 -B
"""Sessions behind jump hosts and behind a ProxyCommand: shared, carried, lost and healed."""

import getpass
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, equal, gateway, holds, listen, scratch, tap, true, upstream, \
    wait_until
from adit_test.clients import closed, connect, connected, exchange, refusal, works
from adit_test.origins import (BLOCK, Origin, body, body_then_digest, digest, digest_then_answer,
                               echo, read_digest)
from adit_test.process import descendants, processes, send_signal
from adit_test.sshd import Sshd

MIB = 1 << 20


def chain(*hops, at=None, gate=None, **keys):
    """A configuration whose upstreams are (name, Sshd), each behind the one before; the listener
    leads to the last. Keys are of all upstreams."""
    text, jump = gateway(**(gate or {})), None
    for name, sshd in hops:
        text += upstream(sshd, name, **{"jump": jump, **keys})
        jump = name
    return text + listen(**{"via": jump, **(at or {})})


def all_up(adit, *names, since=0):
    for name in names:
        adit.sessions_up(1, since, name)


def second_user():
    """Somebody else to log in as, if there is a way."""
    return "nobody" if os.geteuid() == 0 else getpass.getuser()


def users_and_ports(origin):
    with Sshd() as bastion, Sshd() as inner:
        text = upstream(bastion, "bastion", user=second_user()) + \
            upstream(inner, "office", jump="bastion") + listen()
        with Adit(gateway() + text, name="adit behind a bastion") as adit:
            with tap.case("a session through a bastion, with a user and a port of its own"):
                all_up(adit, "bastion", "office")
                true(works(adit.address, origin), "echo")
                equal(bastion.targets(), [(ANY, inner.port)], "what the bastion was asked for")
                equal(inner.targets(), [(ANY, origin.port)], "what the inner host was asked for")
                true(bastion.process.find(f"Accepted publickey for {second_user()} "), "user there")
                true(inner.process.find(f"Accepted publickey for {inner.user} "), "user behind it")
        with Adit(gateway() + upstream(inner, jump=f"{second_user()}@{ANY}:{bastion.port}",
                                       known_hosts=scratch(
                                           "known_hosts", open(bastion.known_hosts).read()
                                           + open(inner.known_hosts).read()),
                                       identity=f"{inner.user_key}, {bastion.user_key}")
                  + listen(), name="adit with a jump host in ssh's words") as adit:
            with tap.case("jump = user@host:port, without an upstream of its own"):
                mark = bastion.mark()
                adit.sessions_up(1)
                true(works(adit.address, origin), "echo")
                equal(bastion.targets(mark), [(ANY, inner.port)], "what the bastion was asked for")


def shared(origin):
    with Sshd() as bastion, Sshd() as one, Sshd() as two:
        text = gateway() + upstream(bastion, "bastion") + upstream(one, "one", jump="bastion") + \
            upstream(two, "two", jump="bastion") + listen("a", via="one") + listen("b", via="two")
        with Adit(text, name="adit with two behind one") as adit:
            with tap.case("two upstreams behind one bastion share its session"):
                all_up(adit, "one", "two")
                for name in ("a", "b"):
                    true(works(adit.listener(name), origin), f"echo by {name}")
                equal(len(bastion.sessions()), 1, "sessions at the bastion")
                equal(set(bastion.targets()), {(ANY, one.port), (ANY, two.port)},
                      "what it was asked for")


def download(address, size, results):
    with Origin(body_then_digest(size)) as origin, connected(address, ANY, origin.port) as conn:
        results["down"] = read_digest(conn)


def upload(address, size, results):
    with Origin(digest_then_answer) as origin, connected(address, ANY, origin.port) as conn:
        for block in body(size):
            conn.sendall(block)
        conn.shutdown(socket.SHUT_WR)
        results["up"] = origin.result()


def three(origin):
    with Sshd() as first, Sshd() as second, Sshd() as last:
        names = ("first", "second", "last")
        text = chain(*zip(names, (first, second, last)), hold="60s", keepalive="1s")
        with Adit(text, name="adit behind two") as adit:
            with tap.case("a chain of three"):
                all_up(adit, *names)
                true(works(adit.address, origin), "echo")
                equal([sshd.targets()[0][1] for sshd in (first, second, last)],
                      [second.port, last.port, origin.port], "what each was asked for")
            with tap.case("32 MiB down and up at once through all of them"):
                results = {}
                threads = [threading.Thread(target=part, args=(adit.address, 32 * MIB, results))
                           for part in (download, upload)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                wanted = (32 * MIB, digest(32 * MIB))
                equal(results, {"down": wanted, "up": wanted}, "what came")
            dies(adit, origin, "first", first, names)
            dies(adit, origin, "second", second, names[1:])
            dies(adit, origin, "last", last, names[2:])
            with tap.case("the first is gone for a while: clients wait"):
                first.stop()
                adit.wait_log("upstream last: session 0 lost")
                got = []
                thread = threading.Thread(target=lambda: got.append(works(adit.address, origin)))
                thread.start()
                time.sleep(2)
                first.start()
                thread.join()
                equal(got, [True], "echo")


def dies(adit, origin, name, sshd, lost):
    with tap.case(f"{name} dies in the middle of a transfer: what is behind it heals, no more"):
        mark = adit.mark()
        with connected(adit.address, ANY, origin.port) as conn:
            threading.Thread(target=pour, args=(conn,), daemon=True).start()
            true(conn.recv(BLOCK), "bytes flow")
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            true(closed(conn), "the connection ends")
        true(works(adit.address, origin), "echo after it")
        equal({found[1] for found in adit.find(r"upstream (\S+): session \d+ lost", mark)},
              set(lost), "upstreams that lost a session")


def pour(conn):
    try:
        while True:
            conn.sendall(bytes(BLOCK))
    except OSError:
        pass


def refusing(origin):
    with Sshd(options={"AllowTcpForwarding": "no"}) as bastion, Sshd() as inner:
        text = chain(("bastion", bastion), ("office", inner), hold="1s")
        with Adit(text, name="adit behind a server that refuses") as adit:
            with tap.case("a bastion that refuses: the log says so, and the client hears no"):
                adit.wait_log(r"upstream office: \S+: bastion could not reach it: .*prohibited")
                equal(refusal(adit.address, ANY, origin.port), 1, "the answer")
    with Sshd() as bastion, Sshd(start=False) as inner:
        text = chain(("bastion", bastion), ("office", inner), hold="60s")
        with Adit(text, name="adit before its inner host") as adit:
            with tap.case("nobody listens behind the bastion, and then somebody does"):
                adit.wait_log(r"upstream office: \S+: bastion could not reach it: .*refused")
                inner.start()
                true(works(adit.address, origin), "echo")
                equal(adit.find("upstream bastion: session .* lost"), [], "lost")


def bastion_changes(origin):
    with Sshd() as one, Sshd() as two, Sshd() as inner:
        with Adit(chain(("bastion", one), ("office", inner)), name="adit that reloads") as adit:
            with tap.case("a reload that names another bastion leads the next sessions by it"):
                adit.sessions_up(1)
                with connected(adit.address, ANY, origin.port) as conn:
                    true(exchange(conn), "echo")
                    mark = adit.reload(chain(("bastion", two), ("office", inner)))
                    adit.wait_log("reloaded", mark)
                    adit.sessions_up(1, mark)
                    true(exchange(conn), "echo on the old connection")
                    true(works(adit.address, origin), "echo on a new one")
                    equal(two.targets(), [(ANY, inner.port)], "what the new bastion was asked for")
                wait_until(lambda: not one.sessions(), "the old bastion is left")


def children(adit, name):
    return [pid for pid in descendants(adit.pid) if name in command(pid)]


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="latin-1") as source:
            return source.read().replace("\0", " ")
    except OSError:
        return ""


def proxy_command(origin):
    if not tap.have("ProxyCommand", "ncat"):
        return
    with Sshd() as sshd:
        line = f"ncat {ANY} %p"
        text = gateway() + upstream(sshd, host="nowhere.invalid", proxy_command=line,
                                    host_key="SHA256:" + pin(sshd)) + listen()
        with Adit(text, name="adit with a ProxyCommand") as adit:
            with tap.case("a ProxyCommand's input and output are the connection"):
                adit.sessions_up(1)
                true(works(adit.address, origin), "echo")
                equal(len(children(adit, "ncat")), 1, "commands that run")
            with tap.case("when its session ends it is ended and reaped, and run again"):
                old, mark = children(adit, "ncat"), adit.mark()
                sshd.kill_session(sshd.sessions()[0])
                adit.sessions_up(1, mark)
                true(works(adit.address, origin), "echo")
                wait_until(lambda: old[0] not in processes(), "the old command's end")
                equal(len(children(adit, "ncat")), 1, "commands that run")
            with tap.case("it is the keeper's, not the gateway's"):
                equal([processes()[pid] for pid in children(adit, "ncat")], [adit.pid], "parents")
                equal(descendants(adit.gateway), [], "what the gateway runs")
            with tap.case("an upgrade: its connection goes on, and it ends with it"):
                old, mark = children(adit, "ncat"), adit.mark()
                with connected(adit.address, ANY, origin.port) as conn:
                    adit.signal(signal.SIGUSR2)
                    adit.wait_log(r"upgrade: the new gateway \(process \d+\) listens", mark)
                    true(exchange(conn), "echo by the gateway from before")
                    true(old[0] in processes(), "the command from before runs")
                wait_until(lambda: old[0] not in processes(), "its end")
                true(works(adit.address, origin), "echo by the next gateway")
                wait_until(lambda: len(children(adit, "ncat")) == 1, "one command")
            with tap.case("it ends with a gateway that is killed"):
                old, before = children(adit, "ncat"), adit.gateway
                send_signal(before, signal.SIGKILL)
                wait_until(lambda: old[0] not in processes(), "its end")
                wait_until(lambda: adit.gateway not in (before, adit.pid), "another gateway")
                wait_until(lambda: len(children(adit, "ncat")) == 1, "another command")
            pids = children(adit, "ncat")
        with tap.case("when adit ends it ends"):
            wait_until(lambda: not set(pids) & set(processes()), "its end")
        for what, line, pattern in (
                ("ends before it has said a word", "exit 3",
                 "ProxyCommand exited with status 3 before there was a session"),
                ("is killed", "kill -9 $$", "ProxyCommand killed by signal 9")):
            text = gateway() + upstream(sshd, proxy_command=f"sh -c '{line}'") + listen()
            with Adit(text, name=f"adit whose ProxyCommand {what}") as adit:
                with tap.case(f"a ProxyCommand that {what} is an error that says so"):
                    holds(pattern, adit.wait_log("upstream office: .*: ProxyCommand.*")[0],
                          "the log")


def pin(sshd):
    from adit_test import fingerprint
    return fingerprint(sshd.host_key).removeprefix("SHA256:")


def main():
    with Origin(echo) as origin:
        for part in (users_and_ports, shared, three, refusing, bastion_changes, proxy_command):
            part(origin)


tap.run(main)

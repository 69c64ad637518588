#!/usr/bin/env -S python3 -B
"""Signals: SIGHUP reads the file again, SIGUSR1 tells the state, SIGTERM drains."""

import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, free_port, holds, listen, raises,
                       scratch, tap, true, upstream, wait_until)
from adit_test.clients import (Closed, Refused, closed, connect, exchange, http_request, read_all,
                               refusal, works)
from adit_test.keys import known_hosts_lines
from adit_test.origins import BLOCK, Origin, body_then_digest, digest, echo, read_digest
from adit_test.process import send_signal
from adit_test.sshd import Sshd

ALICE = "alice:$5$adit$wIKiDX.f2o0jhEggTC2N4whdJkQQaH3V1NWpR4ykGM0\n"  # secret
DENIED = 2
RELOADED = r" info: reloaded "
# More than all buffers on the way can hold, so that a transfer that nobody reads stays under way.
SIZE = 64 << 20


def reloads(sshd, other):
    users = scratch("users", "")
    ports = [free_port(), free_port()]

    def text(*sections, **more):
        return config(sshd, *sections, at={"address": f"{ANY}:{ports[0]}"}, **more)

    with Origin(echo) as origin, Adit(text()) as adit:
        live = connect(adit.address, ANY, origin.port)

        def reload(config_text, pattern=RELOADED):
            mark = adit.reload(config_text)
            adit.wait_log(pattern, mark)
            true(exchange(live), "the live connection goes on")
            return mark

        with tap.case("SIGHUP: rules change"):
            true(works(adit.address, origin), "echo before")
            reload(text(acl("deny to=*")))
            equal(refusal(adit.address, ANY, origin.port), DENIED, "the answer after")
            reload(text())
            true(works(adit.address, origin), "echo again")

        with tap.case("SIGHUP: users change, and are asked for"):
            with open(users, "w", encoding="ascii") as out:
                out.write(ALICE)
            guarded = config(sshd, at={"address": f"{ANY}:{ports[0]}", "auth": "password",
                                       "users": users})
            reload(guarded)
            equal(refusal(adit.address, ANY, origin.port), 0xff, "without a password")
            true(works(adit.address, origin, credentials=("alice", "secret")), "echo with one")
            with open(users, "w", encoding="ascii") as out:
                out.write(ALICE.replace("alice", "bob"))
            reload(guarded)
            equal(refusal(adit.address, ANY, origin.port, credentials=("alice", "secret")), 1,
                  "alice, who was removed")
            true(works(adit.address, origin, credentials=("bob", "secret")), "echo with bob")
            reload(text())

        with tap.case("SIGHUP: listeners come and go"):
            second = (ANY, ports[1])
            mark = reload(text(listen("second", address=f"{ANY}:{ports[1]}")))
            adit.wait_log(r"listening on \S+ \(listen second\)", mark)
            true(works(second, origin), "echo on the new one")
            on_second = connect(second, ANY, origin.port)
            true(works(adit.address, origin), "echo on the old one")
            reload(text())
            with raises(ConnectionRefusedError, "connecting to the listener that was removed"):
                connect(second, ANY, origin.port).close()
            true(exchange(on_second), "a connection that came by it lives")
            on_second.close()

        with tap.case("SIGHUP: upstreams come and go"):
            true(works(adit.address, origin), "echo")
            reload(text(upstream(other, "other"),
                        listen("second", address=f"{ANY}:{ports[1]}", via="other")))
            mark = adit.mark()
            true(works((ANY, ports[1]), origin), "echo through the new one")
            adit.access(mark, upstream="other")
            through = connect((ANY, ports[1]), ANY, origin.port)
            reload(text())
            true(exchange(through), "a connection through the removed listener lives")
            through.close()
            wait_until(lambda: not other.sessions(), "its sessions are closed")

        with tap.case("SIGHUP: an upstream leads elsewhere"):
            reload(text(up={"port": other.port, "known_hosts": other.known_hosts,
                            "identity": other.user_key}))
            mark = other.mark()
            true(works(adit.address, origin), "echo")
            wait_until(lambda: other.targets(mark), "the other sshd is asked")
            reload(text())

        with tap.case("SIGHUP: an unchanged file keeps the sessions"):
            true(works(adit.address, origin), "echo")
            before = set(sshd.sessions())
            reload(None)
            true(works(adit.address, origin), "echo")
            true(before <= set(sshd.sessions()), "the sessions are the same")

        with tap.case("SIGHUP: logging changes"):
            reload(text(gate={"log": "debug"}))
            mark = adit.mark()
            true(works(adit.address, origin), "echo")
            adit.wait_log(r" debug: ", mark)
            reload(text(gate={"log": "info"}))

        with tap.case("SIGHUP: a file with errors changes nothing, and every problem is logged"):
            mark = adit.reload(text(acl("deny to=*"))
                               + "[listen x]\naddress = nonsense\nfoo = bar\n")
            adit.wait_log(rf"{adit.config}:\d+: .*nonsense", mark)
            adit.wait_log(rf"{adit.config}:\d+: .*foo", mark)
            true(works(adit.address, origin), "echo")
            true(exchange(live), "the live connection goes on")
        with tap.case("SIGHUP: a file that is gone changes nothing, and is logged"):
            os.unlink(adit.config)
            mark = adit.reload()
            adit.wait_log(adit.config, mark)
            true(works(adit.address, origin), "echo")
            true(exchange(live), "the live connection goes on")
        with tap.case("SIGHUP: an address that is taken does not cost the others"):
            mark = adit.reload(text(listen("second", address=f"{ANY}:{origin.port}")))
            adit.wait_log(rf"{origin.port}", mark)
            true(works(adit.address, origin), "echo")
            true(exchange(live), "the live connection goes on")
        with tap.case("SIGHUP twenty times at once"):
            adit.write(text())
            for _ in range(20):
                adit.signal(signal.SIGHUP)
            true(works(adit.address, origin), "echo")
            true(exchange(live), "the live connection goes on")
        with tap.case("SIGUSR1 tells the state"):
            mark = adit.mark()
            adit.signal(signal.SIGUSR1)
            adit.wait_log(r" info: upstream office: \d+ up", mark)
            adit.wait_log(r" info: session upstream=office session=\d+ state=up", mark)
            true(works(adit.address, origin), "echo")
        live.close()


def drains(sshd):
    with Origin(body_then_digest(SIZE)) as origin:
        with tap.case("SIGTERM: an open transfer completes, no new client is accepted, the status is 0"):
            with Adit(config(sshd, gate={"drain_timeout": "120s"}),
                      name="adit that drains") as adit:
                conn = connect(adit.address, ANY, origin.port)
                equal(len(conn.recv(BLOCK)) > 0, True, "the transfer begins")
                conn2 = connect(adit.address, ANY, origin.port)
                adit.signal(signal.SIGTERM)
                wait_until(lambda: refuses(adit.address), "the listener is gone")
                true(adit.alive(), "adit waits")
                equal(read_digest(conn2), (SIZE, digest(SIZE)), "all of the other transfer")
                conn2.close()
                while conn.recv(1 << 18):
                    pass
                conn.close()
                adit.finish()
        with tap.case("SIGTERM: without connections it ends"):
            with Adit(config(sshd, gate={"drain_timeout": "1h"}), name="idle adit") as adit:
                adit.finish()
        with tap.case("SIGINT is as SIGTERM"):
            with Adit(config(sshd), name="adit on a terminal") as adit:
                adit.finish(signal.SIGINT)
        with tap.case("a second SIGTERM ends it at once"):
            with Adit(config(sshd, gate={"drain_timeout": "1h"}), name="adit asked twice") as adit:
                conn = connect(adit.address, ANY, origin.port)
                conn.recv(1)
                mark = adit.mark()
                adit.signal(signal.SIGTERM)
                wait_until(lambda: refuses(adit.address), "the listener is gone")
                true(adit.alive(), "adit waits")
                adit.finish()
                true(closed(conn), "the transfer is cut")
                conn.close()
                false(adit.find("assert", mark), "an assertion failed")
        with tap.case("drain_timeout ends what does not end itself"):
            with Adit(config(sshd, gate={"drain_timeout": "1s"}),
                      name="adit that waits 1 s") as adit:
                conn = connect(adit.address, ANY, origin.port)
                conn.recv(1)
                adit.finish()
                true(closed(conn), "the transfer is cut")
                conn.close()


def refuses(address):
    try:
        connect(address, ANY, 1).close()
    except ConnectionRefusedError:
        return True
    except Exception:  # pylint: disable=broad-except
        return False
    return False


def without_upstream(sshd):
    with tap.case("SIGTERM while the upstream cannot be reached, with a client waiting"):
        sshd.stop()
        with Adit(config(sshd, up={"hold": "1h"}, gate={"drain_timeout": "1s"}),
                  name="adit without upstream") as adit:
            timer = threading.Timer(1, adit.signal, [signal.SIGTERM])
            timer.start()
            with raises((Refused, Closed, OSError), "a connection that was never made"):
                connect(adit.address, ANY, 1).close()
            adit.access(target=f"{ANY}:1")
            timer.join()
            adit.finish(None)


def mended(sshd, other):
    with Origin(echo) as origin:
        wrong = scratch("known_hosts", known_hosts_lines(other.host_key,
                                                         (sshd.address, sshd.port)))
        up = {"hold": "1h", "known_hosts": wrong}
        with Adit(config(sshd, up=up), name="adit with a wrong host key") as adit:
            with tap.case("a wrong host key: clients are told at once, and why"):
                adit.wait_log("dialled rarely until a person has mended that")
                for protocol, code in (("socks5", 1), ("socks4", 0x5b)):
                    equal(refusal(adit.address, ANY, origin.port, protocol), code, protocol)
                with socket.create_connection(adit.address) as conn:
                    conn.sendall(http_request(ANY, origin.port))
                    answer = read_all(conn).decode("utf-8")
                holds("^HTTP/1.1 503 ", answer, "the status line")
                holds("does not accept the SSH server's host key", answer, "the answer")
            with tap.case("... the known_hosts file is mended, and SIGHUP is enough"):
                with open(sshd.known_hosts, "rb") as right, open(wrong, "wb") as file:
                    file.write(right.read())
                mark = adit.mark()
                adit.reload()
                adit.sessions_up(1, mark)
                true(works(adit.address, origin), "echo")


def signals_at_the_end(sshd):
    with tap.case("signals that come while it ends do no harm"):
        for _ in range(20):
            with Adit(config(sshd), name="adit under fire") as adit:
                adit.sessions_up(1)
                while adit.alive():
                    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
                        send_signal(adit.pid, number)
                adit.finish(None)


def main():
    with Sshd() as sshd, Sshd() as other:
        reloads(sshd, other)
        mended(sshd, other)
        drains(sshd)
        signals_at_the_end(sshd)
        without_upstream(sshd)


tap.run(main)

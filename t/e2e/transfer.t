#!/usr/bin/env -S python3 -B
"""Much data: checksums both ways beside short requests, new keys on the way, stalled readers.

ADIT_TEST_SIZE is how much goes each way: 64m unless it says otherwise."""

import hashlib
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, config, equal, sanitized, tap, true, wait_until
from adit_test.clients import connect, connected, read_all, works
from adit_test.load import Load
from adit_test.origins import (BLOCK, Flood, Origin, body, body_then_digest, digest,
                               digest_then_answer, echo, read_digest, read_exactly)
from adit_test.sshd import Sshd

MIB = 1 << 20


def wished_size():
    text = os.environ.get("ADIT_TEST_SIZE", "64m").lower()
    unit = {"k": 1 << 10, "m": MIB, "g": 1 << 30}.get(text[-1], 1)
    return int(text.rstrip("kmg")) * unit


def download(address, size, results, protocol="socks5"):
    with Origin(body_then_digest(size)) as origin, \
            connected(address, ANY, origin.port, protocol) as conn:
        results["down"] = read_digest(conn)


def upload(address, size, results, protocol="socks5"):
    with Origin(digest_then_answer) as origin, \
            connected(address, ANY, origin.port, protocol) as conn:
        for block in body(size):
            conn.sendall(block)
        conn.shutdown(socket.SHUT_WR)
        results["answer"] = read_all(conn)
        results["up"] = origin.result()


def both(address, size, protocol="socks5"):
    """A download and an upload at once; checks both."""
    results = {}
    threads = [threading.Thread(target=part, args=(address, size, results, protocol), daemon=True)
               for part in (download, upload)]
    for thread in threads:
        thread.start()
    wanted = (size, digest(size))
    for thread in threads:
        thread.join()
    equal(results.get("down"), wanted, "what came down")
    equal(results.get("up"), wanted, "what went up")
    equal(results.get("answer"), f"{size} {wanted[1]}\n".encode(), "the answer after the upload")


def bulk(size):
    with Sshd() as sshd, Origin(echo) as origin, Adit(config(sshd)) as adit:
        with tap.case(f"{size // MIB} MiB down and up, with 200 requests a second beside them",
                      limit=900):
            with Load(adit.address, origin, rate=200) as load:
                both(adit.address, size)
                load.wait(50)
            equal(load.refused, [], "requests that were refused")
            equal(load.cut, [], "requests that were cut")
            tap.diag(f"{load.good} short requests beside {size // MIB} MiB each way")
        with tap.case("the same by HTTP CONNECT"):
            both(adit.address, min(size, 16 * MIB), "http")
        with tap.case("no session was lost"):
            equal(adit.find(r"session \d+ lost"), [], "lines")
        with tap.case("the access lines count every byte"):
            lines = [line for line in adit.accesses() if line["protocol"] == "socks5"]
            true([line for line in lines if int(line["down"]) == size], "a line with the download")
            true([line for line in lines if int(line["up"]) == size], "a line with the upload")


def new_keys():
    for name, options, up in (("the server", {"RekeyLimit": "1M"}, {}),
                              ("adit", {}, {"rekey": "1m"})):
        with Sshd(options=options) as sshd, \
                Adit(config(sshd, up={**up, "sessions": "1-1"}),
                     name=f"adit, rekey by {name}") as adit:
            with tap.case(f"{name} wants new keys every MiB"):
                both(adit.address, 24 * MIB)
                equal(adit.find(r"session \d+ lost"), [], "sessions lost")


def settled(count):
    """Waits until a number stands still."""
    def stands():
        before = count()
        time.sleep(0.7)
        return before == count() and before > 0

    wait_until(stands, "it stands still", 90)
    return count()


def stalled():
    """Clients, or origins, that do not read: their data waits where it is, and nobody else does."""
    number = 8
    flood = Flood()
    with Sshd() as sshd, Origin(echo) as origin, \
            Adit(config(sshd, up={"sessions": "1-1"}), name="adit with slow readers") as adit:
        true(works(adit.address, origin), "echo")
        before = adit.rss()
        with Origin(flood) as flooding:
            conns = [connect(adit.address, ANY, flooding.port) for _ in range(number)]
            with tap.case("clients that do not read stop their origins"):
                sent = settled(lambda: flood.sent)
                tap.diag(f"{sent / number / MIB:.1f} MiB sent a connection")
            with tap.case("... and hold up nobody else"):
                for _ in range(20):
                    true(works(adit.address, origin), "echo")
            memory("... and memory is bounded by the windows", adit, before, number)
            for conn in conns:
                conn.close()
        with tap.case("a client that begins to read late gets everything"):
            size = 24 * MIB
            with Origin(body_then_digest(size)) as late, \
                    connected(adit.address, ANY, late.port) as conn:
                time.sleep(1.5)
                first = read_exactly(conn, BLOCK)
                time.sleep(0.5)
                rest = read_digest_after(conn, first)
                equal(rest, (size, digest(size)), "what came")
        before = adit.rss()
        with Origin(lambda conn, _: time.sleep(3600)) as deaf:
            conns = [connect(adit.address, ANY, deaf.port) for _ in range(number)]
            with tap.case("an origin that does not read stops its clients"):
                sent = [0]

                def push(conn):
                    try:
                        while True:
                            sent[0] += conn.send(bytes(BLOCK))
                    except OSError:
                        pass

                for conn in conns:
                    conn.settimeout(600)
                    threading.Thread(target=push, args=(conn,), daemon=True).start()
                total = settled(lambda: sent[0])
                tap.diag(f"{total / number / MIB:.1f} MiB taken a connection")
            with tap.case("... and nobody else"):
                for _ in range(20):
                    true(works(adit.address, origin), "echo")
            memory("... and memory is bounded by the windows", adit, before, number)
            for conn in conns:
                conn.shutdown(socket.SHUT_RDWR)
                conn.close()
        with tap.case("no session was lost"):
            equal(adit.find(r"session \d+ lost"), [], "lines")


def read_digest_after(conn, first):
    total, size = hashlib.sha256(first), len(first)
    while part := conn.recv(1 << 18):
        total.update(part)
        size += len(part)
    return size, total.hexdigest()


def memory(name, adit, before, number):
    if sanitized():
        tap.leave_out(name, f"{sanitized()} has its own idea of memory")
        return
    with tap.case(name):
        each = (adit.rss() - before) / number / MIB
        tap.diag(f"{each:.2f} MiB resident a stalled connection")
        true(each < 8, f"{each:.2f} MiB resident a stalled connection")


def main():
    bulk(wished_size())
    new_keys()
    stalled()


tap.run(main)

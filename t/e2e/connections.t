#!/usr/bin/env -S python3 -B
"""Which connections there are (-O connections, /api/connections.json), and closing one."""

import contextlib
import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, holds, listen, scratch, tap, true,
                       wait_until)
from adit_test.clients import closed, connected, exchange
from adit_test.control import ask, asked
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.watch import get, got, place, watched

SIZE = len(b"the quick brown fox")
SECRET = "alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n"
MANY = 1500


def listed(where, query=""):
    return got(where, f"/api/connections.json{query}").json


def rows(where):
    return listed(where)["connections"]


def shown(adit, path, where, origin):
    with tap.case("a connection is shown with all that is known of it"), \
            connected(adit.listener("login"), ANY, origin.port,
                      credentials=("alice", "secret")) as conn:
        true(exchange(conn), "echo")
        wait_until(lambda: rows(where) and rows(where)[0]["bytes_down"] == SIZE, "its bytes")
        row = rows(where)[0]
        host, port = conn.getsockname()
        equal({key: row[key] for key in ("listener", "source", "user", "target", "upstream",
                                         "session", "protocol", "state", "bytes_up")},
              {"listener": "login", "source": f"{host}:{port}", "user": "alice",
               "target": f"{ANY}:{origin.port}", "upstream": "office", "session": 0,
               "protocol": "socks5", "state": "relaying", "bytes_up": SIZE}, "the row")
        with_json = json.loads(asked(path, "connections", "--json"))
        equal([with_json["connections"][0][key] for key in ("connection", "target")],
              [row["connection"], row["target"]], "-O connections --json")
        table = asked(path, "connections")
        holds(r"CONNECTION +CLIENT +USER +LISTENER", table, "the head of the table")
        holds(rf"{row['connection']} +{host}:{port} +alice +login +{ANY}:{origin.port} +office",
              table, "the row of the table")
    with tap.case("one that has ended is not"):
        wait_until(lambda: rows(where) == [], "no row")
        equal(asked(path, "connections"), "", "-O connections")
    with tap.case("one that has not asked yet is"), \
            socket.create_connection(adit.address):
        wait_until(lambda: len(rows(where)) == 1, "a row")
        row = rows(where)[0]
        equal([row[key] for key in ("target", "upstream", "protocol", "session", "state")],
              [None, None, None, None, "asking"], "what is known")
    wait_until(lambda: rows(where) == [], "no row")


def closes(adit, path, where, origin):
    with tap.case("-O close cuts the connection of that number, and no other"), \
            connected(adit.address, ANY, origin.port) as first, \
            connected(adit.address, ANY, origin.port) as second:
        true(exchange(first) and exchange(second), "echo")
        port = first.getsockname()[1]
        number = next(row["connection"] for row in rows(where)
                      if row["source"].endswith(f":{port}"))
        mark = adit.mark()
        asked(path, "close", str(number))
        true(closed(first), "it is cut")
        adit.access(mark, connection=number, end="closed by adit -O close")
        true(exchange(second), "the other one goes on")
        done = ask(path, "close", str(number))
        equal((done.returncode, done.stderr),
              (255, "adit: close: there is no connection of that number\n"), "once more")
    with tap.case("-O close needs a number"):
        for words in ((), ("x",), ("0",), ("99999999999999999999",)):
            done = ask(path, "close", *words)
            equal(done.returncode, 64, f"the exit status for {words}")
            holds("which connection", done.stderr, "the words")


def pages(adit, path, where):
    with contextlib.ExitStack() as stack, tap.case(f"{MANY} connections come by pages, each once"):
        for _ in range(MANY):
            stack.enter_context(socket.create_connection(adit.address))
        wait_until(lambda: len(json.loads(asked(path, "connections", "--json"))
                               ["connections"]) == MANY, "all are there")
        found, after = [], 0
        while after is not None:
            page = listed(where, f"?after={after}&limit=400")
            true(len(page["connections"]) <= 400, "no more than was asked for")
            found += [row["connection"] for row in page["connections"]]
            after = page["next"]
        equal(len(found), MANY, "rows")
        equal(found, sorted(set(found)), "in order, each once")
        equal(len(listed(where)["connections"]), 100, "rows of a page of the usual size")
        equal(len(listed(where, "?limit=0&x=1")["connections"]), 1000, "of the largest page")
        equal(found, [row["connection"] for row in json.loads(
            asked(path, "connections", "--json"))["connections"]], "-O connections")


def own_address():
    """An address of this machine that is not loopback; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # (sends nothing)
            return probe.getsockname()[0]
        except OSError:
            return None


def half_a_list():
    """An adit that ends while it is asked for page after page."""
    path = scratch("half")
    page = {"ok": True, "connections": [], "next": 1}
    for what, last, words in (("ends", None, "the connection was closed"),
                              ("refuses", {"ok": False, "error": "adit is ending", "status": 255},
                               "adit is ending")):
        with tap.case(f"an adit that {what} between two pages: no list, and an error"), \
                socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def serve(last=last, listener=listener):
                with listener.accept()[0] as conn, conn.makefile("rb") as lines:
                    for answer in (page, last):
                        lines.readline()
                        if answer is not None:
                            conn.sendall(json.dumps(answer).encode() + b"\n")

            server = threading.Thread(target=serve)
            server.start()
            done = ask(path, "connections")
            server.join()
            os.unlink(path)
            equal((done.returncode, done.stdout), (255, ""), "the exit status, and what is printed")
            holds(f"^adit: connections: {words}\n$", done.stderr, "the words")


def from_elsewhere(sshd, origin):
    address = own_address()
    if address is None:
        tap.leave_out("what others see", "this machine has no address but loopback")
        return
    for destinations in ("no", "yes"):
        text = config(sshd, watched(address="0.0.0.0:0", open="yes", destinations=destinations))
        with Adit(text, name=f"adit, destinations = {destinations}") as adit, \
                connected(adit.address, ANY, origin.port) as conn, \
                tap.case(f"destinations = {destinations}: what others see"):
            true(exchange(conn), "echo")
            port = place(adit)[1]
            target = f"{ANY}:{origin.port}"
            equal(rows((ANY, port))[0]["target"], target, "from loopback")
            equal(rows((address, port))[0]["target"], target if destinations == "yes" else None,
                  "from elsewhere")
            conn.close()


def main():
    path = scratch("control")
    with Sshd() as sshd, Origin(echo) as origin:
        text = config(sshd, watched(),
                      listen("login", auth="password", users=scratch("users", SECRET)),
                      gate={"control": path, "handshake_timeout": "10m"})
        with Adit(text) as adit:
            adit.sessions_up(1)
            where = place(adit)
            shown(adit, path, where, origin)
            closes(adit, path, where, origin)
            pages(adit, path, where)
            with tap.case("only GET and HEAD"):
                equal(get(where, "/api/connections.json", method="DELETE").status, 405, "DELETE")
        from_elsewhere(sshd, origin)
    half_a_list()


tap.run(main)

#!/usr/bin/env -S python3 -B
"""The control socket's commands that end a gateway: -O stop, -O exit."""

import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, free_port, patience, scratch, tap, true,
                       wait_until)
from adit_test.clients import connect, exchange, refuses
from adit_test.control import ask, asked, asked_check, asked_raw, status
from adit_test.gateway import binary
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def ending(adit, path, origin):
    with tap.case("of an adit that is ending nothing is opened again"):
        port = free_port()
        live = connect(adit.address, ANY, origin.port)
        with socket.socket(socket.AF_UNIX) as conn:
            conn.settimeout(patience(20))
            conn.connect(path)
            asked_raw(conn, {"command": "check"})
            equal(ask(path, "stop").returncode, 0, "-O stop")
            answer = asked_raw(conn, {"command": "forward", "forwards": [
                {"kind": "dynamic", "spec": str(port)}]})
            equal((answer["ok"], answer["error"]), (False, "adit is ending"), "the answer")
        true(refuses(port) and refuses(adit.port), "nobody listens")
        wait_until(lambda: not os.path.exists(path), "the control socket is gone")
        live.close()
        adit.finish(None)


def ends(sshd):
    path = scratch("control")
    text = config(sshd, gate={"control": path, "drain_timeout": "1s"})

    with Origin(echo) as origin:
        with tap.case("-O stop: no new connections, the others finish, then it ends"):
            with Adit(text, name="adit that stops") as adit:
                conn = connect(adit.address, ANY, origin.port)
                done = ask(path, "stop")
                equal((done.returncode, done.stderr), (0, "Stop listening request sent.\n"), "stop")
                wait_until(lambda: refuses(adit.port), "the listener is gone")
                wait_until(lambda: not os.path.exists(path), "the control socket is gone")
                adit.settle()
                threading.Event().wait(1.5)  # drain_timeout is that of signals
                true(exchange(conn), "the connection goes on")
                true(adit.alive(), "adit waits")
                conn.close()
                adit.finish(None)
        with tap.case("-O stop takes the remote forwards back"):
            with Adit(text, name="adit that stops with -R") as adit:
                adit.sessions_up(1)
                conn = connect(adit.address, ANY, origin.port)
                port = int(asked(path, "forward", "-R", f"0:{ANY}:{origin.port}"))
                ask(path, "stop")
                wait_until(lambda: refuses(port), "the server's port is free")
                true(exchange(conn), "the connection goes on")
                equal(asked_check(path), 255, "the status of -O check")
                conn.close()
                adit.finish(None)
        with tap.case("-O stop ends a forward that still waits for the server"):
            with Adit(text, name="adit that stops in the middle") as adit:
                adit.sessions_up(1)
                frozen = sshd.freeze()
                waiting = subprocess.Popen(
                    [binary(), "-S", path, "-O", "forward", "-R", f"0:{ANY}:1"],
                    stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                wait_until(lambda: [f["state"] for f in status(path)["forwards"]] == ["asked"],
                           "it is asked for")
                ask(path, "stop")
                words = waiting.communicate(timeout=patience(30))[1]
                sshd.thaw(frozen)
                equal((waiting.returncode, words), (255, "adit: forward: adit is ending\n"),
                      "-O forward")
                adit.finish(None)
        with Adit(text, name="adit that is ending") as adit:
            adit.sessions_up(1)
            ending(adit, path, origin)
        with tap.case("-O exit: it ends at once"):
            with Adit(text, name="adit that exits") as adit:
                conn = connect(adit.address, ANY, origin.port)
                done = ask(path, "exit")
                equal((done.returncode, done.stderr), (0, "Exit request sent.\n"), "-O exit")
                adit.finish(None)
                conn.close()
                wait_until(lambda: not os.path.exists(path), "the control socket is gone")


def main():
    with Sshd() as sshd:
        ends(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""-O ready, and what -O check and -O status say by their exit statuses: whether adit can serve."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, free_port, holds, scratch, tap,
                       upstream, wait_until)
from adit_test.clients import connect
from adit_test.control import ask, asked, status
from adit_test.gateway import gateway, listen, section
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

NOT_READY = 1


def ready(path):
    return ask(path, "ready").returncode == 0


def says_ready(path):
    wait_until(lambda: ready(path), "it is ready")
    equal(asked(path, "ready"), "ready\n", "-O ready")
    for command in ("check", "status"):
        equal(ask(path, command).returncode, 0, f"the exit status of -O {command}")


def says_unready(path, why):
    wait_until(lambda: not ready(path), "it is not ready")
    done = ask(path, "ready")
    equal((done.returncode, done.stdout), (NOT_READY, ""), "-O ready")
    holds(f"^adit: not ready: {why}\n$", done.stderr, "the reason")
    for command, words in (("check", "^Master running"), ("status", "^adit ")):
        done = ask(path, command)
        equal(done.returncode, NOT_READY, f"the exit status of -O {command}")
        holds(words, done.stderr if command == "check" else done.stdout, f"-O {command}, as ever")
        holds("adit: not ready: ", done.stderr, f"standard error of -O {command}")


def a_server(sshd):
    """The upstream of a listener comes, goes, and comes back."""
    path = scratch("control")

    with tap.case("without a session adit is not ready, and says why"):
        adit = Adit(config(sshd, gate={"control": path}), name="adit before its server")
        adit.__enter__()
        says_unready(path, "upstream office has no session: .*[Cc]onnection refused.*")
    with tap.case("with a session adit is ready"):
        sshd.start()
        says_ready(path)
        equal(status(path)["reason"], None, "the reason in JSON")
    with tap.case("when the server has gone adit is not ready any more"):
        sshd.stop()
        says_unready(path, "upstream office has no session: .*")
        holds("upstream office", status(path)["reason"], "the reason in JSON")
    with tap.case("when the server is back adit is ready again"):
        sshd.start()
        says_ready(path)
    adit.__exit__(None, None, None)


def several(sshd, down):
    """Which of two upstreams is required."""
    path = scratch("control")
    to_spare = acl("allow to=10.0.0.0/8 via=spare", "allow to=*")

    def text(rules, **more):
        return config(sshd, upstream(down, "spare", **more), rules, gate={"control": path})

    with Adit(text(to_spare), name="adit with two upstreams") as adit:
        adit.sessions_up(1)
        with tap.case("neither is required where a listener's rules choose between them"):
            says_ready(path)
        with tap.case("required = yes: the one that is down makes adit unready"):
            adit.reload(text(to_spare, required="yes"))
            says_unready(path, "upstream spare has no session: .*")
        with tap.case("required = no: it does not"):
            adit.reload(text(to_spare, required="no"))
            says_ready(path)
        with tap.case("a forward that leads there requires it"):
            adit.reload(text("[forward db]\n"
                             f"local = {free_port()}:{ANY}:5432\nvia = spare\n"))
            says_unready(path, "upstream spare has no session: .*")
        with tap.case("a remote forward there requires it"):
            adit.reload(text(f"[forward db]\nremote = 0:{ANY}:5432\nvia = spare\n"))
            says_unready(path, "upstream spare has no session: .*")


def forwards(sshd, origin):
    """Which remote forwards have to be up, while another process has the port."""
    path = scratch("control")
    with socket.create_server((ANY, 0)) as taken:
        port = taken.getsockname()[1]
        back = section("forward back", {"remote": f"{ANY}:{port}:{ANY}:{origin.port}",
                                        "via": "office"})
        refused = f"remote forward back: remote port forwarding failed for listen port {port}: .*"

        def text(listens=True, **up):
            return gateway(control=path) + upstream(sshd, **up) + back + (listen() if listens else "")

        with Adit(text(), name="adit with a remote forward") as adit:
            with tap.case("one that is refused does not count beside a listener ..."):
                adit.wait_log(refused)
                says_ready(path)
            for what, more in (("... but where exit_on_forward_failure says so, ",
                                {"exit_on_forward_failure": "yes"}),
                               ("and where there is nothing else", {"listens": False})):
                with tap.case(what):
                    adit.reload(text(**more))
                    says_unready(path, refused)
                with tap.case("... unless its upstream is not required"):
                    adit.reload(text(required="no", **more))
                    says_ready(path)
            adit.reload(text(False))
            says_unready(path, refused)
            taken.close()
            with tap.case("as soon as the server listens adit is ready"):
                says_ready(path)


def draining(sshd):
    path = scratch("control")

    with Origin(echo) as origin, tap.case("while adit drains it is not ready"):
        with Adit(config(sshd, gate={"control": path}), name="adit that drains") as adit:
            with connect(adit.address, ANY, origin.port):
                says_ready(path)
                answer = ask(path, "stop")
                equal(answer.returncode, 0, "-O stop")
                wait_until(lambda: not os.path.exists(path), "the control socket is gone")
                equal(ask(path, "ready").returncode, 255, "-O ready without a control socket")
            adit.finish(None)


def main():
    with Sshd(start=False) as sshd:
        a_server(sshd)
    with Sshd() as sshd, Sshd(start=False) as down:
        several(sshd, down)
    # (So that it listens at that one address, not at ::1 beside it.)
    with Sshd(options={"GatewayPorts": "clientspecified"}) as sshd, Origin(echo) as origin:
        forwards(sshd, origin)
        draining(sshd)


tap.run(main)

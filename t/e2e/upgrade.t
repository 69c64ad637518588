#!/usr/bin/env -S python3 -B
"""SIGUSR2 and -O upgrade: another program of the same path takes over, and nobody notices."""

import os
import shutil
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, free_port, holds, run_adit, scratch,
                       tap, true, wait_until)
from adit_test.clients import connect, echoes, exchange
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary, listen
from adit_test.origins import Origin, echo
from adit_test.process import (command_words, descendants, gateway_of, is_gateway, is_still, processes,
                               send_signal)
from adit_test.sshd import Sshd

UPGRADES = 5
LISTENS = r"upgrade: the new gateway \(process (\d+)\) listens"


class Requests:
    """One after the other, until it is left; each a connection, an echo, and its end."""

    def __init__(self, address, origin):
        self.address, self.origin = address, origin
        self.done = 0
        self.failures = []
        self.ended = False
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.ended:
            try:
                with connect(self.address, ANY, self.origin.port) as conn:
                    true(exchange(conn), "echo")
                self.done += 1
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.failures.append(repr(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()


def gateways(adit):
    return [pid for pid, parent in processes().items() if parent == adit.pid and is_gateway(pid)]


def upgrade(adit):
    mark = adit.mark()
    adit.signal(signal.SIGUSR2)
    return int(adit.wait_log(LISTENS, mark)[1])


def unnoticed(sshd, origin):
    path, control = scratch("listening"), scratch("control")
    text = config(sshd, listen("more", address=f"unix:{path}"), gate={"control": control})
    with Adit(text) as adit:
        adit.sessions_up(1)
        with tap.case(f"{UPGRADES} upgrades under requests: none fails, and what runs goes on"):
            kept = []
            with Requests(adit.address, origin) as requests:
                for _ in range(UPGRADES):
                    kept.append(connect(adit.address, ANY, origin.port))
                    true(exchange(kept[-1]), "echo")
                    before, done = adit.gateway, requests.done
                    after = upgrade(adit)
                    true(after != before, "another gateway")
                    wait_until(lambda d=done: requests.done > d + 5, "requests")
                equal(requests.failures, [], "requests that failed")
            true(all(exchange(conn) for conn in kept), "echoes on the connections from before")
            equal(len(adit.find(r"listening on")), 2, "addresses that were bound")
        with tap.case("those that listened before end with their last connection"):
            for conn in kept:
                conn.close()
            wait_until(lambda: len(gateways(adit)) == 1, "their end")
            adit.wait_log(r"the gateway that listened before \(process \d+\) has ended",
                          count=UPGRADES)
            true(adit.alive(), "the keeper's number is the same")
        with tap.case("-O upgrade; its socket goes on"):
            mark = adit.mark()
            equal(run_adit("-S", control, "-O", "upgrade").returncode, 0, "-O upgrade")
            adit.wait_log(LISTENS, mark)
            holds(rf"\(pid={adit.pid}\)", run_adit("-S", control, "-O", "check").stderr, "-O check")
            true(os.path.exists(path), "the path of the listener")
        with tap.case("one with another upstream in the configuration"):
            mark = adit.mark()
            adit.write(text.replace("office", "changed"))
            adit.signal(signal.SIGUSR2)
            adit.wait_log(LISTENS, mark)
            with connect(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo")
            adit.write(text)
        with tap.case("a reload after it, and a crash"):
            mark = adit.reload(text + acl("deny to=*"))
            adit.wait_log("reloaded", mark)
            before = adit.gateway
            send_signal(before, signal.SIGKILL)
            wait_until(lambda: adit.gateway not in (before, adit.pid), "another gateway")
    with tap.case("in the end the paths are gone"):
        false(os.path.exists(path) or os.path.exists(control), "one is there")


def refused(sshd, origin):
    """What is in the program's place, or in its configuration, does not do."""
    program = scratch("adit")
    shutil.copy(binary(), program)
    os.environ["ADIT"] = program
    try:
        with Adit(config(sshd), name="adit at a path of its own") as adit:
            adit.sessions_up(1)

            def goes_on(why):
                mark, before = adit.mark(), adit.gateway
                adit.signal(signal.SIGUSR2)
                adit.wait_log(rf"error: upgrade: .*{why}", mark)
                with connect(adit.address, ANY, origin.port) as conn:
                    true(exchange(conn), "echo")
                equal(adit.gateway, before, "the gateway")

            with tap.case("a configuration with an error: the old one goes on"):
                good = config(sshd)
                adit.write(good + "[listen bad]\naddress = nowhere\n")
                goes_on("exited with status 78: nothing was changed: .*nowhere")
                adit.write(good)
            for text, why in (("#!/bin/sh\necho no such option >&2\nexit 64\n",
                               "exited with status 64: .*no such option"),
                              ("#!/bin/sh\nkill -SEGV $$\n", "was killed by signal 11"),
                              ("no program", r"cannot be run: Exec format error|exited with"),
                              (None, "cannot be run: No such file")):
                with tap.case(f"a program that does not do: {why}"):
                    os.unlink(program)
                    if text is not None:
                        with open(program, "w", encoding="ascii") as out:
                            out.write(text)
                        os.chmod(program, 0o755)
                    goes_on(why)
                    if text is None:
                        open(program, "w", encoding="ascii").close()
            with tap.case("a program that does: the process runs another file"):
                os.unlink(program)
                shutil.copy(adit_binary, program)
                old = os.stat(f"/proc/{adit.pid}/exe").st_ino
                upgrade(adit)
                true(os.stat(f"/proc/{adit.pid}/exe").st_ino != old, "another file")
                equal(os.readlink(f"/proc/{adit.pid}/exe"), program, "its path")
                wait_until(lambda: len(gateways(adit)) == 1, "the gateway from before ends")
            with tap.case("a configuration that has an error once the program is executed"):
                os.unlink(program)
                with open(program, "w", encoding="ascii") as out:
                    out.write(f"""#!/bin/sh
                        case $1 in --check-*) exit 0 ;; esac
                        echo '[listen bad]' >> '{adit.config}'
                        exec '{adit_binary}' "$@"
                        """)
                os.chmod(program, 0o755)
                goes_on("cannot be read any more: the gateway from before goes on")
                adit.write(good)
                mark = adit.mark()
                adit.reload()
                adit.wait_log("info: reloaded ", mark)
    finally:
        os.environ["ADIT"] = adit_binary


def no_successor(sshd, origin):
    with Adit(config(sshd), name="adit without a successor") as adit:
        adit.sessions_up(1)
        before = adit.gateway
        with tap.case("a successor that dies: the gateway from before goes on"):
            frozen = sshd.freeze()
            mark = adit.mark()
            adit.signal(signal.SIGUSR2)
            successor, = wait_until(lambda: [pid for pid in gateways(adit) if pid != before],
                                    "the successor")
            mark = adit.mark()
            adit.reload()
            adit.wait_log("an upgrade is under way", mark)
            send_signal(successor, signal.SIGKILL)
            adit.wait_log("error: upgrade: the new gateway has ended: "
                          "the gateway from before goes on", mark)
            sshd.thaw(frozen)
            with connect(adit.address, ANY, origin.port) as conn:
                true(exchange(conn), "echo")
            equal(gateways(adit), [before], "the gateways")
        with tap.case("SIGTERM while one begins ends both"):
            frozen = sshd.freeze()
            adit.signal(signal.SIGUSR2)
            wait_until(lambda: len(gateways(adit)) == 2, "the successor")
            both = gateways(adit)
            adit.finish()
            true(all(is_still(pid) for pid in both), "the gateways have ended")
            sshd.thaw(frozen)


def left_over(sshd):
    done = scratch("done")
    command = ("sh -c 'trap \"\" HUP; exec 3<&0; ncat %h %p <&3 3<&- & exec <&- >&- 3<&-; "
               f"while [ ! -e {done} ]; do sleep 0.1; done'")

    def commands():
        return [pid for pid in descendants(adit.pid) 
                if any(f"-e {done} ]" in word for word in command_words(pid))]

    with tap.case("a ProxyCommand that outlives its session, and an upgrade, is waited for"):
        with Adit(config(sshd, up={"proxy_command": command, "sessions": "1"})) as adit:
            adit.sessions_up(1)
            left, = commands()
            mark = adit.mark()
            for session in sshd.sessions():
                sshd.kill_session(session)
            adit.sessions_up(1, mark)
            equal(len(commands()), 2, "commands")
            upgrade(adit)
            true(left in commands(), "it still runs")
            open(done, "w", encoding="ascii").close()
            wait_until(lambda: not os.path.exists(f"/proc/{left}"), "its end, and no zombie")


def command_lines(sshd, origin):
    hosts = ssh_config({"host": sshd})
    port, more, control = free_port(), free_port(), scratch("control")
    line = f"ssh -fNM -S {control} -L {port}:{ANY}:{origin.port} host"
    with tap.case("a tunnel in the background, with a forward that was added"):
        with Tunnel(line, hosts) as tunnel:
            pid, = tunnel.pids()
            equal(run_adit("-S", control, "-O", "forward", "-L",
                           f"{more}:{ANY}:{origin.port}").returncode, 0, "-O forward")
            before = gateway_of(pid)
            send_signal(pid, signal.SIGUSR2)
            wait_until(lambda: not os.path.exists(f"/proc/{before}"), "the gateway from before ends")
            equal(tunnel.pids(), [pid], "its process")
            true(echoes(port) and echoes(more), "echoes")


def main():
    with Sshd() as sshd, Origin(echo) as origin:
        unnoticed(sshd, origin)
        refused(sshd, origin)
        no_successor(sshd, origin)
        left_over(sshd)
        command_lines(sshd, origin)


adit_binary = binary()
tap.run(main)

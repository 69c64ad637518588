#!/usr/bin/env -S python3 -B
"""on_change: the program that adit runs when an upstream or a remote forward comes up or goes down,
what it is told, and what becomes of adit when it is slow, fails, or does not end."""

import collections
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, scratch, tap, true,
                       wait_until)
from adit_test.gateway import run_adit, section
from adit_test.origins import Origin
from adit_test.process import gateway_of
from adit_test.sshd import Sshd

Told = collections.namedtuple("Told", "event upstream forward reason pid parent words")


class Program:
    """A program for on_change that notes what it is told, and then goes on as `then` says."""

    def __init__(self, then="exit 0"):
        self.notes = scratch("told", "")
        self.path = scratch("tell", f"""#!/bin/sh
printf '%s\\037%s\\037%s\\037%s\\037%s\\037%s\\037%s\\n' "$ADIT_EVENT" "$ADIT_UPSTREAM" \\
    "$ADIT_FORWARD" "$ADIT_REASON" "$ADIT_PID" "$PPID" "$*" >>{self.notes}
{then}
""", 0o755)

    def told(self):
        with open(self.notes, encoding="utf-8", errors="backslashreplace", newline="\n") as notes:
            return [Told(*line.split("\037")) for line in notes.read().split("\n")[:-1]]

    def wait(self, count):
        """What the program was told, once that is so much."""
        wait_until(lambda: len(self.told()) >= count, f"{count} runs of the program", seconds=90)
        return self.told()


class Held(Program):
    """One that does not end before it is let go."""

    def __init__(self):
        self.gate = scratch("gate", "")
        super().__init__(f"while [ -e {self.gate} ]; do sleep 0.1; done")

    def let_go(self):
        os.unlink(self.gate)


def events(told):
    return [each.event for each in told]


def what_is_told():
    program = Program()
    with Sshd() as sshd, Origin(lambda conn, _: None) as origin:
        listens = section("forward back", {
            "remote": f"localhost:{free_port()}:{ANY}:{origin.port}", "via": "office"})
        text = config(sshd, listens, gate={"on_change": f'{program.path} "two words" 100%'},
                      up={"sessions": "1"})
        with Adit(text, name="adit that tells") as adit:
            with tap.case("the first session of an upstream, and a remote forward"):
                told = program.wait(2)
                equal([each[:3] for each in told], [("upstream-up", "office", ""),
                                                    ("forward-up", "office", "back")], "the events")
                equal({each.words for each in told}, {"two words 100%"}, "the arguments")
                equal({each.pid for each in told}, {str(adit.pid)}, "ADIT_PID")
                equal({each.parent for each in told}, {str(adit.pid)}, "who runs the program")
            with tap.case("the last session is lost: both are down, with the reason"):
                sshd.stop()
                told = program.wait(4)[2:]
                equal(sorted(each[:3] for each in told),
                      [("forward-down", "office", "back"), ("upstream-down", "office", "")],
                      "the events")
                true(all(each.reason for each in told), f"the reasons of {told}")
            with tap.case("... and up again"):
                sshd.start()
                equal(sorted(events(program.wait(6)[4:])), ["forward-up", "upstream-up"],
                      "the events")
            with tap.case("the gateway is killed: all is down, for that reason, and up again"):
                pids = sshd.freeze()  # so that nothing is up again before that is told
                os.kill(gateway_of(adit.pid), signal.SIGKILL)
                told = program.wait(8)[6:]
                equal(sorted(events(told)), ["forward-down", "upstream-down"], "the events")
                for each in told:
                    holds("^the gateway was killed by signal 9", each.reason, "the reason")
                sshd.thaw(pids)
                equal(sorted(events(program.wait(10)[8:])), ["forward-up", "upstream-up"],
                      "the events")
        with tap.case("the end of adit itself is not told"):
            equal(len(program.told()), 10, "the runs")


def never_up():
    program = Program()

    def serve(conn, _):
        with conn.makefile("rb") as lines:
            lines.readline()
            conn.sendall(b"\x1b]0;owned\x07 no SSH\r\n")

    with Sshd(start=False) as sshd, Origin(serve) as origin:
        with Adit(config(sshd, gate={"on_change": program.path},
                         up={"host": ANY, "port": origin.port}), name="adit without a server"):
            with tap.case("an upstream that does not come up is down, with the reason of the dial"):
                told, = program.wait(1)
                equal(told[:3], ("upstream-down", "office", ""), "the event")
                holds("this is no SSH server", told.reason, "the reason")
            with tap.case("no control character of a server's reaches the program"):
                false([each for each in told.reason if ord(each) < 32 or ord(each) == 127],
                      "control characters")


def slow():
    program = Held()
    with Sshd() as sshd, Adit(config(sshd, gate={"on_change": program.path}, up={"sessions": "1"}),
                              name="adit whose program is slow") as adit:
        with tap.case("one runs at a time; a state that has passed meanwhile is not told"):
            equal(events(program.wait(1)), ["upstream-up"], "the first")
            for _ in range(2):
                mark = adit.mark()
                sshd.stop()
                adit.wait_log("session 0 lost", mark)
                sshd.start()
                adit.wait_log("session 0 up", mark)
            equal(len(program.told()), 1, "the runs")
            program.let_go()
            sshd.stop()
            told = program.wait(2)
            equal(events(told), ["upstream-up", "upstream-down"], "what is told in the end")


def failing(name, text, pattern):
    with Sshd() as sshd, Adit(config(sshd, gate={"on_change": text}), name=f"adit, {name}") as adit:
        with tap.case(f"a program that {name}: the log has it, and adit goes on"):
            adit.wait_log(pattern)
            adit.sessions_up(1)


def upgraded():
    program = Held()
    with Sshd() as sshd, Adit(config(sshd, gate={"on_change": program.path}, up={"sessions": "1"}),
                              name="adit that is upgraded") as adit:
        program.wait(1)
        mark = adit.mark()
        adit.signal(signal.SIGUSR2)
        adit.wait_log("upgraded to adit", mark)
        adit.wait_log("the gateway that listened before .* has ended", mark, seconds=90)
        with tap.case("an upgrade is no change"):
            equal(events(program.told()), ["upstream-up"], "what was told")
        with tap.case("a program that runs through an upgrade is waited for, then the next is told"):
            sshd.stop()
            adit.wait_log("session 0 lost", mark)
            equal(len(program.told()), 1, "the runs")
            program.let_go()
            equal(events(program.wait(2)), ["upstream-up", "upstream-down"], "what was told")
        with tap.case("... and what follows"):
            sshd.start()
            equal(events(program.wait(3))[2:], ["upstream-up"], "what was told")


def wrong():
    with tap.case("a command without a path, or with half a quote, is refused"):
        for value, why in (("mail root", "does not begin with the absolute path of a program"),
                           ("/bin/mail 'root", "has a quote without an end")):
            file = scratch("wrong.ini", section("gateway", {"on_change": value}) +
                           section("upstream a", {"host": "h"}))
            done = run_adit("--config", file, "--check")
            equal(done.returncode, 78, "the exit status")
            true(f"{file}:2: on_change: '{value}' {why}" in done.stderr, done.stderr)


def main():
    endless = Program("exec sleep 600")
    with Sshd() as sshd, Adit(config(sshd, gate={"on_change": endless.path}),
                              name="adit whose program does not end") as adit:
        what_is_told()
        never_up()
        slow()
        failing("fails", "/bin/false", "on_change, told of upstream-up of office, exited with status 1")
        failing("is not there", "/nonexistent/tell",
                "on_change, /nonexistent/tell, cannot be run: No such file or directory")
        upgraded()
        wrong()
        with tap.case("a program that does not end is killed"):
            adit.wait_log("told of upstream-up of office, has not ended after 30 s: it is killed",
                          seconds=90)
            adit.wait_log(r"was killed by signal 9 \(Killed\)")


tap.run(main)

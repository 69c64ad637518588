#!/usr/bin/env -S python3 -B
"""Probes: a build that has them has all of base/probe.h, and bpftrace's examples see what happens."""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, config, equal, holds, patience, scratch, tap, true, wait_until
from adit_test.checks import Failed
from adit_test.clients import works
from adit_test.gateway import TOP, binary, sanitized
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd


def built_in():
    with open(os.path.join(os.environ.get("ADIT_BUILDDIR", os.path.join(TOP, "build")),
                           "config.status"), encoding="ascii", errors="replace") as status:
        return "ADIT_PROBES" in status.read()


def in_the_program():
    with open(os.path.join(TOP, "src", "base", "probe.h"), encoding="ascii") as header:
        names = re.findall(r"^ +PROBE_\d\((\w+)|^#define probe_\w+\(.*\) PROBE_\d\((\w+)", header.read(),
                           re.M)
    notes = subprocess.run(["readelf", "--notes", "--wide", binary()], capture_output=True, text=True,
                           timeout=patience(60), check=True).stdout
    found = re.findall(r"Provider: adit\s+Name: (\w+)", notes)
    true(len(names) >= 8, f"names in the header: {names}")
    equal(sorted(set(found)), sorted(a or b for a, b in names), "the probes")


def tracing():
    """Whether bpftrace can run here, for programs of this build."""
    if os.geteuid() != 0 or sanitized() or shutil.which("bpftrace") is None:
        return False
    return subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=patience(60), check=False).returncode == 0


class Trace:
    """One of contrib/bpftrace at work, with what it prints in a file."""

    def __init__(self, name, adit):
        self.path = scratch(f"{name}.out")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                ["bpftrace", os.path.join(TOP, "contrib", "bpftrace", f"{name}.bt"), "-p",
                 str(adit.gateway)], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        wait_until(lambda: "Attaching" in self.text(), f"{name} is attached", 60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def text(self):
        with open(self.path, encoding="utf-8", errors="replace") as out:
            return out.read()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(patience(60))
        return self.text()


def seen_by_bpftrace(sshd):
    """(bpftrace says that it attaches before it has: what happens is made to happen until it shows.)"""
    with Origin(echo) as origin, Adit(config(sshd)) as adit:
        adit.sessions_up(1)

        def connections(trace):
            return works(adit.address, origin) and re.search(r"@outcomes\[ok\]: [1-9]", trace.text())

        def sessions(trace):
            def shown():
                return re.search(
                    r"office/\d+: lost: [^\n]+\n(.*\n)*.*office/\d+: login at \S+ begins\n"
                    r"(.*\n)*.*office/\d+: login ended: ok\n"
                    r"(.*\n)*.*office/\d+: up\n", trace.text())

            mark = adit.mark()
            for pid in sshd.sessions():
                sshd.kill_session(pid)
            adit.sessions_up(1, since=mark)
            try:  # (A session that is killed again and again is dialled ever more rarely.)
                return wait_until(shown, "it shows them", 5)
            except Failed:
                return False

        with tap.case("contrib/bpftrace/connections.bt"):
            with Trace("connections", adit) as trace:
                wait_until(lambda: connections(trace), "it counts connections", 60)
                holds(r"@open_us\[1\]:", trace.end(), "what it prints at the end")
        with tap.case("contrib/bpftrace/sessions.bt"):
            with Trace("sessions", adit) as trace:
                wait_until(lambda: sessions(trace), "it shows the next session after a loss", 120)
                holds(r"@login_ms\[ok\]:", trace.end(), "what it prints at the end")


def main():
    if not built_in():
        tap.leave_out("all probes are in the program", "built without sys/sdt.h")
        return
    with tap.case("all probes are in the program"):
        in_the_program()
    if tracing():
        with Sshd() as sshd:
            seen_by_bpftrace(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""Every keyword of ssh_config(5) is in a class (t/lib/ssh_options.table), and adit does with it
what the class says; so does its manual."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import certify, equal, holds, keypair, run_adit, scratch, tap, true
from adit_test.gateway import TOP, environment
from adit_test.sshd import version
from adit_test.ssh_options import CLASSES, manual, read

def ssh_that_says(line):
    """A directory for PATH with an ssh whose -G says that, too, as a newer one would."""
    directory = scratch("bin")
    os.mkdir(directory)
    path = os.path.join(directory, "ssh")
    with open(path, "w", encoding="ascii") as script:
        script.write(f"""#!/bin/sh
PATH=${{PATH#*:}} ssh "$@" || exit
for host; do :; done
[ "$host" != h ] || echo '{line}'
""")
    os.chmod(path, 0o755)
    return directory


class Runs:
    """--dump with and without a row's value."""

    def __init__(self):
        authority = keypair("authority")
        self.key = keypair("key")
        self.words = {"key": self.key, "cert": certify(authority, self.key, "me"),
                      "included": scratch("included", "User included\n")}
        self.plain = run_adit("--dump", "-F", "none", "h")

    def expand(self, text):
        for word, value in self.words.items():
            text = text.replace(f"{{{word}}}", value)
        return text

    def of(self, row):
        """adit --dump with it; None: the installed ssh refuses it, and none can stand in."""
        value = self.expand(row.value)
        if "\\n" in value:
            if not row.known_to(version()):
                return None
            return run_adit("--dump", "-F", scratch("ssh_config", value.replace("\\n", "\n")), "h")
        if row.known_to(version()):
            return run_adit("--dump", "-F", "none", "-o", f"{row.keyword}={value}", "h")
        if row.kind == "error":
            return None
        path = ssh_that_says(f"{row.keyword.lower()} {value}") + ":" + os.environ["PATH"]
        return run_adit("--dump", "-F", "none", "h", env=environment(PATH=path))

    def check(self, row):
        done = self.of(row)
        if done is None:
            return
        if row.kind == "error":
            # (78 is adit's own, 255 that of the ssh that it asks.)
            true(done.returncode in (78, 255), f"the exit status {done.returncode}")
            holds(row.result, done.stderr, "what it says")
            return
        result = self.expand(row.result)
        if row.keyword in ("ClearAllForwardings", "ForkAfterAuthentication"):
            return  # (no key: t/e2e/as_ssh_command_line.t, t/e2e/background.t)
        equal(done.returncode, 0, f"the exit status ({done.stderr!r})")
        if row.kind in ("obeyed", "by-ssh"):
            lines = done.stdout.splitlines()
            true(any(re.fullmatch(result, line) for line in lines), f"{result} in {done.stdout}")
            true(not any(re.fullmatch(result, line) for line in self.plain.stdout.splitlines()),
                 f"{result} is not in what --dump prints without it")
            equal(done.stderr, "", "standard error")
        else:
            equal(done.stdout, self.plain.stdout, "--dump, as it is without it")
            if row.kind == "warned":
                equal(len(done.stderr.splitlines()), 1, f"the lines of {done.stderr!r}")
                holds(result, done.stderr, "what it says")
            else:
                equal(done.stderr, "", "standard error")


def table(rows):
    with tap.case("the table: each keyword once, in a class"):
        names = [row.keyword.lower() for row in rows]
        equal(sorted(set(names)), sorted(names), "the keywords")
        for row in rows:
            true(row.kind in CLASSES, f"{row.keyword}: the class {row.kind}")
    words = manual()
    name = "every keyword of the installed ssh_config(5) is in the table"
    if words is None:
        tap.leave_out(name, "there is no ssh_config(5) on this machine")
    else:
        with tap.case(name):
            true(len(words) > 80, f"{len(words)} keywords")
            equal([word for word in words if word.lower() not in names], [], "those that are not")
    with tap.case("every keyword that the installed ssh -G prints is in the table"):
        printed = subprocess.run(["ssh", "-G", "-F", "none", "h"], check=True, capture_output=True,
                                 encoding="utf-8", stdin=subprocess.DEVNULL).stdout
        equal([line for line in printed.splitlines()
               if line.split()[0].lower() not in names], [], "those that are not")


def pages(rows):
    """adit(8) names each keyword under its class."""
    with open(os.path.join(os.environ.get("ADIT_SRCDIR", TOP), "doc", "adit.8"),
              encoding="utf-8") as page:
        text = page.read()
    text = text[text.index(".Sh SSH CONFIGURATION"):text.index(".Sh DIFFERENCES")]
    with tap.case("adit(8) names every keyword"):
        equal([row.keyword for row in rows
               if not re.search(rf"^\.Cm {row.keyword}\b", text, re.MULTILINE)], [],
              "those that are not in it")


def main():
    rows = read()
    table(rows)
    runs = Runs()
    for row in rows:
        with tap.case(f"{row.keyword}: {row.kind}"):
            runs.check(row)
    pages(rows)


tap.run(main)

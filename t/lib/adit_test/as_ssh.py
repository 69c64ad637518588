"""The same files, the same command line and the same server for ssh and for adit: what each asks,
what the server sees of it, how it ends."""

import re
import socket
import subprocess
import threading
import time

from .checks import equal, false
from .gateway import REPORT, binary, environment, sanitized
from .net import ANY
from .process import patience, scratch, wait_until, workdir

PROGRAMS = ("ssh", "adit")


class Silence:
    """A listener that closes each connection at once: a -W to it has come, and is over."""

    def __init__(self):
        self.socket = socket.create_server((ANY, 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            self.socket.accept()[0].close()


class Askpass:
    """A program for SSH_ASKPASS that gives these answers, one a question, and fails after the last;
    `asked` are the questions."""

    def __init__(self, answers):
        self.answers = scratch("answers", "".join(f"{answer}\n" for answer in answers))
        self.note = scratch("asked", "")
        self.program = scratch("askpass", f"""#!/bin/sh
printf '%s\\037' "$1" >>{self.note}
IFS= read -r answer <{self.answers} || exit 1
sed -i 1d {self.answers}
printf '%s\\n' "$answer"
""", 0o755)

    @property
    def asked(self):
        with open(self.note, encoding="utf-8") as note:
            return note.read().split("\037")[:-1]


class Result:
    """How one program's login ended."""

    def __init__(self, done, asked, seconds):
        self.status = done.returncode
        self.said = done.stderr
        self.output = done.stdout
        self.asked = asked
        self.seconds = seconds
        self.seen = None  # what the server's log says: see events()

    @property
    def came(self):
        return self.status == 0


def events(lines):
    """What a server saw: "publickey SHA256:... failed" and so on, in order. A key that the server
    was asked about and then got a signature of is one event, however it was asked about."""
    found = []
    for line in lines:
        match = re.search(r"\b(Accepted|Failed|Partial) (\S+) for .* ssh2(?:: (.*?))?"
                          r"(?: \[preauth\])?$", line)
        if match and match[2] != "none":
            key = re.search(r"SHA256:\S+(?: ID .*)?", match[3] or "")
            found.append(" ".join(filter(None, (match[2].split("/")[0], key and key[0],
                                                match[1].lower()))))
    return found


def call(program, words, answers=(), cwd=None, seconds=60, data="", **variables):
    """Runs ssh's command line to its end, with a program that answers its questions. `data`: what
    stands on its standard input."""
    askpass = Askpass(answers)
    began = time.monotonic()
    done = subprocess.run(
        [binary() if program == "adit" else program, *words], input=data,
        capture_output=True, check=False, cwd=cwd or workdir(), timeout=patience(seconds),
        encoding="utf-8", errors="backslashreplace",
        env=environment(SSH_ASKPASS=askpass.program, SSH_ASKPASS_REQUIRE="force", **variables))
    false(REPORT.search(done.stderr), f"a sanitiser's report:\n{done.stderr}")
    return Result(done, askpass.asked, time.monotonic() - began)


def login(program, sshd, silence, *options, keys=None, words=(), answers=(), **variables):
    """A login by -W at an Sshd. `keys`: those of -i, its own where nothing is said. `options`:
    "Keyword=value"."""
    keys = [sshd.user_key] if keys is None else keys
    since = sshd.process.mark() if sshd.process else 0
    # (The first value of an option counts.)
    usual = (f"UserKnownHostsFile={sshd.known_hosts}", "GlobalKnownHostsFile=/dev/null",
             "UpdateHostKeys=no", "ConnectTimeout=20")
    result = call(program, ["-F", "none", *words, "-p", str(sshd.port), *(
        word for key in keys for word in ("-i", key)), *(
        word for option in (*options, *usual) for word in ("-o", option)),
        "-W", f"{ANY}:{silence.port}", f"{sshd.user}@{sshd.address}"], answers, **variables)
    if sshd.process:
        wait_until(lambda: not sshd.sessions(), "the end of the server's session")
        sshd.process.settle()
        result.seen = events(sshd.process.lines[since:])
    return result


def side_by_side(*arguments, differs=(), **keys):
    """One login by each program: {program: Result}; raises where they are not alike. `differs`
    names what the manual says is not alike: "asked", "seen"."""
    results = {program: login(program, *arguments, **keys)
               for program in (PROGRAMS if not sanitized() else ("adit",))}
    adit = results["adit"]
    ssh = results.get("ssh", adit)
    equal(adit.came, ssh.came, f"a login by adit, as by ssh (adit: {adit.said!r}, ssh: "
                               f"{ssh.said!r})")
    equal(adit.status, ssh.status, f"adit's exit status, as ssh's ({adit.said!r})")
    if "asked" not in differs:
        equal(adit.asked, ssh.asked, "adit's questions, as ssh's")
    if "seen" not in differs:
        equal(adit.seen, ssh.seen, "what the server saw of adit, as of ssh")
    return adit, ssh


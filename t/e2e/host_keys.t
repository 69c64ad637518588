#!/usr/bin/env -S python3 -B
"""Host keys: adit and ssh side by side make the same of the same files (t/lib/known_hosts.table),
and what happens when a file cannot be read, or is written by two at once."""

import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, fingerprint, holds, keypair, run_adit,
                       scratch, tap, true, wait_until)
from adit_test.gateway import REPORT, binary, environment, sanitized
from adit_test.keys import known_hosts_lines, public
from adit_test.known_hosts import Expansion, read
from adit_test.process import patience
from adit_test.server import Server
from adit_test.sshd import Sshd, version

KINDS = {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256"}
MODES = ("yes", "accept-new", "ask")
SANITIZED = sanitized()
PASSWORD = "the tunnel's password"
PASSWORDS = {"PubkeyAuthentication": "no", "KbdInteractiveAuthentication": "no"}


class Servers:
    """An sshd for each `server` of the table. All of them have the same key of a type."""

    def __init__(self):
        self.keys = {kind: keypair(f"host_{kind}", kind=kind) for kind in KINDS}
        # A tunnel to it has come, and is over.
        self.silence = Server(lambda conn: conn.close())
        one = Sshd(host_key=self.keys["ed25519"])
        self.sshds = {"ed25519": one}
        for name, kinds in {"rsa": ["rsa"], "ecdsa": ["ecdsa"], "all": list(KINDS)}.items():
            self.sshds[name] = Sshd(host_key=self.keys["ed25519"], user_key=one.user_key, options={
                "HostKey": [self.keys[kind] for kind in kinds]})
        authority = keypair("authority")
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-h", "-I", "x", "-n", "h",
                        f"{self.keys['ed25519']}.pub"], check=True)
        with open(f"{self.keys['ed25519']}-cert.pub", encoding="ascii") as certificate:
            self.certificate = " ".join(certificate.read().split()[:2])

    def expansion(self, keys, server):
        own = {kind: " ".join(public(key).split()[:2]) for kind, key in self.keys.items()}
        sshd = self.sshds[server]
        return Expansion(keys, sshd.address, sshd.port, own, self.certificate)


def askpass():
    """A program that says yes, and the file that it notes this in."""
    note = scratch("asked")
    return scratch("askpass", f"#!/bin/sh\necho \"$1\" >>{note}\necho yes\n", 0o755), note


class Outcome:
    """What became of one login: whether it was one, whether somebody was asked about the key, and
    what is in the file afterwards."""

    def __init__(self, program, mode, sshd, to, files, alias=None, more=()):
        paths = [scratch("known_hosts", text) for text in files]
        self.first = paths[0]
        program_path, note = askpass()
        # (The last of several files is the system's.)
        user, system = (paths[:-1], paths[-1]) if len(paths) > 1 else (paths, "/dev/null")
        options = [
            "UserKnownHostsFile=" + " ".join(f'"{path}"' for path in user),
            f'GlobalKnownHostsFile="{system}"', f"StrictHostKeyChecking={mode}",
            "HashKnownHosts=no", "IdentitiesOnly=yes", "UpdateHostKeys=no",
            *([f"HostKeyAlias={alias}"] if alias else []), *more]
        self.done = subprocess.run(
            [program, "-F", "none", "-p", str(sshd.port), "-i", sshd.user_key,
             *(word for option in options for word in ("-o", option)),
             "-W", f"{ANY}:{to}", f"{sshd.user}@{sshd.address}"],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=patience(60),
            env=environment(SSH_ASKPASS=program_path, SSH_ASKPASS_REQUIRE="force"),
            encoding="utf-8", errors="backslashreplace")
        self.said = self.done.stderr
        false(REPORT.search(self.said), self.said)
        self.came = self.done.returncode == 0
        self.asked = os.path.exists(note)
        with open(self.first, "rb") as source:
            self.left = source.read()


def expected(verdict, mode):
    """Whether there is a login, and whether somebody is asked first."""
    came = verdict == "match" or (verdict == "unknown" and mode != "yes")
    return came, verdict == "unknown" and mode == "ask"


def check(case, mode, servers, keys):
    """Runs one case with both programs; returns what is wrong, as lines."""
    sshd = servers.sshds[case.server]
    expansion = servers.expansion(keys, case.server)
    files = [expansion.file(text, case.server) for text in case.files]
    wrong = []
    left = {}
    programs = [(binary(), case.verdict)]
    if not SANITIZED:
        programs.insert(0, ("ssh", case.verdict_of_ssh(version())))
    for program, verdict in programs:
        outcome = Outcome(program, mode, sshd, servers.silence.port, files, case.alias)
        came, asked = expected(verdict, mode)
        if (outcome.came, outcome.asked) != (came, asked):
            wrong.append(f"{case.name}: {os.path.basename(program)} with {mode}: "
                         f"{'a' if outcome.came else 'no'} login, "
                         f"{'' if outcome.asked else 'not '}asked, but the table says {verdict}: "
                         f"{outcome.said!r}")
        left[program] = outcome.left
    # What both write is the same, where adit writes (no patterns) and ssh begins a line of its own.
    same = not SANITIZED and case.ssh is None and case.ssh10 is None and not re.search("[*]", case.alias or "") and \
        (not files[0] or files[0].endswith(b"\n"))
    if same and left["ssh"] != left[binary()]:
        wrong.append(f"{case.name}: with {mode} ssh left {left['ssh'][-300:]!r}, "
                     f"adit {left[binary()][-300:]!r}")
    return wrong


def side_by_side(servers):
    """(A sanitizer makes no other verdicts: there it is about memory only, and adit alone.)"""
    keys, cases = read()
    with ThreadPoolExecutor(4) as pool:
        for mode in MODES if not SANITIZED else ("accept-new",):
            with tap.case(f"StrictHostKeyChecking {mode}: {len(cases)} cases", 900):
                wrong = [line for lines in pool.map(lambda case: check(case, mode, servers, keys),
                                                    cases) for line in lines]
                for line in wrong:
                    tap.diag(line)
                true(len(cases) >= 100, "a hundred cases")
                equal(len(wrong), 0, "how many differ")


class Place:
    """One sshd, and `adit -W` to it with any files."""

    def __init__(self, servers):
        self.sshd = servers.sshds["ed25519"]
        self.to = servers.silence.port
        self.key = self.sshd.host_key
        self.line = known_hosts_lines(self.key, (self.sshd.address, self.sshd.port))
        self.other_key = keypair("other_host_key")
        self.other = known_hosts_lines(self.other_key, (self.sshd.address, self.sshd.port))

    def command(self, known, mode="accept-new", *options):
        """adit's words. known: a path, or a text for a UserKnownHostsFile."""
        words = [f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=none",
                 f"StrictHostKeyChecking={mode}", "IdentitiesOnly=yes", "HashKnownHosts=no"]
        # (The first value of an option counts.)
        return [binary(), "-F", "none", "-p", str(self.sshd.port), "-i", self.sshd.user_key,
                *(word for option in (*options, *words) for word in ("-o", option)),
                "-W", f"{ANY}:{self.to}", f"{self.sshd.user}@{self.sshd.address}"]

    def run(self, known, mode="accept-new", *options, before=None, **variables):
        done = subprocess.run(
            self.command(known, mode, *options), stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=patience(60), env=environment(**variables), preexec_fn=before,
            encoding="utf-8", errors="backslashreplace")
        false(REPORT.search(done.stderr), done.stderr)
        return done

    def comes(self, *arguments, **keys):
        done = self.run(*arguments, **keys)
        equal(done.returncode, 0, f"the exit status (it said {done.stderr!r})")
        return done

    def refused(self, *arguments, says, **keys):
        done = self.run(*arguments, **keys)
        equal(done.returncode, 255, f"the exit status (it said {done.stderr!r})")
        for pattern in says:
            holds(pattern, done.stderr, "what it says")
        return done


def content(path):
    with open(path, encoding="utf-8") as source:
        return source.read()


def unreadable(place):
    directory = scratch("directory")
    os.mkdir(directory)
    fifo = scratch("fifo")
    os.mkfifo(fifo)
    below = scratch("file", "") + "/known_hosts"
    loop = scratch("loop")
    os.symlink(loop, loop)
    for what, path, why in (("a directory", directory, "Is a directory"),
                            ("a FIFO", fifo, "Neither a regular file nor a device"),
                            ("below a file", below, "Not a directory"),
                            ("a loop of links", loop, "symbolic links")):
        for mode in ("yes", "accept-new"):
            with tap.case(f"{mode}: a known_hosts file that is {what} is a failure"):
                place.refused(path, mode, says=[f"known_hosts file {re.escape(path)} cannot be "
                                                f"read: .*{why}"])
        with tap.case(f"a global file that is {what} is one, too, whatever the user's says"):
            place.refused(scratch("known_hosts", place.line), "yes",
                          f"GlobalKnownHostsFile={path}", says=[re.escape(path), why])
    name = "a known_hosts file that may not be read is a failure"
    if os.geteuid() == 0:
        tap.leave_out(name, "root may read everything")
    else:
        with tap.case(name):
            path = scratch("known_hosts", place.line, 0)
            place.refused(path, says=[f"{re.escape(path)} cannot be read: Permission denied"])
    with tap.case("a missing file is none: strict"):
        place.refused(scratch("none"), "yes", says=["is not known"])


def descriptors(place):
    """An impostor comes in at no number of descriptors that are left."""
    with tap.case("no descriptor is left for known_hosts: an impostor is refused", 600):
        known = scratch("known_hosts", place.other)
        said = []
        for limit in range(6, 40):
            def before(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            done = place.run(known, before=before)
            equal(done.returncode != 0, True, f"no login with {limit} descriptors")
            equal(content(known), place.other, f"the file, with {limit} descriptors")
            said.append(done.stderr)
        holds("has changed", said[-1], "with enough of them")
    with tap.case("the same while adit runs, and its server's place is taken by an impostor", 900):
        for extra in (-3, 0, 3):
            impostor(extra, False)
        said = [impostor(extra, True) for extra in range(-3, 6)]
        true(any("known_hosts cannot be read: Too many open files" in text for text in said),
             f"that it was this file: {said}")


def impostor(extra, keeper):
    """A gateway, or a keeper, with so many descriptors left when its server's place is taken by an
    impostor, who would take the password that is kept. Returns adit's log from then on."""
    says = scratch("askpass", f"#!/bin/sh\necho \"{PASSWORD}\"\n", 0o755)
    sshd = Sshd(password=PASSWORD, options=PASSWORDS)
    text = config(sshd, up={"host_key": "accept-new", "askpass": says, "identity": None})
    with sshd, Adit(text, name=f"adit, {extra} left") as adit:
        adit.sessions_up(1)
        since = adit.mark()
        process = adit.pid if keeper else adit.gateway
        highest = max(int(fd) for fd in os.listdir(f"/proc/{process}/fd"))
        limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
        sshd.stop()
        resource.prlimit(process, resource.RLIMIT_NOFILE, (highest + extra, limits[1]))
        with Sshd(port=sshd.port, host_key=keypair("impostor"), password=PASSWORD,
                  options=PASSWORDS) as other:
            adit.wait_log(r"has changed|[Tt]oo many open files|no descriptors", since)
            resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
            adit.wait_log("has changed", since)
            false(other.process.find("^Accepted "), f"a login at the impostor, {extra} left")
        equal(content(sshd.known_hosts), known_hosts_lines(
            sshd.host_key, (sshd.address, sshd.port)), "the known_hosts file")
        return adit.text(since)


def revocations(place):
    plain = scratch("revoked", f"# stolen\n{public(place.other_key)}\n{public(place.key)}\n")
    others = scratch("revoked_others", f"\n{public(place.other_key)}\n# no more\n")
    krls = []
    for key in (place.key, place.other_key):
        krls.append(scratch("krl"))
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", krls[-1], f"{key}.pub"], check=True)
    with open(krls[0], "rb") as source:
        half = scratch("krl_half", source.read()[:60])
    garbage = scratch("garbage", "this is no key\n")
    nowhere = scratch("none")
    known = scratch("known_hosts", place.line)
    cases = [
        ("a plain list with the key", plain, [rf"REVOKED by {re.escape(plain)}:3\b"]),
        ("a key revocation list with the key", krls[0], [f"REVOKED by {re.escape(krls[0])}"]),
        ("a file that does not exist", nowhere, [re.escape(nowhere), "No such file"]),
        ("a directory", os.path.dirname(plain), ["Is a directory"]),
        ("a file that is no list of keys", garbage, [rf"{re.escape(garbage)}:1\b"]),
        ("half a key revocation list", half, [re.escape(half), "not understood"]),
    ]
    for what, path, says in cases:
        for mode in ("yes", "no"):
            with tap.case(f"RevokedHostKeys, {mode}: {what}: refused"):
                place.refused(known, mode, f"RevokedHostKeys={path}", says=says)
    for what, path in (("none", "none"), ("a plain list of other keys", others),
                       ("a key revocation list of other keys", krls[1]),
                       ("an empty list", scratch("empty", ""))):
        with tap.case(f"RevokedHostKeys: {what}: a login"):
            place.comes(known, "yes", f"RevokedHostKeys={path}")
    with tap.case("RevokedHostKeys: an unknown key that is revoked is not written down"):
        fresh = scratch("known_hosts")
        place.refused(fresh, "accept-new", f"RevokedHostKeys={plain}", says=["REVOKED"])
        false(os.path.exists(fresh), "that there is a file")
    with tap.case("RevokedHostKeys: a key revocation list, and no ssh-keygen: refused"):
        tools = scratch("bin")
        os.mkdir(tools)
        os.symlink(shutil.which("ssh"), os.path.join(tools, "ssh"))
        place.refused(known, "yes", f"RevokedHostKeys={krls[1]}", PATH=tools,
                      says=["ssh-keygen", "cannot be run: No such file"])
    with tap.case("RevokedHostKeys: a key revocation list, and ssh-keygen is killed: refused"):
        tools = scratch("bin")
        os.mkdir(tools)
        with open(os.path.join(tools, "ssh-keygen"), "w", encoding="ascii") as script:
            script.write("#!/bin/sh\nkill -9 $$\n")
        os.chmod(script.name, 0o755)
        place.refused(known, "yes", f"RevokedHostKeys={krls[1]}",
                      PATH=f"{tools}:{os.environ['PATH']}",
                      says=[rf"ssh-keygen -Q -f {re.escape(krls[1])} was killed by signal 9"])
    with tap.case("adit is started with SIGCHLD ignored: ssh -G and ssh-keygen are understood"):
        place.comes(known, "yes", f"RevokedHostKeys={krls[1]}",
                    before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    pin = fingerprint(place.key)
    revoked = scratch("known_hosts", f"@revoked * {' '.join(public(place.key).split()[:2])}\n")
    for what, keys in (("a plain list", {"revoked_host_keys": plain}),
                       ("a key revocation list", {"revoked_host_keys": krls[0]}),
                       ("@revoked in the second file", {"known_hosts": f"{known}, {revoked}"})):
        with tap.case(f"a pinned key that is revoked by {what}: refused"), \
                Adit(config(place.sshd, up={"host_key": pin, **keys}), ready=False) as adit:
            adit.wait_log("REVOKED by ")
            false(adit.find("session 0 up"), "a session")
    with tap.case("--check names a revoked_host_keys file that is not there"):
        done = run_adit("--check", "--config", scratch("adit.ini", config(
            place.sshd, up={"revoked_host_keys": nowhere})))
        equal(done.returncode, 78, "the exit status")
        holds(f"revoked_host_keys.*{re.escape(nowhere)}", done.stderr, "what it says")


def writing(place):
    with tap.case("a last line without an end is left alone"):
        known = scratch("known_hosts", "# no end")
        place.comes(known)
        equal(content(known), f"# no end\n{place.line}", "the file")
        place.comes(known, "yes")
    with tap.case("a new file is the owner's alone"):
        known = scratch("known_hosts")
        place.comes(known)
        equal(content(known), place.line, "the file")
        equal(oct(os.stat(known).st_mode & 0o777), "0o600", "its mode")
    with tap.case("a new directory, too"):
        known = os.path.join(scratch("ssh"), "known_hosts")
        place.comes(known)
        equal(oct(os.stat(os.path.dirname(known)).st_mode & 0o777), "0o700", "its mode")
        equal(oct(os.stat(known).st_mode & 0o777), "0o600", "the file's mode")
    with tap.case("an old file keeps its mode"):
        known = scratch("known_hosts", "", 0o644)
        place.comes(known)
        equal(oct(os.stat(known).st_mode & 0o777), "0o644", "its mode")
    with tap.case("HashKnownHosts: the name is hashed, and ssh-keygen and ssh find it"):
        known = scratch("known_hosts", "# no end")
        place.comes(known, "accept-new", "HashKnownHosts=yes")
        holds(r"^# no end\n\|1\|\S+\|\S+ ssh-ed25519 \S+\n$", content(known), "the file")
        found = subprocess.run(["ssh-keygen", "-F", f"[{place.sshd.address}]:{place.sshd.port}",
                                "-f", known], capture_output=True, text=True, check=False)
        equal(found.returncode, 0, "what ssh-keygen says of it")
        place.comes(known, "yes")
    with tap.case("a path with blanks and a comma"):
        directory = scratch("a, b  c")
        os.mkdir(directory)
        known = os.path.join(directory, "known hosts")
        shutil.copy(scratch("known_hosts", place.line), known)
        place.comes(f'"{known}"', "yes")
        place.comes(f'"{known}" {scratch("none")}', "yes")
    for what, path in (("a star", "*.example"), ("a question mark", "h?.example")):
        with tap.case(f"an alias with {what} in it is not written"):
            known = scratch("known_hosts", "")
            done = place.comes(known, "accept-new", f"HostKeyAlias={path}")
            equal(content(known), "", "the file")
            holds("cannot be stored", done.stderr, "what it says")
    with tap.case("an alias with tokens and an at sign is the name as it stands"):
        known = scratch("known_hosts", "")
        place.comes(known, "accept-new", "HostKeyAlias=a%n@b")
        equal(content(known), f"a%n@b {' '.join(public(place.key).split()[:2])}\n", "the file")


def at_once(place):
    """Many at once: one line; and nothing of what they wrote is mixed up."""
    with tap.case("ten processes write the same key at once: one line"):
        known = scratch("known_hosts", "# no end")
        run_many([place.command(known) for _ in range(10)])
        equal(content(known), f"# no end\n{place.line}", "the file")
    with tap.case("ten processes write other names at once: ten lines"):
        known = scratch("known_hosts")
        run_many([place.command(known, "accept-new", f"HostKeyAlias=h{i}") for i in range(10)])
        equal(sorted(content(known).splitlines()),
              sorted(f"h{i} {' '.join(public(place.key).split()[:2])}" for i in range(10)),
              "the lines")
    with tap.case("what another program writes while a person is asked counts"):
        known = scratch("known_hosts", "")
        script = scratch("askpass", f"#!/bin/sh\nprintf '%s' '{place.other}' >>{known}\n"
                         "echo yes\n", 0o755)
        place.refused(known, "ask", SSH_ASKPASS=script, SSH_ASKPASS_REQUIRE="force",
                      says=[rf"not accepted: {re.escape(known)}:1\b"])
        equal(content(known), place.other, "the file")
    with tap.case("a file that another program puts in place while the lock is waited for counts"):
        known, asked = scratch("known_hosts", ""), scratch("asked")
        script = scratch("askpass", f"#!/bin/sh\n>{asked}\necho yes\n", 0o755)
        with open(known, "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            child = subprocess.Popen(
                place.command(known, "ask"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
                env=environment(SSH_ASKPASS=script, SSH_ASKPASS_REQUIRE="force"))
            wait_until(lambda: os.path.exists(asked) and known in open_files(child.pid),
                       "it waits for the lock")
            os.replace(scratch("replacement", place.other), known)
        said = child.communicate(timeout=patience(60))[1]
        equal(child.returncode, 255, f"the exit status (it said {said!r})")
        holds(rf"not accepted: {re.escape(known)}:1\b", said, "what it says")
    with tap.case("a lock that is held for ever: the answer holds, and it is said"):
        known = scratch("known_hosts", "")
        with open(known, "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = place.comes(known)
        equal(content(known), "", "the file")
        holds(rf"cannot be stored in {re.escape(known)}: no lock", done.stderr, "what it says")


def open_files(pid):
    paths = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            paths.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:  # closed meanwhile
            pass
    return paths


def run_many(commands):
    children = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, env=environment(), text=True)
                for command in commands]
    for child in children:
        said = child.communicate(timeout=patience(60))[1]
        equal(child.returncode, 0, f"the exit status (it said {said!r})")


def algorithms(servers):
    """HostKeyAlgorithms +more is still ordered by the keys that are known; a list of one's own is
    not."""
    place = Place(servers)
    place.sshd = servers.sshds["all"]
    known = scratch("known_hosts", known_hosts_lines(
        servers.keys["rsa"], (place.sshd.address, place.sshd.port)))
    with tap.case("HostKeyAlgorithms=+ssh-rsa: the known type goes first"):
        place.comes(known, "yes", "HostKeyAlgorithms=+ssh-rsa")
    with tap.case("HostKeyAlgorithms=-ssh-dss,ecdsa-sha2-nistp521: it does, too"):
        place.comes(known, "yes", "HostKeyAlgorithms=-ssh-dss,ecdsa-sha2-nistp521")
    with tap.case("HostKeyAlgorithms=ssh-ed25519,rsa-sha2-512: it does not"):
        place.refused(known, "yes", "HostKeyAlgorithms=ssh-ed25519,rsa-sha2-512",
                      says=["has changed"])


def main():
    servers = Servers()
    place = Place(servers)
    unreadable(place)
    descriptors(place)
    revocations(place)
    writing(place)
    at_once(place)
    algorithms(servers)
    side_by_side(servers)


tap.run(main)

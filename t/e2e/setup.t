#!/usr/bin/env -S python3 -B
"""The first minute: adit alone, --passwd and --init, as a person types them and as a script does."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, patience, run_adit,
                       scratch, tap, true, wait_until)
from adit_test.clients import works
from adit_test.command import ssh_config
from adit_test.gateway import binary, environment
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal


def at_terminal(*words, **variables):
    return Terminal([binary(), *words], environment(**variables))


def alone():
    with tap.case("adit alone at a terminal says what to type"), at_terminal() as terminal:
        equal(terminal.wait(), 64, "the exit status")
        for line in ("adit user@server                  a SOCKS and HTTP proxy on 127.0.0.1:1080"
                     " through server", "adit --init adit.ini", "adit --config adit.ini",
                     "adit --help"):
            true(f"  {line}" in terminal.text, f"{line}: {terminal.text}")
    with tap.case("adit alone without a terminal is an error of one line"):
        done = run_adit()
        equal((done.returncode, done.stdout), (64, ""), "the exit status and the output")
        holds(r"^adit: a host is missing: [^\n]*\n$", done.stderr, "the line")


# ---- --passwd

def passwd(file, user, line, limit=None):
    """With a password from standard input."""
    command = [binary(), "--passwd", file, user]
    if limit:
        command = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *command]
    return subprocess.run(command, input=line, capture_output=True, text=True, check=False,
                          env=environment(), timeout=patience(60))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def mode(path):
    return os.stat(path).st_mode & 0o7777


def passwords(sshd, origin):
    file = scratch("users")
    with tap.case("--passwd makes a file that only its owner can read"):
        done = passwd(file, "alice", "first\n")
        equal((done.returncode, done.stdout), (0, ""), "the exit status and the output")
        true(f"adit: {file}: alice is added\n" in done.stderr, done.stderr)
        equal(mode(file), 0o600, "the mode")
        holds(r"^alice:\$y\$[^:\n]+\n$", read(file), "the line")
    with tap.case("--passwd: another user, and the mode that was set stays"):
        os.chmod(file, 0o640)
        equal(passwd(file, "bob", "of bob").returncode, 0, "the exit status")
        equal((mode(file), len(read(file).splitlines())), (0o640, 2), "the mode and the lines")
        if os.geteuid() == 0:
            os.chown(file, 1, 2)
            equal(passwd(file, "bob", "of bob\n").returncode, 0, "the exit status")
            status = os.stat(file)
            equal((status.st_uid, status.st_gid, mode(file)), (1, 2, 0o640), "the owner")
            os.chown(file, 0, 0)
    with tap.case("--passwd changes a password, which a gateway takes at its next reload"):
        with Adit(config(sshd, at={"auth": "password", "users": file})) as adit:
            true(works(adit.address, origin, credentials=("alice", "first")), "the first one")
            done = passwd(file, "alice", "second\r\n")
            holds("the password of alice is changed", done.stderr, "what is told")
            adit.wait_log("reloaded", adit.reload())
            true(works(adit.address, origin, credentials=("alice", "second")), "the second one")
            true(works(adit.address, origin, "http", credentials=("bob", "of bob")), "that of bob")
    with tap.case("--passwd through a symbolic link changes the file, not the link"):
        link = scratch("link")
        os.symlink(file, link)
        equal(passwd(link, "carol", "c\n").returncode, 0, "the exit status")
        true(os.path.islink(link) and "carol:" in read(file), "link and file")
    with tap.case("--passwd by many at once loses none"):
        crowd = scratch("crowd")
        running = [subprocess.Popen([binary(), "--passwd", crowd, f"user{i}"], stdin=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, env=environment())
                   for i in range(12)]
        for process in running:
            process.stdin.write(b"x\n")
            process.stdin.close()
        equal([process.wait(patience(60)) for process in running], [0] * 12, "exit statuses")
        equal(sorted(line.split(":")[0] for line in read(crowd).splitlines()),
              sorted(f"user{i}" for i in range(12)), "the users")


def wrong_passwords():
    file = scratch("users", "old:line\n", 0o600)
    for what, user, line, status, says in [
            ("an empty password", "alice", "\n", 1, "the password is empty"),
            ("no input", "alice", "", 1, "standard input has no password"),
            ("a NUL in the password", "alice", "a\0b\n", 1, "standard input has no password"),
            ("256 bytes", "alice", "x" * 256 + "\n", 1,
             "the password has more than 255 bytes, which is what SOCKS5 can carry"),
            ("a colon in the name", "a:b", "x\n", 64, "'a:b' is no user's name: a colon"),
            ("a newline in the name", "a\nb", "x\n", 64, "it has a control character")]:
        with tap.case(f"--passwd refuses {what}, and changes nothing"):
            done = passwd(file, user, line)
            equal(done.returncode, status, "the exit status")
            holds(f"^adit: .*{says}", done.stderr, "the message")
            equal(read(file), "old:line\n", "the file")
    with tap.case("--passwd names what else a gateway will refuse in the file"):
        done = passwd(file, "alice", "x\n")
        equal(done.returncode, 0, "the exit status")
        holds(rf"(?m)^{file}:1: no hash that is accepted", done.stderr, "the line")
    with tap.case("--passwd where no file can be is an error that names it"):
        done = passwd("/nonexistent/users", "alice", "x\n")
        equal((done.returncode, done.stderr),
              (1, "adit: /nonexistent: No such file or directory\n"), "what is told")
        done = passwd(workdir_of(file), "alice", "x\n")
        equal(done.returncode, 1, "the exit status for a directory")
        holds("cannot be read", done.stderr, "the message for a directory")
    with tap.case("--passwd that cannot write leaves the file, and nothing beside it"):
        before, beside = read(file), sorted(os.listdir(workdir_of(file)))
        done = passwd(file, "alice", "x\n", limit="-f 0")
        false(done.returncode == 0, "success")
        equal(read(file), before, "the file")
        done = passwd(scratch("users", "a\0b"), "alice", "x\n")
        holds("has a NUL byte: it is no file of text", done.stderr, "the message for another file")
        left = [name for name in sorted(os.listdir(workdir_of(file))) if name not in beside]
        equal([name for name in left if not name.endswith("users")], [], "what is beside it")
    with tap.case("--passwd takes a file as large as a gateway does, and makes none that is larger"):
        comment = "#" * ((1 << 20) - 1) + "\n"
        large = scratch("users", comment * 15, 0o600)
        equal(passwd(large, "alice", "x\n").returncode, 0, "the exit status for 15 MiB")
        text = scratch("large.ini", f"[upstream a]\nhost = h\n[listen b]\naddress = 127.0.0.1:1\n"
                                    f"auth = password\nusers = {large}\n")
        equal(run_adit("--config", text, "--check").returncode, 0, "the exit status of --check")
        for size, says in ((16, "would have more than 16 MiB"), (17, "larger than 16 MiB")):
            whole = scratch("users", comment * size, 0o600)
            done = passwd(whole, "alice", "x\n")
            equal(done.returncode, 1, f"the exit status for {size} MiB")
            holds(says, done.stderr, "the message")
            equal(os.path.getsize(whole), size << 20, "the size")


def workdir_of(path):
    return os.path.dirname(path)


def typed_passwords():
    file = scratch("users")
    with tap.case("--passwd at a terminal asks twice and shows nothing"), \
            at_terminal("--passwd", file, "alice") as terminal:
        terminal.expect("Password for alice: ")
        terminal.answer("hush", echo=False)
        terminal.expect("The same again: ")
        terminal.answer("hush", echo=False)
        equal(terminal.wait(), 0, "the exit status")
        false("hush" in terminal.text, "the password is shown")
        true(terminal.echoes(), "the terminal echoes again")
        holds("^alice:", read(file), "the file")
    before = read(file)
    with tap.case("--passwd: two passwords that differ"), \
            at_terminal("--passwd", file, "alice") as terminal:
        terminal.expect("Password for alice: ")
        terminal.answer("one", echo=False)
        terminal.expect("again: ")
        terminal.answer("two", echo=False)
        equal(terminal.wait(), 1, "the exit status")
        holds("the two passwords differ: nothing was changed", terminal.text, "the message")
        equal(read(file), before, "the file")
    with tap.case("--passwd: Ctrl-C at the question leaves a terminal that echoes"), \
            at_terminal("--passwd", file, "alice") as terminal:
        terminal.expect("Password for alice: ")
        wait_until(lambda: not terminal.echoes(), "nothing is echoed")
        terminal.type("\x03")
        equal(terminal.wait(), 128 + signal.SIGINT, "the exit status")
        true(terminal.echoes(), "the terminal echoes again")
        equal(read(file), before, "the file")


# ---- --init

def begun(file, origin, **more):
    """A gateway of that file carries."""
    with Adit(read(file)) as adit:
        return works(adit.listener("proxy"), origin, **more)


def one_command(sshd, origin):
    hosts = ssh_config({"office": sshd})
    with tap.case("--init with a host asks nothing, tries it and says how to start it"):
        file, port = scratch("adit.ini"), free_port()
        done = run_adit("--init", file, "-F", hosts, "-D", str(port), "office")
        equal((done.returncode, done.stderr), (0, ""), "the exit status and standard error")
        lines = done.stdout.splitlines()
        equal(lines[0], f"{file} is written, and it works. To start it:", "the first line")
        true(f"    adit --config {file}" in lines, "the command")
        true(f"    curl --socks5-hostname 127.0.0.1:{port} https://example.com/" in lines, "curl")
        holds("systemctl (--user )?enable --now adit", done.stdout, "at boot")
        if os.geteuid() == 0:
            key = sshd.user_key
            true(f"install -o adit -g adit -m 600 {key} ~/.ssh/known_hosts /var/lib/adit/.ssh/\n"
                 in done.stdout, f"the key for the service: {done.stdout}")
            true(f"identity = ~/.ssh/{os.path.basename(key)}\n" in done.stdout, "the change to the file")
        true(f"[upstream office]\nhost = {sshd.address}\n" in read(file), read(file))
        equal(run_adit("--config", file, "--check").stderr, "", "what --check says")
        true(begun(file, origin), "an echo")
    with tap.case("--init writes no file over another one"):
        before = read(file)
        done = run_adit("--init", file, "-F", hosts, "office")
        equal((done.returncode, done.stderr),
              (1, f"adit: {file} is there already: --init writes a new file only\n"), "what is told")
        equal(read(file), before, "the file")
    with tap.case("--init --from --user: a network, and a user with a password"):
        file = scratch("adit.ini")
        users = file.removesuffix(".ini") + ".users"
        done = subprocess.run(
            [binary(), "--init", file, "-F", hosts, "-D", str(free_port()), "--from",
             "192.0.2.0/24", "--user", "alice", "office"], input="open sesame\n", text=True,
            capture_output=True, env=environment(), check=False, timeout=patience(60))
        equal(done.returncode, 0, f"the exit status: {done.stderr}")
        holds(r"\[listen proxy\]\naddress = 0\.0\.0\.0:\d+\nauth = password\nusers = .*\n\n"
              r"\[acl\]\nallow = from=127\.0\.0\.0/8,::1\nallow = from=192\.0\.2\.0/24\n$",
              read(file), "the file")
        equal(mode(users), 0o600, "the mode of the users file")
        with Adit(read(file)) as adit:
            address = (ANY, adit.listener("proxy")[1])
            true(works(address, origin, credentials=("alice", "open sesame")), "an echo")


def failures(sshd):
    hosts = ssh_config({"office": sshd})
    with tap.case("--init for a server that is down writes the file, and says so"):
        file = scratch("adit.ini")
        done = run_adit("--init", file, "-F", hosts, "-p", str(free_port()), "-D", str(free_port()),
                        "office")
        equal(done.returncode, 255, "the exit status")
        holds("(?m)^adit: .*Connection refused", done.stderr, "why")
        holds("could not be tried", done.stdout, "what is told")
        holds(r"\[upstream office\]", read(file), "the file")
    with tap.case("--init for a port that is taken says so"):
        file = scratch("adit.ini")
        with Origin(echo) as origin:
            done = run_adit("--init", file, "-F", hosts, "-D", str(origin.port), "office")
            equal(done.returncode, 255, "the exit status")
            holds("Address already in use", done.stderr, "why")
    for what, words, status, says in [
            ("a network that is none", ["--from", "everywhere", "office"], 64,
             "'everywhere' is no network"),
            ("a user that is none", ["--user", "a:b", "office"], 64, "'a:b' is no user's name"),
            ("a port that is none", ["-D", "http", "--from", "x", "office"], 64, "."),
            ("-L", ["-L", "1:h:2", "office"], 64, 
             "--init writes a proxy with one port (-D): for -L and -R add a [forward] section to its"
             " file"),
            ("-f", ["-f", "office"], 64, 
             "--init FILE writes a file: it goes with a host, options of the connection, -D, --from"
             " and --user"),
            ("no host, without a terminal", [], 64, "--init: which server?"),
            ("a host that is none", ["-oProxyJump=none", "a b"], 255, "is no host's name"),
            ("--from alone", None, 64, "--from and --user go with --init"),
            ("--passwd with a host's options", ["--passwd", "f", "-p", "22", "u"], 64,
             "--passwd FILE USER goes with no other option")]:
        with tap.case(f"--init refuses {what}, and writes nothing"):
            file = scratch("adit.ini")
            done = run_adit("--from", "x", "office") if words is None else \
                run_adit("--init", file, "-F", hosts, *words)
            equal(done.returncode, status, f"the exit status: {done.stderr}")
            true(done.stderr.startswith("adit: ") and says in done.stderr, done.stderr)
            false(os.path.exists(file), "the file is there")
    with tap.case("--passwd without a user"):
        done = run_adit("--passwd", scratch("users"))
        equal((done.returncode, "--passwd FILE USER: whose password?" in done.stderr), (64, True),
              done.stderr)
    with tap.case("--init in a directory that is not there"):
        done = run_adit("--init", "/nonexistent/adit.ini", "-F", hosts, "office")
        equal((done.returncode, done.stderr),
              (1, "adit: /nonexistent/adit.ini: No such file or directory\n"), "what is told")


def five_questions(sshd, origin):
    hosts = ssh_config({"office": sshd}, UserKnownHostsFile=scratch("known_hosts"))
    with open(hosts, encoding="ascii") as lines:  # so that the key is asked for, and the server's
        text = "".join(line for line in lines if "IdentityFile" not in line
                       and sshd.known_hosts not in line)
    hosts = scratch("ssh_config", text)
    file, port = scratch("adit.ini"), free_port()
    with tap.case("--init asks five questions, wrong answers again, and for the host key"), \
            at_terminal("--init", file, "-F", hosts) as terminal:
        terminal.expect("1. Which SSH server")
        terminal.answer("not a host")
        terminal.expect("is no host's name")
        terminal.expect("1. Which SSH server")
        terminal.answer("office")
        terminal.expect("2. A file with the private key")
        terminal.answer("/nonexistent/key")
        terminal.expect("/nonexistent/key: No such file")
        terminal.expect("2. A file with the private key")
        terminal.answer(sshd.user_key)
        terminal.expect(r"3\. Which port.*\[1080\] ")
        terminal.answer("70000")
        terminal.expect(r"3\. Which port.*\[1080\] ")
        terminal.answer(str(port))
        terminal.expect("4. Who may use it")
        terminal.answer("everybody")
        terminal.expect("'everybody' is no network")
        terminal.expect("4. Who may use it")
        terminal.answer("")
        terminal.expect("5. A user who logs in")
        terminal.answer("")
        terminal.expect("Are you sure you want to continue connecting")
        terminal.answer("yes")
        terminal.expect("is written, and it works")
        equal(terminal.wait(), 0, "the exit status")
        true(f"address = 127.0.0.1:{port}\n" in read(file), read(file))
        false("[acl]" in read(file), "rules")
    with tap.case("the file that came of the questions works without a person"):
        true(begun(file, origin), "an echo")
    with tap.case("--init asks for the password of the user of question 5"), \
            at_terminal("--init", scratch("b.ini"), "-F", hosts, "-i", sshd.user_key, "-D",
                        str(free_port()), "--from", "192.0.2.0/24") as terminal:
        terminal.expect("1. Which SSH server")
        terminal.answer("office")
        terminal.expect("2. A file")
        terminal.answer("")
        terminal.expect("5. A user who logs in")
        terminal.answer("alice")
        for prompt in ("Password for alice: ", "The same again: "):
            terminal.expect(prompt)
            terminal.answer("open sesame", echo=False)
        terminal.expect("is written, and it works")
        equal(terminal.wait(), 0, "the exit status")
        false("4. Who may" in terminal.text, "what --from says is asked")
    file = scratch("adit.ini")
    with tap.case("--init that gets no more answers writes nothing"), \
            at_terminal("--init", file, "-F", hosts) as terminal:
        terminal.expect("1. Which SSH server")
        terminal.answer("office")
        terminal.expect("2. A file")
        terminal.type("\x04")
        equal(terminal.wait(), 1, "the exit status")
        holds("the questions were not answered: nothing was written", terminal.text, "the message")
        false(os.path.exists(file), "the file is there")


def main():
    alone()
    with Sshd() as sshd, Origin(echo) as origin:
        passwords(sshd, origin)
        wrong_passwords()
        typed_passwords()
        one_command(sshd, origin)
        failures(sshd)
        five_questions(sshd, origin)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""ssh at a terminal over adit's control socket: shells, sizes, escapes, an agent that is forwarded.
What ssh itself does as the master is seen beside it."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Agent, equal, holds, keypair, scratch, tap, true, wait_until
from adit_test.command import ssh_config
from adit_test.gateway import binary, config, environment
from adit_test.keys import public
from adit_test.mux import Master, SshMaster, shell_server
from adit_test.terminal import Terminal


def resize(terminal, rows, columns):
    """What a terminal's window does: another size, and SIGWINCH to who runs there."""
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def shell(master, *words, rows=30, columns=90):
    """An interactive shell at a terminal of that size."""
    env = environment(TERM="dumb")
    with Terminal(master.words("ssh", *words, "server"), env) as terminal:
        resize(terminal, rows, columns)
        terminal.type("PS1='ready: '\r")
        terminal.expect(r"ready: (?!')")
        yield terminal


def terminals(name, master):
    with tap.case(f"{name}: a shell has a terminal of the client's kind and size"):
        with shell(master) as terminal:
            terminal.type("stty size; echo $TERM; tty\r")
            terminal.expect(r"[\r\n]30 90\r")
            terminal.expect(r"[\r\n]dumb\r")
            terminal.expect(r"[\r\n]/dev/pts/\d+\r")
            resize(terminal, 44, 123)
            # (The size is on its way behind the signal: asked for until it is there.)
            terminal.type("until stty size | grep -q '44 123'; do :; done; echo is $((4 * 4))\r")
            terminal.expect(r"[\r\n]is 16\r")
            terminal.type("exit 5\r")
            terminal.expect("Shared connection to .* closed")
            equal(terminal.wait(), 5, "the status")
    with tap.case(f"{name}: ^C goes to the command, and the shell goes on"):
        with shell(master) as terminal:
            terminal.type("sh -c 'echo now $((5 * 5)); exec sleep 1000'\r")
            terminal.expect(r"[\r\n]now 25\r")
            terminal.type("\x03")
            terminal.expect("ready: ")
            terminal.type("echo $?\r")
            terminal.expect(r"[\r\n]130\r")
            terminal.type("exit\r")
            terminal.wait()
    with tap.case(f"{name}: ~. ends the connection, ~~ is one ~"):
        with shell(master) as terminal:
            terminal.type("cat\r")
            terminal.type("~~a\r")
            terminal.expect(r"[\r\n]~a\r")
            terminal.type("b~.\r")
            terminal.expect(r"[\r\n]b~\.\r")
            terminal.type("~.")
            equal(terminal.wait(), 255, "the status")
    with tap.case(f"{name}: -tt without a terminal"):
        done = master.run("ssh", "-tt", "server", "tty; exit 6")
        equal(done.returncode, 6, "the status")
        true(done.stdout.startswith(b"/dev/pts/"), "a terminal there")


def left_alone(master):
    with tap.case("a terminal whose shell has ended is not read any more"):
        with shell(master) as terminal:
            terminal.type("exit 0\r")
            equal(terminal.wait(), 0, "the status")
            # The shell around it, which reads the next line, gets all of it.
            terminal.type("line\n")
            wait_until(lambda: terminal.child.poll() is not None, "the line is read")


def modes_there(master):
    """What stty says at the server, of a terminal that has unusual modes here."""
    here, slave = os.openpty()
    modes = termios.tcgetattr(slave)
    modes[0] &= ~termios.IXON
    modes[0] |= 0o40000  # IUTF8
    modes[3] &= ~termios.ECHOK
    modes[4] = modes[5] = termios.B19200
    modes[6][termios.VINTR] = b"\x18"
    modes[6][termios.VERASE] = b"\x08"
    modes[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    try:
        done = subprocess.run(master.words("ssh", "-tt", "server", "stty -a"), stdin=slave,
                              stdout=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(here)
        os.close(slave)
    equal(done.returncode, 0, "the status")
    return done.stdout.decode().split()


def modes(master, real):
    """libssh before 0.11 sends none."""
    with tap.case("the modes of the client's terminal are those of the server's"):
        there = modes_there(real)
        for word in ("-ixon", "iutf8", "-echok", "19200", "^X;", "^H;", "<undef>;"):
            true(word in there, f"{word} by ssh: {there}")
        if libssh() >= (0, 11):
            equal(modes_there(master), there, "by adit")
        else:
            true("^C;" in modes_there(master), "the server's own, by adit")


def libssh():
    text = subprocess.run([binary(), "-V"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"libssh (\d+)\.(\d+)", text).groups()))


# A job in the background of the terminal, and then a shell by ssh in its foreground.
JOB = """set -m
"$@" &
until ssh -F "$HOSTS" -O check server 2>/dev/null; do :; done
ssh -F "$HOSTS" server
echo "status is $?"
kill %1; wait"""


def background(sshd):
    """(An ssh that is the master is stopped there by SIGTTIN, and the shell hangs.)"""
    path = scratch("cm")
    hosts = ssh_config({"server": sshd}, ControlPath=path, ControlMaster="no")
    file = scratch("ini", config(sshd, up={"master_socket": path}))
    with tap.case("adit in the background of the terminal at which ssh runs is not stopped"):
        env = environment(TERM="dumb", HOSTS=hosts)
        with Terminal(["bash", "-c", JOB, "bash", binary(), "--config", file], env) as terminal:
            terminal.expect(r"[$#] $")
            terminal.type("echo word $((6 * 7))\r")
            terminal.expect(r"[\r\n]word 42\r")
            terminal.type("exit 3\r")
            terminal.expect("status is 3")
            equal(terminal.wait(), 0, "the shell around it, which has waited for adit")


def no_terminal(sshd):
    with tap.case("where the server has no terminal, the command runs and the reason is told"), \
            Master(sshd) as master:
        done = master.run("ssh", "-tt", "server", "tty; exit 7")
        equal(done.returncode, 7, "the status")
        holds(b"PTY allocation request failed on channel ", done.stderr, "the reason")


def agents(sshd):
    key = keypair("agent_key")
    with Agent(key) as agent:
        with Master(sshd, env={"SSH_AUTH_SOCK": agent.socket}) as master:
            with tap.case("without -A there is no agent for the command"):
                done = master.run("ssh", "server", "echo ${SSH_AUTH_SOCK-none}")
                equal(done.stdout, b"none\n", "the variable")
            with tap.case("-A: the command asks this machine's agent"):
                done = master.run("ssh", "-A", "server", "ssh-add -L")
                equal((done.returncode, done.stdout.split()[1]),
                      (0, public(key).encode().split()[1]), "the key")
            with tap.case("several at once"):
                done = master.run("ssh", "-A", "server",
                                  "for i in 1 2 3 4; do ssh-add -l >/dev/null & done; wait; echo ok")
                equal(done.stdout, b"ok\n", "what they say")


def hang_up(master):
    with tap.case("a terminal that goes away ends the shell"):
        with shell(master) as terminal:
            terminal.type("echo pid $$.\r")
            pid = int(terminal.expect(r"[\r\n]pid (\d+)\.")[1])
            # (The client gets SIGHUP, as from a terminal whose window is closed.)
            for child in client_of(terminal):
                os.kill(child, signal.SIGHUP)
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the shell has ended")


def client_of(terminal):
    """The ssh below the terminal's shell."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(terminal.child.pid)],
                           capture_output=True, check=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def main():
    with shell_server() as sshd:
        with Master(sshd) as master:
            terminals("adit", master)
            left_alone(master)
            hang_up(master)
        with SshMaster(sshd) as real:
            terminals("ssh", real)
            with Master(sshd) as master:
                modes(master, real)
        background(sshd)
        agents(sshd)
    with shell_server(PermitTTY="no") as sshd:
        no_terminal(sshd)


tap.run(main)

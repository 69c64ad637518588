#!/usr/bin/env -S python3 -B
"""-f, -E, exit statuses and the one line: how a command line begins and ends."""

import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, patience, scratch, tap, true, wait_until
from adit_test.clients import exchange
from adit_test.command import Tunnel, call, parse, ssh_config
from adit_test.gateway import environment
from adit_test.origins import Blackhole, Origin, echo
from adit_test.process import processes, workdir
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal


def is_adit(pid):
    """(And not the ssh that it asks for its settings first.)"""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
            return comm.read() == "adit\n"
    except OSError:
        return False


def works(port):
    with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
        return exchange(conn)


def start(line, hosts):
    """A command line that is left alone; standard error is a pipe."""
    arguments, variables = parse(line, hosts)
    return subprocess.Popen(arguments, env=environment(**variables), cwd=workdir(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def children(pid):
    return [child for child, parent in processes().items() if parent == pid]


def one_line(done, pattern, status=255):
    equal(done.returncode, status, f"the exit status ({done.stderr!r})")
    holds(rf"\Aadit: .*{pattern}.*\n\Z", done.stderr, "standard error")


def descriptors(pid):
    return [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]


def when_up(hosts, sshd, origin):
    port = free_port()
    line = f"ssh -fN -L {port}:{ANY}:{origin.port} host"
    with tap.case("-f: when the command has ended, all is up"):
        with Tunnel(line, hosts) as tunnel:
            true(works(port), "echo at once")
            equal(len(sshd.sessions()), 1, "sessions")
            pid, = tunnel.pids()
            equal(os.getsid(pid), pid, "its session")
            equal(descriptors(pid), ["/dev/null"] * 3, "its standard descriptors")
    with tap.case("-f: a reader of its output is not kept waiting"):
        with Tunnel(line, hosts) as tunnel:
            tunnel.reader.join(patience(10))
            true(not tunnel.reader.is_alive(), "standard error has ended")
    with tap.case("-f -E: the log is in the file"):
        log = scratch("log")
        with Tunnel(f"ssh -f -v -E {log} -L {port}:{ANY}:{origin.port} host", hosts):
            true(works(port), "echo")
            wait_until(lambda: "outcome=ok" in open(log, encoding="utf-8").read(), "its line")
    with tap.case("-f: not before it is up"):
        frozen = sshd.freeze()
        process = start(line, hosts)
        child, = wait_until(lambda: [pid for pid in children(process.pid) if is_adit(pid)],
                            "the child")
        wait_until(lambda: tunnel_listens(port), "the listener")
        equal(process.poll(), None, "the status while the server says nothing")
        sshd.thaw(frozen)
        equal(process.wait(patience(60)), 0, "the status when it does")
        true(works(port), "echo")
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: child not in processes(), "its end")
    with tap.case("-f: the end of the command that waits ends all of it"):
        frozen = sshd.freeze()
        process = start(line, hosts)
        child, = wait_until(lambda: [pid for pid in children(process.pid) if is_adit(pid)],
                            "the child")
        process.kill()
        wait_until(lambda: child not in processes(), "the child's end")
        sshd.thaw(frozen)
    for words in (f"autossh -M 0 {line[4:]}", f"{line} --persist"):
        with tap.case(f"-f with persistence does not wait for the server: {words.split()[0]}"):
            sshd.stop()
            with Tunnel(words, hosts) as tunnel:
                pid, = tunnel.pids()
                equal(os.getsid(pid), pid, "its session")
                sshd.start()
                wait_until(lambda: tunnel_is_there(port), "an echo, once there is a server")


def failures(hosts, origin):
    port = free_port()
    rows = (("nobody listens", f"-D {port} absent", "Connection refused"),
            ("no such host", f"-D {port} nowhere.invalid",
             "Could not resolve hostname nowhere.invalid: Name or service not known"),
            ("a command in a host's place", f"-D {port} status",
             r"Could not resolve hostname status: .* \(did you mean adit -O status\?\)"),
            ("nobody listens behind the bastion", f"-J host -D {port} absent",
             "host could not reach it: .*refused"),
            ("an unknown host key", f"-o UserKnownHostsFile=/dev/null -D {port} host", "Host key"))
    for what, words, pattern in rows:
        for letters in ("", "-f "):
            with tap.case(f"{letters}{what}: 255 and one line"):
                one_line(call(f"ssh {letters}-N -o BatchMode=yes {words}", hosts), pattern)
    with tap.case("-E: the line is in the log, too"):
        log = scratch("log")
        one_line(call(f"ssh -N -E {log} -D {port} absent", hosts), "refused")
        holds("error: .*Connection refused", open(log, encoding="utf-8").read(), "the log")
    with tap.case("--persist: it is tried again"):
        tunnel = Tunnel(f"ssh -vv -N --persist -D {port} absent", hosts)
        tunnel.wait_log("dialling", count=2)
        tunnel.signal(signal.SIGINT)
        equal(tunnel.wait(), 255, "the status after SIGINT")


def taken_ports(hosts, origin):
    with socket.create_server((ANY, 0)) as other:
        taken, free = other.getsockname()[1], free_port()
        there = f"{ANY}:{origin.port}"
        pattern = rf"bind \[127\.0\.0\.1\]:{taken}: Address already in use"
        with tap.case("the port of the only forward is taken: 255 and one line"):
            one_line(call(f"ssh -N -L {taken}:{there} host", hosts), pattern)
        with tap.case("one of two with ExitOnForwardFailure: the same"):
            one_line(call(f"ssh -N -o ExitOnForwardFailure=yes -L {taken}:{there}"
                          f" -L {free}:{there} host", hosts), pattern)
        with tap.case("one of two without: a warning, and the other is up"):
            with Tunnel(f"ssh -N -L {taken}:{there} -L {free}:{there} host", hosts) as tunnel:
                tunnel.wait_log("warning: " + pattern)
                wait_until(lambda: works(free), "echo")


def signals(hosts, origin):
    port = free_port()
    for number in (signal.SIGINT, signal.SIGTERM):
        with tap.case(f"{number.name} ends it, with connections under way"):
            with Tunnel(f"ssh -N -L {port}:{ANY}:{origin.port} host", hosts) as tunnel:
                wait_until(lambda: tunnel_is_there(port), "the listener")
                with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
                    true(exchange(conn), "echo")
                    tunnel.finish(number)
    with tap.case("SIGHUP opens the log again, and the tunnel goes on"):
        log = scratch("log")
        with Tunnel(f"ssh -v -E {log} -N -L {port}:{ANY}:{origin.port} host", hosts) as tunnel:
            wait_until(lambda: tunnel_is_there(port), "the listener")
            os.rename(log, f"{log}.1")
            tunnel.signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(log) and
                       "reloaded" in open(log, encoding="utf-8").read(), "a new log")
            true(works(port), "echo")
            wait_until(lambda: "outcome=ok" in open(log, encoding="utf-8").read(), "its line there")
    with tap.case("SIGHUP of a terminal that is closed ends it"):
        arguments, variables = parse(f"ssh -N -L {port}:{ANY}:{origin.port} host", hosts)
        terminal = Terminal(arguments, environment(**variables))
        pid, = wait_until(lambda: [pid for pid in children(terminal.child.pid) if is_adit(pid)
                                   and tunnel_is_there(port)], "the tunnel")
        os.close(terminal.slave)
        os.close(terminal.master)
        os.kill(pid, signal.SIGHUP)  # as the shell does that the terminal belongs to
        wait_until(lambda: pid not in processes(), "its end")
        terminal.child.kill()
        terminal.child.wait()
    with Blackhole() as hole:
        with tap.case("SIGINT ends it while it connects"):
            tunnel = Tunnel(f"ssh -vv -N -o ConnectTimeout=60 -p {hole.port} -D {port} {hole.address}",
                            hosts)
            tunnel.wait_log("dialling")
            tunnel.signal(signal.SIGINT)
            equal(tunnel.wait(30), 255, "the status")
    with Origin(lambda conn, _: conn.recv(1 << 16) and conn.recv(1 << 16)) as mute:
        with tap.case("... and while the server says nothing"):
            process = start(f"ssh -N -o ConnectTimeout=60 -p {mute.port} -D {port} {ANY}", hosts)
            wait_until(lambda: mute.connections, "it connects")
            process.send_signal(signal.SIGINT)
            equal(process.wait(patience(30)), 255, "the status")


def without_streams(sshd):
    """Started with closed standard streams, as by some supervisors."""
    seen = scratch("seen")
    way = scratch("way", f"#!/bin/sh\nreadlink /proc/$$/fd/2 >{seen}\nexec ncat {ANY} {sshd.port}\n",
                  0o755)
    asker = scratch("asker", f"#!/bin/sh\nreadlink /proc/$$/fd/2 >{seen}\nexit 1\n", 0o755)
    known = f"-o UserKnownHostsFile={sshd.known_hosts} -p {sshd.port}"
    table = {
        "a ProxyCommand": f"-o ProxyCommand={way} -o StrictHostKeyChecking=yes {known}",
        "SSH_ASKPASS": f"-o StrictHostKeyChecking=ask -o UserKnownHostsFile={seen} -p {sshd.port}",
    }
    for name, words in table.items():
        for closed in ("2>&-", "<&- 2>&-", "<&- >&- 2>&-"):
            with tap.case(f"{name} of an adit that is started with {closed} has a standard error"):
                if os.path.exists(seen):
                    os.unlink(seen)
                arguments, _ = parse(f"ssh {words} -W {ANY}:9 {ANY}")
                subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *arguments], check=False,
                               env=environment(SSH_ASKPASS=asker, SSH_ASKPASS_REQUIRE="force"),
                               cwd=workdir(), stdin=subprocess.DEVNULL, timeout=patience(60))
                with open(seen, encoding="utf-8") as link:
                    equal(link.read(), "/dev/null\n", "where it leads")


def tunnel_listens(port):
    try:
        socket.create_connection((ANY, port), timeout=patience(30)).close()
        return True
    except OSError:
        return False


def tunnel_is_there(port):
    try:
        return works(port)
    except OSError:
        return False


def main():
    with Sshd() as sshd, Sshd(start=False) as absent, Origin(echo) as origin:
        hosts = ssh_config({"host": sshd, "absent": absent})
        when_up(hosts, sshd, origin)
        failures(hosts, origin)
        taken_ports(hosts, origin)
        signals(hosts, origin)
        without_streams(sshd)


tap.run(main)

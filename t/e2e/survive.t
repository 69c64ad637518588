#!/usr/bin/env -S python3 -B
"""What tunnels live through: servers that go and come, hops that die, taken ports, a sleep."""

import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, patience, tap, true, wait_until
from adit_test.clients import closed, exchange, works
from adit_test.command import Tunnel, ssh_config
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

# Found dead within three seconds where the network says nothing.
WATCHED = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2"


def connection(port):
    return socket.create_connection((ANY, port), timeout=patience(60))


def answers(port):
    """Whether a port leads to an echo server now."""
    try:
        with connection(port) as conn:
            return exchange(conn)
    except OSError:
        return False


def leads(port, what):
    wait_until(lambda: answers(port), what, 60)


def server_restarts(origin):
    here, there, proxy = free_port(), free_port(), free_port()
    with Sshd() as sshd, Tunnel(
            f"ssh -L {here}:localhost:{origin.port} -R {there}:localhost:{origin.port}"
            f" -D {proxy} host", ssh_config({"host": sshd})) as tunnel:
        with tap.case("-L, -R and -D at once"):
            leads(here, "-L is up")
            leads(there, "-R is up")
            true(works((ANY, proxy), origin), "an echo through -D")
        with tap.case("sshd goes: its connections end, a new one waits and is served by the next"):
            with connection(here) as old:
                true(exchange(old), "echo")
                sshd.stop()
                true(closed(old), "the old connection ends")
            got = []
            waiting = threading.Thread(target=lambda: got.append(answers(here)))
            waiting.start()
            time.sleep(2)
            sshd.start()
            waiting.join()
            equal(got, [True], "the echo of the client that waited")
        with tap.case("... and all of it is there again"):
            leads(there, "-R is up again")
            true(answers(here), "an echo through -L")
            true(works((ANY, proxy), origin), "an echo through -D")
            true(tunnel.alive(), "it is the same process")


def chain(origin):
    with Sshd() as bastion, Sshd(address="127.0.0.2") as inner, \
            Sshd(address="127.0.0.3") as last:
        hosts = ssh_config({"bastion": bastion, "inner": inner, "last": last})
        port = free_port()
        line = f"ssh {WATCHED} -J bastion,inner -L {port}:localhost:{origin.port} last"
        with Tunnel(line, hosts):
            with tap.case("two hops: bastion, inner, last"):
                leads(port, "-L is up")
                for sshd in (bastion, inner, last):
                    equal(len(sshd.logins()), 1, f"logins at {sshd.address}")
            with tap.case("the first bastion is killed, and comes again"):
                with connection(port) as old:
                    true(exchange(old), "echo")
                    bastion.stop()
                    true(closed(old), "the old connection ends")
                time.sleep(1)
                bastion.start()
                leads(port, "-L is up again")
            with tap.case("the session of the second hop dies: the first stays as it is"):
                marks = [(sshd, sshd.mark()) for sshd in (bastion, inner, last)]
                for pid in inner.sessions():
                    inner.kill_session(pid)
                leads(port, "-L is up again")
                equal([len(sshd.logins(mark)) for sshd, mark in marks], [0, 1, 1], "new logins")
            with tap.case("the session of the last dies: both hops stay as they are"):
                marks = [(sshd, sshd.mark()) for sshd in (bastion, inner, last)]
                for pid in last.sessions():
                    last.kill_session(pid)
                leads(port, "-L is up again")
                equal([len(sshd.logins(mark)) for sshd, mark in marks], [0, 0, 1], "new logins")


def port_taken(origin):
    """The server does not know yet that the session that had the port before is gone."""
    port = free_port()
    with Sshd() as sshd:
        hosts = ssh_config({"host": sshd})
        line = f"ssh {WATCHED} -R {port}:localhost:{origin.port} host"
        with tap.case("-R: the port is still held for a predecessor that died"):
            before = Tunnel(line, hosts, name="predecessor")
            leads(port, "the predecessor's -R is up")
            frozen = sshd.freeze(everything=False)
            before.kill()
            with Tunnel(f"AUTOSSH_GATETIME=0 autossh -M 0 {line[4:]}", hosts) as tunnel:
                tunnel.wait_log(rf"(?i){port}.*(failed|refused|taken|denied)")
                for pid in frozen:
                    sshd.kill_session(pid)
                leads(port, "-R is up")
                true(tunnel.alive(), "it is the same process")
        with tap.case("-R: the port is still held for its own session that fell silent"):
            with Tunnel(line, hosts) as tunnel:
                leads(port, "-R is up")
                mark = tunnel.mark()
                frozen = sshd.freeze(everything=False)
                tunnel.wait_log(rf"(?i){port}.*(failed|refused|taken|denied)", mark)
                for pid in frozen:
                    sshd.kill_session(pid)
                leads(port, "-R is up again")


def asleep(origin):
    """SIGSTOP for eight seconds is a sleep: adit takes what is over five for one."""
    here, there = free_port(), free_port()
    with Sshd() as sshd, Tunnel(
            f"ssh -o ServerAliveInterval=600 -L {here}:localhost:{origin.port}"
            f" -R {there}:localhost:{origin.port} host", ssh_config({"host": sshd})) as tunnel:
        leads(here, "-L is up")
        leads(there, "-R is up")
        with tap.case("it sleeps and the server is still there: nothing is lost"):
            with connection(here) as conn:
                true(exchange(conn), "echo")
                tunnel.signal(signal.SIGSTOP)
                time.sleep(8)
                tunnel.signal(signal.SIGCONT)
                true(exchange(conn), "an echo after it")
            equal(len(sshd.logins()), 1, "logins")
        with tap.case("it sleeps, and the session is dead without a word: it asks at once"):
            mark = sshd.mark()
            tunnel.signal(signal.SIGSTOP)
            frozen = sshd.freeze(everything=False)
            time.sleep(8)
            tunnel.signal(signal.SIGCONT)
            # Ten minutes before the next keepalive is due.
            wait_until(lambda: sshd.logins(mark), "a new login", 40)
            for pid in frozen:
                sshd.kill_session(pid)
            leads(here, "-L is up again")
            leads(there, "-R is up again")


def main():
    with Origin(echo) as origin:
        for part in (server_restarts, chain, port_taken, asleep):
            part(origin)


tap.run(main)

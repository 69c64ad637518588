#!/usr/bin/env -S python3 -B
"""ssh over adit's control socket: commands, streams of every kind, exit statuses, ssh -O."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, scratch, tap, true, wait_connects, wait_until
from adit_test.clients import echoes, refuses
from adit_test.command import Tunnel, ssh_config
from adit_test.mux import Master, descriptors, run, shell_server
from adit_test.origins import Origin, echo

SIZE = 20 << 20


def answer(done):
    return done.returncode, done.stdout, done.stderr


def commands(master):
    with tap.case("a command's output, error and exit status"):
        equal(answer(master.ssh("server", "echo out; echo err >&2; exit 3")),
              (3, b"out\n", b"err\n"), "what ssh says")
        equal(answer(master.ssh("server", "true")), (0, b"", b""), "of true")
    with tap.case("a command that a signal ends is 255, as with a ControlMaster of ssh's"):
        equal(master.ssh("server", "kill -9 $$").returncode, 255, "the status")
    with tap.case("a subsystem that is not there"):
        done = master.ssh("-s", "server", "nowhere")
        equal((done.returncode, done.stdout), (255, b""), "what ssh says")
        holds(b"subsystem request failed on channel ", done.stderr, "the reason")
    with tap.case("the environment of SendEnv and SetEnv, as the server's AcceptEnv has it"):
        done = master.ssh("-o", "SendEnv=ADIT_SENT ADIT_NOT", "-o", "SetEnv=ADIT_SET=b",
                          "server", "echo $ADIT_SENT $ADIT_NOT $ADIT_SET", ADIT_SENT="a",
                          ADIT_NOT="n")
        equal(answer(done), (0, b"a b\n", b""), "what the command sees")
    with tap.case("X11 is not carried, and the client is told"):
        done = master.ssh("-X", "server", "echo ${DISPLAY-none}", DISPLAY=":77")
        equal((done.returncode, done.stdout), (0, b"none\n"), "the command")
        holds(b"adit carries no X11", done.stderr, "its words")


def streams(master):
    data = os.urandom(SIZE)
    with tap.case("bytes both ways through pipes"):
        equal(master.ssh("server", "cat", data=data).stdout, data, "what came back")
    with tap.case("files as standard input, output and error"):
        source, out, err = scratch("in", data), scratch("out", ""), scratch("err", "")
        with open(source, "rb") as stdin, open(out, "wb") as stdout, open(err, "wb") as stderr:
            done = subprocess.run(master.words("ssh", "server", "tee /dev/stderr"), stdin=stdin,
                                  stdout=stdout, stderr=stderr, check=False, timeout=120)
        equal(done.returncode, 0, "the status")
        for path in (out, err):
            with open(path, "rb") as result:
                equal(hashlib.sha256(result.read()).digest(), hashlib.sha256(data).digest(),
                      f"the bytes in {path}")
    with tap.case("/dev/null, and -n"):
        done = subprocess.run(master.words("ssh", "-n", "server", "cat; echo end"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                              timeout=60)
        equal(done.stdout, b"end\n", "what came")
        done = subprocess.run(master.words("ssh", "server", "echo lost; exit 4"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
                              timeout=60)
        equal(done.returncode, 4, "the status")
    with tap.case("sockets"):
        here, there = socket.socketpair()
        with here, there, subprocess.Popen(master.words("ssh", "server", "cat"), stdin=there,
                                           stdout=there) as child:
            there.close()
            here.sendall(b"word")
            here.shutdown(socket.SHUT_WR)
            equal(here.recv(100), b"word", "what came back")
            equal(child.wait(60), 0, "the status")
    with tap.case("output that ends first, while input is still read"):
        note = scratch("note")
        done = master.ssh("server", f"exec >&- 2>&-; cat >{note}", data=b"late")
        equal(done.returncode, 0, "the status")
        with open(note, "rb") as written:
            equal(written.read(), b"late", "what the command has read")
    with tap.case("a reader that stops early ends the command, as ssh does"):
        with subprocess.Popen(master.words("ssh", "server", "yes"), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as child:
            true(child.stdout.read(1000), "some of it")
            child.stdout.close()
            equal(child.wait(60), 255, "the status")


def stdio_forwards(master):
    with Origin(echo) as origin:
        with tap.case("ssh -W"):
            done = master.ssh("-W", f"{ANY}:{origin.port}", "server", data=b"word\n")
            equal((done.returncode, done.stdout), (0, b"word\n"), "the echo")
        with tap.case("ssh -W to where nothing listens"):
            done = master.ssh("-W", f"{ANY}:{free_port()}", "server")
            equal(done.returncode, 255, "the status")
            holds(b"refused", done.stderr.lower(), "the reason")


def orders(master):
    """ssh -O, where the gateway has more than this socket."""
    pid = master.adit.pid
    with Origin(echo) as origin:
        to = f"{ANY}:{origin.port}"
        with tap.case("-O check"):
            equal(answer(master.ssh("-O", "check", "server")),
                  (0, b"", f"Master running (pid={pid})\r\n".encode()), "what ssh says")
        with tap.case("-O forward and -O cancel: local, dynamic, remote"):
            for option, spec in (("-L", f"{free_port()}:{to}"), ("-R", f"{free_port()}:{to}")):
                port = int(spec.split(":")[0])
                equal(answer(master.ssh("-O", "forward", option, spec, "server")), (0, b"", b""),
                      f"forward {option}")
                true(echoes(port), "a connection through it")
                equal(master.ssh("-O", "forward", option, spec, "server").returncode, 0, "again")
                equal(answer(master.ssh("-O", "cancel", option, spec, "server")), (0, b"", b""),
                      f"cancel {option}")
                wait_until(lambda port=port: refuses(port), "the port is free")
            port = free_port()
            equal(master.ssh("-O", "forward", "-D", str(port), "server").returncode, 0, "-D")
            true(not refuses(port), "it listens")
            equal(master.ssh("-O", "cancel", "-D", str(port), "server").returncode, 0, "cancel -D")
            wait_until(lambda: refuses(port), "the port is free")
        with tap.case("the port that the server picked is printed, and the same one again"):
            first = master.ssh("-O", "forward", "-R", f"0:{to}", "server")
            true(echoes(int(first.stdout)), "a connection through it")
            equal(master.ssh("-O", "forward", "-R", f"0:{to}", "server").stdout, first.stdout,
                  "asked for again")
            equal(master.ssh("-O", "cancel", "-R", f"0:{to}", "server").returncode, 0, "cancel")
            wait_until(lambda: refuses(int(first.stdout)), "the port is free")
        with tap.case("-O cancel of what is not there, -O forward of a port in use"):
            equal(master.ssh("-O", "cancel", "-L", f"{free_port()}:{to}", "server").returncode,
                  0, "the status, as ssh has it")
            done = master.ssh("-O", "forward", "-L", f"{origin.port}:{to}", "server")
            equal(done.returncode, 255, "the status")
            holds(b"forwarding request failed", done.stderr, "the reason")
        with tap.case("-O stop and -O exit of one of several sockets are refused, with a reason"):
            for command in ("stop", "exit"):
                done = master.ssh("-O", command, "server")
                equal(done.returncode, 255, f"-O {command}")
                holds(b"adit -O exit", done.stderr, "the reason")
            true(master.adit.alive(), "adit lives")
        with tap.case("-O proxy is refused"):
            done = master.ssh("-O", "proxy", "server")
            equal(done.returncode, 255, "the status")
            holds(b"proxy mode", done.stderr, "the reason")
        known = subprocess.run(["ssh", "-S", "/nowhere", "-O", "conninfo", "x"], capture_output=True,
                               check=False)
        if b"Invalid multiplex command" not in known.stderr:  # (OpenSSH 10.0 has it not yet)
            with tap.case("-O conninfo and -O channels"):
                holds(b"session 0 at ", master.ssh("-O", "conninfo", "server").stdout, "conninfo")
                holds(b" channels", master.ssh("-O", "channels", "server").stdout, "channels")


def many(master):
    with tap.case("200 one after another: nothing is left of them"):
        true(master.ssh("server", "true").returncode == 0, "one")
        before = descriptors(master.adit.gateway)
        for number in range(200):
            equal(master.ssh("server", f"echo {number}").stdout, f"{number}\n".encode(), "output")
        wait_until(lambda: descriptors(master.adit.gateway) <= before + 4, "its descriptors are closed")
        wait_until(lambda: threads(master.adit.gateway) < 40, "its threads have ended")
    with tap.case("20 at once"):
        at_once(master, 20)


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def at_once(master, count, command="echo $((6 * 7))"):
    found = []

    def one():
        found.append(answer(master.ssh("server", command)))
    runners = [threading.Thread(target=one) for _ in range(count)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    equal([one for one in found if one != (0, b"42\n", b"")], [], "what some say")
    equal(len(found), count, "how many have ended")


def losses(master):
    with tap.case("the server's process is killed: the command is 255, and the next one runs"):
        with subprocess.Popen(master.words("ssh", "server", "echo on; sleep 1000"),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            equal(child.stdout.readline(), b"on\n", "it runs")
            for pid in master.sshd.sessions():
                master.sshd.kill_session(pid)
            equal(child.wait(60), 255, "its status")
        equal(answer(master.ssh("server", "echo again")), (0, b"again\n", b""), "the next one")
    with tap.case("a client that is killed ends its command"):
        note = scratch("pid")
        with subprocess.Popen(master.words("ssh", "-tt", "server", f"echo $$ >{note}; sleep 1000"),
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as child:
            pid = wait_until(lambda: os.path.exists(note) and read(note), "it runs")
            child.send_signal(signal.SIGKILL)
            child.wait()
        wait_until(lambda: not os.path.exists(f"/proc/{int(pid)}"), "the command has ended")
    with tap.case("with no server there, ssh waits for `hold` and is refused; and then it is back"):
        master.sshd.stop()
        wait_until(lambda: master.adit.find("session 0 lost|cannot connect|refused"), "it is seen")
        done = master.ssh("server", "true", seconds=90)
        equal(done.returncode, 255, "the status")
        master.sshd.start()
        wait_until(lambda: master.ssh("server", "true").returncode == 0, "it is back", 60)


def read(path):
    with open(path, encoding="ascii") as text:
        return text.read().strip()


def max_sessions():
    for limit in (1, 2, 10):
        with tap.case(f"MaxSessions {limit}: 20 at once, on as many sessions as it takes"):
            with shell_server(MaxSessions=limit) as sshd, \
                    Master(sshd, up={"sessions": "1-32", "hold": "60s"}) as master:
                at_once(master, 20, "sleep 0.2; echo 42")


def refused_here(sshd):
    """A control socket that was not asked to serve ssh."""
    path = scratch("cm")
    hosts = ssh_config({"server": sshd}, ControlPath=path, LogLevel="INFO")
    with tap.case("a control socket without master_socket gives no shell, and ssh goes its own way"):
        with Tunnel(f"ssh -N -S {path} -o ControlMaster=no -L {free_port()}:{ANY}:9 server", hosts):
            wait_connects(path, "it listens")
            done = run(["ssh", "-F", hosts, "server", "echo direct"])
            equal((done.returncode, done.stdout), (0, b"direct\n"), "the command")
            holds(b"serves no ssh", done.stderr, "the reason")


def automatic(sshd):
    """ControlMaster auto in ssh_config, with an adit at the ControlPath."""
    path = scratch("cm")
    hosts = ssh_config({"server": sshd}, ControlPath=path, ControlMaster="auto",
                       ControlPersist="10m", LogLevel="INFO")
    with Tunnel(f"ssh -fN -L {free_port()}:{ANY}:9 server", hosts) as tunnel:
        with tap.case("ControlMaster auto with adit at the ControlPath: no wait, no word"):
            mark = sshd.mark()
            equal(answer(run(["ssh", "-F", hosts, "server", "echo shared"])),
                  (0, b"shared\n", b""), "what ssh says")
            equal(sshd.logins(mark), [], "logins of its own")
        with tap.case("-O stop and -O exit end it"):
            [pid] = tunnel.pids()
            equal(answer(run(["ssh", "-F", hosts, "-O", "check", "server"])),
                  (0, b"", f"Master running (pid={pid})\r\n".encode()), "check")
            with subprocess.Popen(["ssh", "-F", hosts, "server", "echo on; cat"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                equal(child.stdout.readline(), b"on\n", "a command runs")
                equal(answer(run(["ssh", "-F", hosts, "-O", "stop", "server"])),
                      (0, b"", b"Stop listening request sent.\r\n"), "stop")
                wait_until(lambda: not os.path.exists(path), "the path is free")
                child.stdin.write(b"word")
                child.stdin.close()
                equal(child.stdout.read(), b"word", "the command goes on")
                equal(child.wait(60), 0, "and ends in order")
            wait_until(lambda: not tunnel.pids(), "adit has ended with it")
    with Tunnel(f"ssh -fN -L {free_port()}:{ANY}:9 server", hosts) as tunnel:
        with tap.case("-O exit ends it at once, and what runs is 255"):
            with subprocess.Popen(["ssh", "-F", hosts, "server", "echo on; sleep 1000"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
                equal(child.stdout.readline(), b"on\n", "a command runs")
                equal(answer(run(["ssh", "-F", hosts, "-O", "exit", "server"])),
                      (0, b"", b"Exit request sent.\r\n"), "exit")
                equal(child.wait(60), 255, "its status")
            wait_until(lambda: not tunnel.pids(), "adit has ended")
    for command in ("exit", "stop"):
        with tap.case(f"-O {command}: adit has ended in order"):
            tunnel = Tunnel(f"ssh -N -L {free_port()}:{ANY}:9 server", hosts)
            wait_connects(path, "it listens")
            equal(run(["ssh", "-F", hosts, "-O", command, "server"]).returncode, 0, "what ssh says")
            equal(tunnel.wait(), 0, f"adit's exit status ({tunnel.text()!r})")


def main():
    with contextlib.ExitStack() as stack:
        sshd = stack.enter_context(shell_server(AcceptEnv="ADIT_S*"))
        master = stack.enter_context(Master(sshd))
        commands(master)
        streams(master)
        stdio_forwards(master)
        orders(master)
        many(master)
        losses(master)
    max_sessions()
    with shell_server() as sshd:
        refused_here(sshd)
        automatic(sshd)


tap.run(main)

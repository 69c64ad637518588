#!/usr/bin/env -S python3 -B
"""adit as a service: what it tells a service manager (sd_notify(3)), and the units it comes with."""

import glob
import os
import queue
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, patience, run_adit,
                       scratch, tap, true)
from adit_test.clients import connect
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import binary, environment
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = os.path.join(TOP, "contrib", "systemd")


class Manager:
    """The socket of a service manager, and what came to it: a dict a message."""

    def __init__(self, abstract=False):
        self.name = f"@adit-test-{os.getpid()}-{time.monotonic_ns()}" if abstract \
            else scratch("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0", 1))
        self.told = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except OSError:
                return
            self.told.put(dict(line.split("=", 1) for line in text.splitlines()))

    def hears(self, key, pattern=".*", seconds=30):
        """Waits for a message with such a member; others before it are forgotten."""
        end = time.monotonic() + patience(seconds)
        seen = []
        while True:
            try:
                told = self.told.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"never told {key}={pattern}, but {seen}") from None
            if re.fullmatch(pattern, told.get(key, "\0")):
                return told
            seen.append(told)

    def heard(self):
        """All keys that came and were not asked for."""
        found = []
        while not self.told.empty():
            found += self.told.get()
        return found


def gateways(sshd):
    for abstract in (False, True):
        manager = Manager(abstract)
        kind = "abstract" if abstract else "path"
        with tap.case(f"a gateway is ready when it listens ({kind})"):
            with Adit(config(sshd), env={"NOTIFY_SOCKET": manager.name}) as adit:
                manager.hears("READY", "1")
                connect(adit.address, ANY, sshd.port).close()
                manager.hears("STATUS", "1 session up")
                adit.finish()
                manager.hears("STOPPING", "1")
    manager = Manager()
    with Adit(config(sshd), env={"NOTIFY_SOCKET": manager.name}) as adit:
        manager.hears("READY", "1")
        with tap.case("a reload is told, with its time, and its end"):
            before = time.monotonic_ns() // 1000
            adit.reload()
            told = manager.hears("RELOADING", "1")
            true(before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, "the time")
            manager.hears("READY", "1")
        with tap.case("a reload that fails is told, with its end too"):
            adit.reload("nonsense")
            manager.hears("RELOADING", "1")
            manager.hears("READY", "1")
        adit.write(config(sshd))
        with tap.case("the status says what is down, and why"):
            sshd.stop()
            told = manager.hears("STATUS", "0 sessions up; office is down: .*refused.*")
            false("\n" in told["STATUS"], "one line")
            sshd.start()
            manager.hears("STATUS", "1 session up", 90)
    with tap.case("draining is told when it begins"):
        with Origin(echo) as origin, \
                Adit(config(sshd), env={"NOTIFY_SOCKET": manager.name}) as adit:
            conn = connect(adit.address, ANY, origin.port)
            adit.signal(15)
            manager.hears("STOPPING", "1")
            manager.hears("STATUS", "draining; .*")
            true(adit.alive(), "adit waits")
            conn.close()
            adit.finish(None)


def tunnels(sshd):
    manager = Manager()
    hosts = ssh_config({"server": sshd}, LocalForward=f"{free_port()} {ANY}:1")
    with tap.case("a tunnel is ready when it is up, not before"):
        sshd.stop()
        with Tunnel("ssh --persist -N server", hosts, NOTIFY_SOCKET=manager.name):
            manager.hears("STATUS", "0 sessions up; .*refused.*")
            false("READY" in manager.heard(), "it is ready")
            sshd.start()
            manager.hears("READY", "1", 90)
    manager.hears("STOPPING", "1")


def deaf(sshd):
    for name in ("/nonexistent/notify", "relative", "@", "", "/" + "x" * 200):
        with tap.case(f"nobody at NOTIFY_SOCKET={name[:20]} harms nothing"):
            with Adit(config(sshd), env={"NOTIFY_SOCKET": name}) as adit:
                adit.sessions_up(1)
                adit.finish()


def units():
    if shutil.which("systemd-analyze") is None:
        tap.diag("no systemd here: its units are not looked at")
        return
    for path in placed("*.service"):
        name = os.path.basename(path)
        with tap.case(f"{name} is right"):
            done = run("verify", "--man=no", path)
            equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")
        with tap.case(f"{name} is hardened"):
            done = run("security", "--offline=yes", "--no-pager", path)
            exposure = holds(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout, "its words")
            true(float(exposure[1]) <= 1.5, f"an exposure of {exposure[1]}")
    runtime = scratch("runtime")
    os.mkdir(runtime, 0o700)
    for path in placed("user/*.service"):
        with tap.case(f"{os.path.basename(path)} of a user is right"):
            done = run("verify", "--user", "--man=no", path,
                       env={**os.environ, "XDG_RUNTIME_DIR": runtime})
            equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")


def placed(pattern):
    """The units of a folder, copied to another one, with this test's program in them."""
    directory = scratch("units")
    os.mkdir(directory)
    files = []
    for path in sorted(glob.glob(f"{UNITS}/{pattern}")):
        with open(path, encoding="ascii") as source:
            text = source.read()
        files.append(os.path.join(directory, os.path.basename(path)))
        with open(files[-1], "w", encoding="ascii") as out:
            out.write(text.replace("/usr/bin/adit", binary()))
    equal([os.path.basename(path) for path in files], ["adit.service", "adit@.service"], "the units")
    return files


def tunnel_of_a_user(sshd):
    """What user/adit@.service runs for adit@db, as a user manager would expand it."""
    runtime = scratch("runtime")
    os.makedirs(os.path.join(runtime, "adit-db"), 0o700)
    port = free_port()
    hosts = ssh_config({"db": sshd}, LocalForward=f"{port} {ANY}:{sshd.port}")
    line = unit_keys("user/adit@.service")["ExecStart"].replace("/usr/bin/adit", "ssh")
    for token, value in {"%t": runtime, "%i": "db", "%I": "db"}.items():
        line = line.replace(token, value)
    manager = Manager()
    with tap.case("user/adit@.service: the tunnel of a Host, and its control socket"), \
            Tunnel(line, hosts, NOTIFY_SOCKET=manager.name):
        manager.hears("READY", "1")
        with socket.create_connection((ANY, port), timeout=patience(30)) as conn:
            holds(rb"^SSH-2\.0-", conn.recv(100), "what the forward leads to")
        done = run_adit("-S", f"{runtime}/adit-db/control", "-O", "status")
        equal(done.returncode, 0, "the exit status of -O status")


def unit_keys(name):
    """{key: value} of [Service]."""
    with open(os.path.join(UNITS, name), encoding="ascii") as source:
        return dict(re.findall(r"^(\w+)=(.*)$", source.read(), re.M))


def reload_of_unit(sshd):
    """What adit.service runs for `systemctl reload`, with this test's paths."""
    socket_path = scratch("control.sock")
    words = shlex.split(unit_keys("adit.service")["ExecReload"].replace("/usr/bin/adit", binary())
                        .replace("/run/adit/control.sock", socket_path))

    def ask(adit):
        return subprocess.run(words, env={**os.environ, "MAINPID": str(adit.pid)}, check=False,
                              capture_output=True, text=True, timeout=patience(60))

    with Adit(config(sshd, gate={"control": socket_path})) as adit:
        with tap.case("a unit's reload succeeds"):
            mark = adit.mark()
            equal(ask(adit).returncode, 0, "the status")
            adit.wait_log("reload", mark)
        with tap.case("a unit's reload of a wrong file fails, and says why"):
            adit.write(config(sshd, gate={"control": socket_path, "log": "loud"}))
            done = ask(adit)
            equal(done.returncode, 78, "the status")
            holds(r"adit\.ini:\d+: .*loud", done.stderr, "the problem")
    with tap.case("a unit's reload without a control socket is a signal"), \
            Adit(config(sshd)) as adit:
        mark = adit.mark()
        equal(ask(adit).returncode, 0, "the status")
        adit.wait_log("reload", mark)


def restarts():
    with tap.case("what only a person can mend is not tried again"):
        wrong = run_adit("--config", scratch("adit.ini", "[gateway]\nnonsense = 1\n"))
        usage = run_adit("--nonsense")
        for name in ("adit.service", "adit@.service", "user/adit.service", "user/adit@.service"):
            keys = unit_keys(name)
            equal(keys["Restart"], "on-failure", name)
            equal(keys["RestartPreventExitStatus"].split(),
                  [str(usage.returncode), str(wrong.returncode)], name)


def journal(sshd):
    """JOURNAL_STREAM names the socket that standard error is, as under systemd."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    env = environment(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
    with tap.case("the journal gets priorities, and no second time"):
        with open(scratch("adit.ini", config(sshd, up={"port": free_port()})), encoding="ascii") as file:
            child = subprocess.Popen([binary(), "--config", file.name], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=theirs, env=env)
        theirs.close()
        try:
            ours.settimeout(patience(30))
            text = b""
            while b"refused" not in text or not text.endswith(b"\n"):
                text += ours.recv(65536)
        finally:
            child.terminate()
            child.wait(patience(30))
        for line in text.decode().splitlines():
            holds(r"^(<3>error|<4>warning|<6>info): ", line, "a line")
        holds(r"(?m)^<4>warning: upstream office: .*refused", text.decode(), "the warning")
    ours.close()
    with tap.case("the journal gets the problems of a file as errors"):
        ours, theirs = socket.socketpair()
        status = os.fstat(theirs.fileno())
        with ours, theirs:
            subprocess.run([binary(), "--config", scratch("adit.ini", "[gateway]\nnonsense = 1\n")],
                           stdin=subprocess.DEVNULL, stderr=theirs, check=False,
                           timeout=patience(30),
                           env=environment(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}"))
            theirs.close()
            holds(r"^<3>.*adit\.ini:2: .*nonsense", ours.recv(65536).decode(), "the line")


def run(*arguments, env=None):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, env=env,
                          stdin=subprocess.DEVNULL, timeout=patience(60), check=False)


def main():
    with Sshd() as sshd:
        gateways(sshd)
        tunnels(sshd)
        deaf(sshd)
        reload_of_unit(sshd)
        journal(sshd)
        tunnel_of_a_user(sshd)
    restarts()
    units()


tap.run(main)

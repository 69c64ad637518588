#!/usr/bin/env -S python3 -B
"""The gateway's lock ([gateway] sandbox): each of its threads has it, and in each kind of thread nothing
succeeds of what an attacker would try who has taken the gateway over."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (Adit, Process, config, equal, false, holds, patience, sanitized, scratch, tap,
                       true)
from adit_test.gateway import binary, environment, public_binary
from adit_test.mux import Master, shell_server
from adit_test.process import gateway_of
from adit_test.sshd import Sshd
from adit_test.variants import variant

NAME_SERVER = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"

# What kills the process (t/lib/sandbox_probe.c), and the functions that kinds of threads begin with.
DEADLY = ("execve", "execveat", "ptrace", "vm-read", "bpf", "mount", "setuid", "unshare")
KINDS = ("writer_thread", "worker_main", "dial_thread")
FAILURES = ("EACCES", "EPERM", "ENOSYS")
KILLED = (rf"error: the gateway was killed by signal {int(signal.SIGSYS)} \(Bad system call\): it "
          r"made a system call that its lock forbids.*sandbox = off")


def locked(keys=()):
    return {"sandbox": "require", "workers": 2, **dict(keys)}


# ---- each task

def status_of(task):
    """The fields of a task's status, proc(5)."""
    with open(f"{task}/status", encoding="utf-8") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def count_locked(adit):
    """Raises unless each thread of the gateway is locked. Returns how many there are."""
    tasks = f"/proc/{adit.gateway}/task"
    seen = 0
    for name in os.listdir(tasks):
        with contextlib.suppress(FileNotFoundError):  # (a thread may have ended)
            found = status_of(f"{tasks}/{name}")
            equal([found[key] for key in ("Seccomp", "NoNewPrivs")], ["2", "1"], "its locks")
            equal([int(found[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb", "Bnd")],
                  [0] * 5, "its capabilities")
            seen += 1
    return seen


def tasks(sshd):
    with Adit(config(sshd, gate=locked())) as adit:
        with tap.case("each thread of the gateway is locked"):
            true(count_locked(adit) >= 4, "main, log, two workers")
            false(adit.find("sandbox"), "a part is missing")
        with tap.case("a reload, and another gateway after a crash, keep it"):
            mark = adit.reload()
            adit.wait_log("reloaded", mark)
            count_locked(adit)
            mark = adit.mark()
            os.kill(adit.gateway, signal.SIGKILL)
            adit.wait_log(r"info: ready$", mark)
            count_locked(adit)
        with tap.case("a reload with another sandbox says that it is read at the start"):
            mark = adit.reload(config(sshd, gate=locked({"sandbox": "off"})))
            adit.wait_log("reload: sandbox is read at start only", mark)
            count_locked(adit)
    unprivileged(sshd)
    with tap.case("off"), Adit(config(sshd, gate=locked({"sandbox": "off"}))) as adit:
        equal(status_of(f"/proc/{adit.gateway}")["Seccomp"], "0", "no filter")


NOBODY = 65534


def unprivileged(sshd):
    """(The files of a process that cannot be looked into are root's, proc(5).)"""
    if os.getuid() != 0:
        tap.leave_out("as another user", "only root can start it")
        return

    def become_nobody():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    text = config(sshd, gate={**locked(), "log": "debug"})
    with tap.case("as a user without privileges; nobody else's process can look into either one"):
        process = Process("adit of nobody", [
            public_binary(), "--config", scratch("adit.ini", text, mode=0o644)], env=environment(),
                          before=become_nobody)
        process.wait_log(r"info: ready$", seconds=60)
        gateway = gateway_of(process.pid)
        found = status_of(f"/proc/{gateway}")
        equal([found[key] for key in ("Seccomp", "NoNewPrivs", "CapEff", "CapPrm")],
              ["2", "1", *["0" * 16] * 2], "its locks")
        for pid in (process.pid, gateway):
            equal(os.stat(f"/proc/{pid}").st_uid, NOBODY, "whose process it is")
            equal(os.stat(f"/proc/{pid}/mem").st_uid, 0, "whose memory it is")
        process.signal(signal.SIGTERM)
        equal(process.wait(), 0, "the status")


# ---- what a kernel lacks

def start(sshd, sandbox, **variables):
    """What adit says until it is ready or fails, with its exit status."""
    text = config(sshd, gate={"sandbox": sandbox})
    process = Process("adit", [binary(), "--config", scratch("adit.ini", text)],
                      env=environment(**variables))
    process.wait_line(lambda line: re.search(r"info: ready$|error: ", line), "how it starts",
                      seconds=60)
    process.signal(signal.SIGTERM)
    code = process.wait()
    log = process.text()
    process.kill()
    return code, log


def levels(sshd):
    with variant("adit-probing"):
        for version in ("0", "1", "2", "3", "4", "5"):
            with tap.case(f"auto, where the kernel's Landlock has version {version}"):
                code, log = start(sshd, "auto", ADIT_PROBE_LANDLOCK=version, ADIT_PROBE="shadow,file",
                                  ADIT_PROBE_FILE=sshd.user_key)
                equal(code, 0, "the status")
                found = re.findall("info: sandbox: there is no (.*)", log)
                equal(len(found), 1 if version == "0" else 0, "lines about what is missing")
                if found:
                    holds("^Landlock in this kernel", found[0], "what it names")
                else:
                    equal(sorted(results(log, "main").items()),
                          [("file", "EACCES"), ("shadow", "EACCES")], "files")
        with tap.case("require, without Landlock"):
            code, log = start(sshd, "require", ADIT_PROBE_LANDLOCK="0")
            equal(code, os.EX_CONFIG, "the status")
            holds("error: sandbox = require: there is no Landlock in this kernel", log, "the reason")


# ---- files that the resolver reads

def own_etc(folder):
    """In the child: this folder in the place of /etc (mount_namespaces(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mounts, bind, private = 0x20000, 0x1000, 0x44000  # CLONE_NEWNS, MS_BIND, MS_REC|PRIVATE

    def before():
        if libc.unshare(new_mounts) != 0 or \
                libc.mount(None, b"/", None, private, None) != 0 or \
                libc.mount(folder.encode(), b"/etc", None, bind, None) != 0:
            raise OSError(ctypes.get_errno(), "a mount of our own")
    return before


def replaced(sshd):
    if subprocess.run(["unshare", "--mount", "--propagation", "private", "true"],
                      stderr=subprocess.DEVNULL, check=False).returncode != 0:
        tap.leave_out("an /etc/hosts of our own", "there can be no mounts of our own")
        return
    etc = scratch("etc")
    os.mkdir(etc)
    for name, text in (("hosts", f"{sshd.address} gate.test\n"), ("nsswitch.conf", "hosts: files dns\n"),
                       ("resolv.conf", f"nameserver {sshd.address}\noptions timeout:1 attempts:1\n"),
                       ("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        with open(os.path.join(etc, name), "w", encoding="ascii") as out:
            out.write(text)
    failed = "Could not resolve hostname gate.test: .*"
    text = config(sshd, gate=locked(), up={"host": "gate.test"})

    def put(name, content):
        with open(os.path.join(etc, "new"), "w", encoding="ascii") as out:
            out.write(content)
        os.rename(os.path.join(etc, "new"), os.path.join(etc, name))

    with Adit(text, before=own_etc(etc)) as adit:
        with tap.case("a name of /etc/hosts is found"):
            adit.wait_log("upstream office: .*gate.test")
            false(adit.find(failed), "a name that is not found")
        with tap.case("one that has replaced /etc/hosts is read at a reload"):
            put("hosts", f"{sshd.address} other.test\n")
            mark = adit.reload(text.replace("gate.test", "other.test"))
            adit.wait_log("upstream office: .*other.test", mark)
            false(adit.find("was replaced"), "a warning")
        with tap.case("and again"):
            put("hosts", f"{sshd.address} other.test\n{sshd.address} third.test\n")
            mark = adit.reload(text.replace("gate.test", "third.test"))
            adit.wait_log("upstream office: .*third.test", mark)
        with tap.case("a name server of an /etc/resolv.conf that was replaced is asked after a reload"), \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind((NAME_SERVER, 53))
            server.settimeout(patience(60))
            put("resolv.conf", f"nameserver {NAME_SERVER}\n")
            adit.reload(text.replace("gate.test", "fourth.test"))
            true(b"\x06fourth\x04test" in server.recv(512), "the question")
        with tap.case("other files that were replaced are read after an upgrade, and the log says so"):
            put("passwd", "root:x:0:0:root:/root:/bin/sh\n")
            mark = adit.reload(text.replace("gate.test", "third.test"))
            adit.wait_log("warning: /etc/passwd was replaced after the gateway has locked itself.*-O "
                          "upgrade", mark)


# ---- what is tried in each kind of thread

def results(log, thread):
    """{try: result} of a thread."""
    return {found[1]: found[2] for found in
            re.finditer(rf"^probe {re.escape(thread)}: ([\w-]+): (?!tried)(.*)$", log, re.MULTILINE)}


def functions():
    """{name: place} of the program's functions, as probes name a thread."""
    lines = subprocess.run(["nm", "--defined-only", binary()], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    symbols = (line.split() for line in lines)
    return {name: f"adit: gateway+{int(place, 16):#x}" for place, kind, name in symbols
            if kind in "tT"}


def quiet(adit, threads):
    for kind, thread in threads.items():
        with tap.case(f"nothing that is tried in a thread of the kind {kind} succeeds"):
            adit.wait_log(rf"^probe {re.escape(thread)}: limit: (?!tried)", seconds=60)
            found = results(adit.text(), thread)
            true(len(found) > 25, "tries")
            equal({name: result for name, result in found.items()
                   if result not in FAILURES}, {}, "what did not fail")


def tries(sshd):
    with variant("adit-probing"):
        places = functions()
        threads = {"main": "main", **{kind: places[kind] for kind in KINDS}}
        with Adit(config(sshd, gate=locked()),
                  env={"ADIT_PROBE": "all", "ADIT_PROBE_FILE": sshd.user_key}) as adit:
            quiet(adit, threads)
        for kind, thread in threads.items():
            for name in DEADLY if kind == "worker_main" else DEADLY[:3]:
                with tap.case(f"{name} in a thread of the kind {kind} kills the gateway"):
                    killed(sshd, name, thread)
    with variant("adit-probing"), shell_server() as server:
        served(server, places)


def served(sshd, places):
    """Threads that begin when ssh(1) is served."""
    with Master(sshd, gate={"sandbox": "require"},
                env={"ADIT_PROBE": "all", "ADIT_PROBE_FILE": sshd.user_key}) as master:
        master.adit.sessions_up(1)
        equal(master.ssh("server", "echo out").stdout, b"out\n", "what ssh says")
        quiet(master.adit, {"pump_main": places["pump_main"]})


def killed(sshd, name, thread):
    process = Process("adit", [binary(), "--config",
                               scratch("adit.ini", config(sshd, gate=locked()))],
                      env=environment(ADIT_PROBE=name, ADIT_PROBE_AT=thread))
    process.wait_log(rf"^probe {re.escape(thread)}: {name}: tried", seconds=60)
    process.wait_log(KILLED, seconds=60)
    equal(results(process.text(), thread), {}, "what it returned")
    process.kill()


def main():
    if sanitized():
        with Sshd() as sshd, tap.case("a build with sanitizers has no lock, and says so"):
            code, log = start(sshd, "require")
            equal(code, os.EX_CONFIG, "the status")
            holds("there is no lock in a build with sanitizers", log, "the reason")
        return
    with Sshd() as sshd:
        tasks(sshd)
        levels(sshd)
        replaced(sshd)
        tries(sshd)


tap.run(main)

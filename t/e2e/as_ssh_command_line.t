#!/usr/bin/env -S python3 -B
"""Command lines beside ssh(1): destinations, forwards that are there twice or not at all, -f, paths,
and why a connection fails."""

import os
import re
import shlex
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, run_adit, scratch, tap, true, wait_until
from adit_test.as_ssh import PROGRAMS, Silence, call as run, side_by_side
from adit_test.clients import echoes
from adit_test.command import Tunnel, call, ssh_config
from adit_test.keys import known_hosts_lines
from adit_test.net import has_ipv6
from adit_test.origins import Origin, echo
from adit_test.process import gateway_of
from adit_test.sshd import Sshd


def destinations():
    port = free_port()
    for to in ("@", "ssh://", "@host", "ssh://h:0", "ssh://u@h:99999", "ssh://u@h/path",
               "ssh://u@[::1]:2222", "u@", "h:22", "[::1]", "u@[::1]", "[fe80::1%lo]", "fe80::1%lo",
               "u@fe80::1%lo", "u@::1", "-h", "$(x)", "a b"):
        with tap.case(f"{to} is no way to a server: the status is ssh's, and there is no usage"):
            words = ["-F", "none", "-p", str(port), "-o", "BatchMode=yes", "-W", "a:1", "--", to]
            adit, ssh = (run(program, words) for program in ("adit", "ssh"))
            equal(ssh.status, 255, f"ssh's status ({ssh.said!r})")
            # (78: a name that cannot be one is told before anything is looked up.)
            true(adit.status in (255, 78), f"adit's status {adit.status} ({adit.said!r})")
            true(len(adit.said.splitlines()) <= 2, f"as many lines as {adit.said!r}")
            true("usage" not in adit.said and "-46AaCf" not in adit.said, adit.said)
            if "onnect to host" in ssh.said:  # it is a name or an address: then nobody is there
                holds("(?i)refused|unreachable|invalid argument", adit.said, "what it says")
    if has_ipv6():
        with Sshd(address="::1") as sshd, tap.case("::1 leads to a server"):
            side_by_side(sshd, Silence())


def forwards(sshd, origin):
    hosts = ssh_config({"host": sshd})
    to = f"{ANY}:{origin.port}"
    port = free_port()
    with tap.case("a master without forwards waits for them, and opens no port"):
        path = scratch("master")
        with Tunnel(f"ssh -fNM -S {path} host", hosts) as master:
            [pid] = master.pids()
            inodes = [os.readlink(f"/proc/{one}/fd/{fd}") for one in (pid, gateway_of(pid))
                      for fd in os.listdir(f"/proc/{one}/fd")]
            listening = {f"socket:[{line.split()[9]}]" for name in ("tcp", "tcp6")
                         for line in open(f"/proc/net/{name}", encoding="ascii")
                         if line.split()[3] == "0A"}
            equal([inode for inode in inodes if inode in listening], [], "its listeners")
            equal(call(f"ssh -S {path} -O forward -L {port}:{to} host", hosts).returncode, 0,
                  "-O forward")
            true(echoes(port), "a connection through it")
    with tap.case("ClearAllForwardings with -N waits"):
        with Tunnel(f"ssh -v -N -o ClearAllForwardings=yes -L {port}:{to} host", hosts) as tunnel:
            tunnel.wait_log("every upstream has a session")
            true(not echoes_or_refuses(port), "nothing listens")
            true(tunnel.alive(), "it stays")
    with tap.case("the same -L twice: a warning, as with ssh"):
        with Tunnel(f"ssh -v -N -L {port}:{to} -L {port}:{ANY}:1 host", hosts) as tunnel:
            wait_until(lambda: echoes_or_refuses(port), "the first of them")
            holds(rf"{port}", tunnel.text(), "what it says")
    with tap.case("the same -L twice with ExitOnForwardFailure: 255"):
        done = call(f"ssh -N -o ExitOnForwardFailure=yes -L {port}:{to} -L {port}:{ANY}:1 host",
                    hosts)
        equal(done.returncode, 255, f"the status ({done.stderr!r})")


def blanks(sshd, origin):
    """Paths of sockets with blanks, colons and quotes in them, by each way to give them."""
    hosts = ssh_config({"host": sshd})
    to = f"{ANY}:{origin.port}"
    for name, words in (
            ("a b", ["-L", "{path}:{to}"]), ("c d", ["-o", 'LocalForward="{path}" {to}']),
            ("e f", ["-o", "LocalForward='{path}' {to}"]), ("g [h]", ["-L", "{path}:{to}"]),
            ("i:j", ["-L", "{escaped}:{to}"])):
        for program in PROGRAMS:
            path = f"{scratch('socket')} {name}"
            line = [word.format(path=path, to=to, escaped=path.replace(":", "\\:"))
                    for word in words]
            with tap.case(f"{program}: {words[0]} with a path with {name!r} in it"), \
                    Tunnel(f"ssh -N {shlex.join(line)} host", hosts, real=program == "ssh"):
                with socket.socket(socket.AF_UNIX) as client:
                    # (It is bound a moment before it is listened at.)
                    wait_until(lambda at=path: client.connect_ex(at) == 0, "the socket")
                    client.sendall(b"there and back")
                    equal(client.recv(100), b"there and back", "an echo")


def echoes_or_refuses(port):
    try:
        return echoes(port)
    except OSError:
        return False


def background(sshd, origin):
    """-f with persistence is in the background at once."""
    nobody = Sshd(start=False)
    hosts = ssh_config({"host": nobody})
    port = free_port()
    line = f"-fN -L {port}:{ANY}:{origin.port} host"
    for words in (f"AUTOSSH_GATETIME=0 autossh -M 0 {line}", f"ssh --persist {line}"):
        with tap.case(f"-fN with persistence, the server down: {words.split()[0]}"):
            with Tunnel(words, hosts):
                nobody.start()
                wait_until(lambda: echoes_or_refuses(port), "a connection, once there is a server")
        nobody.stop()
    hosts, port = ssh_config({"host": sshd}), free_port()
    with tap.case("SIGHUP to a tunnel opens its log again, and does not end it"):
        log = scratch("log")
        with Tunnel(f"ssh -v -E {log} -N -L {port}:{ANY}:{origin.port} host", hosts) as tunnel:
            wait_until(lambda: echoes_or_refuses(port), "a connection")
            os.rename(log, f"{log}.1")
            tunnel.signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(log), "a new log")
            true(echoes(port), "a connection")
            wait_until(lambda: "outcome=ok" in open(log, encoding="utf-8").read(),
                       "its line in the new log")


def settings(silence):
    with tap.case("BatchMode does not change the keepalive"):
        plain, batch = (run_adit("--dump", "-F", "none", *words, "h").stdout
                        for words in ((), ("-o", "BatchMode=yes")))
        lines = [re.findall(r"^keepalive.*", text, re.MULTILINE) for text in (plain, batch)]
        equal(lines[1], lines[0], "the lines")
    with tap.case("an unknown MAC alone: --check finds it"):
        done = run_adit("--check", "-F", "none", "-o", "MACs=umac-64-etm@openssh.com", "h")
        equal(done.returncode, 78, "the status")
        holds("umac-64-etm@openssh.com", done.stderr, "what it says")
    with Sshd(options={"MACs": "hmac-sha1", "Ciphers": "aes128-ctr"}) as sshd:
        with tap.case("MACs +hmac-sha1 is taken"):
            side_by_side(sshd, silence, "MACs=+hmac-sha1")
        with tap.case("a server that has hmac-sha1 alone"):
            side_by_side(sshd, silence)


def paths(silence):
    with Sshd() as sshd:
        with open(sshd.known_hosts, encoding="ascii") as lines:
            known = lines.read()
        for name in ("sp dir", "com,ma", "per%cent", "d'quote", "a#hash"):
            directory = scratch(name)
            os.mkdir(directory)
            path = os.path.join(directory, "kh")
            with open(path, "w", encoding="ascii") as out:
                out.write(known)
            key = os.path.join(directory, "key")
            for suffix in ("", ".pub"):
                os.symlink(sshd.user_key + suffix, key + suffix)
            escaped = path.replace("%", "%%")
            with tap.case(f"UserKnownHostsFile in {name}"):
                side_by_side(sshd, silence, f'UserKnownHostsFile="{escaped}"')
            with tap.case(f"GlobalKnownHostsFile in {name}"):
                side_by_side(sshd, silence, f'GlobalKnownHostsFile="{path}"',
                             "UserKnownHostsFile=/dev/null")
            with tap.case(f"IdentityFile in {name}"):
                side_by_side(sshd, silence, 'IdentityFile="{}"'.format(key.replace("%", "%%")),
                             "IdentitiesOnly=yes", keys=[])
        key = known_hosts_lines(sshd.host_key, ("x", 22)).split(" ", 1)[1]
        for alias in ("foo@bar", "bar", "UPPER", "with%n"):
            expected = alias.lower()
            file = scratch("known_hosts", f"{expected} {key}")
            with tap.case(f"HostKeyAlias {alias}"):
                side_by_side(sshd, silence, f"HostKeyAlias={alias}", f"UserKnownHostsFile={file}")


def ways(silence):
    """What a ProxyCommand's connection fails of is told."""
    with Sshd(options={"KexAlgorithms": "curve25519-sha256"}) as sshd:
        with tap.case("ProxyCommand: why the key exchange failed"):
            done = run("adit", ["-F", "none", "-o", "KexAlgorithms=ecdh-sha2-nistp256", "-o",
                                f"ProxyCommand=ncat {sshd.address} {sshd.port}", "-W", "a:1",
                                f"{sshd.user}@h"])
            equal(done.status, 255, "the status")
            holds("(?i)kex", done.said, "what it says")
        with tap.case("ProxyCommand that fails: its status"):
            done = run("adit", ["-F", "none", "-o", "ProxyCommand=sh -c 'exit 3'", "-W", "a:1",
                                "h"])
            equal(done.status, 255, "the status")
            holds("exited with status 3", done.said, "what it says")


def main():
    silence = Silence()
    with Sshd() as sshd, Origin(echo) as origin:
        parts = {"destinations": destinations, "forwards": lambda: forwards(sshd, origin),
                 "blanks": lambda: blanks(sshd, origin),
                 "background": lambda: background(sshd, origin),
                 "settings": lambda: settings(silence), "paths": lambda: paths(silence),
                 "ways": lambda: ways(silence)}
        for name, part in parts.items():
            if not sys.argv[1:] or name in sys.argv[1:]:
                part()


tap.run(main)

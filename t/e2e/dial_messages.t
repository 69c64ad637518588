#!/usr/bin/env -S python3 -B
"""Each message of a failed dial that the sources can print is printed here, by a set-up that brings
it about, or is named below with the test that does. A message that is in no table fails.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, false, fingerprint, free_port, holds, keypair, scratch, tap,
                       true)
from adit_test.clients import closed
from adit_test.gateway import TOP, gateway, listen, run_adit, upstream
from adit_test.keys import known_hosts_lines, public
from adit_test.origins import Origin
from adit_test.rogue import DISCONNECT, KEXINIT, USERAUTH_REQUEST, Rogue, numbers, text
from adit_test.sshd import Sshd

# What is produced elsewhere: the begin of a message, and the test.
ELSEWHERE = {
    "the packets of cipher %s cannot be checked": "t/e2e/integrity.t",
    "host key %s of %s is not accepted: %s": "t/e2e/host_keys.t",
    "the key exchange %s does not withstand": "t/e2e/post_quantum.t",
}
# What takes a machine without memory or descriptors, or another libssh.
UNREACHED = {
    "libssh: no memory for a session", "too many files are open for libssh",
    "no descriptors are left", "jump host %s: no socket can be had",
    "%s \"%s\" cannot be used: libssh says", "the server's host key cannot be read",
    "ssh_config: HostName '%s' is no host's name",  # (this libssh does not give such a name out)
}

said = []  # (by which case, message)


def sources():
    """The format of each message: {format: file}."""
    found = {}
    for name in ("session_libssh", "keeper", "gateway"):
        directory = os.path.join(TOP, "src", name)
        for file in sorted(os.listdir(directory)):
            if not file.endswith(".c") or name == "gateway" and file != "dial_attempt.c":
                continue
            with open(os.path.join(directory, file), encoding="utf-8") as source:
                code = source.read()
            calls = r"(?:handshake|login)_fail\([^;\"]*?" if name != "gateway" else \
                r"(?:mem_printf\(|snprintf\((?:text|error), sizeof\(\w+\),|LL, )[^;\"]*?"
            for call in re.finditer(calls + r'((?:"(?:[^"\\]|\\.)*"\s*)+)', code):
                literal = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call[1]))
                found[literal.replace('\\"', '"')] = f"src/{name}/{file}"
    return found


# What dial_attempt.c makes that is no message.
NO_MESSAGE = {"%s by %s", "%u", "%.*s"}


def pattern_of(form):
    """A regular expression for what printf(3) makes of a format."""
    return "".join(".*" if part.startswith("%") else re.escape(part)
                   for part in re.split(r"(%(?:\.\*|\.\d+)?l?[sdu])", form))


def fails(name, sshd, *patterns, **keys):
    """One case: a gateway whose upstream cannot be dialled; what the log says of it."""
    sections, env = keys.pop("sections", ""), keys.pop("env", None)
    with tap.case(name):
        with Adit(gateway() + upstream(sshd, **keys) + listen() + sections, name=f"adit: {name}",
                  env=env, ready=False) as adit:
            line = adit.wait_log(r"warning: upstream office: .*")[0]
        said.append((name, line))
        holds(r"upstream office: \S", line, "the upstream")
        for pattern in patterns:
            holds(pattern, line, "what it says")


def host_keys(sshd):
    key, other = public(sshd.host_key), keypair("other")
    place = (sshd.address, sshd.port)
    mark = fingerprint(sshd.host_key)
    revoked = scratch("known_hosts", f"@revoked * {key}\n" + known_hosts_lines(sshd.host_key, place))
    fails("a revoked key", sshd, "REVOKED by " + re.escape(revoked) + ":1", re.escape(mark),
          known_hosts=revoked)
    fails("a key in a file of revoked ones", sshd, "REVOKED by", re.escape(mark),
          revoked_host_keys=scratch("revoked", key + "\n"))
    fails("an unknown key", sshd, re.escape(mark), known_hosts=scratch("none"))
    fails("a changed key", sshd, re.escape(mark), re.escape(fingerprint(other)),
          known_hosts=scratch("known_hosts", known_hosts_lines(other, place)))
    def command(name, *lines):
        return scratch(name, "\n".join(("#!/bin/sh", *lines, "")), 0o755)

    path = command("keys", f"echo '{known_hosts_lines(other, place).strip()}'")
    fails("a key that is another by KnownHostsCommand", sshd, re.escape(mark),
          re.escape(fingerprint(other)), f"but KnownHostsCommand {path}:1 says that it is",
          known_hosts=scratch("none"), known_hosts_command=path)
    path = command("keys", "echo out of order >&2", "exit 7")
    fails("a KnownHostsCommand that fails", sshd, f"{path} exited with status 7 when it was run for "
          'ORDER: "out of order"; without it', known_hosts_command=path)
    path = command("keys", "exec yes")
    fails("a KnownHostsCommand that does not stop", sshd, f"{path} printed more than 16 MiB for ORDER",
          known_hosts_command=path)
    fails("another key than the pinned one", sshd, re.escape(mark), re.escape(fingerprint(other)),
          host_key=fingerprint(other))
    directory = scratch("directory")
    os.mkdir(directory)
    fails("a known_hosts file that is none", sshd, re.escape(directory), known_hosts=directory)


def logins(sshd):
    fails("a key that the server does not take", sshd, "authorized_keys",
          identity=keypair("stranger"))
    empty = scratch("empty", "")
    fails("an empty password file", sshd, f"password_file {empty}: the file is empty",
          password_file=empty)
    fails("an empty passphrase file", sshd, f"passphrase_file {empty}: the file is empty",
          passphrase_file=empty)
    with Silent() as silent:
        fails("a server that does not answer a login", silent, "timed out while logging in",
              connect_timeout="1s")
    with Rogue(stop=("connect", "hang")) as rogue:
        fails("a server that says nothing", rogue, "did not answer in time", connect_timeout="1s")
    with Rogue(stop=("their-version", "reset")) as rogue:
        fails("a server that resets the connection", rogue,
              "the connection broke during the key exchange: Connection reset by peer")
    with Rogue(stop=("reply", "garbage")) as rogue:
        fails("a server that breaks the protocol", rogue, 'libssh says ".+" during the key exchange')

    def words(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)
        session.send(DISCONNECT, numbers(11), text("back at noon"), text(""))
        session.linger()

    def nothing(session):
        session.accept_service()
        session.expect(USERAUTH_REQUEST)

    with AtOnce() as rogue:
        fails("a server without a common cipher that does not wait", rogue,
              "no cipher algorithm is common", "server has aes128-ctr, here are aes256-ctr",
              ciphers="aes256-ctr")
    with Rogue(words) as rogue:
        fails("a server that disconnects", rogue, "back at noon")
    with Rogue(nothing) as rogue:
        fails("a server that closes", rogue, "closed the connection while logging in")


class Silent(Rogue):
    """Answers nothing once keys are exchanged."""


def algorithms():
    for what, option, key, name in (
            ("key exchange", "KexAlgorithms", "kex", "curve25519-sha256"),
            ("cipher", "Ciphers", "ciphers", "aes256-ctr"),
            ("MAC", "MACs", "macs", "hmac-sha2-512"),
            ("host key", "HostKeyAlgorithms", "host_key_algorithms", "ssh-ed25519")):
        other = {"kex": "ecdh-sha2-nistp256", "ciphers": "aes128-ctr", "macs": "hmac-sha2-256",
                 "host_key_algorithms": "rsa-sha2-512"}[key]
        more = {"ciphers": "aes128-ctr"} if key == "macs" else {}
        with Sshd(options={option: name, **({"Ciphers": "aes128-ctr"} if more else {})}) as sshd:
            fails(f"no common {what}", sshd, f"no {what} algorithm is common", re.escape(name),
                  rf"{key} = \+NAME \(-o {option}=\+NAME\)", **{key: other}, **more)
            with tap.case(f"no common {what}: with what the message advises there is a session"), \
                    Adit(gateway() + upstream(sshd, **{key: f"+{name}"}, **more) + listen(),
                         name=f"adit +{name}", ready=False) as adit:
                adit.sessions_up(1)
            fails(f"a {what} that libssh does not know", sshd, "libssh knows none of them",
                  **{key: "rot13"})


def connections(sshd):
    fails("nobody listens", sshd, "Connection refused", port=free_port())
    fails("a name that nobody knows", sshd, r"Could not resolve hostname nowhere\.invalid",
          host="nowhere.invalid")
    fails("no such interface", sshd, "there is no interface nope0", host="fe80::1%nope0")
    fails("no address of the family", sshd, r"127\.0\.0\.1 has no address of the family.*-6",
          address_family="inet6")
    with Origin(lambda conn, _: conn.sendall(b"HELO\r\n")) as other:
        fails("another protocol", sshd, 'begins with "HELO"', port=other.port)
    edge = upstream(sshd, "edge")
    fails("a target that the jump host cannot reach", sshd, "edge could not reach it: .*refused",
          jump="edge", port=free_port(), sections=edge)
    down = upstream(sshd, "edge", port=free_port())
    fails("a jump host that is down", sshd, "edge: no SSH session is up", jump="edge",
          sections=down, connect_timeout="2s")
    fails("a ProxyCommand that fails", sshd, "ProxyCommand exited with status 3", "closed",
          proxy_command="sh -c 'exit 3'")
    fails("a ProxyCommand that ends", sshd, r"ProxyCommand exited with status 0", "closed",
          proxy_command="true")
    if tap.have("a ProxyCommand and a login that fails", "ncat"):
        fails("a ProxyCommand and a login that fails", sshd, "no cipher algorithm is common",
              proxy_command=f"sh -c 'ncat {ANY} {sshd.port}; exit 4'", ciphers="aes192-ctr",
              host_key="any")


class AtOnce(Rogue):
    """Its version and its KEXINIT come in one piece, so that libssh sees before it has sent its own
    that no cipher is common."""

    def _accepted(self, conn):
        names = ["curve25519-sha256", "ssh-ed25519", *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2,
                 "none", "none", "", ""]
        payload = bytes([KEXINIT]) + bytes(16) + b"".join(map(text, names)) + bytes(5)
        padding = 4 + -(5 + len(payload) + 4) % 8
        conn.sendall(b"SSH-2.0-rogue\r\n" + numbers(1 + len(payload) + padding) +
                     bytes([padding]) + payload + bytes(padding))

        def linger():
            with conn:
                closed(conn)
        return linger


def without_ssh(sshd):
    """What libssh finds in ssh_config, where there is no ssh to ask."""
    nowhere = {"PATH": scratch("nowhere")}
    name = "a line that libssh does not read"
    if re.search(r"libssh 0\.10\.", run_adit("-V").stdout):
        fails(name, sshd, 'ssh_config: libssh says "', ssh_config="yes",
              ssh_config_file=scratch("ssh_config", "Match nonsense\n"), env=nowhere)
    else:
        tap.leave_out(name, "this libssh reads on")
        UNREACHED.add("ssh_config: libssh says")
    fails("a ProxyCommand without a shell", sshd,
          "ProxyCommand cannot be run by /nowhere/sh: No such file", proxy_command="true",
          env={"SHELL": "/nowhere/sh"})


def every_message():
    forms = sources()
    with tap.case("the sources have messages"):
        true(len(forms) > 25, f"{len(forms)} messages")
    for form, file in forms.items():
        if form in NO_MESSAGE:
            continue
        with tap.case(f"{file}: {form[:70]}"):
            if any(form.startswith(begin) for begin in {*ELSEWHERE, *UNREACHED}):
                continue
            true(any(re.search(pattern_of(form), line) for _, line in said),
                 f"no case prints this: {form}")
    for begin in {*ELSEWHERE, *UNREACHED}:
        with tap.case(f"still a message: {begin[:60]}"):
            true(any(form.startswith(begin) for form in forms), "in the sources")
    with tap.case("no words of libssh without quotes"):
        for name, line in said:
            false(re.search(r'(?<!")(Socket error|kex error|Timeout connecting)', line),
                  f"{name}: {line}")


def main():
    with Sshd(options={"Ciphers": "aes128-ctr,aes256-ctr"}) as sshd:
        host_keys(sshd)
        logins(sshd)
        connections(sshd)
        without_ssh(sshd)
    algorithms()
    every_message()


tap.run(main)

"""Keys, certificates, known_hosts lines and an agent, by OpenSSH's own tools."""

import os
import socket
import subprocess

from .process import Process, scratch, wait_until


def keypair(name="key", passphrase="", kind="ed25519"):
    """Makes a key pair; returns the private key's path."""
    path = scratch(name)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", path],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def public(key):
    with open(f"{key}.pub", encoding="ascii") as source:
        return source.read().strip()


def authorized(*keys):
    """An authorized_keys file with these keys."""
    return scratch("authorized_keys", "".join(f"{public(key)}\n" for key in keys), 0o644)


def fingerprint(key):
    """SHA256:... of a key pair."""
    line = subprocess.run(["ssh-keygen", "-l", "-E", "sha256", "-f", f"{key}.pub"], check=True,
                          capture_output=True, text=True).stdout
    return line.split()[1]


def known_hosts_lines(key, *places):
    """What known_hosts says where `key` is the key of each (address or name, port)."""
    kind, base64 = public(key).split()[:2]
    return "".join(f"{host if port == 22 else f'[{host}]:{port}'} {kind} {base64}\n"
                   for host, port in places)


def known_hosts(key, *places):
    """A known_hosts file of these lines."""
    return scratch("known_hosts", known_hosts_lines(key, *places))


def certify(authority, key, user, until=None):
    """Signs KEY for `user`; the certificate is in KEY-cert.pub, whose path is returned. `until`: its
    end, in seconds since 1970; None: it has none."""
    validity = ["-V", f"0x0:{until:#x}"] if until is not None else []
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "adit test", "-n", user, *validity,
                    f"{key}.pub"], check=True, stdin=subprocess.DEVNULL)
    return f"{key}-cert.pub"


class Agent:
    """An ssh-agent with some keys in it."""

    def __init__(self, *keys):
        self.socket = scratch("agent")
        self.process = Process("ssh-agent", ["ssh-agent", "-D", "-a", self.socket])
        wait_until(self._answers, "ssh-agent's socket")
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], check=True, stdin=subprocess.DEVNULL,
                           env={**os.environ, "SSH_AUTH_SOCK": self.socket})

    def _answers(self):
        """(The path is there before anybody listens at it.)"""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()

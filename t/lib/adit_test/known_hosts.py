"""The cases of t/lib/known_hosts.table, with the keys and the port of servers that run."""

import base64
import hashlib
import hmac
import os
import re

TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "known_hosts.table")
SALT = bytes(range(20))


class Case:
    """One case. `files` are texts with what stands for keys and names still in them."""

    def __init__(self, name):
        self.name = name
        self.server = "ed25519"
        self.alias = None
        self.verdict = None
        self.ssh = None
        self.ssh10 = None
        self.files = []

    def verdict_of_ssh(self, version):
        """What ssh of that version, like (9, 2), makes of it."""
        return (self.ssh10 if version >= (10, 0) else None) or self.ssh or self.verdict


def read():
    """The keys of the table by their names, and the cases."""
    keys, cases = {}, []
    with open(TABLE, encoding="utf-8") as table:
        for line in table:
            word, _, value = line.rstrip("\n").partition(" ")
            if word == "key":
                name, _, keys[name] = value.partition(" ")
            elif word == "case":
                cases.append(Case(value))
            elif word == "file":
                cases[-1].files.append(value)
            elif word and not word.startswith("#"):
                setattr(cases[-1], word, value)
    return keys, cases


def hashed(name):
    """|1|SALT|HASH of a name."""
    digest = hmac.new(SALT, name.encode(), hashlib.sha1).digest()
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (SALT, digest))


class Expansion:
    """What stands for what in a case's files.

    keys         those of the table
    host, port   where the server is
    own          {kind: "TYPE BASE64"}: the server's keys; the case's `server` says which is <key>
    certificate  of its ed25519 key
    """

    def __init__(self, keys, host, port, own, certificate):
        self.keys = keys
        self.names = {"host": host, "name": f"[{host}]:{port}", "port": str(port)}
        self.own = own
        self.certificate = certificate

    def _word(self, word, server):
        kind, _, argument = word.partition(":")
        key = self.own[argument if argument and kind in ("key", "blob") else
                       "ed25519" if server == "all" else server]
        if word in self.names:
            return self.names[word]
        if kind in ("key", "type", "blob"):
            return {"key": key, "type": key.split()[0], "blob": key.split()[1]}[kind]
        if kind == "key-cert":
            return self.certificate
        if kind in ("x", "xs"):
            return "x" * int(argument) if kind == "x" else ",".join("x" * int(argument))
        if kind.startswith("hash"):
            text = hashed(argument[1:] if argument[0] == "=" else self.names[argument])
            return {"hash": text, "hash2": text[2:], "hash-unpadded": text[:-1],
                    "hash-lower": text.lower()}[kind]
        return self.keys[word]

    def file(self, text, server):
        """The bytes of one file."""
        text = re.sub(r"<([^<>]+)>", lambda found: self._word(found[1], server), text)
        plain = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}
        return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda found: chr(int(found[1][1:], 16))
                      if found[1][0] == "x" else plain[found[1]], text).encode("latin-1")

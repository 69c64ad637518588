#!/usr/bin/env -S python3 -B
"""Each message that the sources can print about a command line, a file or a start is printed here,
or a test quotes it. A message of neither kind fails.
"""

import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, equal, holds, scratch, tap, true, wait_until
from adit_test.gateway import TOP, binary, environment, run_adit

UPSTREAM = "[upstream a]\nhost = h\nhost_key = any\n"
PLAIN = "[listen l]\naddress = 127.0.0.1:7777\n" + UPSTREAM
BCRYPT = "$2y$04$fwYM0UQ5XF5ZLXJd9kQXje7fSDMQJz20WV7mrz2bJ6Zvwq.1OnmpA"

# The begin of a message, and what it takes.
UNREACHED = {
    "is not ASCII, which needs an adit with libidn2": "a build without libidn2",
    "crypt(3) of this system does not know the hash": "a system without a kind of hash",
    "fork: %s": "a limit on processes; root has none",
    "%s belongs to another user: it is not asked": "a user who is not root",
    "%s: an empty rule": "no file: a value that is missing is found before; see t/unit/acl_rules",
    "RLIMIT_NOFILE cannot be raised: %s": "a kernel that refuses what it allows",
    "no random bytes for the credential cache": "a kernel without random bytes",
    "HMAC-SHA256 is not to be had from OpenSSL": "a broken OpenSSL",
    "signalfd: %s": "a machine without memory",
    "cannot start an event loop: %s": "a machine without memory",
    "cannot start the resolver: %s": "a machine without memory",
    "is too long for a name": "a name whose ASCII form is longer than the file's line may be",
}

said = []


def says(name, line, *arguments, status=78, output="stderr", **more):
    """One case: a run of adit that ends with `status` and says `line`."""
    with tap.case(name):
        done = run_adit(*arguments, **more)
        equal(done.returncode, status, f"the exit status (it said {done.stderr!r})")
        text = getattr(done, output)
        said.extend(text.splitlines())
        true(line in text, f"{line!r} in {text!r}")


def usage(name, line, *arguments):
    says(name, line, *arguments, status=64)


def command_lines():
    usage("-P", "-P is not known: give -o Tag=x", "-P", "x", "host")
    usage("a word behind the host", "'ls' after the host: adit runs no commands there; ssh does",
          "host", "ls")
    usage("an empty host", "the host has no name", "")
    usage("--check and --dump", "--check and --dump exclude each other", "--check", "--dump", "h")
    usage("-O and -W", "-O asks a running adit: it goes with no --check, --dump or -W",
          "-O", "check", "-W", "a:1", "h")
    usage("-O, --config and -S", "-O: --config FILE says where the control socket is, and so does "
          "-S or a host", "-O", "check", "--config", "f", "-S", "s")
    usage("-O alone", "-O asks an adit: say which by a host, -S PATH, or --config FILE", "-O", "check")
    usage("--sandbox and a file", "--sandbox goes with a host that adit logs in to; a file has "
          "sandbox in [gateway]", "--sandbox", "off", "--config", "f")
    usage("--config and a host", "--config FILE says it all: no host, and no option of ssh, goes "
          "with it", "--config", "f", "h")
    usage("--try and --check", "--try goes with no --check, --dump, -O or --init", "--try", "--check", "h")
    usage("--try and -f", "--try dials once and ends: it goes with no -f and no --persist",
          "--try", "-f", "h")
    usage("--try, a file and -p", "--config FILE says it all: --try takes names of its upstreams, "
          "and no option of ssh", "--config", "f", "--try", "-p", "22")
    usage("--try alone", "--try: which host? adit --try [USER@]HOST, or adit --config FILE --try",
          "--try")
    usage("--json alone", "--json goes with -O and --try", "--json", "h")
    usage("-W and -f", "-W needs standard input and output, which -f takes away",
          "-f", "-W", "a:1", "h")
    usage("a port that is none", "has 'x' for a port, which is a number from 1 to 65535 or a "
          "service", "-L", "1:a:x", "h")
    for letter, more, line in (
            ("-L", ("8080 h:80",), "'8080 h:80' has a blank that is not in a path"),
            ("-1", (), "SSH protocol 1 is not supported"),
            ("-G", (), "ssh -G prints what ssh would do; adit --dump prints what adit would"),
            ("-Q", ("kex",), "ssh -Q answers that"),
            ("-s", (), "adit runs no commands and no subsystems; ssh does")):
        usage(letter, f"adit: {letter}: {line}", letter, *more, "h")
    usage("no host", "adit: a host is missing: adit [USER@]HOST makes a SOCKS and HTTP proxy at "
          "127.0.0.1:1080 that leads through HOST, adit --config FILE runs a gateway", "-N")
    usage("-R", "[BIND:]PORT:HOST:HOSTPORT or [BIND:]PORT, with a socket's path in place of either "
          "end", "-R", "a:b:c:d:e", "h")
    says("--help", "usage: adit [options] [user@]host            a tunnel, from ssh's command line",
         "--help", output="stdout", status=0)
    config = scratch("config", "Host h\n  HostName localhost\n")
    says("a socket with a token that is not known", "'/tmp/%q' has a token or a variable that is "
         "not known", "--check", "-F", config, "-L", "/tmp/%q:a:1", "h")
    says("--dump of what no file can hold", "adit: --dump: a file cannot hold [upstream h] "
         "proxy_command = xxx", "--dump", "-F", config, "-o", "ProxyCommand=" + "x" * 300, "h")
    says("a user with a blank and a dash", "it has a '-' in it after a blank", "-l", "a -b", "h",
         status=255)
    says("a jump host's user with a blank", "it has a blank in it", "--check", "-J", "a b@c", "h",
         status=255)
    says("an address in ssh://", "ssh does not take the destination 'ssh://::1' (an IPv6 address "
         "goes without ssh://: -p PORT [USER@]ADDRESS)", "--check", "ssh://::1", status=255)
    says("-O for a host to which no tunnel runs", "adit: no tunnel to h runs, as far as is known: "
         "adit -O list shows those that do, and ControlPath in ssh_config or -S PATH says where "
         "another one listens", "-O", "check", "-F", config, "h", status=255)
    says("-O check -S none", "no control socket is known: a host or -S PATH says where it is",
         "-O", "check", "-S", "none", status=255)
    for letter, more, line in (
            ("-A", (), "adit forwards no agent"), ("-X", (), "adit forwards no X11"),
            ("-K", (), "adit does not log in by GSSAPI"), ("-Y", (), "adit forwards no X11"),
            ("-t", (), "adit runs no commands, so it needs no terminal there"),
            ("-w", ("1",), "adit forwards no tunnel devices"),
            ("-y", (), "adit does not log to syslog; -E FILE logs to a file")):
        says(letter, f"{letter}: {line}", "--check", "-F", config, letter, *more, "h", status=0)


def files():
    def wrong(name, line, text):
        path = scratch("adit.ini", text)
        says(name, line, "--check", "--config", path)

    wrong("a range of sessions", "sessions: '9-1' is not MIN-MAX with 1 <= MIN <= MAX <= ",
          PLAIN + "sessions = 9-1\n")
    wrong("everybody", "everybody who can reach 0.0.0.0:7777 could use it: ",
          PLAIN.replace("127.0.0.1", "0.0.0.0"))
    wrong("a name that has no ASCII form", "is not ASCII and has no ASCII form as a name (IDNA)",
          PLAIN + "[acl]\nallow = to=-b\u00fc.example\n")
    wrong("names are to be resolved, and by nobody", "names: resolve has no server to ask: say "
          "servers = ADDRESS in [resolve] (DNS servers, asked through the SSH session), or order = "
          "local there (this machine's resolvers, which then see the names)",
          PLAIN + "[acl]\nnames = resolve\nallow = to=*\n")
    wrong("a master_socket that is no path", "master_socket: 'x' does not begin with / or ~/",
          PLAIN + "master_socket = x\n")
    wrong("a master_socket that is too long", "is longer than a socket's path may be",
          PLAIN + f"master_socket = /{'x' * 120}\n")
    wrong("two upstreams with one master_socket", "master_socket: another upstream has /tmp/s, too",
          PLAIN + "master_socket = /tmp/s\n[upstream b]\nhost = h\nmaster_socket = /tmp/s\n")
    for rule, word in (
            ("allow = user=a*", 'must be a plain name: only "to" takes patterns'),
            ("allow = to=b\u00fc*.example", "has a * in a label that is not ASCII"),
            ("allow = to=10.0.0.1/8", "is no network (no bits may be set behind the prefix)"),
            ("allow = to=a%b", "is no network, address, name or pattern of names"),
            ("allow = to=10.1", "is no complete address"),
            ("allow = port=80-70", "is a range that ends before it starts"),
            ("allow = port=x", "is no port (1 to 65535) or range of ports"),
            ("deny = to=* via=a", "is no use: a deny rule sends nothing anywhere"),
            ("allow = to=* via=a*", "must be the plain name of an upstream"),
            ("allow = host=a", "no such key: there are from, user, group, listen, to, port and via"),
            ("allow = to=a to=b", "the key is there already: put all items into one list"),
            ("allow = to=* via=a,b", "is one too many: a rule sends to one upstream")):
        wrong(f"a rule: {rule}", word, PLAIN + f"[acl]\n{rule}\n")
    for user, word in (("bob", "not NAME:HASH"), (":x", "the name is empty"),
                       ("bob:x", "no hash that is accepted: make one with htpasswd -B, mkpasswd or "
                        "openssl passwd -6"), ("bob:", "the hash is empty"),
                       ("bob\0:x", "a NUL byte"),
                       (f"bob:{BCRYPT}".replace("$04$", "$31$"), "the hash takes too long to "
                        "verify: make one of a lower cost (htpasswd -B -C 12)"),
                       (f"bob:{BCRYPT}x", "the hash is cut short or damaged"),
                       (f"bob:{BCRYPT}\nbob:{BCRYPT}", "the name is there already")):
        path = scratch("users", user + "\n")
        os.chmod(path, 0o600)
        wrong(f"a users file: {user[:12]!r}", word, "[listen l]\naddress = 127.0.0.1:7777\n"
              f"auth = password\nusers = {path}\n" + UPSTREAM)
    says("an adit.ini without a control socket", "names no control socket ([gateway] control)",
         "-O", "check", "--config", scratch("adit.ini", PLAIN))
    full = "/dev/full"
    with tap.case("--dump to a full disk"), open(full, "w", encoding="utf-8") as out:
        done = subprocess.run([binary(), "--dump", "--config", scratch("adit.ini", PLAIN)],
                              stdout=out, stderr=subprocess.PIPE, env=environment(), check=False,
                              encoding="utf-8")
        said.extend(done.stderr.splitlines())
        equal(done.returncode, 1, "the exit status")
        holds("^adit: standard output: No space left on device\n$", done.stderr, "what it says")


# What adit says of a setting of ssh_config that it does not carry out: (setting, what it says).
UNDONE = [
    ("channeltimeout x=5m", "ChannelTimeout: adit closes no idle connections"),
    ("checkhostip yes", "CheckHostIP: adit looks host keys up by name only"),
    ("fingerprinthash MD5", "FingerprintHash: adit shows fingerprints by SHA256"),
    ("forwardagent yes", "ForwardAgent: adit forwards no agent"),
    ("forwardx11 yes", "ForwardX11: adit forwards no X11"),
    ("hostbasedauthentication yes", "HostbasedAuthentication: adit logs in as a user only"),
    ("kbdinteractivedevices pam", "KbdInteractiveDevices: the server chooses the device"),
    ("permitlocalcommand yes", "LocalCommand: adit runs no commands"),
    ("proxyusefdpass yes", "ProxyUseFdpass: adit talks to the command itself"),
    ("remotecommand ls", "RemoteCommand: adit runs no commands"),
    ("securitykeyprovider /p", "SecurityKeyProvider: adit knows none; an agent may"),
    ("tunnel yes", "Tunnel: adit forwards no tunnel devices"),
    ("verifyhostkeydns yes", "VerifyHostKeyDNS: adit does not look host keys up in the DNS"),
    ("versionaddendum x", "VersionAddendum: adit adds nothing to the version that it sends"),
]


def stand_in(*lines):
    """An environment whose ssh says that ssh_config has these lines, and else what is usual."""
    directory = scratch("bin")
    os.mkdir(directory)
    usual = {"checkhostip": "no", "connectionattempts": "1", "fingerprinthash": "SHA256",
             "ipqos": "af21 cs1", "kbdinteractivedevices": "", "tcpkeepalive": "yes"}
    script = ["#!/bin/sh", 'echo user u; echo port 22']
    script += ['case "$*" in *"-F none"*) echo hostname h']
    script += [f"echo {key} {value}" for key, value in usual.items()]
    script += ["exit;; esac"] + [f"echo '{line}'" for line in lines]
    path = os.path.join(directory, "ssh")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(script) + "\n")
    os.chmod(path, 0o755)
    return {**environment(), "PATH": directory + ":/usr/bin:/bin"}


def settings():
    for setting, line in UNDONE:
        says(setting, line, "--check", "h", env=stand_in("hostname h", setting), status=0)
    says("a PKCS11Provider", "upstream h: an ssh carries its sessions (engine = auto): PKCS11Provider "
         "is given", "--check", "h", env=stand_in("hostname h", "pkcs11provider /p"), status=0)
    by_libssh = scratch("adit.ini", PLAIN + "ssh_config = yes\nengine = libssh\n")
    says("a PKCS11Provider, and libssh", "PKCS11Provider: adit knows none; an agent may", "--check",
         "--config", by_libssh, env=stand_in("hostname h", "pkcs11provider /p"), status=0)
    for setting, line in (("gssapiauthentication yes", "the only way to log in is "
                           "GSSAPIAuthentication"),
                          ("hostbasedauthentication yes", "the only way to log in is "
                           "HostbasedAuthentication")):
        says(f"nothing but {setting}", line, "--check", "h",
             env=stand_in("hostname h", setting, "pubkeyauthentication no",
                          "passwordauthentication no", "kbdinteractiveauthentication no"), status=0)
    says("engine = openssh, and no ssh", "engine = openssh: there is no ssh in PATH", "--check",
         "--config", scratch("adit.ini", PLAIN + "engine = openssh\n"),
         env={**environment(), "PATH": scratch("nowhere")})
    says("no HostName", "ssh -G printed no hostname: ssh_config cannot be followed", "--check", "h",
         env=stand_in(), status=255)
    followed = scratch("adit.ini", PLAIN + "ssh_config = yes\n")
    says("a HostName that is too long", "it is too long", "--check", "--config", followed,
         env=stand_in("hostname " + "x" * 300))
    says("a KnownHostsCommand without a path", "KnownHostsCommand 'keys %h' does not begin with the "
         "absolute path of a program", "--check", "h",
         env=stand_in("hostname h", "knownhostscommand keys %h"), status=78)
    says("a token that is not known", "identityfile '/k%q' cannot be expanded", "--check", "h",
         env=stand_in("hostname h", "identityfile /k%q"), status=78)
    strange = scratch("strange")
    os.mkdir(strange)
    says("a file of keys that is a directory", f"identityfile {strange} is left out: ", "--check",
         "h", env=stand_in("hostname h", f"identityfile {strange}"), status=0)
    says("no file of keys", "cannot be used, and no other file is", "--check", "h",
         env=stand_in("hostname h", "identityfile /nowhere/key"), status=0)
    nowhere = {**environment(), "PATH": scratch("nowhere")}
    says("no ssh on this machine", "there is no ssh on this machine: ssh_config is read by the SSH "
         "library, which knows less of it", "--check", "h", env=nowhere, status=0)
    strict = scratch("ssh_config", "Host other\n  BatchMode yes\n")
    followed = scratch("adit.ini", PLAIN + f"ssh_config = yes\nssh_config_file = {strict}\n")
    says("no ssh on this machine, and a file that forbids", "there is no ssh on this machine: "
         "'batchmode yes' of ssh_config is taken for every host", "--check", "--config", followed,
         env=nowhere, status=0)


def notices():
    """What a file that can be used may be told; --check prints what a start would."""
    strange = scratch("strange")
    os.mkdir(strange)
    empty = scratch("users", "")
    os.chmod(empty, 0o644)
    text = f"""
[listen secret]
address = 0.0.0.0:7771
auth = password
users = {empty}
[listen open]
address = 0.0.0.0:7772
open = yes
[upstream strict]
host = h
host_key = strict
known_hosts = {strange}
preferred_authentications = password
password_authentication = no
[upstream any]
host = h
host_key = any
[forward back]
remote = 127.0.0.1:1080
via = any
[forward there]
dynamic = 0.0.0.0:7773
open = yes
via = any
[resolve]
servers = 192.0.2.1
order = remote, local
"""
    watched = f"[status]\naddress = 0.0.0.0:7775\nusers = {empty}\n"
    seen = "[status]\naddress = 0.0.0.0:7775\nopen = yes\n"
    rules = "[acl]\ndeny = from=10.0.0.0/8 to=10.0.0.0/8\n"
    for name, more, lines in (
            ("without rules", "", (
                f"{empty} is open to every user of this machine: chown root:GROUP {empty} && "
                f"chmod 640 {empty}, where GROUP is that of the user who runs adit",
                f"[upstream strict] known_hosts: {strange} cannot be read: Is a directory: until "
                "it can, every server will be refused",
                "[upstream strict] host_key is strict, but none of its known_hosts files can be "
                "read: every server will be refused",
                "[upstream strict] no way to log in is left: preferred_authentications has none "
                "that may be used",
                "[upstream any] host_key is any: new host keys are believed without a question",
                "[listen secret] SOCKS and HTTP send passwords readable: use it in networks you "
                "trust", f"[listen secret] {empty} has no users: no client can log in",
                "[listen open] open = yes: everybody who can reach it may use it",
                "[forward back] everybody who can reach its port at the server can reach all that "
                "this machine can: say permit_remote_open in [upstream any], or [acl]",
                "[forward there] open = yes: everybody who can reach it may use it",
                "[resolve] order has local: this machine's resolvers see names that clients visit",
                "[resolve] servers are not asked: order has no tunnel")),
            ("a status with users", watched, (
                "[status] HTTP sends passwords readable: use it in networks you trust",
                f"[status] {empty} has no users: nobody can log in")),
            ("an open status", seen, (
                "[status] open = yes: everybody who can reach it may see it",)),
            ("with rules", rules, (
                "[acl] has no allow rule: every request is refused",
                "[acl] rules with networks do not see where a name leads that the SSH server looks "
                "up: say names = resolve, or rule by name"))):
        path = scratch("adit.ini", text + more)
        done = run_adit("--check", "--config", path)
        said.extend(done.stderr.splitlines())
        for line in lines:
            with tap.case(f"{name}: {line[:70]}"):
                true(line in done.stderr.splitlines() or f"adit: {line}" in done.stderr.splitlines()
                     or any(part.endswith(line) for part in done.stderr.splitlines()),
                     f"in {done.stderr!r}")


def answers():
    """What the client of the control socket says of an answer that is none."""
    path = scratch("socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        for name, answer, line in (
                ("no answer", b"", "the connection was closed"),
                ("an answer without a verdict", b"{}\n",
                 'the answer has no "ok" and no "error"')):
            with tap.case(f"the control socket: {name}"):
                with subprocess.Popen([binary(), "-S", path, "-O", "check"],
                                      stderr=subprocess.PIPE, env=environment(),
                                      encoding="utf-8") as asking:
                    conn, _ = listening.accept()
                    conn.recv(4096)
                    conn.sendall(answer)
                    conn.close()
                    text = asking.communicate(timeout=60)[1]
                said.extend(text.splitlines())
                equal(asking.returncode, 255, "the exit status")
                true(line in text, f"{line!r} in {text!r}")


def reopening():
    with tap.case("a log that cannot be opened again"):
        directory = scratch("logs")
        os.mkdir(directory)
        log = os.path.join(directory, "log")

        def has(words):
            return os.path.exists(log) and words in open(log, encoding="utf-8").read()

        with Adit(PLAIN.replace(":7777", ":0"), arguments=("-E", log), ready=False) as adit:
            wait_until(lambda: has("listening on"), "the first lines")
            os.rename(directory, directory + ".old")
            log = os.path.join(directory + ".old", "log")
            adit.signal(signal.SIGHUP)
            wait_until(lambda: has("cannot be opened again: No such file or directory"), "the line")
            with open(log, encoding="utf-8") as lines:
                said.extend(lines.read().splitlines())


# Where a literal is no message but help, a manual's text or a name.
NO_MESSAGES = {"pac.c", "keys.c", "keys_mdoc.c", "mdoc.c", "dump.c", "serialise.c", "ssh_names.c", "config.c"}


def sources():
    """What messages are made of, from the literals of the files that read: {format: file}."""
    found = {}
    for name in ("conf", "policy", "main.c"):
        top = os.path.join(TOP, "src", name)
        for file in [top] if name == "main.c" else [
                os.path.join(top, file) for file in sorted(os.listdir(top))
                if file.endswith(".c") and file not in NO_MESSAGES]:
            with open(file, encoding="utf-8") as source:
                code = re.sub(r"/\*.*?\*/|void options_(?:first|usage).*?^}|static const char usage.*?;$", "",
                              source.read(), flags=re.S | re.M)
            code = re.sub(r'\bHELP\("[^"]*"\)', "", code)  # completions have these
            code = code.replace("'\"'", "")
            code = re.sub(r'" PRI\w+ "', "%u", code)
            code = re.sub(r"^(#.*| *assert\(.*\);)$", "", code, flags=re.M)
            for call in re.finditer(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', code):
                literal = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call[0]))
                literal = literal.replace('\\"', '"').replace("\\n", "\n").strip()
                if len(longest(literal).split()) > 2 and " | " not in literal:
                    found[literal] = os.path.relpath(file, os.path.join(TOP, "src"))
    return found


def longest(form):
    """The longest part of a format that is printed as it stands."""
    return max(re.split(r"%[-.*0-9]*[lzh]*[a-zA-Z%]|\n", form), key=len).strip()


def quoted():
    """All that the tests expect, as one text."""
    text = []
    for room in ("unit", "e2e", "lib/adit_test"):
        top = os.path.join(TOP, "t", room)
        for file in sorted(os.listdir(top)):
            if file.endswith((".c", ".h", ".t", ".py")) and file != os.path.basename(__file__):
                with open(os.path.join(top, file), encoding="utf-8") as source:
                    text.append(source.read())
    joined = re.sub(r'"\s*\n?\s*[fr]*"', "", "\n".join(text))
    return re.sub(r"\s+", " ", joined.replace("\\", ""))


def every_message():
    forms, expected = sources(), quoted()
    with tap.case("the sources have messages"):
        true(len(forms) > 100, f"{len(forms)} messages")
    for form, file in forms.items():
        if any(form.startswith(begin) for begin in UNREACHED):
            continue
        with tap.case(f"{file}: {form[:70]!r}"):
            part = longest(form)
            true(any(part in line for line in said) or part in expected,
                 f"no case prints this, and no test quotes it: {form}")


def main():
    command_lines()
    files()
    settings()
    notices()
    answers()
    reopening()
    every_message()


tap.run(main)

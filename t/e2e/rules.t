#!/usr/bin/env -S python3 -B
"""Who may go where; what adit says of its configuration: errors, the bind rule, --check, --dump."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, false, free_port, holds, listen,
                       run_adit, scratch, section, tap, true, upstream)
from adit_test.clients import refusal, works
from adit_test.dns import Dns
from adit_test.origins import Origin, echo
from adit_test.sshd import Sshd

OK, USAGE, CONFIG = 0, 64, 78
DENIED = 2


def decided(sshd, other):
    """Each rule by what it lets through and what not."""
    with Origin(echo) as one, Origin(echo) as two, \
            Adit(config(sshd, upstream(other, "other"), listen("second"),
                        listen("unix", address=f"unix:{scratch('s')}"),
                        acl("deny to=127.0.0.2",
                            f"allow to=*.glob.test port={one.port}",
                            "allow to=.suffix.test",
                            "deny to=exact.test port=1-1023",
                            "allow to=exact.test",
                            f"allow to=via.test port=1-{one.port},{two.port} via=other",
                            "allow from=unix to=unix.test",
                            "allow listen=second to=second.test",
                            "allow from=127.0.0.0/8 listen=browser to=127.0.0.0/8,::1",
                            f"allow to=* port={free_port()}"),
                        gate={"log": "debug"})) as adit:

        def allowed(host, origin, rule, listener="browser", protocol="socks5h", at="office"):
            with tap.case(f"{host} on {listener} is allowed by {rule}"):
                mark = adit.mark()
                true(works(adit.listener(listener), origin, protocol, host=host), "echo")
                adit.access(mark, outcome="ok", verdict="allow", rule=rule, upstream=at,
                            listen=listener)

        def denied(host, port, rule, listener="browser", protocol="socks5h", code=DENIED):
            with tap.case(f"{host} on {listener} is denied by {rule}"):
                mark, asked = adit.mark(), sshd.mark()
                equal(refusal(adit.listener(listener), host, port, protocol), code, "the answer")
                adit.access(mark, outcome="denied", verdict="deny", rule=rule, listen=listener)
                equal(sshd.targets(asked), [], "what sshd was asked for")

        glob = f"allow = to=*.glob.test port={one.port}"
        via = f"allow = to=via.test port=1-{one.port},{two.port} via=other"
        near = "allow = from=127.0.0.0/8 listen=browser to=127.0.0.0/8,::1"
        allowed("a.glob.test", one, glob)
        allowed("A.B.Glob.Test.", one, glob)
        denied("a.glob.test", two.port, "default")
        denied("glob.test", one.port, "default")
        allowed("suffix.test", one, "allow = to=.suffix.test")
        allowed("deep.er.suffix.test", two, "allow = to=.suffix.test")
        denied("notsuffix.test", one.port, "default")
        denied("exact.test", 80, "deny = to=exact.test port=1-1023")
        allowed("exact.test", one, "allow = to=exact.test")
        allowed("via.test", one, via, at="other")
        allowed("unix.test", one, "allow = from=unix to=unix.test", listener="unix")
        denied("unix.test", one.port, "default")
        allowed("second.test", one, "allow = listen=second to=second.test", listener="second")
        denied("second.test", one.port, "default")
        for protocol in ("socks5", "socks5h", "socks4", "http"):
            allowed(ANY, one, near, protocol=protocol)
            denied("127.0.0.2", one.port, "deny = to=127.0.0.2", protocol=protocol,
                   code={"socks4": 0x5b, "http": 403}.get(protocol, DENIED))
        denied("::ffff:127.0.0.2", one.port, "deny = to=127.0.0.2", protocol="socks5")
        denied("::ffff:7f00:2", one.port, "deny = to=127.0.0.2", protocol="socks5h")
        allowed("::ffff:127.0.0.1", one, near, protocol="socks5")
        denied(ANY, one.port, "default", listener="second")
        denied("0.0.0.0", one.port, "default", protocol="socks5")


def resolved(sshd):
    """names = resolve: a name is judged by where it leads, and only what was judged is opened."""
    with Origin(echo) as origin, \
            Dns({"good.test": [ANY], "bad.test": ["127.0.0.2"], "mixed.test": ["127.0.0.2", ANY],
                 "named.test": ["127.0.0.2"]}) as dns, \
            Adit(config(sshd, section("resolve", {"order": "remote, tunnel",
                                                  "servers": f"{ANY}:{dns.port}"}),
                        acl(f"allow to={ANY} port={dns.port}", "allow to=named.test",
                            "deny to=127.0.0.2", "allow to=127.0.0.0/8", names="resolve"))) as adit:
        with tap.case("names = resolve: a name that leads to an allowed address"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="good.test"), "echo")
            true((ANY, origin.port) in sshd.targets(mark), "sshd was asked for the address")
            false([host for host, _ in sshd.targets(mark) if host == "good.test"],
                  "sshd was asked for the name")
        with tap.case("names = resolve: a name that leads to a denied address"):
            mark = sshd.mark()
            equal(refusal(adit.address, "bad.test", origin.port, "socks5h"), DENIED, "the answer")
            false([port for _, port in sshd.targets(mark) if port == origin.port],
                  "sshd was asked for it")
        with tap.case("names = resolve: of several addresses only the allowed ones are opened"):
            mark = sshd.mark()
            true(works(adit.address, origin, "socks5h", host="mixed.test"), "echo")
            false(("127.0.0.2", origin.port) in sshd.targets(mark), "sshd was asked for the other")


def narrow(sshd):
    """Listeners beyond loopback. None is ever opened: the answer is no, or it is a --check."""
    beyond = {"address": "0.0.0.0:1"}

    def check(text):
        path = scratch("adit.ini", text)
        return run_adit("--config", path, "--check"), path

    table = [
        ("auth = none and no rule", config(sshd, at=beyond), CONFIG),
        ("a rule that narrows nothing", config(sshd, acl("allow to=*"), at=beyond), CONFIG),
        ("a rule for the whole world", config(sshd, acl("allow from=0.0.0.0/0"), at=beyond),
         CONFIG),
        ("from=", config(sshd, acl("allow from=192.168.0.0/16 to=*"), at=beyond), OK),
        ("open = yes", config(sshd, at={**beyond, "open": "yes"}), OK),
        ("a password", config(sshd, at={**beyond, "auth": "password",
                                        "users": scratch("users", "a:$5$x$y\n")}), None),
        ("IPv6's any", config(sshd, at={"address": "[::]:1"}), CONFIG),
        ("loopback", config(sshd, at={"address": "127.0.0.1:1, [::1]:1, 127.9.9.9:1"}), OK),
    ]
    for name, text, wanted in table:
        with tap.case(f"the bind rule: {name} {'is refused' if wanted else 'is fine'}"):
            done, path = check(text)
            if wanted == CONFIG:
                line = text.split("address")[0].count("\n") + 1
                holds(rf"{path}:{line}: .*\bopen = yes", done.stderr, "the message")
            if wanted is None:
                false("open = yes" in done.stderr, "the bind rule speaks")
            else:
                equal(done.returncode, wanted, f"the exit status ({done.stderr!r})")
    with tap.case("the bind rule holds without --check too"):
        done = run_adit("--config", scratch("adit.ini", table[0][1]))
        equal(done.returncode, CONFIG, "the exit status")
        false("listening" in done.stderr, "it listened")


ERRORS = """[gateway]
workrs = 2
log = loud
handshake_timeout = 5 parsecs

[upstream office]
host = 127.0.0.1
port = 70000
identity = /nonexistent/key
sessions = 9-3
user = a
user = b

[listen browser]
address = 127.0.0.1:http
protocols = socks5, gopher
auth = password
via = nowhere

[lisen other]
address = 127.0.0.1:1

[acl]
allow = too=*
allow = to=10.0.0.1/8
allow = to=* port=90-80
allow = to=* via=elsewhere
allow = to=* listen=elsewhere
perhaps = to=*
this line is no key
"""


def problems():
    with tap.case("every problem of a file is printed, with its line, and the status is 78"):
        path = scratch("adit.ini", ERRORS)
        done = run_adit("--config", path, "--check")
        equal(done.returncode, CONFIG, "the exit status")
        lines = ERRORS.splitlines()
        clean = ("[gateway]", "[upstream office]", "host = 127.0.0.1", "user = a", "",
                 "[listen browser]", "[acl]", "address = 127.0.0.1:1")
        wanted = {number for number, line in enumerate(lines, 1) if line not in clean}
        told = {int(line[len(path) + 1:].split(":")[0]) for line in done.stderr.splitlines()
                if line.startswith(f"{path}:")}
        equal(sorted(wanted - told), [], "lines with a problem that was not told")
        equal(sorted(told - wanted - {0}), [], "lines without one that was")
        holds(rf"{path}:2: .*\bworkrs\b.*\bworkers\b", done.stderr, "the nearest key")
        holds(rf"{path}:20: .*\blisten\b", done.stderr, "the nearest section")
        equal(done.stdout, "", "standard output")
    with tap.case("the same without --check: it does not start"):
        done = run_adit("--config", scratch("adit.ini", ERRORS))
        equal(done.returncode, CONFIG, "the exit status")
        true(len(done.stderr.splitlines()) >= len(wanted), "the problems are printed")
    for name, text in (("an empty file", ""), ("no listener", "[upstream a]\nhost = b\n"),
                       ("no upstream", "[listen a]\naddress = 127.0.0.1:0\n"),
                       ("a line longer than any buffer",
                        "[upstream a]\nhost = " + "x" * 300_000 + "\n")):
        with tap.case(f"{name}: 78"):
            path = scratch("adit.ini", text)
            done = run_adit("--config", path, "--check")
            equal(done.returncode, CONFIG, "the exit status")
            holds(rf"(?m)^{path}:\d+: ", done.stderr, "the message")
    with tap.case("a file that is not there: 78, and its name"):
        done = run_adit("--config", "/nonexistent/adit.ini")
        equal(done.returncode, CONFIG, "the exit status")
        holds("/nonexistent/adit.ini", done.stderr, "the message")
    with tap.case("a users file with problems: its name and line"):
        users = scratch("users", "alice:$apr1$x$y\nnobody\nbob:plain\n")
        path = scratch("adit.ini", "[upstream a]\nhost = b\n[listen c]\naddress = 127.0.0.1:0\n"
                                   f"auth = password\nusers = {users}\n")
        done = run_adit("--config", path, "--check")
        equal(done.returncode, CONFIG, "the exit status")
        for line in (1, 2, 3):
            holds(rf"{users}:{line}: ", done.stderr, "the message")


def usage():
    for arguments in (["--nonsense"], ["--config"], ["--check"], ["--config", "/x", "surplus"]):
        with tap.case(f"adit {' '.join(arguments)}: 64"):
            done = run_adit(*arguments)
            equal(done.returncode, USAGE, "the exit status")
            true(done.stderr.strip(), "it says why")
    for argument in ("-h", "--help", "-V", "--version"):
        with tap.case(f"adit {argument}: on standard output, 0"):
            done = run_adit(argument)
            equal((done.returncode, done.stderr), (OK, ""), "the exit status, standard error")
            holds("adit", done.stdout, "standard output")


def dumped(sshd):
    text = config(sshd, upstream(sshd, "other", sessions="2-5", keepalive="90s", rekey="1g",
                                 host_key="accept-new"),
                  section("resolve", {"order": "remote, tunnel",
                                      "servers": "127.0.0.1:5353, [::1]:53"}),
                  listen("second", address="127.0.0.1:2, [::1]:2, unix:/tmp/x.sock",
                         protocols="socks5, http", via="other"),
                  acl("deny to=10.0.0.0/8,2001:db8::/32 port=80,443,8000-8999",
                      "allow from=127.0.0.0/8 to=*.example.com,.corp.test,exact via=other",
                      "allow user=alice listen=second to=*"))
    with tap.case("--check of a good file: nothing but 0"):
        done = run_adit("--config", scratch("adit.ini", text), "--check")
        equal(done.returncode, OK, f"the exit status ({done.stderr!r})")
    with tap.case("--dump, read again, dumps the same"):
        first = run_adit("--config", scratch("adit.ini", text), "--dump")
        equal(first.returncode, OK, f"the exit status ({first.stderr!r})")
        second = run_adit("--config", scratch("dumped.ini", first.stdout), "--dump")
        equal(second.returncode, OK, f"the exit status ({second.stderr!r})")
        equal(second.stdout, first.stdout, "the second dump")
        for line in ("[upstream other]", "sessions = 2-5", "host_key = accept-new", "rekey = 1g",
                     "deny = to=10.0.0.0/8,2001:db8::/32 port=80,443,8000-8999"):
            holds(rf"(?m)^{line.replace('[', chr(92) + '[')}$".replace("*", r"\*"), first.stdout,
                  "the dump")
        holds(r"(?m)^handshake_timeout = 10s$", first.stdout, "a default in the dump")
    with tap.case("a dump runs"), Origin(echo) as origin:
        done = run_adit("--config", scratch("adit.ini", config(sshd)), "--dump")
        with Adit(done.stdout, name="adit of a dump") as adit:
            true(works(adit.address, origin), "echo")


def notices(sshd):
    with tap.case("a CIDR rule that names escape is told at start"), \
            Adit(config(sshd, acl("deny to=10.0.0.0/8", "allow to=*")),
                 name="adit with notices") as adit:
        adit.wait_log(r"names = resolve")


def main():
    problems()
    usage()
    names = {name: ANY for name in ("a.glob.test", "a.b.glob.test", "suffix.test", "exact.test",
                                    "deep.er.suffix.test", "via.test", "unix.test", "second.test",
                                    "named.test")}
    with Sshd(names=names) as sshd, Sshd(names=names) as other:
        narrow(sshd)
        dumped(sshd)
        notices(sshd)
        decided(sshd, other)
        resolved(sshd)


tap.run(main)

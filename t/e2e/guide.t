#!/usr/bin/env -S python3 -B
"""The commands of an SSH port-forwarding guide, literally, with adit for ssh and for autossh.

ADIT_TEST_PROGRAM=ssh runs them with ssh and autossh: then this proves that the table is right.
"""

import hashlib
import os
import shlex
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, holds, patience, tap, true, wait_until
from adit_test.clients import Closed, Refused, connected, exchange
from adit_test.command import REAL, Tunnel, call, parse
from adit_test.country import (HERE, MACHINES, NAMES, THIRD_HERE, Country, greeted, greeting)
from adit_test.databases import postgres, postgres_program, redis
from adit_test.keys import public
from adit_test.network import isolate
from adit_test.programs import browse, run
from adit_test.web import Web

# ~/.ssh/config of sections 5 and 6, and a User for the hosts of the quick reference.
CONFIG = """
Host bastion
    HostName bastion.example.com
    User admin
    IdentityFile ~/.ssh/id_ed25519_bastion
Host db-server
    HostName 192.168.1.50
    User dbadmin
    ProxyJump bastion
    IdentityFile ~/.ssh/id_ed25519_internal
Host app-server
    HostName 192.168.1.60
    User deploy
    ProxyJump bastion
# Two-hop: your machine, bastion, internal-jump, final-host
Host deep-internal
    HostName 10.10.10.20
    User admin
    ProxyJump bastion,app-server
Host db-tunnel
    HostName db-server.example.com
    User admin
    IdentityFile ~/.ssh/id_ed25519
    LocalForward 5432 localhost:5432  # local:5432, server:5432
    LocalForward 6379 localhost:6379  # local:6379, server:6379 (Redis)
    ServerAliveInterval 60
    ServerAliveCountMax 3
Host expose-dev
    HostName public-server.example.com
    User admin
    IdentityFile ~/.ssh/id_ed25519
    RemoteForward 9000 localhost:3000  # server:9000, local:3000
    ExitOnForwardFailure yes
Host socks-proxy
    HostName proxy-server.example.com
    User admin
    DynamicForward 1080
    RequestTTY no
Host b1 b2
    User user
"""

MULTIPLEXED = """
Host *
    ControlMaster auto
    ControlPath ~/.ssh/cm-%r@%h:%p
    ControlPersist 10m
"""

SERVER, GENEROUS, OBEDIENT = (MACHINES[name][0][0] for name in ("server", "generous", "obedient"))


class Command:
    """A running row of the table, for its checks."""

    def __init__(self, country, line, config):
        self.country = country
        self.config = config
        self.marks = {name: sshd.mark() for name, sshd in country.sshds.items()}
        self.persists = "autossh" in line  # which does not wait for ssh
        self.tunnel = Tunnel(line, config)

    def equal(self, ask, wanted, what):
        """In the background everything is there already; in the foreground, and with persistence,
        it will be."""
        if not self.tunnel.background or self.persists or REAL:
            wait_until(lambda: ask() == wanted or not (
                self.tunnel.alive() or self.tunnel.pids()), what)
        equal(ask(), wanted, what)


def local(port, wanted, address=ANY):
    """A port of this machine leads to that service."""
    return lambda command: command.equal(lambda: greeting(address, port), wanted,
                                         f"what {address}:{port} says here")


def remote(port, wanted, address=ANY):
    """A port over there leads to that service."""

    def ask(command):
        with command.country.network:
            return greeting(address, port)

    return lambda command: command.equal(lambda: ask(command), wanted,
                                         f"what {address}:{port} says over there")


def shut(port, address):
    """Nobody answers here (the checks before it waited until the command is up)."""
    return local(port, "", address)


def shut_there(port, address):
    return remote(port, "", address)


def socks(port, host="localhost", target=5432, address=ANY, wanted="there 127.0.0.1:5432"):
    """A SOCKS5 port that leads to whatever the server can reach."""

    def ask(_command=None):
        try:
            with connected((address, port), host, target, "socks5h") as conn:
                return greeted(conn)
        except (OSError, Closed, Refused):
            return ""

    return lambda command: command.equal(ask, wanted, f"{host}:{target} through {address}:{port}")


def socks_there(port, host, target, wanted):
    """The same on a server, which reaches through it what this machine can reach."""

    def ask(command):
        with command.country.network:
            try:
                with connected((ANY, port), host, target, "socks5h") as conn:
                    return greeted(conn)
            except (OSError, Closed, Refused):
                return ""

    return lambda command: command.equal(lambda: ask(command), wanted,
                                         f"{host}:{target} through port {port} over there")


def ssh_back(user):
    """Over there: ssh -p 2222 USER@localhost."""

    def ask(command):
        with command.country.network:
            return subprocess.run(
                ["ssh", "-F", command.config, "-p", "2222", f"{user}@localhost", "echo", "reached",
                 "$SSH_CONNECTION"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=patience(30)).stdout

    return lambda command: command.equal(lambda: ask(command)[:13], b"reached 127.0",
                                         f"ssh -p 2222 {user}@localhost over there")


def usual_proxy(command):
    """Without any forward adit is a proxy on port 1080, over there; ssh is a shell."""
    if not REAL:
        socks(1080)(command)


def login(machine, *users):
    """Who logged in to a machine meanwhile, however often."""

    def logins(command):
        return sorted(set(command.country.sshds[machine].logins(command.marks[machine])))

    return lambda command: command.equal(lambda: logins(command), sorted(set(users)),
                                         f"the users who logged in to {machine}")


def relayed(machine, target):
    """Where a jump host was asked to connect to, however often."""
    return lambda command: equal(
        set(command.country.sshds[machine].targets(command.marks[machine])), {target},
        f"where {machine} was asked to connect to")


DB, REDIS, WEB = (f"there 127.0.0.1:{port}" for port in (5432, 6379, 80))
THIRD_DB, DEV = "there 192.168.1.50:5432", "here 127.0.0.1:3000"

# Of the guide's two units for systemd.
UNIT = ('-o "ServerAliveInterval=30" -o "ServerAliveCountMax=3" -o "ExitOnForwardFailure=yes"'
        ' -o "StrictHostKeyChecking=accept-new" -i ~/.ssh/id_ed25519')

# The guide's sections in order: the command, then what must hold while it runs. Where the host of a
# name is another machine than usual (its GatewayPorts matter), {host: machine} stands before those.
TABLE = [
    ("ssh -L 5432:localhost:5432 user@db-server.example.com",
     local(5432, DB), local(5432, DB, "::1"), shut(5432, HERE), login("server", "user")),
    ("ssh -L 5432:192.168.1.50:5432 user@ssh-server.example.com", local(5432, THIRD_DB)),
    ("ssh -L 8080:internal-app.local:80 user@bastion.example.com",
     local(8080, "there 172.16.0.20:80"), relayed("bastion", ("internal-app.local", 80))),
    ("ssh -L 9080:localhost:80 user@webserver.example.com", local(9080, WEB)),
    ("ssh -L 0.0.0.0:5432:localhost:5432 user@db-server.example.com",
     local(5432, DB), remote(5432, DB, HERE)),
    ("ssh -L 5432:localhost:5432 -L 6379:localhost:6379 -L 8080:internal-web:80"
     " user@bastion.example.com",
     local(5432, DB), local(6379, REDIS), local(8080, "there 172.16.0.21:80"),
     login("bastion", "user")),
    ("ssh -fN -L 5432:localhost:5432 user@db-server.example.com", local(5432, DB)),
    ("ssh -vvv -L 5432:localhost:5432 user@server", local(5432, DB)),
    ("ssh -o Compression=yes -o RequestTTY=no -L 5432:localhost:5432 user@db-server.example.com",
     local(5432, DB)),

    ("ssh -R 9000:localhost:3000 user@public-server.example.com",
     remote(9000, DEV), shut_there(9000, SERVER)),
    ("ssh -R 8443:localhost:443 user@public-server.example.com",
     remote(8443, "here 127.0.0.1:443")),
    ("ssh -R 9000:192.168.1.20:80 user@public-server.example.com",
     remote(9000, f"here {THIRD_HERE}:80")),
    ("ssh -R 0.0.0.0:9000:localhost:3000 user@public-server.example.com",  # GatewayPorts no
     remote(9000, DEV), shut_there(9000, SERVER)),
    ("ssh -R 0.0.0.0:9000:localhost:3000 user@public-server.example.com",
     {"public-server.example.com": "generous"}, remote(9000, DEV, GENEROUS),
     remote(9000, DEV), local(9000, DEV, GENEROUS)),
    ("ssh -R *:9000:localhost:3000 user@public-server.example.com",
     {"public-server.example.com": "obedient"}, remote(9000, DEV, OBEDIENT),
     local(9000, DEV, OBEDIENT)),
    (f"ssh -R {OBEDIENT}:9000:localhost:3000 user@public-server.example.com",
     {"public-server.example.com": "obedient"}, remote(9000, DEV, OBEDIENT),
     shut_there(9000, ANY), shut_there(9000, SERVER)),
    ("ssh -R 9000:localhost:3000 user@public-server.example.com",
     {"public-server.example.com": "obedient"}, remote(9000, DEV), shut_there(9000, OBEDIENT)),
    ("ssh -R 2222:localhost:22 user@public-server.example.com", ssh_back("localuser")),
    ("ssh -fN -R 2222:localhost:22 user@public-server.example.com", ssh_back("localuser")),
    ("ssh -R 1080 user@public-server.example.com",
     socks_there(1080, THIRD_HERE, 80, f"here {THIRD_HERE}:80")),

    ("ssh -D 1080 user@remote-server.example.com",
     socks(1080), socks(1080, "internal-web", 80, wanted="there 172.16.0.21:80"),
     shut(1080, HERE)),
    ("ssh -fN -D 1080 user@remote-server.example.com", socks(1080)),
    ("ssh -fN -D 0.0.0.0:1080 user@remote-server.example.com", socks(1080, address=HERE)),
    ("ssh -fN -D 8888 user@remote-server.example.com", socks(8888)),

    ("ssh -J user@bastion.example.com user@192.168.1.50",
     usual_proxy, login("bastion", "user"), login("inner", "user"),
     relayed("bastion", ("192.168.1.50", 22))),
    ("ssh -J bastion-user@bastion.example.com internal-user@192.168.1.50",
     usual_proxy, login("bastion", "bastion-user"), login("inner", "internal-user")),
    ("ssh -J user@bastion.example.com:2222 user@192.168.1.50",
     usual_proxy, login("bastion", "user"), login("inner", "user")),
    ("ssh -J user@bastion1.example.com,user@bastion2.internal user@final-host.internal",
     usual_proxy, login("bastion", "user"), login("second", "user"), login("inner", "user"),
     relayed("bastion", ("bastion2.internal", 22)),
     relayed("second", ("final-host.internal", 22))),
    ("ssh db-server", usual_proxy, login("bastion", "admin"), login("inner", "dbadmin")),
    ("ssh deep-internal", usual_proxy, login("bastion", "admin"),
     login("inner", "deploy", "admin"), relayed("bastion", ("192.168.1.60", 22))),
    ("ssh -J user@bastion.example.com -L 5432:192.168.1.50:5432 user@192.168.1.50",
     local(5432, THIRD_DB), login("bastion", "user"), login("inner", "user")),
    ("ssh -L 5432:localhost:5432 db-server", local(5432, DB), login("inner", "dbadmin")),

    ("ssh db-tunnel", local(5432, DB), local(6379, REDIS), login("server", "admin")),
    ("ssh -fN db-tunnel", local(5432, DB), local(6379, REDIS)),
    ("ssh expose-dev", remote(9000, DEV)),
    ("ssh socks-proxy", socks(1080)),

    ('AUTOSSH_GATETIME=0 autossh -M 0 -fN -o "ServerAliveInterval 30" -o "ServerAliveCountMax 3"'
     " -L 5432:localhost:5432 user@db-server.example.com", local(5432, DB)),
    ('AUTOSSH_GATETIME=0 autossh -M 0 -fN -o "ServerAliveInterval 30" -o "ServerAliveCountMax 3"'
     " -R 2222:localhost:22 user@public-server.example.com", ssh_back("localuser")),
    (f"AUTOSSH_GATETIME=0 /usr/bin/autossh -M 0 -N {UNIT} -L 5432:localhost:5432"
     " tunnel@db-server.example.com", local(5432, DB)),
    (f"AUTOSSH_GATETIME=0 /usr/bin/autossh -M 0 -N {UNIT} -R 2222:localhost:22"
     " tunnel@public-server.example.com", ssh_back("localuser")),

    ("ssh -fN -R 9000:localhost:3000 admin@shared-server.example.com",
     local(9000, DEV, GENEROUS)),
    ('autossh -M 0 -fN -o "ServerAliveInterval=30" -R 2222:localhost:22 pi@your-vps.example.com',
     ssh_back("pi")),
    ("ssh -fN -L 9999:legacy-service.internal:9999 admin@bastion.example.com",
     {"bastion.example.com": "company"}, local(9999, "there 172.16.0.22:9999")),
    ("ssh -J admin@bastion.company.com -fN -L 3001:internal-monitoring.local:3000"
     " admin@internal-monitoring.local",
     local(3001, "there 172.16.0.9:3000"), relayed("company", ("internal-monitoring.local", 22))),

    ("ssh -L 5432:localhost:5432 user@host", local(5432, DB)),
    ("ssh -L 8080:internal:80 user@bastion", local(8080, "there 172.16.0.9:80")),
    ("ssh -fN -R 2222:localhost:22 user@host", ssh_back("localuser")),
    ("ssh -D 1080 user@host", socks(1080)),
    ("ssh -fN -D 1080 user@host", socks(1080)),
    ("ssh -J bastion user@internal", usual_proxy, login("bastion", "admin"),
     login("inner", "user")),
    ("ssh -J b1,b2 user@final", usual_proxy, login("bastion", "user"), login("second", "user"),
     login("inner", "user")),
    ("ssh -L 5432:db:5432 -J bastion user@db", local(5432, "there 172.16.0.9:5432")),
]


def table(country):
    with country.services():
        for line, *checks in TABLE:
            where = checks.pop(0) if isinstance(checks[0], dict) else {}
            config = country.ssh_config("config", CONFIG, where)
            aside = "".join(f" ({host}: {machine})" for host, machine in where.items())
            with tap.case(line + aside):
                command = Command(country, line.replace("~", country.home), config)
                with command.tunnel:
                    for check in checks:
                        check(command)
            country.settle()


def multiplexed(country):
    """Section 7. Of a second command line for the same host only its forwards are left."""
    config = country.ssh_config("config", CONFIG + MULTIPLEXED)
    what = "user@server.example.com"
    with country.services(), Tunnel(f"ssh -fN -L 5432:localhost:5432 {what}", config) as master:
        with tap.case(f"ssh -O check {what}"):
            done = call(f"ssh -O check {what}", config)
            equal(done.returncode, 0, "the exit status")
            pid = holds(r"^Master running \(pid=(\d+)\)\r?\n$", done.stdout + done.stderr,
                        "what it says")
            equal([int(pid[1])], master.pids(), "the pid")
            equal(greeting(ANY, 5432), DB, "what the tunnel says")
        with tap.case(f"ssh -fN -L 6379:localhost:6379 {what}, over the same connection"):
            mark = country.sshds["server"].mark()
            with Tunnel(f"ssh -fN -L 6379:localhost:6379 {what}", config):
                equal(greeting(ANY, 6379), REDIS, "what the new tunnel says")
            equal(country.sshds["server"].logins(mark), [], "further logins")
        with tap.case(f"ssh -O forward -L 8080:localhost:80 {what}, and -O cancel"):
            equal(call(f"ssh -O forward -L 8080:localhost:80 {what}", config).returncode, 0,
                  "the exit status")
            equal(greeting(ANY, 8080), WEB, "what the new tunnel says")
            equal(call(f"ssh -O cancel -L 8080:localhost:80 {what}", config).returncode, 0,
                  "the exit status of -O cancel")
            equal(greeting(ANY, 8080), "", "what it says when cancelled")
        with tap.case(f"ssh -O stop {what}"), \
                socket.create_connection((ANY, 5432), timeout=patience(30)) as conn:
            equal(greeted(conn), DB, "what an open connection says")
            equal(call(f"ssh -O stop {what}", config).returncode, 0, "the exit status")
            true(exchange(conn), "the open connection goes on")
            if not REAL:  # ssh only takes no more orders
                wait_until(lambda: greeting(ANY, 5432) == "", "the port is shut")
            conn.close()
            if not REAL:
                wait_until(lambda: not master.pids(), "it ends with its last connection")
        with tap.case(f"ssh -O check {what}, when it has ended"):
            done = call(f"ssh -O check {what}", config)
            equal(done.returncode, 255, "the exit status")
            equal(len(done.stderr.splitlines()), 1, "lines that say why")
    country.settle()


def unknown_host(country):
    options = ("-o ServerAliveInterval=30 -o ExitOnForwardFailure=yes"
               " -o StrictHostKeyChecking=accept-new")
    with tap.case(f"ssh {options}: a host not seen before"), country.services():
        fresh = country.path("known_hosts.fresh")
        config = country.ssh_config("config", f"UserKnownHostsFile {fresh}\n" + CONFIG)
        line = f"ssh -fN {options} -L 5432:localhost:5432 user@db-server.example.com"
        for _ in range(2):
            with Tunnel(line, config):
                equal(greeting(ANY, 5432), DB, "what the tunnel says")
            country.settle()
            with open(fresh, encoding="ascii") as lines:
                equal([entry.split()[1:3] for entry in lines],
                      [public(country.sshds["server"].host_key).split()[:2]], "the keys noted")


def proxy_command(country):
    with tap.case("ssh -o ProxyCommand='adit -W %h:%p bastion' user@192.168.1.50"):
        config = country.ssh_config("config", CONFIG)
        hop = shlex.join(parse("ssh -W %h:%p bastion", config)[0])
        mark = country.sshds["inner"].mark()
        said = run("ssh", "-F", config, "-o", f"ProxyCommand={hop}", "user@192.168.1.50",
                   "cat; echo $SSH_CONNECTION", data=b"x" * 1_000_000)
        equal(said[:1_000_000], b"x" * 1_000_000, "what comes back")
        holds(rb"192\.168\.1\.50 22$", said[1_000_000:].strip(), "where it was")
        equal(country.sshds["inner"].logins(mark), ["user"], "the users who logged in")
    country.settle()


def programs(country):
    """What people run at the end of a tunnel."""
    config = country.ssh_config("config", CONFIG)
    line = "ssh -fN -L 5432:localhost:5432 admin@db-server.example.com"
    if tap.have("psql", "psql", "setpriv") and postgres_program("initdb"):
        with tap.case(f"{line}, and psql"):
            with country.network:
                server = postgres(5432, "appuser", "mydb")
            with server, Tunnel(line, config):
                said = run(*"psql -h 127.0.0.1 -U appuser -d mydb -X -At -c".split(),
                           "select current_database(), sum(n), md5(string_agg(n::text, ','))"
                           " from generate_series(1, 100000) n")
                numbers = ",".join(map(str, range(1, 100001))).encode()
                equal(said.decode().strip(),
                      f"mydb|5000050000|{hashlib.md5(numbers).hexdigest()}", "the answer")
        country.settle()
    if tap.have("redis-cli", "redis-cli", "redis-server"):
        with tap.case("ssh -fN db-tunnel, and redis-cli"):
            with country.network:
                server = redis(6379)
            with server, Tunnel("ssh -fN db-tunnel", config):
                at = "redis-cli -h 127.0.0.1 -p 6379".split()
                equal(run(*at, "ping"), b"PONG\n", "the answer to ping")
                run(*at, "-x", "set", "big", data=bytes(range(256)) * 4000)
                equal(run(*at, "strlen", "big"), b"1024000\n", "the length")
                equal(run(*at, "get", "big"), bytes(range(256)) * 4000 + b"\n", "the value")
        country.settle()
    with country.network:
        server = Web(address=NAMES["internal-web"], port=80)
    with server as web:
        if tap.have("chromium", "chromium"):
            line = "ssh -fN -L 8080:internal-web:80 user@bastion.example.com"
            with tap.case(f"{line}, and a browser"), Tunnel(line, config):
                page = browse("http://localhost:8080/page")
                holds(b'<p id="one">part one is here</p>', page, "the page, by its first script")
                holds(b'<p id="two">part two is here</p>', page, "the page, by its second script")
                equal({request["headers"]["host"] for request in web.requests},
                      {"localhost:8080"}, "the Host that the web server noted")
            country.settle()
        line = "ssh -fN -D 1080 user@remote-server.example.com"
        if tap.have("curl", "curl"):
            with tap.case(f"{line}, and curl --socks5-hostname"), Tunnel(line, config):
                page = run(*"curl -q -sS --socks5-hostname localhost:1080".split(),
                           "http://internal-web/data.json")
                equal(page, b'{"text": "part two is here"}', "the page")
    country.settle()


def main():
    if not isolate("the guide, in networks of the test's own"):
        return
    with Country() as country:
        for part in (table, multiplexed, unknown_host, proxy_command, programs):
            part(country)


tap.run(main)

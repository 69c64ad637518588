#!/usr/bin/env -S python3 -B
"""ssh's command line as a file: --dump, read back and dumped again, with the machine's own ssh."""

import fnmatch
import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import equal, holds, keypair, run_adit, scratch, tap, true
from adit_test.gateway import environment

# What the guide's reader has in ~/.ssh/config, and a little more.
SSH_CONFIG = """
Host bastion
    HostName bastion.example.com
    User admin
    IdentityFile {key}
Host db-server
    HostName 192.168.1.50
    User dbadmin
    ProxyJump bastion
Host app-server
    HostName 192.168.1.60
    User deploy
    ProxyJump bastion
Host deep-internal
    HostName 10.10.10.20
    User admin
    ProxyJump bastion,app-server
Host db-tunnel
    HostName db-server.example.com
    User admin
    IdentityFile {key}
    LocalForward 5432 localhost:5432
    LocalForward 6379 localhost:6379
    LocalForward /run/%r.sock /run/db.sock
    ServerAliveInterval 60
    ServerAliveCountMax 3
Host expose-dev
    HostName public-server.example.com
    User admin
    RemoteForward 9000 localhost:3000
    ExitOnForwardFailure yes
Host socks-proxy
    HostName proxy-server.example.com
    User admin
    DynamicForward 1080
    RequestTTY no
Host by-command
    ProxyCommand sh -c 'nc -X 5 "%h" %p ; exit 0' %r %n
Host everything
    AddressFamily inet
    BatchMode yes
    BindAddress 127.0.0.1
    Ciphers ^aes128-ctr
    Compression yes
    ConnectTimeout 7
    GatewayPorts yes
    HostKeyAlgorithms ssh-ed25519
    HostKeyAlias thing
    IdentitiesOnly yes
    IdentityAgent none
    KexAlgorithms curve25519-sha256
    LocalForward 7000 localhost:7000
    LogLevel VERBOSE
    MACs hmac-sha2-256
    NumberOfPasswordPrompts 1
    PermitRemoteOpen db:5432 *:80
    PubkeyAcceptedAlgorithms ssh-ed25519
    RekeyLimit 1G
    ServerAliveCountMax 0
    StreamLocalBindMask 0111
    StreamLocalBindUnlink yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
Host mux-*
    ControlMaster auto
    ControlPath ~/.ssh/cm-%r@%h:%p
    ControlPersist 10m
"""

UNIT = ('-o "ServerAliveInterval=30" -o "ServerAliveCountMax=3" -o "ExitOnForwardFailure=yes"'
        ' -o "StrictHostKeyChecking=accept-new" -i {key}')

# A command line, and lines that its dump has.
COMMANDS = [
    # the guide's
    ("-L 5432:localhost:5432 user@db-server.example.com",
     "host = db-server.example.com", "user = user", "local = 5432 localhost:5432"),
    ("-L 5432:192.168.1.50:5432 user@ssh-server.example.com", "local = 5432 192.168.1.50:5432"),
    ("-L 8080:internal-app.local:80 user@bastion.example.com", "local = 8080 internal-app.local:80"),
    ("-L 9080:localhost:80 user@webserver.example.com", "local = 9080 localhost:80"),
    ("-L 0.0.0.0:5432:localhost:5432 user@db-server.example.com",
     "local = 0.0.0.0:5432 localhost:5432"),
    ("-L 5432:localhost:5432 -L 6379:localhost:6379 -L 8080:internal-web:80"
     " user@bastion.example.com",
     "local = 5432 localhost:5432", "local = 6379 localhost:6379", "local = 8080 internal-web:80"),
    ("-R 9000:localhost:3000 user@public-server.example.com", "remote = 9000 localhost:3000"),
    ("-R 0.0.0.0:9000:localhost:3000 user@public-server.example.com",
     "remote = 0.0.0.0:9000 localhost:3000"),
    ("-R 2222:localhost:22 user@public-server.example.com", "remote = 2222 localhost:22"),
    ("-D 1080 user@remote-server.example.com", "dynamic = 1080"),
    ("-fN -D 1080 user@remote-server.example.com", "dynamic = 1080"),
    ("-fN -D 0.0.0.0:1080 user@remote-server.example.com", "dynamic = 0.0.0.0:1080", "open = yes"),
    ("-fN -D 8888 user@remote-server.example.com", "dynamic = 8888"),
    ("-J user@bastion.example.com user@192.168.1.50",
     "jump = user-bastion.example.com", "dynamic = 1080"),
    ("-J bastion-user@bastion.example.com internal-user@192.168.1.50",
     "user = internal-user", "user = bastion-user"),
    ("-J user@bastion.example.com:2222 user@192.168.1.50", "port = 2222"),
    ("-J user@bastion1.example.com,user@bastion2.internal user@final-host.internal",
     "jump = user-bastion1.example.com", "jump = user-bastion2.internal"),
    ("-J user@bastion.example.com -L 5432:192.168.1.50:5432 user@192.168.1.50",
     "local = 5432 192.168.1.50:5432"),
    ("db-server", "host = 192.168.1.50", "jump = bastion", "identity = *client"),
    ("deep-internal", "host = 10.10.10.20", "jump = app-server", "jump = bastion"),
    ("-L 5432:localhost:5432 db-server", "local = 5432 localhost:5432"),
    ("db-tunnel", "local = 5432 localhost:5432", "local = 6379 localhost:6379",
     "local = /run/admin.sock /run/db.sock", "keepalive = 1m", "identity = *client"),
    ("-fN db-tunnel", "local = 5432 localhost:5432"),
    ("expose-dev", "remote = 9000 localhost:3000", "exit_on_forward_failure = yes"),
    ("-fN socks-proxy", "dynamic = 1080"),
    ("-M 0 -fN -o 'ServerAliveInterval 30' -o 'ServerAliveCountMax 3' -L 5432:localhost:5432"
     " user@db-server.example.com", "keepalive = 30s"),
    ("-M 0 -N " + UNIT + " -L 5432:localhost:5432 tunnel@db-server.example.com",
     "host_key = accept-new", "identity = *client", "exit_on_forward_failure = yes"),
    ("-M 0 -N " + UNIT + " -R 2222:localhost:22 tunnel@public-server.example.com",
     "remote = 2222 localhost:22"),
    ("-fN -R 9000:localhost:3000 admin@shared-server.example.com", "remote = 9000 localhost:3000"),
    ("-J admin@bastion.company.com -fN -L 3000:internal-monitoring.local:3000"
     " admin@internal-monitoring.local", "jump = admin-bastion.company.com"),
    ("-fN -L 9999:legacy-service.internal:9999 admin@bastion.example.com",
     "local = 9999 legacy-service.internal:9999"),
    ("-vvv -L 5432:localhost:5432 user@server", "log = debug"),
    ("-J bastion user@internal", "jump = bastion", "user = admin"),
    ("-J b1,b2 user@final", "jump = b1", "jump = b2"),
    ("-L 5432:db:5432 -J bastion user@db", "local = 5432 db:5432"),
    ("mux-server", "control = /*/.ssh/cm-*@mux-server:22"),
    # and others
    ("ssh://user@host:2222", "port = 2222", "user = user"),
    ("user@::1", "host = ::1"),
    ("by-command", 'proxy_command = sh -c \'nc -X 5 "by-command" 22; exit 0\' * by-command'),
    ("everything", "address_family = inet", "batch_mode = yes", "bind_address = 127.0.0.1",
     "compression = yes", "connect_timeout = 7s", "host_key_algorithms = ssh-ed25519",
     "host_key_alias = thing", "identities_only = yes", "agent = no", "kex = curve25519-sha256",
     "local = [*]:7000 localhost:7000", "log = info", "macs = hmac-sha2-256",
     "password_prompts = 1", "permit_remote_open = db:5432, [*]:80",
     "public_key_algorithms = ssh-ed25519", "rekey = 1g", "keepalive_max = 100",
     "stream_local_bind_mask = 0111", "stream_local_bind_unlink = yes", "host_key = any",
     "known_hosts = /dev/null, *"),
    ("-4 -C -b 127.0.0.1 -c aes128-ctr -m hmac-sha2-256 host", "ciphers = aes128-ctr",
     "compression = yes"),
    ("-g -L 1234:h:1 host", "local = [*]:1234 h:1"),
    ("-R 1080 -R 0:h:1 -R 5:/tmp/b.sock host",
     "remote = 1080", "remote = 0 h:1", "remote = 5 /tmp/b.sock"),
    ("-L /tmp/a.sock:h:1 -L /tmp/b.sock:/tmp/c.sock -L [::1]:5:/tmp/d.sock host",
     "local = /tmp/a.sock h:1", "local = /tmp/b.sock /tmp/c.sock", "local = [[]::1]:5 /tmp/d.sock"),
    ("-L *:1:h:1 -L :2:h:1 -L localhost:3:h:1 -L 4:[::1]:5 -D [::1]:1 host",
     "local = [*]:1 h:1", "local = [*]:2 h:1", "local = localhost:3 h:1", "local = 4 [[]::1]:5",
     "dynamic = [[]::1]:1"),
    ("-o ServerAliveInterval=0 host", "keepalive = 0s"),
    ("-q -M -S ~/ctl host", "log = error", "control = */ctl"),
]


def matches(pattern, dump):
    """Whether a line of the dump is like the pattern, where * stands for anything."""
    return any(fnmatch.fnmatchcase(line, pattern) for line in dump.splitlines())


def round_trips(ssh_config, key):
    for command, *patterns in COMMANDS:
        words = shlex.split(command.replace("{key}", key))
        with tap.case(f"adit --dump {command}"):
            dumped = run_adit("--dump", "-F", ssh_config, *words)
            equal(dumped.returncode, 0, f"exit status ({dumped.stderr})")
            for pattern in patterns:
                true(matches(pattern.replace("{key}", key), dumped.stdout),
                     f"a line '{pattern}' in:\n{dumped.stdout}")
            again = run_adit("--dump", "--config", scratch("dump.ini", dumped.stdout))
            equal(again.stderr, "", "nothing is wrong with the dump")
            equal(again.stdout, dumped.stdout, "the dump of the dump")


def one_connection(ssh_config):
    with tap.case("without forwards, with -W: nothing that a file could say"):
        refused = run_adit("--dump", "-W", "db:5432", "host")
        equal(refused.returncode, 64, "exit status")
    with tap.case("ssh's own words for what it does not know, and its status"):
        refused = run_adit("-F", ssh_config, "-o", "NoSuchThing=1", "host")
        equal(refused.returncode, 255, "exit status")
        holds("Bad configuration option: nosuchthing", refused.stderr, "standard error")
    with tap.case("a hop that is its own jump host"):
        refused = run_adit("-F", scratch("loop", "Host a\nProxyJump a\n"), "a")
        equal(refused.returncode, 255, "exit status")
        holds("jumphost loop", refused.stderr, "standard error")


def files(ssh_config):
    """[upstream] with ssh_config = yes gets what its host's entry says, as a command line does."""
    with tap.case("ssh_config = yes: what the file says wins, the rest is ssh's"):
        text = ("[upstream db]\nhost = db-server\nssh_config = yes\n"
                f"ssh_config_file = {ssh_config}\nuser = me\n[listen l]\naddress = 1080\n")
        dumped = run_adit("--dump", "--config", scratch("adit.ini", text))
        equal(dumped.returncode, 0, f"exit status ({dumped.stderr})")
        for pattern in ["host = 192.168.1.50", "user = me", "jump = bastion", "user = admin",
                        "host = bastion.example.com", "ssh_config = no"]:
            true(matches(pattern, dumped.stdout), f"a line '{pattern}' in:\n{dumped.stdout}")
    with tap.case("ssh_config = yes: what ssh refuses is the file's problem"):
        text = (f"[upstream db]\nhost = h\nssh_config = yes\nssh_config_file = {ssh_config}.not\n"
                "[listen l]\naddress = 1080\n")
        refused = run_adit("--check", "--config", scratch("adit.ini", text))
        equal(refused.returncode, 78, "exit status")
        holds(":3: ssh_config: ssh -G h: Can't open user config file", refused.stderr, "the line")


def no_ssh(ssh_config):
    with tap.case("no ssh on the machine: the command line stands for itself"):
        dumped = run_adit("--dump", "-F", ssh_config, "-L", "1:a:1", "user@host",
                          env=environment(PATH="/nonexistent"))
        equal(dumped.returncode, 0, f"exit status ({dumped.stderr})")
        holds("there is no ssh on this machine", dumped.stderr, "standard error")
        for pattern in ["host = host", "user = user", "ssh_config = yes", "local = 1 a:1"]:
            true(matches(pattern, dumped.stdout), f"a line '{pattern}' in:\n{dumped.stdout}")


def main():
    key = keypair("client")
    ssh_config = scratch("ssh_config", SSH_CONFIG.replace("{key}", str(key)))
    round_trips(ssh_config, str(key))
    one_connection(ssh_config)
    files(ssh_config)
    no_ssh(ssh_config)


tap.run(main)

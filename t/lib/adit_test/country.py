"""The machines of the guide: one of one's own, servers beyond a cable, and hosts only those reach.

The network here is the machine that adit runs on. Over there are sshds on port 22 of addresses of
their own, services that say where they are, and names that only those sshds know.
"""

import contextlib
import os
import re
import socket

from .keys import keypair, known_hosts_lines
from .net import ANY
from .network import Network, ip
from .origins import Origin, read_exactly
from .process import patience, wait_until, workdir
from .sshd import Sshd

HERE = "10.9.0.1"  # as those over there see it
THIRD_HERE = "192.168.1.20"  # a host that only this machine can reach
DEFAULT, BASTION, INTERNAL = "id_ed25519", "id_ed25519_bastion", "id_ed25519_internal"

# What leads to a machine, who may log in there with which keys, and its sshd_config.
MACHINES = {
    "server": (["10.9.0.2"], {"user": [DEFAULT], "admin": [DEFAULT], "tunnel": [DEFAULT],
                              "pi": [DEFAULT]}, {}),
    "bastion": (["10.9.0.3"], {"user": [DEFAULT], "bastion-user": [DEFAULT], "admin": [BASTION]},
                {"Port": [22, 2222]}),
    "company": (["10.9.0.4"], {"admin": [DEFAULT]}, {}),
    "generous": (["10.9.0.5"], {"user": [DEFAULT], "admin": [DEFAULT]}, {"GatewayPorts": "yes"}),
    "obedient": (["10.9.0.6"], {"user": [DEFAULT]}, {"GatewayPorts": "clientspecified"}),
    "second": (["172.16.0.2"], {"user": [DEFAULT]}, {}),
    "inner": (["192.168.1.50", "192.168.1.60", "10.10.10.20", "172.16.0.9"],
              {"user": [DEFAULT], "internal-user": [DEFAULT], "dbadmin": [INTERNAL],
               "deploy": [DEFAULT], "admin": [DEFAULT]}, {}),
}

# HostName of ssh_config: what this machine can reach.
REACHABLE = {
    "server": "db-server ssh-server webserver public-server remote-server proxy-server server"
              " your-vps",
    "bastion": "bastion bastion1",
    "generous": "shared-server",
}
ADDRESSES = {f"{name}.example.com": MACHINES[machine][0][0]
             for machine, names in REACHABLE.items() for name in names.split()}
ADDRESSES["bastion.company.com"] = MACHINES["company"][0][0]
ADDRESSES["host"] = ADDRESSES["server"] = MACHINES["server"][0][0]
ADDRESSES["b1"] = MACHINES["bastion"][0][0]

# What only the sshds over there can look up.
NAMES = {
    "bastion2.internal": "172.16.0.2", "b2": "172.16.0.2",
    "final-host.internal": "172.16.0.9", "final": "172.16.0.9", "internal": "172.16.0.9",
    "db": "172.16.0.9", "internal-monitoring.local": "172.16.0.9",
    "internal-app.local": "172.16.0.20", "internal-web": "172.16.0.21",
    "legacy-service.internal": "172.16.0.22",
}

SERVICES_THERE = [(ANY, 5432), (ANY, 6379), (ANY, 80), ("192.168.1.50", 5432),
                  ("172.16.0.9", 5432), ("172.16.0.20", 80), ("172.16.0.21", 80),
                  ("172.16.0.9", 3000), ("172.16.0.9", 80), ("172.16.0.22", 9999)]
SERVICES_HERE = [(ANY, 3000), (ANY, 443), (THIRD_HERE, 80)]


def service(side, address, port):
    """Says where it is, and then whatever it is told."""

    def serve(conn, _origin):
        conn.sendall(f"{side} {address}:{port}\n".encode())
        while part := conn.recv(1 << 16):
            conn.sendall(part)

    return Origin(serve, address, port)


def greeting(address, port):
    """What the service at the end of the way says; "" if the way leads nowhere."""
    try:
        with socket.create_connection((address, port), timeout=patience(5)) as conn:
            return greeted(conn)
    except OSError:
        return ""


def greeted(conn):
    """What the service says to a connection that is there, once an echo came back too."""
    line = conn.makefile("rb").readline().decode().strip()
    conn.sendall(b"echo")
    return line if read_exactly(conn, 4) == b"echo" else ""


class Country:
    """All of it, with a home directory whose .ssh has the keys and files of ssh_config."""

    def __init__(self):
        self.home = os.path.join(workdir(), "home")
        os.makedirs(os.path.join(self.home, ".ssh"), 0o700)
        self.keys = {}
        for name in (DEFAULT, BASTION, INTERNAL):
            key = keypair(name)
            for suffix in ("", ".pub"):
                os.rename(key + suffix, self.path(name + suffix))
            self.keys[name] = self.path(name)
        ip("address", "add", f"{THIRD_HERE}/32", "dev", "lo")
        far = [MACHINES[name][0][0] for name in MACHINES if MACHINES[name][0][0] != "192.168.1.50"
               and name != "second"]
        hidden = {"172.16.0.2", "172.16.0.9", "192.168.1.50", "192.168.1.60", "10.10.10.20",
                  *NAMES.values()}
        self.network = Network(f"{HERE}/24", far, sorted(hidden))
        self.sshds = {}
        self.stack = contextlib.ExitStack()
        with self.network:
            for name in MACHINES:
                self.sshds[name] = self.stack.enter_context(self._sshd(name))
        self.sshds["here"] = self.stack.enter_context(Sshd(ANY, 22, users={
            user: [self.keys[DEFAULT]] for user in ("localuser", "pi")}))
        self._known_hosts()

    def path(self, name):
        return os.path.join(self.home, ".ssh", name)

    def _sshd(self, name):
        addresses, users, options = MACHINES[name]
        return Sshd(addresses[0], 22, names=NAMES, users={
            user: [self.keys[key] for key in keys] for user, keys in users.items()},
            options={"ListenAddress": addresses, "Subsystem": "sftp internal-sftp",
                             **options})

    def _known_hosts(self):
        with open(self.path("known_hosts"), "w", encoding="ascii") as out:
            for name, (addresses, _, options) in MACHINES.items():
                names = [known for known, address in NAMES.items() if address in addresses]
                out.write(known_hosts_lines(self.sshds[name].host_key, *(
                    (host, port) for host in addresses + names
                    for port in options.get("Port", [22]))))
            out.write(known_hosts_lines(self.sshds["here"].host_key, ("localhost", 2222)))

    def ssh_config(self, name, literal="", elsewhere=None):
        """Writes a file for -F: the guide's own lines, and below them what is true for every host.

        HostName and ~ are the guide's no longer, as no name server knows its names and as ssh does
        not ask $HOME. `elsewhere` is {host: machine} for a host that is another machine this time.
        """
        literal = re.sub(r"(?m)^(\s*HostName) (\S+)$", lambda found: f"{found[1]} "
                         f"{ADDRESSES.get(found[2], found[2])}", literal)
        hosts = {**ADDRESSES, **{host: MACHINES[machine][0][0]
                                 for host, machine in (elsewhere or {}).items()}}
        text = literal.replace("~", self.home) + "".join(
            f"Host {host}\n  HostName {address}\n" for host, address in hosts.items())
        text += (f"Host *\n  IdentityFile {self.path(DEFAULT)}\n  IdentitiesOnly yes\n"
                 f"  UserKnownHostsFile {self.path('known_hosts')}\n"
                 "  GlobalKnownHostsFile /dev/null\n")
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)
        return self.path(name)

    def settle(self):
        """Waits until nobody is logged in anywhere, so that the next finds the ports free."""
        wait_until(lambda: not any(sshd.sessions() for sshd in self.sshds.values()),
                   "the end of all sessions")

    @contextlib.contextmanager
    def services(self, here=True):
        """The services of over there, and of this machine too."""
        with contextlib.ExitStack() as stack:
            for address, port in SERVICES_HERE if here else ():
                stack.enter_context(service("here", address, port))
            with self.network:
                for address, port in SERVICES_THERE:
                    stack.enter_context(service("there", address, port))
            yield

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

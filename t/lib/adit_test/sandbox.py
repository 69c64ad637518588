"""Where pages are tried: the machines of the guide, a home of its own in the place of the user's, and
what a page writes below /etc in a layer above it. For root only."""

import contextlib
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading

from . import country as guide
from . import web as webserver
from .checks import Failed
from .command import bearers
from .gateway import TOP, binary
from .keys import known_hosts_lines
from .net import ANY
from .process import patience, scratch, send_signal, wait_until

# Names that pages use beside those of the guide, of hosts that this machine reaches, and of hosts that
# only those over there do.
SHORT = {"db-server": "server", "public-server": "server", "your-vps": "server",
         "bastion": "bastion", "office-server": "server"}
FAR = {"inner": "172.16.0.9", "intranet": "172.16.0.21", "example.com": "172.16.0.30",
       "wiki.corp.example.com": "172.16.0.31", "kubernetes.corp.example.com": "172.16.0.30",
       "db.internal": "172.16.0.9"}

# What ~/.ssh/config has when a page begins.
CONFIG = """Host bastion bastion.example.com
    User user
Host db-tunnel
    HostName db-server.example.com
    User admin
    LocalForward 5432 localhost:5432
"""


def isolated():
    """Starts the test again with networks and mounts of its own. False: only root can."""
    if os.environ.get("ADIT_TEST_MOUNTS"):
        return True
    if os.geteuid() != 0:
        return False
    os.environ.update(ADIT_TEST_MOUNTS="own", ADIT_TEST_NETWORK="own")
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private",
                          *sys.orig_argv])
    return False


def mount(*words):
    subprocess.run(["mount", *words], check=True, stdin=subprocess.DEVNULL)


def layer(path):
    """What is written below `path` from here on is gone with the test."""
    upper, work = scratch("upper"), scratch("work")
    for directory in (upper, work):
        os.mkdir(directory)
    mount("-t", "overlay", "overlay", "-o",
          f"lowerdir={path},upperdir={upper},workdir={work}", path)


class Ready:
    """The socket of a service manager that only waits for READY=1."""

    def __init__(self):
        self.path = scratch("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.told = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            if b"READY=1" in self.socket.recv(65536).splitlines():
                self.told.put(True)

    def is_ready(self):
        return not self.told.empty()


class Sandbox:
    """The machines, and the processes of the page that is tried."""

    def __init__(self):
        guide.NAMES.update(FAR)
        for name, machine in SHORT.items():
            guide.ADDRESSES[name] = guide.MACHINES[machine][0][0]
        users = guide.MACHINES["bastion"][1]
        users["tunnel"] = users["user"]
        layer("/etc")
        layer("/var/lib")
        self.country = guide.Country()
        self.home = self.country.home
        self._move_home()
        self._names()
        self._certificate()
        for name in guide.MACHINES:
            self._take_keys_of_home(self.country.sshds[name])
        self.bin = scratch("bin")
        os.mkdir(self.bin)
        os.symlink(binary(), os.path.join(self.bin, "adit"))
        os.symlink(os.path.join(TOP, "contrib"), os.path.join(self.home, "contrib"))
        self.printed = ""

    def _move_home(self):
        """The user's home is where ssh and sshd look for it: in the password file."""
        with open("/etc/passwd", encoding="utf-8") as lines:
            fields = [line.rstrip("\n").split(":") for line in lines]
        for user in fields:
            if len(user) > 5 and user[2] == str(os.getuid()):
                user[5] = self.home
        with open("/etc/passwd", "w", encoding="utf-8") as out:
            out.writelines(":".join(user) + "\n" for user in fields)

    def _names(self):
        """This machine's names, and the host keys of those hosts."""
        with open("/etc/hosts", "a", encoding="ascii") as hosts, \
                open(self.country.path("known_hosts"), "a", encoding="ascii") as known:
            for name, address in guide.ADDRESSES.items():
                hosts.write(f"{address} {name}\n")
                for machine, (addresses, _, options) in guide.MACHINES.items():
                    if address == addresses[0]:
                        known.write(known_hosts_lines(
                            self.country.sshds[machine].host_key,
                            *((name, port) for port in options.get("Port", [22]))))

    def _take_keys_of_home(self, sshd):
        """A page may write ~/.ssh/authorized_keys."""
        with open(sshd.config, encoding="ascii") as lines:
            text = lines.read().replace("/%u\n", "/%u .ssh/authorized_keys\n")
        with open(sshd.config, "w", encoding="ascii") as out:
            out.write(text)
        sshd.stop()
        with self.country.network:
            sshd.start()

    def _certificate(self):
        """example.com has one that this machine believes."""
        self.key, self.certificate = scratch("key.pem"), scratch("certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj",
             "/CN=example.com", "-addext", "subjectAltName=DNS:example.com"],
            check=True, capture_output=True)
        with open("/etc/ssl/certs/ca-certificates.crt", "a", encoding="ascii") as bundle, \
                open(self.certificate, encoding="ascii") as own:
            bundle.write(own.read())

    def secure(self, web):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
        return web

    @contextlib.contextmanager
    def services(self, wanted):
        """Web servers on both sides, and what the page needs besides."""
        from .databases import postgres, redis  # pylint: disable=import-outside-toplevel
        webserver.PARTS["/"] = ("text/html", "<title>Example</title>It works.\n")
        repositories = scratch("git")
        os.mkdir(repositories)
        subprocess.run(["git", "init", "-q", "--bare", f"{repositories}/project.git"], check=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(webserver.Web(address=ANY, port=3000))
            with self.country.network:
                for address, port in [("172.16.0.9", 3000), ("172.16.0.21", 80), ("172.16.0.30", 80),
                                      ("172.16.0.31", 80), (ANY, 80), (ANY, 8080)]:
                    stack.enter_context(webserver.Web(address=address, port=port))
                stack.enter_context(self.secure(webserver.Web(repositories, "172.16.0.30", 443)))
                stack.enter_context(guide.service("there", "172.16.0.22", 9999))
                if "postgres" in wanted:
                    stack.enter_context(postgres(5432, "appuser", "mydb"))
                if "redis" in wanted:
                    stack.enter_context(redis(6379))
            yield

    # ---- a page

    def begin(self, name):
        """A new page finds the home as it was. Returns what its processes are known by."""
        self.marker = f"ADIT_TEST_PAGE={os.getpid()}.{name}"
        self.printed = ""
        self.runtime = scratch("runtime")
        os.mkdir(self.runtime, 0o700)
        self.write("~/.ssh/config", CONFIG)
        self.before = set(self._files())

    def _files(self):
        """All below the home, what a directory has before the directory."""
        return [os.path.join(top, name) for top, directories, names in
                os.walk(self.home, topdown=False) for name in names + directories]

    def end(self):
        """Ends all that the page started, and removes the files that it made."""
        self.end_all()
        for path in self._files():
            if path not in self.before:
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) \
                    else os.unlink(path)
        self.country.settle()

    def end_all(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in bearers(self.marker):
                send_signal(pid, number)
            try:
                wait_until(lambda: not bearers(self.marker), "the end of the page's processes", 20)
                return
            except Failed:
                if number == signal.SIGKILL:
                    raise

    def environment(self, ready):
        clean = {key: value for key, value in os.environ.items()
                 if not key.lower().endswith("_proxy") and key not in ("SSH_AUTH_SOCK", "ADIT")}
        name, value = self.marker.split("=")
        return {**clean, "HOME": self.home, "PATH": f"{self.bin}:{clean['PATH']}", name: value,
                "XDG_RUNTIME_DIR": self.runtime, "NOTIFY_SOCKET": ready.path}

    @contextlib.contextmanager
    def _there(self, far):
        if not far:
            yield
            return
        with self.country.network:
            yield

    def start(self, text, far=False):
        """A script of a page: (process, Ready, the file of what it prints)."""
        ready, output = Ready(), scratch("output")
        with self._there(far), open(output, "wb") as out:
            process = subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", "-c", text], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env=self.environment(ready), cwd=self.home)
        return process, ready, output

    def read(self, output):
        with open(output, encoding="utf-8", errors="backslashreplace") as file:
            self.printed = file.read()
        return self.printed

    def run(self, text, status=0, far=False):
        """A script that ends."""
        process, _, output = self.start(text, far)
        try:
            ended = process.wait(patience(60))
        except subprocess.TimeoutExpired:
            raise Failed(f"it does not end\n{self.read(output)}") from None
        if ended != status:
            raise Failed(f"it ended with {ended}, not {status}\n{self.read(output)}")
        self.read(output)

    def stay(self, text, far=False):
        """A script that goes on: returns its process when adit is ready, or when it ended well."""
        process, ready, output = self.start(text, far)
        wait_until(lambda: ready.is_ready() or process.poll() is not None, f"it is ready: {text}", 60)
        if process.poll() not in (None, 0):
            raise Failed(f"it ended with {process.poll()}\n{self.read(output)}")
        self.read(output)
        return process

    @staticmethod
    def end_of(process):
        """Waits for a process that was asked to end."""
        try:
            process.wait(patience(30))
        except subprocess.TimeoutExpired:
            raise Failed("it does not end when it is asked to") from None

    def write(self, path, text):
        path = path.replace("~", self.home)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.country.stack.close()

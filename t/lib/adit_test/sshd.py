"""A throwaway OpenSSH server on loopback, and ssh -D, the stand-in that proves the harness."""

import getpass
import os
import re
import shutil
import signal
import subprocess

from .keys import keypair, known_hosts, public
from .net import ANY, free_port
from .process import Process, freeze, kill_tree, processes, scratch, send_signal, wait_until

_shims = {}


def shim(name="sshd_shim"):
    """t/lib/NAME.c, compiled once a test, for LD_PRELOAD."""
    if name not in _shims:
        source = os.path.join(os.path.dirname(os.path.dirname(__file__)), f"{name}.c")
        _shims[name] = scratch("shim.so")
        subprocess.run([os.environ.get("CC", "cc").split()[0], "-shared", "-fPIC", "-o",
                        _shims[name], source, "-ldl"], check=True)
    return _shims[name]


def version():
    """(9, 2) for OpenSSH 9.2."""
    text = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return tuple(int(number) for number in re.search(r"OpenSSH_(\d+)\.(\d+)", text).groups())


class Sshd:
    """sshd with a host key, a configuration and a user key of its own, run by the test's user.

    options   {keyword: value or list of values} for sshd_config, over the defaults here
    names     {name: address or (address, seconds)}: what this sshd's resolver knows (sshd_shim.c)
    password  a password (and keyboard-interactive) login that works (sshd_shim.c)
    code      what keyboard-interactive asks for after the password
    code_check  a program that exits with 0 if its argument is the code, which is all that
              keyboard-interactive then asks for (sshd_shim.c)
    account   the words with which PAM refuses every account (sshd_shim.c)
    users     {name: keys}: who may log in instead of the test's user, each with these keys only;
              all of them are the test's user by other names (sshd_shim.c)
    """

    def __init__(self, address=ANY, port=None, options=None, host_key=None, user_key=None,
                 names=None, password=None, users=None, code=None, code_check=None,
                 account=None, start=True):
        self.address = address
        self.port = port or free_port(address)
        self.user = getpass.getuser()
        self.host_key = host_key or keypair("host_key")
        self.user_key = user_key or keypair("user_key")
        self.known_hosts = known_hosts(self.host_key, (address, self.port))
        self.environment = self._environment(names, password, users, code)
        if code_check is not None:
            self.environment.update(ADIT_TEST_CODE_CHECK=code_check, LD_PRELOAD=shim())
        if account is not None:
            self.environment["ADIT_TEST_ACCOUNT"] = account
        self.process = None
        self.config = scratch("sshd_config")
        self.configure(**{**({"UsePAM": "yes"} if password or code_check else {}),
                          **({"AuthorizedKeysFile": self._authorize(users)} if users else {}),
                          **(options or {})})
        if start:
            self.start()

    @staticmethod
    def _authorize(users):
        """A file of keys for each user; returns the value of AuthorizedKeysFile."""
        directory = scratch("users")
        os.mkdir(directory)
        for user, keys in users.items():
            with open(os.path.join(directory, user), "w", encoding="ascii") as out:
                out.writelines(f"{public(key)}\n" for key in keys)
        return f"{directory}/%u"

    @staticmethod
    def _environment(names, password, users, code):
        environment = dict(os.environ)
        if names is not None:
            lines = [(name, *(where if isinstance(where, tuple) else (where, 0)))
                     for name, where in names.items()]
            environment["ADIT_TEST_NAMES"] = scratch("names", "".join(
                f"{name} {address} {delay}\n" for name, address, delay in lines), 0o644)
        if password is not None:
            environment["ADIT_TEST_PASSWORD"] = password
        if code is not None:
            environment["ADIT_TEST_CODE"] = code
        if users is not None:
            environment["ADIT_TEST_USERS"] = " ".join(users)
        if names is not None or password is not None or users is not None:
            environment["LD_PRELOAD"] = shim()
        return environment

    def configure(self, **options):
        """Writes the configuration; a running sshd sees it when it is started again."""
        self.authorized_keys = scratch("authorized_keys", public(self.user_key) + "\n", 0o644)
        settings = {
            "ListenAddress": self.address, "Port": self.port, "HostKey": self.host_key,
            "AuthorizedKeysFile": self.authorized_keys,
            "PidFile": "none", "StrictModes": "no", "UsePAM": "no", "PermitRootLogin": "yes",
            "PasswordAuthentication": "yes" if "UsePAM" in options else "no",
            "KbdInteractiveAuthentication": "no", "MaxStartups": "1000", "LogLevel": "DEBUG1",
            "AllowTcpForwarding": "yes", "UseDNS": "no",
        }
        if version() >= (9, 8):
            settings["PerSourcePenalties"] = "no"
        settings.update(options)
        with open(self.config, "w", encoding="ascii") as out:
            for key, values in settings.items():
                for value in values if isinstance(values, list) else [values]:
                    out.write(f"{key} {value}\n")

    def start(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # privilege separation needs it
        self.process = Process(f"sshd {self.address}:{self.port}",
                               [sshd_path(), "-D", "-e", "-f", self.config], env=self.environment)
        self.process.wait_log(r"Server listening on ")
        return self

    def stop(self):
        """Ends it with all its sessions, unasked and at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def sessions(self):
        """The process of each session, logged in or about to."""
        return [pid for pid, parent in processes().items() if parent == self.process.pid]

    def kill_session(self, pid):
        """kill -9 for a session: its process and what it started."""
        kill_tree(pid)

    def freeze(self, everything=True):
        """SIGSTOP to all of it, or to its sessions only. Returns the pids, for thaw."""
        return freeze(self.process.pid, itself=everything)

    @staticmethod
    def thaw(pids):
        for pid in pids:
            send_signal(pid, signal.SIGCONT)

    def mark(self):
        return self.process.mark()

    def logins(self, since=0):
        """The users that logged in with a key."""
        return [found[1] for found in self.process.find(r"^Accepted publickey for (\S+) ", since)]

    def targets(self, since=0):
        """What direct-tcpip channels were asked for: [(host, port)]."""
        return [(found[1], int(found[2])) for found in self.process.find(
            r"server_request_direct_tcpip: originator .*, target (\S+) port (\d+)", since)]


def sshd_path():
    """sshd wants to be called by its absolute path; it is seldom in an ordinary user's PATH."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class SshD:
    """ssh -D through an Sshd: what adit is measured against."""

    def __init__(self, sshd):
        self.port = free_port()
        self.address = (ANY, self.port)
        self.process = Process("ssh -D", [
            "ssh", "-F", "none", "-N", "-D", f"{ANY}:{self.port}", "-p", str(sshd.port), "-i",
            sshd.user_key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
            f"UserKnownHostsFile={sshd.known_hosts}", "-v", f"{sshd.user}@{sshd.address}"])
        self.process.wait_log("Entering interactive session")
        wait_until(self.process.alive, "ssh is there")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()

#!/usr/bin/env -S python3 -B
"""Completions of bash, zsh and fish: what each shell offers behind the word adit, at a terminal."""

import contextlib
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, equal, free_port, holds, patience, run_adit, scratch, tap, true
from adit_test.command import Tunnel, ssh_config
from adit_test.gateway import TOP, binary, environment
from adit_test.sshd import Sshd
from adit_test.terminal import Terminal


@contextlib.contextmanager
def running(shell):
    """A tunnel that a shell's user has: its control socket, and the port of its -L (-D: the next)."""
    runtime = os.path.join(shell.home, "runtime")
    os.makedirs(runtime, 0o700, exist_ok=True)
    with Sshd() as sshd:
        hosts = ssh_config({"db": sshd})
        port = free_ports()
        with Tunnel(f"ssh -fN -L {port}:localhost:80 -D 127.0.0.1:{port + 1} db", hosts,
                    XDG_RUNTIME_DIR=runtime):
            name, = os.listdir(os.path.join(runtime, "adit"))
            yield os.path.join(runtime, "adit", name), port


def free_ports():
    """The first of two ports that are free."""
    while True:
        port = free_port()
        with socket.socket() as second:
            try:
                second.bind((ANY, port + 1))
                return port
            except OSError:
                continue


def commands():
    """The commands that adit names when it is asked for another one."""
    said = run_adit("-O", "nonsense", "-S", "/nonexistent").stderr
    names = holds(r"there are ([a-z, ]+ and [a-z]+)$", said.strip(), "what adit says")[1]
    return sorted(re.split(r", | and ", names))


def environment_of(directory, **more):
    """Of a shell whose user has this home, and adit in the path."""
    path = f"{os.path.dirname(binary())}:{os.environ['PATH']}"
    return environment(HOME=directory, PATH=path,
                       XDG_RUNTIME_DIR=os.path.join(directory, "runtime"), **more)


def home():
    """A home directory whose ssh_config and known_hosts name hosts; and a file for --config."""
    directory = scratch("home")
    os.makedirs(os.path.join(directory, ".ssh"), 0o700)
    for name, text in {".ssh/config": "Host office db-tunnel\n  HostName 192.0.2.1\n",
                       ".ssh/known_hosts": "known.example.com ssh-ed25519 AAAA\n",
                       "gateway.ini": ""}.items():
        with open(os.path.join(directory, name), "w", encoding="ascii") as out:
            out.write(text)
    return directory


def completion(shell):
    return os.path.join(os.path.dirname(binary()), "src", "control", f"completions.{shell}")


# Completes its arguments as readline would when tab is typed behind the last one, and prints what is
# offered. The completion is found by its name, as in life.
BASH = r"""
. /usr/share/bash-completion/bash_completion
cd "$HOME"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
_completion_loader adit
complete -p adit >/dev/null || exit
compopt() { :; }
_adit adit "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


class Bash:
    def __init__(self):
        self.home = home()
        user = os.path.join(self.home, "bash-completion", "completions")
        os.makedirs(user)
        os.symlink(completion("bash"), os.path.join(user, "adit"))

    def offers(self, *words):
        done = subprocess.run(
            ["bash", "--norc", "-c", BASH, "bash", "adit", *words], capture_output=True, text=True,
            env=environment_of(self.home, BASH_COMPLETION_USER_DIR=os.path.join(
                self.home, "bash-completion")),
            check=False, timeout=patience(60))
        equal(done.stderr, "", "what bash says besides")
        return sorted(done.stdout.split())


class Fish:
    def __init__(self):
        self.home = home()

    def offers(self, *words):
        line = " ".join(("adit",) + words)
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"cd; source {completion('fish')}; complete -C '{line}'"],
            capture_output=True, text=True, env=environment_of(self.home), check=False,
            timeout=patience(60))
        equal(done.stderr, "", "what fish says besides")
        return sorted(row.split("\t")[0] for row in done.stdout.splitlines())


# Behind it ^T completes the line, and writes all that is offered to a file.
ZSHRC = r"""
cd
fpath=($HOME/functions $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' users
recorded() {
    compadd() {
        local -a found
        if [[ " $* " != *' -'[AOD]' '* ]]; then
            builtin compadd -O found "$@"
            print -rl -- $found >>$HOME/offered
        fi
        builtin compadd "$@"
    }
    _main_complete
    unfunction compadd
}
zle -C recorded list-choices recorded
bindkey '^T' recorded
PS1='ready> '
"""


class Zsh:
    """zsh offers something only to a line that is typed at a terminal."""

    def __init__(self):
        self.home = home()
        functions = os.path.join(self.home, "functions")
        os.mkdir(functions)
        os.symlink(completion("zsh"), os.path.join(functions, "_adit"))
        with open(os.path.join(self.home, ".zshrc"), "w", encoding="ascii") as out:
            out.write(ZSHRC)

    def offers(self, *words):
        offered = os.path.join(self.home, "offered")
        with open(offered, "w", encoding="ascii"):
            pass
        with Terminal(["zsh", "-d", "-i"], environment_of(
                self.home, ZDOTDIR=self.home, TERM="dumb")) as terminal:
            terminal.expect("ready> ")
            terminal.type(" ".join(("adit",) + words) + "\x14\x15print -r done-with-it\n")
            terminal.expect("\ndone-with-it\r?\n")
        with open(offered, encoding="utf-8") as lines:
            return sorted(set(lines.read().splitlines()) - {""})


def options_of_help():
    """The options that --help names, but for those that do nothing."""
    text = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<![\w-])(--[a-z]+|-[A-Za-z0-9])\b", text)) - set(
        "-T -a -k -n -x".split())


def same_for_all(shell):
    with tap.case(f"{type(shell).__name__}: the commands of -O"):
        equal(shell.offers("-O", ""), commands(), "all commands")
        equal(shell.offers("-S", "/x", "-O", "st"), ["status", "stop"], "those that begin with st")
    with tap.case(f"{type(shell).__name__}: hosts of ssh_config and known_hosts"):
        true("known.example.com" in shell.offers(""), "one of known_hosts")
        equal(shell.offers("known"), ["known.example.com"], "those that begin with known")
        equal(shell.offers("-fN", "-L", "8080:web:80", "off"), ["office"],
              "those that begin with off")
    with tap.case(f"{type(shell).__name__}: a user before the host"):
        offered = [word.rpartition("@")[2] for word in shell.offers("me@off")]
        equal(offered, ["office"], "hosts behind me@")
    with tap.case(f"{type(shell).__name__}: jump hosts, several"):
        offered = [word.rpartition(",")[2] for word in shell.offers("-J", "office,db")]
        equal(offered, ["db-tunnel"], "the second one")
    with tap.case(f"{type(shell).__name__}: forwards that run, behind -O cancel"):
        with running(shell) as (control, port):
            local, dynamic = f"{port}:localhost:80", f"127.0.0.1:{port + 1}"
            for named in (["-S", control], []):
                equal(shell.offers(*named, "-O", "cancel", "-L", ""), [local], f"{named} -L")
                # (bash counts as one word only what stands behind the last colon.)
                begun = shell.offers(*named, "-O", "cancel", "-L", local[:-4])
                true(begun in ([local], [local.partition(":")[2]]), f"{named}, begun: {begun}")
                equal(shell.offers(*named, "-O", "cancel", "-D", ""), [dynamic], f"{named} -D")
                equal(shell.offers(*named, "-O", "cancel", "-R", ""), [], f"{named} -R")
        equal(shell.offers("-O", "cancel", "-L", ""), [], "none runs")
    with tap.case(f"{type(shell).__name__}: files"):
        true("gateway.ini" in shell.offers("--config", "gat"), "for --config")
        equal(shell.offers("-fL", ""), [], "nothing for a forward")


def bash():
    if not tap.have("bash", "bash"):
        return
    if not os.path.exists("/usr/share/bash-completion/bash_completion"):
        tap.skip("bash", "bash-completion is not installed")
        return
    shell = Bash()
    same_for_all(shell)
    with tap.case("Bash: every option of --help, and no other"):
        equal(set(shell.offers("-")), options_of_help(), "the options")
        equal(shell.offers("--du"), ["--dump"], "that begin with --du")
    with tap.case("Bash: what adit follows of ssh_config, and its values"):
        with open(os.path.join(TOP, "t", "lib", "ssh_options.table"), encoding="utf-8") as table:
            obeyed = {found[1] for line in table if (found := re.match(r"(\w+) obeyed ", line))}
        equal({word.rstrip("=") for word in shell.offers("-o", "")}, obeyed, "the options")
        equal(shell.offers("-o", "StrictHostKeyChecking=a"), ["accept-new", "ask"], "values")
        equal(shell.offers("-fNo", "BatchMode="), ["no", "yes"], "behind a cluster of letters")
    with tap.case("Bash: Host lines of the file that -F names"):
        path = scratch("ssh_config", "Host from-the-file\n")
        equal(shell.offers("-F", path, "from"), ["from-the-file"], "the hosts")
    with tap.case("Bash: what ssh -Q knows"):
        true("aes256-ctr" in shell.offers("-c", "aes"), "ciphers")
        true("hmac-sha2-256" in shell.offers("-m", "hmac"), "MACs")


def fish():
    if not tap.have("fish", "fish"):
        return
    shell = Fish()
    same_for_all(shell)
    with tap.case("Fish: options, with words of what they do"):
        equal(shell.offers("--per"), ["--persist"], "that begin with --per")
        equal(shell.offers("-o", "AddressFamily=inet"), ["AddressFamily=inet",
                                                         "AddressFamily=inet6"], "values")


def zsh():
    if not tap.have("zsh", "zsh"):
        return
    shell = Zsh()
    same_for_all(shell)
    with tap.case("Zsh: what adit follows of ssh_config, and its values"):
        equal(shell.offers("-o", "AddressF"), ["AddressFamily"], "the options")
        equal(shell.offers("-o", "AddressFamily=inet"), ["inet", "inet6"], "values")


def help_has_all():
    with tap.case("--help names each command of -O"):
        text = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
        listed = re.search(r"-O COMMAND  (.*?)\n  --json", text, re.S)[1]
        missing = [name for name in commands() if not re.search(rf"\b{name}\b", listed)]
        equal(missing, [], "those that it does not name")


def main():
    help_has_all()
    for part in (bash, fish, zsh):
        part()


tap.run(main)

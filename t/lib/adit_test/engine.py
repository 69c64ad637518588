"""The engine that carries the sessions of the tests: ADIT_TEST_ENGINE=openssh gives each upstream
that says nothing of it engine = openssh. What then means nothing, or is otherwise, is listed here."""

import os
import re
import sys

NAME = os.environ.get("ADIT_TEST_ENGINE", "")

# Keys that say what carries the sessions, or that only libssh has.
OWN_WAYS = ("engine", "join_master", "master_socket", "libssh_config")

# {a test: why it means nothing}
FILES = {
    "hostile_ends.t": "the server that does not keep to the protocol is there for libssh; of ssh it "
                      "is ssh's own affair",
    "hostile_server.t": "what ssh makes of a server that breaks the protocol of channels is its own "
                        "affair, and what it says of it, too",
    "libssh.t": "it is about a libssh that is not as adit expects",
    "dial_messages.t": "the messages are those in the sources of the other engine; ssh has its own",
    "kept_keys.t": "it is about the keys that adit itself keeps in an agent; ssh reads key files itself",
    "held_bytes.t": "what a slow reader leaves unread is held by ssh and the kernel, not by adit",
}

ONE_END = "a connection ends where the server ends its half, as with ssh -W"
NEEDS_94 = "ssh -W to a unix socket needs OpenSSH 9.4"
UNKNOWN_ORIGIN = "who connects to a remote forward is not known: client=remote"
NO_BIND = "there is no SOCKS BIND over ssh"
OWN_WORDS = "the words are ssh's own"
NO_PINS = "ssh knows no fingerprints, and adit refuses them"
WAITS = "an open that nobody wants any more keeps its sockets until the server has answered"
BACKLOG = "what comes by a remote forward waits to be accepted, as at a listener"
RESET_IS_END = "that a client of a remote forward has reset looks like its end of data behind ssh"
NO_ALGORITHM = "ssh takes an algorithm that it does not know for an error"
OWN_ALGORITHMS = "ssh has further key exchanges"
ON_DEMAND = "ssh asks for a passphrase when it needs the key"
OWN_CHILDREN = "ssh and its askpass program are children, too"
OWN_AGENT = "ssh says nothing of an agent that is silent"
NO_ANSWER = "ssh waits on when a server answers a request for a forward by UNIMPLEMENTED"
OWN_BANNER = "ssh prints a banner as it prints its own lines: they are in the debug log"
LOSS = "why ssh has ended is in a line of its own"
OWN_FILES = "ssh reads its files itself, with descriptors of its own"
OWN_GUARD = "the guard of AES-GCM is libssh's, and ssh needs none"
OWN_KEY_FILES = "ssh reads key files itself, and says nothing of those that are none, and waits for a FIFO"
OWN_PACKETS = "the debug log has no more of a channel than its open: ssh has the packets"
NO_PING = "adit cannot measure the way to the server, as ssh has the session (-O ping says so)"
OWN_BYTES = "the bytes of a session are those of its connections: ssh has those of its login"
NO_THREAD = "the gateway has no such thread, as ssh logs in"
OWN_KEEPALIVES = "ssh sends the keepalives, and does not tell when they are answered"
OWN_CERTIFICATE = "ssh does not tell by which certificate it has logged in"
END_WITH_KEEPER = "the ssh processes end with the keeper, however it ends"

# {a test: [(what its case is called, how ssh differs)]}: such a case is run, and may fail.
CASES = {
    "protocol.t": [("the origin's end of data, then the client's data", ONE_END)],
    "local.t": [("leads to a unix socket", NEEDS_94)],
    "remote.t": [("^a fixed port$", UNKNOWN_ORIGIN), ("^the far side asks by ", UNKNOWN_ORIGIN),
                 ("^BIND", NO_BIND)],
    "login.t": [("a changed key is refused|an unknown key is refused|no known_hosts file", OWN_WORDS),
                (r"\bpins?\b", NO_PINS)],
    "leaving.t": [("^a client that (resets|closes|ends its half) while opening ", WAITS)],
    "limits.t": [("^clients of a remote forward's SOCKS are refused|and those that lead to a",
                  BACKLOG)],
    "remote_slow.t": [("^the far side resets while its target is connected to", RESET_IS_END)],
    "metrics.t": [("^adit_keepalive_rtt_seconds", OWN_KEEPALIVES),
                  ("^adit_certificate_expiry_timestamp_seconds", OWN_CERTIFICATE),
                  ("^each family of adit-metrics", f"{OWN_KEEPALIVES}; {OWN_CERTIFICATE}")],
    "as_ssh_session_life.t": [("^a socket of a server that does not call itself OpenSSH", NEEDS_94),
                              ("^another host key at a rekey ends the session", LOSS)],
    "ask.t": [("^without an answer|^a wrong password is asked for|^batch_mode|^nobody to ask",
               OWN_WORDS),
              ("^a signal while a program answers", OWN_CHILDREN),
              ("^host_key = ask|^... and where else the key is known", OWN_WORDS),
              ("^a revoked key is refused|^... for every host|^... but a changed one is", OWN_WORDS),
              ("^an agent that says nothing is named", OWN_AGENT),
              ("^algorithms: (one more, and|nothing is left)", NO_ALGORITHM),
              ("^algorithms: some less", OWN_ALGORITHMS)],
    "balanced_whole.t": [("keeper is killed: no request fails", END_WITH_KEEPER)],
    "broken_setups.t": [("^passphrase in a daemon", ON_DEMAND)],
    "hostile_logins.t": [("^a request to listen that is answered with UNIMPLEMENTED", NO_ANSWER),
                         ("^banners without end", OWN_BANNER)],
    "host_keys.t": [("^the same while adit runs, and its server's place is taken", OWN_FILES)],
    "integrity.t": [("guard|^... and another cipher is used instead", OWN_GUARD)],
    "key_files.t": [(", and then a good key: |^all of them before a good key|^FIFO as KEY",
                     OWN_KEY_FILES)],
    "on_change.t": [("^an upstream that does not come up is down, with the reason", OWN_WORDS)],
    "second_factor.t": [("^the program has no answer to another question", OWN_WORDS)],
    "session_log.t": [("^a channel from its open|^a transfer has|^a window that|^a remote forward, and"
                       "|^keepalives|^key exchanges|^a server that stands still", OWN_PACKETS)],
    "post_quantum.t": [("^warn: one line for an upstream", OWN_WORDS)],
    "refusals.t": [("^forbidden: ", OWN_WORDS)],
    "sandbox.t": [("in a thread of the kind (dial_thread|pump_main)", NO_THREAD)],
    "status_page.t": [("^samples are taken", OWN_BYTES)],
    "watch.t": [("ping|^a server that is silent|^-O watch: (one whose|who does not read)", NO_PING)],
    "keeper.t": [("^the keeper dies: what runs goes on", END_WITH_KEEPER)],
}


def keys_of(given):
    """The keys for an upstream that has these."""
    pinned = str(given.get("host_key")).startswith("SHA256:")  # (ssh knows no fingerprints)
    return {"engine": NAME} if NAME and not pinned and not any(map(given.get, OWN_WAYS)) else {}


def _test():
    return os.path.basename(sys.argv[0])


def means_nothing():
    """Why the running test is left out; None: it is not."""
    return FILES.get(_test()) if NAME == "openssh" else None


def differs(case):
    """How the case may end otherwise; None: it may not."""
    if NAME == "openssh":
        for pattern, how in CASES.get(_test(), ()):
            if re.search(pattern, case):
                return how
    return None

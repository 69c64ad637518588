#!/usr/bin/env -S python3 -B
"""/metrics: each series moves by the action that it is named after, and promtool finds no fault."""

import contextlib
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, Agent, acl, certify, config, equal, free_port, holds, keypair,
                       listen, patience, raises, run_adit, scratch, section, tap, true, upstream,
                       wait_until)
from adit_test.clients import (Closed, Refused, connect, connected, echoes, exchange, refusal,
                               request, works)
from adit_test.dns import A, AAAA, Dns
from adit_test.keys import public
from adit_test.mux import SshMaster
from adit_test.origins import Blackhole, Flood, Origin, echo
from adit_test.series import Series, families
from adit_test.sshd import Sshd
from adit_test.watch import got, place, samples, watched

END = 4102444800  # of certificates: 2100-01-01
SIZE = len(b"the quick brown fox")
SECRET = "alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n"
OPEN_METRICS = ("application/openmetrics-text;version=1.0.0;q=0.6,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


def check(where):
    text = got(where, "/metrics").text
    if tap.have("promtool has nothing to say", "promtool"):
        with tap.case("promtool has nothing to say"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                  capture_output=True, timeout=patience(60), check=False)
            equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "promtool")
    with tap.case("who accepts OpenMetrics gets them"):
        answer = got(where, "/metrics", Accept=OPEN_METRICS)
        holds("^application/openmetrics-text; version=1.0.0", answer.fields["content-type"], "type")
        true(answer.text.endswith("\n# EOF\n"), "the end")
        true("# TYPE adit_requests counter\n" in answer.text, "a family without its suffix")
        for accept in ("text/plain", "*/*", "application/openmetrics-text;version=2.0.0",
                       "text/plain, application/openmetrics-text;version=1.0.0;q=0.5"):
            holds("^text/plain; version=0.0.4",
                  got(where, "/metrics", Accept=accept).fields["content-type"], f"for {accept}")


def clients(adit, where, origin):
    page = Series(where)
    with tap.case("adit_connections, adit_channels, adit_connections_accepted_total"):
        with connected(adit.address, ANY, origin.port):
            page.waits(1, "adit_connections", listener="browser")
            page.waits(1, "adit_channels", upstream="office")
        page.waits(0, "adit_connections", listener="browser")
        page.waits(0, "adit_channels", upstream="office")
        page.waits(1, "adit_connections_accepted_total", listener="browser")
    for protocol in ("socks5", "socks4", "http"):
        with tap.case(f"adit_requests_total, adit_client_bytes_total: {protocol}"):
            page = Series(where)
            true(works(adit.address, origin, protocol), "echo")
            page.waits(1, "adit_requests_total", listener="browser", upstream="office",
                       protocol=protocol, outcome="ok")
            for direction in ("up", "down"):
                page.waits(SIZE, "adit_client_bytes_total", listener="browser",
                           direction=direction)
            page.waits(1, "adit_channel_open_seconds_count", upstream="office")
    with tap.case("adit_requests_total: unknown, forward, refused, denied"):
        page = Series(where)
        socket.create_connection(adit.address).close()
        page.waits(1, "adit_requests_total", listener="browser", upstream="",
                   protocol="unknown", outcome="given-up")
        true(echoes(adit.listener("db")[1]), "echo by the forward")
        page.waits(1, "adit_requests_total", listener="db", upstream="office",
                   protocol="forward", outcome="ok")
        refusal(adit.address, ANY, free_port())
        page.waits(1, "adit_requests_total", listener="browser", upstream="office",
                   protocol="socks5", outcome="refused")
        refusal(adit.address, "192.0.2.1", 1)
        page.waits(1, "adit_requests_total", listener="browser", upstream="",
                   protocol="socks5", outcome="denied")


def times_and_names(adit, where, origin):
    with tap.case("adit_keepalive_rtt_seconds"):
        page = Series(where)
        page.rises("adit_keepalive_rtt_seconds_count", upstream="office")
        true(page.moved("adit_keepalive_rtt_seconds_bucket", upstream="office", le="+Inf") > 0,
             "a bucket")
    with tap.case("adit_names_total"):
        page = Series(where)
        true(works(adit.address, origin, "socks5h", host="known.test"), "echo")
        page.waits(1, "adit_names_total", result="found")
        page.waits(1, "adit_names_asked_total")
        true(works(adit.address, origin, "socks5h", host="known.test"), "echo")
        page.waits(2, "adit_names_total", result="found")
        page.waits(1, "adit_names_cached_total")
        refusal(adit.address, "unknown.test", 1, "socks5h")
        page.waits(1, "adit_names_total", result="missing")
        refusal(adit.address, "broken.test", 1, "socks5h")
        page.waits(1, "adit_names_total", result="failed")
        page.waits(3, "adit_names_asked_total")
        refusal(adit.address, "silent.test", 1, "socks5h")
        page.waits(1, "adit_names_total", result="timed-out")
        page.waits(1, "adit_names_total", result="failed")


def users(adit, where, origin):
    with tap.case("adit_user_requests_total, adit_user_bytes_total"):
        page = Series(where)
        true(works(adit.listener("login"), origin, credentials=("alice", "secret")), "echo")
        page.waits(1, "adit_user_requests_total", user="alice")
        page.waits(SIZE, "adit_user_bytes_total", user="alice", direction="up")
        page.waits(SIZE, "adit_user_bytes_total", user="alice", direction="down")


def limits(adit, where, origin, text):
    with tap.case("adit_limited_total: connections, before_login, new, opens"):
        page = Series(where)
        with connected(adit.listener("narrow"), ANY, origin.port) as first:
            true(exchange(first), "the first connection")
            refused(adit.listener("narrow"), origin)
        page.waits(1, "adit_limited_total", limit="narrow", bound="connections")
        with socket.create_connection(adit.listener("silent")):
            page.waits(1, "adit_connections", listener="silent")
            refused(adit.listener("silent"), origin)
        page.waits(1, "adit_limited_total", limit="silent", bound="before_login")
        with contextlib.ExitStack() as conns:  # (some of them come within one second)
            for _ in range(20):
                conns.enter_context(socket.create_connection(adit.listener("slow")))
            page.rises("adit_limited_total", limit="slow", bound="new")
        with Blackhole() as hole, socket.create_connection(adit.listener("patient")) as first:
            first.sendall(request("socks5", hole.address, hole.port))
            page.waits(1, "adit_channels", upstream="office")
            refused(adit.listener("patient"), origin)
        page.waits(1, "adit_limited_total", limit="patient", bound="opens")
    with tap.case("adit_limited_total: max_connections"):
        page = Series(where)
        wait_until(lambda: open_connections(where) == 0, "all connections have ended")
        change(adit, text.replace("max_connections = 1000", "max_connections = 1"))
        with connected(adit.address, ANY, origin.port):
            refused(adit.address, origin)
        page.waits(1, "adit_limited_total", limit="", bound="max_connections")
        change(adit, text)
    with tap.case("adit_held_bytes, adit_held_max_bytes, adit_limited_total: held_bytes; "
                  "process_*_memory_bytes"), Origin(Flood()) as flood:
        page = Series(where)
        with contextlib.ExitStack() as readers:
            for _ in range(24):
                readers.enter_context(connected(adit.address, ANY, flood.port))
            page.rises("adit_held_bytes")
            page.rises("process_resident_memory_bytes")
            page.rises("process_virtual_memory_bytes")
            page.shows(1 << 30, "adit_held_max_bytes")
            change(adit, text.replace("held_bytes = 1g", "held_bytes = 1m"))
            page.shows(1 << 20, "adit_held_max_bytes")
            page.rises("adit_limited_total", limit="", bound="held_bytes")
        page.shows(0, "adit_held_bytes")
        change(adit, text)


def open_connections(where):
    return sum(value for (name, _), value in samples(where).items() if name == "adit_connections")


def change(adit, text):
    mark = adit.reload(text)
    adit.wait_log("reloaded", mark)


def refused(proxy, origin):
    with raises((Refused, Closed, OSError), "a further connection"):
        connect(proxy, ANY, origin.port)


def sessions(adit, sshd, where, origin):
    with tap.case("adit_session_info"):
        found = [dict(labels) for name, labels in samples(where) if name == "adit_session_info"]
        equal(len(found), 1, "samples")
        equal(found[0]["upstream"], "office", "its upstream")
        equal(Series(where).constant("adit_session_info", **found[0]), 1, "its number")
        holds("^(curve25519|sntrup|mlkem|ecdh)", found[0]["kex"], "its key exchange")
        equal(found[0]["post_quantum"],
              "yes" if found[0]["kex"].startswith(("sntrup", "mlkem")) else "no", "post_quantum")
    with tap.case("adit_sessions_lost_total, adit_dials_total{result=ok}"):
        page = Series(where)
        sshd.kill_session(sshd.sessions()[0])
        page.waits(1, "adit_sessions_lost_total", upstream="office")
        page.waits(1, "adit_dials_total", upstream="office", result="ok")
        page.shows(1, "adit_sessions", upstream="office", state="up")
    with tap.case("adit_upstream_up, adit_ready, adit_forward_up, adit_waiting_clients, "
                  "adit_hold_seconds"):
        page = Series(where)
        page.shows(1, "adit_ready")
        sshd.stop()
        page.shows(0, "adit_upstream_up", upstream="office")
        page.shows(0, "adit_forward_up", forward="back", kind="remote")
        page.shows(0, "adit_ready")
        page.shows(0, "adit_sessions", upstream="office", state="up")
        page.rises("adit_dials_total", upstream="office", result="unreachable")
        # (A forward's connection has nothing to say before its channel is open.)
        with socket.create_connection(adit.listener("db"), timeout=patience(60)) as conn:
            page.shows(1, "adit_waiting_clients", upstream="office")
            sshd.start()
            true(exchange(conn), "echo once the server is back")
        page.shows(0, "adit_waiting_clients", upstream="office")
        page.shows(1, "adit_upstream_up", upstream="office")
        page.shows(1, "adit_ready")
        page.shows(1, "adit_forward_up", forward="back", kind="remote")
        page.rises("adit_hold_seconds_count", upstream="office")
        true(page.moved("adit_hold_seconds_sum", upstream="office") > 0, "its time")


def failures(where):
    with tap.case("adit_dials_total: host-key, authentication, transport"):
        page = Series(where)
        for name, result in (("stranger", "host-key"), ("nokey", "authentication"),
                             ("nossh", "transport")):
            wait_until(lambda n=name, r=result: page.now("adit_dials_total", upstream=n,
                                                         result=r) > 0, f"{name}: {result}")
            page.shows(0, "adit_upstream_up", upstream=name)
    with tap.case("adit_forward_up"):
        page.shows(1, "adit_forward_up", forward="db", kind="local")
        page.shows(1, "adit_forward_up", forward="back", kind="remote")
        page.shows(0, "adit_forward_up", forward="lost", kind="remote")


def certificates():
    """(The authority is known to this sshd alone.)"""
    authority, in_agent = keypair("authority"), keypair("in-agent")
    keys = {kind: keypair(kind, kind=kind) for kind in ("ed25519", "rsa", "ecdsa")}
    ends = {kind: END + i for i, kind in enumerate(keys)}
    with Sshd(start=False) as sshd, tap.case("adit_certificate_expiry_timestamp_seconds"):
        sshd.configure(AuthorizedKeysFile=scratch(
            "authorized_keys", f"cert-authority {public(authority)}\n"
            f"{public(sshd.user_key)}\n", 0o644))
        sshd.start()
        for kind, key in keys.items():
            certify(authority, key, sshd.user, ends[kind])
        certify(authority, in_agent, sshd.user, END - 1)
        with Agent(in_agent) as agent:
            text = config(sshd, watched(), *(upstream(sshd, kind, identity=key, sessions="1-1")
                                             for kind, key in keys.items()),
                          upstream(sshd, "agent", identity=None, agent="yes",
                                   identity_agent=agent.socket))
            with Adit(text, name="adit with certificates") as adit:
                for name in ("office", "agent", *keys):
                    adit.sessions_up(1, upstream=name)
                renewed(adit, sshd, authority, keys["ed25519"], ends)


def renewed(adit, sshd, authority, key, ends):
    page = Series(place(adit))
    name = "adit_certificate_expiry_timestamp_seconds"
    for kind, end in ends.items():
        page.shows(end, name, upstream=kind)
    page.shows(END - 1, name, upstream="agent")
    page.shows(0, name, upstream="office")
    certify(authority, key, sshd.user, END + 100)
    for session in sshd.sessions():
        sshd.kill_session(session)
    page.shows(END + 100, name, upstream="ed25519")


def joined(sshd):
    """(What an ssh has agreed with the server it does not tell.)"""
    with SshMaster(sshd) as master, \
            tap.case("adit_session_info: nothing of a master that was joined"), \
            Adit(config(sshd, watched(), up={"join_master": master.path, "identity": "none",
                                             "agent": "no"}), name="adit of a master") as adit:
        adit.sessions_up(1)
        found = {name: value for (name, _), value in samples(place(adit)).items()}
        equal(found["adit_upstream_up"], 1, "the upstream is up")
        true("adit_session_info" not in found, "and its key exchange is not known")


def process(adit, where, origin):
    with tap.case("process_*"):
        page = Series(where)
        near = page.constant("process_start_time_seconds")
        true(abs(near - time.time()) < 24 * 3600, f"the start: {near}")
        true(page.constant("process_max_fds") >= 256, "the most descriptors")
        before = adit.cpu()
        wait_until(lambda: works(adit.address, origin) and adit.cpu() >= before + 0.05,
                   "processor time is used", 60)
        page.rises("process_cpu_seconds_total")
        true(page.now("process_resident_memory_bytes") > 1 << 20, "resident memory")
        true(page.now("process_virtual_memory_bytes") >
             page.now("process_resident_memory_bytes"), "virtual memory")
        if page.now("process_open_fds") > 0:  # Linux 6.2 and later
            with contextlib.ExitStack() as conns:  # (more than connections that still end)
                for _ in range(100):
                    conns.enter_context(connected(adit.address, ANY, origin.port))
                page.rises("process_open_fds")
    with tap.case("adit_build_info"):
        version = run_adit("-V").stdout.split()[1]
        equal(page.constant("adit_build_info", version=version), 1, "the version")


def reloads(adit, where, origin, text):
    with tap.case("counters go on after a reload, and names that have gone keep theirs"):
        page = Series(where)
        mark = adit.reload(text.replace("[listen browser]", "[listen renamed]"))
        adit.wait_log("reloaded", mark)
        wait_until(lambda: works(adit.listeners()["browser"][0], origin), "it works")
        page.waits(1, "adit_requests_total", listener="renamed", upstream="office",
                   protocol="socks5", outcome="ok")
        page.waits(0, "adit_requests_total", listener="browser", upstream="office",
                   protocol="socks5", outcome="ok")


def limited(name, **keys):
    """A listener, and a limit of the same name for it."""
    return listen(name), section(f"limit {name}", {"listen": name, "from": "127.0.0.0/8", **keys})


def main():
    silent = Origin(lambda conn, _: conn.sendall(b"220 no SSH here\r\n"))
    with Sshd() as sshd, Sshd() as other, Sshd() as third, Origin(echo) as origin, silent, \
            Dns({"known.test": [ANY], "broken.test": None},
                unanswered={("silent.test", A), ("silent.test", AAAA)}) as dns:
        far = free_port()  # (the server listens there once)
        text = config(
            sshd,
            watched(metrics_users="yes"),
            upstream(other, "stranger", known_hosts=scratch("known_hosts", ""), required="no"),
            upstream(third, "nokey", identity=keypair("strange"), required="no"),
            upstream(other, "nossh", port=silent.port, required="no"),
            listen("login", auth="password", users=scratch("users", SECRET)),
            *limited("narrow", connections=1), *limited("silent", before_login=1),
            *limited("slow", new=1), *limited("patient", opens=1),
            section("forward db", {"local": f"{free_port()} {ANY}:{origin.port}", "via": "office"}),
            section("forward back", {"remote": f"{far} {ANY}:{origin.port}", "via": "office"}),
            section("forward lost", {"remote": f"{far} {ANY}:{origin.port}", "via": "office"}),
            section("resolve", {"order": "tunnel", "servers": f"{ANY}:{dns.port}"}),
            acl("deny to=192.0.2.0/24", "allow to=*"),
            gate={"max_connections": 1000, "held_bytes": "1g"},
            up={"sessions": "1-1", "keepalive": "1s", "hold": "1m"})
        with Adit(text) as adit:
            adit.sessions_up(1)
            where = place(adit)
            clients(adit, where, origin)
            times_and_names(adit, where, origin)
            users(adit, where, origin)
            limits(adit, where, origin, text)
            failures(where)
            process(adit, where, origin)
            check(where)
            sessions(adit, sshd, where, origin)
            reloads(adit, where, origin, text)
        joined(sshd)
    certificates()
    with tap.case("each family of adit-metrics(5) was seen to change"):
        unknown = {"process_open_fds"}  # (before Linux 6.2)
        equal([name for name in families() if name not in Series.seen | unknown], [],
              "families that no case above moves")


tap.run(main)

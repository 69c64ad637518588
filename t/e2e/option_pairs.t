#!/usr/bin/env -S python3 -B
"""Pairs of an option and a value: what ssh(1) does with them on the wire, by a server that records
it, and what adit does. They are alike, or listed with the reason (adit_test/option_pairs.py)."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Agent, certify, equal, keypair, patience, scratch, tap, true,
                       wait_until, workdir)
from adit_test.gateway import binary, environment
from adit_test.keys import public
from adit_test.option_pairs import (ACCEPTED, DIFFERS, FORWARDS, LACKS, LACKS_SO_FAR, REFUSED,
                                    USUAL_DIFFERS)
from adit_test.recorder import LISTS, Recorder

PROGRAMS = ("ssh", "adit")
ASKPASS = """#!/bin/sh
case $1 in
*yes/no*) echo yes ;;
*) echo secret ;;
esac
"""


class Files:
    """What {NAME} in a value is, for all pairs or anew for each run."""

    def __init__(self, agent):
        self.keys = {"key": keypair("key"), "rsa": keypair("rsa", kind="rsa"),
                     "ecdsa": keypair("ecdsa", kind="ecdsa"), "agent_key": agent.key}
        self.keys["certificate"] = scratch("certificate.pub")
        os.rename(certify(keypair("authority"), self.keys["key"], "me"), self.keys["certificate"])
        self.agent = agent
        self.askpass = scratch("askpass", ASKPASS, 0o700)
        self.other = " ".join(public(keypair("other")).split()[:2])

    def of(self, recorder):
        place = f"[{ANY}]:{recorder.port}"
        own = " ".join(recorder.host_key.split())
        return {
            **self.keys, "agent": self.agent.socket, "port": recorder.port,
            "missing": scratch("missing"), "directory": workdir(),
            "known": scratch("known", f"{place} {own}\n"), "unknown": scratch("unknown", ""),
            "changed": scratch("changed", f"{place} {self.other}\n"),
            "revoking": scratch("revoking", f"@revoked * {own}\n{place} {own}\n"),
            "revoked": scratch("revoked", f"{own}\n"),
            "others_revoked": scratch("revoked", f"{self.other}\n"),
            "known_command": f"/bin/echo {place} {own}",
        }


class Pair:
    """One row, and what came of it: {program: fields}."""

    def __init__(self, keyword, value, mode, until=1):
        self.keyword, self.value, self.mode, self.until = keyword, value, mode, until
        self.results = {}

    def __str__(self):
        return f"{self.mode}: {self.keyword}={self.value}" if self.keyword else self.mode


def words_of(pair, names, recorder):
    """ssh's command line. (The first value of an option counts.)"""
    options = [f"{pair.keyword}={pair.value.format_map(names)}"] if pair.keyword else []
    if pair.keyword != "IdentityFile":
        options += [f"IdentityFile={names['key']}", f"IdentityFile={names['rsa']}"]
    options += [f"UserKnownHostsFile={names['known']}", "GlobalKnownHostsFile=/dev/null",
                "User=me", f"Port={recorder.port}", "ConnectTimeout=20",
                "IdentityAgent=" + (names["agent"] if pair.keyword == "IdentitiesOnly" else "none")]
    asked = ["-N"] if pair.mode == "forwards" else ["-W", "target.example:7"]
    return ["-F", "none", *(word for option in options for word in ("-o", option)), *asked, ANY]


def after(pair, requests):
    """What a pair is about of the requests after the login. (adit asks a server that takes its time
    with an open whether it lives, without any option: on a slow machine that can be this one.)"""
    if pair.mode == "forwards":
        return requests[:pair.until]
    return [request for request in requests if not request.startswith("keepalive@openssh.com")]


def run(program, pair, files):
    accepts = () if pair.mode == "refused" else ("publickey",)
    with Recorder(files.keys, accepts, until=pair.until) as recorder:
        child = subprocess.Popen(
            [binary() if program == "adit" else program,
             *words_of(pair, files.of(recorder), recorder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=workdir(), encoding="utf-8", errors="backslashreplace",
            env=environment(SSH_ASKPASS=files.askpass, SSH_ASKPASS_REQUIRE="force",
                            TEST_AGENT=files.agent.socket))
        if pair.mode == "forwards":
            wait_until(lambda: recorder.done.is_set() or child.poll() is not None, "requests")
            child.terminate()
        try:
            said = child.communicate(timeout=patience(60))[1]
        except subprocess.TimeoutExpired:
            child.kill()
            said = child.communicate()[1] + "it did not end"
        for record in recorder.records:
            record.over.wait(patience(30))
        fields = recorder.records[-1].fields() if recorder.records else {}
        fields["after"] = after(pair, fields.get("after", []))
        fields["connected"] = len(recorder.records)
        fields["said"] = said
        if pair.mode != "forwards":
            fields["status"] = child.returncode
    return fields


def rows():
    yield Pair(None, None, "accepted")
    yield Pair(None, None, "refused")
    for mode, table in (("accepted", ACCEPTED), ("refused", REFUSED)):
        for keyword, values in table.items():
            for value in values:
                yield Pair(keyword, value, mode)
    for keyword, values in FORWARDS.items():
        for value, until in values:
            yield Pair(keyword, value, "forwards", until)


def proposals(pairs):
    """Every name that adit proposes with any of them."""
    return {word for pair in pairs for name in LISTS
            for word in pair.results["adit"].get(name, [])}


def known_names(fields, name, lacks):
    """A list of algorithms without those that adit cannot propose."""
    value = fields.get(name)
    return [word for word in value if word not in lacks] if name in LISTS and value else value


def differences(pair, usual, lacks):
    """The fields in which adit is not as ssh. Where an option does not change what ssh proposes,
    adit's proposal has to be its usual one, too."""
    ssh, adit = pair.results["ssh"], pair.results["adit"]
    found = []
    for name in sorted((set(ssh) | set(adit)) - {"said"}):
        wanted = known_names(ssh, name, lacks)
        if usual and name in LISTS and ssh.get(name) == usual["ssh"].get(name):
            wanted = usual["adit"].get(name)
        if adit.get(name) != wanted:
            found.append(name)
    return found


def told(pair, names):
    return "".join(f"\n{name}: ssh {pair.results['ssh'].get(name)}\n"
                   f"{' ' * len(name)} adit {pair.results['adit'].get(name)}"
                   for name in [*names, "said"])


def main():
    key = keypair("agent_key")
    with Agent(key) as agent:
        agent.key = key
        files = Files(agent)
        pairs = list(rows())
        jobs = [(pair, program) for pair in pairs for program in PROGRAMS]

        def work(job):
            pair, program = job
            pair.results[program] = run(program, pair, files)

        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(work, jobs))
    usual = pairs[0].results
    proposed = proposals(pairs)
    lacks = LACKS | (LACKS_SO_FAR - proposed)
    for pair in pairs:
        listed = USUAL_DIFFERS if pair.keyword is None else {
            **DIFFERS.get(pair.keyword, {}), **DIFFERS.get((pair.keyword, pair.value), {}),
            **DIFFERS.get((pair.mode, pair.keyword, pair.value), {})}
        with tap.case(str(pair)):
            found = differences(pair, usual if pair.keyword else None, lacks)
            expected = sorted(set(listed))
            equal(found, expected, f"the fields that differ{told(pair, found)}\n")
    with tap.case("there are 200 pairs and more"):
        true(len(pairs) - 2 >= 200, f"{len(pairs) - 2} pairs")
    with tap.case("adit proposes none of the names that it is said to lack"):
        equal(sorted(proposed & LACKS), [], "names")


tap.run(main)

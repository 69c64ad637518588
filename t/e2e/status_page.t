#!/usr/bin/env -S python3 -B
"""The page of [status]: what a browser shows of it is what -O status tells, and nothing of it comes
from elsewhere."""

import html.parser
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, listen, scratch, section,
                       tap, true, upstream, wait_until)
from adit_test.clients import connected, exchange
from adit_test.control import status
from adit_test.origins import Origin, echo
from adit_test.programs import browse
from adit_test.sshd import Sshd
from adit_test.watch import got, place, watched


class Page(html.parser.HTMLParser):
    """The tables of a page, by the id of what they stand in, and the text of what has an id."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.texts = {}, {}
        self.place = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        name = dict(attrs).get("id")
        if name is not None:
            self.place = name
            self.texts[name], self.tables[name] = "", []
        if tag == "tr" and self.place is not None:
            self.tables[self.place].append([])
        if tag in ("td", "th") and self.place is not None:
            self.tables[self.place][-1].append("")

    def handle_data(self, data):
        if self.place is None:
            return
        self.texts[self.place] += data
        if self.tables[self.place] and self.tables[self.place][-1]:
            self.tables[self.place][-1][-1] += data.strip("\n")


def shown(where):
    return Page(browse(f"http://{ANY}:{where[1]}/").decode())


def files(where):
    with tap.case("the page has no resource but its own, and may run nothing else"):
        for name, kind in (("/", "text/html"), ("/page.css", "text/css"),
                           ("/page.js", "text/javascript")):
            answer = got(where, name)
            holds(f"^{kind}; charset=utf-8", answer.fields["content-type"], f"the type of {name}")
            policy = answer.fields["content-security-policy"]
            holds("default-src 'none'; script-src 'self'", policy, "the policy")
            false("unsafe" in policy, f"anything is unsafe in {policy}")
            text = answer.text.replace('"http://www.w3.org/2000/svg"', "")
            false(re.search(r"https?://|//[a-z]+\.|url\(|@import|innerHTML|eval\(|\son\w+=|style=",
                            text), f"anything from elsewhere, or inline, in {name}")


def numbers(adit, path, where, origin):
    with tap.case("what a browser shows is what -O status tells"), \
            connected(adit.address, ANY, origin.port) as conn:
        true(exchange(conn), "echo")
        wait_until(lambda: "refused" in json.dumps(status(path)), "the dial has failed")
        page, told = shown(where), status(path)
        holds(f"version {re.escape(told['version'])}, running for .*, 1 connections",
              page.texts["summary"], "the summary")
        equal(page.texts["ready"].split("\n")[0], "ready", "readiness")
        rows = page.tables["upstreams"]
        for upstream_told in told["upstreams"]:
            row = next(row for row in rows if row[0] == upstream_told["name"])
            equal(row[1:5], [", ".join(upstream_told["hosts"]),
                             f"{upstream_told['up']} of {upstream_told['min']}-{upstream_told['max']}",
                             str(upstream_told["channels"]), str(upstream_told["waiting"])],
                  f"the row of {row[0]}")
            holds("^up$" if upstream_told["up"] else "refused", row[-1], f"its state ({row[0]})")
            for session in upstream_told["sessions"]:
                row = next(row for row in rows
                           if row[0] == f"{upstream_told['name']}/{session['session']}")
                equal((row[1], row[3]), (session["host"], str(session["channels"])), "a session")
        equal(sorted(row[:2] for row in page.tables["listeners"][1:]),
              sorted([of["name"], of["address"]] for of in told["listeners"]), "listeners")
        equal([[row[0], row[1], row[3], row[4]] for row in page.tables["forwards"][1:]],
              [[of["name"], of["kind"], of["target"], of["via"]] for of in told["forwards"]],
              "forwards")
        row = page.tables["connections"][1]
        equal((row[3], row[4], row[-1]), ("browser", f"{ANY}:{origin.port}", "relaying"),
              "the connection")
        holds("refused", page.texts["failures"], "the latest failures")
        holds("a second", page.texts["chart-words"], "the chart's words")


def losses(sshd, where):
    with tap.case("a session that is lost is among the failures"):
        sshd.kill_session(sshd.sessions()[0])
        wait_until(lambda: any(of["upstream"] == "office"
                               for of in got(where, "/api/history.json").json["failures"]),
                   "the loss is told")
        page = shown(where)
        true(any(row[1] == "office" for row in page.tables["failures"][1:]), "it is shown")
    with tap.case("samples are taken"):
        wait_until(lambda: len(got(where, "/api/history.json").json["samples"]) >= 2, "two", 60)
        sample = got(where, "/api/history.json").json["samples"][-1]
        equal(sorted(sample), ["bytes_in", "bytes_out", "connections"], "what a sample has")
        true(sample["bytes_in"] > 0, "bytes")


def main():
    path = scratch("control")
    if not tap.have("the page in a browser", "chromium"):
        return
    with Sshd() as sshd, Sshd(start=False) as down, Origin(echo) as origin:
        text = config(sshd, watched(), upstream(down, "spare", required="no"), listen("other"),
                      section("forward db", {"local": f"{free_port()} {ANY}:{origin.port}",
                                             "via": "office"}),
                      gate={"control": path})
        with Adit(text) as adit:
            adit.sessions_up(1)
            where = place(adit)
            files(where)
            numbers(adit, path, where, origin)
            losses(sshd, where)


tap.run(main)

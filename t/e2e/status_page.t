#!/usr/bin/env -S python3 -B
"""The page of [status]: what a browser shows of it is what -O status tells, and nothing of it comes
from elsewhere."""

import decimal
import html.parser
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, config, equal, false, free_port, holds, listen, scratch, section,
                       tap, true, upstream, wait_until)
from adit_test.browser import Browser
from adit_test.clients import connected, exchange
from adit_test.control import status
from adit_test.origins import Origin, echo
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


def shown(browser):
    return Page(browser.run("document.documentElement.outerHTML"))


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


def size(number):
    """As the page writes bytes."""
    unit, number = 0, decimal.Decimal(number)
    while number >= 1024 and unit < 4:
        number, unit = number / 1024, unit + 1
    digits = "0.1" if unit > 0 and number < 10 else "1"
    return f"{number.quantize(decimal.Decimal(digits), decimal.ROUND_HALF_UP)} " + (
        "B", "KiB", "MiB", "GiB", "TiB")[unit]


def seconds(text):
    """What the page has written as a duration."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


def session_row(upstream, session):
    """What the page shows of a session, but for its age."""
    kex = "post-quantum" if session["post_quantum"] else "not post-quantum"
    trip = session["round_trip_ms"]
    trip = "–" if trip is None else f"{trip} ms" if trip > 0 else "under 1 ms"
    return [f"{upstream['name']}/{session['session']}", session["host"], "–", kex,
            str(session["channels"]), "–", trip,
            f"{size(session['kib_per_second'] * 1024)}/s",
            f"{size(session['bytes_in'])} / {size(session['bytes_out'])}", session["state"]]


def upstream_row(told):
    return [told["name"], ", ".join(told["hosts"]), f"{told['up']} of {told['min']}-{told['max']}",
            "–", str(told["channels"]), str(told["waiting"])]


def is_told(page, told):
    """Whether each number of the page, which is up to two seconds old, is the one of -O status."""
    rows = {row[0]: row for row in page.tables["upstreams"]}
    for upstream_told in told["upstreams"]:
        if rows[upstream_told["name"]][:6] != upstream_row(upstream_told):
            return False
        for session in upstream_told["sessions"]:
            row = rows.get(f"{upstream_told['name']}/{session['session']}")
            if session["state"] != "up" or row is None:
                continue
            wanted = session_row(upstream_told, session)
            if [*row[:6], *row[7:]] != wanted or not 0 <= session["seconds"] - seconds(row[6]) < 60:
                return False
    summary = re.fullmatch(r"version (\S+), (\w+) for (\w+), (\d+) connections",
                           page.texts["summary"].strip())
    return (summary is not None and summary[1] == told["version"] and summary[2] == told["state"]
            and 0 <= told["seconds"] - seconds(summary[3]) < 60
            and int(summary[4]) == told["connections"])


def numbers(path, browser, adit, origin):
    with tap.case("each number that a browser shows is the one of -O status"), \
            connected(adit.address, ANY, origin.port) as conn:
        true(exchange(conn, bytes(range(256)) * 100), "echo")
        wait_until(lambda: "refused" in json.dumps(status(path)), "the dial has failed")
        wait_until(lambda: is_told(shown(browser), status(path)), "the page shows it", 60)
        page, told = shown(browser), status(path)
        equal(page.texts["ready"].split("\n")[0], "ready", "readiness")
        for upstream_told in told["upstreams"]:
            row = next(row for row in page.tables["upstreams"] if row[0] == upstream_told["name"])
            holds("^up$" if upstream_told["up"] else "refused", row[-1], f"its state ({row[0]})")
        equal(sorted(row[:2] for row in page.tables["listeners"][1:]),
              sorted([of["name"], of["address"]] for of in told["listeners"]), "listeners")
        equal([[row[0], row[1], row[3], row[4]] for row in page.tables["forwards"][1:]],
              [[of["name"], of["kind"], of["target"], of["via"]] for of in told["forwards"]],
              "forwards")
        row = page.tables["connections"][1]
        equal((row[3], row[4], row[7], row[-1]),
              ("browser", f"{ANY}:{origin.port}", "25 KiB / 25 KiB", "relaying"), "the connection")
        holds("refused", page.texts["failures"], "the latest failures")
        holds("a second", page.texts["chart-words"], "the chart's words")


def looks(browser):
    with tap.case("nothing is wider than the window, from a phone's on"):
        for width in (320, 640, 800, 1000, 1023, 1025, 1200):
            browser.wide(width)
            true(browser.run("document.documentElement.scrollWidth <= window.innerWidth"),
                 f"{width} pixels suffice")
    with tap.case("light and dark: the text is legible on its background"):
        brightness = {}
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            for what in ("color", "backgroundColor"):
                colour = browser.run(f"getComputedStyle(document.body).{what}")
                brightness[scheme, what] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
        true(brightness["light", "backgroundColor"] > brightness["light", "color"] + 500, "light")
        true(brightness["dark", "color"] > brightness["dark", "backgroundColor"] + 500, "dark")


def losses(sshd, path, where, browser):
    with tap.case("a session that is killed while the page is open"):
        sshd.kill_session(sshd.sessions()[0])
        wait_until(lambda: any(row[1] == "office" for row in shown(browser).tables["failures"][1:]),
                   "the loss is shown")
        wait_until(lambda: is_told(shown(browser), status(path)), "so is the next session", 60)
    with tap.case("samples are taken"):
        def samples():
            return got(where, "/api/history.json").json["samples"]

        wait_until(lambda: len(samples()) >= 2, "two", 60)
        equal(sorted(samples()[-1]), ["bytes_in", "bytes_out", "connections"], "what one has")
        wait_until(lambda: any(of["bytes_in"] > 0 for of in samples()), "bytes of a session", 60)


def main():
    path = scratch("control")
    if not tap.have("the page in a browser", "chromium"):
        return
    with Sshd() as sshd, Sshd(start=False) as down, Origin(echo) as origin, Browser() as browser:
        text = config(sshd, watched(), upstream(down, "spare", required="no"), listen("other"),
                      section("forward db", {"local": f"{free_port()} {ANY}:{origin.port}",
                                             "via": "office"}),
                      gate={"control": path})
        with Adit(text) as adit:
            adit.sessions_up(1)
            where = place(adit)
            files(where)
            browser.go(f"http://{ANY}:{where[1]}/")
            numbers(path, browser, adit, origin)
            looks(browser)
            losses(sshd, path, where, browser)
        with tap.case("the page says so when adit has ended"):
            wait_until(lambda: "does not answer" in shown(browser).texts["ready"], "it says so")


tap.run(main)

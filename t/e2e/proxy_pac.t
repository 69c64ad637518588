#!/usr/bin/env -S python3 -B
"""/proxy.pac: a browser that uses it sends to the gateway what the rules allow, and nothing else."""

import json
import os
import re
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import (ANY, Adit, acl, config, equal, holds, listen, patience, scratch, section,
                       tap, true, wait_until)
from adit_test.browser import Browser
from adit_test.clients import works
from adit_test.dns import Dns
from adit_test.origins import Origin, echo
from adit_test.programs import browse
from adit_test.sshd import Sshd
from adit_test.watch import get, got, place, watched
from adit_test.web import Web

SECRET = "alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n"
PROXY, DIRECT = "proxy", "DIRECT"
RULES = (
    "deny to=secret.corp.test",
    "deny to=10.9.0.0/16 user=alice",
    "deny to=other.test listen=login",
    "allow to=.corp.test port=80,443,8000-8999",
    "allow to=10.0.0.0/8,2001:db8::/32",
    "allow from=192.0.2.0/24 to=near.test",
    "allow from=remote to=remote.test",
    "allow group=staff to=*.staff.test",
    "deny to=127.0.0.0/8,::1",
    "allow to=0.0.0.0/8,::/64",
)
# What is asked for, and what becomes of it.
CASES = {
    "http://corp.test/": PROXY,
    "http://a.b.corp.test/x": PROXY,
    "http://A.Corp.Test./": PROXY,
    "http://xcorp.test/": DIRECT,
    "http://corp.test.evil.test/": DIRECT,
    "http://evil.test/.corp.test/": DIRECT,
    "http://evil.test:80@corp.test/": PROXY,
    "http://corp.test:80@evil.test/": DIRECT,
    "http://secret.corp.test/": DIRECT,
    "https://a.corp.test/": PROXY,
    "http://a.corp.test:8000/": PROXY,
    "http://a.corp.test:8999/": PROXY,
    "http://a.corp.test:9000/": DIRECT,
    "http://a.corp.test:81/": DIRECT,
    "ftp://a.corp.test/": DIRECT,
    "ws://a.corp.test/": PROXY,
    "wss://a.corp.test/": PROXY,
    "http://10.1.2.3/": PROXY,
    "http://10.9.2.3/": PROXY,  # (the gateway decides when it knows the user)
    "http://11.1.2.3/": DIRECT,
    "http://10.example.test/": DIRECT,
    "http://[2001:db8::7]/": PROXY,
    "http://[2001:db8:0:1:2:3:4:5]:9/": PROXY,
    "http://[2001:db9::7]/": DIRECT,
    "http://[::ffff:a01:203]/": PROXY,
    "http://near.test/": PROXY,
    "http://remote.test/": DIRECT,
    "http://x.staff.test/": PROXY,
    "http://other.test/": DIRECT,
    "http://localhost/": DIRECT,
    "http://0.0.0.0/": DIRECT,  # (as 127.0.0.1, which is denied)
    "http://0.0.0.1/": PROXY,
    "http://[::]/": DIRECT,
    "http://[::2]/": PROXY,
}


def evaluate(browser, text, urls):
    """What FindProxyForURL gives for each, in a browser's engine."""
    return browser.run("(() => {" + text + "return " + json.dumps(list(urls)) + """.map(url =>
        FindProxyForURL(url, /^[a-z]+:\\/\\/(?:[^\\/@]*@)?(\\[[^\\]]*\\]|[^:\\/]*)/i.exec(url)[1]));
        })()""")


def rules(browser, where, port):
    proxy = f"SOCKS5 {ANY}:{port}; PROXY {ANY}:{port}"
    answer = got(where, "/proxy.pac")
    with tap.case("it is a PAC file that looks no name up"):
        equal(answer.fields["content-type"], "application/x-ns-proxy-autoconfig", "its type")
        true(not re.search("dnsResolve|isInNet|isResolvable|myIpAddress", answer.text),
             "none of the functions that look up")
    with tap.case("the rules decide, as far as a browser can know"):
        for url, result in zip(CASES, evaluate(browser, answer.text, CASES)):
            equal(result, proxy if CASES[url] == PROXY else DIRECT, url)


def listeners(browser, adit, where):
    with tap.case("which listener, and by which protocols"):
        for name, wanted in (("login", "PROXY {}"), ("socks", "SOCKS5 {}"), ("web", "PROXY {}")):
            answer = got(where, f"/proxy.pac?listen={name}")
            address = "{}:{}".format(*adit.listener(name))
            equal(evaluate(browser, answer.text, ["http://corp.test/"]), [wanted.format(address)], name)
        for name in ("db", "none", "socks4"):
            equal(get(where, f"/proxy.pac?listen={name}").status, 404, f"listener {name}")
    with tap.case("rules with listen= are of that listener"):
        answer = got(where, "/proxy.pac?listen=login")
        holds("other", answer.text, "the rule for login")
        true("other" not in got(where, "/proxy.pac").text, "it is not there for others")
    with tap.case("several addresses: a host always has the same one, and all are used"):
        text = got(where, "/proxy.pac?listen=many").text
        urls = [f"http://h{i}.corp.test/" for i in range(200)]
        results = evaluate(browser, text, urls + urls)
        equal(results[:200], results[200:], "the second time")
        equal(len(set(results)), 3, "addresses that are used")


def wildcards(browser, sshd):
    text = config(sshd, watched(), listen("all", address="0.0.0.0:0", open="yes"),
                  at={"address": f"unix:{scratch('s')}"})
    with Adit(text, name="adit on all addresses") as adit, \
            tap.case("a wildcard is reached by the name that the file is asked by"):
        where, port = place(adit), adit.listener("all")[1]
        equal(evaluate(browser, got(where, "/proxy.pac", host="localhost:1").text, ["http://x.test/"]),
              [f"SOCKS5 localhost:{port}; PROXY localhost:{port}"], "by a name, and without rules")
        equal(get(where, "/proxy.pac", host=None).status, 404, "without a name")


def spread(browser, sshd):
    text = config(sshd, watched(spread=4), listen("all", address="*:0", open="yes"),
                  listen("also", address="0.0.0.0:0", open="yes"))
    urls = [f"http://h{i}.test/" for i in range(200)]
    with Adit(text, name="adit, spread") as adit, \
            tap.case("spread: a listener on all addresses is several on loopback"):
        where, port = place(adit), adit.listener("all")[1]

        def wanted(to):
            return {f"SOCKS5 127.0.0.{i}:{to}; PROXY 127.0.0.{i}:{to}" for i in range(1, 5)}

        for host in (ANY, "localhost:1", None):
            results = evaluate(browser, got(where, "/proxy.pac", host=host).text, urls + urls)
            equal(set(results), wanted(port), f"the proxies, asked for at {host}")
            equal(results[:200], results[200:], "the second time")
        named = got(where, "/proxy.pac?listen=also").text
        equal(set(evaluate(browser, named, urls)), wanted(adit.listener("also")[1]), "another listener")
        first = got(where, "/proxy.pac?listen=browser").text
        equal(set(evaluate(browser, first, urls)), {"SOCKS5 {0}:{1}; PROXY {0}:{1}".format(*adit.address)},
              "one that is at one address")
        for i in range(1, 5):
            with Origin(echo) as origin:
                true(works((f"127.0.0.{i}", port), origin), f"127.0.0.{i} carries")


class Hold:
    """A web server whose answers wait until there are `count` requests at once."""

    def __init__(self, count):
        self.count, self.here = count, 0
        self.changed = threading.Condition()

    def __call__(self, conn, _origin):
        head = conn.makefile("rb")
        while line := head.readline():
            if line == b"\r\n":
                break
        with self.changed:
            self.here += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.here >= self.count, patience(120))
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                     b"Access-Control-Allow-Origin: *\r\n\r\nok")


def many_at_once(sshd):
    """(By one address Chromium 156 has 128 to 256 at once, and earlier ones had 32.)"""
    names = [f"h{i}.corp.test" for i in range(300)]
    hold = Hold(len(names))
    with Origin(hold) as origin, Dns({name: [ANY] for name in names}) as dns:
        text = config(sshd, watched(spread=16), acl("allow to=.corp.test"),
                      section("resolve", {"order": "tunnel", "servers": f"{ANY}:{dns.port}"}),
                      at={"address": "0.0.0.0:0", "open": "yes"})
        with Adit(text, name="adit, spread = 16") as adit, \
                tap.case("Chromium has 300 requests under way at once with a spread"), \
                Browser(f"--proxy-pac-url=http://{ANY}:{place(adit)[1]}/proxy.pac") as browser:
            adit.sessions_up(1)
            urls = [f"http://{name}:{origin.port}/" for name in names]
            browser.run("window.answers = 0; " + json.dumps(urls) + ".forEach(url => fetch(url)"
                        ".then(answer => answer.text()).then(() => window.answers++)); 0")
            wait_until(lambda: browser.run("window.answers") == len(urls), "all are answered", 90)


def in_a_browser(sshd):
    with Web() as web, Dns({"site.corp.test": [ANY]}) as dns:
        text = config(sshd, watched(), acl("allow to=.corp.test"),
                      section("resolve", {"order": "tunnel", "servers": f"{ANY}:{dns.port}"}))
        with Adit(text, name="adit of a browser") as adit, \
                tap.case("Chromium uses it"):
            adit.sessions_up(1)
            mark = adit.mark()
            browse(f"http://site.corp.test:{web.port}/",
                   f"--proxy-pac-url=http://{ANY}:{place(adit)[1]}/proxy.pac")
            adit.access(mark, target=f"site.corp.test:{web.port}", verdict="allow", outcome="ok")
            mark = adit.mark()
            browse(f"http://elsewhere.test:{web.port}/",
                   f"--proxy-pac-url=http://{ANY}:{place(adit)[1]}/proxy.pac")
            equal([of for of in adit.accesses(mark) if "elsewhere" in of.get("target", "")], [],
                  "requests for what no rule allows")


def main():
    if not tap.have("/proxy.pac in a browser", "chromium"):
        return
    with Sshd() as sshd, Browser() as browser:
        text = config(sshd, watched(), acl(*RULES),
                      listen("login", auth="password", users=scratch("users", SECRET)),
                      listen("socks", protocols="socks5"), listen("web", protocols="http"),
                      listen("socks4", protocols="socks4"),
                      listen("many", address=f"{ANY}:0, 127.0.0.2:0, 127.0.0.3:0"),
                      section("group staff", {"users": "bob"}),
                      section("forward db", {"local": f"{scratch('db')} {ANY}:1"}))
        with Adit(text) as adit:
            where = place(adit)
            rules(browser, where, adit.port)
            listeners(browser, adit, where)
        wildcards(browser, sshd)
        spread(browser, sshd)
        many_at_once(sshd)
        in_a_browser(sshd)


tap.run(main)

#!/usr/bin/env -S python3 -B
"""The programs people use: curl, proxychains, ncat, git, Chromium, by each protocol they know."""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import Adit, ANY, config, equal, false, holds, scratch, tap, true, workdir
from adit_test.origins import Origin, body_bytes, digest, echo
from adit_test.programs import browse, run
from adit_test.sshd import Sshd
from adit_test.web import Web

SIZE = 3_000_000


class Bench:
    """One running adit and what is asked through it."""

    def __init__(self, adit, web, origin):
        self.adit = adit
        self.web = web
        self.origin = origin
        self.proxy = f"{ANY}:{adit.port}"

    def logged(self, since, protocol, target, at_least=(), **more):
        """The access line of what was just asked."""
        line = self.adit.access(since, at_least=at_least, protocol=protocol, target=target,
                                verdict="allow", outcome="ok", upstream="office",
                                listen="browser", **more)
        holds(r"^127\.0\.0\.1:\d+$", line["client"], "client")
        true(int(line["session"]) >= 0, "session is a number")


def curl(bench):
    web, name, address = bench.web, f"localhost:{bench.web.port}", f"{ANY}:{bench.web.port}"
    table = [
        # options, protocol in the log, host in the URL, target in the log
        (["--socks5-hostname", bench.proxy], "socks5", "localhost", name),
        (["--socks5", bench.proxy], "socks5", "localhost", None),  # curl looks it up: v4 or v6
        (["--socks5", bench.proxy], "socks5", ANY, address),
        (["-x", f"socks4a://{bench.proxy}"], "socks4", "localhost", name),
        (["-x", f"socks4://{bench.proxy}"], "socks4", ANY, address),
        (["-p", "-x", f"http://{bench.proxy}"], "http", "localhost", name),
        (["-x", f"http://{bench.proxy}"], "http", "localhost", name),
    ]
    for options, protocol, host, target in table:
        path = f"/bytes/{SIZE}"
        with tap.case(f"curl {' '.join(options).replace(bench.proxy, 'ADIT')} http://{host}/"):
            mark, before = bench.adit.mark(), len(web.seen(path))
            page = run("curl", "-q", "-sS", "-4", *options, web.url(path, host))
            equal(hashlib.sha256(page).hexdigest(), digest(SIZE), "the body's checksum")
            equal(len(web.seen(path)), before + 1, "requests that the web server noted")
            bench.logged(mark, protocol, target or address, at_least={"down": SIZE})


def curl_plain_http(bench):
    web = bench.web
    proxy = ["-q", "-sS", "-x", f"http://{bench.proxy}"]

    with tap.case("curl -x http://: the origin sees origin-form, and nothing of the proxy"):
        run("curl", *proxy, "-U", "alice:secret", web.url("/request?form", "localhost"))
        seen = web.seen("/request?form")[-1]
        equal(seen["line"], "GET /request?form HTTP/1.1", "the request line")
        equal(seen["headers"]["host"], f"localhost:{web.port}", "Host")
        false([key for key in seen["headers"] if key.startswith("proxy")], "fields for the proxy")

    uploads = [
        ("POST with a length", ["--data-binary", "@-", "-H", "Expect:"], "/request?post"),
        ("POST that waits for 100 Continue", ["--data-binary", "@-", "-H", "Expect: 100-continue"],
         "/request?expect"),
        ("PUT in chunks", ["-T", "-"], "/request?chunked"),
    ]
    for name, options, path in uploads:
        with tap.case(f"curl -x http://: {name}"):
            mark = bench.adit.mark()
            run("curl", *proxy, *options, web.url(path, "localhost"), data=body_bytes(SIZE))
            seen = web.seen(path)
            equal(len(seen), 1, "requests")
            equal((seen[0]["size"], seen[0]["sha256"]), (SIZE, digest(SIZE)), "what came")
            bench.logged(mark, "http", f"localhost:{web.port}", at_least={"up": SIZE})

    with tap.case("curl -x http://: an answer in chunks"):
        page = run("curl", *proxy, web.url(f"/chunked/{SIZE}"))
        equal(hashlib.sha256(page).hexdigest(), digest(SIZE), "the body's checksum")
    with tap.case("curl -x http://: HEAD, and a page that is not there"):
        holds(b"Content-Length: ", run("curl", *proxy, "-I", web.url("/page")), "the head")
        equal(run("curl", *proxy, "-o", "/dev/null", "-w", "%{http_code}", web.url("/none")),
              b"404", "the status")
    with tap.case("curl -x http://: several pages in one run"):
        equal(run("curl", *proxy, web.url("/data.json"), web.url("/style.css"), web.url("/one.js")),
              b'{"text": "part two is here"}p { color: green }window.one = \'part one is here\';',
              "the pages")


def proxychains(bench):
    for kind, protocol in (("socks5", "socks5"), ("socks4", "socks4"), ("http", "http")):
        with tap.case(f"proxychains4 curl, {kind}"):
            mark = bench.adit.mark()
            conf = scratch("proxychains.conf", "strict_chain\nproxy_dns\n[ProxyList]\n"
                           f"{kind} {ANY} {bench.adit.port}\n")
            page = run("proxychains4", "-q", "-f", conf, "curl", "-q", "-sS",
                       bench.web.url(f"/bytes/{SIZE}"))
            equal(hashlib.sha256(page).hexdigest(), digest(SIZE), "the body's checksum")
            bench.logged(mark, protocol, f"{ANY}:{bench.web.port}")


def ncat(bench):
    for kind in ("socks5", "socks4", "http"):
        with tap.case(f"ncat --proxy-type {kind}"):
            mark = bench.adit.mark()
            got = run("ncat", "--proxy", bench.proxy, "--proxy-type", kind, ANY,
                      str(bench.origin.port), data=b"through ncat\n")
            equal(got, b"through ncat\n", "the echo")
            bench.logged(mark, kind, f"{ANY}:{bench.origin.port}", up=13, down=13)


def git(bench):
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "test"), ("EMAIL", "test@example.com"))}
    identity["GIT_CONFIG_NOSYSTEM"] = "1"
    for kind, protocol in (("socks5h", "socks5"), ("http", "http")):
        with tap.case(f"git clone and push, {kind}"):
            mark = bench.adit.mark()
            repository = os.path.join(bench.web.git_root, f"{kind}.git")
            run("git", "init", "-q", "--bare", "-b", "main", repository, **identity)
            run("git", "-C", repository, "config", "http.receivepack", "true", **identity)
            work = scratch("clone")

            def at(*command, there=work):
                return run("git", "-C", there, "-c", f"http.proxy={kind}://{bench.proxy}",
                           *command, **identity)

            os.mkdir(work)
            url = bench.web.url(f"/git/{kind}.git", "localhost")
            at("clone", "-q", url, ".")
            with open(os.path.join(work, "big"), "wb") as out:
                out.write(os.urandom(SIZE))  # over http.postBuffer: goes in chunks
            at("add", "big")
            at("commit", "-q", "-m", "big")
            at("push", "-q", "origin", "HEAD:main")
            again = scratch("again")
            os.mkdir(again)
            at("clone", "-q", "-b", "main", url, ".", there=again)
            equal(at("rev-parse", "HEAD"), at("rev-parse", "HEAD", there=again), "the commit")
            bench.logged(mark, protocol, f"localhost:{bench.web.port}")


def chromium(bench):
    for kind, protocol in (("socks5", "socks5"), ("http", "http")):
        with tap.case(f"chromium --proxy-server={kind}://"):
            mark, before = bench.adit.mark(), len(bench.web.requests)
            page = browse(bench.web.url("/page", "localhost"),
                          f"--proxy-server={kind}://{bench.proxy}",
                          "--proxy-bypass-list=<-loopback>")
            holds(b'<p id="one">part one is here</p>', page, "the page, by its first script")
            holds(b'<p id="two">part two is here</p>', page, "the page, by its second script")
            paths = {request["path"] for request in bench.web.requests[before:]}
            for path in ("/page", "/style.css", "/one.js", "/two.js", "/dot.gif", "/data.json"):
                true(path in paths, f"the web server noted {path}")
            bench.logged(mark, protocol, f"localhost:{bench.web.port}")


def main():
    repositories = os.path.join(workdir(), "repositories")
    os.mkdir(repositories)
    with Sshd() as sshd, Web(git_root=repositories) as web, Origin(echo) as origin, \
            Adit(config(sshd)) as adit:
        bench = Bench(adit, web, origin)
        for tools, part in ((["curl"], curl), (["curl"], curl_plain_http),
                            (["proxychains4", "curl"], proxychains), (["ncat"], ncat),
                            (["git"], git), (["chromium"], chromium)):
            if tap.have(part.__name__, *tools):
                part(bench)


tap.run(main)

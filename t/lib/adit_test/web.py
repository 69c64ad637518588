"""A web server at the far end: bodies with checksums, a page with parts, and git over HTTP."""

import gzip
import hashlib
import json
import os
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .net import ANY
from .origins import body

PAGE = """<!doctype html><html><head><title>adit</title><link rel="stylesheet" href="/style.css">
<script src="/one.js"></script></head><body><p id="one"></p><p id="two"></p><img src="/dot.gif">
<script src="/two.js"></script></body></html>"""
PARTS = {
    "/page": ("text/html", PAGE),
    "/style.css": ("text/css", "p { color: green }"),
    "/one.js": ("text/javascript", "window.one = 'part one is here';"),
    "/two.js": ("text/javascript",
                "document.getElementById('one').textContent = window.one;"
                "fetch('/data.json').then(r => r.json()).then(j =>"
                " document.getElementById('two').textContent = j.text);"),
    "/data.json": ("application/json", '{"text": "part two is here"}'),
    "/dot.gif": ("image/gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,"
                 b"\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
}


class Handler(BaseHTTPRequestHandler):
    """Notes each request in web.requests: method, path, headers, the body's size and checksum."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def blocks(self):
        """The request's body, whichever way it is framed."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            part = self.rfile.read(min(left, 1 << 16))
            if not part:
                raise ConnectionError("the request's body is cut")
            left -= len(part)
            yield part

    def note(self, checksum, size):
        self.server.web.requests.append({
            "method": self.command, "path": self.path, "size": size, "sha256": checksum,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "line": self.requestline})

    def answer(self, kind, content, status=200):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_body(self, size, chunked):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(size))
        self.end_headers()
        for block in body(size) if self.command != "HEAD" else ():
            if chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            else:
                self.wfile.write(block)
        if chunked and self.command != "HEAD":
            self.wfile.write(b"0\r\n\r\n")

    def handle_any(self):
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith("/git/"):
            self.git()
            return
        total, size = hashlib.sha256(), 0
        for part in self.blocks():
            total.update(part)
            size += len(part)
        self.note(total.hexdigest(), size)
        if path in PARTS:
            self.answer(*PARTS[path])
        elif path.startswith(("/bytes/", "/chunked/")):
            self.send_body(int(path.rpartition("/")[2]), path.startswith("/chunked/"))
        elif path.startswith("/request"):
            self.answer("application/json", json.dumps(self.server.web.requests[-1]))
        else:
            self.answer("text/plain", "no such thing\n", 404)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any

    def git(self):
        """git-http-backend(1), by CGI."""
        path, _, query = self.path.partition("?")
        content = b"".join(self.blocks())
        self.note(hashlib.sha256(content).hexdigest(), len(content))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        done = subprocess.run(["git", "http-backend"], input=content, capture_output=True,
                              check=True,
                              env={**os.environ, "GIT_PROJECT_ROOT": self.server.web.git_root,
                                   "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command,
                                   "PATH_INFO": path[len("/git"):], "QUERY_STRING": query,
                                   "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                                   "CONTENT_LENGTH": str(len(content)), "REMOTE_USER": "test",
                                   "REMOTE_ADDR": ANY, "SERVER_PROTOCOL": self.request_version,
                                   "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for key, value in fields.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):  # pylint: disable=arguments-differ
        pass  # clients that go away in the middle are part of the tests


class Web:
    """The server; git_root is where its repositories are, if it has any."""

    def __init__(self, git_root=None, address=ANY, port=0):
        self.requests = []
        self.git_root = git_root
        self.server = Server((address, port), Handler)
        self.server.web = self
        self.address, self.port = self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, host=None):
        return f"http://{host or self.address}:{self.port}{path}"

    def seen(self, path):
        """The requests for a path."""
        return [request for request in self.requests if request["path"] == path]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

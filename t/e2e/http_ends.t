#!/usr/bin/env -S python3 -B
"""Plain HTTP where something ends: a client's worker, a password's use, an upload that is refused."""

import base64
import os
import re
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from adit_test import ANY, Adit, acl, config, equal, free_port, holds, scratch, tap, true, \
    wait_until
from adit_test.clients import Line, basic, http_fields, http_status, read_all, read_head
from adit_test.origins import Origin, read_exactly
from adit_test.sshd import Sshd

PASSWORD = "open sesame"
HASH = "$6$aditadit$kS43ewz49BYpu9dfN8aIeoYPg42PNCtrZPeSQ1o6Xr188m1pj4YojvhFcNTpgIfwPg7/pQqeuQVcZKT.c8.05/"
WRONG = "shut barley"
UPLOAD = 30_000_000
# Larger mappings are a sanitiser's own.
MAPPING_MAX = 1 << 28


def counting(conn, origin):
    """Answers each request with the number of its connection, and with that of the request there."""
    number, count = len(origin.connections), 0
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = conn.recv(1)
            if not byte:
                return number
            head += byte
        read_exactly(conn, int(http_fields(head).get("content-length", 0)))
        count += 1
        content = f"{number} {count}".encode()
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))


def get(origin, *fields, method="GET", body=""):
    size = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join([f"{method} http://{ANY}:{origin.port}/ HTTP/1.1", *size, *fields, "",
                        body]).encode()


def hear(sock):
    head = read_head(sock)
    return http_status(head), read_exactly(sock, int(http_fields(head).get("content-length", 0)))


def moving(sshd):
    """The session of the other worker has room for a channel, as one is kept on this one's."""
    with Origin(counting) as first, Origin(counting) as second, \
            Adit(config(sshd, gate={"workers": "2"},
                        up={"sessions": "2-2", "channels": "1"})) as adit:
        adit.sessions_up(2)
        with tap.case("a client that moves to another worker leaves its channels behind"):
            with Line(adit.address).socket as sock:
                mark = adit.mark()
                answers = []
                for origin in (first, second, first):
                    sock.sendall(get(origin))
                    answers.append(hear(sock))
                wait_until(lambda: len(adit.accesses(mark)) >= 3, "access lines")
                sessions = [line["session"] for line in adit.accesses(mark)]
                true(sessions[0] != sessions[1], f"it has moved ({sessions})")
                equal(answers, [(200, b"1 1"), (200, b"1 1"), (200, b"2 1")], "answers")
                equal(first.results.get(timeout=60), 1, "the connection that ended")
        with tap.case("so does one that does not wait for its answers"):
            with Line(adit.address).socket as sock:
                mark = adit.mark()
                sock.sendall(b"".join(get(origin) for origin in [first] * 3 + [second] * 3) * 10)
                equal([hear(sock)[0] for _ in range(60)], [200] * 60, "answers")
                wait_until(lambda: len(adit.accesses(mark)) >= 60, "access lines")
                equal({line["outcome"] for line in adit.accesses(mark)}, {"ok"}, "outcomes")
                equal(len({line["session"] for line in adit.accesses(mark)}), 2, "sessions")


def in_memory(pid, words):
    """Which of the words stand in memory that the process can write to."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "w" not in line.split()[1] or end - begin > MAPPING_MAX:
                continue
            try:
                memory.seek(begin)
                content = memory.read(end - begin)
            except OSError:  # it has gone meanwhile
                continue
            found.update(word for word in words if word in content)
    return found


def secrets(sshd):
    users = scratch("users", f"alice:{HASH}\n")
    words = [word for password in (PASSWORD, WRONG) for word in
             (password.encode(), base64.b64encode(f"alice:{password}".encode()))]
    with Origin(counting) as origin, \
            Adit(config(sshd, acl("allow user=alice"),
                        at={"auth": "password", "users": users},
                        gate={"handshake_timeout": "5m"})) as adit:  # (a look at the memory is slow)
        right, wrong = (f"Proxy-Authorization: {basic('alice', password)}"
                        for password in (PASSWORD, WRONG))

        def ask(text, *statuses, pieces=1 << 20):
            with Line(adit.address).socket as sock:
                for at in range(0, len(text), pieces):
                    sock.sendall(text[at:at + pieces])
                equal(tuple(hear(sock)[0] for _ in statuses), statuses, "statuses")
                gone()

        def gone():
            wait_until(lambda: not in_memory(adit.gateway, words), "no password is in memory")

        with tap.case("a password that is being asked for is found, to show that it could be"):
            with Line(adit.address).socket as sock:
                sock.sendall(get(origin, right)[:-2])
                wait_until(lambda: in_memory(adit.gateway, words), "it is there")
            gone()
        for what, text, *statuses in (
                ("a request", get(origin, right), 200),
                ("ten requests at once", get(origin, right) * 10, *[200] * 10),
                ("one with a body, and one behind it",
                 get(origin, right, method="POST", body="hello") + get(origin, right), 200, 200),
                ("CONNECT", f"CONNECT {ANY}:{origin.port} HTTP/1.1\r\n{right}\r\n\r\n".encode(), 200),
                ("a wrong password", get(origin, wrong), 407),
                ("no request", f"GET / HTTP/1.1\r\n{right}\r\n\r\n".encode(), 400)):
            with tap.case(f"{what}: its password is in no memory of the process afterwards"):
                ask(text, *statuses)
        with tap.case("the same in small pieces"):
            ask(get(origin, right, "X: " + "y" * 3000) * 3, 200, 200, 200, pieces=100)
        with tap.case("the same for SOCKS"):
            for password, answer in ((PASSWORD, b"\1\0"), (WRONG, b"\1\1")):
                with Line(adit.address).socket as sock:
                    sock.sendall(b"\5\1\2")
                    equal(read_exactly(sock, 2), b"\5\2", "the method")
                    sock.sendall(b"\1\5alice" + bytes([len(password)]) + password.encode())
                    equal(read_exactly(sock, 2), answer, "the answer")
                gone()


def refuses(conn, _origin):
    """Answers when the head has come, and closes."""
    read_head(conn)
    conn.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large")


def uploads(sshd):
    users = scratch("users", f"alice:{HASH}\n")
    denied = free_port()
    with Origin(refuses) as origin, \
            Adit(config(sshd, acl(f"deny port={denied}", "allow user=alice"),
                        at={"auth": "password", "users": users})) as adit:
        login = f"Proxy-Authorization: {basic('alice', PASSWORD)}\r\n"
        for status, port, fields, words in (
                (407, origin.port, "", "credentials are missing or wrong"),
                (403, denied, login, "denied"),
                (502, free_port(), login, "refused"),
                (413, origin.port, login, "too large")):
            with tap.case(f"a client that sends a long body and reads then gets its {status}"):
                sock = Line(adit.address).socket
                sock.sendall(f"POST http://{ANY}:{port}/ HTTP/1.1\r\n{fields}"
                             f"Content-Length: {UPLOAD}\r\n\r\n".encode())
                # (An RST would end this with an error, or lose the answer.)
                sock.sendall(bytes(UPLOAD))
                got = hear(sock)
                equal(got[0], status, "status")
                holds(re.escape(words), got[1].decode(), "the answer")
                equal(read_all(sock), b"", "what follows")
                sock.close()
            with tap.case(f"and so does one that reads and sends at once: {status}"):
                sock = Line(adit.address).socket
                failed = []

                def send(sock=sock, port=port, fields=fields, failed=failed):
                    try:
                        sock.sendall(f"POST http://{ANY}:{port}/ HTTP/1.1\r\n{fields}"
                                     "Transfer-Encoding: chunked\r\n\r\n".encode())
                        for _ in range(UPLOAD // 65536):
                            sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                    except OSError as error:
                        failed.append(error)

                sender = threading.Thread(target=send)
                sender.start()
                equal(hear(sock)[0], status, "status")
                equal(read_all(sock), b"", "what follows")
                sender.join()
                equal(failed, [], "errors of the sender")
                sock.close()


def main():
    with Sshd() as sshd:
        moving(sshd)
        secrets(sshd)
        uploads(sshd)


tap.run(main)

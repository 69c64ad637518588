"""The rows of t/lib/ssh_options.table, and what ssh_config(5) says where it is installed."""

import gzip
import os
import re
import subprocess

TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "ssh_options.table")
CLASSES = ("obeyed", "by-ssh", "meaningless", "warned", "silent", "error")


class Row:
    """One keyword."""

    def __init__(self, line):
        head, _, self.result = line.partition(" -> ")
        self.keyword, self.kind, *rest = head.split(" ", 2)
        rest = rest[0] if rest else ""
        found = re.match(r"from=(\S+) ?", rest)
        self.since = found[1] if found else "9.2"
        self.value = rest[found.end():] if found else rest

    def known_to(self, version):
        """Whether ssh of that version, like (9, 2), has it (but for Debian's own)."""
        return self.since != "debian" and tuple(map(int, self.since.split("."))) <= version


def read():
    with open(TABLE, encoding="utf-8") as table:
        return [Row(line.rstrip("\n")) for line in table if line.strip() and line[0] != "#"]


def manual():
    """The keywords of the installed ssh_config(5); None: it is not installed."""
    where = subprocess.run(["man", "-w", "5", "ssh_config"], capture_output=True, check=False,
                           encoding="utf-8").stdout.strip() if _has_man() else ""
    if not where or not os.path.exists(where):
        return None
    opened = gzip.open if where.endswith(".gz") else open
    with opened(where, "rt", encoding="utf-8") as page:
        return re.findall(r"^\.It Cm ([A-Z]\w+)", page.read(), re.MULTILINE)


def _has_man():
    return any(os.access(os.path.join(place, "man"), os.X_OK)
               for place in os.environ.get("PATH", "").split(":"))

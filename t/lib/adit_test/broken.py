"""adit whose gateway was taken over (t/lib/broken_gateway.c): it sends the keeper what a test says."""

import os
import re
import struct
import subprocess

from .checks import equal
from .gateway import environment
from .process import patience, workdir

WIRE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "src", "wire")


def kinds(header, enum):
    """{name: number} of an enum of src/wire."""
    with open(os.path.join(WIRE, header), encoding="ascii") as source:
        body = re.search(rf"enum {enum} \{{(.*?)\}};", source.read(), re.DOTALL)[1]
    words = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).replace(",", " ").split()
    return {name: number for number, name in enumerate(words)}


KEEPER = kinds("keeper.h", "keeper_message_kind")
SERVICE = kinds("service.h", "service_kind")
LINE = kinds("login_line.h", "login_message_kind")
RIGHT, UNCHECKED = 1, 2


def program():
    """Its path; None: it is not built."""
    path = os.path.abspath(os.path.join(os.environ.get("ADIT_BUILDDIR", "build"), "t", "lib",
                                        "adit-broken"))
    return path if os.path.exists(path) else None


def packet(kind, *parts):
    """Numbers and texts."""
    return bytes([kind]) + b"".join(
        struct.pack(">I", part) if isinstance(part, int) else
        struct.pack(">I", len(part)) + part for part in parts)


def run(config, *words, **variables):
    """Runs it with the path of a configuration: words (broken_gateway.c) or packets. How it ended."""
    path = os.path.join(workdir(), "packets")
    with open(path, "w", encoding="ascii") as out:
        out.write(" ".join(word if isinstance(word, str) else word.hex() for word in words))
    return subprocess.run([program(), "--config", config], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, cwd=workdir(),
                          env=environment(ADIT_TEST_PACKETS=path, **variables),
                          timeout=patience(60))


def answers(config, *words, **variables):
    """The same, which ends well: the answers that it got."""
    done = run(config, *words, **variables)
    equal(done.returncode, 0, f"the exit status ({done.stderr})")
    return [line.split(": ", 1)[1] for line in done.stderr.splitlines()
            if line.startswith("answer: ")]

"""What a process has in its memory: found as root would find it, through /proc/PID/mem."""

import base64
import re
import subprocess

PIECE = 1 << 20
LEAST_TEXT = 16  # characters


def regions(pid):
    """(start, end) of what can be read."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights[0] == "r" and "[v" not in line:  # (vvar and vsyscall are the kernel's)
                yield int(start, 16), int(end, 16)


def count(pid, wanted):
    """{name: how often its bytes are in the process's memory} for {name: [bytes, ...]}."""
    found = dict.fromkeys(wanted, 0)
    overlap = max(len(one) for forms in wanted.values() for one in forms) - 1
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in regions(pid):
            for at in range(start, end, PIECE):
                try:
                    memory.seek(at)
                    data = memory.read(min(PIECE + overlap, end - at))
                except OSError:  # (it was unmapped meanwhile)
                    continue
                for name, forms in wanted.items():
                    for form in forms:
                        found[name] += sum(match.start() < PIECE
                                           for match in re.finditer(re.escape(form), data))
    return found


def _strings(data):
    """The strings of RFC 4251 section 5 that lie in order in the bytes."""
    while len(data) >= 4:
        length = int.from_bytes(data[:4], "big")
        yield data[4:4 + length]
        data = data[4 + length:]


def _text_of(raw, secret, width):
    """The pieces of base64 lines of that width that stand for a secret only."""
    start = raw.rindex(secret)
    text = base64.b64encode(raw)
    first, last = (start + 2) // 3 * 4, (start + len(secret)) // 3 * 4
    breaks = [first, *range((first // width + 1) * width, last, width), last]
    pieces = (text[one:other] for one, other in zip(breaks, breaks[1:]))
    return [piece for piece in pieces if len(piece) >= LEAST_TEXT]


def private_parts(path, passphrase=""):
    """The secret numbers of a private key file, each in both orders of bytes, and as the file's text."""
    copy = path + ".plain"
    with open(path, "rb") as source, open(copy, "wb") as out:
        out.write(source.read())
    subprocess.run(["chmod", "600", copy], check=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", passphrase, "-N", "", "-f", copy], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with open(copy, encoding="ascii") as source:
        lines = source.read().split("\n")
    raw = base64.b64decode("".join(line for line in lines if line and not line.startswith("-")))
    # PROTOCOL.key of OpenSSH: cipher, kdf and its options, how many keys, public key, private part.
    parts = list(_strings(raw[len("openssh-key-v1\0"):]))[:3]
    at = len("openssh-key-v1\0") + sum(4 + len(part) for part in parts) + 4
    inner = list(_strings(raw[at:]))[1][8:]
    kind, *fields = _strings(inner)
    if kind == b"ssh-ed25519":
        secrets = [fields[1][:32]]
    elif kind == b"ssh-rsa":
        secrets = [field.lstrip(b"\0") for field in (fields[2], fields[4], fields[5])]
    else:  # ecdsa-sha2-*
        secrets = [fields[2].lstrip(b"\0")]
    return [form for one in secrets
            for form in (one, one[::-1], *_text_of(raw, one, len(lines[1])))]

"""What sessions without connections take in memory, with all processes that carry them."""

import re

from actors import Adit, Other, SshD
from adit_test.process import wait_until
from report import Case

SESSIONS = (1, 8)


def idle(room, kind, count):
    with kind(room.sshd, sessions=f"{count}-{count}") as proxy:
        if kind is not SshD:
            wait_until(lambda: len(re.findall(r"session \d+ up", proxy.said())) >= count,
                       "its sessions")
        return {"proportional": proxy.proportional() / 2**20,
                "resident_all": proxy.resident() / 2**20, "processes": len(proxy.processes())}


def memory(room):
    """After the last login."""
    for count in SESSIONS:
        case = Case("memory", f"sessions = {count}, idle")
        if Other is SshD and count > 1:
            case.note("ssh -D has one session")
        room.alternate(case, lambda kind, count=count: idle(room, kind, count))
        yield case

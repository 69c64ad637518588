"""What the clients of an adit that runs hold, as its control socket tells."""

from .control import status
from .process import wait_until


def holdings(adit, path):
    """(descriptors, connections, channels and waiting)."""
    now = status(path)
    return (adit.descriptors(), now["connections"],
            sum(up["channels"] + up["waiting"] for up in now["upstreams"]))


def gives_back(adit, path, before, seconds=60):
    wait_until(lambda: all(now <= then for now, then in zip(holdings(adit, path), before)),
               f"descriptors, connections and channels are {before} again", seconds)

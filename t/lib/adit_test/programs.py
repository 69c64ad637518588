"""Programs of other people, run where nothing of the person who runs the test is seen."""

import os
import subprocess

from .checks import equal
from .process import patience, scratch, workdir


# A Chromium without a window, that asks the network for nothing of its own.
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-sync", "--disable-background-networking",
         "--disable-component-update", "--disable-default-apps", "--disable-extensions")


def clean_environment(**more):
    """Without a proxy, and with a home of its own."""
    clean = {key: value for key, value in os.environ.items()
             if key.lower() not in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}
    return {**clean, "HOME": workdir(), **more}


def run(*command, data=None, **environment):
    """Runs a client where no proxy is set already; returns its standard output."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=patience(90),
                          env=clean_environment(**environment), cwd=workdir(), check=False)
    equal(done.returncode, 0, f"{command[0]}'s exit status ({done.stderr.decode()[-800:]!r})")
    return done.stdout


def browse(url, *options):
    """The page as Chromium has it after its scripts have run."""
    return run("chromium", *QUIET, f"--user-data-dir={scratch('chromium')}", *options,
               "--virtual-time-budget=20000", "--dump-dom", url)

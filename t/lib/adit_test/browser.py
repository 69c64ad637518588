"""A Chromium that stays open, driven by its DevTools protocol over a pair of pipes."""

import json
import os
import select
import time

from .checks import Failed
from .process import Process, patience, scratch, wait_until
from .programs import QUIET, clean_environment


class Browser:
    """One page. `options`: further ones of the command line, such as "--proxy-pac-url=URL"."""

    def __init__(self, *options):
        to_child, self.to = os.pipe()
        self.from_child, from_child = os.pipe()
        # (Chromium reads commands from descriptor 3 and writes to 4. The shell puts them there.)
        self.process = Process(
            "chromium", ["bash", "-c", f'exec 3<&{to_child} 4>&{from_child}; exec "$@"', "bash",
                         "chromium", *QUIET, f"--user-data-dir={scratch('chromium')}",
                         "--remote-debugging-pipe", *options, "about:blank"],
            env=clean_environment(), pass_fds=(to_child, from_child))
        os.close(to_child)
        os.close(from_child)
        self.number, self.waiting, self.session = 0, b"", None
        target = next(one for one in self._call("Target.getTargets")["targetInfos"]
                      if one["type"] == "page")
        self.session = self._call("Target.attachToTarget", targetId=target["targetId"],
                                  flatten=True)["sessionId"]

    def _message(self, end):
        while b"\0" not in self.waiting:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.from_child], [], [], left)[0]:
                raise Failed("Chromium does not answer")
            part = os.read(self.from_child, 1 << 16)
            if not part:
                raise Failed("Chromium has ended")
            self.waiting += part
        message, _, self.waiting = self.waiting.partition(b"\0")
        return json.loads(message)

    def _call(self, method, **parameters):
        self.number += 1
        call = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            call["sessionId"] = self.session
        os.write(self.to, json.dumps(call).encode() + b"\0")
        end = time.monotonic() + patience(60)
        while True:
            answer = self._message(end)
            if answer.get("id") != self.number:
                continue  # (an event)
            if "error" in answer:
                raise Failed(f"{method}: {answer['error']}")
            return answer["result"]

    def go(self, url):
        self._call("Page.navigate", url=url)
        wait_until(lambda: self.run("document.readyState") == "complete", f"{url} is there", 60)

    def run(self, script):
        """The value of an expression of JavaScript in the page; a promise is waited for."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True,
                            awaitPromise=True)
        if "exceptionDetails" in result:
            raise Failed(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wide(self, width, height=800):
        """Gives the window a size, as that of a phone."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        """"light" or "dark"."""
        self._call("Emulation.setEmulatedMedia",
                   features=[{"name": "prefers-color-scheme", "value": scheme}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        os.close(self.to)
        os.close(self.from_child)

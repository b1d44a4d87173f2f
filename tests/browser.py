"""A page in Debian's Chromium, asked over the DevTools protocol through a pipe: no port, no
library.

Source of the protocol: https://chromedevtools.github.io/devtools-protocol/
(`--remote-debugging-pipe`: JSON that ends with a zero byte, in through 3, out through 4).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Page:
    """One tab. requests: URLs that were asked for. errors: of the console, and thrown."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._n = write, read, b"", 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the protocol."""
        self._n += 1
        message: dict[str, Any] = {"id": self._n, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._n:
                assert "error" not in heard, heard
                return heard["result"]
            self._event(heard)

    def open(self, path: Path, width: int = 1280, height: int = 900, **media: str) -> None:
        """A file, as wide as that; media: features such as prefers_color_scheme="dark"."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self._loaded = False
        self.call("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._event(self._next())
        self.run(
            "new Promise((done) => { const wait = () => document.querySelectorAll("
            "'[data-chart]:not([data-state])').length ? setTimeout(wait, 20) : done(); wait(); })"
        )

    def run(self, script: str) -> Any:
        """The value of an expression of the page's, also one that is promised."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as a keyboard sends it."""
        text = {"Enter": "\r"}.get(key, "")
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text,
                      windowsVirtualKeyCode=code)  # fmt: skip

    def picture(self, path: Path, y: float = 0, height: float | None = None) -> None:
        """A PNG of the page from y on, of all of it where no height is given."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": y, "width": size["width"], "height": height or size["height"] - y}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={**clip, "scale": 1})  # fmt: skip
        path.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            heard = os.read(self._read, 1 << 20)
            assert heard, "the browser ended"
            self._rest += heard
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _event(self, event: Any) -> None:
        said = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "warning", "assert"):
                self.errors.append(str(said["args"]))
            case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                self.errors.append(said["entry"]["text"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser of its own with an empty profile; it has ended when the block has."""
    assert CHROMIUM is not None
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()

    # the protocol asks for descriptors 3 and 4, which only a shell can give whatever ours are
    command = f'exec "$0" "$@" 3<&{in_read} 4>&{out_write}'
    process = subprocess.Popen(
        ["/bin/bash", "-c", command, CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(in_read, out_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(in_read)
    os.close(out_write)
    try:
        yield Page(in_write, out_read)
    finally:
        os.close(in_write)
        process.terminate()
        process.wait()
        os.close(out_read)

"""The page of a study in a browser without network: it renders, sorts, and asks for nothing.

Chromium is spoken to through a pipe, in the DevTools protocol: requests, errors and clicks are seen
from inside. Without a Chromium on the PATH, leave these out by `-m "not browser"`.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60.0  # seconds to wait for an answer, on a machine that is busy with other work
# Chromium reads commands from descriptor 3 and answers on 4; this moves two pipes there.
START = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); " \
        "os.execvp(sys.argv[3], sys.argv[3:])"  # fmt: skip
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --remote-debugging-pipe "
    "--no-first-run --disable-background-networking --disable-component-update "
    "--window-size=1200,900"
)
HOSTILE = "<script>document.title = 'owned'</script>"
QUOTED = "\"><img src='http://127.0.0.1:9/pixel.png'>"


class Browser:
    """A Chromium that is told what to do, and tells what happens."""

    def __init__(self, profile: Path) -> None:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            pytest.fail(f"No browser: install Debian's chromium, or pass -m 'not browser'. "
                        f"Looked for {', '.join(BROWSERS)}.")  # fmt: skip
        (theirs_in, self._write), (self._read, theirs_out) = os.pipe(), os.pipe()
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs_in, theirs_out)]
        command = [sys.executable, "-c", START, *map(str, high), found, *OPTIONS.split(" ")]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for each in (theirs_in, theirs_out, *high):
            os.close(each)
        self._buffer, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        attached = self.say("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.say(f"{domain}.enable")

    def say(self, method: str, **parameters: Any) -> Any:
        """Give a command and return its answer; what happens meanwhile is noted."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], PATIENCE)
            assert ready, f"Chromium said nothing for {PATIENCE:g} seconds."
            part = os.read(self._read, 1 << 16)
            assert part, "Chromium ended."
            self._buffer += part
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, file: Path) -> None:
        """Open a page and wait until it has all that it asked for."""
        self.events.clear()
        self.say("Page.navigate", url=file.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.say("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.say("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                     windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")  # fmt: skip

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def complaints(self) -> list[Any]:
        """Return what went wrong in the page: errors of scripts, and what was forbidden."""
        wrong = ("Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event["method"] in wrong]

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self.say("Browser.close")
        self.process.wait(PATIENCE)
        os.close(self._write)
        os.close(self._read)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    running = Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


def interval(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))


def never(x: Any) -> float:
    raise ValueError("a < b & c")


def study() -> ek.StudyResult:
    made = ek.Study(
        lambda rng, n: rng.normal(size=n),
        {HOSTILE: interval, QUOTED: lambda x: np.median(x) + 0.3, "never": never},
        truth=0.0,
        conditions=ek.grid(n=[5, 20, 100]),
    )
    return made.run(60, rng=4)


RESULT = study()


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    file = tmp_path_factory.mktemp("page") / "study.html"
    RESULT.to_html(file, title=f"Study of {HOSTILE}")
    browser.open(file)
    return browser


# --- what is there ---


def test_the_page_renders_without_a_complaint(page: Browser) -> None:
    assert page.evaluate("document.querySelector('h1').textContent") == f"Study of {HOSTILE}"
    assert page.evaluate("document.title") == f"Study of {HOSTILE}"
    heads = page.evaluate("[...document.querySelectorAll('h2')].map(h => h.textContent)")
    assert heads[:6] == [
        "Aims", "Data-generating mechanism", "Estimands", "Methods", "Performance measures",
        "Results",
    ]  # fmt: skip
    boxes = page.evaluate(
        "[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert len(boxes) >= 4
    assert min(boxes) > 300
    assert page.complaints() == []
    shot = base64.b64decode(page.say("Page.captureScreenshot", captureBeyondViewport=True)["data"])
    assert shot.startswith(b"\x89PNG")
    assert len(shot) > 20_000  # an empty page of that size has about 5,000 bytes


def test_names_are_text_wherever_they_stand(page: Browser) -> None:
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    texts = page.evaluate("[...document.querySelectorAll('#results td, svg text')]"
                          ".map(cell => cell.textContent)")  # fmt: skip
    assert {HOSTILE, QUOTED} <= set(texts)


def test_pictures_take_the_colors_of_the_page(page: Browser) -> None:
    def colors(scheme: str) -> tuple[str, str]:
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        page.say("Emulation.setEmulatedMedia", features=media)
        ink = "getComputedStyle(document.querySelector('figure svg text')).fill"
        paper = "getComputedStyle(document.body).backgroundColor"
        return page.evaluate(ink), page.evaluate(paper)

    light, dark = colors("light"), colors("dark")
    page.say("Emulation.setEmulatedMedia", features=[])
    assert sum(map(int, light[0][4:-1].split(","))) < 200
    assert sum(map(int, dark[0][4:-1].split(","))) > 600
    assert light[1] == "rgb(255, 255, 255)" != dark[1]


# --- no network ---


def test_the_page_asks_for_nothing_but_itself(page: Browser) -> None:
    (own,) = page.requests()
    assert own.startswith("file://") and own.endswith("/study.html")


def test_a_request_would_have_been_seen(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "asks.html"
    file.write_text("<img src='http://127.0.0.1:9/pixel.png'>", "utf-8")
    there = browser.evaluate("location.href")
    browser.open(file)
    assert "http://127.0.0.1:9/pixel.png" in browser.requests()
    browser.open(Path(there.removeprefix("file://")))


# --- sorting ---

TABLE = "document.querySelector('#results table')"


def column(page: Browser, name: str) -> list[str]:
    """Return the cells of a column of the results, from above."""
    return page.evaluate(f"""(() => {{
        const heads = [...{TABLE}.tHead.rows[0].cells].map(head => head.textContent);
        const place = heads.indexOf({json.dumps(name)});
        return [...{TABLE}.tBodies[0].rows].map(row => row.cells[place].textContent);
    }})()""")  # type: ignore[no-any-return]


def heading(name: str) -> str:
    return f"[...{TABLE}.tHead.rows[0].cells].find(h => h.textContent === {json.dumps(name)})"


def test_a_click_sorts_by_number_and_a_second_one_turns_it_round(page: Browser) -> None:
    frame = RESULT.summary("bias")
    texts = dict(zip(frame["value"], RESULT.table("bias").columns[2].shown(), strict=True))
    rising = [texts[value] for value in sorted(frame["value"].dropna())]
    before = column(page, "bias")
    assert before.count("") == 3  # of the estimator that never has an answer
    page.evaluate(f"{heading('bias')}.querySelector('button').click()")
    assert column(page, "bias") == [*rising, "", "", ""]
    assert page.evaluate(f"{heading('bias')}.getAttribute('aria-sort')") == "ascending"
    page.evaluate(f"{heading('bias')}.querySelector('button').click()")
    assert column(page, "bias") == [*rising[::-1], "", "", ""]
    assert page.evaluate(f"{heading('bias')}.getAttribute('aria-sort')") == "descending"


def test_the_keyboard_sorts_too_and_keeps_rows_whole(page: Browser) -> None:
    rows = set(zip(column(page, "n"), column(page, "bias"), column(page, "failed"), strict=True))
    page.evaluate(f"{heading('n')}.querySelector('button').focus()")
    page.press("Enter")
    assert column(page, "n") == ["5"] * 3 + ["20"] * 3 + ["100"] * 3  # as numbers, not as text
    assert page.evaluate(f"{heading('n')}.getAttribute('aria-sort')") == "ascending"
    assert page.evaluate(f"{heading('bias')}.getAttribute('aria-sort')") is None
    now = set(zip(column(page, "n"), column(page, "bias"), column(page, "failed"), strict=True))
    assert now == rows
    page.evaluate(f"{heading('estimator')}.querySelector('button').click()")
    names = column(page, "estimator")
    assert [name for i, name in enumerate(names) if i % 3 == 0] == list(dict.fromkeys(names))
    assert column(page, "n") == ["5", "20", "100"] * 3  # equal ones stay as they were


# --- the page of a comparison ---


@pytest.mark.parametrize("width", [1280, 400])
def test_a_comparison_fits_a_screen_and_is_readable_on_a_small_one(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    X = np.random.default_rng(1).normal(size=(80, 2))
    models = {"knn": "knn", "linear": "linear", "a tree with a name": "tree"}
    file = tmp_path / "comparison.html"
    ek.compare(models, X, X[:, 0] + 0.5 * X[:, 1] ** 2, cv=4, bias_variance=5, rng=1).to_html(file)
    browser.say("Emulation.setDeviceMetricsOverride", width=width, height=900,
                deviceScaleFactor=1, mobile=False)  # fmt: skip
    browser.open(file)
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.evaluate(sideways) == 0
    scales = browser.evaluate(
        "[...document.querySelectorAll('figure svg')]"
        ".map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
    )
    assert len(scales) == 4
    assert min(scales) > 0.98  # letters of 10 points are 10 pixels high, of 7.5 points
    inside = (
        "[...document.querySelectorAll('.scroll, figure')].map(e => e.scrollWidth - e.clientWidth)"
    )
    if width == 1280:
        assert max(browser.evaluate(inside)) <= 0
    browser.say("Emulation.clearDeviceMetricsOverride")
    assert browser.complaints() == []

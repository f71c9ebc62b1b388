"""A real headless Chromium, and the report of the sample run opened in it from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from inboxbench.report import render_html

_RUNS = Path(__file__).parents[1] / "unit" / "report"
SAMPLE, RECORDED = _RUNS / "sample_run.json", _RUNS / "recorded_run.json"
PARTS_OF_RACES = {"atlas": "atlas.json", "races": "bench.json"}
# Without the background flags Chromium calls home at every start; as root it has no sandbox to run in.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@dataclass(frozen=True)
class Browser:
    """What the tests ask of a browser, in their words."""

    driver: Chrome

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """Entries since the last look."""
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def open(self, path: Path) -> None:
        self._log("browser")
        self._log("performance")
        self.driver.get(path.as_uri())

    def emulate(self, *, width: int, height: int = 900, scheme: str = "light", media: str = "") -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        # What content-visibility skips is decided when a frame is drawn.
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def requests(self) -> list[str]:
        """Addresses asked for since the page was opened, the page's own among them."""
        events = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def console(self) -> list[str]:
        return [entry["message"] for entry in self._log("browser")]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def run() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return document


def _parts(path: Path) -> dict[str, Any]:
    return {name: json.loads(path.with_name(file).read_text()) for name, file in PARTS_OF_RACES.items()}


@pytest.fixture(params=[(SAMPLE, False), (RECORDED, False), (SAMPLE, True)], ids=["sample", "recorded", "raced"])
def any_run(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The last with the atlas, and with races over four numbers of workers."""
    path, raced = request.param
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document | _parts(path) if raced else document


@pytest.fixture
def raced(run: dict[str, Any]) -> dict[str, Any]:
    return run | _parts(SAMPLE)


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[[dict[str, Any]], Browser]:
    """Opens the report of a run."""

    def open_report(run: dict[str, Any]) -> Browser:
        path = tmp_path / "report.html"
        path.write_text(render_html(run), encoding="utf-8")
        browser.emulate(width=1280)
        browser.open(path)
        return browser

    return open_report


@pytest.fixture
def joined(run: dict[str, Any]) -> dict[str, Any]:
    """With labs and a dry run, and an upgrade that kept when each revision ran."""
    clock = 0.0
    for one in run["migration"]["revisions"]:
        one["started_s"], clock = clock, clock + one["elapsed_s"]
    dry = json.loads((_RUNS / "dryrun.json").read_text(encoding="utf-8"))
    for felt, other in zip(run["migration"]["traffic"], dry["traffic"], strict=False):
        felt["course"] = other["course"]
    labs = json.loads((_RUNS / "labs.json").read_text(encoding="utf-8"))
    parts = [{"source": f"{name}.json", "document": document} for name, document in labs.items()]
    return run | {"labs": parts, "dry_runs": [{"source": "dryrun.json", "document": dry}]}

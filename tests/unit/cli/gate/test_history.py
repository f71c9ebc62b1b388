"""Counters over commits: steps and change points, what is left out, the page, and what closes it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import html5lib
import pytest
from click.testing import CliRunner, Result

from inboxbench.cli import application
from inboxbench.cli.gate.history import sparkline
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.gate import Environment, Snapshot, write_snapshot
from inboxbench.gate.series import Series, shifts
from inboxbench.gate.snapshot import Cost, Reading, Writing

ENVIRONMENT = Environment("0.1.0", "18.6", "tiny", 20_000, 1, {"table orders": "abc"}, {"jit": "off"})
KEY = "list_all/huge/migrated"


def snapshot(pages: int = 23, wal: float = 1000.0, query: str = "text", server: str = "18.6") -> Snapshot:
    reading = Reading(pages, 25, 0, "Index Scan a → Limit", "rows", query, "values")
    costs = {"migrated": Cost(1_000_000, {"a": 1_000_000}, {"assign": Writing(wal, 0.5)})}
    return Snapshot(replace(ENVIRONMENT, server=server), "0040", {KEY: reading}, costs)


def series(values: Sequence[float | None], *, exact: bool = False) -> Series:
    return Series(KEY, "buffers" if exact else "wal", exact, tuple(values))


def run(*words: object) -> Result:
    return CliRunner().invoke(application, ["gate", "history", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten runs; pages grow at the fifth."""
    for number in range(10):
        write_snapshot(tmp_path / "runs" / f"run{number}.json", snapshot(23 if number < 5 else 32))
    return tmp_path / "runs"


def test_a_level_that_moves_among_noise_is_a_change_point() -> None:
    drawn = random.Random(1)
    values: list[float | None] = [1000 * (1 + drawn.uniform(-3e-4, 3e-4)) * (1.05 if n >= 8 else 1) for n in range(16)]
    found = shifts(series(values))
    assert [(one.at, one.evidence, one.worse) for one in found] == [(8, "change point", True)]
    assert found[0].factor == pytest.approx(1.05, rel=1e-3)
    assert shifts(series(values[:8])) == []


def test_an_exact_counter_needs_no_statistics() -> None:
    """Three levels of three runs are too few for a t-test; they are three levels all the same."""
    found = shifts(series([10, 10, 10, 14, 14, 14, None, 11, 11], exact=True))
    assert [(one.at, one.before, one.after) for one in found] == [(3, 10, 14), (7, 14, 11)]


def test_without_otava_steps_remain_and_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "otava", None)
    monkeypatch.setitem(sys.modules, "otava.analysis", None)
    result = run(folder)
    assert "23 → 32 pages (step)" in result.output
    assert "change points need Apache Otava: pip install 'inboxbench[history]'" in result.output
    assert shifts(series([1.0] * 5 + [2.0] * 5)) == []


def test_a_folder_its_page_and_its_document(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run(folder, "--html", page)
    assert "run5" in result.output
    assert "23 → 32 pages (change point)" in result.output
    assert "▁▁▁▁▁█████" in result.output
    text = page.read_text(encoding="utf-8")
    html5lib.HTMLParser(strict=True).parse(text)
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<circle") == 10
    document = json.loads(run(folder, "--format", "json").output)
    assert [(one["at"], one["metric"], one["worse"]) for one in document["changes"]] == [("run5", "buffers", True)]


def test_what_got_worse_lately_closes_it_if_asked(folder: Path) -> None:
    assert run(folder).exit_code == 0
    assert run(folder, "--fail-within", 4).exit_code == 0
    assert isinstance(run(folder, "--fail-within", 5).exception, ThresholdExceeded)


def test_another_environment_is_told_and_closes_nothing(tmp_path: Path) -> None:
    for number in range(6):
        write_snapshot(
            tmp_path / f"{number}.json", snapshot(23 + 9 * (number > 2), server="17.1" if number < 3 else "18.6")
        )
    result = run(tmp_path, "--fail-within", 6)
    assert "from 3 on it was measured with another PostgreSQL 17, this is 18" in result.output
    assert result.exit_code == 0


def test_a_changed_query_is_told(tmp_path: Path) -> None:
    for number in range(6):
        write_snapshot(tmp_path / f"{number}.json", snapshot(23 + (number > 2), query=f"text {number > 2}"))
    (found,) = json.loads(run(tmp_path, "--format", "json").output)["changes"]
    assert (found["at"], found["edited"]) == ("3", True)


def _git(root: Path, *words: str) -> None:
    named = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *named, *words], check=True, capture_output=True)


def test_a_baseline_as_each_commit_left_it(tmp_path: Path) -> None:
    """A commit in which it was truncated is left out, in words."""
    _git(tmp_path, "init", "--quiet")
    path = tmp_path / "bench" / "tiny.json"
    for number, pages in enumerate((23, 23, 32, 32)):
        write_snapshot(path, snapshot(pages, wal=1000 + number))
        if number == 1:
            path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
        _git(tmp_path, "add", ".")
        _git(tmp_path, "commit", "--quiet", "-m", f"change {number}")
    output = " ".join(run("--git", path).output.split())
    assert "3 runs" in output
    assert "23 → 32 pages" in output
    assert "left out: " in output
    assert "not whole JSON" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name snapshots (files, or folders of them), or --git PATH of a baseline; one of the two"),
        (["absent.json"], "absent.json: no such file"),
        (["pyproject.toml"], "pyproject.toml: not whole JSON at line 1"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], message: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_one_run_is_no_history(folder: Path) -> None:
    assert "1 of the two snapshots" in str(run(folder / "run0.json").exception)


def test_an_option_of_the_gate_before_history_is_not_lost() -> None:
    result = CliRunner().invoke(application, ["gate", "--junit", "x.xml", "history", "y"])
    assert "--junit stands before 'history', which measures nothing" in str(result.exception)


def test_a_sparkline_shows_gaps() -> None:
    assert sparkline([1, 1, None, 8]) == "▁▁ █"
    assert sparkline([5, 5]) == "▁▁"

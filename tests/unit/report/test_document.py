from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inboxbench.errors import UsageError
from inboxbench.report import checked_run, load_run

Change = Callable[[dict[str, Any]], object]


def test_a_whole_run_is_read(tmp_path: Path, run: dict[str, Any]) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run), encoding="utf-8")
    assert load_run(path) == run


def test_only_version_and_tool_are_needed() -> None:
    assert checked_run({"schema_version": 1, "tool": {"name": "inboxbench"}})["schema_version"] == 1


def test_keys_of_a_newer_tool_are_allowed(run: dict[str, Any]) -> None:
    run["growth"] = {"law": "n log n"}
    run["matrix"]["cells"][0]["heap_fetches"] = 3
    assert checked_run(run)["growth"] == {"law": "n log n"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("schema_version"), "key 'schema_version' is missing"),
        (lambda r: r.update(schema_version=2), "key 'schema_version' is 2"),
        (lambda r: r.update(schema_version=True), "key 'schema_version' is True"),
        (lambda r: r.pop("tool"), "key 'tool' is missing"),
        (lambda r: r.update(tool={"name": "pgbench"}), "key 'tool.name'"),
        (lambda r: r["matrix"].pop("sets"), "key 'matrix.sets' is missing"),
        (lambda r: r["matrix"]["cells"][3].pop("query"), "key 'matrix.cells[3].query' is missing"),
        (
            lambda r: r["matrix"]["cells"][3].update(buffers="12"),
            "key 'matrix.cells[3].buffers' must be number or null",
        ),
        (lambda r: r["matrix"]["cells"][3].update(buffers=-1), "key 'matrix.cells[3].buffers'"),
        (lambda r: r["matrix"]["sets"][1].update(hot_share=62), "key 'matrix.sets[1].hot_share'"),
        (lambda r: r["matrix"]["cells"][3].update(set="lost"), "key 'matrix.cells[3].set' names 'lost'"),
        (lambda r: r["matrix"]["cells"][0].update({"class": "x"}), "key 'matrix.cells[0].class' names 'x'"),
        (lambda r: r["migration"]["traffic"][0].update(kind="both"), "key 'migration.traffic[0].kind'"),
        (lambda r: r["races"][0].update(strategy=""), "key 'races[0].strategy'"),
        (lambda r: r["races"][0].update(per_s=float("nan")), "key 'races[0].per_s' is nan"),
    ],
)
def test_a_wrong_key_is_named(run: dict[str, Any], change: Change, words: str) -> None:
    change(run)
    with pytest.raises(UsageError) as caught:
        checked_run(run, source="some/run.json")
    message = str(caught.value)
    assert message.startswith("some/run.json: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("document", [[], "run", 3, None, {"benchmarks": []}])
def test_a_foreign_document_is_refused(document: object) -> None:
    with pytest.raises(UsageError, match="not a run of inboxbench"):
        checked_run(document)


def test_a_file_cut_short_is_told_with_its_place(tmp_path: Path, run: dict[str, Any]) -> None:
    whole = json.dumps(run, indent=1)
    path = tmp_path / "run.json"
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(UsageError, match=r"run\.json: not whole JSON at line \d+, column \d+ .*Run it again"):
        load_run(path)


@pytest.mark.parametrize(("name", "words"), [("missing.json", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load_run(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_run(path)


def test_neither_the_document_nor_a_message_shows_a_password(run: dict[str, Any]) -> None:
    run["server"]["label"] = "postgresql://bench:s3cret@db/app"
    assert "s3cret" not in json.dumps(checked_run(run))
    broken = copy.deepcopy(run)
    broken["matrix"]["cells"][0]["buffers"] = "postgresql://bench:s3cret@db/app"
    with pytest.raises(UsageError) as caught:
        checked_run(broken)
    assert "s3cret" not in str(caught.value)

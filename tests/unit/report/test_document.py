from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.errors import UsageError
from inboxbench.report import checked_run, load_run
from inboxbench.report.document import redact, redacted

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


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("postgresql://bench:s3cret@db.example:5432/app", "postgresql://bench:***@db.example:5432/app"),
        ("postgresql+psycopg://u:p@ss@host/db", "postgresql+psycopg://u:***@host/db"),
        ("see postgres://u:p@h/d and postgres://a:b@h/d", "see postgres://u:***@h/d and postgres://a:***@h/d"),
        ("host=h password=s3cret dbname=d", "host=h password=*** dbname=d"),
        ("password = 'two words' user=u", "password = *** user=u"),
        (
            "postgresql://h/d?user=u&password=s3cret&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
    ],
)
def test_passwords_are_masked(text: str, safe: str) -> None:
    assert redact(text) == safe


@pytest.mark.parametrize(
    "text",
    ["postgresql://bench@db/app", "password_encryption=scram-sha-256", "mail to a@b.example, 12:30", "http://h:80/a"],
)
def test_the_rest_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_every_string_of_a_document_is_reached() -> None:
    document = {"a": [{"b": "postgresql://u:pw@h/d"}], "postgresql://u:pw@h/d": 1, "password": "pw", "n": 3, "x": None}
    assert redacted(document) == {
        "a": [{"b": "postgresql://u:***@h/d"}],
        "postgresql://u:***@h/d": 1,
        "password": "***",
        "n": 3,
        "x": None,
    }


@given(
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    password=st.from_regex(r"Q[A-Za-z0-9@:!$%&*+=~-]{6,20}Z", fullmatch=True),
    host=st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5})?", fullmatch=True),
)
def test_no_password_of_a_url_survives(user: str, password: str, host: str) -> None:
    assert password not in redact(f"cannot reach postgresql://{user}:{password}@{host}:5432/db: refused")

"""Statements and values from logs, in the three forms that PostgreSQL writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.workload.model import Recorded
from inboxbench.workload.sources.server_log import read_log

_PREFIX = "2026-11-30 10:00:00.123 UTC [123] app@shop "
_EXECUTE = "duration: 12.345 ms  execute <unnamed>: SELECT *\nFROM orders\nWHERE id = $1 AND name = $2 AND x = $3"
_DETAIL = "Parameters: $1 = '42', $2 = 'it''s', $3 = NULL"
_WANTED = Recorded(
    "SELECT *\nFROM orders\nWHERE id = $1 AND name = $2 AND x = $3", 1, 12.345, 0, ({1: "42", 2: "it's", 3: None},)
)


def _text(*entries: tuple[str, str]) -> str:
    return "".join(_PREFIX + level + ":  " + text.replace("\n", "\n\t") + "\n" for level, text in entries)


def test_a_log_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(_text(
        ("LOG", _EXECUTE), ("DETAIL", _DETAIL), ("LOG", "duration: 0.2 ms  bind x: SELECT 9"),
        ("ERROR", "division by zero"), ("STATEMENT", "SELECT 1/0"),
        ("LOG", "duration: 1.5 ms  statement: SELECT 1 FROM t WHERE a = 7"), ("LOG", "checkpoint starting: time"),
    ))  # fmt: skip
    assert read_log(path) == [_WANTED, Recorded("SELECT 1 FROM t WHERE a = 7", 1, 1.5)]


def test_the_form_of_a_log_is_seen_wherever_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    started = _PREFIX + "LOG:  starting PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit\n"
    cut = "\tFROM orders, items\n\tWHERE a = 2, b\n"
    wanted = [Recorded("SELECT 1 FROM t", 1, 1.5)]
    for begun in (started, cut, cut + started, "garbage, with a comma\n"):
        path.write_text(begun + _text(("LOG", "duration: 1.5 ms  statement: SELECT 1 FROM t")))
        assert read_log(path) == wanted
    row = ["2026-11-30 10:00:00.123 +03", *["x"] * 12, "duration: 1.5 ms  statement: SELECT 1 FROM t", *[""] * 12]
    path.write_text("FROM orders\nWHERE x = 1\n" + ",".join(row) + "\n")
    assert read_log(path) == wanted


def test_csvlog(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["2026-11-30 10:00:00.123 UTC"] + ["x"] * 12 + [_EXECUTE, _DETAIL] + [""] * 11)
        csv.writer(file).writerow(["2026-11-30 10:00:00.123 UTC"] + ["x"] * 12 + ["checkpoint", ""] + [""] * 11)
    assert read_log(path) == [_WANTED]


def test_jsonlog(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"message": _EXECUTE, "detail": _DETAIL}) + '\n{"message": "cut')
    assert read_log(path) == [_WANTED]


def test_auto_explain_counts_where_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    plan = (
        "duration: 5.0 ms  plan:\nQuery Text: SELECT 2\nFROM orders\nSeq Scan on orders  (cost=0.00..1 rows=1 width=4)"
    )
    path.write_text(_text(("LOG", plan)))
    assert [(statement.text, statement.ms) for statement in read_log(path)] == [("SELECT 2\nFROM orders", 5.0)]
    path.write_text(_text(("LOG", plan), ("LOG", "duration: 5.1 ms  statement: SELECT 2 FROM orders")))
    assert [statement.ms for statement in read_log(path)] == [5.1]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"{}\n", b"a,b\n", b"LOG:  nothing\n", b"[[[[\n" * 9])
def test_a_log_without_statements_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.log: holds no statement"):
        read_log(path)


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="directory"):
        read_log(tmp_path)

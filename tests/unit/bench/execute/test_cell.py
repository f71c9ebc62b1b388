"""What a cell can be of."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.execute.cell import obstacle
from inboxbench.sqlfile import parse_query


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SHOW work_mem", "SHOW"),
        ("CALL x()", "CALL"),
        ("DO $$BEGIN END$$", "DO"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("VACUUM t", "VACUUM"),
        ("COPY t TO STDOUT", "COPY"),
        ("SET a = 1", "SET"),
        ("CREATE TABLE u AS SELECT 1", "CREATE TABLE AS"),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR"),
        ("BEGIN", "BEGIN"),
    ],
)
def test_a_command_that_is_no_query_says_so_by_name(text: str, word: str) -> None:
    said = obstacle(parse_query(Path("q.sql"), text, strict=False))
    assert said is not None
    assert said.startswith(f"{word} has no plan to measure")


@pytest.mark.parametrize(
    "text", ["VALUES (1)", "TABLE t", "(SELECT 1)", "WITH d AS (DELETE FROM t RETURNING a) TABLE d"]
)
def test_a_query_has_no_obstacle(text: str) -> None:
    assert obstacle(parse_query(Path("q.sql"), text, strict=False)) is None

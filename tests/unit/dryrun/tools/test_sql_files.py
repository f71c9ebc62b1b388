"""Files of SQL: in which order they come, what of them leads forward, and where each statement stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.dryrun.tools.sql_files import listed_files, numbered, read_file
from inboxbench.dryrun.tools.sql_runner import chosen
from inboxbench.errors import UsageError

BODY = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1;\n\\x\n$$"


def written(folder: Path, text: str, name: str = "1.sql") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_count_and_ways_back_do_not(tmp_path: Path) -> None:
    names = ["10_c.sql", "2_b.sql", "1_a.sql", "2_b.down.sql", "1_a.rollback.sql", "3_x/migration.sql", "U2__b.sql"]
    for name in names:
        written(tmp_path, "SELECT 1", name)
    assert list(listed_files([tmp_path])) == ["1_a.sql", "2_b.sql", "3_x", "10_c.sql"]
    assert list(listed_files([tmp_path / "2_b.sql", tmp_path / "1_a.sql"])) == ["2_b.sql", "1_a.sql"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no \.sql file that leads forward"):
        listed_files([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("text", "up", "down", "whole"),
    [
        (f"-- a\n\n{BODY};\nSELECT 2", [(3, BODY), (7, "SELECT 2")], None, False),
        ("BEGIN; SELECT 1;\nCOMMIT;", [(1, "BEGIN"), (1, "SELECT 1"), (2, "COMMIT")], None, False),
        ("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;", [(2, "SELECT 1")], [(4, "SELECT 2")], True),
        ("-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1", [(3, "SELECT 1")], [], False),
        ("-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2", [(2, "SELECT 1")], [(4, "SELECT 2")],
         False),
        ("-- Up Migration\nSELECT 1;\n-- Down Migration\nSELECT 2;", [(2, "SELECT 1")], [(4, "SELECT 2")], True),
        ("SELECT 1;\nSELEC 2;\nSELECT 3", [(1, "SELECT 1"), (2, "SELEC 2"), (3, "SELECT 3")], None, False),
        ("-- nothing\n", [], None, False),
    ],
)  # fmt: skip
def test_statements_with_their_lines(
    tmp_path: Path, text: str, up: list[tuple[int, str]], down: list[tuple[int, str]] | None, whole: bool
) -> None:
    path = written(tmp_path, text)
    file = read_file("1.sql", path)
    assert (list(file.steps), file.whole) == (up, whole)
    if down is None:
        with pytest.raises(UsageError, match="no statements that lead back"):
            read_file("1.sql", path, back=True)
    else:
        assert list(read_file("1.sql", path, back=True).steps) == down


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("SELECT 1;\n\\i other.sql\n", 2, r"\\i"),
        ("\\set ON_ERROR_STOP on\nSELECT 1", 1, r"\\set"),
        ("SELECT 1;\n\nCOPY t (a) FROM stdin;\n1\n\\.\n", 3, r"COPY t \(a\) FROM stdin"),
    ],
)
def test_what_only_psql_can_run_is_said_in_one_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(UsageError, match=f"1.sql:{line}: {what} is for psql alone; run it so: --command"):
        read_file("1.sql", written(tmp_path, text))


def test_a_way_back_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "SELECT 1", "1_a.up.sql")
    written(tmp_path, "SELECT 2", "1_a.down.sql")
    back = read_file("1_a.up.sql", path, back=True)
    assert (back.path.name, back.steps) == ("1_a.down.sql", ((1, "SELECT 2"),))


def test_equal_statements_are_told_apart_by_their_lines() -> None:
    steps = list(numbered([(1, "SELECT 1"), (2, "SELECT  1"), (3, "SELECT 2")]))
    assert steps == [(1, "/* line 1 */ SELECT 1"), (2, "/* line 2 */ SELECT  1"), (3, "SELECT 2")]


def test_which_files_are_run() -> None:
    names = ["a", "b", "c"]
    assert chosen(names, {"a"}, "head", back=False) == ["b", "c"]
    assert chosen(names, {"a"}, "b", back=False) == ["b"]
    assert chosen(names, {"a", "b"}, "base", back=True) == ["b", "a"]
    assert chosen(names, {"a", "b", "c"}, "a", back=True) == ["c", "b"]
    with pytest.raises(UsageError, match="no file is named d; there are a, b, c"):
        chosen(names, set(), "d", back=False)

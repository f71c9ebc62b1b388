"""Plain .sql files: what their headers say, and which of them lack a type or a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.workload.model import Header
from inboxbench.workload.sources.files import read_files, untyped

LACKING = {
    "dollar": ("SELECT a FROM t WHERE b = $1", Header()),
    "named": ("SELECT a FROM t WHERE b = :b", Header()),
    "percent": ("SELECT a FROM t WHERE b = %(b)s AND c LIKE 'x%%'", Header()),
    "value": ("-- params: b = 'x, y'\nSELECT a FROM t WHERE b = :b", Header((), {}, {1: "'x, y'"})),
    "typed": ("-- params: b int\nSELECT a FROM t WHERE b = :b", Header((), {1: "int"}, {})),
    "order": (
        "-- role: web\n-- params: c = 2, b int = (SELECT 1)\nSELECT a FROM t WHERE b = :b AND c = :c",
        Header(("-- role: web",), {1: "int"}, {1: "(SELECT 1)", 2: "2"}),
    ),
    "numbers": ("-- params: x = 2, y = 3\nSELECT a FROM t WHERE b = $2 AND c = $1", Header((), {}, {1: "2", 2: "3"})),
}
WHOLE = {
    "none": "SELECT a FROM t",
    "said": "-- params: b int = 1\nSELECT a FROM t WHERE b = :b AND c LIKE '%s'",
    "classes": "-- params: b int\n-- classes: rare\nSELECT a FROM t WHERE b = :b",
    "modulo": "SELECT a FROM t WHERE b % 2 = 0",
    "broken": "SELEC a FROM t WHERE b = $1",
    "two": "SELECT $1; SELECT $2",
}


def test_files_that_lack_a_type_or_a_value_are_found_and_others_left(tmp_path: Path) -> None:
    for name, text in {**{name: text for name, (text, _) in LACKING.items()}, **WHOLE}.items():
        (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
    found = untyped(tmp_path)
    assert {path.stem: statement.header for path, statement in found.items()} == {
        name: header for name, (_, header) in LACKING.items()
    }
    assert found[tmp_path / "percent.sql"].text == "SELECT a FROM t WHERE b = $1 AND c LIKE 'x%'"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("b = 1, c", "only some have a value"),
        ("b = 1", "has 2 parameters and the header declares 1"),
        ("b, c, d", "has 2 parameters and the header declares 3"),
    ],
)
def test_a_header_says_all_values_or_none(tmp_path: Path, params: str, message: str) -> None:
    (tmp_path / "q.sql").write_text(f"-- params: {params}\nSELECT a FROM t WHERE b = :b AND c = :c", encoding="utf-8")
    with pytest.raises(UsageError, match=message) as raised:
        untyped(tmp_path)
    assert str(tmp_path / "q.sql") in str(raised.value)


def test_several_statements_of_a_file_are_named_by_their_places(tmp_path: Path) -> None:
    (tmp_path / "two.sql").write_text("-- role: web\nSELECT 1; SELECT 2;", encoding="utf-8")
    assert [(statement.name, statement.header) for statement in read_files(tmp_path)] == [
        ("two_1", Header()),
        ("two_2", Header()),
    ]

"""What a user's file may hold: every fault is one line with the file and the key, however odd the content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inboxbench.documents import check_figures, check_schema, check_table, parse_json, parse_toml, read_json, read_toml
from inboxbench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x =", "x.toml: not TOML: Invalid value"),
        ("x = " + "9" * 5000, "x.toml: not TOML: an integer has too many digits"),
        ("[t]\nx = " + "9" * 400, "key 't.x' is an integer that 64 bits do not hold"),
        ("x = " + "[" * 5000, "nested deeper"),
        (".".join("a" * 300) + " = 1", "nested deeper"),
        ("a = 1\na.b = 2", "not TOML: Cannot overwrite"),
    ],
)
def test_toml_out_of_bounds(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"x\.toml") as raised:
        parse_toml(text, "x.toml")
    assert said in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not whole JSON at line 1, column 2"),
        ("[" * 100_000, "nested deeper than 150"),
        ("[" * 500 + "]" * 500, "nested deeper than 150"),
        ("9" * 5000, "an integer has too many digits"),
        ('{"a": [1, {"b": ' + "9" * 30 + "}]}", "key 'a[1].b' is an integer"),
        ('{"a": [NaN]}', "key 'a[0]' is nan"),
        ('{"a": {"b": -Infinity}}', "key 'a.b' is -inf"),
    ],
)
def test_json_out_of_bounds(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"x\.json") as raised:
        parse_json(text, "x.json")
    assert said in str(raised.value)


@pytest.mark.parametrize("read", [read_toml, read_json])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfex\0", "it is not UTF-8 text (UTF-16)"),
        (b"x = '\xe9'", "it is not UTF-8 text"),
        (b"x = 'a\0b'", "it holds a NUL character"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, read: Callable[[Path], Any], data: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UsageError) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf{"a":\r\n 1}')
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (3, "x.toml [t]: expected a table, found a whole number"),
        ({"nam": "a"}, "unknown key 'nam'; did you mean 'name'?"),
        ({"name": ["a"]}, "x.toml [t] name: expected a string, found a list"),
        ({"name": True}, "x.toml [t] name: expected a string, found true or false"),
        ({"parts": "a"}, "parts: expected a list, found a string"),
        ({"parts": ["a", 1]}, "parts: expected strings in it, found a whole number"),
        ({"more": {"a": None}}, "more: expected strings in it, found nothing"),
    ],
)
def test_a_table_of_another_form(table: object, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_table(table, {"name": str, "parts": list, "more": dict}, "x.toml [t]")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the document must be object, not []"),
        ({}, "key 'format' is missing"),
        (
            {"format": 2, "environment": 3, "head": "", "readings": {}, "costs": {}, "rules": {}, "skipped": {}},
            "key 'environment' must be object, not 3",
        ),
    ],
)
def test_a_document_of_another_form(document: object, said: str) -> None:
    with pytest.raises(UsageError, match=r"x\.json: ") as raised:
        check_schema(document, "x.json", "inboxbench.gate", "snapshot.schema.json", remedy="make it again")
    assert said in str(raised.value)
    assert str(raised.value).endswith("; make it again")


def test_figures_are_named_by_their_key() -> None:
    check_figures({"a": [1.5, {"b": 2}]}, "run")
    with pytest.raises(UsageError, match=r"run: key 'a\[1\].b' is inf"):
        check_figures(json.loads('{"a": [1.5, {"b": Infinity}]}'), "run")

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.invariants import parse_invariants

PATH = Path("invariants.sql")


def test_a_file_gives_its_invariants_in_order() -> None:
    text = """-- Prose above.

-- name: second_first
-- ids: C1 C2
-- title: one
SELECT 1
WHERE false;

-- name: other
-- title: two
-- scope: lab
SELECT 2;
"""
    found = parse_invariants(PATH, text)
    assert list(found) == ["second_first", "other"]
    assert found["second_first"].ids == ("C1", "C2")
    assert found["second_first"].query == "SELECT 1\nWHERE false"
    assert (found["second_first"].scope, found["other"].scope) == ("head", "lab")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;", "defines no invariant"),
        ("-- name: a\nSELECT 1;", "'a' needs a `-- title: …` line"),
        ("-- name: a\n-- title: b\n", "'a' needs"),
        ("-- name: a\n-- titel: b\nSELECT 1;", "unknown key 'titel'; did you mean 'title'"),
        ("-- name: a\n-- title: b\n-- scope: moon\nSELECT 1;", "scope 'moon'"),
        ("-- name: a\n-- title: b\nSELECT 1;\n-- name: a\n-- title: b\nSELECT 1;", "defined twice"),
    ],
)
def test_a_wrong_file_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_invariants(PATH, text)
    assert str(PATH) in str(caught.value)

"""Query files: what is parsed, and the file and key that an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.sqlfile import as_psycopg, numbered, parameters, parse_query, read_queries

GOOD = """-- name: latest
-- title: the newest messages
-- family: thread
-- ids: M9a P2.1b
-- params: conversation bigint, words text[]
-- classes: long, short
-- order: ordered
--
-- Prose: with a colon is not a key.

SELECT id FROM messages
WHERE conversation_id = :conversation AND body = ANY (:words) AND created_at > '2026-01-01 10:00'::timestamptz;
"""


def parse(text: str, name: str = "latest") -> object:
    return parse_query(Path(f"queries/{name}.sql"), text)


def test_good_file() -> None:
    query = parse_query(Path("queries/latest.sql"), GOOD)
    assert (query.name, query.title, query.family, query.order) == (
        "latest",
        "the newest messages",
        "thread",
        "ordered",
    )
    assert query.ids == ("M9a", "P2.1b")
    assert dict(query.params) == {"conversation": "bigint", "words": "text[]"}
    assert query.classes == ("long", "short")
    assert "conversation_id = $1 AND body = ANY ($2)" in query.prepared
    assert query.prepared.endswith("'2026-01-01 10:00'::timestamptz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-- order: ordered\n", ""), "header: key 'order' is missing; add a line `-- order: …`"),
        (("-- order: ordered", "-- order: sorted"), "order: 'sorted' is neither 'ordered' nor 'unordered'"),
        (("-- family:", "-- famly:"), "unknown key 'famly'; did you mean 'family'?"),
        (("-- name: latest", "-- name: newest"), "name: 'newest' differs from the file's name 'latest'"),
        (("-- ids: M9a", "-- ids: 9a"), "ids: '9a' is no requirement id"),
        (("conversation bigint,", "conversation,"), "params: 'conversation' is not `name type`"),
        (("conversation bigint, ", ""), "params: the statement uses :conversation, which is not declared"),
        (("words text[]", "words text[], spare int"), "params: 'spare' is declared but the statement never uses"),
        (("-- order: ordered", "-- order: ordered\n-- order: ordered"), "key 'order' is given twice"),
        ((GOOD[GOOD.index("SELECT") :], ""), "latest.sql"),
    ],
)
def test_errors_name_file_and_key(change: tuple[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(GOOD.replace(*change))
    assert "queries/latest.sql" in str(caught.value)
    assert message in str(caught.value)


def test_no_statement() -> None:
    header = GOOD[: GOOD.index("SELECT")].replace("-- params: conversation bigint, words text[]\n", "")
    with pytest.raises(UsageError, match="there is no statement below the header"):
        parse(header)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT :a, :b, :a", ("a", "b")),
        ("SELECT '%:no%', \":no\", x::int, $$ :no $$, $t$ :no $t$ -- :no\n, :yes", ("yes",)),
        ("SELECT 'it''s :no', /* :no\n :no */ :yes", ("yes",)),
        ("SELECT a[1:2], now()", ()),
    ],
)
def test_parameters_leave_strings_comments_and_casts_alone(text: str, names: tuple[str, ...]) -> None:
    assert parameters(text) == names
    assert numbered(text, names).count("$1") >= bool(names)
    if not names:
        assert numbered(text, names) == text


def test_percent_signs_survive_psycopg() -> None:
    assert as_psycopg("SELECT 5 % 2, '100%', :a LIKE '%x'") == "SELECT 5 %% 2, '100%%', %(a)s LIKE '%%x'"


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no queries; put one query a file there"):
        read_queries(tmp_path)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"bad\.sql: cannot be read"):
        read_queries(tmp_path)

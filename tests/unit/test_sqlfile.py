"""Query files: what is parsed, and the file and key that an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.execute.pgbench import as_pgbench
from inboxbench.errors import UsageError
from inboxbench.sqlfile import as_psycopg, blanked, numbered, parameters, parse_query, parse_rewrite, read_queries

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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (r"SELECT E'it\'s :no', e'\\' || :yes", ("yes",)),
        ("SELECT $a1$ :no ; $a1$, $b$ $a1$ :no $b$, :yes", ("yes",)),
        ("SELECT 1 /* outer /* inner :no */ still :no */ + :yes", ("yes",)),
        ("SELECT U&'\\0041:no', B'01', x'ff', \"a:no\", tags[low:no], :yes::text", ("yes",)),
        ("SELECT 'é:no', body ? 'k', body @>:yes, a=:limit", ("yes", "limit")),
    ],
)
def test_parameters_are_seen_where_the_server_sees_them(text: str, names: tuple[str, ...]) -> None:
    assert parameters(text) == names
    assert numbered(text, names).count(":no") == text.count(":no")
    assert len(blanked(text)) == len(text)


@pytest.mark.parametrize(
    ("declared", "params", "defaults"),
    [
        ("a numeric(10,2) = 5", {"a": "numeric(10,2)"}, {"a": "5"}),
        ("a \"Mixed, Case\" = 'x, y', b app.mood[][] = '{}'", {"a": '"Mixed, Case"', "b": "app.mood[][]"},
         {"a": "'x, y'", "b": "'{}'"}),
        ("a timestamp(3) with time zone = now() - interval '1 day'", {"a": "timestamp(3) with time zone"},
         {"a": "now() - interval '1 day'"}),
        ("a jsonb = '{\"k\": [1, 2]}', b int=-5", {"a": "jsonb", "b": "int"}, {"a": "'{\"k\": [1, 2]}'", "b": "-5"}),
        ("a int4range = '[1,5)', b text = E'it\\'s, $1'", {"a": "int4range", "b": "text"},
         {"a": "'[1,5)'", "b": "E'it\\'s, $1'"}),
        ("a bool = (1 = 1), b interval day to second = '1'", {"a": "bool", "b": "interval day to second"},
         {"a": "(1 = 1)", "b": "'1'"}),
    ],
)  # fmt: skip
def test_types_and_values_of_parameters(declared: str, params: dict[str, str], defaults: dict[str, str]) -> None:
    text = f"-- params: {declared}\nSELECT {', '.join(f':{name}' for name in params)}"
    query = parse_query(Path("q.sql"), text, strict=False)
    assert (dict(query.params), dict(query.defaults)) == (params, defaults)


def test_numbers_of_pg_stat_statements_take_the_names_in_their_order() -> None:
    text = "-- params: room bigint = 7, most int = 20\nSELECT '$2' FROM t WHERE a = $1 AND b > $1 LIMIT $2"
    query = parse_query(Path("q.sql"), text, strict=False)
    assert query.text == "SELECT '$2' FROM t WHERE a = :room AND b > :room LIMIT :most"
    assert query.prepared == "SELECT '$2' FROM t WHERE a = $1 AND b > $1 LIMIT $2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1; SELECT 2", r"q\.sql: 2 statements in one file \(SELECT 1 … and SELECT 2 …\)"),
        ("DELETE FROM t WHERE a = ';'; -- :x\nSHOW b;", "2 statements in one file"),
        ("SELECT a FROM t LIMIT $2", r"has \$2 and the header declares 0 .*p1 TYPE = VALUE, p2 TYPE = VALUE"),
        ("-- params: a int = 1\nSELECT :a, $1", "has :a and \\$1; write all as :name"),
        ("SELECT 'open", "a quote or a comment that is not closed"),
        ("SELECT 1 /* open", "a quote or a comment that is not closed"),
        ("-- params: a int = 'open\nSELECT :a", "params: .* not closed"),
        ("-- params: a int NOT NULL = 1\nSELECT :a", "'a int NOT NULL = 1' is not `name type`"),
        ("/* nothing */ ;", "there is no statement"),
    ],
)
def test_what_is_no_single_statement_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_query(Path("q.sql"), text, strict=False)


@pytest.mark.parametrize("text", ["SELECT ';', $$;$$; -- end; really", "SELECT 1 /* ; */;", "VALUES (1)", "TABLE t"])
def test_one_statement_is_one(text: str) -> None:
    assert parse_query(Path("q.sql"), text, strict=False).text.startswith(text[:6])


def test_pgbench_sees_no_colon_of_a_literal() -> None:
    text = "SELECT E'\\'a:b', $t$it's a:b$t$, \"a:b\" /* x /* y:z */ */, :a::int"
    assert as_pgbench(text, {"a": "1"}) == ("SELECT E'\\'a\\x3Ab', U&'it''s a\\003Ab', U&\"a\\003Ab\"  , 1::int")


def test_a_type_before_a_numbered_placeholder_is_a_cast() -> None:
    text = "-- params: age interval = '1 day', day date = now()\nSELECT now() - interval $1, date $2, $1::interval"
    query = parse_query(Path("q.sql"), text, strict=False)
    assert query.prepared == "SELECT now() - CAST($1 AS interval), CAST($2 AS date), $1::interval"


def test_a_rewrite_uses_parameters_of_its_query_by_name_or_by_number() -> None:
    params = {"town": "int", "since": "date"}
    path = Path("alt.sql")
    assert parse_rewrite(path, "SELECT :since;", params) == ("SELECT :since", ("since",))
    assert parse_rewrite(path, "-- why it is quicker\nSELECT $2, '$1'", params) == ("SELECT :since, '$1'", ("since",))
    assert parse_rewrite(path, "SELECT 1", params) == ("SELECT 1", ())
    with pytest.raises(UsageError, match=r"alt\.sql: unknown parameter 'sinc'; did you mean 'since'"):
        parse_rewrite(path, "SELECT :sinc", params)
    with pytest.raises(UsageError, match=r"alt\.sql params: the statement has \$3"):
        parse_rewrite(path, "SELECT $3", params)


def test_a_header_says_role_and_settings() -> None:
    header = (
        "-- role: \"Web App\"\n-- set: app.tenant = '42', work_mem = '1MB', enable_sort = off, a.b='x, = y'\nSELECT 1"
    )
    query = parse_query(Path("q.sql"), header, strict=False)
    assert query.role == "Web App"
    assert query.settings == {"app.tenant": "42", "work_mem": "1MB", "enable_sort": "off", "a.b": "x, = y"}


@pytest.mark.parametrize("declared", ["app.tenant", "app.tenant =", "= 3", "a b = 3", "a = 1 = 2", "a = 'x", "a = 1MB"])
def test_a_setting_that_is_none_is_named(declared: str) -> None:
    with pytest.raises(UsageError, match=r"q\.sql set: .*write it as"):
        parse_query(Path("q.sql"), f"-- set: {declared}\nSELECT 1", strict=False)

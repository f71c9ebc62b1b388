"""What a database holds, measured from its rows: the shapes that plans depend on. The row source says which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, LiteralString

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.seed.row_source import Measures, RowSource

# Words are counted in about this many rows.
_SAMPLE = 40_000
_PERCENTILES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Skew:
    """Sizes of owners: how many, the largest one's share, and the fitted exponent of a Zipf (None: too few).

    The first rank is left out of the fit, since a profile may set its share apart.
    """

    owners: int
    largest_share: float
    exponent: float | None


@dataclass(frozen=True, slots=True)
class WordClass:
    """A word of about the given rank, and the share of rows that hold it."""

    name: str
    word: str
    selectivity: float


@dataclass(frozen=True, slots=True)
class Words:
    """In a sample of `sampled` rows of a table: distinct words, those that occur once, the exponent of their Zipf,
    examples."""

    table: str
    sampled: int
    distinct: int
    once: int
    exponent: float | None
    classes: tuple[WordClass, ...]


@dataclass(frozen=True, slots=True)
class Column:
    table: str
    name: str
    correlation: float | None
    n_distinct: float


@dataclass(frozen=True, slots=True)
class Files:
    """Of a table: rows, size with indexes, dead rows' share as the statistics know it, all-visible pages' share."""

    table: str
    rows: int
    size: int
    dead_share: float
    visible_share: float


@dataclass(frozen=True, slots=True)
class Description:
    """lengths: JSON key → (title, values at the percentiles); facts: JSON key → (title, share)."""

    database: str
    skew: dict[str, Skew]
    lengths: dict[str, tuple[str, tuple[float, ...]]]
    facts: dict[str, tuple[str, float]]
    shares: dict[str, float]
    words: Words | None
    columns: tuple[Column, ...]
    files: tuple[Files, ...]

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"percentiles": list(_PERCENTILES), **asdict(self)}
        for key, (_, value) in (*document.pop("lengths").items(), *document.pop("facts").items()):
            document[key] = value
        if self.words is not None:
            words = document["words"]
            words[words.pop("table")] = words.pop("sampled")
        return document


_FIT = sql.SQL("""
    WITH sized AS ({owners}), ranked AS (SELECT n, row_number() OVER (ORDER BY n DESC) AS rank FROM sized)
    SELECT count(*), coalesce(max(n)::float / sum(n), 0),
           -(regr_slope(ln(n), ln(rank)) FILTER (WHERE rank > 1)) FROM ranked
""")
_COLUMNS: LiteralString = """
    SELECT correlation, n_distinct FROM pg_stats
    WHERE schemaname = current_schema() AND tablename = %s AND attname = %s
"""
_FILES: LiteralString = """
    SELECT c.reltuples::bigint, pg_total_relation_size(c.oid),
           coalesce(s.n_dead_tup::float / nullif(s.n_live_tup + s.n_dead_tup, 0), 0),
           coalesce(c.relallvisible::float / nullif(c.relpages, 0), 0)
    FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace
"""


def describe(conninfo: str, source: RowSource[Any]) -> Description:
    """Measure a filled database. Raises UsageError when it does not hold the row source's tables."""
    measures = source.measures
    baseline = source.layouts["baseline"].columns
    head = source.layouts["head"].columns if "head" in source.layouts else baseline
    with connect(conninfo) as connection:
        if missing := _missing(connection, baseline):
            raise UsageError(
                f"database {connection.info.dbname!r} has no table {missing!r}, so it holds no rows of this project to "
                "describe; seed one first"
            )
        shares = {**measures.shares, **({} if _missing(connection, head) else measures.shares_at_head)}
        words = _words(connection, *measures.words) if measures.words else None
        return Description(
            database=connection.info.dbname,
            skew={name: _skew(connection, query) for name, query in measures.skews.items()},
            lengths={key: (title, _percentiles(connection, query)) for key, (title, query) in measures.lengths.items()},
            facts={key: (title, _number(connection, query)) for key, (title, query) in measures.facts.items()},
            shares={name: _number(connection, query) for name, query in shares.items()},
            words=words,
            columns=tuple(_columns(connection, measures)),
            files=tuple(_file(connection, table) for table in baseline),
        )


def _missing(connection: Connection, tables: Iterable[str]) -> str | None:
    """The first of `tables` that the database does not have."""
    for table in tables:
        row = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
        if row is None or row[0] is None:
            return table
    return None


def _number(connection: Connection, query: LiteralString) -> float:
    row = connection.execute(query).fetchone()
    return round(float(row[0]), 5) if row and row[0] is not None else 0.0


def _skew(connection: Connection, owners: LiteralString) -> Skew:
    row = connection.execute(_FIT.format(owners=sql.SQL(owners))).fetchone()
    assert row is not None
    count, share, exponent = row
    return Skew(int(count), round(float(share), 4), None if exponent is None else round(float(exponent), 3))


def _percentiles(connection: Connection, numbers: LiteralString) -> tuple[float, ...]:
    query = sql.SQL("SELECT percentile_disc(%s::float[]) WITHIN GROUP (ORDER BY n) FROM ({numbers}) x")
    row = connection.execute(query.format(numbers=sql.SQL(numbers)), (list(_PERCENTILES),)).fetchone()
    return tuple(float(value) for value in row[0]) if row and row[0] else ()


def _words(connection: Connection, table: str, column: str) -> Words:
    """Word statistics over a repeatable sample of whole pages."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.sampled, pg_temp.counted")
    row = connection.execute(
        "SELECT greatest(reltuples, 1) FROM pg_class WHERE oid = %s::regclass", (table,)
    ).fetchone()
    percent = min(100.0, 100.0 * _SAMPLE / float(row[0])) if row else 100.0
    connection.execute(
        sql.SQL(
            "CREATE TEMP TABLE sampled AS SELECT to_tsvector('simple', left({column}, 10000)) AS words "
            "FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)"
        ).format(column=sql.Identifier(column), table=sql.Identifier(table), percent=sql.Literal(percent))
    )
    connection.execute("""
        CREATE TEMP TABLE counted AS
        SELECT word, ndoc, row_number() OVER (ORDER BY ndoc DESC, word) AS rank
        FROM ts_stat('SELECT words FROM pg_temp.sampled') WHERE word ~ '^[[:alpha:]]+$'
    """)
    facts = connection.execute("""
        SELECT (SELECT count(*) FROM sampled), count(*), count(*) FILTER (WHERE ndoc = 1),
               -(regr_slope(ln(ndoc), ln(rank)) FILTER (WHERE rank BETWEEN 10 AND 3000)) FROM counted
    """).fetchone()
    assert facts is not None
    sampled, distinct, once, exponent = facts
    return Words(
        table,
        int(sampled),
        int(distinct),
        int(once),
        None if exponent is None else round(float(exponent), 3),
        tuple(_classes(connection, int(sampled))),
    )


_CLASSES = {"most frequent": 1, "frequent": 30, "medium": 500, "uncommon": 5_000}


def _classes(connection: Connection, sampled: int) -> list[WordClass]:
    classes = []
    for name, rank in _CLASSES.items():
        row = connection.execute("SELECT word, ndoc FROM counted WHERE rank = %s", (rank,)).fetchone()
        if row:
            classes.append(WordClass(name, str(row[0]), round(row[1] / max(sampled, 1), 6)))
    row = connection.execute("SELECT word FROM counted WHERE ndoc = 1 ORDER BY rank LIMIT 1").fetchone()
    if row:
        classes.append(WordClass("once", str(row[0]), round(1 / max(sampled, 1), 6)))
    return classes


def _columns(connection: Connection, measures: Measures) -> list[Column]:
    columns = []
    for table, names in measures.columns.items():
        for name in names:
            row = connection.execute(_COLUMNS, (table, name)).fetchone()
            if row:
                correlation = None if row[0] is None else round(float(row[0]), 4)
                columns.append(Column(table, name, correlation, round(float(row[1]), 5)))
    return columns


def _file(connection: Connection, table: str) -> Files:
    row = connection.execute(_FILES, (table,)).fetchone()
    assert row is not None
    rows, size, dead, visible = row
    return Files(table, max(int(rows), 0), int(size), round(float(dead), 4), round(float(visible), 4))

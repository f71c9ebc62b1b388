"""What a database holds, measured from its rows: the shapes that plans depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, LiteralString

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.messenger.data.table_layout import LAYOUTS

# Words are counted in about this many messages.
_SAMPLE = 40_000
_KEY_COLUMNS = {
    "messages": ("id", "account_id", "inbox_id", "conversation_id", "created_at", "direction", "sender_type"),
    "conversations": ("id", "account_id", "inbox_id", "contact_id", "assignee_id", "status", "branch", "created_at"),
    "contacts": ("id", "account_id", "external_id"),
}
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
    """A word of about the given rank, and the share of messages that hold it."""

    name: str
    word: str
    selectivity: float


@dataclass(frozen=True, slots=True)
class Words:
    """In a sample of messages: distinct words, those that occur once, the exponent of their Zipf, examples."""

    messages: int
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
    database: str
    skew: dict[str, Skew]
    messages_per_conversation: tuple[float, ...]
    body_length: tuple[float, ...]
    cyrillic_share: float
    shares: dict[str, float]
    words: Words
    columns: tuple[Column, ...]
    files: tuple[Files, ...]

    def to_json(self) -> dict[str, Any]:
        return {"percentiles": list(_PERCENTILES), **asdict(self)}


_SKEWS: dict[str, LiteralString] = {
    "conversations of accounts": "SELECT account_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
    "messages of accounts": "SELECT account_id AS owner, count(*) AS n FROM messages GROUP BY 1",
    "conversations of inboxes": "SELECT inbox_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
    "conversations of agents": """
        SELECT assignee_id AS owner, count(*) AS n FROM conversations WHERE assignee_id IS NOT NULL GROUP BY 1""",
    "conversations of contacts": "SELECT contact_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
}
_FIT = sql.SQL("""
    WITH sized AS ({owners}), ranked AS (SELECT n, row_number() OVER (ORDER BY n DESC) AS rank FROM sized)
    SELECT count(*), coalesce(max(n)::float / sum(n), 0),
           -(regr_slope(ln(n), ln(rank)) FILTER (WHERE rank > 1)) FROM ranked
""")
_SHARES: dict[str, LiteralString] = {
    "open": "SELECT avg((status = 'open')::int) FROM conversations",
    "pending": "SELECT avg((status = 'pending')::int) FROM conversations",
    "resolved": "SELECT avg((status = 'resolved')::int) FROM conversations",
    "assigned": "SELECT avg((assignee_id IS NOT NULL)::int) FROM conversations",
    "rated": "SELECT avg((rating_score IS NOT NULL)::int) FROM conversations",
    "with branch": "SELECT avg((branch IS NOT NULL)::int) FROM conversations",
    "incoming": "SELECT avg((direction = 'incoming')::int) FROM messages",
    "by bots": "SELECT avg((sender_type = 'bot')::int) FROM messages",
    "unread": "SELECT avg((read_at IS NULL)::int) FROM messages",
    "with external id": "SELECT avg((external_id IS NOT NULL)::int) FROM contacts",
    "repeated external id": """
        SELECT 1 - count(DISTINCT (account_id, external_id))::float / greatest(count(*), 1)
        FROM contacts WHERE external_id IS NOT NULL""",
}
_SHARES_AT_HEAD: dict[str, LiteralString] = {
    "snoozed": "SELECT avg((status = 'snoozed')::int) FROM conversations",
    "with priority": "SELECT avg((priority IS NOT NULL)::int) FROM conversations",
    "with identifier": "SELECT avg((identifier IS NOT NULL)::int) FROM conversations",
    "waiting": "SELECT avg((waiting_since IS NOT NULL)::int) FROM conversations",
    "private notes": "SELECT avg(private::int) FROM messages",
    "templates": "SELECT avg((message_type = 3)::int) FROM messages",
    "with attachments": "SELECT avg((content_attributes ? 'attachments')::int) FROM messages",
    "with source id": "SELECT avg((source_id IS NOT NULL)::int) FROM messages",
    "repeated source id": """
        SELECT 1 - count(DISTINCT source_id)::float / greatest(count(*), 1) FROM messages
        WHERE source_id IS NOT NULL""",
    "blocked contacts": "SELECT avg(blocked::int) FROM contacts",
}
_AT_HEAD: LiteralString = "SELECT to_regclass('conversation_counters') IS NOT NULL"
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


def describe(conninfo: str) -> Description:
    """Measure a filled database. Raises UsageError when it does not hold the messenger's tables."""
    with connect(conninfo) as connection:
        _check(connection)
        words = _words(connection)
        return Description(
            database=connection.info.dbname,
            skew={name: _skew(connection, query) for name, query in _SKEWS.items()},
            messages_per_conversation=_percentiles(
                connection, "SELECT count(*) AS n FROM messages GROUP BY conversation_id"
            ),
            body_length=_percentiles(connection, "SELECT char_length(body) AS n FROM messages"),
            cyrillic_share=_number(connection, "SELECT avg((body ~ '[а-яё]')::int) FROM messages"),
            shares={name: _number(connection, query) for name, query in _shares(connection).items()},
            words=words,
            columns=tuple(_columns(connection)),
            files=tuple(_file(connection, table) for table in LAYOUTS["baseline"].columns),
        )


def _check(connection: Connection) -> None:
    for table in LAYOUTS["baseline"].columns:
        row = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
        if row is None or row[0] is None:
            raise UsageError(
                f"database {connection.info.dbname!r} has no table {table!r}, so it is no messenger to describe; "
                "seed one first"
            )


def _shares(connection: Connection) -> dict[str, LiteralString]:
    row = connection.execute(_AT_HEAD).fetchone()
    return _SHARES | _SHARES_AT_HEAD if row and row[0] else _SHARES


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


def _words(connection: Connection) -> Words:
    """Word statistics over a repeatable sample of whole pages."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.sampled, pg_temp.counted")
    row = connection.execute("SELECT greatest(reltuples, 1) FROM pg_class WHERE oid = 'messages'::regclass").fetchone()
    percent = min(100.0, 100.0 * _SAMPLE / float(row[0])) if row else 100.0
    connection.execute(
        sql.SQL(
            "CREATE TEMP TABLE sampled AS SELECT to_tsvector('simple', left(body, 10000)) AS words "
            "FROM messages TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)"
        ).format(percent=sql.Literal(percent))
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
    messages, distinct, once, exponent = facts
    return Words(
        int(messages),
        int(distinct),
        int(once),
        None if exponent is None else round(float(exponent), 3),
        tuple(_classes(connection, int(messages))),
    )


_CLASSES = {"most frequent": 1, "frequent": 30, "medium": 500, "uncommon": 5_000}


def _classes(connection: Connection, messages: int) -> list[WordClass]:
    classes = []
    for name, rank in _CLASSES.items():
        row = connection.execute("SELECT word, ndoc FROM counted WHERE rank = %s", (rank,)).fetchone()
        if row:
            classes.append(WordClass(name, str(row[0]), round(row[1] / max(messages, 1), 6)))
    row = connection.execute("SELECT word FROM counted WHERE ndoc = 1 ORDER BY rank LIMIT 1").fetchone()
    if row:
        classes.append(WordClass("once", str(row[0]), round(1 / max(messages, 1), 6)))
    return classes


def _columns(connection: Connection) -> list[Column]:
    found = []
    for table, names in _KEY_COLUMNS.items():
        for name in names:
            row = connection.execute(_COLUMNS, (table, name)).fetchone()
            if row:
                correlation = None if row[0] is None else round(float(row[0]), 4)
                found.append(Column(table, name, correlation, round(float(row[1]), 5)))
    return found


def _file(connection: Connection, table: str) -> Files:
    row = connection.execute(_FILES, (table,)).fetchone()
    assert row is not None
    rows, size, dead, visible = row
    return Files(table, max(int(rows), 0), int(size), round(float(dead), 4), round(float(visible), 4))

"""The state of a source's tables and indexes that its dump does not carry: measured there, said, and made again.

What is all-visible, dead, pending or stale decides how many pages a query reads tonight, and a restored copy has none
of it. Everything is read from the catalogue and the statistics; no table of the source is read and nothing written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect, first_row
from inboxbench.server import Server, reason
from inboxbench.sqlfile import read_sections
from inboxbench.units import share

_SQL = read_sections(__file__)
_FEW_PAGES = 10  # a table of fewer decides nothing
_MOSTLY = 0.9  # so much of a table all-visible is what a dump's reader would expect
_DEAD = 0.05
_STALE = 0.2  # of a table's rows changed since ANALYZE; autovacuum comes at a tenth
_APART = 0.2  # between two correlations, which go from -1 to 1
_NAMED = 3

Correlations = Mapping[tuple[str, str, str], float]


@dataclass(frozen=True, slots=True)
class TableState:
    """visible: of `pages` as VACUUM or ANALYZE last saw them (None: neither ever came); changed: rows since ANALYZE;
    vacuumed, analysed: when last, None where the statistics do not say."""

    schema: str
    name: str
    pages: int
    visible: int | None
    live: int
    dead: int
    vacuumed: dt.datetime | None
    analysed: dt.datetime | None
    changed: int

    @property
    def shown(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def visible_share(self) -> float | None:
        return None if self.visible is None or not self.pages else min(1.0, self.visible / self.pages)

    @property
    def dead_share(self) -> float:
        return self.dead / (self.live + self.dead) if self.dead else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.shown,
            "pages": self.pages,
            "all_visible_share": None if self.visible_share is None else round(self.visible_share, 4),
            "live_rows": self.live,
            "dead_rows": self.dead,
            "changed_rows": self.changed,
            "vacuumed_at": self.vacuumed.isoformat(timespec="seconds") if self.vacuumed else None,
            "analysed_at": self.analysed.isoformat(timespec="seconds") if self.analysed else None,
        }


@dataclass(frozen=True, slots=True)
class State:
    """pending: pages of the list of each GIN index, None where it is not known; invalid: indexes that a dump leaves
    out."""

    tables: Sequence[TableState] = ()
    pending: Mapping[str, int | None] = field(default_factory=dict)
    invalid: Sequence[str] = ()
    correlations: Correlations = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "tables": [table.to_json() for table in self.tables],
            "pending_pages": dict(self.pending),
            "invalid_indexes": list(self.invalid),
        }


def read_state(source: Connection) -> State:
    """Return the state of the database behind `source`, which is not written."""
    tables = [
        TableState(schema, name, pages, visible if known else None, live, dead, vacuumed, analysed, changed)
        for schema, name, pages, visible, live, dead, vacuumed, analysed, changed, known in source.execute(
            _SQL["tables"]
        )
    ]
    invalid = [name for (name,) in source.execute(_SQL["invalid"])]
    return State(tables, _pending(source), invalid, read_correlations(source))


def read_correlations(connection: Connection) -> dict[tuple[str, str, str], float]:
    """Return the correlation of each column that the role may see statistics of."""
    return {(schema, table, column): value for schema, table, column, value in connection.execute(_SQL["correlations"])}


def _pending(source: Connection) -> dict[str, int | None]:
    names = [name for (name,) in source.execute(_SQL["gin"])]
    extension = source.execute(_SQL["pgstattuple"]).fetchone() if names else None
    pages: dict[str, int | None] = {}
    for name in names:
        pages[name] = None
        if extension:
            query = sql.SQL("SELECT pending_pages FROM {}.pgstatginindex(%s::regclass)").format(sql.SQL(extension[0]))
            try:
                with source.transaction():
                    row = source.execute(query, (name,)).fetchone()
                    pages[name] = int(row[0]) if row else None
            except psycopg.Error:
                continue  # the role may not look: not known
    return pages


def losses_of(state: State, correlations: Correlations, *, reproduced: bool = False) -> Iterator[str]:
    """Say what of the source's state its copy has not. correlations: of the copy; reproduced: by `reproduce`."""
    large = [table for table in state.tables if table.pages >= _FEW_PAGES]
    seen = [(table.shown, table.visible_share) for table in large if table.visible_share is not None]
    if hidden := [f"{name} {share(part)}" for name, part in seen if part < _MOSTLY]:
        here = (
            "as on this copy"
            if reproduced
            else (
                "on this copy all are, so that index-only scans read less here; --as-source measures as it stands there"
            )
        )
        yield f"pages that are all-visible at the source: {_some(hidden)}; {here}"
    if dead := [f"{table.shown} {share(table.dead_share)}" for table in large if table.dead_share > _DEAD]:
        here = "as on this copy" if reproduced else "none on this copy (--as-source)"
        yield f"rows that are dead at the source: {_some(dead)}; {here}"
    if stale := [_age(table) for table in large if not table.analysed or table.changed > _STALE * max(table.live, 1)]:
        yield f"statistics at the source are old: {_some(stale)}; on this copy they are fresh, so plans may differ"
    if lists := [f"{name} {'not known' if pages is None else f'{pages:,} pages'}"
                 for name, pages in state.pending.items() if pages != 0]:  # fmt: skip
        why = " (the extension pgstattuple would say it)" if None in state.pending.values() else ""
        yield f"entries that wait to be merged into GIN indexes at the source: {_some(lists)}{why}; none on this copy"
    apart = [
        f"{'.'.join(key if key[0] != 'public' else key[1:])} {there:.2f} there, {correlations[key]:.2f} here"
        for key, there in state.correlations.items()
        if key in correlations and abs(there - correlations[key]) > _APART
    ]
    if apart:
        yield f"rows lie in another order than the source's statistics say (correlation): {_some(apart)}"


def invalid_remark(state: State) -> str | None:
    """Say which indexes of the source are invalid: its dump has them no more, so this copy knows nothing of them."""
    if not state.invalid:
        return None
    return (
        f"invalid at the source, and so left out of its dump: {_some(state.invalid)}; drop or rebuild it there: it "
        "costs writes, serves no read, and IF NOT EXISTS finds it in the way"
    )


def _age(table: TableState) -> str:
    if table.analysed is None:
        return f"{table.shown} has no ANALYZE on record"
    changed = share(min(1.0, table.changed / max(table.live, 1)))
    return f"{table.shown} of {table.analysed:%Y-%m-%d}, {changed} changed since"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


# Pages are chosen by a digest of their number, of 10,000: spread over the table, the same ones each time.
_CHOSEN = "abs(hashint8((ctid::text::point)[0]::bigint)::bigint) % 10000 >= {kept}"
_HIDE = "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT min(ctid) FROM {table} WHERE {chosen} GROUP BY {page}))"
_KILL = """
    UPDATE {table} SET {column} = {column} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} WHERE {chosen} ORDER BY hashtext(ctid::text) LIMIT {rows}))
"""
_PLAIN_COLUMN = """
    SELECT a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE c.oid = format('%%I.%%I', %s::text, %s::text)::regclass AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
    ORDER BY a.attlen < 0, a.attnum LIMIT 1
"""
_PASSES = 5  # updates of the same rows: so many times the live rows are dead at most


def reproduce(server: Server, database: str, state: State) -> Iterator[str]:
    """Give each table of `database`, a copy, the shares of dead rows and of all-visible pages that it has at the
    source; yield a remark on each that cannot have them.

    Dead rows are left by updates that change nothing; pages are hidden by deletes that are taken back. Neither fires a
    trigger or checks a key. Autovacuum is kept off.
    """
    with connect(server.conninfo(database)) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in state.tables:
            try:
                _reproduce_table(connection, table)
            except psycopg.Error as error:
                yield f"dead rows and all-visible pages of {table.shown} are not as at the source: {reason(error)}"
        connection.execute("ANALYZE")


def _reproduce_table(connection: Connection, table: TableState) -> None:
    name = sql.Identifier(table.schema, table.name)
    # What is updated moves to new pages, which are not all-visible: so many more of the old ones have to be.
    kept = min(10_000, round((table.visible_share or 0.0) * (1 + _dead_ratio(table)) * 10_000))
    connection.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(name))
    if kept:
        connection.execute(sql.SQL("VACUUM {}").format(name))
    column = connection.execute(_PLAIN_COLUMN, (table.schema, table.name)).fetchone()
    if column is None:  # a materialized view, or nothing in it may be written
        return
    parts = {
        "table": name,
        "column": sql.Identifier(column[0]),
        "chosen": sql.SQL(_CHOSEN).format(kept=sql.Literal(min(kept, 9_999))),
        "page": sql.SQL("(ctid::text::point)[0]::bigint"),
    }
    dead = round(first_row(connection, sql.SQL("SELECT count(*) FROM {}").format(name))[0] * _dead_ratio(table))
    for _pass in range(_PASSES):
        if dead <= 0:
            break
        dead -= connection.execute(sql.SQL(_KILL).format(rows=sql.Literal(dead), **parts)).rowcount or dead
    if 0 < kept < 10_000:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(_HIDE).format(**parts))


def _dead_ratio(table: TableState) -> float:
    """Return dead rows for each live one; none where they are too few to matter."""
    return table.dead / max(table.live, 1) if table.dead_share > _DEAD else 0.0

"""Opens what a rehearsal starts from (a database, a dataset, or nothing) as a copy to work on, or a smaller one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import sql

from inboxbench.credentials import place
from inboxbench.database import Connection, connect, first_row, scratch_database, with_names
from inboxbench.database_copy import Copy, cloned, copied, is_url
from inboxbench.database_settings import override
from inboxbench.dryrun.run import bring, current_of
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.unfinished import carry_invalid_indexes
from inboxbench.errors import SubjectFailed
from inboxbench.project import Project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.seed.load.run import Progress
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections

FEW_ROWS = 100
_SLACK = 1.1
_PARTS = 1_000_000
_QUERIES = read_sections(__file__)


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key: child and parent as schema.name, the columns of both in the same order."""

    child: str
    parent: str
    columns: tuple[str, ...]
    referred: tuple[str, ...]


def count_rows(connection: Connection) -> dict[str, int]:
    """Count the rows of each table, by schema.name."""
    tables = [f"{schema}.{name}" for schema, name, _estimate in connection.execute(_QUERIES["tables"])]
    return {table: _count(connection, table) for table in tables}


def _count(connection: Connection, table: str) -> int:
    return int(first_row(connection, with_names("SELECT count(*) FROM {}", _name(table)))[0])


def estimate_rows(connection: Connection) -> dict[str, int]:
    """Read the rows of each table off pg_class.reltuples; a table that was never analysed is missing."""
    rows = connection.execute(_QUERIES["tables"])
    return {f"{schema}.{name}": int(estimate) for schema, name, estimate in rows if estimate >= 0}


def downsample(server: Server, database: str, share: float) -> None:
    """Leave about `share` of the rows of each larger table, parents before children."""
    with connect(server.conninfo(database)) as connection:
        connection.execute("SET session_replication_role = replica")
        keys = [
            Key(child, parent, tuple(ours), tuple(theirs))
            for child, parent, ours, theirs in connection.execute(_QUERIES["keys"])
        ]
        wanted = {table: rows * share for table, rows in count_rows(connection).items() if rows >= FEW_ROWS}
        for table in _parents_first(list(wanted), keys):
            _reduce(connection, table, wanted[table])
            _drop_orphans(connection, keys)
        connection.execute("VACUUM FULL")
        connection.execute("ANALYZE")


def _parents_first(tables: list[str], keys: list[Key]) -> list[str]:
    """Order tables so that those referred to come first; where keys form a cycle, by name."""
    placed: list[str] = []
    while left := sorted(set(tables) - set(placed)):
        waiting = {key.child for key in keys if key.parent in left and key.parent != key.child}
        placed += [table for table in left if table not in waiting] or left[:1]
    return placed


def _reduce(connection: Connection, table: str, wanted: float) -> None:
    """Delete by a hash of where a row lies, so that the same rows go each time. Orphans are gone by then."""
    now = _count(connection, table)
    if now > wanted * _SLACK:
        kept = int(wanted / now * _PARTS)
        statement = "DELETE FROM {} WHERE (hashtext(ctid::text)::bigint & 2147483647) % {} >= {}"
        connection.execute(with_names(statement, _name(table), sql.Literal(_PARTS), sql.Literal(kept)))


def _drop_orphans(connection: Connection, keys: list[Key]) -> None:
    """Delete rows whose parent is gone, until none is left: a key that is added or validated must find its parent."""
    while sum(connection.execute(_orphans(key)).rowcount for key in keys):
        pass


def _orphans(key: Key) -> sql.Composed:
    pairs = list(zip(key.columns, key.referred, strict=True))
    same = [with_names("p.{} = c.{}", theirs, ours) for ours, theirs in pairs]
    known = [with_names("c.{} IS NOT NULL", ours) for ours in key.columns]
    return sql.SQL("DELETE FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
        _name(key.child), sql.SQL(" AND ").join(known), _name(key.parent), sql.SQL(" AND ").join(same)
    )


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split(".", 1))


@dataclass(frozen=True, slots=True)
class Source:
    """Either `database` (a name on the server, or a URL) or `dataset` (the name of a profile, filled with `seed`), or
    neither for an empty database.

    `share` is the part of the rows to rehearse on: a dataset is made that much smaller, a database's copy is thinned.
    `overrides` are settings for the sessions on the copy, by name.
    """

    database: str | None = None
    dataset: str | None = None
    seed: int = 1
    share: float = 1.0
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Return how the source is named to people, without a password."""
        return self._named if self.share == 1 else f"{self.share:.3g} of {self._named}"

    @property
    def _named(self) -> str:
        if self.database:
            return place(self.database) if is_url(self.database) else f"database {self.database}"
        return f"dataset {self.dataset}" if self.dataset else "an empty database"


@contextmanager
def copy_of(server: Server, source: Source, project: Project, *, progress: Progress | None = None) -> Iterator[Copy]:
    """Yield a copy of the source on `server`, dropped at the end of the block.

    Raises UsageError or ServerError in one line when it cannot be made.
    """
    with _copy_as_it_is(server, source, project, progress) as copy:
        override(server, copy.name, source.overrides)
        yield copy


@contextmanager
def _copy_as_it_is(server: Server, source: Source, project: Project, progress: Progress | None) -> Iterator[Copy]:
    if source.database:
        with copied(server, source.database) as bare:
            copy = bare
            if is_url(source.database):
                lacking = carry_invalid_indexes(server, bare.name, source.database)
                copy = replace(bare, remarks=(*bare.remarks, *lacking))
            if source.share < 1:
                downsample(server, copy.name, source.share)
            yield copy
    elif source.dataset:
        dataset = load_dataset(
            server, source.dataset, source.seed, scale=source.share, project=project, progress=progress
        )
        with cloned(server, dataset.name) as name:
            yield Copy(name)
    else:
        with scratch_database(server, "dryrun") as name:
            yield Copy(name)


@contextmanager
def state_before(server: Server, source: Source, project: Project, tool: Tool, revision: str) -> Iterator[str]:
    """Yield the name of a new copy of the source that stands before `revision`, dropped at the end of the block.

    Raises SubjectFailed when it cannot be brought there.
    """
    script = tool.history({revision}).scripts.get(revision)
    if script is None or len(script.parents) > 1:
        raise SubjectFailed(f"what revision {revision} follows is not to be seen from its files, or more than one")
    with copy_of(server, source, project) as copy:
        for parent in script.parents:
            if parent not in current_of(server, copy.name, tool):
                bring(server, copy.name, tool, parent)
        yield copy.name

"""Reads what the copy knows of its tables: size, columns with their statistics, unique indexes, foreign keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from inboxbench.database import Connection
from inboxbench.sqlfile import read_sections
from inboxbench.sqltree.commands import Relation
from inboxbench.workload.columns import spelled

_SQL = read_sections(__file__)

_TABLES = frozenset({"r", "p", "m"})


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column. name: as SQL spells it; width: mean bytes; distinct: how many values, about; correlation: of the order
    of its values with that of the rows on disk, -1 to 1."""

    name: str
    kind: str
    width: int
    distinct: float
    correlation: float

    @property
    def sortable(self) -> bool:
        """Return whether a btree of it makes sense: no document, no list, nothing that may be too long."""
        return self.bounded and self.width <= _WIDEST

    @property
    def bounded(self) -> bool:
        """Return whether an entry of a btree holds it: of a document, a list or a file of the next row it may not, and
        that row could not be inserted."""
        return not self.kind.endswith("[]") and self.kind not in _UNSORTABLE


_UNSORTABLE = frozenset(
    {"json", "jsonb", "xml", "bytea", "tsvector", "point", "polygon", "box", "circle", "path", "line"}
)
_WIDEST = 400


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table. name: as SQL spells it, with its schema where that is needed; relation: its bare name; names: those that
    a plan may have for it, of partitions as well; rules: keys of unique indexes; triggered: it has triggers."""

    name: str
    relation: str
    rows: int
    pages: int
    columns: Mapping[str, ColumnFacts]
    rules: tuple[tuple[str, ...], ...]
    names: frozenset[str]
    triggered: bool

    def column(self, expression: str) -> ColumnFacts | None:
        """Return the column that an expression is; None of one that computes."""
        return next((column for column in self.columns.values() if column.name == expression), None)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns of `table` that have to be rows of `target`."""

    table: str
    columns: tuple[str, ...]
    target: str


@dataclass(slots=True)
class Facts:
    """The tables of one database, each looked up once."""

    connection: Connection
    extensions: frozenset[str] = frozenset()
    foreign_keys: tuple[ForeignKey, ...] = ()
    _known: dict[str, TableFacts | None] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection) -> Facts:
        """Read what belongs to no table alone."""
        extensions = frozenset(name for (name,) in connection.execute(_SQL["extensions"]))
        keys = connection.execute(_SQL["foreign keys"]).fetchall()
        return cls(connection, extensions, tuple(ForeignKey(table, tuple(columns), to) for table, columns, to in keys))

    def taken_names(self) -> frozenset[str]:
        """Return the names that relations of the database have, where a new index may not have one of them."""
        return frozenset(name for (name,) in self.connection.execute(_SQL["names"]))

    def spelled_names(self) -> dict[str, str]:
        """Return how SQL spells each table, by the bare name that a plan has; of a partition it is the whole."""
        return dict(self.connection.execute(_SQL["spelled"]).fetchall())

    def columns(self, relation: Relation) -> Collection[str] | None:
        """Return the names of a table's columns; None for a view and for what is not there."""
        found = self.table(spelled(relation))
        return None if found is None else found.columns

    def table(self, name: str) -> TableFacts | None:
        """Return what is known of a table, by its name as SQL spells it."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> TableFacts | None:
        row = self.connection.execute(_SQL["table"], (name,)).fetchone()
        if row is None or row[3] not in _TABLES:
            return None
        oid, shown, relation, _kind, rows, pages, parts, triggered = row
        columns = {
            bare: ColumnFacts(quoted, kind, int(width), float(distinct), float(correlation))
            for quoted, bare, kind, width, distinct, correlation in self.connection.execute(
                _SQL["columns"], {"oid": oid, "rows": rows}
            )
        }
        rules = tuple(tuple(keys) for (keys,) in self.connection.execute(_SQL["rules"], (oid,)) if keys)
        names = frozenset([relation, *(part.rpartition(".")[2].strip('"') for part in parts)])
        return TableFacts(shown, relation, int(rows), int(pages), columns, rules, names, triggered)


def partitions_of(connection: Connection) -> dict[str, list[str]]:
    """Return the partitions of each partitioned table, the leaves alone, all as SQL spells them."""
    return dict(connection.execute(_SQL["partitions"]).fetchall())

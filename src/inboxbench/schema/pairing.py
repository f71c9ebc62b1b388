"""Which part of one schema is which of the other: by name, by what a reference or the user says, by evidence.

A renamed part is paired on evidence alone and says which: the same word with other capitals or underscores, the only
foreign key to the same table, a name that is a part of the other's where type and NULL agree and no second one fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from inboxbench.errors import UsageError, unknown
from inboxbench.schema.model import Column, Mapped, Schema, Table

T = TypeVar("T")
_ALIKE = 0.6  # share of columns that two tables of different names have in common to be one that was renamed
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """The same part on both sides. how: why two of different names are taken for one; empty where the names agree."""

    a: T
    b: T
    how: str = ""


@dataclass(frozen=True, slots=True)
class Renames:
    """What the user says of names: `orders=purchases` for tables, `orders.total=purchases.amount` for columns. exact:
    pair by name alone otherwise."""

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    exact: bool = False

    @classmethod
    def read(cls, texts: Iterable[str], *, exact: bool = False) -> Renames:
        """Raises UsageError for a text that is neither A=B nor A.COLUMN=B.COLUMN."""
        tables: dict[str, str] = {}
        columns: dict[tuple[str, str], str] = {}
        for text in texts:
            a, equals, b = text.partition("=")
            if not (equals and a.strip() and b.strip()):
                raise UsageError(f"--rename {text!r}: write OLD=NEW for tables, TABLE.OLD=TABLE.NEW for columns")
            tables[a.strip()] = b.strip()
            table, dot, column = a.strip().rpartition(".")
            if dot:
                columns[table, column] = b.strip().rpartition(".")[2]
        return cls(tables, columns, exact)

    def check(self, a: Schema) -> None:
        """Raises UsageError for a rename of what the first side does not have."""
        tables = {table.shown: {column.name for column in table.columns} for table in a.tables}
        known = [*tables, *(f"{table}.{column}" for table, columns in tables.items() for column in columns)]
        for name in self.tables:
            if name not in known:
                raise unknown("table or column", name, known, where="--rename")


def pair_tables(a: Schema, b: Schema, renames: Renames) -> tuple[list[Pair[Table]], list[Table], list[Table]]:
    """Return the pairs in the order of the first side, and what only one of the sides has."""
    matcher = _Matcher(a.tables, b.tables, lambda table: table.full_name)
    matcher.by(lambda x, y: renames.tables.get(x.shown) == y.shown, "--rename")
    matcher.by(lambda x, y: x.full_name == y.full_name)
    matcher.by(lambda x, y: x.name == y.name, "the same name in another schema", alone=True)
    for said, of_a in ((a.mapped, True), (b.mapped, False)):
        matcher.by(partial(_mapped, said, of_a=of_a), "by the reference")
    if not renames.exact:
        matcher.by(lambda x, y: _plain(x.name) == _plain(y.name), "the same word", alone=True)
        matcher.best(_likeness, _ALIKE)
    return matcher.results()


def pair_columns(
    pair: Pair[Table], mapped: tuple[Mapped | None, Mapped | None], tables: Mapping[str, str], renames: Renames
) -> tuple[list[Pair[Column]], list[Column], list[Column]]:
    """Return the pairs of the columns of two tables, and what only one of them has.

    mapped: what a reference says, on either side. tables: by full name of a table of the first side, the other one.
    """
    matcher = _Matcher(pair.a.columns, pair.b.columns, lambda column: column.name)
    matcher.by(lambda x, y: renames.columns.get((pair.a.shown, x.name)) == y.name, "--rename")

    def by_reference(x: Column, y: Column) -> bool:
        of_a, of_b = mapped
        return bool((of_a and of_a.columns.get(x.name) == y.name) or (of_b and of_b.columns.get(y.name) == x.name))

    if pair.how:  # tables of other names: there what the reference says goes before what columns are called
        matcher.by(by_reference, "by the reference")
    matcher.by(lambda x, y: x.name == y.name)
    matcher.by(by_reference, "by the reference")
    if not renames.exact:
        matcher.by(lambda x, y: _plain(x.name) == _plain(y.name), "the same word", alone=True)
        targets = _targets(pair.a), _targets(pair.b)

        def same_key(x: Column, y: Column) -> bool:
            aim = targets[0].get(x.name)
            return aim is not None and tables.get(aim) == targets[1].get(y.name)

        matcher.by(same_key, "the only other foreign key to the same table", alone=True)
        matcher.by(_part_of_name, "one name is a part of the other", alone=True)
    return matcher.results()


def _mapped(said: Mapping[str, Mapped], x: Table, y: Table, *, of_a: bool) -> bool:
    theirs, ours = (x, y) if of_a else (y, x)
    entry = said.get(theirs.name)
    return entry is not None and entry.table in (ours.name, ours.full_name)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _likeness(x: Table, y: Table) -> float:
    """The share of columns that two tables have in common, by name and type."""
    if min(len(x.columns), len(y.columns)) < _FEWEST:
        return 0.0
    of_x, of_y = ({(_plain(column.name), _family(column.type)) for column in table.columns} for table in (x, y))
    return len(of_x & of_y) / len(of_x | of_y)


def _family(kind: str) -> str:
    """The type without its length and time zone, integers and texts being one each."""
    base = re.sub(r"\s*\(.*?\)", "", kind).replace(" without time zone", "").replace(" with time zone", "")
    if base in ("integer", "bigint", "smallint"):
        return "integer"
    return "text" if base in ("character varying", "text", "character", "citext") else base


def _targets(table: Table) -> dict[str, str]:
    """The table that each column of a foreign key of one column leads to."""
    keys = (key for key in table.constraints if key.kind == "foreign key" and len(key.columns) == 1)
    return {key.columns[0]: key.target for key in keys}


def _part_of_name(x: Column, y: Column) -> bool:
    words_x, words_y = set(_words(x.name)), set(_words(y.name))
    shorter = min(words_x, words_y, key=len)
    alike = (words_x < words_y or words_y < words_x) and shorter != {"id"}
    return alike and _family(x.type) == _family(y.type) and x.nullable == y.nullable


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[^\W_A-Z]+|[A-Z]+(?![a-z])", name)]


class _Matcher(Generic[T]):
    """Pairs what is left of two lists, one rule after the other."""

    def __init__(self, a: Sequence[T], b: Sequence[T], name: Callable[[T], str]) -> None:
        self._a, self._b = list(a), list(b)
        self._order = {name(item): place for place, item in enumerate(a)}
        self._name = name
        self._pairs: list[Pair[T]] = []

    def by(self, same: Callable[[T, T], bool], how: str = "", *, alone: bool = False) -> None:
        """Pair what is the same by a rule. alone: only where neither side has a second one that fits."""
        for x in list(self._a):
            fits = [y for y in self._b if same(x, y)]
            if not fits or (alone and (len(fits) > 1 or sum(same(other, fits[0]) for other in self._a) > 1)):
                continue
            self._take(x, fits[0], how)

    def best(self, likeness: Callable[[T, T], float], least: float) -> None:
        """Pair those that are most alike, the best first."""
        ranked = [(likeness(x, y), x, y) for x in self._a for y in self._b]
        for share, x, y in sorted(ranked, key=lambda entry: -entry[0]):
            if share >= least and x in self._a and y in self._b:
                self._take(x, y, f"{share:.0%} of the columns are the same")

    def results(self) -> tuple[list[Pair[T]], list[T], list[T]]:
        """Return the pairs in the order of the first list, and what is left of each."""
        pairs = sorted(self._pairs, key=lambda pair: self._order[self._name(pair.a)])
        return pairs, self._a, self._b

    def _take(self, x: T, y: T, how: str) -> None:
        self._pairs.append(Pair(x, y, how))
        self._a.remove(x)
        self._b.remove(y)

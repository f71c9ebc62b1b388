"""The catalogue of index sets: `schema/indexes.toml`, or a file of one's own, read, checked and composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.bench.sets.members import HIGHEST_TARGET, Members, Statistics, is_column
from inboxbench.documents import check_table, parse_toml
from inboxbench.errors import UsageError, kind_of, unknown
from inboxbench.files import read_text
from inboxbench.project import Loose, Project

Named = TypeVar("Named", Index, Statistics)

# The set of indexes that a database has, which a set may extend and a command may name.
CURRENT = "current"
_DEEPEST = 50  # sets that extend each other
_INDEX_KEYS = {"definition": str, "serves": list, "why": str, "ids": list, "needs": list, "unique": bool}
_STATISTICS_KEYS = {"definition": str, "why": str}
_VALUES = ("targets", "settings")  # tables whose values are not strings alone
_SET_KEYS = {
    **{"title": str, "why": str, "extends": list, "without": list, "indexes": list, "default": bool},
    **{"drops": list, "statistics": list, "queries": dict},
}


def _index(path: Path, name: str, raw: object) -> Index:
    table = check_table(raw, _INDEX_KEYS, f"{path} [index.{name}]")
    if not table.get("definition", "").strip():
        raise UsageError(f'{path} [index.{name}] definition: missing; write it as "table (column, …)"')
    return Index(
        name=name,
        definition=table["definition"],
        serves=tuple(table.get("serves", ())),
        why=table.get("why", ""),
        ids=tuple(table.get("ids", ())),
        needs=tuple(table.get("needs", ())),
        unique=table.get("unique", False),
    )


def _statistics(path: Path, name: str, raw: object) -> Statistics:
    table = check_table(raw, _STATISTICS_KEYS, f"{path} [statistics.{name}]")
    if not table.get("definition", "").strip():
        raise UsageError(
            f'{path} [statistics.{name}] definition: missing; write it as "(dependencies) ON column, column FROM table"'
        )
    return Statistics(name, table["definition"], table.get("why", ""))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Holds what `indexes.toml` says: every index, every set with its parents resolved."""

    path: Path
    indexes: Mapping[str, Index]
    sets: Mapping[str, IndexSet]

    def choose(self, names: Sequence[str] | None = None) -> tuple[IndexSet, ...]:
        """Return the named sets, or the default ones. Raises UsageError with the nearest known name."""
        if names is None:
            return tuple(index_set for index_set in self.sets.values() if index_set.default)
        for name in names:
            if name not in self.sets:
                raise unknown("index set", name, (*self.sets, CURRENT), where=str(self.path))
        return tuple(self.sets[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Composes the sets of a file out of its tables by name."""

    path: Path
    indexes: Mapping[str, Index]
    statistics: Mapping[str, Statistics]
    sets: Mapping[str, Mapping[str, Any]]

    def composed(self, name: str) -> IndexSet:
        """Return a set with all that its parents have. Raises UsageError for a circle or an unknown name."""
        table, where = self.sets[name], f"{self.path} [set.{name}]"
        names = self._names(name)
        family = [self._members(parent) for parent in self._family(name)]
        statistics = {made.name: made for members in family for made in members.statistics}
        members = Members(
            on_current=any(members.on_current for members in family),
            drops=tuple(dict.fromkeys(drop for members in family for drop in members.drops)),
            statistics=tuple(statistics.values()),
            targets={column: target for members in family for column, target in members.targets.items()},
            settings={key: value for members in family for key, value in members.settings.items()},
            queries={query: file for members in family for query, file in members.queries.items()},
        )
        return IndexSet(
            name=name,
            title=table.get("title", name),
            why=table.get("why", ""),
            indexes=self._every(names, self.indexes, "index", f"{where} indexes"),
            default=table.get("default", True),
            members=members,
        )

    def _members(self, name: str) -> Members:
        table, where = self.sets[name], f"{self.path} [set.{name}]"
        folder = self.path.parent
        return Members(
            on_current=self._is_current_of(name) or bool(table.get("drops")),
            drops=tuple(table.get("drops", ())),
            statistics=self._every(table.get("statistics", ()), self.statistics, "statistics", f"{where} statistics"),
            targets=_targets(table.get("targets", {}), where),
            settings=_settings(table.get("settings", {}), where),
            queries={query: str(folder / file) for query, file in table.get("queries", {}).items()},
        )

    def _is_current_of(self, name: str) -> bool:
        return CURRENT not in self.sets and CURRENT in self.sets[name].get("extends", ())

    def _family(self, name: str, trail: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the set's name after those of all that it extends."""
        if name in trail:
            circle = " → ".join((*trail, name))
            raise UsageError(f"{self.path} [set.{name}] extends: goes round in a circle: {circle}")
        if len(trail) > _DEEPEST:
            raise UsageError(
                f"{self.path} [set.{name}] extends: more than {_DEEPEST} sets in a row; name their indexes"
            )
        family: list[str] = []
        for parent in self._parents(name):
            family += self._family(parent, (*trail, name))
        return tuple(dict.fromkeys([*family, name]))

    def _parents(self, name: str) -> list[str]:
        parents = [parent for parent in self.sets[name].get("extends", ()) if parent in self.sets or parent != CURRENT]
        for parent in parents:
            if parent not in self.sets:
                known = [*self.sets, CURRENT]
                raise unknown("index set", parent, known, where=f"{self.path} [set.{name}] extends")
        return parents

    def _names(self, name: str) -> tuple[str, ...]:
        """Return names of the indexes of a set, its parents' first."""
        self._family(name)
        names: list[str] = []
        for parent in self._parents(name):
            names += self._names(parent)
        for left_out in self.sets[name].get("without", ()):
            if left_out not in names:
                where = f"{self.path} [set.{name}] without"
                raise UsageError(f"{where}: {left_out!r} is in none of the sets it extends{self._hint(name)}")
            names = [kept for kept in names if kept != left_out]
        return tuple(dict.fromkeys([*names, *self.sets[name].get("indexes", ())]))

    def _hint(self, name: str) -> str:
        return "; what the database has goes by `drops`" if self._is_current_of(name) else ""

    @staticmethod
    def _every(names: Sequence[str], known: Mapping[str, Named], kind: str, where: str) -> tuple[Named, ...]:
        for name in names:
            if name not in known:
                raise unknown(kind, name, known, where=where)
        return tuple(known[name] for name in names)


def _targets(raw: object, where: str) -> dict[str, int]:
    table = check_table(raw, None, f"{where} targets")
    for column, target in table.items():
        if not is_column(column):
            raise UsageError(f'{where} targets: {column!r} is no column; write it as "table.column" = 1000')
        if not isinstance(target, int) or isinstance(target, bool) or not -1 <= target <= HIGHEST_TARGET:
            raise UsageError(f"{where} targets: {column}: give a whole number from 0 to {HIGHEST_TARGET:,}")
    return table


def _settings(raw: object, where: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for name, value in check_table(raw, None, f"{where} settings").items():
        if isinstance(value, bool):
            settings[name] = "on" if value else "off"
        elif isinstance(value, str | int | float):
            settings[name] = str(value)
        else:
            raise UsageError(
                f'{where} settings: {name}: expected a value such as 1.1 or "64MB", found {kind_of(value)}'
            )
    return settings


def parse_catalogue(path: Path, text: str) -> Catalogue:
    """Raises UsageError naming file, table and key."""
    document = parse_toml(text, str(path))
    kinds = ("index", "set", "statistics")
    for key in document:
        if key not in kinds:
            raise unknown("table", key, kinds, where=str(path))
    tables = {kind: check_table(document.get(kind, {}), None, f"{path} [{kind}]") for kind in kinds}
    sets = {name: _checked_set(raw, f"{path} [set.{name}]") for name, raw in tables["set"].items()}
    if not sets:
        raise UsageError(f"{path}: there is no [set.…] to measure")
    reader = _Reader(
        path,
        {name: _index(path, name, raw) for name, raw in tables["index"].items()},
        {name: _statistics(path, name, raw) for name, raw in tables["statistics"].items()},
        sets,
    )
    return Catalogue(path, reader.indexes, {name: reader.composed(name) for name in sets})


def _checked_set(raw: object, where: str) -> dict[str, Any]:
    """Return the table of a set whose keys are known; _VALUES are checked where they are read."""
    if not isinstance(raw, dict):
        return check_table(raw, _SET_KEYS, where)
    values = {key: raw[key] for key in _VALUES if key in raw}
    return check_table({key: value for key, value in raw.items() if key not in values}, _SET_KEYS, where) | values


def project_catalogue(project: Project) -> Catalogue:
    """Return the project's catalogue; questions of one's own may have none, and then there is no set in it."""
    if isinstance(project, Loose) and not project.indexes.is_file():
        return Catalogue(project.indexes, {}, {})
    return read_catalogue(project.indexes)


def read_catalogue(path: Path) -> Catalogue:
    return parse_catalogue(path, read_text(path))

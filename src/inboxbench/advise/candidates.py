"""Makes candidates of what queries ask for: btrees by equality, range, order, groups and joins, covering and partial
ones, and inverted, block range and text indexes where a condition wants one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inboxbench.advise.model import Candidate, Condition, Need
from inboxbench.advise.tables import ColumnFacts, Facts, TableFacts
from inboxbench.workload.columns import spelled

_FEW_PAGES = 2  # a table of so few is read whole for as much
_MOST_KEYS = 5
_MOST_INCLUDED = 6
_WIDEST_ENTRY = 200  # bytes of a covering index's columns
_BRIN_PAGES = 1000
_CORRELATED = 0.9
_ENTRY = 12  # bytes of an entry's own
_TRGM, _BTREE_GIN = "pg_trgm", "btree_gin"
_SPAN_TYPES = frozenset({"int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"})

Asked = Mapping[str, Sequence[Need]]


@dataclass(slots=True)
class Collected:
    """Candidates by what they are; the same one asked for twice is one, with all the queries that ask."""

    found: dict[tuple[object, ...], Candidate] = field(default_factory=dict)

    def take(self, candidate: Candidate) -> None:
        """Keep a candidate, or note who else asks for one that is there."""
        known = self.found.get(candidate.identity)
        self.found[candidate.identity] = known.asked(*candidate.asked_by) if known else candidate


def candidates_of(asked: Asked, facts: Facts) -> list[Candidate]:
    """Return the candidates for the needs of queries, by the queries' names, in an order that repeats."""
    uses = _uses(asked, facts)
    collected = Collected()
    for query, needs in asked.items():
        for need in needs:
            table = facts.table(spelled(need.relation))
            if table is not None and table.pages > _FEW_PAGES:
                for candidate in _Maker(need, table, facts, uses).all():
                    collected.take(candidate.asked(query))
        for candidate in _over_columns(needs, facts):
            collected.take(candidate.asked(query))
    return list(collected.found.values())


def _uses(asked: Asked, facts: Facts) -> Counter[tuple[str, str]]:
    """Count the queries that compare an expression of a table for equality."""
    uses: Counter[tuple[str, str]] = Counter()
    for needs in asked.values():
        seen = set()
        for need in needs:
            table = facts.table(spelled(need.relation))
            if table is not None:
                seen |= {(table.name, condition.expression) for condition in need.of("equal", "join", "null")}
        uses.update(seen)
    return uses


@dataclass(frozen=True, slots=True)
class _Maker:
    need: Need
    table: TableFacts
    facts: Facts
    uses: Counter[tuple[str, str]]

    def all(self) -> Iterator[Candidate]:
        yield from self._btrees()
        for condition in self.need.of("pattern", "search", "contains"):
            yield from inverted(condition, self.table, self.facts.extensions)
        for condition in self.need.of("range"):
            column = self.table.column(condition.expression)
            if column and abs(column.correlation) >= _CORRELATED and self.table.pages >= _BRIN_PAGES:
                yield self._candidate([column.name], "range of a column in whose order the rows lie", method="brin")

    def _btrees(self) -> Iterator[Candidate]:
        need = self.need
        equal = self._sortable([condition.expression for condition in need.of("equal", "null")])
        joins = self._sortable([condition.expression for condition in need.of("join")])
        ranges = self._sortable([condition.expression for condition in need.of("range")])
        tails = self._tails(ranges)
        for prefix in [equal, *([join, *equal] for join in joins), *([joins + equal] if len(joins) > 1 else [])]:
            for ordered in self._permuted(prefix):
                for tail, reason in tails:
                    keys = self._keys([*ordered, *tail])
                    if keys and (prefix or need.limited or reason != "order"):
                        yield from self._shapes(keys, _reason(ordered, reason))
        for single in dict.fromkeys([*equal, *joins, *ranges]):
            yield from self._plain(self._keys([single]), "one condition")

    def _tails(self, ranges: Sequence[str]) -> list[tuple[list[str], str]]:
        """Return what may follow the keys of equality, and why."""
        tails: list[tuple[list[str], str]] = [([], "")]
        tails += [([expression], "range") for expression in ranges[:3]]
        if len(ranges) > 1:
            tails.append((list(ranges[:2]), "range"))
        if self.need.order and all(self._fits(key.expression) for key in self.need.order):
            same = len({key.suffix for key in self.need.order}) == 1 and "NULLS" not in self.need.order[0].suffix
            order = [self._spelled(key.expression) + ("" if same else key.suffix) for key in self.need.order]
            tails.append((order, "order"))
            tails += [([expression, *order], "range and order") for expression in ranges[:1] if expression not in order]
        groups = self._sortable(self.need.group)
        if groups and len(groups) == len(self.need.group):
            tails.append((groups, "groups"))
        return tails

    def _permuted(self, prefix: Sequence[str]) -> list[list[str]]:
        """Return the columns of equality with those first that most queries compare, and with the most selective."""
        by_use = sorted(prefix, key=lambda key: (-self.uses[self.table.name, key], -self._distinct(key)))
        selective = sorted(prefix, key=lambda key: -self._distinct(key))
        return [by_use] if by_use == selective else [by_use, selective]

    def _shapes(self, keys: Sequence[str], reason: str) -> Iterator[Candidate]:
        """Yield the index itself, limited to the constants of the query, and with the columns that it selects."""
        yield from self._plain(keys, reason)
        limits = [part for part in self.need.conditions if part.predicate and part.kind in ("equal", "null", "given")]
        own = {self._spelled(part.expression) for part in limits}
        left = [key for key in keys if key.partition(" ")[0] not in own and key not in own]
        shorter = left or list(keys)
        where = " AND ".join(dict.fromkeys(part.predicate for part in limits))
        if limits:
            yield self._candidate(shorter, f"{reason}, limited to the query's constants", where=where)
        include = self._included(keys)
        if include:
            yield self._candidate(keys, f"{reason}, with what the query reads", include=include)
            if limits:
                rest = self._included([*shorter, *own])
                yield self._candidate(
                    shorter, f"{reason}, limited and with what the query reads", include=rest, where=where
                )

    def _plain(self, keys: Sequence[str], reason: str) -> Iterator[Candidate]:
        if keys and not self._by_rule(keys):
            yield self._candidate(keys, reason)

    def _by_rule(self, keys: Sequence[str]) -> bool:
        """Return whether a unique index begins with these keys, or they go on where one already says which row."""
        for rule in self.table.rules:
            shorter = min(len(rule), len(keys))
            if list(rule[:shorter]) == list(keys[:shorter]):
                return True
        return False

    def _included(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the further columns that the query reads; nothing where those are many, wide, boundless or all."""
        if not self.need.columns:
            return ()
        columns = [self.table.columns[name] for name in sorted(self.need.columns) if name in self.table.columns]
        rest = [column for column in columns if column.name not in keys]
        if not all(column.bounded for column in rest):
            return ()
        if len(rest) > _MOST_INCLUDED or sum(column.width for column in columns) > _WIDEST_ENTRY:
            return ()
        return tuple(column.name for column in rest)

    def _candidate(
        self, keys: Sequence[str], reason: str, *, include: Sequence[str] = (), where: str = "", method: str = "btree"
    ) -> Candidate:
        width = _ENTRY + sum(self._width(key) for key in (*keys, *include))
        return Candidate(self.table.name, tuple(keys), method, tuple(include), where, reason=reason, width=width)

    def _sortable(self, expressions: Iterable[str]) -> list[str]:
        return [self._spelled(each) for each in dict.fromkeys(expressions) if each and self._fits(each)]

    def _fits(self, expression: str) -> bool:
        column = self.table.column(expression)
        return column.sortable if column else "(" in expression or "->>" in expression

    def _spelled(self, expression: str) -> str:
        return expression if self.table.column(expression) else f"({expression})"

    def _keys(self, keys: Sequence[str]) -> list[str]:
        bare: dict[str, str] = {}
        for key in keys:
            bare.setdefault(key.removesuffix(" NULLS FIRST").removesuffix(" NULLS LAST").removesuffix(" DESC"), key)
        return list(bare.values())[:_MOST_KEYS]

    def _distinct(self, key: str) -> float:
        column = self.table.column(key)
        return column.distinct if column else self.table.rows / 2

    def _width(self, key: str) -> int:
        column = self.table.column(key.partition(" ")[0])
        return column.width if column else 16


def _reason(prefix: Sequence[str], tail: str) -> str:
    return " and ".join(part for part in ("equality" if prefix else "", tail) if part) or "one condition"


def inverted(condition: Condition, table: TableFacts, extensions: frozenset[str]) -> Iterator[Candidate]:
    """Yield the indexes that answer a search in text, a document, a list or a span."""
    column = table.column(condition.expression)
    key = condition.expression if column else f"({condition.expression})"
    kind = column.kind if column else ""
    if condition.kind == "search":
        yield _gin(table, key, "search in words", column)
    elif condition.kind == "contains" and kind in _SPAN_TYPES:
        yield Candidate(table.name, (key,), "gist", reason="search in spans", width=40)
    elif condition.kind == "contains":
        yield _gin(table, key, "search in a list or a document", column)
        if kind == "jsonb" and condition.operator == "@>":
            yield _gin(table, f"{key} jsonb_path_ops", "search in a document", column)
    elif condition.kind == "pattern":
        if condition.operator in ("~~", "^@") and not condition.pattern.startswith(("%", "_")):
            yield Candidate(table.name, (f"{key} text_pattern_ops",), reason="beginning of a text", width=40)
        if _TRGM in extensions:
            yield _trigrams(table, [key])


def _gin(table: TableFacts, key: str, reason: str, column: ColumnFacts | None) -> Candidate:
    return Candidate(table.name, (key,), "gin", reason=reason, width=column.width if column else 100)


def _trigrams(table: TableFacts, keys: Sequence[str]) -> Candidate:
    keys = [f"{key} gin_trgm_ops" for key in keys]
    return Candidate(
        table.name, tuple(keys), "gin", needs=(_TRGM,), reason="search within a text", width=100 * len(keys)
    )


def _over_columns(needs: Sequence[Need], facts: Facts) -> Iterator[Candidate]:
    """Yield one inverted index of all columns of a table that a query searches in, alternatives of an OR among them,
    and one that begins with what the query compares for equality."""
    if _TRGM not in facts.extensions:
        return
    by_table: dict[str, list[Condition]] = {}
    for need in needs:
        by_table.setdefault(spelled(need.relation), []).extend(need.conditions)
    for name, conditions in by_table.items():
        table = facts.table(name)
        if table is None or table.pages <= _FEW_PAGES:
            continue
        keys = [part.expression for part in conditions if part.kind == "pattern"]
        keys = [key if table.column(key) else f"({key})" for key in dict.fromkeys(keys)]
        if len(keys) > 1:
            yield _trigrams(table, keys)
        equal = [part.expression for part in conditions if part.kind == "equal" and table.column(part.expression)]
        words = [f"({part.expression})" for part in conditions if part.kind == "search" and "(" in part.expression]
        searched = [*(f"{key} gin_trgm_ops" for key in keys), *dict.fromkeys(words)]
        if equal and searched and _BTREE_GIN in facts.extensions:
            both = (equal[0], *searched)
            yield Candidate(table.name, both, "gin", needs=(_TRGM, _BTREE_GIN), reason="search within one of many",
                            width=100)  # fmt: skip

"""Candidates that no query's text asks for: the planner's own filters and the indexes that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import postgast
from google.protobuf.message import DecodeError
from postgast import pg_query_pb2 as pb

from inboxbench.advise.candidates import Collected
from inboxbench.advise.model import Candidate, Need
from inboxbench.advise.needs import needs_of
from inboxbench.advise.nodes import suffix_of
from inboxbench.advise.tables import Facts
from inboxbench.bench.sets.indexset import Index
from inboxbench.explain import Node
from inboxbench.sqltree.openings import text_of
from inboxbench.sqltree.tokens import quoted

_CONDITIONS = ("Filter", "Recheck Cond", "Index Cond")
_MOST_KEYS = 5


def needs_of_plan(root: Node, names: Mapping[str, str], facts: Facts) -> tuple[Need, ...]:
    """Return what the scans of a plan filter by: conditions that came out of views, policies and functions, too.

    names: of tables as SQL spells them, by the bare name that a plan has. Constants are values that were drawn.
    """
    needs: list[Need] = []
    for node in root.walk():
        name = names.get(node.relation or "")
        conditions = [str(node.fields[key]) for key in _CONDITIONS if key in node.fields]
        if name is None or not conditions:
            continue
        alias = quoted(str(node.fields.get("Alias", node.relation)))
        where = " AND ".join(f"({condition})" for condition in conditions)
        needs += needs_of(f"SELECT FROM {name} AS {alias} WHERE {where}", facts.columns, literal=False)
    return tuple(needs)


def existing_candidates(indexes: Iterable[Index], facts: Facts) -> list[Candidate]:
    """Return the indexes that the database has as candidates that are kept or dropped like any other."""
    found = []
    for index in indexes:
        table = facts.table(index.table)
        if table is not None:
            shape = read_definition(index.definition)
            keys, method, include, where = shape or ((index.definition,), "btree", (), "")
            reason = "the database has it"
            width = 8 * len(keys)
            found.append(Candidate(table.name, keys, method, include, where, (), (), reason, index, width))
    return found


def read_definition(definition: str) -> tuple[tuple[str, ...], str, tuple[str, ...], str] | None:
    """Return keys, method, included columns and predicate of what follows CREATE INDEX name ON; None of options that a
    candidate has no words for."""
    try:
        node = postgast.parse(f"CREATE INDEX ON {definition}").stmts[0].stmt.index_stmt
    except (postgast.PgQueryError, DecodeError):
        return None
    if node.options or node.nulls_not_distinct or node.table_space:
        return None
    keys = tuple(_key(item.index_elem) for item in node.index_params)
    include = tuple(quoted(item.index_elem.name) for item in node.index_including_params)
    where = text_of(node.where_clause) if node.HasField("where_clause") else ""
    return keys, node.access_method or "btree", include, where


def _key(element: Any) -> str:
    name = quoted(element.name) if element.name else f"({text_of(element.expr)})"
    classes = " ".join(item.string.sval for item in element.opclass)
    order = pb.SortBy(sortby_dir=element.ordering, sortby_nulls=element.nulls_ordering)
    return f"{name} {classes}".rstrip() + suffix_of(order)


def merged(known: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield what lies between indexes that there are: one in place of two that begin alike, and each without its last
    key."""
    plain = [each for each in known if each.method == "btree" and each.keys != (each.definition,)]
    for first in plain:
        if len(first.keys) > 1:
            reason = f"{first.name} without its last key"
            yield Candidate(first.table, first.keys[:-1], where=first.where, reason=reason, width=first.width)
        for other in plain:
            together = tuple(dict.fromkeys((*first.keys, *other.keys)))
            if first is other or first.table != other.table or first.where != other.where:
                continue
            if first.keys[0] == other.keys[0] and together not in (first.keys, other.keys):
                yield Candidate(first.table, together[:_MOST_KEYS], where=first.where,
                                reason=f"{first.name} and {other.name} in one", width=first.width + 8)  # fmt: skip


def with_existing(candidates: Iterable[Candidate], known: Sequence[Candidate], facts: Facts) -> list[Candidate]:
    """Return the candidates, those that the database has first and under their own names, each with a name of its
    own."""
    collected = Collected()
    for candidate in (*known, *candidates):
        collected.take(candidate)
    taken = facts.taken_names() - {candidate.name for candidate in known}
    found = []
    for candidate in collected.found.values():
        label = candidate.with_digest(candidate.name.removesuffix("_idx")) if candidate.name in taken else ""
        found.append(replace(candidate, label=label))
        taken |= {found[-1].name}
    return found

"""Whether two indexes are the same, and whether one serves the reads of another that it is not equal to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inboxbench.schema.model import Index, Key
from inboxbench.sqltree import tokens
from inboxbench.sqltree.expressions import normal

_ORDERED = "btree"


@dataclass(frozen=True, slots=True)
class Form:
    """An index in names that both sides share. columns: the terms of its keys; order: of each, whether it is descending
    and has its NULLs first; classes: opclass, collation and operator of each."""

    method: str
    columns: tuple[str, ...]
    order: tuple[tuple[bool, bool], ...]
    classes: tuple[tuple[str | None, str | None, str | None], ...]
    include: tuple[str, ...]
    unique: bool
    nulls_equal: bool
    where: str
    valid: bool

    @property
    def reversed_order(self) -> tuple[tuple[bool, bool], ...]:
        """The order in which a backward scan gives the rows."""
        return tuple((not descending, not nulls_first) for descending, nulls_first in self.order)

    def shape(self) -> tuple[object, ...]:
        """All that decides which reads the index serves, and how."""
        return self.method, self.columns, self.order, self.classes, self.include, self.where


def form_of(index: Index, names: Mapping[str, str]) -> Form:
    """Return an index under shared names. names: what a column is called on the other side."""
    return Form(
        index.method,
        tuple(_term(key, names) for key in index.keys),
        tuple((key.descending, key.nulls_first) for key in index.keys),
        tuple((key.opclass, key.collation, key.operator) for key in index.keys),
        tuple(sorted(names.get(column, column) for column in index.include)),
        index.unique,
        index.nulls_equal,
        normal(index.where, names) if index.where else "",
        index.valid,
    )


def _term(key: Key, names: Mapping[str, str]) -> str:
    return names.get(key.term, key.term) if key.is_column else normal(key.term, names)


def differences(x: Form, y: Form) -> list[str]:
    """Return in what two indexes with the same keys are not the same, seen from the first: `unique here` is the first.

    Nothing for indexes that are equal but for their names.
    """
    said = []
    if x.unique != y.unique:
        said.append("unique in A alone" if x.unique else "unique in B alone")
    if x.order != y.order:
        said.append("the other way round" if x.order == y.reversed_order else "another order of a key")
    if x.classes != y.classes:
        said.append("another operator class or collation")
    if x.where != y.where:
        said.append("other rows (WHERE)" if x.where and y.where else f"only some rows in {'A' if x.where else 'B'}")
    if x.include != y.include:
        said.append("another INCLUDE")
    if x.nulls_equal != y.nulls_equal:
        said.append(f"NULLs are equal in {'A' if x.nulls_equal else 'B'} alone")
    if x.valid != y.valid:
        said.append(f"INVALID in {'B' if x.valid else 'A'}")
    return said


def serves(y: Form, x: Form) -> str | None:
    """Return how index y serves the reads that x is there for, though it is not equal; None where it does not."""
    rows = _rows(y, x)
    if rows is None or not y.valid:
        return None
    keys = _ordered_keys(y, x) if x.method in (_ORDERED, "hash") and y.method == _ORDERED else _set_of_keys(y, x)
    if keys is None:
        return None
    lost = "" if set(x.include) <= {*y.include, *y.columns} else "without what the other one includes"
    return ", ".join(part for part in (keys, rows, lost) if part)


def _rows(y: Form, x: Form) -> str | None:
    """What of the table y holds, compared with x; None where x's rows are not all in it."""
    if y.where == x.where:
        return ""
    if not y.where:
        return "over all rows"
    present = {normal(f"{tokens.quoted(column)} IS NOT NULL") for column in {*y.columns} & {*x.columns}}
    return "only rows that have a value" if y.where in present else None


def _ordered_keys(y: Form, x: Form) -> str | None:
    count = len(x.columns)
    if y.columns[:count] == x.columns and y.classes[:count] == _plain_classes(x):
        if x.method == "hash" or x.order in (y.order[:count], y.reversed_order[:count]):
            more = len(y.columns) > count
            return "its first columns" if more else ("read backwards" if x.order != y.order else "the same columns")
        return "the same columns, for equality but not for their order"
    if count > 1 and set(y.columns[:count]) == set(x.columns) and len(y.columns) >= count:
        return "the same columns in another order: alike where all are given"
    return None


def _plain_classes(x: Form) -> tuple[tuple[str | None, str | None, str | None], ...]:
    return tuple((None, None, None) for _ in x.columns) if x.method == "hash" else x.classes


def _set_of_keys(y: Form, x: Form) -> str | None:
    """GIN, GiST, BRIN and the like serve each of their keys, wherever it stands."""
    if y.method != x.method:
        return None
    of_x, of_y = (set(zip(form.columns, form.classes, strict=True)) for form in (x, y))
    return ("the same keys" if of_x == of_y else "among its keys") if of_x <= of_y else None

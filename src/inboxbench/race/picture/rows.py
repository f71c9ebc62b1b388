"""Rows as a reader sees them: a few, with the columns that matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Values = Sequence[Sequence[str | None]]

_ROWS, _COLUMNS, _LONGEST = 3, 4, 24


def short(text: str, limit: int = _LONGEST) -> str:
    """Cut a long text in the middle.

    >>> short("abcdefghij", 5)
    'ab…ij'
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


def value_text(value: Any) -> str:
    """Return a value as it is shown: NULL, a short text."""
    if value is None:
        return "NULL"
    return short(str(value).lower() if isinstance(value, bool) else " ".join(str(value).split()))


def _row(columns: Sequence[str], row: Sequence[Any], changed: Collection[str]) -> str:
    """Return `name=value` for the key and the columns that a schedule changes, else for the first ones."""
    if len(columns) == 1 and columns[0] == "?column?":
        return value_text(row[0])
    places = range(len(columns))
    wanted = [place for place in places if columns[place] in changed or columns[place] == "id"]
    wanted = (wanted or list(places))[:_COLUMNS] if len(columns) > _COLUMNS else list(places)
    more = ", …" if len(wanted) < len(columns) else ""
    return ", ".join(f"{columns[place]}={value_text(row[place])}" for place in wanted) + more


def rows_text(columns: Sequence[str], values: Values, changed: Collection[str]) -> tuple[str, ...]:
    """Return a line a row, for the first ones; `no row` for none.

    >>> rows_text(["id", "name"], [("1", "a"), ("2", None)], ())
    ('id=1, name=a', 'id=2, name=NULL')
    """
    if not values:
        return ("no row",)
    lines = [_row(columns, row, changed) for row in values[:_ROWS]]
    more = len(values) - len(lines)
    return (*lines, f"and {more} more rows") if more else tuple(lines)


def same_rows(one: Values, other: Values, *, ordered: bool) -> bool:
    """Return whether two results are the same; where no order was asked for, in any order."""
    return list(one) == list(other) if ordered else Counter(map(tuple, one)) == Counter(map(tuple, other))


def difference(columns: Sequence[str], seen: Values, now: Values) -> tuple[str, str]:
    """Return what was seen and what is now, without the columns and rows that are the same.

    >>> difference(["id", "n"], [("1", "5")], [("1", "6")])
    ('n=5', 'n=6')
    """
    if len(seen) == len(now) == 1:
        changed = [place for place in range(len(columns)) if seen[0][place] != now[0][place]][:_COLUMNS]
        names = [columns[place] for place in changed]
        before, after = ([row[place] for place in changed] for row in (seen[0], now[0]))
        return _row(names, before, names), _row(names, after, names)
    gone = [row for row in seen if row not in now] if seen and now else list(seen)
    new = [row for row in now if row not in seen] if seen and now else list(now)
    texts = ["; ".join(rows_text(columns, rows, ())) for rows in (gone, new)]
    if seen and now:
        return f"{_count(seen)} ({texts[0]})" if gone else _count(
            seen
        ), f"{_count(now)} ({texts[1]})" if new else _count(now)
    return texts[0], texts[1]


def _count(values: Values) -> str:
    return f"{len(values)} row{'' if len(values) == 1 else 's'}"


def _different(change: Mapping[str, Any]) -> list[str]:
    before, after = change["before"], change["after"]
    return [name for name in after if before.get(name) != after[name]] if before and after else []


def changed_columns(changes: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the columns that any of the changes gave another value."""
    return frozenset(name for change in changes for name in _different(change))


def change_text(change: Mapping[str, Any]) -> str:
    """Return a row that was written. change: `table`, and the row `before` and `after`, None where there was none.

    >>> change_text({"table": "seats", "before": {"id": 1, "n": None}, "after": {"id": 1, "n": 2}})
    'seats id=1: n NULL → 2'
    """
    table, before, after = change["table"], change["before"], change["after"]
    if before and after:
        names = _different(change)
        key = f" id={value_text(after['id'])}" if "id" in after and "id" not in names else ""
        pairs = [f"{name} {value_text(before.get(name))} → {value_text(after[name])}" for name in names[:_COLUMNS]]
        return f"{table}{key}: {', '.join(pairs) or 'nothing else'}"
    row = after or before
    names = list(row)
    return f"{'new' if after else 'gone'} in {table}: {_row(names, [row[name] for name in names], ())}"

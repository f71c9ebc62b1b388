"""Draws that give a query's placeholders values from the data, one for each class of selectivity.

`common` takes the commonest combination of the columns that are compared for equality on one table and ranges without
end, `middle` that of middle rank and ranges over a tenth of the rows, `rare` the rarest and a hundredth; `absent` a
value that no row has. A draw is SQL: it holds no value of anybody's data, and a person can edit it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inboxbench.sqltree.parameters import Use, UseKind
from inboxbench.sqltree.tokens import inlined, placeholders
from inboxbench.workload.columns import Column, Tables

CLASSES = {
    "common": "the commonest values, ranges without end",
    "middle": "values of middle frequency, ranges over a tenth of the rows",
    "rare": "the rarest values, ranges over a hundredth of the rows",
    "absent": "a value that no row has",
}
_SHARES = {"common": 1.0, "middle": 0.1, "rare": 0.01, "absent": 0.01}
_ELEMENTS = 10  # of an array that a client sends
_LIMIT, _OFFSET = 20, 0
_WORDS_FROM = 20_000  # rows whose words are counted
# Values for what is a word or a size, and no data.
_WORDS: Mapping[UseKind, str] = {
    "limit": str(_LIMIT), "offset": str(_OFFSET),
    "unit": "'day'", "configuration": "'simple'", "format": "'YYYY-MM-DD'", "count": "2",
    "zone": "'UTC'",
}  # fmt: skip
# Values for what no column says, by type.
_DEFAULTS = {
    "boolean": "true",
    "text": "'a'",
    "character varying": "'a'",
    "character": "'a'",
    "bpchar": "'a'",
    "name": "'a'",
    "interval": "'1 day'",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "json": "'{}'",
    "jsonb": "'{}'",
    "bytea": "''",
    "date": "current_date",
    "timestamp without time zone": "date_trunc('day', localtimestamp)",
    "timestamp with time zone": "date_trunc('day', now())",
    "time without time zone": "'12:00'",
    "time with time zone": "'12:00+00'",
    "tsquery": "'a'",
    "inet": "'127.0.0.1'",
    "cidr": "'127.0.0.0/8'",
    "jsonpath": "'$'",
    "regclass": "'pg_class'",
}
_NEW = {
    "smallint": "(coalesce(max({0}), 0) + 1 + {1})",
    "integer": "(coalesce(max({0}), 0) + 1 + {1})",
    "bigint": "(coalesce(max({0}), 0) + 1 + {1})",
    "numeric": "(coalesce(max({0}), 0) + 1 + {1})",
    "double precision": "(coalesce(max({0}), 0) + 1 + {1})",
    "real": "(coalesce(max({0}), 0) + 1 + {1})",
    "date": "(coalesce(max({0}), current_date) + 1 + {1})",
    "timestamp without time zone": "(coalesce(max({0}), localtimestamp) + interval '1 day' * (1 + {1}))",
    "timestamp with time zone": "(coalesce(max({0}), now()) + interval '1 day' * (1 + {1}))",
    "uuid": "md5('inboxbench' || count(*) || '-' || {1})::uuid",
    "text": "left(md5('inboxbench' || count(*) || '-' || {1}), 12)",
    "character varying": "left(md5('inboxbench' || count(*) || '-' || {1}), 12)",
}


_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder: its name in the file, its type, what it is used for, and the column behind it (None: none)."""

    name: str
    kind: str
    use: Use | None = None
    column: Column | None = None

    @property
    def is_equality(self) -> bool:
        use = self.use
        return bool(use and self.column and use.kind == "compared" and use.operator == "=" and self._plain)

    @property
    def is_range(self) -> bool:
        use = self.use
        ordered = bool(use and use.kind == "compared" and use.operator in ("<", "<=", ">", ">="))
        return ordered and self.column is not None and self._plain

    @property
    def _plain(self) -> bool:
        """Return whether a value of the column's expression is a value of the placeholder."""
        assert self.use is not None
        return self.use.direct or self.kind == (self.column.kind if self.column else None)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws by class; constants: values for a query that none of its data decides; remarks: what is guessed."""

    draws: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def draws_for(slots: Sequence[Slot], tables: Tables, seen: Mapping[str, str]) -> Drawn:
    """Return the draws of a query. seen: values that are no data of anybody's, such as a LIMIT of the log, by name."""
    remarks = tuple(_remarks(slots, seen))
    if not any(slot.column for slot in slots):
        return Drawn({}, {slot.name: seen.get(slot.name) or _default(slot, tables) for slot in slots}, remarks)
    classes = ["common"]
    if any(slot.use and slot.use.kind != "assigned" and slot.column for slot in slots):
        classes = [name for name in CLASSES if name != "absent" or _can_be_absent(slots)]
    draws = {name: _Draw(slots, tables, seen, name).text() for name in classes}
    distinct = {text: name for name, text in reversed(draws.items())}
    return Drawn({name: text for name, text in draws.items() if distinct[text] == name}, {}, remarks)


def _remarks(slots: Sequence[Slot], seen: Mapping[str, str]) -> Iterator[str]:
    free = [slot.name for slot in slots if slot.column is None and slot.name not in seen
            and not (slot.use and slot.use.kind in _WORDS)]  # fmt: skip
    if free:
        yield f"no column says which values {', '.join(free)} can have: a usual one of the type stands there; edit it"


def _can_be_absent(slots: Sequence[Slot]) -> bool:
    return any(slot.is_equality and slot.column and slot.column.kind in _NEW for slot in slots)


@dataclass(slots=True)
class _Draw:
    """The SQL of one draw."""

    slots: Sequence[Slot]
    tables: Tables
    seen: Mapping[str, str]
    chosen: str

    def text(self) -> str:
        parts = list(self._picked())
        values = [f"{self._value(slot)}::{slot.kind} AS {slot.name}" for slot in self.slots]
        head = "WITH " + ",\n".join(sql for _, sql in parts) + "\n" if parts else ""
        names = [name for name, _ in parts if name.startswith("picked")]
        tail = "\nFROM " + ", ".join(names) if names else ""
        return head + "SELECT\n  " + ",\n  ".join(values) + tail + "\n"

    def _groups(self) -> dict[str, list[Slot]]:
        """Slots of columns compared for equality, by the table (as the query calls it) that they are in."""
        groups: dict[str, list[Slot]] = {}
        for slot in self.slots:
            if slot.is_equality and slot.column:
                groups.setdefault(slot.column.alias, []).append(slot)
        return groups

    def _picked(self) -> Iterator[tuple[str, str]]:
        """Yield a CTE for each table with columns compared for equality: the combination of the class."""
        for place, slots in enumerate(self._groups().values(), 1):
            name, column = f"picked_{place}", slots[0].column
            assert column is not None
            expressions = list(dict.fromkeys(self._expression(slot) for slot in slots))
            listed = ", ".join(f"{text} AS {name}_{n}" for n, text in enumerate(expressions, 1))
            known = " AND ".join(f"{text} IS NOT NULL" for text in expressions)
            groups = ", ".join(map(str, range(1, len(expressions) + 1)))
            inner = f"SELECT {listed}, count(*) AS {name}_n\n  FROM {column.table} AS {column.alias}\n  WHERE {known}"
            ties = ", ".join(f"{name}_{n}::text" for n in range(1, len(expressions) + 1))
            yield f"counted_{place}", f"counted_{place} AS (\n  {inner}\n  GROUP BY {groups})"
            order = self._order(f"{name}_n", ties, f"counted_{place}")
            yield name, f"{name} AS (\n  SELECT * FROM counted_{place}\n  ORDER BY {order})"

    def _order(self, count: str, ties: str, counted: str) -> str:
        if self.chosen == "middle":
            return f"{count} DESC, {ties}\n  OFFSET (SELECT count(*) / 2 FROM {counted}) LIMIT 1"
        way = "DESC" if self.chosen in ("common", "absent") else "ASC"
        return f"{count} {way}, {ties} LIMIT 1"

    def _expression(self, slot: Slot) -> str:
        """Return the column's side of a comparison, with the values that an earlier placeholder (a key) has."""
        assert slot.column is not None
        text = slot.column.expression
        used = placeholders(text)
        values = {
            str(number): f"({self._value(other)}::{other.kind})"
            for number, other in enumerate(self.slots, 1)
            if str(number) in used and other != slot
        }
        return inlined(text, values)

    def _value(self, slot: Slot) -> str:
        if slot.name in self.seen:
            return "'" + self.seen[slot.name].replace("'", "''") + "'"
        use, column = slot.use, slot.column
        if use is None or column is None or (use.kind == "pattern" and slot.kind in _NUMBERS):
            return _default(slot, self.tables)  # % of numbers is a remainder, and of text a likeness
        if slot.is_equality:
            return self._equal(slot)
        if slot.is_range:
            return self._bound(slot)
        by_kind = {"member": self._member, "pattern": self._word, "search": self._word, "contains": self._contained,
                   "element": self._element, "key": self._key, "assigned": self._assigned}  # fmt: skip
        found = by_kind.get(use.kind)
        return found(slot, column) if found else _default(slot, self.tables)

    def _equal(self, slot: Slot) -> str:
        for place, slots in enumerate(self._groups().values(), 1):
            if slot in slots:
                if self.chosen == "absent" and slot == self._first_new(slots):
                    assert slot.column is not None
                    return self._new(slot, slot.column)
                expressions = list(dict.fromkeys(self._expression(other) for other in slots))
                return f"picked_{place}.picked_{place}_{expressions.index(self._expression(slot)) + 1}"
        raise AssertionError(slot)

    @staticmethod
    def _first_new(slots: Sequence[Slot]) -> Slot | None:
        able = [slot for slot in slots if slot.column and slot.column.kind in _NEW]
        return next((slot for slot in able if slot.column and slot.column.unique), able[0] if able else None)

    def _new(self, slot: Slot, column: Column) -> str:
        row = slot.use.row if slot.use else 0
        value = _NEW[column.kind].format(self._expression(slot), row)
        return f"(SELECT {value} FROM {column.table} AS {column.alias})"

    def _rows(self, column: Column, *more: str) -> str:
        """FROM and WHERE of the rows that the class's combination of equal columns leaves."""
        conditions = list(more)
        for place, slots in enumerate(self._groups().values(), 1):
            if slots[0].column and slots[0].column.alias == column.alias and self.chosen != "absent":
                expressions = dict.fromkeys(self._expression(slot) for slot in slots)
                conditions += [f"{text} = picked_{place}_{n}" for n, text in enumerate(expressions, 1)]
        return f"{column.table} AS {column.alias}" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")

    def _bound(self, slot: Slot) -> str:
        use, column = slot.use, slot.column
        assert use is not None and column is not None  # noqa: PT018
        share, lower = _SHARES[self.chosen], use.operator in (">", ">=")
        between = {other.use.operator[0] for other in self.slots
                   if other.is_range and other.column == column and other.use}  # fmt: skip
        if len(between) > 1 and not lower:
            share = 1.0  # the upper end of a range with two; the lower one decides its length
        expression = self._expression(slot)
        quantile = round(1 - share if lower else share, 4)
        found = f"percentile_disc({quantile:g}) WITHIN GROUP (ORDER BY {expression})"
        return f"(SELECT {found} FROM {self._rows(column)})"

    def _ranked(self, inner: str, place: int = 0) -> str:
        """Return the value of `inner` (v, n) that has the class's rank, or one `place` further."""
        if self.chosen == "middle":
            offset = f"(SELECT count(*) / 2 FROM ({inner}) counted) + {place}"
            return f"(SELECT v FROM ({inner}) counted ORDER BY n DESC, v::text OFFSET {offset} LIMIT 1)"
        way = "ASC" if self.chosen == "rare" else "DESC"
        return f"(SELECT v FROM ({inner}) counted ORDER BY n {way}, v::text OFFSET {place} LIMIT 1)"

    def _counted(self, slot: Slot, column: Column) -> str:
        expression = self._expression(slot)
        rows = self._rows(column, f"{expression} IS NOT NULL")
        return f"SELECT {expression} AS v, count(*) AS n FROM {rows} GROUP BY 1"

    def _member(self, slot: Slot, column: Column) -> str:
        assert slot.use is not None
        inner = self._counted(slot, column)
        if slot.use.place >= 0:
            nearest = self._ranked(inner)
            return f"coalesce({self._ranked(inner, slot.use.place)}, {nearest})"
        way = "ASC" if self.chosen == "rare" else "DESC"
        skip = f" OFFSET (SELECT count(*) / 2 FROM ({inner}) counted)" if self.chosen == "middle" else ""
        some = f"SELECT v FROM ({inner}) counted ORDER BY n {way}, v::text{skip} LIMIT {_ELEMENTS}"
        return f"ARRAY({some})"

    def _word(self, slot: Slot, column: Column) -> str:
        """A word of the text, by how often rows have it; for LIKE and its kin between signs of percent."""
        assert slot.use is not None
        source = f"SELECT {self._expression(slot)} AS whole FROM {self._rows(column)} LIMIT {_WORDS_FROM}"
        if column.kind == "tsvector":
            words = f"SELECT unnest(tsvector_to_array(whole)) AS v FROM ({source}) some_rows"
        else:
            words = f"SELECT regexp_split_to_table(lower(whole::text), '\\W+') AS v FROM ({source}) some_rows"
        inner = f"SELECT v, count(*) AS n FROM ({words}) each_word WHERE length(v) > 2 GROUP BY v"
        word = self._ranked(inner) if self.chosen != "absent" else "'qzxjvw'"
        likes = slot.use.direct and slot.use.operator.endswith(("~~", "~~*"))
        if not slot.use.direct and slot.use.operator.endswith(("~~", "~~*")) and slot.use.row > 1:
            # 'a' || '%' and '%' || 'a' || '%', whose constants are placeholders as well
            return word if slot.use.place == (slot.use.row - 1) // 2 else "'%'"
        if slot.kind == "tsquery":
            return f"plainto_tsquery('simple', {word})"
        return f"('%' || {word} || '%')" if likes else word

    def _contained(self, slot: Slot, column: Column) -> str:
        expression = self._expression(slot)
        if column.kind == "jsonb" and slot.kind == "jsonb":
            objects = f"CASE jsonb_typeof({expression}) WHEN 'object' THEN {expression} END"
            rows = f"(SELECT {objects} AS o FROM {self._rows(column)}) each_row, jsonb_each(o)"
            pairs = f"SELECT jsonb_build_object(key, value) AS v, count(*) AS n FROM {rows} GROUP BY 1"
            return f"coalesce({self._ranked(pairs)}, '{{}}')"
        if column.kind == "jsonb":
            return self._key(slot, column)
        if column.kind.endswith("[]") and slot.kind.endswith("[]"):
            return f"ARRAY[{self._element(slot, column)}]"
        return self._ranked(self._counted(slot, column))

    def _element(self, slot: Slot, column: Column) -> str:
        expression = self._expression(slot)
        elements = f"SELECT unnest({expression}) AS v FROM {self._rows(column)}"
        inner = f"SELECT v, count(*) AS n FROM ({elements}) each_one GROUP BY v"
        return self._ranked(inner)

    def _key(self, slot: Slot, column: Column) -> str:
        """The commonest key of a JSON column's objects; of an array's index, the first."""
        if slot.kind in ("integer", "bigint"):
            return "0"
        expression = self._expression(slot)
        of = "jsonb" if column.kind == "jsonb" else "json"
        objects = f"CASE {of}_typeof({expression}) WHEN 'object' THEN {expression} END"
        rows = f"{column.table} AS {column.alias}, {of}_object_keys({objects}) AS k"
        found = f"(SELECT k FROM {rows} GROUP BY k ORDER BY count(*) DESC, k LIMIT 1)"
        return f"ARRAY[{found}]" if slot.kind == "text[]" else f"coalesce({found}, 'a')"

    def _assigned(self, slot: Slot, column: Column) -> str:
        """What a row has there already; for a column of a unique index a value that no row has."""
        if column.unique and column.kind in _NEW:
            return self._new(slot, column)
        known = f"{column.table} AS {column.alias} WHERE {column.expression} IS NOT NULL"
        last = f"(SELECT {column.expression} FROM {known} ORDER BY ctid DESC LIMIT 1)"
        return f"coalesce({last}, {_default(slot, self.tables)}::{slot.kind})"


def _default(slot: Slot, tables: Tables) -> str:
    """Return SQL of a usual value of the type."""
    if slot.use and slot.use.kind in _WORDS:
        return _WORDS[slot.use.kind]
    base = slot.kind.split("(", 1)[0]
    if base.endswith("[]"):
        return "'{}'"
    if base in tables.enums:
        return f"(enum_range(NULL::{slot.kind}))[1]"
    return _DEFAULTS.get(base, "1")

"""Two schemas compared: per table, what one side has and the other lacks, what differs, what was renamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from inboxbench.schema.model import Column, Constraint, Index, Mapped, Schema, Table, Type
from inboxbench.schema.pairing import Pair, Renames, pair_columns, pair_tables
from inboxbench.schema.reads import Form, differences, form_of, serves
from inboxbench.sqltree.expressions import normal

Kind = Literal["table", "column", "index", "constraint", "validation"]
State = Literal["same", "renamed", "differs", "same reads", "only in A", "only in B"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a table on both sides. a, b: its names, None where a side has none. a_text, b_text: its definitions.

    state: `renamed` is the same under two names; `same reads` is an index that the other side lacks, though another one
    of its (`b` or `a` names it) serves the same reads. note: in what they differ, and why they are paired.
    """

    kind: Kind
    state: State
    a: str | None
    b: str | None
    a_text: str | None
    b_text: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """A table on both sides; parts of a table that one side lacks are not listed."""

    a: str | None
    b: str | None
    state: State
    note: str
    parts: Sequence[Part] = ()


@dataclass(frozen=True, slots=True)
class ComparedType:
    """An enum, domain, range or composite type."""

    name: str
    kind: str
    state: State
    a_text: str | None
    b_text: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences of two schemas, and the parts that are the same. a, b: what the sides are called.

    remarks: what could not be read and is therefore not compared.
    """

    a: str
    b: str
    tables: Sequence[ComparedTable]
    types: Sequence[ComparedType] = ()
    remarks: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether anything but the names of indexes and constraints is not the same."""
        return any(state not in ("same", "renamed") for state in self.counts)


def compare_schemas(a: Schema, b: Schema, renames: Renames) -> Comparison:
    """Compare two schemas. Raises UsageError for a rename of what is not there."""
    renames.check(a)
    pairs, only_a, only_b = pair_tables(a, b, renames)
    names = {pair.a.full_name: pair.b.full_name for pair in pairs}
    tables = [_table(pair, (a, b), names, renames) for pair in pairs]
    tables += [ComparedTable(t.shown, None, "only in A", "") for t in only_a if t.full_name not in b.unread]
    tables += [ComparedTable(None, t.shown, "only in B", "") for t in only_b if t.full_name not in a.unread]
    types = list(_types(a.types, b.types))
    counts: Counter[str] = Counter(part.state for table in tables for part in table.parts)
    counts.update(table.state for table in tables)
    counts.update(compared.state for compared in types)
    return Comparison(a.label, b.label, tables, types, [*a.remarks, *b.remarks], dict(counts))


def _table(
    pair: Pair[Table], sides: tuple[Schema, Schema], names: Mapping[str, str], renames: Renames
) -> ComparedTable:
    a, b = pair.a, pair.b
    mapped = _mapped(sides[0], a, b), _mapped(sides[1], b, a)
    columns, only_a, only_b = pair_columns(pair, mapped, names, renames)
    renamed = {column.a.name: column.b.name for column in columns}
    renamed |= {column.name: f"{column.name} of A" for column in only_a}  # B's column of that name may be another one
    parts: list[Part] = []
    if a.text != b.text:
        parts.append(Part("table", "differs", a.shown, b.shown, a.text, b.text))
    parts += [_column(column, renamed) for column in columns]
    parts += [Part("column", "only in A", column.name, None, column.text, None) for column in only_a]
    parts += [Part("column", "only in B", None, column.name, None, column.text) for column in only_b]
    parts += _Indexes(a, b, renamed, mapped).parts()
    parts += _constraints(a, b, renamed, names)
    parts += _validations(a, b, mapped)
    parts.sort(key=lambda part: _KINDS.index(part.kind))
    parts = [_with_reason(part, mapped) for part in parts]
    state: State = "renamed" if a.full_name != b.full_name else "same"
    return ComparedTable(a.shown, b.shown, state, pair.how, parts)


_KINDS: Sequence[Kind] = ("table", "column", "index", "constraint", "validation")


def _with_reason(part: Part, mapped: tuple[Mapped | None, Mapped | None]) -> Part:
    """The part with the reason that a reference has for its absence on the other side."""
    reference, name = mapped[0 if part.state == "only in A" else 1], part.a if part.state == "only in A" else part.b
    if part.state not in ("only in A", "only in B") or reference is None or part.note:
        return part
    return replace(part, note=reference.why.get(str(name), ""))


def _mapped(schema: Schema, theirs: Table, ours: Table) -> Mapped | None:
    """What a reference says of a table, where the other side is the table that it means."""
    entry = schema.mapped.get(theirs.name)
    return entry if entry is not None and entry.table in (ours.name, ours.full_name) else None


def _column(pair: Pair[Column], renamed: Mapping[str, str]) -> Part:
    a, b = pair.a, pair.b
    said = [pair.how] if pair.how else []
    if a.type != b.type:
        said.append("type")
    if a.nullable != b.nullable:
        said.append(f"NULL in {'A' if a.nullable else 'B'} alone")
    if _value(a.default, renamed) != _value(b.default, {}):
        said.append("default")
    if _value(a.generated, renamed) != _value(b.generated, {}):
        said.append("generated")
    if a.collation != b.collation:
        said.append("collation")
    differs = len(said) > bool(pair.how)
    state: State = "differs" if differs else "renamed" if a.name != b.name else "same"
    return Part("column", state, a.name, b.name, a.text, b.text, ", ".join(said))


def _value(text: str | None, renamed: Mapping[str, str]) -> str | None:
    if text is None:
        return None
    expression, kind = text, ""
    if text.endswith((" STORED", " VIRTUAL")):
        expression, _, kind = text.rpartition(" ")
    return f"{normal(expression, renamed)} {kind}"


_Entry = tuple[Index, Form]


class _Indexes:
    """The indexes of two tables, those of constraints included, paired one rule after the other."""

    def __init__(
        self, a: Table, b: Table, renamed: Mapping[str, str], mapped: tuple[Mapped | None, Mapped | None]
    ) -> None:
        self._a = {index.name: (index, form_of(index, renamed)) for index in a.indexes}
        self._b = {index.name: (index, form_of(index, {})) for index in b.indexes}
        self._left_a, self._left_b = dict(self._a), dict(self._b)
        self._mapped = mapped
        self._paired: list[Part] = []

    def parts(self) -> list[Part]:
        """Return the pairs, then what each side has alone."""
        for equal in (_equal, _equal_but_constraint):
            self._pair(equal)
        self._pair_by_reference()
        self._pair(lambda x, y: x[0].constraint == y[0].constraint == "primary key")
        self._pair(lambda x, y: x[1].shape() == y[1].shape())
        self._pair(lambda x, y: x[0].name == y[0].name)
        alone = [self._alone(index, form, in_a=True) for index, form in self._left_a.values()]
        alone += [self._alone(index, form, in_a=False) for index, form in self._left_b.values()]
        return [*self._paired, *alone]

    def _pair(self, fits: Callable[[_Entry, _Entry], bool]) -> None:
        """Pair those that fit, of several the most alike, whichever side is A."""
        fitting = [(x, y) for x in self._left_a.values() for y in self._left_b.values() if fits(x, y)]
        for x, y in sorted(fitting, key=_unlikeness):
            if x[0].name in self._left_a and y[0].name in self._left_b:
                self._take(x[0].name, y[0].name)

    def _pair_by_reference(self) -> None:
        of_a, of_b = self._mapped
        for theirs, ours in (of_a.indexes if of_a else {}).items():
            if theirs in self._left_a and ours in self._left_b:
                self._take(theirs, ours, of_a.differs.get(theirs, "") if of_a else "", by_reference=True)
        for theirs, ours in (of_b.indexes if of_b else {}).items():
            if ours in self._left_a and theirs in self._left_b:
                self._take(ours, theirs, of_b.differs.get(theirs, "") if of_b else "", by_reference=True)

    def _take(self, name_a: str, name_b: str, said: str = "", *, by_reference: bool = False) -> None:
        (a, form_a), (b, form_b) = self._left_a.pop(name_a), self._left_b.pop(name_b)
        notes = [said] if said else _difference(a, form_a, b, form_b)
        if by_reference and not said:
            notes.append("by the reference")
        state: State = "differs" if notes else "same" if a.name == b.name else "renamed"
        if state == "differs" and (by_reference or form_a.columns != form_b.columns) and _reads(form_a, form_b):
            state = "same reads"
        self._paired.append(Part(_kind(a, b), state, a.name, b.name, a.text, b.text, ", ".join(notes)))

    def _alone(self, index: Index, form: Form, *, in_a: bool) -> Part:
        others = self._b if in_a else self._a
        served = ((other, how) for other, found in others.values() if (how := serves(found, form)))
        other, how = min(served, key=lambda entry: len(entry[0].keys), default=(None, ""))
        state: State = "same reads" if other else "only in A" if in_a else "only in B"
        name, text = (other.name, other.text) if other else (None, None)
        note = f"{'B' if in_a else 'A'} lacks it, {other.name} serves the same reads: {how}" if other else ""
        if in_a:
            return Part(_kind(index, index), state, index.name, name, index.text, text, note)
        return Part(_kind(index, index), state, name, index.name, text, index.text, note)


def _equal(x: _Entry, y: _Entry) -> bool:
    return x[1] == y[1] and _rule(x[0]) == _rule(y[0])


def _equal_but_constraint(x: _Entry, y: _Entry) -> bool:
    return x[1] == y[1]


def _unlikeness(pair: tuple[_Entry, _Entry]) -> tuple[bool, int, list[str]]:
    (a, form_a), (b, form_b) = pair
    return a.name != b.name, len(_difference(a, form_a, b, form_b)), sorted((a.name, b.name))


def _rule(index: Index) -> tuple[str, str]:
    return index.constraint, index.timing


def _kind(a: Index, b: Index) -> Kind:
    return "constraint" if a.constraint and b.constraint else "index"


def _difference(a: Index, form_a: Form, b: Index, form_b: Form) -> list[str]:
    said = ["other keys"] if (form_a.method, form_a.columns) != (form_b.method, form_b.columns) else []
    said += differences(form_a, form_b)
    if a.constraint != b.constraint:
        said.append(f"{a.constraint or 'no constraint'} in A, {b.constraint or 'no constraint'} in B")
    elif a.timing != b.timing:
        said.append("checked at another time")
    return said


def _reads(x: Form, y: Form) -> bool:
    return serves(y, x) is not None or serves(x, y) is not None


def _constraints(a: Table, b: Table, renamed: Mapping[str, str], names: Mapping[str, str]) -> Iterator[Part]:
    """Pair what means the same, then what does but for its details, then what is called the same."""
    mine, theirs = list(a.constraints), list(b.constraints)
    for key in (_meaning, _essence, _name):
        for x in list(mine):
            y = next((y for y in theirs if key(x, renamed, names) == key(y, {}, {})), None)
            if y is None:
                continue
            mine.remove(x)
            theirs.remove(y)
            same: State = "same" if x.name == y.name else "renamed"
            note = _details(x, y) if key is _essence else ""
            yield Part("constraint", same if key is _meaning else "differs", x.name, y.name, x.text, y.text, note)
    yield from (Part("constraint", "only in A", x.name, None, x.text, None) for x in mine)
    yield from (Part("constraint", "only in B", None, y.name, None, y.text) for y in theirs)


def _essence(x: Constraint, renamed: Mapping[str, str], names: Mapping[str, str]) -> tuple[object, ...]:
    """What a constraint asks of a row: of a foreign key, its pairs of columns in any order."""
    if x.kind == "check":
        return x.kind, normal(x.expression, renamed)
    columns = (renamed.get(column, column) for column in x.columns)
    return x.kind, names.get(x.target, x.target), tuple(sorted(zip(columns, x.target_columns, strict=True)))


def _meaning(x: Constraint, renamed: Mapping[str, str], names: Mapping[str, str]) -> tuple[object, ...]:
    return *_essence(x, renamed, names), tuple(x.details)


def _name(x: Constraint, _renamed: Mapping[str, str], _names: Mapping[str, str]) -> tuple[object, ...]:
    return x.kind, x.name


def _details(x: Constraint, y: Constraint) -> str:
    alone = [f"{word} in A alone" for word in x.details if word not in y.details]
    return ", ".join([*alone, *(f"{word} in B alone" for word in y.details if word not in x.details)])


def _validations(a: Table, b: Table, mapped: tuple[Mapped | None, Mapped | None]) -> Iterator[Part]:
    """What an application checks; the other side answers it by a constraint or index where the reference says so."""
    known_a, known_b = _rules(a), _rules(b)
    for rule in a.validations:
        answer = mapped[0].validations.get(rule.name) if mapped[0] else None
        text = known_b.get(answer) if answer else None
        state: State = "differs" if text else "only in A"
        yield Part("validation", state, rule.name, answer if text else None, rule.text, text, _kept(text))
    for rule in b.validations:
        answer = mapped[1].validations.get(rule.name) if mapped[1] else None
        text = known_a.get(answer) if answer else None
        state = "differs" if text else "only in B"
        yield Part("validation", state, answer if text else None, rule.name, text, rule.text, _kept(text))


def _kept(text: str | None) -> str:
    return "kept by the database on one side, by the application on the other" if text else ""


def _rules(table: Table) -> dict[str, str]:
    """The text of each constraint, index and column by its name."""
    return {part.name: part.text for parts in (table.columns, table.constraints, table.indexes) for part in parts}


def _types(a: Sequence[Type], b: Sequence[Type]) -> Iterator[ComparedType]:
    mine, theirs = ({kind.shown: kind for kind in kinds} for kinds in (a, b))
    for name in sorted(mine.keys() | theirs.keys()):
        x, y = mine.get(name), theirs.get(name)
        texts = (x.text if x else None), (y.text if y else None)
        state: State = "only in A" if y is None else "only in B" if x is None else "same"
        if x and y and (x.kind, x.text) != (y.kind, y.text):
            state = "differs"
        kind = (x or y).kind  # type: ignore[union-attr]  # one of them has the name
        yield ComparedType(name, kind, state, *texts)

"""A comparison as tables: one for each table of the schemas, with its columns, indexes, constraints and validations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table, Tone
from inboxbench.schema.compare import ComparedTable, Comparison, Part, State

_GROUPS = {
    "table": "table",
    "column": "columns",
    "index": "indexes",
    "constraint": "constraints",
    "validation": "validations of the application",
}
_TONES: dict[State, Tone] = {"only in A": "bad", "only in B": "bad", "same": "weak", "renamed": "weak"}
_LEAD = (
    "A and B are read by PostgreSQL and compared by what they mean, not by how they are written. same reads: the other "
    "side lacks this index, but the one shown serves the reads that it is there for."
)


def comparison_lab(comparison: Comparison, *, everything: bool = False) -> Lab:
    """Return a comparison as tables and sentences. everything: also what is the same on both sides."""
    return Lab(
        "schema compare",
        f"A: {comparison.a}, B: {comparison.b}",
        _LEAD,
        [*_tables(comparison, everything=everything), *_types(comparison)],
        list(_sentences(comparison)),
        comparison.remarks,
    )


def _tables(comparison: Comparison, *, everything: bool) -> Iterator[Table]:
    for table in comparison.tables:
        if table.a is None or table.b is None:
            continue
        parts = [part for part in table.parts if everything or part.state != "same"]
        if parts or table.state == "renamed":
            yield Table(_title(table), _columns(comparison), [_row(part) for part in parts], _notes(table))
    alone = [table for table in comparison.tables if table.a is None or table.b is None]
    if alone:
        columns = [Column(title, words=True, code=True) for title in ("A", "B")]
        rows = [Row([table.a, table.b], table.state, _TONES[table.state]) for table in alone]
        yield Table("Tables of one side alone", columns, rows)


def _title(table: ComparedTable) -> str:
    return str(table.a) if table.a == table.b else f"{table.a} in A, {table.b} in B"


def _notes(table: ComparedTable) -> Sequence[str]:
    return [f"Taken for the same table: {table.note}."] if table.note else []


def _columns(comparison: Comparison) -> list[Column]:
    sides = [
        Column(f"{side}: {name}", words=True, code=True) for side, name in (("A", comparison.a), ("B", comparison.b))
    ]
    return [Column("part", words=True, code=True), *sides, Column("note", words=True)]


def _row(part: Part) -> Row:
    name = str(part.a or part.b) if part.a == part.b or not (part.a and part.b) else f"{part.a} = {part.b}"
    if part.state == "same reads":
        name = f"{part.a} ~ {part.b}"
    remark = "" if part.state == "same" else part.state
    cells: list[Cell | str | float | None] = [Cell(name), part.a_text or "", part.b_text or "", part.note]
    return Row(cells, remark, _TONES.get(part.state, ""), group=_GROUPS[part.kind])


def _types(comparison: Comparison) -> Iterator[Table]:
    different = [kind for kind in comparison.types if kind.state != "same"]
    if different:
        titles = ("type", "A", "B")
        columns = [Column(title, words=True, code=True) for title in titles]
        rows = [
            Row(
                [f"{kind.kind} {kind.name}", kind.a_text or "", kind.b_text or ""],
                kind.state,
                _TONES.get(kind.state, ""),
            )
            for kind in different
        ]
        yield Table("Types", columns, rows)


def _sentences(comparison: Comparison) -> Iterator[str]:
    if not comparison.differs:
        yield "Both sides are the same, but for the names of what is called renamed."
        return
    for kind, word in (("column", "columns"), ("index", "indexes"), ("constraint", "constraints"),
                       ("validation", "validations")):  # fmt: skip
        states = [part.state for table in comparison.tables for part in table.parts if part.kind == kind]
        counted = [f"{states.count(state)} {state}" for state in _ORDER if states.count(state)]
        if counted:
            yield f"{word.capitalize()} of tables that both have: {', '.join(counted)}."
    tables = [table.state for table in comparison.tables]
    yield f"Tables: {', '.join(f'{tables.count(state)} {state}' for state in _ORDER if tables.count(state))}."


_ORDER: Sequence[State] = ("only in A", "only in B", "differs", "same reads", "renamed", "same")

"""An import as tables: how much of what the server was asked can be run, in which queries, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inboxbench import units
from inboxbench.errors import shortened
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table
from inboxbench.workload.model import Imported
from inboxbench.workload.shapes import shown

_LONGEST = 70  # characters of a statement in a table
_REASONS = 4  # in the coverage's sentence
_LEAD = "Statements that differ in values alone are one query. Each was tried on a copy of the database."


def coverage(imported: Imported) -> str:
    """Return the sentence that says what the import covers."""
    of = "execution time" if imported.by_time else "statements"
    many = "query" if len(imported.questions) == 1 else "queries"
    part = (
        ""
        if imported.share == imported.share_of_queries
        else f", {_percent(imported.share_of_queries)} of that of queries"
    )
    counted = f"in {len(imported.questions)} {many}"
    sentence = f"{_percent(imported.share)} of the {of} of {imported.source}{part} can be run, {counted}"
    rest = [f"{part.calls:,} × {part.reason}" for part in imported.left_out[:_REASONS]]
    if len(imported.left_out) > _REASONS:
        rest.append(f"{len(imported.left_out) - _REASONS} more reasons")
    return sentence + (f"; the rest: {', '.join(rest)}." if rest else ".")


def _guessed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_REASONS]) + (f" and {len(names) - _REASONS} more" if len(names) > _REASONS else "")
    return f"values that no column decides are usual ones of their type, as the file says: {shown}"


def _percent(share: float) -> str:
    """Never say 100 % of what is less."""
    return f"{min(share, 0.999):.1%}" if share < 1 else "100%"


def workload_lab(imported: Imported) -> Lab:
    """Return the import as tables and sentences."""
    guessed = [question.name for question in imported.questions if question.remarks]
    remarks = [_guessed(guessed)] if guessed else []
    sentences = [coverage(imported)]
    return Lab(
        "workload import", imported.source, _LEAD, list(_tables(imported)), sentences, [*imported.remarks, *remarks]
    )


def _tables(imported: Imported) -> Iterator[Table]:
    total = sum(question.shape.ms for question in imported.questions) + sum(part.ms for part in imported.left_out)
    if imported.questions:
        columns = [Column("query", words=True, code=True), Column("calls"), Column("time"), Column("share"),
                   Column("classes", words=True), Column("statement", words=True, code=True)]  # fmt: skip
        rows = []
        for question in imported.questions:
            shape = question.shape
            classes = ", ".join(question.draws) or "its own values"
            text = shortened(shown(question.text), _LONGEST)
            time, share = _time(shape.ms), f"{shape.ms / total:.1%}" if total else ""
            rows.append(Row([Cell(question.name), f"{shape.calls:,}", time, share, classes, text]))
        yield Table("Queries that can be run", columns, rows)
    if imported.left_out:
        columns = [Column("why", words=True), Column("statements"), Column("calls"), Column("time"),
                   Column("such as", words=True, code=True)]  # fmt: skip
        rows = [
            Row([part.reason, f"{part.statements:,}", f"{part.calls:,}", _time(part.ms), part.example])
            for part in imported.left_out
        ]
        yield Table("Left out", columns, rows)


def _time(ms: float) -> str:
    return units.seconds(ms / 1000) if ms else ""

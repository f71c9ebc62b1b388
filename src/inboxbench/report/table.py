"""A table as a value, and its three writers: the terminal by rich, Markdown, and HTML by `templates/table.html.j2`.

Cells hold values and their column says how they are written, so that a figure reads alike wherever it is shown. What
was not measured is not shown: a column of figures in which no row has one is left out by every writer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from inboxbench import units

Tone = Literal["", "good", "bad", "weak"]
Value = str | float | None
_STYLES: dict[Tone, str] = {"": "", "good": "bold green", "bad": "bold red", "weak": "dim"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")


@dataclass(frozen=True, slots=True)
class Column:
    """title: with the unit where the figures do not carry it. say: writes a figure. words: text, so aligned to the
    left. detail: shown where there is room, on a page and not on a terminal. code: names, which Markdown writes as
    code."""

    title: str
    say: Callable[[Any], str] = units.number
    words: bool = False
    detail: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with more to it. bound: a figure that is at least this. note: a smaller line under it, on a page.
    anchor: the heading of the same Markdown document that tells more of it."""

    value: Value
    tone: Tone = ""
    bound: bool = False
    note: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """cells: one for each column, the first of them the row's name. remark: a word on the row, such as "choose", with
    its tone. note: a smaller line under the name. group: what it stands together with; rows of one group follow each
    other. chosen: the row that the table recommends."""

    cells: Sequence[Cell | Value]
    remark: str = ""
    tone: Tone = ""
    note: str = ""
    group: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as text, for a writer."""

    text: str
    column: Column
    tone: Tone
    note: str
    anchor: str

    @property
    def words(self) -> bool:
        return self.column.words


@dataclass(frozen=True, slots=True)
class Table:
    """title: what it shows and in which order. notes: sentences under it. most: rows that a page shows, the rest is
    in the file that the table was made of; None: all."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        if wrong := [row for row in self.rows if len(row.cells) != len(self.columns)]:
            raise ValueError(f"{self.title!r}: {wrong[0].cells} are not a cell for each of {len(self.columns)} columns")

    @property
    def remarks(self) -> bool:
        """Return whether any row has a remark."""
        return any(row.remark for row in self.rows)

    def headings(self, *, detail: bool = True) -> list[Column]:
        """Return the columns that are shown."""
        return [self.columns[number] for number in self._shown(detail)]

    def shown(self, row: Row, *, detail: bool = True) -> list[Shown]:
        """Return a row's cells as text."""
        return [_shown(self.columns[number], row.cells[number]) for number in self._shown(detail)]

    def texts(self, *, detail: bool = True) -> list[list[str]]:
        """Return every row as text, without remarks and notes."""
        return [[cell.text for cell in self.shown(row, detail=detail)] for row in self.rows]

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Return the rows by their groups; one without a name where there are none."""
        return [(group, list(rows)) for group, rows in groupby(self.rows, key=lambda row: row.group)]

    def split(self) -> list[Table]:
        """Return a table for each group, with the group in its title."""
        return [
            replace(
                self,
                title=f"{self.title}, {group}" if group else self.title,
                rows=[replace(row, group="") for row in rows],
            )
            for group, rows in self.groups()
        ]

    def cut(self) -> Table:
        """Return the table with as many rows as a page shows, and a title that says so."""
        if self.most is None or len(self.rows) <= self.most:
            return replace(self, title=f"{self.title}.", most=None)
        title = f"{self.title}; {self.most} of {len(self.rows)}, the file has all."
        return replace(self, title=title, rows=self.rows[: self.most], most=None)

    def _shown(self, detail: bool) -> list[int]:
        return [
            number
            for number, column in enumerate(self.columns)
            if (detail or not column.detail) and (column.words or any(_known(row.cells[number]) for row in self.rows))
        ]


def _known(cell: Cell | Value) -> bool:
    value = cell.value if isinstance(cell, Cell) else cell
    return value is not None and value not in ("", units.DASH)


def _shown(column: Column, given: Cell | Value) -> Shown:
    cell = given if isinstance(given, Cell) else Cell(given)
    value = cell.value
    text = value if isinstance(value, str) else units.DASH if value is None and column.words else column.say(value)
    bound = "≥ " if cell.bound and text != units.DASH else ""
    return Shown(f"{bound}{text}", column, cell.tone, cell.note, cell.anchor)


def print_table(table: Table, console: Console, *, notes: bool = True) -> None:
    """Print it on a console as wide as it needs; a terminal keeps its width."""
    shown = as_rich(table, notes=notes)
    before = console.width
    if not console.is_terminal:
        console.width = max(before, Measurement.get(console, console.options.update(max_width=10_000), shown).maximum)
    console.print(shown)
    console.width = before
    for note in table.notes:
        console.print(Text(note, style="dim"))


def as_rich(table: Table, *, detail: bool = True, notes: bool = True, fold: bool = False) -> RichTable:
    """Return it as something rich prints. notes: whether a row's note stands under its name. fold: long names break."""
    shown = RichTable(
        title=Text(table.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in table.headings(detail=detail):
        justify: Literal["left", "right"] = "left" if column.words else "right"
        shown.add_column(Text(column.title), justify=justify, overflow="fold", no_wrap=not fold and not column.words)
    if table.remarks:
        shown.add_column("", overflow="fold")
    for group, rows in table.groups():
        if group:
            shown.add_row(Text(group, style="dim"))
        for row in rows:
            cells = [Text(cell.text, style=_STYLES[cell.tone]) for cell in table.shown(row, detail=detail)]
            if group:
                cells[0] = Text.assemble("  ", cells[0])
            if notes and row.note:
                cells[0] = Text.assemble(cells[0], ("\n  " + row.note, "dim"))
            remark = [Text(row.remark, style=_STYLES[row.tone])] if table.remarks else []
            shown.add_row(*cells, *remark, style=_STYLES["good"] if row.chosen else "")
    return shown


def padded(table: RichTable) -> Padding:
    """Return it with an empty line above."""
    return Padding(table, (1, 0, 0, 0))


def as_markdown(table: Table, *, detail: bool = False) -> str:
    """Return the rows as Markdown, their groups in a column of their own; title and notes are the caller's to write."""
    columns = table.headings(detail=detail)
    grouped = any(row.group for row in table.rows)
    more = ["group"] * grouped + ["remark"] * table.remarks
    head = [*(escape(column.title) for column in columns), *more]
    rule = [*("---" if column.words else "---:" for column in columns), *["---"] * len(more)]
    lines = [head, rule]
    for row in table.rows:
        shown = table.shown(row, detail=detail)
        cells = [_markdown_cell(cell) for cell in shown]
        cells += [escape(row.group)] if grouped else []
        lines.append([*cells, *([_marked(row.remark, row.tone)] if table.remarks else [])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _markdown_cell(cell: Shown) -> str:
    text = _code(cell.text) if cell.column.code else _marked(cell.text, cell.tone)
    return f"[{text}](#{cell.anchor})" if cell.anchor else text


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', chr(39)).replace('|', chr(92) + '|').split())}`"


def _marked(text: str, tone: Tone) -> str:
    return f"**{escape(text)}**" if text and tone in ("good", "bad") else escape(text)


def escape(text: object) -> str:
    """Return text that Markdown prints as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def words(*titles: str) -> list[Column]:
    """Return columns of text."""
    return [Column(title, words=True) for title in titles]


def figures(say: Callable[[Any], str], *titles: str) -> list[Column]:
    """Return columns of figures that are written alike."""
    return [Column(title, say) for title in titles]

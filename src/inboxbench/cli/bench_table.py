"""The matrix as tables: reads by case and set, the widest difference first; what each set costs; the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from inboxbench.cli.session import results_console
from inboxbench.measure import Cell, Matrix, verdict
from inboxbench.measure.verdict import amount


def _figure(cell: Cell) -> Text:
    if cell.plan is None or cell.timing is None:
        return Text("stopped" if cell.stopped else "failed", style="bold red")
    text = Text(f"{cell.plan.buffers:,} · {cell.timing.median_ms:,.2f}")
    if cell.same_rows is False:
        text.append(" other rows", style="bold red")
    return text


def _spread(row: Sequence[Cell]) -> float:
    """How far apart the sets are for a case: the worst buffers over the best; a stopped cell is worst of all."""
    if any(cell.plan is None for cell in row):
        return float("inf")
    buffers = [max(cell.plan.buffers, 1) for cell in row if cell.plan]
    return max(buffers) / min(buffers)


def _rows(matrix: Matrix) -> list[list[Cell]]:
    """Cells by case, the case that the sets differ most in first."""
    cases: dict[str, list[Cell]] = {}
    for cell in matrix.cells:
        cases.setdefault(cell.case.name, []).append(cell)
    return sorted(cases.values(), key=_spread, reverse=True)


def _reads_table(matrix: Matrix) -> Table:
    table = Table(title="buffers · median ms, the widest difference first", title_justify="left")
    table.add_column("query [class]", no_wrap=True)
    for one in matrix.sets:
        table.add_column(one.index_set.name, justify="right", no_wrap=True)
    for row in _rows(matrix):
        table.add_row(Text(row[0].case.name), *(_figure(cell) for cell in row))
    return table


def known(say: Callable[[float], str], value: float | None) -> str:
    """A figure in words, a dash for none."""
    return "–" if value is None else say(value)


def _sets_table(matrix: Matrix) -> Table:
    table = Table(title="what each set costs", title_justify="left")
    table.add_column("set", no_wrap=True)
    for heading in ("indexes", "size", "build s", "WAL/insert", "WAL/update", "inserts/s", "HOT"):
        table.add_column(heading, justify="right")
    for one in matrix.sets:
        table.add_row(
            one.index_set.name,
            str(len(one.built)),
            amount(one.bytes),
            f"{one.build_s:.1f}",
            *(known(amount, one.wal_bytes(family)) for family in ("insert", "update")),
            known("{:,.0f}".format, one.insert_per_s),
            known("{:.0%}".format, one.hot_share),
        )
    return table


def print_matrix(matrix: Matrix) -> None:
    console = results_console()
    console.width = max(console.width, 60 + 22 * len(matrix.sets)) if not console.is_terminal else console.width
    console.print(_reads_table(matrix))
    console.print(_sets_table(matrix))
    found = verdict(matrix)
    console.print(Text(found["headline"], style="bold"))
    for reason in found["reasons"]:
        console.print(Text(f"  {reason}"))
    for note in matrix.notes:
        console.print(Text(f"  left out: {note}", style="dim"))

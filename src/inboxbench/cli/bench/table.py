"""The matrix as tables: reads by case and set, the widest difference first; what each set costs; the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.bench import Cell, Matrix
from inboxbench.cli.output import results_console


def _figure(cell: Cell, *, unclear: bool) -> Text:
    if cell.plan is None or cell.timing is None:
        return Text("stopped" if cell.stopped else "failed", style="bold red")
    text = Text(f"{cell.plan.buffers:,} · {'~' if unclear else ''}{cell.timing.median_ms:,.2f}")
    if cell.same_rows is False:
        text.append(" other rows", style="bold red")
    return text


def _spread(row: Sequence[Cell]) -> float:
    """How far apart the sets are for a case: the worst buffers over the best; a stopped cell is worst of all."""
    if any(cell.plan is None for cell in row):
        return float("inf")
    buffers = [max(cell.plan.buffers, 1) for cell in row if cell.plan]
    return max(buffers) / min(buffers)


def by_spread(matrix: Matrix) -> list[list[Cell]]:
    """Cells by case, the case that the sets differ most in first."""
    cases: dict[str, list[Cell]] = {}
    for cell in matrix.cells:
        cases.setdefault(cell.case.name, []).append(cell)
    return sorted(cases.values(), key=_spread, reverse=True)


def _reads_table(matrix: Matrix) -> Table:
    table = Table(title="buffers · median ms, the widest difference first", title_justify="left")
    table.add_column(Text("query [class]"), no_wrap=True)
    for one in matrix.sets:
        table.add_column(one.index_set.name, justify="right", no_wrap=True)
    for row in by_spread(matrix):
        table.add_row(Text(row[0].case.name), *(_figure(cell, unclear=matrix.unclear(cell)) for cell in row))
    return table


def known(say: Callable[[float], str], value: float | None) -> str:
    """A figure in words, a dash for none."""
    return "–" if value is None else say(value)


_PARETO = (
    *("indexes", "size", "build s", "reads mean", "reads worst", "ms mean", "ms worst"),
    *("WAL/ insert", "WAL/ update", "inserts /s", "updates /s", "HOT", "cost"),
)


def _by_cost(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of the Pareto table, what costs most at the mix first."""
    return sorted(found.get("pareto", ()), key=lambda row: -float(row["cost"]))


def _pareto_table(matrix: Matrix, found: Mapping[str, Any]) -> Table:
    """`found` is the verdict: a set a line, what repeats exactly beside what the clock says."""
    indexes = {one.index_set.name: len(one.built) for one in matrix.sets}
    table = Table(title=f"each set at the mix {found['mix']['text']}, the costliest first", title_justify="left")
    table.add_column("set", no_wrap=True)
    for heading in _PARETO:
        table.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    table.add_column("")
    for row in _by_cost(found):
        bound = "≥ " if row["lower_bound"] else ""
        table.add_row(
            row["set"],
            str(indexes[row["set"]]),
            units.size(row["bytes"]),
            f"{row['build_s']:.1f}",
            *(f"{bound}{row[name]:,.1f}" for name in ("reads_mean", "reads_worst")),
            *(f"{row[name]:,.2f}" for name in ("ms_mean", "ms_worst")),
            *(known(units.size, row[name]) for name in ("insert_wal_bytes", "update_wal_bytes")),
            *(known("{:,.0f}".format, row[name]) for name in ("insert_per_s", "update_per_s")),
            known("{:.0%}".format, row["hot_share"]),
            f"{bound}{row['cost']:,.1f}",
            _remark(row),
            style="bold green" if row["recommended"] else "",
        )
    return table


def _remark(row: Mapping[str, Any]) -> str:
    if row["recommended"]:
        return "choose"
    return f"dominated by {row['dominated_by']}" if row["dominated_by"] else ""


def print_matrix(matrix: Matrix, found: Mapping[str, Any]) -> None:
    """The cells, the sets and the verdict on them."""
    console = results_console()
    console.width = max(console.width, 140, 60 + 22 * len(matrix.sets)) if not console.is_terminal else console.width
    console.print(_reads_table(matrix))
    if any(matrix.unclear(cell) for cell in matrix.cells):
        console.print(
            Text("~ the round trip is within that of a query with nothing to do: compare buffers", style="dim")
        )
    if "mix" in found:
        console.print(_pareto_table(matrix, found))
        console.print(Text(f"cost of a request of the mix, in {found['currency']}", style="dim"))
    console.print(Text(found["headline"], style="bold"))
    for reason in found["reasons"]:
        console.print(Text(f"  {reason}"))
    if matrix.client:
        console.print(Text(f"  {matrix.client}", style="dim" if matrix.client.met else "bold red"))
    for note in matrix.notes:
        console.print(Text(f"  note: {note}", style="dim"))

"""Servers side by side as tables: what each case reads on both, the largest change first, and by which plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.bench import run_matrix
from inboxbench.bench.cache.recall import Memory
from inboxbench.bench.model import Cell
from inboxbench.bench.servers import Change, Contrast, Side, contrasts
from inboxbench.cli.bench.options import Source, memory_of, opened_ground, sets_of, tell_memory
from inboxbench.cli.options import Session
from inboxbench.cli.progress import counting, progress_console

_MOST = 40


def measure_side(session: Session, source: Source, options: dict[str, Any], *, fresh: bool) -> tuple[Side, Memory]:
    """The whole matrix on the session's server, and what of it was known before."""
    with session.server() as server:
        progress_console.print(Text(server.label))
        with opened_ground(session, server, source) as ground, counting() as progress:
            memory = memory_of(ground, fresh=fresh, as_is=source.as_is)
            given = options | {"as_is": source.as_is, "memory": memory, "progress": progress, "lenient": True}
            given["sets"] = sets_of(server, ground, session.project, options["sets"])
            matrix = run_matrix(server, ground.name, session.project, **given)
        tell_memory(memory)
        return Side(server.label, server.version, matrix), memory


def sides_json(sides: Sequence[Side], verdicts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a run on several servers adds to its record: each of them whole, and all that changes from the first."""
    every = [
        {"label": side.label, "version": side.version, "matrix": side.matrix.to_json(), "verdict": one}
        for side, one in zip(sides, verdicts, strict=True)
    ]
    return {"servers": every, "contrast": [one.to_json() for one in contrasts(sides)]}


def print_contrast(found: Contrast, console: Console) -> None:
    console.print(Text(found.headline, style="bold"))
    for one in found.before.matrix.sets:
        name = one.index_set.name
        if (typical := found.typical(name)) is not None:
            console.print(Text(f"  {name}: a typical read touches {units.times(typical)} the pages"))
    if found.ranked:
        console.print(_table(found))
    if (rest := len(found.ranked) - _MOST) > 0:
        console.print(Text(f"  and {rest} more: --format json names them"))
    if found.lacking:
        console.print(Text(f"  on one of them only: {', '.join(found.lacking)}", style="dim"))


def _table(found: Contrast) -> Table:
    table = Table(title="pages, index searches and plan, what got dearer first", title_justify="left")
    table.add_column("query [class]", no_wrap=True)
    table.add_column("set", no_wrap=True)
    table.add_column(found.before.label, justify="right")
    table.add_column(found.now.label, justify="right")
    table.add_column("plan", overflow="fold")
    for one in found.ranked[:_MOST]:
        table.add_row(
            Text(one.before.case.name), one.before.index_set, _figure(one.before), _figure(one.now), _plan(one)
        )
    return table


def _figure(cell: Cell) -> str:
    if cell.plan is None:
        return "stopped" if cell.stopped else "failed"
    searches = "" if cell.plan.searches is None else f" · {cell.plan.searches:,} searches"
    return f"{cell.plan.buffers:,}{searches}"


def _plan(one: Change) -> Text:
    if one.other_values:
        return Text("other parameters were drawn there", style="bold red")
    if one.other_rows:
        return Text("other rows", style="bold red")
    now = one.now.plan.line if one.now.plan else str(one.now.failure)
    if not one.other_plan:
        return Text(now, style="dim")
    before = one.before.plan.line if one.before.plan else str(one.before.failure)
    return Text(f"{now}  instead of  {before}")

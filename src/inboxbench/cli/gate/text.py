"""A comparison as a scoreboard: worst first, with the plan before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.gate import Change, Comparison

_STYLES = {"broken": "bold red", "worse": "red", "better": "green", "note": "dim"}


def scoreboard(comparison: Comparison, headline: str, remarks: Sequence[str]) -> RenderableType:
    """Nothing but the headline when nothing changed."""
    parts: list[RenderableType] = []
    if comparison.of("broken", "worse", "better"):
        parts.append(_table(comparison.of("broken", "worse", "better")))
    parts += [line for change in comparison.changes for line in _plans(change)]
    notes = [change for change in comparison.of("note") if change.metric != "plan"]
    parts += [Text(f"  {change.where} {change.text}", style="dim") for change in notes]
    parts += [Text(f"  {remark}", style="dim") for remark in remarks]
    verdict = Text("closed: ", style="bold red") if comparison.closed else Text("open: ", style="bold green")
    return Group(*parts, verdict.append(headline, style="default"))


def _table(changes: Sequence[Change]) -> Table:
    table = Table(title="figures that changed, the worst first", title_justify="left")
    table.add_column("")
    table.add_column("query/class/set or write/set", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("factor", justify="right")
    for change in changes:
        known = change.before is not None and change.after is not None and change.before
        factor = units.times(change.factor) if known else ""
        table.add_row(Text(change.verdict, style=_STYLES[change.verdict]), change.where, change.text, factor)
    return table


def _plans(change: Change) -> Iterator[Text]:
    """Once a cell: of the counter, not of the answer beside it."""
    if change.plan_before == change.plan_after or change.metric == "removed":
        return
    yield Text(change.where if change.verdict != "note" else f"{change.where} {change.text}", style="bold")
    yield Text(f"  before  {change.plan_before or '–'}")
    yield Text(f"  after   {change.plan_after or '–'}")

"""The summary on the terminal: what to choose, by how much, at what cost, and what went wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.report.document import checked_run
from inboxbench.report.findings import findings, unsafe_strategies
from inboxbench.report.index_figures import Comparison, SetResult, compare, families, worst_cell
from inboxbench.report.model import Matrix, Migration, Race, Run
from inboxbench.report.read import read_run
from inboxbench.report.tables import (
    MIX_FIGURES,
    SET_FIGURES,
    by_cost,
    is_chosen,
    mix_figures,
    remark,
    set_figures,
)
from inboxbench.report.words import Finding, Sentence, Strong

PLAIN_WIDTH = 100
_MOST_SETS = 5  # columns of names and figures that fit beside the queries
_TONES = {"good": "green", "bad": "bold red", "plain": "bold"}
# What a console that cannot print Unicode gets instead; names in other scripts become question marks.
_ASCII = str.maketrans({"×": "x", "–": "-", "·": "-", "●": "*", "±": "+-", "≥": ">=", "→": "->", "…": "..."})


def print_summary(run: Mapping[str, Any], console: Console) -> None:
    """Print the summary; without a terminal it is plain text, 100 columns wide.

    Raises UsageError when the run does not follow its schema.
    """
    with _wide_enough(console):
        if console.encoding.lower().startswith("utf"):
            console.print(summary(run))
            return
        with console.capture() as captured:
            console.print(summary(run))
    text = captured.get().translate(_ASCII)
    console.file.write(text.encode(console.encoding, "replace").decode(console.encoding))


def summary(run: Mapping[str, Any]) -> RenderableType:
    """The summary as something rich can print."""
    found = read_run(checked_run(run))
    comparison = compare(found)
    parts: list[RenderableType] = [_heading(found), *(_finding(f) for f in findings(found, comparison))]
    if found.matrix and comparison.results:
        parts += [_sets_table(comparison), *_mix_table(found), _reads_table(found.matrix, comparison)]
    if found.migration and found.migration.traffic:
        parts.append(_traffic_table(found.migration))
    if found.races:
        servers = dict.fromkeys(race.server for race in found.races)
        parts += [_race_table(found.races, server) for server in servers]
    return Group(*parts)


@contextmanager
def _wide_enough(console: Console) -> Iterator[None]:
    """A pipe or a log has no width of its own, and rich's guess of 80 would fold the tables."""
    before = console.width
    if not console.is_terminal and before < PLAIN_WIDTH:
        console.width = PLAIN_WIDTH
    try:
        yield
    finally:
        console.width = before


def _heading(run: Run) -> Text:
    facts = [f"{run.tool.name} {run.tool.version}".strip()]
    facts += [f"profile {run.seed.profile}"] if run.seed else []
    facts += [run.server.label] if run.server else []
    facts += [f"{run.machine.cores} cores, {run.machine.cpu}"] if run.machine else []
    facts += [f"took {units.seconds(run.elapsed_s)}"] if run.elapsed_s is not None else []
    return Text(" · ".join(facts), style="dim")


def _finding(finding: Finding) -> RenderableType:
    lines = Text("\n").join(_styled(sentence) for sentence in finding.sentences)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=18, style=_TONES[finding.tone])
    grid.add_column(ratio=1)
    grid.add_row(Text(finding.topic), lines)
    return Padding(grid, (1, 0, 0, 0))


def _styled(sentence: Sentence) -> Text:
    text = Text()
    for part in sentence:
        text.append(part, style="bold" if isinstance(part, Strong) else "")
    return text


def _sets_table(comparison: Comparison) -> RenderableType:
    table = _table("Index sets: reads in 8 kB pages, each query with its worst parameters")
    for name in ("set", *SET_FIGURES, ""):
        table.add_column(name, justify="left" if name in ("set", "") else "right", overflow="fold")
    for result in comparison.results:
        style = "bold green" if is_chosen(result, comparison) else ""
        said = remark(result, comparison).partition(" by ")[0]
        table.add_row(*map(Text, (result.name, *set_figures(result), said)), style=style)
    return Padding(table, (1, 0, 0, 0))


def _mix_table(run: Run) -> list[RenderableType]:
    """What a request costs under each set; nothing in the record of an older version."""
    if not run.pareto:
        return []
    table = _table(f"At the mix {run.mix}: reads, times, writes a second, pages of a read, a write, a request")
    for name in ("set", *MIX_FIGURES):
        table.add_column(name, justify="left" if name == "set" else "right", overflow="fold")
    for row in by_cost(run.pareto):
        table.add_row(*map(Text, (row.index_set, *mix_figures(row))), style="bold green" if row.recommended else "")
    return [Padding(table, (1, 0, 0, 0))]


def _reads_table(matrix: Matrix, comparison: Comparison) -> RenderableType:
    shown = _most_telling(comparison)
    table = _table("Pages read by each query with its worst parameters")
    table.add_column("query", overflow="fold")
    for result in shown:
        table.add_column(Text(result.name), justify="right", overflow="fold")
    for family, queries in families(matrix).items():
        table.add_row(Text(family, style="dim"))
        for query in queries:
            cells = [worst_cell(matrix.cells, query.name, r.name) for r in shown]
            table.add_row(Text(f"  {query.name}"), *(units.number(c.buffers if c else None) for c in cells))
    return Padding(table, (1, 0, 0, 0))


def _most_telling(comparison: Comparison) -> list[SetResult]:
    """As many sets as fit: the baseline and the choice always, then those that no other dominates."""
    first = [r for r in comparison.results if r in (comparison.baseline, comparison.chosen)]
    rest = sorted((r for r in comparison.results if r not in first), key=lambda r: r.dominated_by is not None)
    kept = [*first, *rest][:_MOST_SETS]
    return [r for r in comparison.results if r in kept]


def _traffic_table(migration: Migration) -> RenderableType:
    table = _table("Live requests during the upgrade")
    table.add_column("requests", overflow="fold")
    for name in ("kind", "count", "failed", "median", "p99", "worst stall", "during"):
        table.add_column(name, justify="left" if name in ("kind", "during") else "right", overflow="fold")
    for t in migration.traffic:
        times = (units.millis(value) for value in (t.p50_ms, t.p99_ms, t.waited_ms))
        failed = Text(units.number(t.errors), style="bold red" if t.errors else "")
        during = Text(t.worst_revision or units.DASH)
        table.add_row(Text(t.name), t.kind, units.number(t.requests), failed, *times, during)
    return Padding(table, (1, 0, 0, 0))


def _race_table(races: Sequence[Race], server: str) -> RenderableType:
    table = _table(f"Races: many workers take conversations at once{f', {server}' if server else ''}")
    for name in ("strategy", "workers", "doubled", "retries", "deadlocks", "assignments", ""):
        table.add_column(name, justify="left" if name in ("strategy", "") else "right", overflow="fold")
    unsafe = unsafe_strategies(races)
    for race in (race for race in races if race.server == server):
        safe = race.strategy not in unsafe
        counts = (units.number(value) for value in (race.workers, race.doubles, race.retries, race.deadlocks))
        remark = Text("safe" if safe else "unsafe", style="green" if safe else "bold red")
        table.add_row(Text(race.strategy), *counts, units.rate(race.per_s), remark)
    return Padding(table, (1, 0, 0, 0))


def _table(title: str) -> Table:
    return Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )

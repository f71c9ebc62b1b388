"""`inboxbench race costs`: what each rule of the messenger costs, and what its alternatives would."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, heading, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.messenger.costs.rule import CostRow
from inboxbench.messenger.costs.run_rules import RULES, find_rules, run_costs

_SAFE = {True: "✓", False: "✗", None: "–"}
_FIGURES = ("statements", "buffers", "WAL bytes", "ms")
_NOTE = (
    "→ is what the messenger does. statements: that the client sends, BEGIN and COMMIT aside; buffers: 8 kB pages of "
    "tables and indexes touched, also by triggers; ms: median, commit included. ✓ ✗: holds, or breaks, at READ "
    "COMMITTED in the cell of the atlas that is named; – nothing races."
)


def _meaning(row: CostRow) -> str:
    return next(way.meaning for way in RULES[row.rule].alternatives if way.name == row.alternative)


def _name(row: CostRow) -> str:
    return f"{'→ ' if row.ours else '  '}{row.alternative}"


def _figures(row: CostRow) -> list[str]:
    return [f"{row.statements:g}", f"{row.buffers:,.1f}", f"{row.wal_bytes:,.0f}", f"{row.ms:.2f}"]


def _table(rows: Sequence[CostRow], server: str) -> Table:
    shown = Table(title=f"What the messenger's rules cost on {server}")
    shown.add_column("way", no_wrap=True)
    shown.add_column("what it does")
    for title in _FIGURES:
        shown.add_column(title, justify="right")
    shown.add_column("safe")
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        shown.add_section()
        shown.add_row(f"[bold]{name}[/]", f"[bold]{rule.title}[/], per {rule.unit}")
        for row in ways:
            shown.add_row(_name(row), _meaning(row), *_figures(row), _SAFE[row.safe])
    return shown


def _markdown(rows: Sequence[CostRow], server: str, begun: dt.datetime) -> str:
    """Return the page kept under bench/results: what was run, where and when, and what came out."""
    lines = [*heading("What the messenger's rules cost, and what their alternatives would", server, begun), _NOTE]
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        lines += ["", f"## {name}: {rule.title} ({', '.join(rule.ids)})", ""]
        lines += [f"| per {rule.unit} | {' | '.join(_FIGURES)} | atlas |", f"|---|{'---:|' * len(_FIGURES)}---|"]
        for row in ways:
            atlas = f"{_SAFE[row.safe]} {row.atlas}" if row.atlas else _SAFE[None]
            way = f"{'**→ ' if row.ours else ''}{row.alternative}{'**' if row.ours else ''}: {_meaning(row)}"
            lines.append(f"| {way} | {' | '.join(_figures(row))} | {atlas} |")
    return "\n".join(lines)


@click.command()
@click.option("--rule", "names", multiple=True, help="count only this rule; repeat for more (default: all)")
@click.option("--executions", default=200, show_default=True, help="executions of each way, after it is warm")
@output_options("markdown", default="markdown")
@pass_session
def costs(session: Session, *, names: tuple[str, ...], executions: int, output: Output) -> None:
    """Count what each rule of the messenger costs, beside the other ways to keep it: statements, pages, WAL."""
    rules, begun = find_rules(names), dt.datetime.now(dt.UTC)
    with session.server() as server, progress_console.status("building") as status:
        rows = run_costs(server, rules=rules, executions=executions, project=session.project, progress=status.update)
        label = server.label

    def show(console: Console) -> None:
        console.print(_table(rows, label))
        console.print(_NOTE)

    output.hand_over([row.to_json() for row in rows], text=show, markdown=lambda: _markdown(rows, label, begun))

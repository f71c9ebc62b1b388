"""`inboxbench race costs`: what each rule of the messenger costs, and what its alternatives would."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
from rich.table import Table

from inboxbench import __version__
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.errors import UsageError
from inboxbench.machine import describe_machine
from inboxbench.messenger.costs import RULES, CostRow, find_rules, run_costs

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
    table = Table(title=f"What the messenger's rules cost on {server}")
    table.add_column("way", no_wrap=True)
    table.add_column("what it does")
    for heading in _FIGURES:
        table.add_column(heading, justify="right")
    table.add_column("safe")
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        table.add_section()
        table.add_row(f"[bold]{name}[/]", f"[bold]{rule.title}[/], per {rule.unit}")
        for row in ways:
            table.add_row(_name(row), _meaning(row), *_figures(row), _SAFE[row.safe])
    return table


def _markdown(rows: Sequence[CostRow], server: str) -> str:
    """What was run, where and when, and what came out: the page kept under bench/results."""
    machine = describe_machine()
    lines = [
        "# What the messenger's rules cost, and what their alternatives would",
        "",
        f"- Command: `inboxbench {shlex.join(sys.argv[1:])}`",
        f"- Date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}",
        f"- Server: {server}",
        "",
        _NOTE,
    ]
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        lines += ["", f"## {name}: {rule.title} ({', '.join(rule.ids)})", ""]
        lines += [f"| per {rule.unit} | {' | '.join(_FIGURES)} | atlas |", f"|---|{'---:|' * len(_FIGURES)}---|"]
        for row in ways:
            atlas = f"{_SAFE[row.safe]} {row.atlas}" if row.atlas else _SAFE[None]
            way = f"{'**→ ' if row.ours else ''}{row.alternative}{'**' if row.ours else ''}: {_meaning(row)}"
            lines.append(f"| {way} | {' | '.join(_figures(row))} | {atlas} |")
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written: {error.strerror}; name another file") from error


@click.command()
@click.option("--rule", "names", multiple=True, help="one rule; repeat for more (default: all)")
@click.option("--executions", default=200, show_default=True, help="of each way, after it is warm")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="write the result here as Markdown")
@format_option
@pass_session
def costs(session: Session, *, names: tuple[str, ...], executions: int, output: Path | None, form: str) -> None:
    """Count what each rule of the messenger costs, beside the other ways to keep it: statements, pages, WAL."""
    rules = find_rules(names)
    if output and not output.parent.is_dir():  # a wrong path is said before the work
        raise UsageError(f"--output {output}: there is no folder {output.parent}; make it first")
    with session.server() as server, progress_console.status("building") as status:
        rows = run_costs(server, rules=rules, executions=executions, project=session.project, progress=status.update)
        label = server.label
    if output:
        _write(output, _markdown(rows, label))
    if form == "json":
        click.echo(json.dumps([row.to_json() for row in rows], indent=2))
    else:
        results_console().print(_table(rows, label))
        results_console().print(_NOTE)

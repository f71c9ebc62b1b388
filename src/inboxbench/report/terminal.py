"""The summary on the terminal: what to choose, by how much, at what cost, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.report.document import checked_run
from inboxbench.report.findings import findings
from inboxbench.report.index_figures import compare
from inboxbench.report.model import Run, read_run
from inboxbench.report.table import as_rich
from inboxbench.report.tables import run_tables
from inboxbench.report.words import Finding, Sentence, Strong

PLAIN_WIDTH = 100
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
    """Return the summary as something rich can print."""
    record = read_run(checked_run(run))
    comparison = compare(record)
    tables = run_tables(record, comparison)
    names = ("sets", "mix", "reads", "traffic") if tables["reads"] else ("traffic",)  # a verdict alone is no table
    shown = [table for name in names if (table := tables[name])]
    shown += tables["races"].split() if tables["races"] else []
    return Group(
        _heading(record),
        *(_finding(finding) for finding in findings(record, comparison)),
        *(Padding(as_rich(table, detail=False, notes=False, fold=True), (1, 0, 0, 0)) for table in shown),
    )


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

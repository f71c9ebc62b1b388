"""A comparison shown: on a terminal, and as Markdown for a job summary or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from inboxbench import units
from inboxbench.gate.compare import Change, Comparison
from inboxbench.report.table import Cell, Column, Row, Table, Tone, as_rich, words
from inboxbench.report.table import as_markdown as table_as_markdown

_MOST = 50  # rows of a table in Markdown: a comment has a limit, and nobody reads further
_SIGNS = {"broken": "✗", "worse": "▲", "better": "▼", "note": "·"}
_TONES: dict[str, Tone] = {"broken": "bad", "worse": "bad", "better": "good", "note": "weak"}


def changes_table(title: str, changes: Sequence[Change]) -> Table:
    """Return a line for each change, the worst first."""
    columns = [
        Column("", words=True),
        Column("query/class/set or write/set", words=True, code=True),
        *words("what"),
        Column("factor", units.times),
    ]
    return Table(title, columns, [_row(change) for change in changes])


def _row(change: Change) -> Row:
    factor = change.factor if change.before and change.after is not None else None
    sign = Cell(f"{_SIGNS[change.verdict]} {change.verdict}", _TONES[change.verdict])
    return Row([sign, change.where, change.text, Cell(factor if factor is not None else "")])


def _with_plans(changes: Sequence[Change]) -> Iterator[Change]:
    """Changes of a plan, once a cell: that of the counter, not that of the answer."""
    for change in changes:
        if change.plan_before != change.plan_after and change.metric != "removed":
            yield change


def scoreboard(comparison: Comparison, headline: str, remarks: Sequence[str]) -> RenderableType:
    """Return what a terminal shows; nothing but the headline when nothing changed."""
    parts: list[RenderableType] = []
    if changed := comparison.of("broken", "worse", "better"):
        parts.append(as_rich(changes_table("figures that changed, the worst first", changed), fold=True))
    for change in _with_plans(comparison.changes):
        title = change.where if change.verdict != "note" else f"{change.where} {change.text}"
        parts += [Text(title, style="bold"), Text(f"  before  {change.plan_before or units.DASH}")]
        parts.append(Text(f"  after   {change.plan_after or units.DASH}"))
    notes = [f"{change.where} {change.text}" for change in comparison.of("note") if change.metric != "plan"]
    parts += [Text(f"  {line}", style="dim") for line in (*notes, *remarks)]
    verdict = Text("closed: ", style="bold red") if comparison.closed else Text("open: ", style="bold green")
    return Group(*parts, verdict.append(headline, style="default"))


def as_markdown(comparison: Comparison, headline: str, remarks: Sequence[str]) -> str:
    """Return a headline, what closes the gate, what got better, the plans, remarks."""
    closing, better, notes = comparison.of("broken", "worse"), comparison.of("better"), comparison.of("note")
    lines = [f"### inboxbench gate: {'closed' if comparison.closed else 'open'}", "", headline, ""]
    lines += _part("Worse", closing) + _part("Better", better) + _plans((*closing, *better, *notes))
    lines += [f"- {_cell(change.where)} {_cell(change.text)}" for change in notes if change.metric != "plan"]
    lines += [f"- {_cell(remark)}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"


def _part(title: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    more = ["", f"… and {len(changes) - _MOST} more"] if len(changes) > _MOST else []
    return [f"**{title}**", "", table_as_markdown(changes_table(title, changes[:_MOST])), *more, ""]


def _plans(changes: Sequence[Change]) -> list[str]:
    changed = list(_with_plans(changes))[:_MOST]
    if not changed:
        return []
    lines = ["<details><summary>Plans that changed</summary>", ""]
    for change in changed:
        before, after = (_cell(plan or units.DASH) for plan in (change.plan_before, change.plan_after))
        lines += [f"`{_cell(change.where)}`", "```text", f"before  {before}", f"after   {after}", "```"]
    return [*lines, "</details>", ""]


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")

"""A comparison as Markdown, for a job summary or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench import units
from inboxbench.gate.change import Change, Comparison

_MOST = 50  # rows of a table: a comment has a limit, and nobody reads further


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _row(change: Change) -> str:
    sign = {"broken": "✗", "worse": "▲", "better": "▼", "note": "·"}[change.verdict]
    factor = units.times(change.factor) if change.before and change.after is not None else ""
    return f"| {sign} {change.verdict} | `{_cell(change.where)}` | {_cell(change.text)} | {factor} |"


def _table(title: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    rows = [_row(change) for change in changes[:_MOST]]
    more = [f"| | … and {len(changes) - _MOST} more | | |"] if len(changes) > _MOST else []
    return [f"**{title}**", "", "| | where | what | factor |", "|---|---|---|---:|", *rows, *more, ""]


def _plans(changes: Sequence[Change]) -> list[str]:
    told = [change for change in changes if change.plan_before != change.plan_after][:_MOST]
    if not told:
        return []
    lines = ["<details><summary>Plans that changed</summary>", ""]
    for change in told:
        before, after = (_cell(plan or "–") for plan in (change.plan_before, change.plan_after))
        lines += [f"`{_cell(change.where)}`", "```text", f"before  {before}", f"after   {after}", "```"]
    return [*lines, "</details>", ""]


def as_markdown(comparison: Comparison, headline: str, remarks: Sequence[str]) -> str:
    """A headline, what closes the gate, what got better, the plans, remarks."""
    closing, better, notes = comparison.of("broken", "worse"), comparison.of("better"), comparison.of("note")
    lines = [f"### inboxbench gate: {'closed' if comparison.closed else 'open'}", "", headline, ""]
    lines += _table("Worse", closing) + _table("Better", better) + _plans((*closing, *better, *notes))
    lines += [f"- {_cell(change.where)} {_cell(change.text)}" for change in notes if change.metric != "plan"]
    lines += [f"- {_cell(remark)}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"

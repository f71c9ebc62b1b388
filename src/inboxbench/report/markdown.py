"""The verdict and the tables of a run as Markdown, for a README or a CI job summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.document import checked_run
from inboxbench.report.findings import findings
from inboxbench.report.index_figures import compare
from inboxbench.report.model import Run, read_run
from inboxbench.report.table import Table, as_markdown, escape
from inboxbench.report.tables import even_words, run_tables
from inboxbench.report.verdict import Verdict
from inboxbench.report.words import Finding, Sentence, Strong


def render_markdown(run: Mapping[str, Any]) -> str:
    """Findings as a list, then the tables of the index sets, of the mix and of the races.

    Raises UsageError when the run does not follow its schema.
    """
    record = read_run(checked_run(run))
    comparison = compare(record)
    blocks = [_conditions(record), "\n".join(_finding(finding) for finding in findings(record, comparison))]
    tables = run_tables(record, comparison)
    if sets := tables["sets"]:
        blocks += [f"{sets.title}.", as_markdown(sets)]
    if mix := tables["mix"]:
        blocks += _mix(record.verdict, mix)
    if races := tables["races"]:
        blocks.append(as_markdown(races))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _mix(verdict: Verdict, table: Table) -> list[str]:
    cost = "writes a second by pgbench, and what a read, a write and a request cost"
    note = (
        f"At the mix {escape(verdict.mix.text)}: reads in the mean and in the worst class of parameters, their "
        f"milliseconds of server time, {cost if verdict.has_writes else 'and what a request costs'} in "
        f"{escape(verdict.currency)}."
    )
    evens = [f"- {escape(f'{even.leaner} and {even.reader}: {even_words(even)}')}" for even in verdict.break_even]
    return [note, as_markdown(table), "\n".join(evens)]


def _conditions(run: Run) -> str:
    facts = [f"{run.tool.name} {run.tool.version}".strip()]
    if run.seed:
        facts.append(f"profile `{_code(run.seed.profile)}`")
    if run.server:
        facts.append(escape(run.server.label))
    if run.machine:
        facts.append(escape(f"{run.machine.cpu}, {units.number(run.machine.cores)} cores"))
    facts += [escape(run.started_at)] if run.started_at else []
    return ", ".join(facts) + "."


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _finding(finding: Finding) -> str:
    return f"- **{escape(finding.topic)}.** {' '.join(_sentence(s) for s in finding.sentences)}"


def _sentence(sentence: Sentence) -> str:
    return "".join(f"**{escape(part)}**" if isinstance(part, Strong) else _inner(part) for part in sentence)


def _inner(part: str) -> str:
    """Escaped, with the spaces at its ends that part it from its neighbours."""
    head = " " if part[:1].isspace() else ""
    tail = " " if part[-1:].isspace() and part.strip() else ""
    return f"{head}{escape(part)}{tail}"

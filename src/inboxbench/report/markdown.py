"""The results table and the verdict as Markdown, for a README or a CI job summary."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inboxbench import units
from inboxbench.report.document import checked_run
from inboxbench.report.findings import findings
from inboxbench.report.index_figures import Comparison, SetResult, compare
from inboxbench.report.model import Race, Run
from inboxbench.report.read import read_run
from inboxbench.report.tables import (
    MIX_FIGURES,
    SET_FIGURES,
    by_cost,
    even_words,
    is_chosen,
    mix_figures,
    remark,
    set_figures,
)
from inboxbench.report.words import Finding, Sentence, Strong

_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")


def render_markdown(run: Mapping[str, Any]) -> str:
    """Findings as a list, then a table of the index sets and one of the races.

    Raises UsageError when the run does not follow its schema.
    """
    found = read_run(checked_run(run))
    comparison = compare(found)
    blocks = [_conditions(found), "\n".join(_finding(f) for f in findings(found, comparison))]
    if comparison.results:
        blocks.append(_sets(comparison))
    if found.pareto:
        blocks.append(_mix(found))
    if found.races:
        blocks.append(_races(found.races))
    return "\n\n".join(block for block in blocks if block) + "\n"


def escape(text: object) -> str:
    """Text that Markdown prints as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


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


def _sets(comparison: Comparison) -> str:
    head = ("index set", *SET_FIGURES, "")
    rows = (_set_row(result, comparison) for result in comparison.results)
    note = "Reads in 8 kB pages, each query with its worst parameters; typical is their geometric mean."
    return f"{note}\n\n{_table(head, rows, left={0, len(head) - 1})}"


def _set_row(result: SetResult, comparison: Comparison) -> tuple[str, ...]:
    said = escape(remark(result, comparison))
    strong = is_chosen(result, comparison) or result.wrong
    return escape(result.name), *set_figures(result), f"**{said}**" if strong else said


def _mix(run: Run) -> str:
    head = ("index set", *MIX_FIGURES)
    rows = ((escape(row.index_set), *mix_figures(row)) for row in by_cost(run.pareto))
    evens = [f"- {escape(f'{even.leaner} and {even.reader}: {even_words(even)}')}" for even in run.break_even]
    note = (
        f"At the mix {escape(run.mix)}: reads in the mean and in the worst class of parameters, their milliseconds of "
        "server time, writes a second by pgbench, and what a read, a write and a request cost in "
        f"{escape(run.verdict.get('currency'))}."
    )
    return "\n\n".join([note, _table(head, rows, left={0}), *(["\n".join(evens)] if evens else [])])


def _races(races: Sequence[Race]) -> str:
    head = ("strategy", "workers", "doubled", "retries", "deadlocks", "assignments", "server")
    return _table(head, (_race_row(race) for race in races), left={0, 6})


def _race_row(race: Race) -> tuple[str, ...]:
    doubles = units.number(race.doubles)
    return (
        escape(race.strategy),
        units.number(race.workers),
        f"**{doubles}**" if race.doubles else doubles,
        units.number(race.retries),
        units.number(race.deadlocks),
        units.rate(race.per_s),
        escape(race.server),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: set[int]) -> str:
    rule = ["---" if number in left else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))

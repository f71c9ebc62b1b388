"""A failed CREATE INDEX CONCURRENTLY leaves its index behind."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.more import Unfinished
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules.checks import head, short
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.tokens import quoted


def _check(facts: Facts) -> Iterator[Hit]:
    known = {item.name: item for item in facts.run.more.unfinished or () if item.index}
    for name in facts.run.invalid_indexes:
        words = {"index", name.rpartition(".")[2]}
        made = next((statement for statement in facts.run.statements if words <= statement.parsed.words), None)
        found = known.get(name, Unfinished("index", name, "", "is invalid"))
        parent = found.what != "is invalid"
        effect = "." if parent else ": every write keeps it up, and no query uses it."
        what = f"index {short(name)} {found.what}{effect}{_before(found, made)}"
        written = ".".join(quoted(part) for part in short(name).split("."))
        drop = Step(f"DROP INDEX CONCURRENTLY IF EXISTS {written}", alone=True)
        yield Hit(made, name, what, "" if parent else facts.render(drop))


def _before(found: Unfinished, made: Statement | None) -> str:
    if not found.before:
        return ""
    skipped = made is not None and not made.error and any(command.exists for command in made.parsed.commands)
    passed = f", and {head(made)} passed it over" if made is not None and skipped else ""
    return f" It was invalid before the run{passed}."


RULE = Rule(
    id="invalid-index",
    group="outcome",
    severity="error",
    condition="an index is invalid after the run: it failed to be built CONCURRENTLY, in this run or before it",
    effect="writes keep it up, queries do not use it, and a second try under IF NOT EXISTS takes it for done",
    remedy="drop it and build it again; that of a partitioned table needs one attached for each partition.",
    bad="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq ON customers (email);  -- failed once",
    good="DROP INDEX CONCURRENTLY IF EXISTS uq;\nCREATE UNIQUE INDEX CONCURRENTLY uq ON customers (email);",
    check=_check,
)

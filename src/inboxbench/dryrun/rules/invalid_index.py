"""A failed CREATE INDEX CONCURRENTLY leaves its index behind."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules.checks import short
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.tokens import quoted


def _check(facts: Facts) -> Iterator[Hit]:
    for name in facts.run.invalid_indexes:
        words = {"index", name.rpartition(".")[2]}
        made = next((statement for statement in facts.run.statements if words <= statement.parsed.words), None)
        what = f"index {short(name)} is invalid: every write keeps it up, and no query uses it."
        written = ".".join(quoted(part) for part in short(name).split("."))
        yield Hit(made, name, what, facts.render(Step(f"DROP INDEX CONCURRENTLY IF EXISTS {written}", alone=True)))


RULE = Rule(
    id="invalid-index",
    group="outcome",
    severity="error",
    condition="an index that failed to be built CONCURRENTLY was left behind",
    effect="writes keep it up, queries do not use it, and a second try under IF NOT EXISTS takes it for done",
    remedy="drop it and build it again.",
    bad="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq ON customers (email);  -- failed once",
    good="DROP INDEX CONCURRENTLY IF EXISTS uq;\nCREATE UNIQUE INDEX CONCURRENTLY uq ON customers (email);",
    check=_check,
)

"""A statement fails on these rows, and its revision with it."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.checks import head
from inboxbench.dryrun.rules.facts import Facts, refused_in_transaction
from inboxbench.dryrun.rules.rule import Hit, Rule


def _check(facts: Facts) -> Iterator[Hit]:
    failed = {revision.revision for revision in facts.run.revisions if revision.error}
    for statement in facts.run.statements:
        if statement.error and statement.revision in failed and not refused_in_transaction(statement):
            what = f"{head(statement)} failed: {statement.error}."
            yield Hit(statement, None, what, facts.proposal(statement))


RULE = Rule(
    id="revision-failed",
    group="outcome",
    severity="error",
    condition="a statement failed on these rows, and its revision with it",
    effect="the history stops there",
    remedy="make the rows fit first, or the statement fit the rows.",
    bad="ALTER TABLE orders ADD COLUMN c int NOT NULL;",
    good="ALTER TABLE orders ADD COLUMN c int NOT NULL DEFAULT 0;",
    check=_check,
    squawk=("adding-required-field",),
)

"""A statement that cannot run in a transaction is run in one."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules.checks import head
from inboxbench.dryrun.rules.facts import Facts, refused_in_transaction
from inboxbench.dryrun.rules.rule import Hit, Rule


def _check(facts: Facts) -> Iterator[Hit]:
    for statement in facts.run.statements:
        if refused_in_transaction(statement):
            code = facts.render(Step(statement.parsed.bare, alone=True))
            yield Hit(statement, None, f"{head(statement)} failed: {statement.error}.", code)


RULE = Rule(
    id="needs-autocommit",
    group="outcome",
    severity="error",
    condition="a statement that cannot run in a transaction was run in one",
    effect="the revision fails",
    remedy="leave Alembic's transaction for it.",
    bad='op.execute("CREATE INDEX CONCURRENTLY …")',
    good='with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY …")',
    check=_check,
    squawk=("ban-concurrent-index-creation-in-transaction",),
)
